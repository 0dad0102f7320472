"""Imputers of adversarial models: what they may change, whom a row's answer depends on, phases."""

import copy
import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from halfseen import load
from halfseen.core.noise import Noise, new_generator
from halfseen.core.row_noise import RowNoise, row_keys
from halfseen.core.spec import DataSpec
from halfseen.errors import SettingError, TrainingError
from halfseen.estimators.adversarial_networks import plain_network
from halfseen.estimators.players import CellImputer
from halfseen.mechanisms.images import BlockMask, ClippingMask, DropoutMask
from halfseen.methods.ambient_gan import AmbientGAN
from halfseen.methods.misgan import MisGAN
from halfseen.nn.outputs import CellOutput
from halfseen.testing.parts import global_state
from halfseen.testing.tables import same_bits, some_frame, some_table

SMALL = {
    "max_steps": 8,
    "n_latent": 3,
    "hidden": (6,),
    "critic_hidden": (6,),
    "imputer_hidden": (6,),
    "n_critic": 2,
    "n_draws_predict": 5,
    "random_state": 0,
}
CONV = {"hidden": (4,), "critic_hidden": (4,), "imputer_hidden": (4, 2), "network": "conv"}


def pictures(n=30, channels=1, size=8, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.random((n, channels, size, size)).astype(np.float32)
    return np.where(rng.random((n, 1, size, size)) < 0.4, np.float32(np.nan), x)


@pytest.fixture(scope="module")
def fitted():
    return MisGAN(**SMALL, n_members=2).fit(some_table(60))


def state(estimator, player):
    """All that a player has learned, running moments included."""
    return copy.deepcopy(getattr(estimator.game_, player).state_dict())


def same_state(one, other):
    return all(torch.equal(one[name], other[name]) for name in one | other)


# ---- one imputer ------------------------------------------------------------------------------


def make_imputer(sees_mask=True, scale=1.0):
    g = torch.Generator().manual_seed(0)
    network = plain_network(2, 3 * (1 + sees_mask), (5,), 3, g)
    output = CellOutput(DataSpec.continuous(3), np.full(3, -2.0), np.full(3, 2.0))
    return CellImputer(network, output, sees_mask=sees_mask, noise_scale=scale)


def some_noise(n=4):
    return Noise(new_generator(0), (2, n))


def test_seen_cells_pass_through_and_hidden_ones_do_not_matter():
    imputer = make_imputer()
    x = torch.rand(4, 3, generator=torch.Generator().manual_seed(1))
    s = torch.tensor([[1.0, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]])
    done = imputer.complete(x, s, some_noise())
    seen = (s > 0).expand_as(done)
    assert torch.equal(done[seen], x.expand_as(done)[seen])
    assert not torch.equal(done, x.expand_as(done))
    other = torch.where(s > 0, x, 77.0)
    assert torch.equal(imputer.complete(other, s, some_noise()), done)


def test_noise_of_holes_is_uniform_up_to_its_scale():
    """Eq. 12: the network is shown x s + w (1 - s)."""
    shown = []
    imputer = make_imputer(sees_mask=False, scale=0.01)
    imputer.network.register_forward_pre_hook(lambda _, given: shown.append(given[0]))
    x = torch.full((500, 3), 0.5)
    s = torch.tensor([1.0, 0.0, 0.0]).expand(500, 3)
    imputer(x, s, some_noise(500))
    assert (shown[0][..., 0] == 0.5).all()
    w = shown[0][..., 1:]
    assert 0 < float(w.min()) < 0.0005
    assert 0.0095 < float(w.max()) < 0.01
    assert float(w.mean()) == pytest.approx(0.005, rel=0.05)


def test_a_mask_goes_in_where_that_is_asked_for():
    imputer = make_imputer()
    shown = []
    imputer.network.register_forward_pre_hook(lambda _, given: shown.append(given[0]))
    s = torch.tensor([[1.0, 0, 1]])
    imputer(torch.zeros(1, 3), s, some_noise(1))
    assert shown[0].shape == (2, 1, 6)
    assert torch.equal(shown[0][0, 0, 3:], s[0])


def test_noise_of_rows_gives_a_row_the_same_alone():
    imputer = make_imputer()
    x = np.random.default_rng(0).random((6, 3)).astype(np.float32)
    s = np.tile(np.float32([1, 0, 0]), (6, 1))
    keys = row_keys(x, s, 3)
    x, s = torch.from_numpy(x), torch.from_numpy(s)
    together = imputer.complete(x, s, RowNoise(keys, 2, 4))
    for i in range(6):
        alone = imputer.complete(x[i : i + 1], s[i : i + 1], RowNoise(keys[i : i + 1], 2, 4))
        torch.testing.assert_close(alone[:, :, 0], together[:, :, i])


# ---- rows ------------------------------------------------------------------------------------


def test_seen_cells_keep_their_bits_in_every_answer(fitted):
    X = some_table(60)
    X[0, 0], X[1, 1], X[2, 0] = 1e6, -1e6, 0.1 + 0.2
    seen = ~np.isnan(X)
    for made in (fitted.transform(X), *fitted.sample(X, 4)):
        assert same_bits(made[seen], X[seen])
        assert np.isfinite(made).all()


def test_rows_far_outside_of_what_was_seen_are_completed(fitted):
    X = np.array([[1e300, np.nan, 1.0, np.nan], [np.nan, -1e300, np.nan, 0.0]])
    low, high = np.nanmin(some_table(60), 0), np.nanmax(some_table(60), 0)
    holes = np.isnan(X)
    for made in (fitted.transform(X), *fitted.sample(X, 2)):
        inside = (made >= low - 1e-6) & (made <= high + 1e-6)
        assert inside[holes].all()


@pytest.mark.parametrize("decision", ["mean", "draw"])
def test_answers_do_not_depend_on_neighbours(fitted, decision):
    fitted = copy.deepcopy(fitted).set_params(decision=decision)
    X = some_table(60)
    together = fitted.transform(X)
    order = np.random.default_rng(1).permutation(60)
    np.testing.assert_allclose(fitted.transform(X[order]), together[order], rtol=1e-5)
    for i in (0, 7, 31):
        np.testing.assert_allclose(fitted.transform(X[i : i + 1])[0], together[i], rtol=1e-5)


def test_chunks_do_not_matter(fitted, monkeypatch):
    X = some_table(60)
    mean, draws = fitted.transform(X), fitted.sample(X, 3)
    monkeypatch.setattr("halfseen.estimators.adversarial.CHUNK_FLOATS", 2**14)
    assert len(list(fitted._chunks(X, 5))) > 3
    np.testing.assert_allclose(fitted.transform(X), mean, rtol=1e-5)
    for one, other in zip(fitted.sample(X, 3), draws, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_draws_differ_between_rows_and_between_each_other(fitted):
    """Rows that are the same to an imputer, but for a cell's last digits, do not err together."""
    X = np.tile([[0.5, np.nan, 2.0, np.nan]], (40, 1))
    X[:, 0] += 1e-3 * np.arange(40)
    # Of one member: others have other means, which all rows share.
    draws = np.stack(fitted.sample(X, 120))[::2, :, 1]
    assert len(np.unique(draws)) > 0.99 * draws.size
    between = np.corrcoef(draws.T)[np.triu_indices(40, 1)]
    # Independent rows: mean 0, deviation 1/sqrt(59) of each, for 780 pairs of 40 rows.
    assert abs(between.mean()) < 0.02
    assert between.std() == pytest.approx(1 / np.sqrt(59), rel=0.25)


def test_equal_rows_have_draws_of_their_own(fitted):
    X = np.tile([[0.5, np.nan, 2.0, np.nan]], (10, 1))
    assert len(np.unique(fitted.sample(X, 1)[0][:, 1])) == 10
    assert len(np.unique(fitted.transform(X)[:, 1])) == 1


def test_a_row_alone_has_the_draws_that_it_has_among_others(fitted):
    X = some_table(60)
    together = fitted.sample(X, 6, random_state=4)
    for i in (3, 12):
        alone = fitted.sample(X[i : i + 1], 6, random_state=4)
        for one, other in zip(alone, together, strict=True):
            np.testing.assert_allclose(one[0], other[i], rtol=1e-5)


def test_a_mean_is_that_of_draws(fitted):
    """By a function that can be told: many draws of all members, averaged in both ways."""
    X = some_table(60)
    many = copy.deepcopy(fitted).set_params(n_draws_predict=2000)
    draws = np.stack(many.sample(X, 4000))
    holes = np.isnan(X)
    gap = np.abs(many.transform(X) - draws.mean(0))[holes]
    error = draws.std(0)[holes] * np.sqrt(2 / 4000)
    assert (gap < 5 * error + 1e-6).all()


def test_draws_come_from_all_members(fitted):
    X = some_table(60)
    changed = copy.deepcopy(fitted)
    with torch.no_grad():
        changed.game_.imputer.network.out.bias[1] += 1.0
    holes = np.isnan(X)
    pairs = zip(fitted.sample(X, 4), changed.sample(X, 4), strict=True)
    assert [bool((a != b)[holes].any()) for a, b in pairs] == [False, True, False, True]


def test_decisions():
    frame = some_frame()
    drawn = MisGAN(**SMALL, decision="draw").fit(frame)
    assert drawn.transform(frame).equals(drawn.sample(frame, 1)[0])
    averaged = MisGAN(**SMALL, decision="mean").fit(frame)
    assert not averaged.transform(frame).equals(drawn.transform(frame))
    with pytest.raises(SettingError, match="decision='median'"):
        MisGAN(**SMALL, decision="median").fit(frame)


def test_categories_are_the_most_frequent_among_draws():
    frame = some_frame()
    imputer = MisGAN(**SMALL).set_params(n_draws_predict=51).fit(frame)
    start = imputer._spec.offsets[list(frame.columns).index("city")]
    levels = imputer.codec_.levels["city"]
    holes = frame["city"].isna()
    for k, level in enumerate(levels):
        liked = copy.deepcopy(imputer)
        with torch.no_grad():
            liked.game_.imputer.network.out.bias[0, 0, start + k] += 2.0
        draws = pd.concat([draw.loc[holes, "city"] for draw in liked.sample(frame, 51)])
        # Most draws have it, but not all.
        assert 0.6 < (draws == level).mean() < 0.95
        assert (liked.transform(frame).loc[holes, "city"] == level).all()


def test_no_imputer_no_completions():
    X = some_table()
    model = MisGAN(**SMALL, imputer="none").fit(X)
    assert model.game_.imputer is None
    for verb in (model.transform, model.sample):
        with pytest.raises(SettingError, match="imputer='none', which generates rows"):
            verb(X)
    complete = np.where(np.isnan(X), 0.5, X)
    assert same_bits(model.transform(complete), complete)


def test_answers_that_are_no_numbers_are_refused(fitted):
    broken = copy.deepcopy(fitted)
    with torch.no_grad():
        broken.game_.imputer.network.out.bias.fill_(torch.nan)
    with pytest.raises(TrainingError, match="no finite answer"):
        broken.transform(some_table(60))


# ---- who learns when ---------------------------------------------------------------------------


@pytest.mark.parametrize("average", [0.0, 0.9])
@pytest.mark.parametrize("method", [MisGAN, AmbientGAN])
def test_a_standalone_imputer_leaves_the_generator_as_it_is(method, average):
    X = some_table(60)
    alone = method(**SMALL, imputer="none", average=average).fit(X)
    after = method(**SMALL, imputer="standalone", average=average).fit(X)
    for player in ("rows", "masks", "data_critic"):
        assert same_state(state(alone, player), state(after, player)), player
    fresh = after._make_game(after.units_.spec, torch.ones(1, 4), new_generator(0, 0))
    assert not same_state(state(after, "imputer"), fresh.imputer.state_dict())
    assert [row["stage"] for row in after.history_][-1] == "imputer"
    assert same_bits(alone.generate(5), after.generate(5))


def test_running_moments_of_a_frozen_generator_stay():
    """Batch normalisation learns without a gradient."""
    X = pictures()
    settings = {**SMALL, **CONV, "imputer_network": "unet", "monitor": "none"}
    alone = MisGAN(**settings | {"imputer": "none"}).fit(X)
    after = MisGAN(**settings | {"imputer": "standalone"}).fit(X)
    moments = [name for name in state(alone, "rows") if name.endswith(("mean", "variance"))]
    assert moments
    assert same_state(state(alone, "rows"), state(after, "rows"))
    other = after.adapt(BlockMask(rate=0.5), max_steps=4)
    assert same_state(state(after, "rows"), state(other, "rows"))
    assert same_bits(alone.generate(3), other.generate(3))


def test_a_joint_imputer_changes_the_generator_by_beta_alone():
    X = some_table(60)
    settings = {**SMALL, "monitor": "none", "validation_fraction": 0.0, "max_steps": 3}
    paper = MisGAN(**settings, beta=1.0).fit(X)
    released = MisGAN(**settings, beta=1.0, beta_mode="released").fit(X)
    none = MisGAN(**settings, beta=0.0).fit(X)
    assert not same_state(state(paper, "rows"), state(released, "rows"))
    assert not same_state(state(paper, "rows"), state(none, "rows"))


def test_the_released_beta_is_no_beta():
    """The noise of its term is drawn, so that only the first step can be compared."""
    X = some_table(60)
    settings = {
        **SMALL,
        "monitor": "none",
        "validation_fraction": 0.0,
        "max_steps": 1,
        "n_critic": 1,
    }
    released = [
        MisGAN(**settings, beta=beta, beta_mode="released").fit(X) for beta in (0.0, 0.1, 5.0)
    ]
    for player in ("rows", "masks", "data_critic", "imputer"):
        assert same_state(state(released[0], player), state(released[1], player))
        assert same_state(state(released[0], player), state(released[2], player))
    paper = [MisGAN(**settings, beta=beta).fit(X) for beta in (0.0, 5.0)]
    assert not same_state(*(state(model, "rows") for model in paper))


@pytest.mark.parametrize(("imputer_steps", "rounds"), [(None, (51, 51)), (3000, (26, 76))])
def test_stages_share_a_budget_of_time(monkeypatch, imputer_steps, rounds):
    """A clock that ticks once a round: stages end one round late, and the first one's is lost."""
    now = itertools.count()
    clock = SimpleNamespace(perf_counter=lambda: float(next(now)))
    monkeypatch.setattr("halfseen.training.loop.time", clock)
    settings = {**SMALL, "max_steps": 1000, "n_critic": 1, "monitor": "none"}
    model = MisGAN(
        **settings, imputer="standalone", imputer_steps=imputer_steps, time_budget=100
    ).fit(some_table(60))
    last = {row["stage"]: row["step"] for row in model.history_}
    assert (last["rows"], last["imputer"]) == (rounds[0], rounds[1] - 1)
    assert model.stopped_ == "time"
    adapted = model.adapt(np.eye(4, dtype=bool), max_steps=1000)
    assert adapted.history_[-1]["step"] == 101


# ---- other masks -------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [MisGAN, AmbientGAN])
def test_adapting_teaches_the_imputer_alone(method):
    X = some_table(60)
    model = method(**SMALL).fit(X)
    before, history = copy.deepcopy(model.game_.state_dict()), list(model.history_)
    answers = model.transform(X)
    masks = np.random.default_rng(0).random((50, 4)) < 0.3
    other = model.adapt(masks, max_steps=10)
    for player in ("rows", "masks", "data_critic"):
        assert same_state(state(model, player), state(other, player)), player
    for player in ("imputer", "imputer_critic"):
        assert not same_state(state(model, player), state(other, player)), player
    assert same_state(before, model.game_.state_dict())
    assert same_bits(model.transform(X), answers)
    assert model.history_ == history
    assert [row["stage"] for row in other.history_][-1] == "adapt"
    assert same_bits(model.generate(4, random_state=1), other.generate(4, random_state=1))
    assert not same_bits(other.transform(X), answers)
    assert np.isfinite(other.transform(X)).all()
    assert not any(p.requires_grad for p in other.game_.parameters())


def test_adapting_needs_no_data_and_has_seeds(tmp_path):
    model = MisGAN(**SMALL).fit(some_table(60))
    model.save(tmp_path / "model")
    del model
    # A file holds no rows.
    model, masks = load(tmp_path / "model"), np.eye(4, dtype=bool)
    before = global_state()
    one, two = model.adapt(masks, max_steps=3), model.adapt(masks, max_steps=3)
    other = model.adapt(masks, max_steps=3, random_state=1)
    generator = model.adapt(masks, max_steps=3, random_state=np.random.default_rng(0))
    assert global_state() == before
    X = some_table()
    assert same_bits(one.transform(X), two.transform(X))
    assert not same_bits(one.transform(X), other.transform(X))
    assert np.isfinite(generator.transform(X)).all()


def test_a_generator_gets_its_imputer_later(tmp_path):
    """From a file, without data; the same one as that of a generator which had an imputer."""
    X, masks = some_table(60), np.eye(4, dtype=bool)
    bare = MisGAN(**SMALL, imputer="none").fit(X)
    bare.save(tmp_path / "generator")
    adapted = load(tmp_path / "generator").adapt(masks)
    assert (bare.imputer, adapted.imputer, adapted.n_iter_) == ("none", "standalone", 8)
    with pytest.raises(SettingError, match=r"or adapt\(masks\)"):
        bare.transform(X)
    assert same_bits(bare.generate(5), adapted.generate(5))
    other = MisGAN(**SMALL, imputer="standalone").fit(X).adapt(masks, max_steps=8)
    assert same_bits(adapted.transform(X), other.transform(X))
    adapted.save(tmp_path / "model")
    assert same_bits(load(tmp_path / "model").transform(X), adapted.transform(X))


def test_adapting_takes_as_many_steps_as_the_fit_however_often():
    model = MisGAN(**SMALL).fit(some_table(60))
    once = model.adapt(np.eye(4))
    assert (model.n_iter_, once.n_iter_, once.adapt(np.eye(4)).n_iter_) == (8, 8, 8)


def masks_of_training(monkeypatch, model, masks):
    """All masks that an imputer meets while it adapts."""
    shown, forward = [], CellImputer.forward

    def recorded(self, x, s, noise, **settings):
        shown.append(s)
        return forward(self, x, s, noise, **settings)

    monkeypatch.setattr(CellImputer, "forward", recorded)
    other = model.adapt(masks, max_steps=2)
    # Two critics' steps and one of the imputer, twice.
    assert len(shown) == 6
    return other, torch.stack(shown)


def test_masks_may_tell_apart_what_was_seen_together(monkeypatch):
    """Complete modalities are one unit of training masks; another law has holes inside."""
    lab = np.random.default_rng(0).normal(size=(80, 4))
    model = MisGAN(**SMALL).fit({"lab": lab})
    assert model.mask_units_.n_units == 1
    masks = np.tile([True, False, True, False], (6, 1))
    other, shown = masks_of_training(monkeypatch, model, masks)
    assert (shown == torch.tensor([1.0, 0, 1, 0])).all()
    # Generated masks are still those of the table.
    assert other.game_.units is other.mask_units_
    assert other.generate_masks(20)["lab"].all(1).any()


def test_laws_of_pictures_may_tell_channels_apart(monkeypatch):
    model = MisGAN(**SMALL).fit(pictures(channels=2, size=4))
    assert model.mask_units_.grid == (1, 4, 4)
    _, shown = masks_of_training(monkeypatch, model, DropoutMask(0.5, by_channel=True))
    halves = shown.reshape(-1, 2, 16)
    assert float((halves[:, 0] == halves[:, 1]).float().mean()) == pytest.approx(0.5, abs=0.05)


def test_masks_of_other_columns_than_those_that_vary(monkeypatch):
    """A column that never varies is no column of the model, but one of the masks."""
    X = some_table(60)
    X[:, 1] = 7.0
    masks = np.tile([True, True, False, True], (5, 1))
    _, shown = masks_of_training(monkeypatch, MisGAN(**SMALL).fit(X), masks)
    assert (shown == torch.tensor([1.0, 0, 1])).all()


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (np.ones((3, 5)), r"shape \(3, 5\). Expected \(m, ...\) with 4 cells"),
        (np.ones((0, 4)), r"shape \(0, 4\)"),
        (np.ones(4), r"shape \(4,\)"),
        (BlockMask(rate=0.5), "for a table"),
    ],
)
def test_masks_that_do_not_fit(fitted, masks, message):
    with pytest.raises(SettingError, match=message):
        fitted.adapt(masks)


