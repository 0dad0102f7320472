"""Every term of MisGAN's Eq. 4 to 11, and its gradient by every player, against plain formulas.

The reference below knows nothing of the package but the parameters' values: networks, Gumbel-
softmax, masking, gradient penalties and losses are written out again, member by member, and
differentiated by torch.
"""

import copy

import numpy as np
import pytest
import torch

from halfseen.core.noise import Noise
from halfseen.core.spec import Column, DataSpec
from halfseen.estimators.adversarial_networks import plain_network
from halfseen.estimators.dealing import Dealer
from halfseen.estimators.mask_units import MaskUnits
from halfseen.estimators.masked_game import MaskedGame, Stakes
from halfseen.estimators.players import CellImputer, LearnedMasks, MaskTable, RowMaker
from halfseen.nn.critics import MLPCritic
from halfseen.nn.outputs import CellOutput, MaskOutput
from halfseen.training.loop import TrainConfig, train

SPEC = DataSpec(
    (
        Column("a", "continuous"),
        Column("b", "nominal", n_levels=3),
        Column("c", "continuous"),
        Column("d", "binary", n_levels=2),
    )
)
LOW, HIGH = np.array([-1.0, 0, 0.5, 0]), np.array([1.0, 2, 3.0, 1])
# The first two columns are seen together: units of the columns, and of the 7 features.
UNIT, FEATURE_UNIT = [0, 0, 1, 2], [0, 0, 0, 0, 1, 2, 2]
M, B, F, U, Z, E = 2, 5, 7, 3, 2, 4
TEMPERATURE, MASK_TEMPERATURE = 0.7, 0.66
PLAYERS = ("rows", "masks", "data_critic", "mask_critic", "imputer", "imputer_critic")


def make_game(stakes=None, *, given_data=False, sees_mask=True, known=None, mask_critic=True):
    g = torch.Generator().manual_seed(0)
    output = CellOutput(SPEC, LOW, HIGH, TEMPERATURE)
    masks = MaskTable(known) if known is not None else None
    if masks is None:
        network = plain_network(M, E + F * given_data, (4,), U, g)
        masks = LearnedMasks(network, E, MaskOutput(), given_data=given_data)
    game = MaskedGame(
        RowMaker(plain_network(M, Z, (5, 4), F, g), Z, output),
        masks,
        MLPCritic(M, F, (6, 4), g),
        MLPCritic(M, U, (5,), g) if mask_critic else None,
        CellImputer(
            plain_network(M, F * (1 + sees_mask), (5,), F, g), output, sees_mask=sees_mask
        ),
        MLPCritic(M, F, (6,), g),
        MaskUnits(SPEC, torch.tensor(UNIT)),
        stakes or Stakes(),
    )
    # Larger than usual, so that no term is hidden behind another.
    with torch.no_grad():
        for p in game.parameters():
            p.mul_(2.5)
    return game


def make_rows(dtype=torch.float64, n=B):
    g = torch.Generator().manual_seed(1)
    codes = torch.stack([torch.randint(k, (n,), generator=g) for k in (3, 2)], 1)
    x = torch.zeros(n, F, dtype=dtype)
    x[:, 0] = torch.rand(n, generator=g) * 2 - 1
    x[:, 4] = torch.rand(n, generator=g) * 2.5 + 0.5
    rows = torch.arange(n)
    x[rows, 1 + codes[:, 0]] = 1
    x[rows, 5 + codes[:, 1]] = 1
    m = (torch.rand(n, U, generator=g) < 0.6).to(dtype)
    return x * m[:, FEATURE_UNIT], m


class Logged(Noise):
    """Noise in float64 that is remembered."""

    def __init__(self, generator, shape, log):
        super().__init__(generator, shape)
        self.log = log

    def normal(self, *size):
        made = torch.randn(*self.shape, *size, generator=self.generator, dtype=torch.float64)
        self.log.append(made)
        return made

    def uniform(self, *size):
        made = torch.rand(*self.shape, *size, generator=self.generator, dtype=torch.float64)
        self.log.append(made)
        return made


