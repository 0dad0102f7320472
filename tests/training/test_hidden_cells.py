"""Laws of the masks that hide seen cells."""

import pytest
import torch

from halfseen.mechanisms import SquareMask
from halfseen.mechanisms.images import RectangleMask
from halfseen.training.hidden_cells import AllCells, Hider, ImageHoles, OtherMasks, SomeCells


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def seen(n, p, rate=0.6):
    return (torch.rand(n, p, generator=generator(9)) < rate).float()


@pytest.mark.parametrize(
    "patterns",
    [
        [SomeCells(0.0)],
        [SomeCells(1.0)],
        [SomeCells(1.0, channels=2)],
        [OtherMasks()],
        [AllCells()],
        [ImageHoles(SquareMask(1), (2, 3, 2))],
        [SomeCells(0.3), OtherMasks(), ImageHoles(RectangleMask(), (2, 3, 2))],
    ],
)
def test_something_seen_is_hidden_and_nothing_missing_is_shown(patterns):
    s = seen(500, 12, 0.3)
    s[:5] = 0.0
    s[5:20] = 0.0
    s[5:20, 7] = 1.0
    shown = Hider(patterns)(s, s, generator())
    assert set(shown.unique().tolist()) <= {0.0, 1.0}
    assert (shown <= s).all()
    hidden = (s - shown).sum(1)
    empty = s.sum(1) == 0
    assert (hidden[~empty] >= 1).all()
    assert (hidden[empty] == 0).all()


def test_the_one_cell_of_rows_that_a_pattern_spares_is_any_of_the_seen():
    s = torch.tensor([[1.0, 0.0, 1.0, 1.0]]).repeat(6000, 1)
    hidden = s - Hider([SomeCells(0.0)])(s, s, generator())
    assert (hidden.sum(1) == 1).all()
    torch.testing.assert_close(
        hidden.mean(0), torch.tensor([1 / 3, 0, 1 / 3, 1 / 3]), atol=0.02, rtol=0
    )


def test_rates_are_uniform_up_to_the_largest():
    s = torch.ones(4000, 400)
    rate = 1 - SomeCells(0.8)(s, s, generator()).mean(1)
    quantiles = torch.quantile(rate, torch.tensor([0.1, 0.5, 0.9]))
    torch.testing.assert_close(quantiles, torch.tensor([0.08, 0.4, 0.72]), atol=0.02, rtol=0)


def test_channels_of_a_pixel_are_hidden_together():
    s = torch.ones(50, 3 * 8)
    shown = SomeCells(1.0, channels=3)(s, s, generator()).view(50, 3, 8)
    assert (shown == shown[:, :1]).all()
    assert 0 < float(shown.mean()) < 1


def test_copied_masks_are_those_of_the_table():
    """Shown is what is seen here and there; each row of the table comes as often as others."""
    table = torch.eye(4)
    s = torch.ones(8000, 4)
    shown = Hider([OtherMasks()])(s, table, generator())
    assert (shown.sum(1) == 1).all()
    torch.testing.assert_close(shown.mean(0), torch.full((4,), 0.25), atol=0.02, rtol=0)
    few = torch.tensor([[1.0, 1.0, 0.0, 0.0]]).repeat(100, 1)
    assert (Hider([OtherMasks()])(few, table, generator()) <= few).all()


def test_patches_have_every_place_the_last_included():
    s = torch.ones(4000, 36)
    shown = Hider([ImageHoles(SquareMask(4), (1, 6, 6))])(s, s, generator()).view(-1, 6, 6)
    hidden = 1 - shown
    assert (hidden.sum((1, 2)) == 16).all()
    top = hidden.amax(2).argmax(1)
    left = hidden.amax(1).argmax(1)
    counts = torch.bincount(3 * top + left, minlength=9)
    assert len(counts) == 9
    assert (counts > 4000 / 9 * 0.85).all()


def test_rectangles_have_many_heights_and_widths():
    s = torch.ones(3000, 64)
    shown = Hider([ImageHoles(RectangleMask((0.1, 0.6)), (1, 8, 8))])(s, s, generator())
    hidden = 1 - shown.view(-1, 8, 8)
    tall, wide = hidden.amax(2).sum(1), hidden.amax(1).sum(1)
    assert (tall * wide == hidden.sum((1, 2))).all()
    assert len(torch.unique(tall)) >= 7
    assert len(torch.unique(wide)) >= 7
    assert 0.3 < float(hidden.mean()) < 0.4


@pytest.mark.parametrize(("chances", "share"), [(None, 1 / 2), ((1, 3), 1 / 4)])
def test_patterns_come_as_often_as_is_said(chances, share):
    s = torch.ones(6000, 5)
    shown = Hider([AllCells(), SomeCells(0.0)], chances)(s, s, generator())
    nothing = (shown.sum(1) == 0).float().mean()
    assert float(nothing) == pytest.approx(share, abs=0.02)
