"""Pixels share what they share in an image alone, also when a table and texts stand beside it."""

import numpy as np
import pytest
import torch

from halfseen.core.spec import Block, Column, DataSpec
from halfseen.core.units import Units
from halfseen.estimators.floors import noise_floors
from halfseen.estimators.ranges import seen_range
from halfseen.estimators.repeats import find_repeats
from halfseen.mechanisms import SelfMasking

N = 200
LONE = DataSpec.pixels((1, 2, 2))
TABLE = (Column("a", "continuous"), Column("b", "positive"))
WORDS = tuple(Column(f"w[{j}]", "nominal", n_levels=3) for j in range(2))
# Two images of which the second is in the reverse order, a table between them, a text at the end.
FIRST, SECOND = [0, 1, 2, 3], [9, 8, 7, 6]
SPEC = DataSpec(
    (*LONE.columns, *TABLE, *LONE.columns, *WORDS),
    blocks=(
        Block("one", tuple(FIRST), (1, 2, 2)),
        Block("two", tuple(SECOND), (1, 2, 2)),
        Block("note", (10, 11), tokens=True),
    ),
)


def cells():
    rng = np.random.default_rng(0)
    one, two = (rng.integers(0, k, (N, 4)) / k for k in (3, 5))
    one[:, 0], two[:, 1] = 0.0, np.nan
    one[rng.random(one.shape) < 0.2] = np.nan
    table = np.c_[rng.integers(0, 4, N), rng.lognormal(0, 1, N)]
    return np.c_[one, table, two[:, ::-1], rng.integers(0, 3, (N, 2))], one, two, table


def test_units():
    values, one, two, table = cells()
    units = Units.fit(SPEC, values)
    for places, pixels in ((FIRST, one), (SECOND, two)):
        alone = Units.fit(LONE, pixels)
        np.testing.assert_array_equal(units.shift[places], alone.shift)
        np.testing.assert_array_equal(units.scale[places], alone.scale)
        seen = pixels[~np.isnan(pixels)]
        np.testing.assert_allclose(units.shift[places], seen.mean())
        np.testing.assert_allclose(units.scale[places], seen.std())
    beside = Units.fit(DataSpec(TABLE), table)
    np.testing.assert_array_equal(units.shift[4:6], beside.shift)
    assert units.curved == [5]
    np.testing.assert_array_equal(units.shift[10:], 0)
    plain = Units.fit(SPEC, values, standardize=False)
    np.testing.assert_array_equal(plain.shift[FIRST + SECOND], 0)


def test_floors():
    values, _, _, table = cells()
    floors = noise_floors(values, SPEC, "auto")
    np.testing.assert_array_equal(floors[FIRST + SECOND], 0.1)
    np.testing.assert_array_equal(noise_floors(values[:, :4], LONE, "auto"), 0.1)
    np.testing.assert_array_equal(floors[4:6], noise_floors(table, DataSpec(TABLE), "auto"))


def test_repeats():
    values, one, _, _ = cells()
    assert not find_repeats(one, one, LONE).grid
    found = find_repeats(values, values, SPEC)
    assert (list(found.grid), list(found.atom)) == ([4], [])


def test_ranges():
    values, one, two, table = cells()
    low, high = seen_range(values, SPEC)
    np.testing.assert_array_equal(low[FIRST], np.nanmin(one))
    np.testing.assert_array_equal(high[SECOND], np.nanmax(two))
    np.testing.assert_array_equal(low[4:6], table.min(0))
    np.testing.assert_array_equal(high[10:], 2)


def test_tied_masks():
    """Where one pixel of an image can be missing, all of that image can, and no others."""
    spec = DataSpec(SPEC.columns[:10], blocks=SPEC.blocks[:2])
    incomplete = torch.zeros(10, dtype=torch.bool)
    incomplete[2] = incomplete[5] = True
    mechanism = SelfMasking(tied=True)
    mechanism.bind(spec, incomplete, 1, torch.Generator().manual_seed(0))
    assert torch.nonzero(mechanism.incomplete)[:, 0].tolist() == [0, 1, 2, 3, 5]
    assert int(incomplete.sum()) == 2
    alone = SelfMasking(tied=True)
    alone.bind(LONE, incomplete[:4], 1, torch.Generator().manual_seed(0))
    assert alone.incomplete.all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_image_alone_shares_its_range(dtype):
    x = np.array([[0.0, np.nan, 2.0, 1.0], [0.5, np.nan, 0.5, -3.0]], dtype)
    low, high = seen_range(x, LONE)
    assert low.tolist() == [-3.0] * 4
    assert high.tolist() == [2.0] * 4
