"""Convolutional generators and critics of pictures (MisGAN, Li, Jiang and Marlin, ICLR 2019).

Two layouts, see :func:`halfseen.nn.image_layouts.layout_of`. Networks for digits have ReLU and no
normalisation. In those for pictures the generator has batch normalisation, and the critic instance
normalisation, because a gradient penalty is one row's own affair.

Pictures travel as flat vectors in the order (channel, row, column). Members are networks of their
own in :class:`Copies`, and answer one by one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from halfseen.nn.critics import LEAK, Comparison, Critic
from halfseen.nn.image_layers import BatchNorm, Crop, started, through_members
from halfseen.nn.image_layouts import DIGITS, Layout, Size, grid_after, layout_of
from halfseen.nn.stacked import Copies

__all__ = ["ConvCritic", "ConvGenerator"]

# Of the digits' generator: the sides of its first and of its cut grid, and its last kernel.
SEED, CUT, LAST = 4, 7, 8
KERNEL, STRIDE, PADDING = 5, 2, 2


class ConvGenerator(nn.Module):
    """From noise to the raw values of pictures, whose activation is applied outside.

    Parameters
    ----------
    n_members, n_latent, n_channels : int
        M, the width of the input, and channels of the output.
    size : tuple of int
        Height and width of the output.
    generator : torch.Generator
        For the initial values.
    layout : {"auto", "digits", "pictures"}, default="auto"
        As in :func:`layout_of`.
    channels : sequence of int, optional
        Widths in the order of the critic, as in :func:`layout_of`.

    Raises
    ------
    SettingError
        When the layout does not fit the size.

    Examples
    --------
    >>> network = ConvGenerator(2, 5, 3, (16, 8), torch.Generator().manual_seed(0))
    >>> network(torch.zeros(2, 6, 5)).shape
    torch.Size([2, 6, 384])
    """

    def __init__(
        self,
        n_members: int,
        n_latent: int,
        n_channels: int,
        size: Size,
        generator: torch.Generator,
        layout: Layout = "auto",
        channels: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        layout, widths = layout_of(size, layout, channels)
        outward = [n_channels, *widths]
        self.copies = Copies(
            _digits_generator(n_latent, outward, generator)
            if layout == "digits"
            else _picture_generator(n_latent, outward, size, generator)
            for _ in range(n_members)
        )

    def forward(self, z: Tensor) -> Tensor:
        """Map (M, B, n_latent) to (M, B, C * H * W)."""
        return through_members(self.copies, z)


class ConvCritic(Critic):
    """Scores of pictures.

    Parameters
    ----------
    n_members, n_in_channels : int
        M, and channels of the input.
    size : tuple of int
        Height and width of the input.
    generator : torch.Generator
        For the initial values.
    layout, channels
        As in :class:`ConvGenerator`.

    Raises
    ------
    SettingError
        When the layout does not fit the size.

    Examples
    --------
    >>> critic = ConvCritic(2, 3, (16, 8), torch.Generator().manual_seed(0))
    >>> critic(torch.zeros(2, 6, 384)).shape
    torch.Size([2, 6])
    """

    def __init__(
        self,
        n_members: int,
        n_in_channels: int,
        size: Size,
        generator: torch.Generator,
        layout: Layout = "auto",
        channels: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        layout, widths = layout_of(size, layout, channels)
        inward = [n_in_channels, *widths]
        self.copies = Copies(
            _DigitsCritic(inward, generator)
            if layout == "digits"
            else _picture_critic(inward, size, generator)
            for _ in range(n_members)
        )
        self.piecewise_linear = layout == "digits"

    def forward(self, x: Tensor) -> Tensor:
        """Scores (M, B) of rows (M, B, C * H * W)."""
        return through_members(self.copies, x)

    def compare(self, real: Tensor, fake: Tensor, share: Tensor) -> Comparison:
        """As in :class:`Critic`; for digits without differentiating twice."""
        if not self.piecewise_linear:
            return super().compare(real, fake, share)
        members: list[_DigitsCritic] = list(self.copies)  # type: ignore[arg-type]
        parts = [
            member.compare(*rows) for member, *rows in zip(members, real, fake, share, strict=True)
        ]
        return Comparison(*(torch.stack(part) for part in zip(*parts, strict=True)))


class _DigitsCritic(nn.Module):
    """One member for digits.

    It is piecewise linear, so that its gradient by a picture is a product of its own weights, as
    in :class:`MLPCritic`: the convolutions transposed, without the units that are off.
    """

    def __init__(self, inward: Sequence[int], generator: torch.Generator) -> None:
        super().__init__()
        self.shape = (inward[0], *DIGITS)
        self.layers = nn.ModuleList(
            _halving(a, b, generator) for a, b in itertools.pairwise(inward)
        )
        self.out = started(nn.Linear(inward[-1] * SEED**2, 1, device="meta"), generator)

    @property
    def _layers(self) -> list[nn.Conv2d]:
        return list(self.layers)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Scores (B,) of rows (B, C * H * W)."""
        return self._after_first(self._first(x))

    def compare(self, real: Tensor, fake: Tensor, share: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scores of both, and the length of the gradient between them."""
        n = len(real)
        h = self._first(torch.cat([real, fake]))
        score = self._after_first(h)
        kinks = self._kinks(torch.lerp(h[n:], h[:n], share[..., None, None]))
        gradient = self.out.weight.view(kinks[-1].shape[1:]) * kinks[-1]
        layers = self._layers
        for layer, kink in zip(layers[:0:-1], kinks[-2::-1], strict=True):
            gradient = _transposed(layer, gradient, kink.shape[-2:]) * kink
        gradient = _transposed(layers[0], gradient, self.shape[-2:])
        return score[:n], score[n:], torch.linalg.vector_norm(gradient.flatten(1), dim=-1)

    def _first(self, x: Tensor) -> Tensor:
        first: Tensor = self.layers[0](x.reshape(-1, *self.shape))
        return first

    def _after_first(self, h: Tensor) -> Tensor:
        """Scores from what the first layer says."""
        for layer in self._layers[1:]:
            h = layer(torch.relu(h))
        return self.out(torch.relu(h).flatten(1))[..., 0]

    @torch.no_grad()
    def _kinks(self, h: Tensor) -> list[Tensor]:
        """Derivatives of the hidden units of every layer, from what the first one says."""
        kinks = [h > 0]
        for layer in self._layers[1:]:
            h = layer(torch.relu(h))
            kinks.append(h > 0)
        return kinks


def _digits_generator(
    n_latent: int, outward: Sequence[int], generator: torch.Generator
) -> nn.Sequential:
    n_channels, narrow, middle, wide = outward
    return nn.Sequential(
        started(nn.Linear(n_latent, wide * SEED**2, device="meta"), generator),
        nn.ReLU(),
        nn.Unflatten(1, (wide, SEED, SEED)),
        started(nn.ConvTranspose2d(wide, middle, KERNEL, device="meta"), generator),
        nn.ReLU(),
        Crop(CUT, CUT),
        started(nn.ConvTranspose2d(middle, narrow, KERNEL, device="meta"), generator),
        nn.ReLU(),
        started(nn.ConvTranspose2d(narrow, n_channels, LAST, STRIDE, device="meta"), generator),
        nn.Flatten(),
    )


def _picture_generator(
    n_latent: int, outward: Sequence[int], size: Size, generator: torch.Generator
) -> nn.Sequential:
    device = generator.device
    start = (outward[-1], *grid_after(size, len(outward) - 1))
    n_start = math.prod(start)
    layers: list[nn.Module] = [
        started(nn.Linear(n_latent, n_start, bias=False, device="meta"), generator),
        BatchNorm(n_start, device),
        nn.ReLU(),
        nn.Unflatten(1, start),
    ]
    for a, b in itertools.pairwise(outward[:0:-1]):
        layers += [_doubling(a, b, generator, bias=False), BatchNorm(b, device), nn.ReLU()]
    last = _doubling(outward[1], outward[0], generator, bias=True)
    return nn.Sequential(*layers, last, nn.Flatten())


def _picture_critic(
    inward: Sequence[int], size: Size, generator: torch.Generator
) -> nn.Sequential:
    first = _halving(inward[0], inward[1], generator)
    layers: list[nn.Module] = [nn.Unflatten(1, (inward[0], *size)), first, nn.LeakyReLU(LEAK)]
    for a, b in itertools.pairwise(inward[1:]):
        norm = nn.InstanceNorm2d(b, affine=True, device=generator.device)
        layers += [_halving(a, b, generator), norm, nn.LeakyReLU(LEAK)]
    grid = grid_after(size, len(inward) - 1)
    last = started(nn.Conv2d(inward[-1], 1, grid, device="meta"), generator)
    return nn.Sequential(*layers, last, nn.Flatten(0))


def _halving(n_in: int, n_out: int, generator: torch.Generator) -> nn.Conv2d:
    return started(nn.Conv2d(n_in, n_out, KERNEL, STRIDE, PADDING, device="meta"), generator)


def _doubling(
    n_in: int, n_out: int, generator: torch.Generator, *, bias: bool
) -> nn.ConvTranspose2d:
    layer = nn.ConvTranspose2d(
        n_in, n_out, KERNEL, STRIDE, PADDING, output_padding=1, bias=bias, device="meta"
    )
    return started(layer, generator)


def _transposed(layer: nn.Conv2d, gradient: Tensor, size: Sequence[int]) -> Tensor:
    """The gradient by a layer's input, a picture of that size, from that by its output."""
    # A halving rounds up: an even side has one pixel that an odd one has not.
    more = [1 - side % 2 for side in size]
    return functional.conv_transpose2d(
        gradient, layer.weight, None, STRIDE, PADDING, output_padding=more
    )
