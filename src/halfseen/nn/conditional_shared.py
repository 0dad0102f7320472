"""A convolutional network of few parameters that says the law of a picture's pixels.

The whole picture becomes a code that every pixel sees, and pixels share the layer that ends in
their laws. Pictures travel as in :mod:`halfseen.nn.conditional_pictures`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from halfseen.errors import SettingError
from halfseen.nn.conditional_networks import RawShape
from halfseen.nn.conditional_pictures import Picture, Pictures, conv, halvings
from halfseen.nn.conv import KERNEL
from halfseen.nn.image_layers import Crop, started

__all__ = ["SharedPictures"]

# A side that is no longer halved.
GRID = 8


class SharedPictures(Pictures):
    """A code of the whole picture, and a map of it that pixels share.

    Convolutions of stride 2 come down to a small grid, two linear layers mix all of it, and
    transposed convolutions go up again and see what came down. One layer that all pixels share,
    and a constant of each pixel, end in the laws.

    Parameters
    ----------
    n_members, n_parts : int
        M, and how many parts a picture has: pixels, their mask, and so on.
    shape : RawShape
        What comes out.
    picture : tuple of int
        (c, h, w).
    generator : torch.Generator
        For the initial values.
    channels : sequence of int, default=(32, 64)
        After each halving; as many of them as it takes to a grid of at most 8 x 8 are used, and
        the last one again where there are too few.
    n_code : int, default=256
        Width of the linear layers.

    Examples
    --------
    >>> shape = RawShape(n_components=2, n_raw=3, n_features=90)
    >>> network = SharedPictures(2, 2, shape, (1, 9, 10), torch.Generator().manual_seed(0))
    >>> raw, logits = network([torch.zeros(2, 7, 90), torch.ones(2, 7, 90)])
    >>> raw.shape, logits.shape
    (torch.Size([2, 7, 2, 3, 90]), torch.Size([2, 7, 2]))
    """

    def __init__(
        self,
        n_members: int,
        n_parts: int,
        shape: RawShape,
        picture: Picture,
        generator: torch.Generator,
        *,
        channels: Sequence[int] = (32, 64),
        n_code: int = 256,
    ) -> None:
        if not channels or min(*channels, n_code, n_code) < 1:
            raise SettingError(
                f"Got channels={channels!r} and n_code={n_code!r}. Expected positive widths."
            )

        def member() -> nn.Module:
            return _Shared(n_parts, shape, picture, list(channels), n_code, generator)

        super().__init__(n_members, shape, picture, member)


class _Shared(nn.Module):
    """One member of :class:`SharedPictures`."""

    def __init__(
        self,
        n_parts: int,
        shape: RawShape,
        picture: Picture,
        channels: list[int],
        n_code: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.shape = shape
        depth = _depth(picture[1:])
        sizes = halvings(picture[1:], depth)
        widths = [channels[min(i, len(channels) - 1)] for i in range(depth)]
        self.grid = (widths[-1], *sizes[-1])
        self.down = nn.ModuleList(
            conv(a, b, KERNEL, generator, stride=2)
            for a, b in itertools.pairwise([n_parts * picture[0], *widths])
        )
        n_grid = math.prod(self.grid)
        self.code = nn.ModuleList(
            started(nn.Linear(a, b, device="meta"), generator)
            for a, b in itertools.pairwise([n_grid, n_code, n_code, n_grid])
        )
        n_raw = shape.n_components * shape.n_raw * picture[0]
        outer = [n_raw, *widths[:-1]]
        self.up = nn.ModuleList(
            _up(2 * widths[i], outer[i], sizes[i], generator) for i in range(depth)
        )
        self.logits = started(nn.Linear(n_code, shape.n_components, device="meta"), generator)
        self.place = nn.Parameter(torch.zeros(shape.size, device=generator.device))

    def forward(self, x: Tensor) -> Tensor:
        """From pictures (B, P c, h, w) to raw numbers and logits, flat."""
        across, h = [], x
        for layer in self.down:
            h = functional.silu(layer(_padded(h)))
            across.append(h)
        first, second, last = self.code
        code = functional.silu(first(h.flatten(1)))
        code = code + functional.silu(second(code))
        h = functional.silu(last(code)).view(-1, *self.grid)
        for layer in reversed(self.up[1:]):
            h = functional.silu(layer(torch.cat([across.pop(), h], 1)))
        raw = self.up[0](torch.cat([across.pop(), h], 1)).flatten(1)
        return torch.cat([raw + self.place, self.logits(code)], -1)


def _up(n_in: int, n_out: int, size: tuple[int, int], generator: torch.Generator) -> nn.Module:
    layer = nn.ConvTranspose2d(n_in, n_out, KERNEL, stride=2, padding=1, device="meta")
    return nn.Sequential(started(layer, generator), Crop(*size))


def _padded(x: Tensor) -> Tensor:
    """One row or column more where their number is odd."""
    height, width = x.shape[-2:]
    return functional.pad(x, (0, width % 2, 0, height % 2)) if height % 2 or width % 2 else x


def _depth(size: tuple[int, ...]) -> int:
    """Halvings to a grid of at most 8 x 8, one at least."""
    return max(1, math.ceil(math.log2(max(size) / GRID)))
