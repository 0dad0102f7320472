"""Masks of pictures: shapes, places and rates, by enumeration where possible."""

import json
from collections import Counter

import numpy as np
import pytest
import torch
from scipy import stats

from halfseen.errors import SettingError
from halfseen.mechanisms import (
    BlockMask,
    ClippingMask,
    DropoutMask,
    RectangleMask,
    SquareMask,
)
from halfseen.mechanisms.images import IMAGE_MASKS

MASKS = {
    "dropout": DropoutMask(0.4),
    "by channel": DropoutMask(0.4, by_channel=True),
    "square": SquareMask((1, 4)),
    "block": BlockMask(rate=0.6),
    "rectangle": RectangleMask(),
    "clipping": ClippingMask(0.0, 1.0),
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(n=20, c=3, h=7, w=6, seed=0):
    return torch.randn(n, c, h, w, generator=seeded(seed))


def boxes(holes):
    """Top, left, height and width of the smallest boxes around holes (n, h, w)."""
    found = []
    for hole in holes:
        rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
        found.append((rows[0], columns[0], np.ptp(rows) + 1, np.ptp(columns) + 1))
    return np.array(found)


def holes_of(mask, *shape, seed=0):
    """Missing pixels (n, h, w), after a look at the channels."""
    s = mask.sample(torch.zeros(shape), seeded(seed)).numpy()
    assert s.shape == shape
    assert (s == s[:, :1]).all()
    assert set(np.unique(s)) <= {0.0, 1.0}
    return s[:, 0] == 0


@pytest.mark.parametrize("name", MASKS)
def test_masks_follow_their_seed_and_not_what_comes_after(name):
    mask, x = MASKS[name], pictures()
    s = mask.sample(x, seeded())
    assert s.shape == x.shape
    assert s.dtype == x.dtype
    assert torch.equal(s, mask.sample(x, seeded()))
    assert not torch.equal(s, mask.sample(x, seeded(1)))
    assert torch.equal(s[:3], mask.sample(x[:3], seeded()))
    assert mask.sample(x[:0], seeded()).shape == (0, 3, 7, 6)
    assert mask.sample(x.double(), seeded()).dtype == torch.float64
    looks = name == "clipping"
    assert torch.equal(s, mask.sample(x + 1, seeded())) != looks


@pytest.mark.parametrize("side", [1, 3, 5])
def test_squares_are_whole_inside_and_everywhere(side):
    holes = holes_of(SquareMask(side), 3000, 2, 5, 6)
    box = boxes(holes)
    assert (holes.sum((1, 2)) == side**2).all()
    assert (box[:, 2:] == side).all()
    counts = Counter(map(tuple, box[:, :2].tolist()))
    places = (5 - side + 1) * (6 - side + 1)
    assert len(counts) == places
    assert places == 1 or stats.chisquare(list(counts.values())).pvalue > 1e-3


def test_sides_are_uniform_on_their_range():
    sides = boxes(holes_of(SquareMask((2, 5)), 4000, 1, 6, 6))[:, 2]
    counts = Counter(sides.tolist())
    assert sorted(counts) == [2, 3, 4, 5]
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


@pytest.mark.parametrize("setting", [{"size": 4}, {"size": (2, 6)}])
def test_a_block_is_what_a_square_leaves(setting):
    x = pictures(50, h=8, w=8)
    block = BlockMask(**setting).sample(x, seeded())
    assert torch.equal(block, 1 - SquareMask(**setting).sample(x, seeded()))


@pytest.mark.parametrize(
    ("pixels", "rate", "side"),
    [
        (28, 0.897, 9),
        (28, 0.784, 13),
        (32, 0.902, 10),
        (32, 0.809, 14),
        (32, 0.121, 30),
        (64, 0.902, 20),
        (64, 0.795, 29),
        (64, 0.092, 61),
    ],
)
def test_published_sides_of_blocks(pixels, rate, side):
    seen = ~holes_of(BlockMask(rate=rate), 4, 1, pixels, pixels)
    assert (seen.sum((1, 2)) == side**2).all()
    assert 1 - side**2 / pixels**2 == pytest.approx(rate, abs=6e-4)


def test_squares_have_the_nearest_rate():
    assert (holes_of(SquareMask(rate=0.25), 4, 1, 28, 28).sum((1, 2)) == 14**2).all()
    assert (holes_of(SquareMask(), 4, 1, 10, 10).sum((1, 2)) == 25).all()
    assert (holes_of(SquareMask(rate=0.001), 4, 1, 4, 4).sum((1, 2)) == 1).all()


@pytest.mark.parametrize("grid", [(9, 9), (5, 12), (12, 1)])
@pytest.mark.parametrize("area", [0.03, 0.3, 0.8, (0.2, 0.7)])
def test_rectangles_are_whole_and_have_their_area(area, grid):
    holes = holes_of(RectangleMask(area), 20_000, 1, *grid)
    count, total = holes.sum((1, 2)), grid[0] * grid[1]
    some = holes[count > 0]
    tall, wide = boxes(some[:500])[:, 2:].T
    np.testing.assert_array_equal(count[count > 0][:500], tall * wide)
    low, high = area if isinstance(area, tuple) else (area, area)
    # The width is rounded, so the area is exact to less than one column of the hole.
    assert (tall * wide < high * total + tall).all()
    assert (tall * wide > low * total - tall).all()
    error = count.std() / np.sqrt(len(count)) / total
    assert abs(count.mean() / total - (low + high) / 2) < 4.5 * error + 1e-12


def test_rectangles_treat_height_and_width_alike_but_for_rounding():
    box = boxes(holes_of(RectangleMask(0.2), 4000, 1, 40, 40))
    assert box[:, 2].mean() == pytest.approx(box[:, 3].mean(), rel=0.06)
    assert box[:, 2].min() <= 9
    assert box[:, 2:].max(0).min() >= 36
    assert stats.spearmanr(box[:, 2], box[:, 3])[0] < -0.9


@pytest.mark.parametrize("by_channel", [False, True])
def test_dropout_is_independent_at_its_rate(by_channel):
    s = DropoutMask(0.35, by_channel=by_channel).sample(torch.zeros(4000, 2, 3, 3), seeded())
    cells = s.numpy().reshape(4000, 18)
    own = cells if by_channel else cells[:, :9]
    for column in own.T:
        assert stats.binomtest(int(4000 - column.sum()), 4000, 0.35).pvalue > 1e-4
    correlation = np.corrcoef(own.T) - np.eye(own.shape[1])
    assert np.abs(correlation).max() < 4.5 / np.sqrt(4000)
    assert (cells[:, :9] == cells[:, 9:]).all() != by_channel


@pytest.mark.parametrize("slope", [50.0, -8.0])
def test_clipping_follows_its_curve(slope):
    values = torch.tensor([0.0, 0.7, 0.74, 0.75, 0.78, 1.0])
    x = values.reshape(1, 1, 1, 6).expand(20_000, 1, 1, 6)
    seen = ClippingMask(0.75, slope).sample(x, seeded()).sum((0, 1, 2))
    for value, count in zip(values.tolist(), seen.tolist(), strict=True):
        p = 1 / (1 + np.exp(slope * (value - 0.75)))
        assert stats.binomtest(int(count), 20_000, p).pvalue > 1e-4


def test_names_make_masks_of_a_rate():
    for name, make in IMAGE_MASKS.items():
        share = 1 - float(make(0.36).sample(torch.zeros(3000, 1, 10, 10), seeded()).mean())
        side = 0.01 if name in ("dropout", "rectangle") else 1e-6
        assert share == pytest.approx(0.36, abs=side)
        assert 1 - float(make(None).sample(torch.zeros(3000, 1, 10, 10), seeded()).mean()) < 0.4


@pytest.mark.parametrize(
    ("kind", "setting", "same"),
    [
        (SquareMask, np.int64(3), 3),
        (SquareMask, [2, 3], (2, 3)),
        (BlockMask, (np.int32(1), 4), (1, 4)),
        (RectangleMask, [0.1, 0.3], (0.1, 0.3)),
        (RectangleMask, np.float32(0.25), 0.25),
        (DropoutMask, np.float64(0.2), 0.2),
    ],
)
def test_settings_from_files_and_arrays_are_plain_numbers(kind, setting, same):
    given, plain = kind(setting), kind(same)
    assert json.dumps(given.settings()) == json.dumps(plain.settings())
    assert given.settings() == plain.settings()
    assert torch.equal(given.sample(pictures(), seeded()), plain.sample(pictures(), seeded()))
    again = kind(**json.loads(json.dumps(given.settings())))
    assert again.settings() == plain.settings()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DropoutMask(1.0), "rate=1.0"),
        (lambda: SquareMask(0), "size=0"),
        (lambda: SquareMask(2.5), "size=2.5"),
        (lambda: SquareMask(True), "size=True"),
        (lambda: BlockMask((5, 3)), r"size=\(5, 3\)"),
        (lambda: BlockMask((1, 2, 3)), r"size=\(1, 2, 3\)"),
        (lambda: BlockMask(3, rate=0.5), "one of them"),
        (lambda: BlockMask([5, 3]), r"size=\[5, 3\]"),
        (lambda: SquareMask([2.0, 3]), r"size=\[2.0, 3\]"),
        (lambda: SquareMask("3"), "size='3'"),
        (lambda: RectangleMask(0.0), "area=0.0"),
        (lambda: RectangleMask(1), "area=1"),
        (lambda: RectangleMask(True), "area=True"),
        (lambda: RectangleMask("half"), "area='half'"),
        (lambda: RectangleMask((0.5, float("nan"))), r"area=\(0.5, nan\)"),
        (lambda: RectangleMask((0.1, 0.2, 0.3)), r"area=\(0.1, 0.2, 0.3\)"),
        (lambda: RectangleMask((0.5, 0.2)), "smaller share first"),
        (lambda: ClippingMask(float("nan")), "threshold=nan"),
        (lambda: SquareMask(6).sample(torch.zeros(1, 1, 9, 5), seeded()), "9 x 5 pixels"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(SettingError, match=message):
        make()
