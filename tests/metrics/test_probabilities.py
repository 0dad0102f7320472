"""Calibration of probabilities: against a loop over bins, closed forms and true probabilities."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from halfseen.datasets import burger_posterior, make_toy
from halfseen.errors import SettingError
from halfseen.metrics import expected_calibration_error


def by_loop(y, proba, classes, edges):
    """The definition, bin by bin."""
    total = 0.0
    for low, high in pairwise(edges):
        inside = [k for k, row in enumerate(proba) if low < max(row) <= high]
        if inside:
            right = [y[k] == classes[int(np.argmax(proba[k]))] for k in inside]
            sure = [max(proba[k]) for k in inside]
            total += len(inside) / len(y) * abs(np.mean(right) - np.mean(sure))
    return total


def random_rows(n=500, k=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, k, n), rng.dirichlet(np.full(k, 0.5), n)


@pytest.mark.parametrize("n_bins", [1, 7, 15])
@pytest.mark.parametrize("k", [2, 4])
def test_it_is_the_sum_over_bins(k, n_bins):
    y, proba = random_rows(k=k)
    found = expected_calibration_error(y, proba, n_bins)
    assert found == pytest.approx(by_loop(y, proba, range(k), np.linspace(0, 1, n_bins + 1)))


def test_quantile_bins_hold_equally_many_rows():
    y, proba = random_rows(600)
    order = np.argsort(proba.max(1))
    parts = np.split(order, 10)
    right = y == proba.argmax(1)
    wanted = np.mean([abs(right[part].mean() - proba.max(1)[part].mean()) for part in parts])
    found = expected_calibration_error(y, proba, 10, "quantile")
    assert found == pytest.approx(wanted, abs=2e-3)
    # Ties share a bin whatever the quantiles are.
    assert expected_calibration_error([0, 0, 1, 1], [0.25] * 4, 3, "quantile") == 0.25


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_closed_forms(strategy):
    half = np.tile([0.8, 0.2], (10, 1))
    y = np.arange(10) % 2
    assert expected_calibration_error(y, half, strategy=strategy) == pytest.approx(0.3)
    sure = np.eye(3)[[0, 1, 2, 0]]
    assert expected_calibration_error([0, 1, 2, 0], sure, strategy=strategy) == 0
    assert expected_calibration_error([1, 2, 0, 1], sure, strategy=strategy) == 1
    # Errors of opposite signs cancel within a bin but not between bins.
    proba = [[0.6, 0.4]] * 5 + [[0.9, 0.1]] * 10
    labels = [0] * 5 + [0] * 6 + [1] * 4
    two = expected_calibration_error(labels, proba, strategy=strategy)
    assert two == pytest.approx((5 * 0.4 + 10 * 0.3) / 15)
    one = expected_calibration_error(labels, proba, 1, strategy)
    assert one == pytest.approx(abs(11 - 5 * 0.6 - 10 * 0.9) / 15)


def test_a_confidence_on_an_edge_is_in_the_lower_bin():
    # 0.5 and 0.3 + 0.2 lie in (0.25, 0.5], 0.75 in (0.5, 0.75].
    proba = [[0.5, 0.5], [0.75, 0.25]]
    assert expected_calibration_error([0, 1], proba, 4) == pytest.approx((0.5 + 0.75) / 2)
    assert expected_calibration_error([0, 1], proba, 2) == pytest.approx((0.5 + 0.75) / 2)


def test_two_classes_by_one_column_and_any_labels():
    y, proba = random_rows(k=2)
    wanted = expected_calibration_error(y, proba)
    assert expected_calibration_error(y, proba[:, 1]) == pytest.approx(wanted)
    words = pd.Series(np.array(["no", "yes"])[y])
    assert expected_calibration_error(words, pd.DataFrame(proba)) == pytest.approx(wanted)
    flipped = expected_calibration_error(words, proba[:, ::-1], classes=["yes", "no"])
    assert flipped == pytest.approx(wanted)
    assert expected_calibration_error(y == 1, proba) == pytest.approx(wanted)


def test_classes_that_no_row_has():
    proba = [[0.5, 0.25, 0.25]] * 4
    assert expected_calibration_error([0] * 4, proba, classes=[0, 1, 2]) == 0.5
    with pytest.raises(SettingError, match=r"classes=classifier\.classes_"):
        expected_calibration_error([0] * 4, proba)


def test_true_probabilities_are_calibrated_and_sharpened_ones_are_not():
    x, y = make_toy("burger", n=60_000)
    x[::2, 1] = np.nan
    p = burger_posterior(x)
    assert expected_calibration_error(y, p) < 0.005
    sharp = p**3 / (p**3 + (1 - p) ** 3)
    assert expected_calibration_error(y, sharp) > 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"proba": [[2.0, -1.0], [0.5, 0.5]]}, "not logits"),
        ({"proba": [[0.5, 0.2], [0.5, 0.5]]}, "sum to 1"),
        ({"proba": [[np.nan, 0.5], [0.5, 0.5]]}, "NaN"),
        ({"proba": [[0.5, 0.5]]}, r"\(1, 2\)"),
        ({"y_true": [], "proba": np.empty((0, 2))}, "at least one row"),
        ({"classes": [0, 2]}, r"Got \[1\] in y_true"),
        ({"y_true": [0, np.nan], "classes": [0, 1]}, r"Got \[nan\] in y_true"),
        ({"classes": ["0", "1"]}, "Expected classes out of"),
        ({"n_bins": 0}, "n_bins=0"),
        ({"n_bins": 2.5}, r"n_bins=2\.5"),
        ({"strategy": "equal"}, "'equal'"),
    ],
)
def test_refusals(change, message):
    setting = {"y_true": [0, 1], "proba": [[0.5, 0.5], [0.2, 0.8]]} | change
    with pytest.raises(SettingError, match=message):
        expected_calibration_error(**setting)