class OneBatch:
    """A dealer of the same rows again and again."""

    def __init__(self, x, m):
        self.x, self.m, self.log = x, m, []
        self.generator = torch.Generator().manual_seed(2)

    def rows(self):
        return self.x, self.m

    def noise(self):
        return Logged(self.generator, (M, B), self.log)


# ---- the reference ------------------------------------------------------------------------


def mlp(player, member, x):
    """An ordinary multilayer perceptron with the values of one member."""
    values = [p[member] for p in player.parameters()]
    for i in range(0, len(values), 2):
        x = x @ values[i] + values[i + 1]
        if i + 2 < len(values):
            x = torch.maximum(x, torch.zeros_like(x))
    return x


def softmax(v):
    weights = torch.exp(v - v.max(-1, keepdim=True).values)
    return weights / weights.sum(-1, keepdim=True)


def cells(raw, u):
    """Features (B, 7): numbers in their range, categories by Gumbel-softmax; u (B, 2, 3)."""
    gumbel = -torch.log(-torch.log(u))
    return torch.cat(
        [
            -1 + 2 / (1 + torch.exp(-raw[:, :1])),
            softmax((raw[:, 1:4] + gumbel[:, 0]) / TEMPERATURE),
            0.5 + 2.5 / (1 + torch.exp(-raw[:, 4:5])),
            softmax((raw[:, 5:7] + gumbel[:, 1, :2]) / TEMPERATURE),
        ],
        1,
    )


class Reference:
    """Losses of one member, from noise that is handed over in the order of its use."""

    def __init__(self, game, member, x, m, draws, **facts):
        self.game, self.member, self.x, self.m, self.facts = game, member, x, m, facts
        self.draws = iter([draw[member] for draw in draws])

    def net(self, name, x):
        return mlp(getattr(self.game, name), self.member, x)

    def g_x(self):
        z = next(self.draws)
        return cells(self.net("rows", z), next(self.draws))

    def g_m(self, fake):
        code = next(self.draws)
        if self.facts.get("given_data"):
            code = torch.cat([code, fake], 1)
        return 1 / (1 + torch.exp(-self.net("masks", code) / MASK_TEMPERATURE))

    def g_i(self, x, m):
        """Eq. 12; what is said of every cell, and the completed row."""
        s = m[:, FEATURE_UNIT]
        shown = x * s + next(self.draws) * (1 - s)
        if self.facts.get("sees_mask", True):
            shown = torch.cat([shown, s], 1)
        said = cells(self.net("imputer", shown), next(self.draws))
        return said, x * s + said * (1 - s)

    def f(self, x, m):
        """Eq. 3."""
        s = m[:, FEATURE_UNIT]
        return x * s + self.game.stakes.fill * (1 - s)

    def score(self, name, x):
        return self.net(name, x).mean()

    def penalty(self, name, real, fake, share):
        """By a second derivative."""
        between = (share * real + (1 - share) * fake).detach().requires_grad_()
        (slope,) = torch.autograd.grad(self.net(name, between).sum(), between, create_graph=True)
        # Where all units are off the length is zero, and so is its gradient.
        lengths = (slope**2).sum(1).clamp_min(1e-300).sqrt()
        excess = lengths - 1
        if self.game.stakes.one_sided:
            excess = torch.where(excess > 0, excess, 0.0)
        return self.game.stakes.penalty * (excess**2).mean()

    # Eq. 4 and 5 as critics see them.
    def critics(self):
        with torch.no_grad():
            fake = self.g_x()
            made = self.g_m(fake)
        share = next(self.draws)
        real, hidden = self.f(self.x, self.m), self.f(fake, made)
        return {
            "data": self.score("data_critic", hidden) - self.score("data_critic", real),
            "data_penalty": self.penalty("data_critic", real, hidden, share),
            "mask": self.score("mask_critic", made) - self.score("mask_critic", self.m),
            "mask_penalty": self.penalty("mask_critic", self.m, made, share),
        }

    # Eq. 10, what depends on G_x.
    def rows(self):
        fake = self.g_x()
        losses = {"data": -self.score("data_critic", self.f(fake, self.g_m(fake)))}
        beta, form = self.game.stakes.beta, self.facts.get("beta_mode")
        if form == "paper":
            losses["completions"] = beta * self.score("imputer_critic", fake)
        if form == "released":
            with torch.no_grad():
                _, done = self.g_i(self.x, self.m)
                losses["completions"] = -beta * self.score("imputer_critic", done)
        return losses

    # Eq. 7, what depends on G_m.
    def masks(self):
        with torch.no_grad():
            fake = self.g_x()
        made = self.g_m(fake)
        data = -self.game.stakes.alpha * self.score("data_critic", self.f(fake, made))
        return {"mask": -self.score("mask_critic", made), "data": data}

    def incomplete(self):
        """Rows of the table, or generated ones under other masks (Eq. 11)."""
        if self.facts.get("new_masks") is None:
            return self.x, self.m
        with torch.no_grad():
            x = self.g_x()
        return x, self.facts["new_masks"][(next(self.draws) * 4).long()]

    # Eq. 9 and 11.
    def imputer_critic(self):
        with torch.no_grad():
            real = self.g_x()
            _, done = self.g_i(*self.incomplete())
        gap = self.score("imputer_critic", done) - self.score("imputer_critic", real)
        share = next(self.draws)
        return {
            "imputer": gap,
            "imputer_penalty": self.penalty("imputer_critic", real, done, share),
        }

    def imputer(self):
        x, m = self.incomplete()
        said, done = self.g_i(x, m)
        losses = {"imputer": -self.score("imputer_critic", done)}
        if self.game.stakes.reconstruction:
            s = m[:, FEATURE_UNIT]
            wrong = (s * (said - x) ** 2).sum() / s.sum()
            losses["reconstruction"] = self.game.stakes.reconstruction * wrong
        return losses


