"""Convolutional networks with a leading axis of members.

Images travel as flat vectors (M, ..., C * H * W) in the order (channel, row, column). Members
are convolved one by one: grouped convolutions, which would take them at once, need 1.4 times as
long on a processor (2 or 3 members of the networks for digits, forward and backward).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from halfseen.nn.stacked import StackedLinear, activation_named, uniform_start

__all__ = ["StackedConv", "StackedConvDecoder", "StackedConvEncoder", "StackedUpConv"]

Size = tuple[int, int]
# Of all kernels: twice the stride, so that every pixel is met equally often.
KERNEL = 4


def halved(size: Size) -> Size:
    """Height and width after a stride of 2, rounded up.

    Examples
    --------
    >>> halved((28, 7))
    (14, 4)
    """
    return -(-size[0] // 2), -(-size[1] // 2)


class StackedConv(nn.Module):
    """Convolutions of stride 2, one per member, to half of the height and width, rounded up.

    Parameters
    ----------
    n_members, n_in, n_out : int
        M, and channels.
    generator : torch.Generator
        For the initial values.
    init : {"torch", "glorot", "zero"}, default="torch"
        As in :class:`StackedLinear`, by the number of inputs and outputs that a pixel meets.

    Examples
    --------
    >>> layer = StackedConv(2, 1, 8, torch.Generator().manual_seed(0))
    >>> layer(torch.zeros(5, 1, 7, 28), member=1).shape
    torch.Size([5, 8, 4, 14])
    """

    def __init__(
        self,
        n_members: int,
        n_in: int,
        n_out: int,
        generator: torch.Generator,
        init: str = "torch",
    ) -> None:
        super().__init__()
        taps = KERNEL**2
        self.weight, self.bias = uniform_start(
            (n_members, n_out, n_in, KERNEL, KERNEL),
            (n_members, n_out),
            (n_in * taps, n_out * taps // 4),
            generator,
            init,
        )

    def forward(self, x: Tensor, member: int) -> Tensor:
        """Map (N, n_in, H, W) to (N, n_out, ceil(H / 2), ceil(W / 2)) by one of the members."""
        height, width = x.shape[-2:]
        # One pixel of padding all around, and one more after an odd end.
        x = functional.pad(x, (1, 1 + width % 2, 1, 1 + height % 2))
        return functional.conv2d(x, self.weight[member], self.bias[member], stride=2)


class StackedUpConv(nn.Module):
    """Transposed convolutions of stride 2, one per member, to a given height and width.

    Parameters
    ----------
    n_members, n_in, n_out : int
        M, and channels.
    size : tuple of int
        Height and width of the output; the input has half of them, rounded up.
    generator : torch.Generator
        For the initial values.
    init : {"torch", "glorot", "zero"}, default="torch"
        As in :class:`StackedLinear`, by the number of inputs and outputs that a pixel meets.
    """

    def __init__(
        self,
        n_members: int,
        n_in: int,
        n_out: int,
        size: Size,
        generator: torch.Generator,
        init: str = "torch",
    ) -> None:
        super().__init__()
        self.size = size
        taps = KERNEL**2
        self.fan_in = n_in * taps // 4
        self.weight, self.bias = uniform_start(
            (n_members, n_in, n_out, KERNEL, KERNEL),
            (n_members, n_out),
            (self.fan_in, n_out * taps),
            generator,
            init,
        )

    def forward(self, x: Tensor, member: int) -> Tensor:
        """Map (N, n_in, ceil(H / 2), ceil(W / 2)) to (N, n_out, H, W) by one of the members."""
        out = functional.conv_transpose2d(
            x, self.weight[member], self.bias[member], stride=2, padding=1
        )
        return out[..., : self.size[0], : self.size[1]]


class StackedConvEncoder(nn.Module):
    """Convolutions of stride 2 per member, from images to flat features.

    Parameters
    ----------
    n_members, n_channels : int
        M, and channels of the input.
    size : tuple of int
        Height and width of the input.
    channels : sequence of int
        Channels after each convolution, such as (16, 32, 64).
    generator : torch.Generator
        For the initial values.
    activation : str, default="gelu"
        One of ``ACTIVATIONS``.
    init : str, default="torch"
        See :class:`StackedConv`.

    Attributes
    ----------
    n_out : int
        Number of features.
    width : int
        Numbers in the largest activation of one image and member.

    Examples
    --------
    >>> encoder = StackedConvEncoder(1, 2, (28, 28), (4, 8), torch.Generator().manual_seed(0))
    >>> encoder(torch.zeros(1, 1, 5, 2 * 28 * 28)).shape, encoder.n_out
    (torch.Size([1, 1, 5, 392]), 392)
    """

    def __init__(
        self,
        n_members: int,
        n_channels: int,
        size: Size,
        channels: Sequence[int],
        generator: torch.Generator,
        *,
        activation: str = "gelu",
        init: str = "torch",
    ) -> None:
        super().__init__()
        self.shape = (n_channels, *size)
        self.activation = activation_named(activation)
        self.layers = nn.ModuleList(
            StackedConv(n_members, a, b, generator, init)
            for a, b in itertools.pairwise([n_channels, *channels])
        )
        sizes = _sizes(size, len(channels))
        areas = [c * math.prod(s) for c, s in zip([n_channels, *channels], sizes, strict=True)]
        self.n_out, self.width = areas[-1], max(areas)

    def forward(self, x: Tensor) -> Tensor:
        """Map (M, ..., C * H * W) to (M, ..., n_out)."""
        members = []
        for m, rows in enumerate(x):
            h = rows.reshape(-1, *self.shape)
            for layer in self.layers:
                h = self.activation(layer(h, m))
            members.append(h)
        return torch.stack(members).reshape(*x.shape[:-1], -1)


class StackedConvDecoder(nn.Module):
    """From a vector to images: a linear map, then transposed convolutions, per member.

    Parameters
    ----------
    n_members, n_in, n_channels : int
        M, the width of the input, and channels of the output.
    size : tuple of int
        Height and width of the output, any.
    channels : sequence of int
        Channels in the order of the encoder, such as (16, 32, 64): the linear map ends in the
        last of them, on a grid that is halved as many times.
    generator : torch.Generator
        For the initial values.
    activation : str, default="gelu"
        One of ``ACTIVATIONS``; there is none after the last layer.
    init : str, default="torch"
        See :class:`StackedConv`.

    Attributes
    ----------
    width : int
        Numbers in the largest activation of one vector and member.

    Examples
    --------
    >>> decoder = StackedConvDecoder(2, 3, 1, (9, 5), (4, 8), torch.Generator().manual_seed(0))
    >>> decoder(torch.zeros(2, 6, 7, 3)).shape
    torch.Size([2, 6, 7, 45])
    """

    def __init__(
        self,
        n_members: int,
        n_in: int,
        n_channels: int,
        size: Size,
        channels: Sequence[int],
        generator: torch.Generator,
        *,
        activation: str = "gelu",
        init: str = "torch",
    ) -> None:
        super().__init__()
        self.activation = activation_named(activation)
        sizes = _sizes(size, len(channels))[::-1]
        widths = [*reversed(channels), n_channels]
        self.start = (widths[0], *sizes[0])
        self.first = StackedLinear(n_members, n_in, math.prod(self.start), generator, init)
        self.layers = nn.ModuleList(
            StackedUpConv(n_members, a, b, s, generator, init)
            for (a, b), s in zip(itertools.pairwise(widths), sizes[1:], strict=True)
        )
        self.width = max(c * math.prod(s) for c, s in zip(widths, sizes, strict=True))

    def forward(self, z: Tensor) -> Tensor:
        """Map (M, ..., n_in) to (M, ..., C * H * W)."""
        members = []
        for m, rows in enumerate(self.first(z)):
            h = rows.reshape(-1, *self.start)
            for layer in self.layers:
                h = layer(self.activation(h), m)
            members.append(h)
        return torch.stack(members).reshape(*z.shape[:-1], -1)

    def squared_size(self) -> Tensor:
        """Sum of squared weights over members, those of the last layer times its inputs.

        A weight of the last layer serves all pixels, so that the factor is the number of inputs
        of one pixel: a pixel varies under a Gaussian prior as one of :class:`StackedNetwork`.
        """
        layers: list[StackedUpConv] = list(self.layers)  # type: ignore[arg-type]
        *inner, last = layers
        weights = [self.first.weight, *(layer.weight for layer in inner)]
        squares = [(weight**2).sum() for weight in weights]
        return torch.stack([*squares, last.fan_in * (last.weight**2).sum()]).sum()


def _sizes(size: Size, n_layers: int) -> list[Size]:
    """Height and width before the first and after every layer of stride 2."""
    return list(itertools.accumulate(range(n_layers), lambda s, _: halved(s), initial=size))