def test_laws_that_look_at_pictures_are_refused():
    model = MisGAN(**SMALL).fit(pictures(size=4))
    with pytest.raises(SettingError, match="ClippingMask, which looks at what it hides"):
        model.adapt(ClippingMask())


def test_a_table_that_never_varies():
    X = np.ones((20, 2))
    X[3, 1] = np.nan
    model = MisGAN(**SMALL).fit(some_table()).fit(X)
    assert model.adapt(np.ones((2, 2))).transform(X).tolist() == np.ones((20, 2)).tolist()
    assert not hasattr(model, "game_")


def test_a_known_level_that_fit_has_not_seen():
    """It goes into the network as itself."""
    frame = pd.DataFrame({"c": ["a", "b"] * 20, "x": np.arange(40.0)})
    frame.loc[::3, "x"] = np.nan
    kinds = {"c": {"kind": "nominal", "levels": list("abcdefgh")}}
    model = MisGAN(**SMALL, kinds=kinds).fit(frame)
    x, s = model._tensors(np.array([[7.0, np.nan]]))
    assert x[0].tolist() == [0, 0, 0, 0, 0, 0, 0, 1, 0]
    assert s[0].tolist() == [1, 0]


def test_settings_that_are_none():
    X = some_table(60)
    for name, value in (
        ("imputer", "later"),
        ("network", "resnet"),
        ("imputer_network", "conv"),
        ("monitor", "fid"),
        ("n_critic", 0),
        ("n_latent", 1.5),
        ("n_draws_predict", 0),
        ("n_members", 0),
        ("batch_size", -1),
    ):
        with pytest.raises(SettingError, match=f"{name}={value!r}"):
            MisGAN(**SMALL | {name: value}).fit(X)
    with pytest.raises(SettingError, match="n_draws=0"):
        MisGAN(**SMALL).fit(X).sample(X, 0)