def gradients(loss, game):
    """By player; zero where a loss does not reach."""
    found = {}
    for name in PLAYERS:
        player = getattr(game, name)
        parameters = [] if player is None else list(player.parameters())
        slopes = (
            torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
            if loss.requires_grad and parameters
            else [None] * len(parameters)
        )
        found[name] = [
            torch.zeros_like(p) if slope is None else slope
            for p, slope in zip(parameters, slopes, strict=True)
        ]
    return found


def reach(slopes):
    """Players that a gradient moves."""
    return {name for name, parts in slopes.items() if any(bool(part.any()) for part in parts)}


def compare(name, phases, game, **facts):
    """One phase against the reference; which players each of its terms reaches."""
    game = game.double()
    x, m = make_rows()
    dealer = OneBatch(x, m)
    [phase] = [phase for phase in phases(game, dealer) if phase.name == name]
    ours = phase.loss()
    theirs = [getattr(Reference(game, k, x, m, dealer.log, **facts), name)() for k in range(M)]
    assert set(ours) == set(theirs[0])
    reached = {}
    for term, loss in ours.items():
        expected = sum(losses[term] for losses in theirs)
        torch.testing.assert_close(loss, expected, rtol=1e-9, atol=1e-11)
        mine, plain = gradients(loss, game), gradients(expected, game)
        for player in PLAYERS:
            for a, b in zip(mine[player], plain[player], strict=True):
                torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-11, msg=f"{term}: {player}")
        reached[term] = reach(mine)
    return reached


def generation(game, dealer):
    return game.generation(dealer, joint=False)


@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize("fill", [0.0, 0.5])
@pytest.mark.parametrize("given_data", [False, True])
def test_critics_of_rows_and_masks(fill, given_data, one_sided):
    stakes = Stakes(fill=fill, penalty=7.0, one_sided=one_sided)
    game = make_game(stakes, given_data=given_data)
    assert compare("critics", generation, game, given_data=given_data) == {
        "data": {"data_critic"},
        "data_penalty": {"data_critic"},
        "mask": {"mask_critic"},
        "mask_penalty": {"mask_critic"},
    }


