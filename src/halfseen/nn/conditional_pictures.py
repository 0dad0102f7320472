"""Convolutional networks that say the law of a picture's pixels from those that are shown.

``DensePictures`` and ``FullyConvPictures`` are those of the code released with DMFA
(Przewiezlikowski, Smieja and Struski, ICONIP 2020).

Pictures travel as flat vectors in the order (channel, row, column), and members are networks of
their own in :class:`Copies`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from halfseen.nn.conditional_networks import ConditionalNetwork, RawShape
from halfseen.nn.conv import halved
from halfseen.nn.image_layers import BatchNorm, Crop, started, through_members
from halfseen.nn.stacked import Copies

__all__ = ["DensePictures", "FullyConvPictures", "Picture", "Pictures", "conv", "halvings"]

Picture = tuple[int, int, int]
# Channels of the released networks.
DENSE, BASE = (16, 32, 64), 32


class Pictures(ConditionalNetwork):
    """Base of the networks whose members read parts of pictures (B, P c, h, w).

    Parameters
    ----------
    n_members : int
        M.
    shape : RawShape
        What comes out.
    picture : tuple of int
        (c, h, w).
    member : callable
        Makes one member, which answers raw numbers and logits as flat vectors.
    """

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


class DensePictures(Pictures):
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
                layers += [conv(a, b, kernel, generator), nn.ReLU()]
            n_in = last_channels * math.prod(picture[1:])
            n_out = shape.size + shape.n_components
            out = started(nn.Linear(n_in, n_out, device="meta"), generator)
            return nn.Sequential(*layers, nn.Flatten(), out)

        super().__init__(n_members, shape, picture, member)


class FullyConvPictures(Pictures):
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
        sizes = halvings(picture[1:], len(widths) - 1)
        down: list[nn.Module] = _block(n_parts * picture[0], widths[0], block, generator)
        for a, b in itertools.pairwise(widths):
            down += [conv(a, b, 3, generator, stride=2), *_block(b, b, block, generator)]
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
            conv(first, first, 3, generator),
            BatchNorm(first, generator.device),
            nn.ReLU(),
            conv(first, per_pixel, 3, generator),
        )
        self.noise = conv(first, per_pixel, 3, generator)
        self.factors = nn.Sequential(
            conv(first, half, 5, generator),
            BatchNorm(half, generator.device),
            conv(half, n_factors * per_pixel, 3, generator),
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


def conv(
    n_in: int, n_out: int, kernel: int, generator: torch.Generator, stride: int = 1
) -> nn.Module:
    """A convolution that keeps height and width, or halves them with a stride of 2."""
    padding = 1 if stride == 2 else kernel // 2
    layer = nn.Conv2d(n_in, n_out, kernel, stride=stride, padding=padding, device="meta")
    return started(layer, generator)


def _block(n_in: int, n_out: int, length: int, generator: torch.Generator) -> list[nn.Module]:
    """Convolutions, each followed by a bend and by batch normalisation."""
    layers: list[nn.Module] = []
    for i in range(length):
        layers += [
            conv(n_out if i else n_in, n_out, 5, generator),
            nn.ReLU(),
            BatchNorm(n_out, generator.device),
        ]
    return layers


def halvings(size: tuple[int, ...], depth: int) -> list[tuple[int, int]]:
    """Height and width before the first halving and after each, rounded up."""
    start = (size[0], size[1])
    return list(itertools.accumulate(range(depth), lambda s, _: halved(s), initial=start))
