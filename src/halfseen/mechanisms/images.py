"""Masks of pictures: which pixels are missing, for arrays of shape (n, c, h, w).

A mask of pictures is like a :class:`~halfseen.mechanisms.Mechanism`, but it sees pixels on their
grid and in data units. It makes holes; it has no log-probability, as all but
:class:`ClippingMask` do not look at the picture and drop out of every weight.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

from halfseen.errors import SettingError
from halfseen.mechanisms.calibration import check_rate

__all__ = [
    "IMAGE_MASKS",
    "BlockMask",
    "ClippingMask",
    "DropoutMask",
    "ImageMask",
    "RectangleMask",
    "SquareMask",
]

Size = int | Sequence[int] | None


class ImageMask(ABC):
    """Law of the mask of a picture: the one method that a user writes."""

    @abstractmethod
    def sample(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Draw a mask for every picture.

        Parameters
        ----------
        images : Tensor of shape (n, c, h, w)
            Complete pictures, in data units.
        generator : torch.Generator
            Source of randomness. Masks of one seed are the same on any device of ``images``,
            and the masks of the first pictures are the same however many follow.

        Returns
        -------
        Tensor of shape (n, c, h, w)
            1 where observed, 0 where missing.
        """

    def settings(self) -> dict[str, Any]:
        """Constructor arguments, so that a saved model can make the law again."""
        return dict(vars(self))


