"""Sliced Wasserstein distance of arrays: one dimension, shifts, and what it accepts."""

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from halfseen import metrics
from halfseen.errors import SettingError


def test_one_dimension_is_the_best_assignment():
    x, y = np.random.default_rng(0).normal(size=(2, 30, 1))
    cost = cdist(x, y + 0.5, "sqeuclidean")
    best = np.sqrt(cost[linear_sum_assignment(cost)].mean())
    assert metrics.sliced_wasserstein(x, y + 0.5) == pytest.approx(best, rel=1e-12)


def test_a_shift():
    x = np.random.default_rng(0).normal(size=(40, 4))
    shift = np.array([3.0, 0.0, 4.0, 0.0])
    found = metrics.sliced_wasserstein(x, x + shift, n_projections=20_000)
    # The mean of (theta . v)^2 over the sphere is |v|^2 / p.
    assert found == pytest.approx(5 / np.sqrt(4), rel=0.02)


def test_order_and_copies_do_not_matter():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 3))
    assert metrics.sliced_wasserstein(x, rng.permutation(x)) == 0.0
    assert metrics.sliced_wasserstein(x, np.repeat(x, 3, axis=0)) == pytest.approx(0, abs=1e-12)


def test_tensors_arrays_and_pictures():
    x, y = np.random.default_rng(0).normal(size=(2, 9, 1, 2, 2))
    expected = metrics.sliced_wasserstein(x.reshape(9, 4), y.reshape(9, 4))
    assert metrics.sliced_wasserstein(x, y) == expected
    assert metrics.sliced_wasserstein(torch.from_numpy(x), y) == expected
    single = torch.from_numpy(x).float().requires_grad_()
    assert metrics.sliced_wasserstein(single, y) == pytest.approx(expected, rel=1e-5)
    whole = torch.arange(6).reshape(3, 2)
    assert metrics.sliced_wasserstein(whole, whole.numpy()) == 0.0


def test_seeds():
    x, y = np.random.default_rng(0).normal(size=(2, 9, 3))
    first, second, third = (
        metrics.sliced_wasserstein(x, y, n_projections=3, random_state=seed) for seed in (1, 1, 2)
    )
    assert first == second != third


@pytest.mark.parametrize(
    ("x", "settings", "message"),
    [
        (np.zeros((2, 3)), {}, "rows of 3 and 2 columns"),
        (np.zeros((2, 2)), {"n_projections": 0}, "n_projections=0"),
        (np.zeros((0, 2)), {}, "one row at least"),
        (np.zeros(2), {}, "one row at least"),
        (np.full((1, 2), np.nan), {}, r"2 value\(s\) in x"),
        (torch.full((1, 2), torch.nan), {}, r"2 value\(s\) in x"),
    ],
)
def test_what_cannot_be_compared(x, settings, message):
    with pytest.raises(SettingError, match=message):
        metrics.sliced_wasserstein(x, np.zeros((4, 2)), **settings)
