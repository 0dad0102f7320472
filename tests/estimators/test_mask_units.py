"""What is seen or missing together, found in masks; and its ways to columns and features."""

import pytest
import torch

from halfseen.core.spec import Block, Column, DataSpec
from halfseen.estimators.dealing import Dealer, Held
from halfseen.estimators.mask_units import MaskUnits

MIXED = DataSpec(
    (
        Column("a", "continuous"),
        Column("b", "nominal", n_levels=3),
        Column("c", "continuous"),
        Column("d", "binary", n_levels=2),
    )
)


def masks(n, p, rate=0.5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(n, p, generator=generator) < rate).float()


def test_columns_of_a_table_are_units_of_their_own():
    units = MaskUnits.of_rows(MIXED, torch.ones(5, 4))
    assert units.unit.tolist() == [0, 1, 2, 3]
    assert (units.n_units, units.grid, units.plain) == (4, None, False)
    m = masks(6, 4)
    assert torch.equal(units.of_columns(m), m)
    assert torch.equal(units.to_columns(m), m)
    assert torch.equal(units.spread(m), m[:, [0, 1, 1, 1, 2, 3, 3]])


def test_numbers_alone_are_plain():
    units = MaskUnits.of_rows(DataSpec.continuous(3), masks(5, 3))
    m = masks(4, 3)
    assert units.plain
    assert units.spread(m) is m


def test_a_modality_is_one_unit_while_it_is_whole():
    spec = MIXED.with_blocks({"pair": ["a", "c"]})
    whole = masks(20, 4)
    whole[:, 2] = whole[:, 0]
    units = MaskUnits.of_rows(spec, whole)
    assert units.unit.tolist() == [0, 1, 0, 2]
    made = units.of_columns(whole)
    assert torch.equal(units.to_columns(made), whole)
    assert torch.equal(units.spread(made), whole[:, [0, 1, 1, 1, 2, 3, 3]])
    # One row that shows a part of it is enough.
    whole[7, 0] = 1 - whole[7, 2]
    assert MaskUnits.of_rows(spec, whole).unit.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_of_pixels_are_one_unit_while_they_agree(channels):
    spec = DataSpec.pixels((channels, 2, 5))
    pixels = masks(9, 10)
    s = pixels.repeat(1, channels)
    units = MaskUnits.of_rows(spec, s)
    assert (units.n_units, units.grid) == (10, (1, 2, 5))
    assert torch.equal(units.of_columns(s), pixels)
    assert torch.equal(units.to_columns(pixels), s)
    assert torch.equal(units.spread(pixels), s)
    if channels == 3:
        s[0, 12] = 1 - s[0, 12]
        apart = MaskUnits.of_rows(spec, s)
        assert (apart.n_units, apart.grid, apart.plain) == (30, (3, 2, 5), True)
        assert torch.equal(apart.of_columns(s), s)


def test_a_picture_beside_columns():
    shape, table = (2, 1, 3), Block("lab", (6, 7))
    spec = DataSpec(
        (*DataSpec.pixels(shape).columns, Column("u", "continuous"), Column("v", "continuous")),
        blocks=(Block("picture", tuple(range(6)), shape), table),
    )
    pixels, lab = masks(30, 3), masks(30, 1, seed=1)
    s = torch.cat([pixels, pixels, lab, lab], 1)
    units = MaskUnits.of_rows(spec, s)
    assert units.unit.tolist() == [0, 1, 2, 0, 1, 2, 3, 3]
    # The units are no picture: there is one more of them.
    assert units.grid is None
    assert torch.equal(units.to_columns(units.of_columns(s)), s)


def test_units_follow_members_and_any_axes():
    units = MaskUnits(MIXED, torch.tensor([0, 0, 1, 1]))
    m = masks(24, 2).view(2, 3, 4, 2)
    assert torch.equal(units.spread(m)[1, 2, 3], units.spread(m[1, 2, 3]))
    assert units.to_columns(m).shape == (2, 3, 4, 4)


def test_no_column_at_all():
    units = MaskUnits(DataSpec(()), torch.empty(0, dtype=torch.long))
    assert units.n_units == 0


# ---- what is dealt ---------------------------------------------------------------------------


def test_rows_are_dealt_once_before_any_comes_again():
    x = torch.arange(12.0)[:, None]
    dealer = Dealer(x, torch.ones(12, 1), 4, 1, torch.Generator().manual_seed(0))
    for _ in range(3):
        round_ = torch.cat([dealer.rows()[0] for _ in range(3)])
        assert sorted(round_.flatten().tolist()) == list(range(12))


def test_a_last_part_that_is_too_short_is_left_out():
    x = torch.arange(10.0)[:, None]
    dealer = Dealer(x, x, 4, 1, torch.Generator().manual_seed(0))
    dealt = [dealer.rows() for _ in range(50)]
    assert {len(rows) for rows, _ in dealt} == {4}
    assert all(torch.equal(rows, m) for rows, m in dealt)
    first, second = (set(rows.flatten().tolist()) for rows, _ in dealt[:2])
    assert not first & second
    assert set(torch.cat([rows for rows, _ in dealt]).flatten().tolist()) == set(range(10))


def test_few_rows_are_one_batch():
    x = torch.arange(3.0)[:, None]
    dealer = Dealer(x, x, 64, 2, torch.Generator().manual_seed(0))
    assert dealer.rows()[0].shape == (3, 1)
    assert dealer.noise().normal(5).shape == (2, 3, 5)


def test_held_out_rows_show_less_than_they_have():
    m = masks(500, 6, 0.7)
    held = Held.from_rows(torch.zeros(500, 6), m, torch.Generator().manual_seed(1))
    assert torch.equal(held.shown * m, held.shown)
    some = m.sum(1) > 1
    lost = (m - held.shown).sum(1)
    # About 0.3 of what was seen; where the other row hides nothing, half.
    assert 0.2 < float((lost / m.sum(1).clamp_min(1))[some].mean()) < 0.45
    everything = Held.from_rows(
        torch.zeros(500, 6), torch.ones(500, 6), torch.Generator().manual_seed(1)
    )
    assert float(everything.shown.mean()) == pytest.approx(0.5, abs=0.03)