@pytest.mark.parametrize("given_data", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 0.2])
def test_masks_learn_from_both_critics(alpha, given_data):
    stakes = Stakes(alpha=alpha)
    game = make_game(stakes, given_data=given_data)
    reached = compare("masks", generation, game, given_data=given_data)
    assert reached["mask"] == {"masks", "mask_critic"}
    assert reached["data"] == ({"masks", "data_critic"} if alpha else set())


@pytest.mark.parametrize("given_data", [False, True])
def test_rows_learn_from_the_critic_of_hidden_rows(given_data):
    game = make_game(given_data=given_data)
    reached = compare("rows", generation, game, given_data=given_data)
    # Those that the phase does not own are held still by the loop.
    assert reached == {"data": {"rows", "masks", "data_critic"}}


@pytest.mark.parametrize("beta", [0.0, 0.1, 2.0])
def test_the_term_of_beta_teaches_rows(beta):
    stakes = Stakes(beta=beta)

    def phases(game, dealer):
        return game.generation(dealer, joint=True)

    reached = compare("rows", phases, make_game(stakes), beta_mode="paper")
    assert reached["completions"] == ({"rows", "imputer_critic"} if beta else set())


def test_the_released_term_of_beta_teaches_nobody():
    stakes = Stakes(beta=2.0, released=True)

    def phases(game, dealer):
        return game.generation(dealer, joint=True)

    reached = compare("rows", phases, make_game(stakes), beta_mode="released")
    assert reached == {"data": {"rows", "masks", "data_critic"}, "completions": set()}


@pytest.mark.parametrize("sees_mask", [False, True])
@pytest.mark.parametrize("reconstruction", [0.0, 3.0])
def test_the_imputer_and_its_critic(sees_mask, reconstruction):
    stakes = Stakes(reconstruction=reconstruction)
    facts = {"sees_mask": sees_mask}

    def phases(game, dealer):
        return game.imputation(dealer)

    game = make_game(stakes, sees_mask=sees_mask)
    reached = compare("imputer_critic", phases, game, **facts)
    assert reached == {"imputer": {"imputer_critic"}, "imputer_penalty": {"imputer_critic"}}
    reached = compare("imputer", phases, game, **facts)
    assert reached.pop("imputer") == {"imputer", "imputer_critic"}
    assert reached == ({"reconstruction": {"imputer"}} if reconstruction else {})


@pytest.mark.parametrize("reconstruction", [0.0, 3.0])
def test_the_imputer_of_other_masks_sees_generated_rows(reconstruction):
    new = torch.tensor([[1.0, 0, 0], [0, 1, 1], [0, 0, 0], [1, 1, 0]], dtype=torch.float64)
    stakes = Stakes(reconstruction=reconstruction)

    def phases(game, dealer):
        return game.imputation(dealer, MaskTable(new))

    game = make_game(stakes)
    for name in ("imputer_critic", "imputer"):
        reached = compare(name, phases, game, new_masks=new)
        for players in reached.values():
            assert players <= {name, "imputer_critic"}


def test_rows_of_both_sides_of_eq_11_are_independent():
    new, (x, m) = torch.ones(1, U), make_rows()
    game, dealer = make_game().double(), OneBatch(x, m)
    game.imputation(dealer, MaskTable(new))[0].loss()
    codes = [draw for draw in dealer.log if draw.shape == (M, B, Z)]
    assert len(codes) == 2
    assert not torch.equal(*codes)


# ---- what the loop lets move ---------------------------------------------------------------


def moved(game, phases, before):
    """Players whose bits changed."""
    train(game, phases, TrainConfig(max_steps=3, lr=0.05, schedule="constant"))
    now = game.state_dict()
    return {name.split(".")[0] for name in now if not torch.equal(now[name], before[name])}


def all_phases(game):
    x, m = make_rows(torch.float32, 20)
    dealer = Dealer(x, m, B, M, torch.Generator().manual_seed(3))
    return game.generation(dealer, joint=True) + game.imputation(dealer, joint=True)


