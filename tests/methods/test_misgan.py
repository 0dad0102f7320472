"""MisGAN as an estimator: rows, masks and rows with holes in every container, files, seeds."""

import copy
import inspect
import pickle
import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from sklearn.base import clone
from torch import nn

from halfseen import load
from halfseen.core.noise import Noise
from halfseen.core.spec import DataSpec
from halfseen.errors import SettingError
from halfseen.estimators.dealing import Held
from halfseen.estimators.mask_units import MaskUnits
from halfseen.estimators.masked_game import MaskedGame, Stakes
from halfseen.estimators.masked_imputer import MaskedImputer
from halfseen.estimators.masked_monitors import MaskedMonitor
from halfseen.estimators.players import LearnedMasks
from halfseen.methods.ambient_gan import AmbientGAN
from halfseen.methods.gain import GAINImputer
from halfseen.methods.misgan import MisGAN
from halfseen.nn.critics import MLPCritic
from halfseen.nn.outputs import MaskOutput
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
METHODS = (MisGAN, AmbientGAN)


def pictures(n=40, channels=1, size=6, apart=False, seed=0):
    """Pictures of which four pixels of ten are missing, in all channels unless ``apart``."""
    rng = np.random.default_rng(seed)
    x = rng.random((n, channels, size, size)).astype(np.float32)
    holes = rng.random((n, channels if apart else 1, size, size)) < 0.4
    return np.where(holes, np.float32(np.nan), x)


def modalities(n=40):
    rng = np.random.default_rng(0)
    lab = some_frame(n)[["height", "city"]]
    lab.iloc[::4] = None
    lab.loc[lab["height"].isna() | lab["city"].isna(), :] = None
    picture = rng.random((n, 2, 4, 4)).astype(np.float32)
    picture[::3] = np.nan
    note = [["a small dog", "one cat"][i % 2] if i % 5 else None for i in range(n)]
    return {"lab": lab, "picture": picture, "note": note}


@pytest.fixture(scope="module")
def fitted():
    return MisGAN(**SMALL, n_members=3).fit(some_table())


@pytest.fixture(scope="module")
def several():
    return MisGAN(**SMALL).fit(modalities())


# ---- settings ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_signatures_list_every_setting_once(method):
    shared = inspect.signature(MaskedImputer).parameters
    own = inspect.signature(method).parameters
    assert set(shared) <= set(own)
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in own.values())
    assert set(method().get_params()) == set(own)
    for name in own:
        line = rf"^ {{4}}(\w+, )*{name}(, \w+)*( : .+)?$"
        assert len(re.findall(line, method.__doc__, re.MULTILINE)) == 1, name
    assert "{shared}" not in method.__doc__
    assert clone(method(lr=0.5)).get_params() == method(lr=0.5).get_params()


def test_settings_that_do_not_go_together():
    X = some_table()
    with pytest.raises(SettingError, match="beta_mode='both'"):
        MisGAN(**SMALL, beta_mode="both").fit(X)
    with pytest.raises(SettingError, match="mask_activation='soft'"):
        MisGAN(**SMALL, mask_activation="soft").fit(X)
    with pytest.raises(SettingError, match="with a table"):
        MisGAN(**SMALL, network="conv").fit(X)
    with pytest.raises(SettingError, match="with a table"):
        MisGAN(**SMALL, imputer_network="unet").fit(X)
    with pytest.raises(SettingError, match="mask_given_data=True with network='conv'"):
        MisGAN(**SMALL, network="conv", mask_given_data=True).fit(pictures(size=8))


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden": "row"},
        {"imputer_hidden": "wide"},
        {"gradient_penalty": -1},
        {"gradient_penalty": float("inf")},
        {"beta": "0.1"},
        {"reconstruction": -0.5},
        {"fill": None},
        {"fill": float("nan")},
        {"gumbel_temperature": 0},
        {"imputer_steps": 0},
        {"network": ["mlp"]},
        {"n_latent": True},
        {"alpha": -0.1},
        {"mask_temperature": "warm"},
    ],
    ids=str,
)
def test_settings_that_no_game_can_use(changes):
    [(name, value)] = changes.items()
    with pytest.raises(SettingError, match=re.escape(f"Got {name}={value!r}. Expected")):
        MisGAN(**{**SMALL, **changes}).fit(some_table())


