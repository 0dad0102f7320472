"""Convolutional networks that say the law of a picture's pixels from those that are shown.

``DensePictures`` and ``FullyConvPictures`` are those of the code released with DMFA
(Przewiezlikowski, Smieja and Struski, ICONIP 2020). ``SharedPictures`` has few parameters and is
fast: the whole picture becomes a code that every pixel sees, and pixels share the layer that ends
in their laws.

Pictures travel as flat vectors in the order (channel, row, column), and members are networks of
their own in :class:`Copies`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from halfseen.errors import SettingError
from halfseen.nn.conditional_networks import ConditionalNetwork, RawShape
from halfseen.nn.conv import KERNEL, halved
from halfseen.nn.image_layers import BatchNorm, Crop, started, through_members
from halfseen.nn.stacked import Copies

__all__ = ["DensePictures", "FullyConvPictures", "SharedPictures"]

Picture = tuple[int, int, int]
# Channels of the released networks.
DENSE, BASE = (16, 32, 64), 32
# A side that is no longer halved by the shared network.
GRID = 8


class _Pictures(ConditionalNetwork):
    """Members that read the parts of pictures (B, P c, h, w) and answer flat vectors."""

    def __init__(
        self, n_members: int, shape: RawShape, picture: Picture, member: Callable[[], nn.Module]
    ) -> None:
        super().__init__()
        self.shape, self.picture = shape, picture
        self.copies = Copies(member() for _ in range(n_members))

    def forward(self, parts: list[Tensor]) -> tuple[Tensor, Tensor]:
        """See :class:`ConditionalNetwork`."""
        x = torch.cat(parts, -1)
        pictures = x.view(*x.shape[:-1], -1, *self.picture[1:])
        raw, logits = through_members(self.copies, pictures).split(
            [self.shape.size, self.shape.n_components], -1
        )
        return self.shape.split(raw, logits)


class DensePictures(_Pictures):
    """Four convolutions without strides, and a linear map of all that they give.

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
    last_channels : int, default=32
        Channels of the map before the linear one, which has ``last_channels h w`` inputs: 118
        million parameters for digits and rank 4.

    Examples
    --------
    >>> shape = RawShape(n_components=1, n_raw=3, n_features=30)
    >>> generator = torch.Generator().manual_seed(0)
    >>> network = DensePictures(1, 2, shape, (1, 5, 6), generator, last_channels=4)
    >>> network([torch.zeros(1, 7, 30), torch.ones(1, 7, 30)])[0].shape
    torch.Size([1, 7, 1, 3, 30])
    """

    def __init__(
        self,
        n_members: int,
        n_parts: int,
        shape: RawShape,
        picture: Picture,
        generator: torch.Generator,
        *,
        last_channels: int = 32,
    ) -> None:
        widths = [n_parts * picture[0], *DENSE, last_channels]
        kernels = (5, 5, 5, 3)

        def member() -> nn.Module:
            layers: list[nn.Module] = []
            for (a, b), kernel in zip(itertools.pairwise(widths), kernels, strict=True):
                layers += [_conv(a, b, kernel, generator), nn.ReLU()]
            n_in = last_channels * math.prod(picture[1:])
            n_out = shape.size + shape.n_components
            out = started(nn.Linear(n_in, n_out, device="meta"), generator)
            return nn.Sequential(*layers, nn.Flatten(), out)

        super().__init__(n_members, shape, picture, member)


class FullyConvPictures(_Pictures):
    """An encoder and a decoder of convolutions, nothing in between and nothing across.

    Parameters
    ----------
    n_members, n_parts, shape, picture, generator
        As in :class:`DensePictures`.
    depth : int or None, default=None
        Halvings; None takes 3 for sides of 32 pixels and above, and else 2.
    block : int or None, default=None
        Convolutions of a level; None takes 2 and 1.
    channels : int, default=32
        Of the first level; the following have twice as many each.

    Examples
    --------
    >>> shape = RawShape(n_components=1, n_raw=3, n_features=30)
    >>> generator = torch.Generator().manual_seed(0)
    >>> network = FullyConvPictures(1, 2, shape, (1, 5, 6), generator, channels=4)
    >>> network([torch.zeros(1, 7, 30), torch.ones(1, 7, 30)])[0].shape
    torch.Size([1, 7, 1, 3, 30])
    """

    def __init__(
        self,
        n_members: int,
        n_parts: int,
        shape: RawShape,
        picture: Picture,
        generator: torch.Generator,
        *,
        depth: int | None = None,
        block: int | None = None,
        channels: int = BASE,
    ) -> None:
        large = min(picture[1:]) >= 32
        depth = depth or (3 if large else 2)
        block = block or (2 if large else 1)
        widths = [channels * 2**level for level in range(depth + 1)]

        def member() -> nn.Module:
            return _FullyConv(n_parts, shape, picture, widths, block, generator)

        super().__init__(n_members, shape, picture, member)


class _FullyConv(nn.Module):
    """One member of :class:`FullyConvPictures`."""

    def __init__(
        self,
        n_parts: int,
        shape: RawShape,
        picture: Picture,
        widths: list[int],
        block: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.shape = shape
        sizes = _halvings(picture[1:], len(widths) - 1)
        down: list[nn.Module] = _block(n_parts * picture[0], widths[0], block, generator)
        for a, b in itertools.pairwise(widths):
            down += [_conv(a, b, 3, generator, stride=2), *_block(b, b, block, generator)]
        self.down = nn.Sequential(*down)
        up: list[nn.Module] = []
        for level in reversed(range(len(widths) - 1)):
            a, b = widths[level + 1], widths[level]
            grow = nn.ConvTranspose2d(
                a, b, 3, stride=2, padding=1, output_padding=1, device="meta"
            )
            up += [started(grow, generator), Crop(*sizes[level]), *_block(b, b, block, generator)]
        self.up = nn.Sequential(*up)
        first, per_pixel = widths[0], shape.n_components * picture[0]
        half, n_factors = max(1, first // 2), shape.n_raw - 2
        self.mean = nn.Sequential(
            _conv(first, first, 3, generator),
            BatchNorm(first, generator.device),
            nn.ReLU(),
            _conv(first, per_pixel, 3, generator),
        )
        self.noise = _conv(first, per_pixel, 3, generator)
        self.factors = nn.Sequential(
            _conv(first, half, 5, generator),
            BatchNorm(half, generator.device),
            _conv(half, n_factors * per_pixel, 3, generator),
        )
        self.logits = started(nn.Linear(widths[-1], shape.n_components, device="meta"), generator)

    def forward(self, x: Tensor) -> Tensor:
        """From pictures (B, P c, h, w) to raw numbers and logits, flat."""
        code = self.down(x)
        h, n = self.up(code), self.shape.n_components
        by_component = [
            part(h).view(len(x), n, -1, self.shape.n_features)
            for part in (self.mean, self.noise, self.factors)
        ]
        raw = torch.cat(by_component, 2).flatten(1)
        return torch.cat([raw, self.logits(code.mean((2, 3)))], -1)


class SharedPictures(_Pictures):
    """A code of the whole picture, and a map of it that pixels share.

    Convolutions of stride 2 come down to a small grid, two linear layers mix all of it, and
    transposed convolutions go up again and see what came down. One layer that all pixels share,
    and a constant of each pixel, end in the laws.

    Parameters
    ----------
    n_members, n_parts, shape, picture, generator
        As in :class:`DensePictures`.
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
        sizes = _halvings(picture[1:], depth)
        widths = [channels[min(i, len(channels) - 1)] for i in range(depth)]
        self.grid = (widths[-1], *sizes[-1])
        self.down = nn.ModuleList(
            _conv(a, b, KERNEL, generator, stride=2)
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


def _conv(
    n_in: int, n_out: int, kernel: int, generator: torch.Generator, stride: int = 1
) -> nn.Module:
    padding = 1 if stride == 2 else kernel // 2
    layer = nn.Conv2d(n_in, n_out, kernel, stride=stride, padding=padding, device="meta")
    return started(layer, generator)


def _up(n_in: int, n_out: int, size: tuple[int, int], generator: torch.Generator) -> nn.Module:
    layer = nn.ConvTranspose2d(n_in, n_out, KERNEL, stride=2, padding=1, device="meta")
    return nn.Sequential(started(layer, generator), Crop(*size))


def _padded(x: Tensor) -> Tensor:
    """One row or column more where their number is odd."""
    height, width = x.shape[-2:]
    return functional.pad(x, (0, width % 2, 0, height % 2)) if height % 2 or width % 2 else x


def _block(n_in: int, n_out: int, length: int, generator: torch.Generator) -> list[nn.Module]:
    """Convolutions, each followed by a bend and by batch normalisation."""
    layers: list[nn.Module] = []
    for i in range(length):
        layers += [
            _conv(n_out if i else n_in, n_out, 5, generator),
            nn.ReLU(),
            BatchNorm(n_out, generator.device),
        ]
    return layers


def _halvings(size: tuple[int, ...], depth: int) -> list[tuple[int, int]]:
    """Height and width before the first halving and after each, rounded up."""
    start = (size[0], size[1])
    return list(itertools.accumulate(range(depth), lambda s, _: halved(s), initial=start))


def _depth(size: tuple[int, ...]) -> int:
    """Halvings to a grid of at most 8 x 8, one at least."""
    return max(1, math.ceil(math.log2(max(size) / GRID)))