@pytest.mark.parametrize(
    ("name", "players"),
    [
        ("critics", {"data_critic", "mask_critic"}),
        ("rows", {"rows"}),
        ("masks", {"masks"}),
        ("imputer_critic", {"imputer_critic"}),
        ("imputer", {"imputer"}),
    ],
)
def test_a_phase_moves_its_players_and_no_bit_of_others(name, players):
    game = make_game(Stakes(lr=0.01, imputer_lr=0.01))
    before = copy.deepcopy(game.state_dict())
    phases = [phase for phase in all_phases(game) if phase.name == name]
    assert moved(game, phases, before) == players


def test_all_phases_together_move_everybody():
    game = make_game()
    before = copy.deepcopy(game.state_dict())
    assert moved(game, all_phases(game), before) == set(PLAYERS)


def test_known_masks_stay_and_have_no_phase():
    game = make_game(known=make_rows()[1], mask_critic=False)
    before = copy.deepcopy(game.state_dict())
    phases = all_phases(game)
    assert [phase.name for phase in phases] == ["critics", "rows", "imputer_critic", "imputer"]
    assert moved(game, phases, before) == set(PLAYERS) - {"masks", "mask_critic"}


def test_masks_without_a_critic_learn_from_that_of_rows_alone():
    game = make_game(Stakes(alpha=0.0), mask_critic=False)
    x, m = make_rows()
    dealer = OneBatch(x, m)
    [phase] = [p for p in game.double().generation(dealer, joint=False) if p.name == "masks"]
    losses = phase.loss()
    # AmbientGAN: the whole of L_x, whatever alpha is.
    assert list(losses) == ["data"]
    expected = 0
    for k in range(M):
        reference = Reference(game, k, x, m, dealer.log)
        fake = reference.g_x().detach()
        expected -= reference.score("data_critic", reference.f(fake, reference.g_m(fake)))
    torch.testing.assert_close(losses["data"], expected)
    mine, plain = (gradients(loss, game)["masks"] for loss in (losses["data"], expected))
    assert all(bool(slope.any()) for slope in mine)
    for a, b in zip(mine, plain, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("n_critic", [1, 4])
def test_critics_take_several_steps_for_one_of_the_others(n_critic):
    game = make_game(Stakes(n_critic=n_critic))
    steps = {phase.name: phase.steps for phase in all_phases(game)}
    assert steps == {
        "critics": n_critic,
        "rows": 1,
        "masks": 1,
        "imputer_critic": n_critic,
        "imputer": 1,
    }


def test_rates_of_the_two_kinds_of_players():
    game = make_game(Stakes(lr=0.1, imputer_lr=0.2, betas=(0.5, 0.9)))
    rates = {phase.name: phase.lr for phase in all_phases(game)}
    assert rates == {
        "critics": 0.1,
        "rows": 0.1,
        "masks": 0.1,
        "imputer_critic": 0.2,
        "imputer": 0.2,
    }
    assert {phase.betas for phase in all_phases(game)} == {(0.5, 0.9)}
    assert {phase.weight_decay for phase in all_phases(game)} == {0.0}


def test_masks_that_show_nothing_cost_no_reconstruction():
    game = make_game(Stakes(reconstruction=1.0)).double()
    x, m = make_rows()
    losses = game.imputation(OneBatch(x * 0, m * 0))[1].loss()
    assert losses["reconstruction"].item() == 0


def test_the_mode_of_a_monitor_lasts_until_the_next_step_of_critics():
    game, dealer = make_game().double(), OneBatch(*make_rows())

    def learning():
        return {name for name in PLAYERS if getattr(game, name).training}

    critics = game.generation(dealer, joint=True)[0].loss
    alone = game.imputation(dealer)[0].loss
    for loss, expected in ((critics, {*PLAYERS}), (alone, {*PLAYERS} - {"rows"})) * 2:
        game.eval()
        loss()
        assert learning() == expected
    critics()
    assert learning() == {*PLAYERS}
    assert all(module.training for module in game.modules())
