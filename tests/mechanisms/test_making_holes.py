"""Mechanisms that make holes: rates, log-probabilities against frequencies, drivers, signs."""

from itertools import product

import numpy as np
import pytest
import torch

from halfseen.core.features import Features
from halfseen.core.spec import Column, DataSpec
from halfseen.errors import SettingError
from halfseen.mechanisms import (
    MAR,
    MCAR,
    Calibrates,
    HardSelfMasking,
    LinearMechanism,
    LogitMechanism,
    MLPMechanism,
    MNARLogistic,
    SelfMasking,
)

MIXED = DataSpec(
    (
        Column("a", "continuous"),
        Column("b", "nominal", n_levels=4),
        Column("c", "continuous"),
        Column("d", "binary", n_levels=2),
    )
)
RATES = {
    "mcar": lambda: MCAR(0.5),
    "mar": lambda: MAR(0.5, slope=3.0),
    "probit": lambda: SelfMasking("high"),
    "logistic": lambda: SelfMasking("low", link="logistic", slope=1.5),
    "unknown": lambda: SelfMasking(),
    "mnar": lambda: MNARLogistic(0.5, slope=4.0),
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def mixed_features(n=4000, seed=0):
    generator = seeded(seed)
    cells = torch.randn(n, 4, generator=generator)
    cells[:, 2] = torch.exp(cells[:, 2]) - 1
    cells[:, 1] = torch.randint(0, 4, (n,), generator=generator).float()
    cells[:, 3] = (torch.rand(n, generator=generator) < 0.2).float()
    return Features(MIXED)(cells)


def bound(mechanism, spec, incomplete=None, seed=0, n_members=1):
    incomplete = [True] * spec.n_columns if incomplete is None else incomplete
    mechanism.bind(spec, torch.tensor(incomplete), n_members, seeded(seed))
    return mechanism


def missing_probability(mechanism, features):
    """Expected share of missing cells per column."""
    if isinstance(mechanism, LogitMechanism):
        return torch.sigmoid(-mechanism.logits(features)).mean(0)
    hidden = torch.zeros(len(mechanism.incomplete))
    return mechanism.cell_log_prob(features[None, None], hidden)[0, 0].exp().mean(0)


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.9])
@pytest.mark.parametrize("name", RATES)
def test_rate_is_exact_in_expectation_and_binomial_in_samples(name, rate):
    features = mixed_features()
    mechanism = bound(RATES[name](), MIXED)
    assert isinstance(mechanism, Calibrates)
    mechanism.calibrate(features, rate, seeded(1))
    can_miss = mechanism.incomplete
    expected = missing_probability(mechanism, features)[can_miss]
    torch.testing.assert_close(expected, torch.full_like(expected, rate), atol=1e-4, rtol=0)
    s = mechanism.sample(features[None, None], seeded(2))[0, 0]
    share = 1 - s.mean(0)
    error = 4.5 * np.sqrt(rate * (1 - rate) / len(features))
    assert (share[can_miss] - rate).abs().max() < error
    assert (share[~can_miss] == 0).all()


@pytest.mark.parametrize("name", RATES)
def test_cells_that_are_missing_already_do_not_count(name):
    features = mixed_features()
    observed = torch.rand(len(features), 4, generator=seeded(5)) < 0.5
    hidden = features * Features(MIXED).mask(observed)
    mechanism = bound(RATES[name](), MIXED)
    mechanism.calibrate(hidden, 0.4, seeded(1), observed)
    gone = mechanism.sample(hidden[None, None].expand(1, 50, -1, -1), seeded(2))[0] == 0
    share = (gone & observed).sum((0, 1)) / (50 * observed.sum(0))
    wanted = torch.where(mechanism.incomplete, 0.4, 0.0)
    torch.testing.assert_close(share, wanted, atol=0.01, rtol=0)


def test_own_rate_is_the_default_and_is_not_overwritten():
    features = mixed_features()
    mechanism = bound(MNARLogistic(0.2), MIXED)
    mechanism.calibrate(features, 0.6, seeded())
    assert mechanism.settings() == {"rate": 0.2, "slope": 2.0}
    mechanism.calibrate(features, None, seeded())
    assert missing_probability(mechanism, features)[0] == pytest.approx(0.2, abs=1e-4)


def disagreement(mechanism, row, n=40_000):
    """Largest standardised distance of exp(log_prob) from frequencies, over all masks."""
    places = torch.nonzero(mechanism.incomplete)[:, 0]
    s = mechanism.sample(row.expand(1, 1, n, -1), seeded(3))[0, 0]
    total, worst = 0.0, 0.0
    for bits in product([0.0, 1.0], repeat=len(places)):
        mask = torch.ones(1, s.shape[1])
        mask[0, places] = torch.tensor(bits)
        p = float(mechanism.log_prob(mask, row[None, None]).detach().exp())
        frequency = float((s == mask).all(-1).double().mean())
        worst = max(worst, abs(frequency - p) / (np.sqrt(p * (1 - p) / n) + 1e-9))
        total += p
    assert total == pytest.approx(1, abs=1e-5)
    return worst


