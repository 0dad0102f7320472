"""Holes of the VSAE paper against their laws, and its split."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from halfseen.errors import SettingError
from halfseen.experiments.vsae_masks import mar_mask, mcar_mask, nmar_mask, split_rows


def agrees(seen, chance):
    return stats.binomtest(int(seen.sum()), seen.size, chance).pvalue > 1e-4


def test_splits_are_whole_and_of_the_published_shares():
    for n in (101, 214, 1484):
        train, valid, test = split_rows(n, 3)
        np.testing.assert_array_equal(np.sort(np.concatenate([train, valid, test])), np.arange(n))
        assert len(test) == round(0.2 * n)
        assert len(valid) == round(0.2 * (n - len(test)))
    assert not np.array_equal(split_rows(101, 0)[2], split_rows(101, 1)[2])
    np.testing.assert_array_equal(split_rows(101, 0)[2], split_rows(101, 0)[2])


@pytest.mark.parametrize("ratio", [0.3, 0.5, 0.7])
def test_modalities_are_missing_at_their_ratio_and_independent(ratio):
    seen = mcar_mask(40_000, 2, ratio, 0)
    for column in seen.T:
        assert agrees(column, 1 - ratio)
    assert agrees(~seen.any(1), ratio**2)
    with pytest.raises(SettingError, match="ratio=30"):
        mcar_mask(2, 2, 30, 0)


def test_cells_at_random_follow_the_first_quarter_of_the_columns():
    rows = np.array([[0.1, 0.2, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9], [1.0, 0.9, 0, 0, 0, 0, 0, 0]])
    x = np.repeat(rows, 30_000, 0)
    seen = mar_mask(x, 0)
    assert seen[:, :2].all()
    for part, row in zip(np.split(seen, 2), rows, strict=True):
        assert agrees(part[:, 2:], expit((row[0] + row[1]) / 8))


def test_cells_not_at_random_follow_their_own_value():
    x = np.repeat(np.array([[0.0, 0.3, 1.0]]), 60_000, 0)
    for column, value in zip(nmar_mask(x, 0).T, x[0], strict=True):
        assert agrees(column, expit(value))


def test_holes_follow_their_seed():
    x = np.full((50, 4), 0.5)
    for draw in (lambda seed: mcar_mask(50, 4, 0.5, seed), lambda seed: nmar_mask(x, seed)):
        np.testing.assert_array_equal(draw(1), draw(1))
        assert not np.array_equal(draw(1), draw(2))
