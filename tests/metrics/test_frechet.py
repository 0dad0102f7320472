"""Frechet distance against closed forms and scipy's root of a matrix; moments against numpy."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.linalg import sqrtm
from torch import nn

from halfseen import metrics
from halfseen.errors import SettingError


def spd(rng, d):
    factor = rng.normal(size=(d, d))
    return factor @ factor.T


def test_diagonal_gaussians_have_a_closed_form():
    rng = np.random.default_rng(0)
    m, n, a, b = rng.uniform(0, 3, size=(4, 6))
    expected = np.sum((m - n) ** 2) + np.sum((np.sqrt(a) - np.sqrt(b)) ** 2)
    found = metrics.frechet_distance(m, np.diag(a), n, np.diag(b))
    assert found == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("d", [1, 2, 7, 40])
def test_any_covariances_against_the_root_of_a_matrix(d):
    rng = np.random.default_rng(d)
    m, n, a, b = rng.normal(size=d), rng.normal(size=d), spd(rng, d), spd(rng, d)
    expected = np.sum((m - n) ** 2) + np.trace(a + b - 2 * np.real(sqrtm(a @ b)))
    assert metrics.frechet_distance(m, a, n, b) == pytest.approx(expected, rel=1e-8)
    assert metrics.frechet_distance(n, b, m, a) == pytest.approx(expected, rel=1e-8)


def test_covariances_without_full_rank():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(30, 30)))[0]
    a = basis[:, :4] * [9.0, 4.0, 1.0, 1.0] @ basis[:, :4].T
    b = basis[:, 1:3] * [1.0, 4.0] @ basis[:, 1:3].T
    zero = np.zeros(30)
    # Directions 0 to 3: (9, 0), (4, 1), (1, 4), (1, 0), and none in the other 26.
    assert metrics.frechet_distance(zero, a, zero, b) == pytest.approx(9 + 1 + 1 + 1, abs=1e-12)
    assert metrics.frechet_distance(zero, a, zero, a) == pytest.approx(0, abs=1e-12)
    none = np.zeros((30, 30))
    assert metrics.frechet_distance(zero, none, zero, b) == pytest.approx(5)
    assert metrics.frechet_distance(zero, none, zero, none) == 0.0


@pytest.mark.parametrize(("n", "d"), [(1000, 5), (10, 60)])
def test_a_sample_is_at_no_distance_from_itself(n, d):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 100.0
    assert 0 <= metrics.fid(x, x) < 1e-8
    assert 0 <= metrics.fid(x, rng.permutation(x), batch_size=7) < 1e-8


def test_a_sample_against_its_moments():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(50, 4)), rng.normal(size=(30, 4)) * 2 + 1
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    expected = np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(a + b - 2 * np.real(sqrtm(a @ b)))
    assert metrics.fid(x, y) == pytest.approx(expected, rel=1e-10)
    pictures = torch.from_numpy(x.reshape(50, 1, 2, 2))
    assert metrics.fid(pictures, metrics.moments(y)) == pytest.approx(expected, rel=1e-10)


def test_two_shifted_gaussians():
    x = np.random.default_rng(0).normal(size=(200_000, 2))
    y = np.random.default_rng(1).normal(size=(200_000, 2)) * [3.0, 1.0] + [0.0, 2.0]
    assert metrics.fid(x, y) == pytest.approx(4 + 4, rel=0.02)


def test_batches_give_the_moments_of_all_rows():
    rng = np.random.default_rng(0)
    # A mean far from 0, where sums of squares would lose all digits.
    x = rng.normal(size=(1003, 5)) @ rng.normal(size=(5, 5)) + 1e6
    whole = metrics.Moments().update(x)
    parts = metrics.Moments()
    for size in (1, 2, 500, 0, 500):
        parts.update(x[parts.n : parts.n + size])
    left, right = metrics.Moments().update(x[:300]), metrics.Moments().update(x[300:])
    merged = metrics.Moments().merge(left).merge(right).merge(metrics.Moments())
    for found in (whole, parts, merged):
        assert found.n == 1003
        np.testing.assert_allclose(found.mean, x.mean(0), rtol=1e-14)
        np.testing.assert_allclose(found.covariance, np.cov(x, rowvar=False), rtol=1e-8)
    assert left.n == 300
    np.testing.assert_allclose(left.covariance, np.cov(x[:300], rowvar=False), rtol=1e-8)


def test_an_answer_cannot_change_the_moments():
    seen = metrics.Moments().update([[1.0], [3.0]])
    seen.mean[:] = 0
    seen.covariance[:] = 0
    assert (seen.mean, seen.covariance) == (2.0, 2.0)


def test_streaming_through_a_network():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 333, 8)).astype(np.float32)
    weight = torch.from_numpy(rng.normal(size=(8, 3)).astype(np.float32))

    def features(rows):
        return torch.tanh(rows @ weight)

    expected = metrics.fid(features(torch.from_numpy(x)), features(torch.from_numpy(y)).numpy())
    for size in (1, 50, 1000):
        assert metrics.fid(x, y, features, batch_size=size) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((1, 2)), r"Got 1 row"),
        (np.zeros((0, 2)), r"x of shape \(0, 2\)"),
        (np.zeros(5), r"x of shape \(5,\)"),
        (np.zeros((5, 3)), r"same number d"),
        (np.full((5, 2), np.nan), r"10 value\(s\) in x that are not finite"),
        ([["a", "b"], ["c", "d"]], r"x with a value that is no number"),
    ],
)
def test_what_cannot_be_compared(x, message):
    with pytest.raises(SettingError, match=message):
        metrics.fid(x, np.ones((5, 2)))


def test_moments_of_other_features():
    seen = metrics.Moments().update(np.zeros((2, 3)))
    with pytest.raises(SettingError, match=r"Got rows of 2 features\. Expected 3"):
        seen.update(np.zeros((2, 2)))
    with pytest.raises(SettingError, match="not finite"):
        seen.update(torch.tensor([[0.0, 0.0, torch.inf]]))
    with pytest.raises(SettingError, match=r"Expected \(B, d\)"):
        seen.update(np.zeros(3))
    with pytest.raises(SettingError, match="batch_size=0"):
        metrics.moments(np.zeros((2, 3)), nn.Identity(), batch_size=0)


def test_moments_of_columns_in_another_order_are_refused():
    """Each with its own spread, so that a mix-up is far off."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(50, 2)) * [1.0, 50.0], columns=["x", "y"])
    real = metrics.moments(table)
    assert metrics.fid(real, metrics.moments(table)) == 0.0
    assert metrics.fid(real, metrics.moments(table[["y", "x"]].to_numpy())) > 1000
    for other in (table[["y", "x"]], table.rename(columns={"y": "z"})):
        with pytest.raises(SettingError, match="columns in the same order"):
            metrics.fid(real, metrics.moments(other))
        with pytest.raises(SettingError, match="columns in the same order"):
            metrics.moments(table).merge(metrics.moments(other))
    assert metrics.fid(real, table[["y", "x"]]) == metrics.fid(table[["y", "x"]], real) == 0.0


def test_merged_moments_keep_the_names_of_columns():
    table = pd.DataFrame(np.eye(3, 2), columns=["x", "y"])
    merged = metrics.Moments().merge(metrics.moments(table)).merge(metrics.moments(table))
    assert (merged.n, merged.names) == (6, ["x", "y"])
    with pytest.raises(SettingError, match="columns in the same order"):
        metrics.fid(merged, metrics.moments(table[["y", "x"]]))
