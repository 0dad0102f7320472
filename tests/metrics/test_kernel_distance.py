"""Kernel distance against a double loop, and its expectation."""

import itertools

import numpy as np
import pytest

from halfseen import metrics
from halfseen.errors import SettingError
from halfseen.metrics import kernel_distance


def double_loop(x, y):
    def kernel(a, b):
        return (sum(a * b) / len(a) + 1) ** 3

    n, m = len(x), len(y)
    inside = [sum(kernel(a, b) for a, b in itertools.permutations(s, 2)) for s in (x, y)]
    between = sum(kernel(a, b) for a in x for b in y)
    return inside[0] / (n * (n - 1)) + inside[1] / (m * (m - 1)) - 2 * between / (n * m)


def test_all_rows_against_a_double_loop():
    x, y = np.random.default_rng(0).normal(size=(2, 12, 3))
    assert metrics.kid(x, y + 1) == pytest.approx(double_loop(x, y + 1), rel=1e-12)


def test_subsets_average_to_all_pairs():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 2)), rng.normal(size=(3, 2)) + 1
    every = [
        double_loop(x[list(i)], y[list(j)])
        for i in itertools.combinations(range(4), 2)
        for j in itertools.combinations(range(3), 2)
    ]
    # Unbiased in each subset, so the mean over all subsets is the estimate from all rows.
    assert np.mean(every) == pytest.approx(double_loop(x, y))
    found = metrics.kid_with_error(x, y, n_subsets=4000, subset_size=2)
    assert found.distance == pytest.approx(np.mean(every), abs=4 * found.standard_error)
    assert found.standard_error == pytest.approx(np.std(every) / np.sqrt(4000), rel=0.1)


def test_expectation_for_gaussians():
    """With d = 1: E k = E (ab + 1)^3 = 1 + 3 E a E b + 3 E a^2 E b^2 + E a^3 E b^3."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20_000, 1)), rng.normal(size=(20_000, 1)) + 0.5
    gaps = (0.5, 0.25, 3 * 0.5 + 0.125)
    expected = 3 * gaps[0] ** 2 + 3 * gaps[1] ** 2 + gaps[2] ** 2
    assert metrics.kid(x, y) == pytest.approx(expected, rel=0.1)


def test_seeds():
    x, y = np.random.default_rng(0).normal(size=(2, 50, 3))
    first, second, third = (
        metrics.kid(x, y, n_subsets=3, subset_size=10, random_state=seed) for seed in (1, 1, 2)
    )
    assert first == second != third


def test_features_and_one_subset():
    x, y = np.random.default_rng(0).normal(size=(2, 10, 3))
    found = metrics.kid_with_error(x, y, lambda rows: rows[:, :2], n_subsets=1, subset_size=10)
    assert found.distance == pytest.approx(double_loop(x[:, :2], y[:, :2]), rel=1e-5)
    assert np.isnan(found.standard_error)


@pytest.mark.parametrize("n", [40, 41, 2500])
def test_subsets_are_half_of_the_smaller_sample_by_default(n):
    x, y = np.random.default_rng(0).normal(size=(2, n, 1))
    x = np.r_[x, x + 1]
    found = metrics.kid_with_error(x, y, n_subsets=20)
    size = min(1000, n // 2)
    assert found == metrics.kid_with_error(x, y, n_subsets=20, subset_size=size)
    assert found.standard_error > 1e-3 * abs(found.distance)
    assert metrics.kid(x, y, n_subsets=2) == metrics.kid(
        x, y, n_subsets=2, subset_size=min(1000, n)
    )


def test_subsets_that_are_all_of_both_samples_have_no_error(monkeypatch):
    x, y = np.random.default_rng(0).normal(size=(2, 12, 3))
    made, exact = [], kernel_distance._squared_discrepancy
    monkeypatch.setattr(
        kernel_distance, "_squared_discrepancy", lambda *pair: made.append(1) or exact(*pair)
    )
    found = metrics.kid_with_error(x, y, subset_size=12)
    assert len(made) == 1
    assert found.distance == pytest.approx(double_loop(x, y), rel=1e-12)
    assert np.isnan(found.standard_error)
    # All of one sample alone: subsets of the other differ.
    assert metrics.kid_with_error(x[:6], y, subset_size=6).standard_error > 0
    # Two rows have no smaller subsets.
    assert np.isnan(metrics.kid_with_error(x[:2], y[:2]).standard_error)


@pytest.mark.parametrize("settings", [{"subset_size": 6}, {"subset_size": 1}, {"n_subsets": 0}])
def test_subsets_that_do_not_exist(settings):
    with pytest.raises(SettingError, match="of 2 to 5 rows"):
        metrics.kid(np.zeros((5, 1)), np.zeros((9, 1)), **settings)