@pytest.mark.parametrize(
    "settings",
    [
        {"imputer_lr": -1},
        {"average": 2},
        {"betas": (5, 5)},
        {"schedule": "nonsense"},
        {"beta": -3},
        {"imputer_hidden": (0,)},
        {"batch_size": -4},
        {"imputer_network": "q"},
        {"imputer": "q"},
    ],
)
@pytest.mark.parametrize("imputer", ["joint", "none"])
def test_adapting_refuses_what_fit_refuses(settings, imputer, bare_models):
    model = copy.deepcopy(bare_models[imputer]).set_params(**settings)
    [name] = settings
    with pytest.raises(SettingError, match=f"Got {name}="):
        model.adapt(np.eye(4, dtype=bool), max_steps=2)


@pytest.mark.parametrize("n_iter", [0, 2**53])
def test_adapting_wants_rounds_that_end(n_iter, bare_models):
    """A file says how many the fit had."""
    model = copy.deepcopy(bare_models["none"])
    model.n_iter_ = n_iter
    with pytest.raises(SettingError, match=f"fit of {n_iter} rounds.*max_steps"):
        model.adapt(np.eye(4, dtype=bool))
    assert model.adapt(np.eye(4, dtype=bool), max_steps=2).n_iter_ == 2


@pytest.fixture(scope="module")
def bare_models():
    X = some_table(60)
    return {imputer: MisGAN(**SMALL, imputer=imputer).fit(X) for imputer in ("joint", "none")}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 10**13}, "batch_size=10000000000000"),
        ({"batch_size": 10**5 + 1}, "batch_size=100001"),
        ({"batch_size": -4}, "batch_size=-4"),
        ({"imputer_hidden": (10**6, 10**7)}, "weights"),
        ({"imputer_hidden": (2**27,)}, "weights"),
        ({"imputer_hidden": (1,) * 1001}, "1001 layers"),
        ({"imputer_hidden": (2.5,)}, "imputer_hidden"),
        ({"imputer_network": "unet", "imputer_hidden": (10**6, 2)}, "weights"),
        ({"imputer_network": "unet", "imputer_hidden": (8, 2, 3)}, "imputer_hidden"),
    ],
)
def test_a_file_without_an_imputer_bounds_the_one_it_may_get(
    settings, message, bare_models, tmp_path
):
    bare_models["none"].save(tmp_path / "model")
    with pytest.raises(SettingError, match=message):
        load(tmp_path / "model", **settings)
    most = {"batch_size": 10**5, "imputer_hidden": (10**4, 10**4)}
    assert load(tmp_path / "model", **most).imputer == "none"
