"""Which convolutional network fits pictures of a size, and how wide it is.

The layouts are those of the code released with MisGAN (Li, Jiang and Marlin, ICLR 2019):
``"digits"`` for 28 x 28 pixels, and ``"pictures"`` for 64 x 64 pixels, which are halved and
doubled four times. Pictures of other sizes are halved as often as they can be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from halfseen.errors import SettingError

__all__ = ["DIGITS", "Layout", "Size", "grid_after", "layout_of"]

Layout = Literal["auto", "digits", "pictures"]
Size = tuple[int, int]
DIGITS = (28, 28)
# The first width, how often it may double, and the smallest side of the default's last grid.
WIDTH, DOUBLINGS, GRID = 64, 3, 4


def layout_of(
    size: Size, layout: Layout, channels: Sequence[int] | None
) -> tuple[Layout, list[int]]:
    """The layout that is meant, and its widths from the outside in.

    Parameters
    ----------
    size : tuple of int
        Height and width.
    layout : {"auto", "digits", "pictures"}
        Digits where the size is 28 x 28, if ``"auto"``.
    channels : sequence of int or None
        Widths. Three for digits, by default (64, 128, 256). For pictures one per halving, by
        default 64, 128, 256, 512, 512, ... for as many halvings as leave 4 x 4 pixels.

    Returns
    -------
    tuple
        The layout, which is no longer ``"auto"``, and the list of widths.

    Raises
    ------
    SettingError
        When the layout is unknown, or does not fit the size.

    Examples
    --------
    >>> layout_of((28, 28), "auto", None)
    ('digits', [64, 128, 256])
    >>> layout_of((32, 48), "auto", None)
    ('pictures', [64, 128, 256])
    """
    if layout not in ("auto", "digits", "pictures"):
        raise SettingError(
            f"Got layout={layout!r}. Expected 'auto', 'digits' for 28 x 28 pixels, or 'pictures'."
        )
    if layout == "digits" or (layout == "auto" and tuple(size) == DIGITS):
        return "digits", _digits_widths(size, channels)
    return "pictures", _picture_widths(size, channels)


def grid_after(size: Size, n_halvings: int) -> Size:
    """Height and width after some halvings, rounded down.

    Examples
    --------
    >>> grid_after((32, 48), 3)
    (4, 6)
    """
    return size[0] >> n_halvings, size[1] >> n_halvings


def _digits_widths(size: Size, channels: Sequence[int] | None) -> list[int]:
    widths = [WIDTH * 2**i for i in range(3)] if channels is None else list(channels)
    if tuple(size) != DIGITS or len(widths) != 3 or min(widths) < 1:
        raise SettingError(
            f"Got {size[0]} x {size[1]} pixels and channels={channels!r} for convolutions of "
            "digits. Expected 28 x 28 pixels and three positive widths, such as hidden=(64, 128, "
            "256) and as many in critic_hidden, or None."
        )
    return widths


def _picture_widths(size: Size, channels: Sequence[int] | None) -> list[int]:
    if channels is None:
        widths = [WIDTH * 2 ** min(i, DOUBLINGS) for i in range(_halvings(size))]
    else:
        widths = list(channels)
    grid, n = grid_after(size, len(widths)), len(widths)
    fits = all(side << n == whole for side, whole in zip(grid, size, strict=True))
    # Of a single pixel, instance normalisation has no variance.
    if not widths or min(widths) < 1 or not fits or math.prod(grid) < 2:
        raise SettingError(
            f"Got {size[0]} x {size[1]} pixels and channels={channels!r} for convolutions. "
            "Expected positive widths, and sides that can be halved once for each of "
            "them with two pixels left, such as 32 x 32 or 64 x 64: pad or resize the pictures, "
            "or use a fully connected network."
        )
    return widths


def _halvings(size: Size) -> int:
    """How often both sides can be halved with 4 pixels left."""
    n = 0
    while all(side % 2 ** (n + 1) == 0 and side >> (n + 1) >= GRID for side in size):
        n += 1
    return n
