"""GAIN: its losses by hand, who moves in which phase, mixed tables, pictures and files."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from halfseen.core.noise import Noise
from halfseen.core.spec import Column, DataSpec
from halfseen.errors import SettingError
from halfseen.estimators.cell_game import CellGame, CellStakes, Turn, hints
from halfseen.estimators.dealing import Dealer, Held
from halfseen.estimators.mask_units import MaskUnits
from halfseen.estimators.refining import RefiningImputer
from halfseen.methods.gain import GAINImputer
from halfseen.nn.outputs import CellOutput
from halfseen.training.hiding import HideCells
from halfseen.training.loop import TrainConfig, train

NUMBERS = DataSpec.continuous(2)
MIXED = DataSpec((Column("a", "continuous"), Column("b", "nominal", n_levels=3)))


class Given(torch.nn.Module):
    """A network that always says the same."""

    def __init__(self, *said):
        super().__init__()
        self.said = torch.nn.Parameter(torch.tensor(said))

    def forward(self, x):
        return self.said.expand(*x.shape[:-1], -1)


class Told(torch.nn.Module):
    """A critic whose logits are its inputs: cells first, then the hint."""

    def __init__(self, n_units):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.n_units = n_units
        self.heard = []

    def forward(self, x):
        self.heard.append(x.detach())
        return self.weight * x[..., : self.n_units]


def make_game(spec=NUMBERS, said=(0.5, -1.0), low=(-2.0, -2.0), high=(2.0, 2.0), **stakes):
    output = CellOutput(spec, np.array(low), np.array(high), bound="clip")
    imputer = RefiningImputer(Given(*said), output, noise_scale=0.01)
    units = MaskUnits(spec, torch.arange(spec.n_columns))
    return CellGame(imputer, Told(spec.n_columns), spec, units, CellStakes(**stakes))


def quiet(members=1, rows=2, seed=0):
    return Noise(torch.Generator().manual_seed(seed), (members, rows))


def a_turn(x, masks, shown, hint, members=1):
    x, masks, shown, hint = (torch.tensor(part) for part in (x, masks, shown, hint))
    return Turn(x, masks, shown, torch.zeros(members, *x.shape), hint.expand(members, -1, -1))


def log_sigmoid(v):
    return math.log(1 / (1 + math.exp(-v)))


HAND = a_turn(
    x=[[1.0, 0.0], [2.0, -0.5]],
    masks=[[1.0, 0.0], [1.0, 1.0]],
    shown=[[1.0, 0.0], [0.0, 1.0]],
    hint=[[1.0, 0.0], [0.0, 0.5]],
)


def test_hints_by_hand():
    masks, told = torch.tensor([[1.0, 0.0, 1.0, 0.0]]), torch.tensor([[[1.0, 1.0, 0.0, 0.0]]])
    assert hints(masks, told, "released").tolist() == [[[1.0, 0.0, 0.0, 0.0]]]
    assert hints(masks, told, "paper").tolist() == [[[1.0, 0.0, 0.5, 0.5]]]
    with pytest.raises(SettingError, match="hint='half'"):
        hints(masks, told, "half")


def test_the_critic_learns_which_cells_were_shown():
    """Completed rows are (1, -1) and (.5, -.5), whose sigmoids are the probabilities here."""
    game = make_game()
    loss = game.critic_losses(HAND, quiet())["critic"]
    shown = log_sigmoid(1.0) + log_sigmoid(-0.5)
    # log(1 - sigmoid(v)) is log sigmoid(-v).
    missing = log_sigmoid(1.0) + log_sigmoid(-0.5)
    assert loss.item() == pytest.approx(-(shown + missing) / 4, rel=1e-5)
    assert game.critic.heard[0].tolist() == [[[1.0, -1.0, 1.0, 0.0], [0.5, -0.5, 0.0, 0.5]]]


def test_the_imputer_fools_the_critic_and_keeps_to_what_is_known():
    losses = make_game(alpha=10.0).imputer_losses(HAND, quiet())
    fools = -(log_sigmoid(-1.0) + log_sigmoid(0.5)) / 4
    assert losses["imputer"].item() == pytest.approx(fools, rel=1e-5)
    # Known cells 1, 2 and -.5, of which 2 is not shown, against .5, .5 and -1.
    error = (0.5**2 + 1.5**2 + 0.5**2) / 3
    assert losses["error"].item() == pytest.approx(10 * error)


def test_without_training_masks_it_is_the_published_loss():
    """mean((s x - s G)^2) / mean(s), over all cells of the batch."""
    rng = np.random.default_rng(0)
    s = (rng.random((7, 2)) < 0.6).astype(np.float32)
    x = rng.normal(size=(7, 2)).astype(np.float32) * s
    turn = a_turn(x.tolist(), s.tolist(), s.tolist(), s.tolist())
    losses = make_game(alpha=100.0).imputer_losses(turn, quiet(rows=7))
    said = np.array([0.5, -1.0])
    expected = 100 * np.mean((s * x - s * said) ** 2) / np.mean(s)
    assert losses["error"].item() == pytest.approx(expected, rel=1e-5)


def test_members_are_summed():
    one, three = make_game(), make_game()
    turn = a_turn(*(part.tolist() for part in (HAND.x, HAND.masks, HAND.shown)),
                  hint=HAND.hint[0].tolist(), members=3)  # fmt: skip
    for name in ("critic_losses", "imputer_losses"):
        for key, loss in getattr(one, name)(HAND, quiet()).items():
            triple = getattr(three, name)(turn, quiet(3))[key]
            assert triple.item() == pytest.approx(3 * loss.item(), rel=1e-5)


def test_errors_of_categories_are_cross_entropies():
    """Numbers count their squared error, a column of categories once."""
    game = make_game(MIXED, (0.5, 1.0, 0.0, -1.0), (-2.0, 0.0), (2.0, 2.0), alpha=1.0)
    turn = a_turn(
        x=[[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0]],
        masks=[[1.0, 1.0], [0.0, 1.0]],
        shown=[[1.0, 0.0], [0.0, 1.0]],
        hint=[[1.0, 0.0], [0.0, 1.0]],
    )
    total = math.log(math.exp(1) + 1 + math.exp(-1))
    surprises = (total + 1) + (total - 1)
    loss = game.imputer_losses(turn, quiet())["error"]
    assert loss.item() == pytest.approx((0.25 + surprises) / 3, rel=1e-5)


@pytest.mark.parametrize("bound", ["clip", "sigmoid"])
def test_numbers_stay_in_their_range(bound):
    output = CellOutput(NUMBERS, np.array([-1.0, 0.0]), np.array([1.0, 0.5]), bound=bound)
    raw = torch.tensor([[[-50.0, 50.0], [0.3, 0.3]]])
    said = output(raw, quiet(), hard=True)
    assert said[0, 0].tolist() == pytest.approx([-1.0, 0.5])
    if bound == "clip":
        assert said[0, 1].tolist() == pytest.approx([0.3, 0.3])
        # While it learns there is a gradient beyond the range.
        assert torch.equal(output(raw, quiet()), raw)


def test_unknown_bounds_are_refused():
    with pytest.raises(SettingError, match="bound='fold'"):
        CellOutput(NUMBERS, np.zeros(2), np.ones(2), bound="fold")


class Counting(torch.nn.Module):
    """Adds a half to the mean of what it reads, and counts."""

    def __init__(self):
        super().__init__()
        self.n, self.read = 0, []

    def forward(self, x):
        self.n += 1
        self.read.append(x.clone())
        return x[..., :2].mean(-1, keepdim=True).expand(*x.shape[:-1], 2) + 0.5


def test_a_row_is_read_again_with_its_completion():
    output = CellOutput(NUMBERS, np.full(2, -2.0), np.full(2, 2.0), bound="clip")
    imputer = RefiningImputer(Counting(), output, noise_scale=0.0, n_passes=3)
    x, s = torch.tensor([[1.0, 9.0]]), torch.tensor([[1.0, 0.0]])
    done = imputer.complete(x, s, quiet(rows=1))
    # Missing: 0, then (1 + 0) / 2 + .5 = 1, then 1.5; the last reading says 1.75.
    read = imputer.network.read
    assert [part.flatten().tolist() for part in read] == [
        [1.0, 0.0, 1.0, 0.0],
        [1.0, 1.0, 1.0, 0.0],
        [1.0, 1.5, 1.0, 0.0],
    ]
    assert done.tolist() == [[[1.0, 1.75]]]


def test_what_is_read_again_is_in_range_and_not_learned_through():
    output = CellOutput(NUMBERS, np.full(2, -2.0), np.full(2, 0.7), bound="clip")
    imputer = RefiningImputer(Given(5.0, 5.0), output, n_passes=2)
    inside = imputer.before(torch.zeros(1, 2), torch.zeros(1, 2), quiet(rows=1), 1)
    assert inside.flatten().tolist() == pytest.approx([0.7, 0.7])
    assert not inside.requires_grad


def dealer(n=40, members=2, seed=0):
    rng = torch.Generator().manual_seed(seed)
    masks = (torch.rand(n, 2, generator=rng) < 0.7).float()
    x = torch.randn(n, 2, generator=rng) * masks
    return Dealer(x, masks, 8, members, rng)


def test_both_players_are_dealt_the_same():
    game, dealt = make_game(), []
    deal = game.deal

    def spy(*args):
        dealt.append(deal(*args))
        return dealt[-1]

    game.deal = spy
    critic, imputer = game.phases(dealer())
    heard = game.critic.heard
    for _ in range(3):
        critic.loss()
        imputer.loss()
    assert len(dealt) == 3
    for turn in range(3):
        assert torch.equal(heard[2 * turn], heard[2 * turn + 1])
    assert not torch.equal(heard[0], heard[2])


def test_depths_take_turns():
    game, depths = make_game(), []
    game.imputer.n_passes = 3
    deal = game.deal
    game.deal = lambda dealer, n_passes: depths.append(n_passes) or deal(dealer, n_passes)
    critic = game.phases(dealer())[0]
    for _ in range(5):
        critic.loss()
    assert depths == [0, 1, 2, 0, 1]


def test_the_critic_is_told_the_mask_that_players_see():
    game = make_game(hide=HideCells(1.0, 1.0), hint_rate=1.0)
    turn = game.deal(dealer())
    assert (turn.shown <= turn.masks).all()
    assert turn.shown.sum() < turn.masks.sum()
    assert torch.equal(turn.hint, turn.shown.expand(2, -1, -1))
    never = make_game(hint_rate=0.0, hint="paper").deal(dealer())
    assert torch.equal(never.hint, torch.full((2, 8, 2), 0.5))


def gan(**changes):
    settings = {"max_steps": 12, "hidden": (8,), "critic_hidden": (8,), "n_draws_predict": 2}
    return GAINImputer(**{"n_members": 2, "random_state": 0, **settings, **changes})


def holed(n=120, p=3, rate=0.3, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 1))
    X = z * [1.0, -2.0, 0.5][:p] + 0.05 * rng.normal(size=(n, p))
    gone = rng.random(X.shape) < rate
    gone[gone.all(1), 0] = False
    return np.where(gone, np.nan, X), X


def test_a_step_of_one_player_leaves_the_other_alone():
    X, _ = holed()
    model = gan().fit(X)
    game = model.game_.requires_grad_(True)
    table, masks = model._tensors(X)
    phases = game.phases(Dealer(table, masks, 16, 2, torch.Generator().manual_seed(0)))
    players = {"critic": game.critic, "imputer": game.imputer}
    for phase in phases:
        before = {n: [p.detach().clone() for p in m.parameters()] for n, m in players.items()}
        # The critic's loss alone has nothing to deal from, so it comes first.
        train(game, [phase], TrainConfig(max_steps=1, schedule="constant"))
        for name, module in players.items():
            moved = [
                not torch.equal(p, q)
                for p, q in zip(module.parameters(), before[name], strict=True)
            ]
            assert all(moved) if name == phase.name else not any(moved), (phase.name, name)


def test_held_out_error_by_hand():
    game = make_game()
    held = Held(
        torch.tensor([[1.0, 0.0], [2.0, -0.5]]),
        torch.tensor([[1.0, 0.0], [1.0, 1.0]]),
        torch.tensor([[1.0, 0.0], [0.0, 1.0]]),
    )
    # One cell is hidden: 2, of which the imputer says .5.
    assert game.held_error(held, 3, 0).tolist() == pytest.approx([2.25] * 3)


def test_the_best_state_is_restored():
    X, _ = holed(n=300)
    model = gan(max_steps=60, validation_fraction=0.2).fit(X)
    seen = [row["monitor"] for row in model.history_]
    assert len(seen) > 3
    assert all(math.isfinite(score) for score in seen)
    assert "monitor" not in gan(monitor="none").fit(X).history_[0]


@pytest.mark.parametrize("hint", ["released", "paper"])
def test_linear_relations_are_found(hint):
    X, truth = holed(n=400)
    gone = np.isnan(X)
    filled = gan(hint=hint, max_steps=300, hidden=(32, 32)).fit_transform(X)
    errors = (filled - truth)[gone] / np.broadcast_to(truth.std(0), X.shape)[gone]
    # Noise alone is .05 to .1 of a standard deviation; rows with one cell seen are among them.
    assert np.sqrt(np.mean(errors**2)) < 0.2


def test_published_networks():
    model = GAINImputer.published(max_steps=1, random_state=0).fit(holed()[0])
    for network in (model.game_.imputer.network, model.game_.critic):
        widths = [tuple(layer.weight.shape) for layer in network.body.layers]
        assert [*widths, tuple(network.out.weight.shape)] == [(1, 6, 3), (1, 3, 3), (1, 3, 3)]
    low, high = model.range_
    assert low.tolist() == pytest.approx([0.0] * 3)
    assert high.tolist() == pytest.approx([1.0] * 3)


def test_hints_matter():
    X, _ = holed()
    answers = [gan(hint=hint).fit_transform(X) for hint in ("released", "paper")]
    assert not np.allclose(*answers)


def mixed(n=300, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    frame = pd.DataFrame({
        "size": 3 * z + 0.1 * rng.normal(size=n) + 10,
        "weight": -z + 0.1 * rng.normal(size=n),
        "kind": np.select([z < -0.5, z < 0.5], ["small", "middle"], "large"),
        "big": z > 0,
    })  # fmt: skip
    gone = rng.random(frame.shape) < 0.2
    gone[gone.all(1), 0] = False
    return frame.astype({"big": object}).mask(gone), frame, gone


def test_categories_are_completed():
    holes, truth, gone = mixed()
    model = gan(max_steps=300, hidden=(32, 32), n_draws_predict=10)
    filled = model.fit_transform(holes)
    assert not filled.isna().any().any()
    for j, name in ((2, "kind"), (3, "big")):
        right = (filled[name] == truth[name])[gone[:, j]].mean()
        assert right > 0.8, name
    error = np.abs(filled["size"] - truth["size"])[gone[:, 0]].mean()
    assert error < 0.3 * truth["size"].std()


def test_pictures_are_completed():
    rng = np.random.default_rng(0)
    X = np.clip(rng.random((60, 1, 4, 4)) * 0.2 + rng.random((60, 1, 1, 1)) * 0.8, 0, 1)
    X[rng.random(X.shape) < 0.3] = np.nan
    model = gan(hidden=(16,)).fit(X.astype(np.float32))
    filled = model.transform(X.astype(np.float32))
    assert filled.shape == X.shape
    assert np.isfinite(filled).all()
    assert (filled >= np.nanmin(X) - 1e-6).all()
    assert (filled <= np.nanmax(X) + 1e-6).all()


def test_saved_settings_come_back(tmp_path):
    X, _ = holed()
    model = gan(n_passes=2, scale="unit").fit(X)
    model.save(tmp_path / "gain.hs")
    from halfseen.methods import load

    again = load(tmp_path / "gain.hs")
    assert np.array_equal(again.transform(X), model.transform(X))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hint": "none"}, "hint='none'"),
        ({"scale": "robust"}, "scale='robust'"),
        ({"bound": "fold"}, "bound='fold'"),
        ({"init": "zero"}, "init='zero'"),
        ({"monitor": "critic"}, "monitor='critic'"),
        ({"hide_pattern": "blocks"}, "hide_pattern='blocks'"),
        ({"n_passes": 0}, "n_passes=0"),
        ({"hint_rate": 1.5}, "hint_rate=1.5"),
        ({"hide_rate": 2.0}, "rate=2.0"),
        ({"decision": "median"}, "decision='median'"),
        ({"alpha": -1}, "alpha=-1"),
        ({"hidden": "wide"}, "hidden='wide'"),
        ({"critic_hidden": None}, "critic_hidden=None"),
        ({"validation_fraction": 1.0}, "validation_fraction=1.0"),
    ],
)
def test_settings_are_checked(changes, said):
    with pytest.raises(SettingError, match=said):
        gan(**changes).fit(holed()[0])
