"""Sizes of pictures have the layouts that were published, or an error that says what would do."""

import pytest

from halfseen.errors import SettingError
from halfseen.nn.image_layouts import grid_after, layout_of


@pytest.mark.parametrize(
    ("size", "layout", "widths"),
    [
        ((28, 28), "digits", [64, 128, 256]),
        ((64, 64), "pictures", [64, 128, 256, 512]),
        ((32, 32), "pictures", [64, 128, 256]),
        ((128, 128), "pictures", [64, 128, 256, 512, 512]),
        ((8, 32), "pictures", [64]),
        ((20, 20), "pictures", [64, 128]),
    ],
)
def test_a_size_has_a_layout(size, layout, widths):
    assert layout_of(size, "auto", None) == (layout, widths)


def test_widths_and_layout_can_be_chosen():
    assert layout_of((28, 28), "pictures", None) == ("pictures", [64, 128])
    assert layout_of((28, 28), "auto", (2, 3, 4)) == ("digits", [2, 3, 4])
    assert layout_of((16, 24), "auto", (5, 6)) == ("pictures", [5, 6])
    assert grid_after((16, 24), 2) == (4, 6)


@pytest.mark.parametrize(
    ("size", "layout", "channels", "message"),
    [
        ((28, 28), "letters", None, "Got layout='letters'"),
        ((32, 32), "digits", None, "Expected 28 x 28 pixels"),
        ((28, 28), "digits", (4, 8), "three positive widths"),
        ((28, 28), "digits", (4, 0, 8), "three positive widths"),
        ((27, 32), "auto", None, "Got 27 x 32 pixels"),
        ((6, 6), "auto", None, "pad or resize"),
        ((12, 12), "auto", (4, 4, 4), "halved once for each"),
        ((4, 4), "auto", (4, 4), "two pixels left"),
        ((16, 16), "auto", (), "positive widths"),
        ((16, 16), "auto", (4, -1), "positive widths"),
    ],
)
def test_what_does_not_fit_is_refused(size, layout, channels, message):
    with pytest.raises(SettingError, match=message):
        layout_of(size, layout, channels)
