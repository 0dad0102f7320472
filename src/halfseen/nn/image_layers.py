"""Layers of torch for networks of one member, with values from a generator of one's own.

Networks for pictures convolve their members one by one (see :mod:`halfseen.nn.conv`), so that a
member is an ordinary network of torch, and several are :class:`Copies` of its shape.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from halfseen.nn.norm import EPSILON, MOMENTUM
from halfseen.nn.stacked import Copies, uniform_start

__all__ = ["BatchNorm", "Crop", "started", "through_members"]

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def started(layer: Layer, generator: torch.Generator) -> Layer:
    """Give a layer the initial values that torch would, from a generator.

    Parameters
    ----------
    layer : Linear, Conv2d or ConvTranspose2d
        Made with ``device="meta"``, so that it has drawn nothing itself.
    generator : torch.Generator
        Source of the values; they live on its device.

    Returns
    -------
    Linear, Conv2d or ConvTranspose2d
        The same layer.

    Examples
    --------
    >>> layer = started(nn.Linear(2, 3, device="meta"), torch.Generator().manual_seed(0))
    >>> layer(torch.zeros(5, 2)).shape
    torch.Size([5, 3])
    """
    # For transposed convolutions as well: torch counts their outputs, and published nets did.
    fan = layer.weight[0].numel()
    shape = tuple(layer.weight.shape)
    n_out = 0 if layer.bias is None else len(layer.bias)
    layer.weight, bias = uniform_start(shape, (n_out,), (fan, fan), generator, "torch")
    if layer.bias is not None:
        layer.bias = bias
    return layer


class BatchNorm(nn.Module):
    """Normalise channels over the rows and pixels of a batch.

    Answers use running moments, so a row's answer does not depend on its neighbours. A batch with
    one value per channel, which has no variance, meets the running moments in training too.

    Parameters
    ----------
    n_channels : int
        Channels, the second axis.
    device : torch.device
        Of the values.

    Examples
    --------
    >>> BatchNorm(1, torch.device("cpu"))(torch.tensor([[0.0], [2.0]])).round().tolist()
    [[-1.0], [1.0]]
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, n_channels: int, device: torch.device) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_channels, device=device))
        self.bias = nn.Parameter(torch.zeros(n_channels, device=device))
        self.register_buffer("mean", torch.zeros(n_channels, device=device))
        self.register_buffer("variance", torch.ones(n_channels, device=device))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, n_channels, ...)."""
        from_batch = self.training and x[:, 0].numel() > 1
        return functional.batch_norm(
            x,
            self.mean,
            self.variance,
            self.weight,
            self.bias,
            from_batch,
            MOMENTUM,
            EPSILON,
        )


class Crop(nn.Module):
    """The upper left part of a picture.

    Parameters
    ----------
    height, width : int
        Pixels that stay.

    Examples
    --------
    >>> Crop(1, 2)(torch.arange(6).view(1, 1, 2, 3)).tolist()
    [[[[0, 1]]]]
    """

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width

    def forward(self, x: Tensor) -> Tensor:
        """Crop (..., H, W)."""
        return x[..., : self.height, : self.width]


def through_members(copies: Copies, x: Tensor) -> Tensor:
    """Every member's answer to its rows, (M, B, ...) to (M, B, ...)."""
    return torch.stack([member(rows) for member, rows in zip(copies, x, strict=True)])