@pytest.mark.parametrize(
    "changes",
    [
        {"schedule": "contsant"},
        {"validation_fraction": 1.0},
        {"hidden": 6},
        {"hidden": (0,)},
        {"average": 2},
        {"max_steps": -1},
        {"betas": (0.5,)},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", METHODS)
def test_settings_of_training_are_checked_for_games_too(method, changes):
    [(name, value)] = changes.items()
    with pytest.raises(SettingError, match=re.escape(f"Got {name}={value!r}. Expected")):
        method(**{**SMALL, **changes}).fit(some_table())


def test_what_else_is_asked_of_a_model_is_checked(fitted):
    with pytest.raises(SettingError, match="data='x'"):
        MisGAN.published("x")
    for max_steps in (-1, 0, 2.5):
        with pytest.raises(SettingError, match=f"max_steps={max_steps}"):
            fitted.adapt(np.eye(4, dtype=bool), max_steps=max_steps)


@pytest.mark.parametrize(("n", "watched"), [(194, False), (195, True)])
@pytest.mark.parametrize("method", [*METHODS, GAINImputer])
def test_small_tables_hold_no_row_out(method, n, watched):
    settings = {**SMALL, "max_steps": 1}
    known = inspect.signature(method).parameters
    model = method(**{name: value for name, value in settings.items() if name in known})
    assert ("monitor" in model.fit(some_table(n)).history_[-1]) == watched
    assert re.search(r"under 195\s+rows", method.__doc__)


def test_channels_that_do_not_fit_are_told_by_the_names_of_settings():
    settings = {**SMALL, "hidden": (4,), "critic_hidden": (4,), "network": "conv"}
    with pytest.raises(SettingError, match="three positive widths, such as hidden=") as caught:
        MisGAN(**settings).fit(pictures(size=28))
    assert "critic_hidden" in str(caught.value)
    assert "'pictures'" not in str(caught.value)


def test_stakes_are_the_settings():
    model = MisGAN(
        alpha=0.3,
        beta=0.4,
        fill=0.5,
        gradient_penalty=6.0,
        one_sided=True,
        reconstruction=0.7,
        n_critic=8,
        lr=0.09,
        imputer_lr=0.11,
        betas=[0.1, 0.2],
        beta_mode="released",
    )
    assert vars(model._stakes(DataSpec.pixels((1, 2, 2)))) == vars(
        Stakes(
            fill=0.5,
            penalty=6.0,
            one_sided=True,
            alpha=0.3,
            beta=0.4,
            released=True,
            reconstruction=0.7,
            n_critic=8,
            lr=0.09,
            imputer_lr=0.11,
            betas=(0.1, 0.2),
        )
    )


def test_penalties_have_one_side_for_tables_and_both_for_images():
    specs = {"table": DataSpec.continuous(4), "picture": DataSpec.pixels((1, 2, 2))}

    def sides(model):
        return {name: model._stakes(spec).one_sided for name, spec in specs.items()}

    for method in METHODS:
        assert sides(method()) == {"table": True, "picture": False}
        for given in (True, False):
            assert sides(method(one_sided=given)) == dict.fromkeys(specs, given)
    assert sides(MisGAN.published()) == {"table": False, "picture": False}


def test_published_settings():
    """PROTOCOLS 10.1 to 10.3 and 11."""
    alone, joint = MisGAN.published(imputer="none"), MisGAN.published()
    assert (alone.alpha, alone.fill, alone.mask_activation) == (0.2, 0.0, "sigmoid")
    assert (alone.lr, alone.betas, alone.n_critic, alone.batch_size) == (1e-4, (0.5, 0.9), 5, 64)
    assert (alone.n_latent, alone.gradient_penalty, alone.mask_temperature) == (128, 10.0, 0.66)
    # 300 and 1000 epochs of 937 batches, a fifth of which move the generators.
    assert (alone.max_steps, joint.max_steps) == (300 * 937 // 5, 1000 * 937 // 5)
    assert (joint.beta, joint.imputer_lr, joint.imputer_sees_mask) == (0.1, 2e-4, False)
    assert joint.beta_mode == "paper"
    released = MisGAN.published(released=True)
    assert (released.alpha, released.mask_activation, released.beta_mode) == (
        0.1,
        "stretched",
        "released",
    )
    digits = MisGAN.published(imputer="none", released=True)
    assert (digits.alpha, digits.mask_activation) == (0.2, "sigmoid")
    assert (released.batch_size, released.max_steps) == (64, 1000 * 937 // 5)
    assert (digits.batch_size, digits.max_steps) == (64, 500 * 937 // 5)
    faces = MisGAN.published("pictures", released=True)
    assert (faces.network, faces.imputer_network, faces.fill) == ("conv", "unet", 0.5)
    # 791 batches of 256 faces, 395 of 512; the last one is dropped.
    assert (faces.batch_size, faces.max_steps) == (512, 800 * 395 // 5)
    paper = MisGAN.published("pictures")
    assert (paper.batch_size, paper.max_steps) == (256, 600 * 791 // 5)
    for released, epochs in ((False, 300), (True, 600)):
        alone = MisGAN.published("pictures", imputer="none", released=released)
        assert (alone.batch_size, alone.max_steps) == (256, epochs * 791 // 5)
    assert MisGAN.published(lr=1.0).lr == 1.0


def test_published_networks():
    """FC: generator 128-256-512-784, critic 784-512-256-128-1."""
    model = MisGAN.published(max_steps=1, batch_size=4, imputer_hidden=(5,), random_state=0)
    rng = np.random.default_rng(0)
    digits = rng.random((8, 1, 28, 28)).astype(np.float32)
    digits[rng.random(digits.shape) < 0.5] = np.nan
    game = model.fit(digits).game_

    def widths(player):
        return [tuple(p.shape[1:]) for p in player.parameters() if p.shape[1] != 1]

    made = [(128, 256), (256, 512), (512, 784)]
    assert widths(game.rows) == widths(game.masks) == made
    for critic in (game.data_critic, game.mask_critic, game.imputer_critic):
        assert widths(critic) == [(784, 512), (512, 256), (256, 128), (128, 1)]
    assert widths(game.imputer) == [(784, 5), (5, 784)]


# ---- rows, masks, rows with holes --------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_frames(method):
    frame = some_frame()
    model = method(**SMALL, imputer="none").fit(frame)
    made, masks = model.generate(30, return_mask=True)
    assert isinstance(made, pd.DataFrame)
    assert made.dtypes.equals(frame.dtypes)
    assert made.columns.equals(frame.columns)
    assert not made.isna().any(axis=None)
    assert set(made["city"]) <= {"Rome", "Oslo", "Bern"}
    assert masks.shape == (30, 7)
    assert masks.dtype == bool
    holed = model.generate_incomplete(30)
    assert np.array_equal(holed.notna().to_numpy(), masks)
    for place, name in enumerate(frame.columns):
        rows = masks[:, place]
        assert list(holed.loc[rows, name]) == list(made.loc[rows, name])


@pytest.mark.parametrize("method", METHODS)
def test_polars_and_arrow(method):
    X = some_table()
    names = list("abcd")
    frame = pl.DataFrame({n: X[:, j] for j, n in enumerate(names)}).fill_nan(None)
    model = method(**SMALL).fit(frame)
    made, masks = model.generate(20, return_mask=True)
    assert isinstance(made, pl.DataFrame)
    assert made.columns == names
    holed = model.generate_incomplete(20)
    assert isinstance(holed, pl.DataFrame)
    nulls = np.column_stack([holed[name].is_null().to_numpy() for name in names])
    assert np.array_equal(nulls, ~masks)
    arrow = method(**SMALL).fit(frame.to_arrow()).generate_incomplete(20)
    assert isinstance(arrow, pa.Table)
    assert pl.from_arrow(arrow).equals(holed)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", METHODS)
def test_arrays(method, dtype):
    X = some_table().astype(dtype)
    model = method(**SMALL).fit(X)
    made, masks = model.generate(50, return_mask=True)
    assert made.dtype == dtype
    assert len(np.unique(made, axis=0)) == 50
    assert (made >= np.nanmin(X, 0) - 1e-5).all()
    assert (made <= np.nanmax(X, 0) + 1e-5).all()
    holed = model.generate_incomplete(50)
    assert holed.dtype == dtype
    assert np.array_equal(np.isnan(holed), ~masks)
    assert same_bits(holed[masks], made[masks])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("channels", "apart"), [(1, False), (3, False), (3, True)])
def test_pictures(method, channels, apart):
    X = pictures(channels=channels, apart=apart)
    model = method(**SMALL).fit(X)
    assert model.mask_units_.grid == (channels if apart else 1, 6, 6)
    made, masks = model.generate(9, return_mask=True)
    assert made.shape == (9, channels, 6, 6)
    assert made.dtype == np.float32
    assert masks.shape == (9, channels * 36)
    assert ((made >= np.nanmin(X)) & (made <= np.nanmax(X))).all()
    holed = model.generate_incomplete(9)
    seen = ~np.isnan(holed)
    assert np.array_equal(seen.reshape(9, -1), masks)
    assert same_bits(holed[seen], made[seen])
    # One mask for all channels of a pixel, as in the data.
    assert (seen == seen[:, :1]).all() is np.bool_(channels == 1 or not apart)
    filled = model.transform(X)
    assert same_bits(filled[~np.isnan(X)], X[~np.isnan(X)])
    assert np.isfinite(filled).all()


def test_tensors_of_pictures():
    X = torch.from_numpy(pictures())
    model = MisGAN(**SMALL).fit(X)
    assert isinstance(model.generate_incomplete(3), torch.Tensor)


def test_pixels_span_the_unit_interval_whatever_their_units():
    X = pictures()
    model = MisGAN(**SMALL).fit(100 * X - 20)
    low, high = model.range_
    np.testing.assert_allclose(low, 0, atol=1e-12)
    np.testing.assert_allclose(high, 1, atol=1e-12)
    x, s = model._tensors((100 * X - 20).reshape(40, -1))
    seen = s > 0
    assert (x[~seen] == 0).all()
    np.testing.assert_allclose([x[seen].min(), x[seen].max()], [0, 1], atol=1e-6)


@pytest.mark.parametrize("network", ["mlp", "conv"])
@pytest.mark.parametrize("imputer_network", ["mlp", "unet"])
def test_networks_of_pictures(network, imputer_network):
    X = pictures(channels=2, size=8)
    settings = {**SMALL, "hidden": (4,), "critic_hidden": (4,)}
    settings["imputer_hidden"] = (4, 2) if imputer_network == "unet" else (5,)
    model = MisGAN(**settings, network=network, imputer_network=imputer_network).fit(X)
    assert np.isfinite(model.transform(X)).all()
    assert model.generate_incomplete(4).shape == (4, 2, 8, 8)
    with pytest.raises(SettingError, match="first"):
        MisGAN(**settings | {"imputer_hidden": (4,)}, imputer_network="unet").fit(X)


def test_modalities(several):
    data = modalities()
    # The table and the text are one unit each, and so are both channels of a pixel.
    assert several.mask_units_.n_units == 1 + 16 + 1
    made, masks = several.generate(25, return_mask=True)
    assert list(made) == list(masks) == ["lab", "picture", "note"]
    assert made["lab"].dtypes.equals(data["lab"].dtypes)
    assert {name: mask.shape for name, mask in masks.items()} == {
        "lab": (25, 2),
        "picture": (25, 2, 4, 4),
        "note": (25,),
    }
    assert (masks["lab"][:, 0] == masks["lab"][:, 1]).all()
    assert (masks["picture"][:, 0] == masks["picture"][:, 1]).all()
    assert set(" ".join(made["note"]).split()) <= {"a", "small", "dog", "one", "cat"}


def test_modalities_with_holes(several):
    made, masks = several.generate(25, return_mask=True)
    holed = several.generate_incomplete(25)
    assert np.array_equal(holed["lab"].notna().to_numpy(), masks["lab"])
    assert np.array_equal(~np.isnan(holed["picture"]), masks["picture"])
    assert [text is not None for text in holed["note"]] == masks["note"].tolist()
    assert not masks["note"].all()
    for text, whole, seen in zip(holed["note"], made["note"], masks["note"], strict=True):
        assert text == (whole if seen else None)


def test_modalities_are_completed(several):
    data = modalities()
    filled = several.transform(data)
    assert not filled["lab"].isna().any(axis=None)
    assert np.isfinite(filled["picture"]).all()
    assert all(isinstance(text, str) for text in filled["note"])
    seen = data["lab"]["height"].notna()
    assert filled["lab"].loc[seen, "height"].equals(data["lab"].loc[seen, "height"])
    assert len(several.sample(data, 2)) == 2


def test_a_column_that_never_varies_goes_with_its_modality():
    lab = np.random.default_rng(0).normal(size=(60, 3))
    lab[:, 1] = 7.0
    lab[::2] = np.nan
    other = np.random.default_rng(1).normal(size=(60, 1))
    model = MisGAN(**SMALL).fit({"lab": lab, "other": other})
    made, masks = model.generate(100, return_mask=True)
    assert (made["lab"][:, 1] == 7).all()
    assert (masks["lab"] == masks["lab"][:, :1]).all()
    # And by itself where cells go missing one by one.
    lab[0, 0], lab[1, 2] = 1.0, np.nan
    masks = MisGAN(**SMALL).fit({"lab": lab, "other": other}).generate_masks(100)
    assert (masks["lab"][:, 0] != masks["lab"][:, 1]).any()


def test_columns_that_never_vary_in_a_table():
    X = np.column_stack([some_table(), np.full(40, 3.5)])
    rows, masks = MisGAN(**SMALL).fit(X).generate(6, return_mask=True)
    assert (rows[:, 4] == 3.5).all()
    assert masks[:, 4].all()
    only = MisGAN(**SMALL).fit(X[:, 4:])
    assert only.generate_incomplete(3).tolist() == [[3.5]] * 3


@pytest.mark.parametrize("n_rows", [1, 2, 3, 7])
def test_any_number_of_rows_comes_from_all_members(fitted, n_rows):
    rows, masks = fitted.generate(n_rows, return_mask=True)
    assert rows.shape == masks.shape == (n_rows, 4)
    changed = copy.deepcopy(fitted)
    with torch.no_grad():
        changed.game_.rows.network.out.bias[1] += 1.0
    moved = (changed.generate(n_rows) != rows).any(1)
    assert np.flatnonzero(moved).tolist() == list(range(1, n_rows, 3))


def test_parts_of_many_rows_are_one_table(fitted, monkeypatch):
    monkeypatch.setattr("halfseen.estimators.masked_rows.ROWS", 4)
    rows, masks = fitted.generate(11, return_mask=True)
    assert rows.shape == masks.shape == (11, 4)
    assert len(np.unique(rows, axis=0)) == 11


def test_seeds(fitted):
    before = global_state()
    rows, masks = fitted.generate(9, return_mask=True)
    assert same_bits(fitted.generate(9), rows)
    assert np.array_equal(fitted.generate_masks(9), masks)
    assert not same_bits(fitted.generate(9, random_state=1), rows)
    generator = np.random.default_rng(5)
    first, second = (fitted.generate(9, random_state=generator) for _ in range(2))
    assert not same_bits(first, second)
    again = MisGAN(**SMALL, n_members=3).fit(some_table())
    assert same_bits(again.generate_incomplete(9), fitted.generate_incomplete(9))
    other = MisGAN(**SMALL | {"random_state": 1}, n_members=3).fit(some_table())
    assert not same_bits(other.generate(9), rows)
    assert global_state() == before


def test_without_noise_categories_are_the_most_probable_of_the_same_rows():
    frame = some_frame()
    model = MisGAN(**SMALL).fit(frame)
    drawn, likely = model.generate(200), model.generate(200, noise=False)
    numbers = ["height", "weight", "code"]
    assert likely[numbers].equals(drawn[numbers])
    changed = (likely["city"] != drawn["city"]).mean()
    # Logits of an untrained network are alike: two of three draws are another category.
    assert 0.5 < changed < 0.8
    assert likely["city"].value_counts().max() > drawn["city"].value_counts().max()
    masks = model.generate(200, noise=False, return_mask=True)[1]
    assert np.array_equal(masks, model.generate_masks(200))


def test_coins_have_the_chance_that_a_relaxed_mask_says(fitted):
    """Rates of generated masks are the means of what the generator says."""
    said = []
    model = copy.deepcopy(fitted)
    model.game_.masks.register_forward_hook(lambda *call: said.append(call[-1]))
    masks = model.generate_masks(6000)
    means = torch.cat([part.transpose(0, 1).flatten(0, 1) for part in said])[:6000].mean(0)
    np.testing.assert_allclose(masks.mean(0), means.numpy(), atol=4 * 0.5 / 6000**0.5)


def test_what_cannot_be_generated_is_refused(fitted):
    for n_rows in (0, -1, 2.0, "3"):
        with pytest.raises(SettingError, match="n_rows"):
            fitted.generate_incomplete(n_rows)


# ---- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"n_members": 2, "imputer": "standalone"},
        {"imputer": "none"},
        {"mask_given_data": True, "mask_activation": "hard", "mask_temperature": 0.3},
        {"skewed": True, "fill": 0.25, "imputer_sees_mask": False, "average": 0.9},
    ],
    ids=str,
)
def test_files_of_tables(changes, tmp_path):
    frame = some_frame().drop(columns="code")
    model = MisGAN(**SMALL, **changes).fit(frame)
    model.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    for one in (loaded, pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert one.generate(6).equals(model.generate(6))
        assert np.array_equal(one.generate_masks(6), model.generate_masks(6))
        assert one.generate_incomplete(6).equals(model.generate_incomplete(6))
        if model.imputer != "none":
            assert one.transform(frame).equals(model.transform(frame))
            assert one.sample(frame, 2)[1].equals(model.sample(frame, 2)[1])
        assert one.history_ == model.history_
        assert (one.n_iter_, one.stopped_) == (model.n_iter_, model.stopped_)
    assert loaded.get_params() == model.get_params()


def test_files_of_pictures_with_running_moments(tmp_path):
    X = pictures(size=8)
    settings = {**SMALL, "hidden": (4,), "critic_hidden": (4,), "imputer_hidden": (4, 2)}
    model = MisGAN(**settings, network="conv", imputer_network="unet").fit(X)
    model.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert same_bits(loaded.transform(X), model.transform(X))
    assert same_bits(loaded.generate(3), model.generate(3))
    assert np.array_equal(loaded.generate_masks(3), model.generate_masks(3))


def test_files_of_modalities(several, tmp_path):
    several.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert torch.equal(loaded.mask_units_.unit, several.mask_units_.unit)
    one, other = (m.generate_incomplete(12) for m in (loaded, several))
    assert one["lab"].equals(other["lab"])
    assert same_bits(one["picture"], other["picture"])
    assert one["note"] == other["note"]
    one, other = (m.transform(modalities()) for m in (loaded, several))
    assert one["lab"].equals(other["lab"])
    assert one["note"] == other["note"]


def test_files_of_adapted_models(tmp_path):
    X = pictures()
    adapted = MisGAN(**SMALL).fit(X).adapt(np.ones((2, 1, 6, 6)), random_state=7, max_steps=3)
    adapted.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert same_bits(loaded.transform(X), adapted.transform(X))
    assert same_bits(loaded.generate_incomplete(4), adapted.generate_incomplete(4))
    once_more = [m.adapt(np.zeros((2, 1, 6, 6)), max_steps=2) for m in (adapted, loaded)]
    assert same_bits(*(m.transform(X) for m in once_more))


def test_fitting_again_forgets(tmp_path):
    model = MisGAN(**SMALL).fit(pictures())
    model.fit(some_frame()).fit(some_table())
    fresh = MisGAN(**SMALL).fit(some_table())
    assert same_bits(model.transform(some_table()), fresh.transform(some_table()))
    assert model.history_[-1]["step"] == 8
    constant = np.full((20, 2), 5.0)
    constant[0, 0] = np.nan
    model.fit(constant).save(tmp_path / "model")
    assert (load(tmp_path / "model").transform(constant) == 5).all()


# ---- masks that look at rows -------------------------------------------------------------------


class Given(nn.Module):
    """Rows of a known law in place of a generator."""

    def forward(self, noise, *, hard=False, drawn=True):
        return noise.normal(1)


class Below(nn.Module):
    """Raw masks: the one number is seen below zero."""

    def forward(self, code):
        return -1e4 * code[..., -1:]


def test_generators_of_masks_see_the_row():
    source = LearnedMasks(Below(), 2, MaskOutput(), given_data=True)
    x = torch.tensor([[[-1.0], [2.0]]])
    made = source(Noise(torch.Generator().manual_seed(0), (1, 2)), x)
    assert made.tolist() == [[[1.0], [0.0]]]


def test_rows_are_watched_behind_their_own_masks():
    """X ~ N(0, 1), seen below zero: the truth scores best, though half of it is never seen."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(1500, 1, generator=g)
    s = (x < 0).float()
    held = Held.from_rows(x * s, s, g)
    units = MaskUnits(DataSpec.continuous(1), torch.tensor([0]))

    def score(given_data, rows):
        network = Below() if given_data else nn.Identity()
        masks = LearnedMasks(network, 1, MaskOutput(), given_data=given_data)
        critic = MLPCritic(1, 1, (4,), g)
        game = MaskedGame(rows, masks, critic, None, None, None, units, Stakes())
        return float(MaskedMonitor(game, held, 1, 0).generation())

    class Seen(Given):
        """Only what is seen exists."""

        def forward(self, noise, *, hard=False, drawn=True):
            return -super().forward(noise).abs()

    assert score(True, Given()) > -0.1
    assert score(True, Seen()) < -0.3
    # Masks that do not look at rows must explain them the other way round.
    assert score(False, Seen()) > -0.1
    assert score(False, Given()) < -0.3


@pytest.mark.parametrize("monitor", ["sliced-wasserstein", "critic-gap"])
def test_fits_with_masks_that_look_at_rows(monitor):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 1))
    X = np.where(rng.random(x.shape) < 1 / (1 + np.exp(4 * x)), x, np.nan)
    model = MisGAN(**SMALL, mask_given_data=True, monitor=monitor).fit(X)
    assert np.isfinite([row["monitor"] for row in model.history_]).all()
    assert model.game_.masks.network.body.layers[0].weight.shape == (1, 3 + 1, 6)
    made, masks = model.generate(50, return_mask=True)
    assert np.isfinite(made).all()
    assert 0 < masks.mean() < 1
