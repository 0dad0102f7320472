"""The U-Net that completes pictures (Ronneberger et al., 2015, as pix2pix and MisGAN have it)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from halfseen.errors import SettingError
from halfseen.nn.conv import KERNEL, halved
from halfseen.nn.critics import LEAK
from halfseen.nn.image_layers import BatchNorm, Crop, started, through_members
from halfseen.nn.stacked import Copies

__all__ = ["UNet"]

Size = tuple[int, int]
# How often the width doubles on the way down.
DOUBLINGS = 3


class UNet(nn.Module):
    """From pictures to the raw values of pictures of the same size.

    Every level halves the picture, rounded up, and hands what it has across to the way back.

    Parameters
    ----------
    n_members, n_in_channels, n_out_channels : int
        M, and channels of input and output.
    size : tuple of int
        Height and width, any but 1 x 1.
    generator : torch.Generator
        For the initial values.
    channels : int, default=64
        Width of the first level; the following have 2, 4, 8, 8, ... times as many.
    depth : int, default=5
        Levels; no more than it takes to come down to one pixel.

    Raises
    ------
    SettingError
        When there is nothing to halve, or a number is not positive.

    Examples
    --------
    >>> network = UNet(1, 2, 1, (28, 28), torch.Generator().manual_seed(0), channels=4)
    >>> network(torch.zeros(1, 3, 2 * 28 * 28)).shape
    torch.Size([1, 3, 784])
    """

    def __init__(
        self,
        n_members: int,
        n_in_channels: int,
        n_out_channels: int,
        size: Size,
        generator: torch.Generator,
        channels: int = 64,
        depth: int = 5,
    ) -> None:
        super().__init__()
        sizes = _sizes(size, depth)
        if len(sizes) < 2 or channels < 1:
            raise SettingError(
                f"Got {size[0]} x {size[1]} pixels, depth={depth!r} and channels={channels!r}. "
                "Expected two pixels at least, and positive numbers of levels and channels."
            )
        widths = [channels * 2 ** min(level, DOUBLINGS) for level in range(len(sizes) - 1)]
        self.copies = Copies(
            _Member([n_in_channels, *widths], n_out_channels, sizes, generator)
            for _ in range(n_members)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (M, B, C_in * H * W) to (M, B, C_out * H * W)."""
        return through_members(self.copies, x)


class _Member(nn.Module):
    """One member, with its levels from the outside in."""

    def __init__(
        self, widths: list[int], n_out: int, sizes: list[Size], generator: torch.Generator
    ) -> None:
        super().__init__()
        self.shape = (widths[0], *sizes[0])
        last = len(sizes) - 2
        self.down = nn.ModuleList(
            _down((widths[i], widths[i + 1]), sizes[i], generator, bend=i > 0, norm=0 < i < last)
            for i in range(last + 1)
        )
        self.up = nn.ModuleList(
            _up(
                # All but the innermost level see what came across, too.
                (widths[i + 1] * (1 if i == last else 2), widths[i] if i else n_out),
                sizes[i],
                generator,
                norm=i > 0,
            )
            for i in range(last + 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C_in * H * W) to (B, C_out * H * W)."""
        h = x.reshape(-1, *self.shape)
        across = []
        for level in self.down:
            h = level(h)
            across.append(h)
        *outer, innermost = self.up
        h = innermost(across.pop())
        for level in reversed(outer):
            h = level(torch.cat([across.pop(), h], 1))
        return h.flatten(1)


def _down(
    widths: tuple[int, int], size: Size, generator: torch.Generator, *, bend: bool, norm: bool
) -> nn.Sequential:
    layers: list[nn.Module] = [nn.LeakyReLU(LEAK)] if bend else []
    odd = [side % 2 for side in size]
    if any(odd):
        layers.append(nn.ZeroPad2d((0, odd[1], 0, odd[0])))
    conv = nn.Conv2d(*widths, KERNEL, stride=2, padding=1, bias=False, device="meta")
    layers.append(started(conv, generator))
    if norm:
        layers.append(BatchNorm(widths[1], generator.device))
    return nn.Sequential(*layers)


def _up(
    widths: tuple[int, int], size: Size, generator: torch.Generator, *, norm: bool
) -> nn.Sequential:
    conv = nn.ConvTranspose2d(*widths, KERNEL, stride=2, padding=1, bias=not norm, device="meta")
    layers: list[nn.Module] = [nn.ReLU(), started(conv, generator)]
    if any(side % 2 for side in size):
        layers.append(Crop(*size))
    if norm:
        layers.append(BatchNorm(widths[1], generator.device))
    return nn.Sequential(*layers)


def _sizes(size: Size, depth: int) -> list[Size]:
    """Height and width before the first level and after each."""
    sizes = [size]
    while len(sizes) <= depth and sizes[-1] != (1, 1):
        sizes.append(halved(sizes[-1]))
    return sizes