class DropoutMask(ImageMask):
    """Each pixel is missing with the same probability, independently of the others.

    Parameters
    ----------
    rate : float, default=0.3
        Probability that a pixel is missing.
    by_channel : bool, default=False
        Whether each channel of a pixel has a draw of its own; else all are missing together.

    Examples
    --------
    >>> images, generator = torch.zeros(2000, 3, 4, 4), torch.Generator().manual_seed(0)
    >>> s = DropoutMask(0.25).sample(images, generator)
    >>> round(float(s.mean()), 2), bool((s[:, 0] == s[:, 2]).all())
    (0.75, True)
    """

    def __init__(self, rate: float | None = None, *, by_channel: bool = False) -> None:
        self.rate, self.by_channel = check_rate(rate), by_channel

    def sample(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """See :meth:`ImageMask.sample`."""
        n, channels, *grid = images.shape
        u = _uniform((n, channels if self.by_channel else 1, *grid), generator)
        return _seen(u < self.rate, images)


class _Square(ImageMask):
    """A square at a random place, whose side is given, drawn from a range or follows a rate."""

    def __init__(self, size: Size = None, *, rate: float | None = None) -> None:
        if size is not None and rate is not None:
            raise SettingError(
                f"Got size={size!r} and rate={rate!r}. Expected one of them: the side of the "
                "square follows from the rate."
            )
        self.rate = check_rate(rate)
        self.size = None if size is None else _check_size(size)

    def settings(self) -> dict[str, Any]:
        """Constructor arguments: one of the two."""
        return {"rate": self.rate} if self.size is None else {"size": self.size}

    @abstractmethod
    def _share(self) -> float:
        """Area of the square, as a share of the picture, when the rate decides."""

    def _squares(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Pixels inside the squares, bool of shape (n, 1, h, w)."""
        height, width = images.shape[2:]
        low, high = self.size or (_side(self._share(), height, width),) * 2
        if high > min(height, width):
            raise SettingError(
                f"Got pictures of {height} x {width} pixels for a square with a side of {high}. "
                "Expected a side, or a rate, that fits in."
            )
        u = _uniform((len(images), 3), generator)
        side = low + torch.floor(u[:, 0] * (high - low + 1))
        return _rectangles(side, side, u[:, 1:], height, width)


class SquareMask(_Square):
    """A square hole at a random place, inside the picture and in all channels.

    Parameters
    ----------
    size : int or (int, int), optional
        Side in pixels, or a range from which it is drawn, both ends included.
    rate : float, optional
        In place of ``size``: share of the pixels that go missing, up to rounding of the side to
        whole pixels. Default: 0.3.

    Notes
    -----
    The patches of DMFA are ``SquareMask(14)`` for 28 x 28 pixels and ``SquareMask(16)`` for
    32 x 32, but for places in the last row and column, which the released code leaves out.

    Examples
    --------
    >>> s = SquareMask(2).sample(torch.zeros(1, 1, 3, 3), torch.Generator().manual_seed(0))
    >>> s[0, 0]
    tensor([[0., 0., 1.],
            [0., 0., 1.],
            [1., 1., 1.]])
    """

    def _share(self) -> float:
        return self.rate

    def sample(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """See :meth:`ImageMask.sample`."""
        return _seen(self._squares(images, generator), images)


class BlockMask(_Square):
    """Only a square at a random place is seen; all around it is missing.

    Parameters
    ----------
    size : int or (int, int), optional
        Side of what is seen, in pixels, or a range from which it is drawn, both ends included.
    rate : float, optional
        In place of ``size``: share of the pixels that go missing, up to rounding of the side to
        whole pixels. Default: 0.3.

    Notes
    -----
    The block observations of Li, Jiang and Marlin, "MisGAN" (ICLR 2019), which has 90 % missing
    with a side of 9 out of 28 pixels.

    Examples
    --------
    >>> images, generator = torch.zeros(5, 1, 28, 28), torch.Generator().manual_seed(0)
    >>> BlockMask(rate=0.9).sample(images, generator).sum((1, 2, 3)).sqrt()
    tensor([9., 9., 9., 9., 9.])
    """

    def _share(self) -> float:
        return 1 - self.rate

    def sample(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """See :meth:`ImageMask.sample`."""
        return _seen(~self._squares(images, generator), images)


class RectangleMask(ImageMask):
    r"""A rectangular hole of random height and width at a random place.

    Parameters
    ----------
    area : float or (float, float), default=(0.1, 0.5)
        Share of the pixels that go missing, or a range from which it is drawn uniformly.

    Notes
    -----
    Given its area share :math:`a`, the height is :math:`h a^v` with :math:`v` uniform on (0, 1),
    rounded up, which treats height and width alike but for the rounding; the width is then
    rounded up or down by chance, such that the expected number of missing pixels is exact.

    Examples
    --------
    >>> images, generator = torch.zeros(4000, 1, 8, 8), torch.Generator().manual_seed(0)
    >>> round(float(RectangleMask((0.2, 0.6)).sample(images, generator).mean()), 2)
    0.6
    """

    def __init__(self, area: float | Sequence[float] = (0.1, 0.5)) -> None:
        self.area = _check_area(area)

    def sample(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """See :meth:`ImageMask.sample`."""
        height, width = images.shape[2:]
        u = _uniform((len(images), 5), generator)
        low, high = self.area
        pixels = (low + (high - low) * u[:, 0]) * height * width
        # At least as high as is needed for the width, and not so high that the width is none.
        least = torch.ceil(pixels / width)
        most = torch.maximum(least, torch.floor(pixels))
        tall = torch.ceil(height * (pixels / (height * width)) ** u[:, 1])
        tall = torch.clamp(torch.minimum(torch.maximum(tall, least), most), max=height)
        wide = torch.clamp(torch.floor(pixels / tall + u[:, 2]), max=width)
        return _seen(_rectangles(tall, wide, u[:, 3:], height, width), images)


class ClippingMask(ImageMask):
    r"""Bright pixels are missing: each value by itself, with a logistic probability.

    .. math:: p(s = 1 | x) = \mathrm{sigmoid}(-\mathrm{slope} \, (x - \mathrm{threshold}))

    Parameters
    ----------
    threshold : float, default=0.75
        Value at which half of the pixels are missing, in data units.
    slope : float, default=50.0
        How sharp the threshold is, per data unit; negative where dark pixels go missing.

    Examples
    --------
    >>> images = torch.tensor([0.0, 0.6, 0.9, 1.0]).reshape(1, 1, 2, 2)
    >>> ClippingMask().sample(images, torch.Generator().manual_seed(0)).flatten()
    tensor([1., 1., 0., 0.])
    """

    def __init__(self, threshold: float = 0.75, slope: float = 50.0) -> None:
        if not (math.isfinite(threshold) and math.isfinite(slope)):
            raise SettingError(
                f"Got threshold={threshold!r} and slope={slope!r}. Expected finite numbers."
            )
        self.threshold, self.slope = float(threshold), float(slope)

    def sample(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """See :meth:`ImageMask.sample`."""
        u = _uniform(tuple(images.shape), generator).to(images.device)
        return _seen(u < torch.sigmoid(self.slope * (images.double() - self.threshold)), images)


#: Masks by name, from the share of pixels that go missing (None for 0.3).
IMAGE_MASKS: dict[str, Callable[[float | None], ImageMask]] = {
    "dropout": DropoutMask,
    "square": lambda rate: SquareMask(rate=rate),
    "block": lambda rate: BlockMask(rate=rate),
    "rectangle": lambda rate: RectangleMask(check_rate(rate)),
}


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Uniform numbers, those of a picture after those of the pictures before it."""
    return torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float64)


def _seen(missing: Tensor, images: Tensor) -> Tensor:
    """The mask (n, c, h, w) of missing pixels (n, c, h, w) or (n, 1, h, w)."""
    return (
        (~missing)
        .to(images.device, images.dtype)
        .repeat(1, images.shape[1] // missing.shape[1], 1, 1)
    )


def _rectangles(tall: Tensor, wide: Tensor, u: Tensor, height: int, width: int) -> Tensor:
    """Pixels inside rectangles of sides (n,) at uniform places, bool of shape (n, 1, h, w)."""
    top = torch.floor(u[:, 0] * (height - tall + 1))[:, None]
    left = torch.floor(u[:, 1] * (width - wide + 1))[:, None]
    row = torch.arange(height, device=u.device)
    column = torch.arange(width, device=u.device)
    rows = (row >= top) & (row < top + tall[:, None])
    columns = (column >= left) & (column < left + wide[:, None])
    return (rows[:, :, None] & columns[:, None, :])[:, None]


def _side(share: float, height: int, width: int) -> int:
    """Side of the square whose area is nearest to a share of the picture, at least 1."""
    return max(1, round(math.sqrt(share * height * width)))


def _check_size(size: int | Sequence[int]) -> tuple[int, int]:
    """Smallest and largest side."""
    pair = _ends(size)
    whole = all(isinstance(side, Integral) and not isinstance(side, bool) for side in pair)
    if len(pair) != 2 or not whole or not 1 <= pair[0] <= pair[1]:
        raise SettingError(
            f"Got size={size!r}. Expected a number of pixels of at least 1, or two of them, the "
            "smaller first."
        )
    return int(pair[0]), int(pair[1])


def _check_area(area: float | Sequence[float]) -> tuple[float, float]:
    """Smallest and largest share."""
    pair = _ends(area)
    numbers = all(isinstance(share, Real) and not isinstance(share, bool) for share in pair)
    if len(pair) != 2 or not numbers or not 0 < pair[0] <= pair[1] < 1:
        raise SettingError(
            f"Got area={area!r}. Expected a number strictly between 0 and 1, the share of the "
            "pixels that go missing, or two of them, the smaller share first."
        )
    return float(pair[0]), float(pair[1])


def _ends(setting: Any) -> tuple[Any, ...]:
    """Both ends of a range; files have lists in place of tuples."""
    return tuple(setting) if isinstance(setting, (tuple, list)) else (setting, setting)