def scored(name):
    if name in RATES:
        mechanism = bound(RATES[name](), MIXED, [True, True, False, False])
        mechanism.calibrate(mixed_features(), 0.4, seeded(1))
        return mechanism
    network = {"linear": LinearMechanism(), "mlp": MLPMechanism(hidden=5)}[name]
    bound(network, MIXED, [True, False, False, True])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=seeded(4)))
    return network


@pytest.mark.parametrize("name", [*RATES, "linear", "mlp"])
def test_log_prob_agrees_with_frequencies(name):
    assert disagreement(scored(name), mixed_features()[:1]) < 4


@pytest.mark.parametrize("name", ["probit", "mnar", "linear"])
def test_the_comparison_with_frequencies_can_fail(name):
    mechanism = scored(name)
    honest = mechanism.sample
    mechanism.sample = lambda features, generator: honest(features * 0.5, generator)
    assert disagreement(mechanism, mixed_features()[:1]) > 10


@pytest.mark.parametrize("name", ["probit", "mcar", "mar", "mnar", "linear", "mlp"])
def test_seeds_reproduce_and_global_state_is_untouched(name):
    features = mixed_features(200)
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    masks = []
    for seed in (0, 0, 1):
        if name in ("linear", "mlp"):
            mechanism = LinearMechanism() if name == "linear" else MLPMechanism(4)
            bound(mechanism, MIXED, seed=seed)
        else:
            mechanism = bound(RATES[name](), MIXED, seed=seed)
            mechanism.calibrate(features, 0.4, seeded(seed))
        masks.append(mechanism.sample(features[None, None], seeded(seed)))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])
    assert torch.equal(torch_before, torch.get_rng_state())
    assert (numpy_before == np.random.get_state()[1]).all()  # noqa: NPY002


def test_mar_drivers_are_half_of_the_columns_stay_whole_and_drive():
    spec = DataSpec.continuous(7)
    x = torch.randn(3000, 7, generator=seeded())
    chosen = set()
    for seed in range(10):
        mechanism = bound(MAR(0.4), spec, seed=seed)
        mechanism.calibrate(x, None, seeded())
        drivers = mechanism.drivers
        assert drivers.sum() == 3
        assert (mechanism.sample(x, seeded())[:, drivers] == 1).all()
        # Values of other columns change nothing, values of drivers do.
        assert torch.equal(mechanism.logits(x), mechanism.logits(x * drivers))
        assert mechanism.logits(x)[:, ~drivers].std(0).min() > 1
        chosen.add(tuple(drivers.tolist()))
    assert len(chosen) > 3


def test_mar_takes_complete_columns_as_drivers_and_needs_one():
    mechanism = bound(MAR(), DataSpec.continuous(3), [True, False, True])
    assert mechanism.drivers.tolist() == [False, True, False]
    with pytest.raises(SettingError, match="one column"):
        bound(MAR(), DataSpec.continuous(1))


@pytest.mark.parametrize(("direction", "sign"), [("high", 1), ("low", -1)])
@pytest.mark.parametrize("link", ["probit", "logistic"])
def test_self_masking_removes_the_told_side(direction, sign, link):
    x = torch.randn(2000, 2, generator=seeded())
    mechanism = bound(SelfMasking(direction, link=link, slope=2.0), DataSpec.continuous(2))
    mechanism.calibrate(x, 0.3, seeded())
    gone = mechanism.sample(x[None, None], seeded())[0, 0] == 0
    for j in range(2):
        assert sign * (x[gone[:, j], j].mean() - x[~gone[:, j], j].mean()) > 0.9


def test_self_masking_raises_the_odds_of_a_random_half_of_the_categories():
    features, chosen = mixed_features(), set()
    for seed in range(8):
        mechanism = bound(SelfMasking("high"), MIXED)
        mechanism.calibrate(features, 0.3, seeded(seed))
        logits = mechanism.level_logits[0, 1:5].detach()
        high = logits > logits.mean()
        assert high.sum() == 2
        assert float(logits.max() - logits.min()) == pytest.approx(2.0, abs=1e-4)
        chosen.add(tuple(high.tolist()))
    assert len(chosen) > 1


def test_calibration_serves_all_members():
    mechanism = bound(SelfMasking(), MIXED, n_members=3)
    features = mixed_features(1000)
    mechanism.calibrate(features, 0.25, seeded())
    hidden = torch.zeros(len(mechanism.incomplete))
    p = mechanism.cell_log_prob(features.expand(3, 1, -1, -1), hidden).exp().mean((1, 2))
    torch.testing.assert_close(p, torch.full_like(p, 0.25), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MCAR(0.0), "rate=0.0"),
        (lambda: MCAR(1), "rate=1"),
        (lambda: MAR("much"), "rate='much'"),
        (lambda: MNARLogistic(float("nan")), "rate=nan"),
        (lambda: MNARLogistic(slope=-1), "slope=-1"),
        (lambda: HardSelfMasking(1.5), "above=1.5"),
        (lambda: HardSelfMasking("median"), "above='median'"),
        (lambda: HardSelfMasking(direction="up"), "direction='up'"),
        (lambda: MLPMechanism(hidden=0), "hidden=0"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(SettingError, match=message):
        make()
