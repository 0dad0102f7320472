"""Toy tasks: published parameters, and the burger's probabilities against integration."""

import numpy as np
import pytest
from scipy import integrate, stats
from sklearn.neighbors import KNeighborsClassifier

from halfseen.datasets import burger_posterior, make_toy
from halfseen.errors import SettingError

TOYS = {"circles": 2, "moons": 2, "pinwheel": 4, "burger": 2}


@pytest.mark.parametrize("name", TOYS)
def test_shapes_types_seeds_and_classes(name):
    x, y = make_toy(name, random_state=3)
    assert x.shape == (5000, 2)
    assert x.dtype == np.float64
    assert y.dtype == np.int64
    counts = np.bincount(y)
    shares = [1 / 3, 2 / 3] if name == "burger" else np.full(TOYS[name], 1 / TOYS[name])
    np.testing.assert_allclose(counts, 5000 * np.array(shares), atol=1)
    again, other = make_toy(name, random_state=3), make_toy(name, random_state=4)
    np.testing.assert_array_equal(x, again[0])
    np.testing.assert_array_equal(y, again[1])
    assert not np.array_equal(x, other[0])
    # Rows come in random order: the first half is as balanced as chance has it.
    assert np.abs(np.bincount(y[:2500]) - counts / 2).max() < 120
    assert make_toy(name, n=1)[0].shape == (1, 2)


def test_circles_and_moons_have_their_radii_and_noise():
    x, y = make_toy("circles", n=40_000)
    radius = np.hypot(*x.T)
    for label, centre in [(0, 1.0), (1, 0.5)]:
        # The radius of a point of a circle under Gaussian noise, to second order.
        assert radius[y == label].mean() == pytest.approx(centre + 0.01 / (2 * centre), abs=3e-3)
        assert radius[y == label].std() == pytest.approx(0.1, abs=3e-3)
    x, y = make_toy("moons", n=40_000)
    distance = np.hypot(*(x - np.where(y[:, None] == 0, [0.0, 0.0], [1.0, 0.5])).T)
    assert distance.mean() == pytest.approx(1.005, abs=3e-3)
    assert distance.std() == pytest.approx(0.1, abs=3e-3)


def test_pinwheel_untwisted_is_one_gaussian_per_arm():
    x, y = make_toy("pinwheel", n=40_000)
    # Lengths survive the turn; the angle gives the offset across the arm.
    for arm in range(4):
        rows = x[y == arm] / 10
        along, across = _untwist(rows, 2 * np.pi * arm / 4)
        assert along.mean() == pytest.approx(1.0, abs=0.01)
        assert along.std() == pytest.approx(0.3, abs=0.01)
        assert across.mean() == pytest.approx(0.0, abs=0.003)
        assert across.std() == pytest.approx(0.05, abs=0.002)


def _untwist(rows, angle):
    """Coordinates before the turn, by fixed-point iteration on the first one."""
    along = np.hypot(*rows.T)
    for _ in range(200):
        turn = angle + 0.25 * np.exp(along)
        along = 0.5 * along + 0.5 * (rows[:, 0] * np.cos(turn) - rows[:, 1] * np.sin(turn))
    across = rows[:, 0] * np.sin(turn) + rows[:, 1] * np.cos(turn)
    return along, across


def test_burger_bands():
    x, y = make_toy("burger", n=60_000)
    assert np.abs(x[:, 0]).max() < 2
    assert stats.kstest(x[:, 0], stats.uniform(-2, 4).cdf).pvalue > 1e-3
    assert stats.kstest(x[y == 0, 1], stats.norm(0, 0.5).cdf).pvalue > 1e-3
    top = x[(y == 1) & (x[:, 1] > 0), 1]
    assert top.mean() == pytest.approx(2.0, abs=0.01)
    assert top.std() == pytest.approx(0.5, abs=0.01)


def density(y, first, second):
    """Joint density of features and class of the burger, from its definition."""
    bands = [2.0, -2.0] if y == 1 else [0.0]
    heights = sum(np.exp(-0.5 * ((second - band) / 0.5) ** 2) for band in bands)
    return (abs(first) < 2) * heights / (3 * 4 * 0.5 * np.sqrt(2 * np.pi))


@pytest.mark.parametrize("first", [-1.5, 0.3, np.nan])
@pytest.mark.parametrize("second", [-3.0, -1.0, -0.4, 0.0, 0.9, 1.0, 2.2, np.nan])
def test_burger_posterior_is_the_integral_over_missing_features(first, second):
    def evidence(y):
        def slice_at(a):
            if not np.isnan(second):
                return density(y, a, second)
            return integrate.quad(lambda b: density(y, a, b), -7, 7, points=[-2, 0, 2])[0]

        if not np.isnan(first):
            return slice_at(first)
        return integrate.quad(slice_at, -2, 2)[0]

    one, zero = evidence(1), evidence(0)
    found = burger_posterior([[first, second]])[0]
    assert found == pytest.approx(one / (one + zero), rel=1e-8)


def test_burger_posterior_far_out_and_on_draws():
    np.testing.assert_allclose(burger_posterior([[0, 1e6], [0, -np.inf]]), 1.0)
    x, y = make_toy("burger", n=30_000, random_state=1)
    p = burger_posterior(x)
    # Any other probabilities have a worse mean log: the true ones beat a good classifier's.
    ours = np.log(np.where(y == 1, p, 1 - p))
    close = KNeighborsClassifier(100).fit(x[::2], y[::2]).predict_proba(x[1::2])
    theirs = np.log(np.clip(close[np.arange(len(close)), y[1::2]], 1e-3, 1))
    assert ours[1::2].mean() > theirs.mean()
    bayes = (4 * stats.norm.cdf(2.0) - 1) / 3  # Right in the middle, and on the sides.
    assert np.mean((p > 0.5) == y) == pytest.approx(bayes, abs=0.01)


def test_refusals():
    with pytest.raises(SettingError, match="Did you mean 'moons'"):
        make_toy("moon")
    with pytest.raises(SettingError, match="n=0"):
        make_toy("moons", n=0)
    with pytest.raises(SettingError, match=r"\(3,\)"):
        burger_posterior([1.0, 2.0, 3.0])
