"""Which of the cells that were seen are hidden from a network, so that it can be scored on them.

A cell that is missing is neither shown nor scored. Unlike :class:`HideCells`, which hides cells
from an encoder while all are scored, every row hides at least one of its cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from halfseen.mechanisms import ImageMask

__all__ = ["AllCells", "Hider", "ImageHoles", "OtherMasks", "Pattern", "SomeCells"]


@dataclass(frozen=True)
class SomeCells:
    """Independent cells, at a rate that each row draws from U(0, rate).

    Parameters
    ----------
    rate : float
        At most 1.
    channels : int, default=1
        Channels of an image, which are hidden together.
    """

    rate: float
    channels: int = 1

    def __call__(self, s: Tensor, everyone: Tensor, generator: torch.Generator) -> Tensor:
        """See :class:`Pattern`."""
        size = (len(s), s.shape[1] // self.channels)
        u = torch.rand(size, generator=generator, device=s.device)
        rate = self.rate * torch.rand(len(s), 1, generator=generator, device=s.device)
        return (u >= rate).to(s.dtype).repeat(1, self.channels)


@dataclass(frozen=True)
class OtherMasks:
    """The holes of another row of the table."""

    def __call__(self, s: Tensor, everyone: Tensor, generator: torch.Generator) -> Tensor:
        """See :class:`Pattern`."""
        at = torch.randint(len(everyone), (len(s),), generator=generator, device=s.device)
        return everyone[at]


@dataclass(frozen=True)
class AllCells:
    """Nothing is shown."""

    def __call__(self, s: Tensor, everyone: Tensor, generator: torch.Generator) -> Tensor:
        """See :class:`Pattern`."""
        return torch.zeros_like(s)


@dataclass(frozen=True)
class ImageHoles:
    """The holes of a mask of pictures.

    Parameters
    ----------
    mask : ImageMask
        Whose holes do not depend on the picture.
    shape : tuple of int
        (c, h, w).
    """

    mask: ImageMask
    shape: tuple[int, int, int]

    def __call__(self, s: Tensor, everyone: Tensor, generator: torch.Generator) -> Tensor:
        """See :class:`Pattern`."""
        return self.mask.sample(s.new_zeros(len(s), *self.shape), generator).flatten(1)


#: From masks (B, p), those of the whole table and a generator to what stays shown, (B, p).
Pattern = SomeCells | OtherMasks | AllCells | ImageHoles


@dataclass(frozen=True)
class Hider:
    """Hide cells of every row, by a pattern that the row draws.

    Parameters
    ----------
    patterns : sequence of callable
        One of them is drawn for each row.
    chances : sequence of int or None, default=None
        How often each comes in as many draws as their sum; None for once each.

    Examples
    --------
    >>> hide = Hider([SomeCells(0.5), OtherMasks()])
    >>> s = torch.ones(4, 3)
    >>> shown = hide(s, s, torch.Generator().manual_seed(0))
    >>> bool(((s - shown).sum(1) >= 1).all())
    True
    """

    patterns: Sequence[Pattern]
    chances: Sequence[int] | None = None

    def __call__(self, s: Tensor, everyone: Tensor, generator: torch.Generator) -> Tensor:
        """What is shown of rows.

        Parameters
        ----------
        s : Tensor of shape (B, p)
            Which cells were seen.
        everyone : Tensor of shape (n, p)
            The masks of the table.
        generator : torch.Generator
            Source of the holes.

        Returns
        -------
        Tensor of shape (B, p)
            Less than ``s`` by at least one cell in each row that has any.
        """
        device, chances = s.device, self.chances or [1] * len(self.patterns)
        size = len(s), 1
        draw = torch.randint(sum(chances), size, generator=generator, device=device)
        shown, low = s, 0
        for pattern, chance in zip(self.patterns, chances, strict=True):
            mine = (draw >= low) & (draw < low + chance)
            shown, low = (
                torch.where(mine, s * pattern(s, everyone, generator), shown),
                low + chance,
            )
        # Rows that a pattern leaves as they are hide one cell at random.
        lucky = torch.rand(s.shape, generator=generator, device=device) * s
        one = torch.zeros_like(s).scatter_(1, lucky.argmax(1, keepdim=True), 1.0)
        whole = (shown == s).all(1, keepdim=True)
        return torch.where(whole, s * (1 - one), shown)
