"""Batch normalisation for networks with a leading axis of members."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["StackedBatchNorm"]

MOMENTUM, EPSILON = 0.1, 1e-5


class StackedBatchNorm(nn.Module):
    """Normalise every unit over the rows and samples of a batch, member by member.

    Answers use running moments, so a row's answer does not depend on its neighbours. A batch of
    one row, which has no variance, is normalised by the running moments in training too.

    Parameters
    ----------
    n_members, n_units : int
        M, and the width of the layer.

    Examples
    --------
    >>> norm = StackedBatchNorm(1, 2)
    >>> norm(torch.tensor([[[[0.0, 1.0], [2.0, 5.0]]]])).round().tolist()
    [[[[-1.0, -1.0], [1.0, 1.0]]]]
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, n_members: int, n_units: int) -> None:
        super().__init__()
        shape = (n_members, 1, 1, n_units)
        self.weight = nn.Parameter(torch.ones(shape))
        self.bias = nn.Parameter(torch.zeros(shape))
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("variance", torch.ones(shape))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (M, K, B, n)."""
        count = x.shape[1] * x.shape[2]
        if not self.training or count < 2:
            return self._scaled(x - self.mean, self.variance)
        # Several times faster on processors than var_mean, which is slow along inner axes.
        mean = x.mean((1, 2), keepdim=True)
        centered = x - mean
        variance = (centered * centered).mean((1, 2), keepdim=True)
        with torch.no_grad():
            self.mean.lerp_(mean, MOMENTUM)
            self.variance.lerp_(variance * count / (count - 1), MOMENTUM)
        return self._scaled(centered, variance)

    def _scaled(self, centered: Tensor, variance: Tensor) -> Tensor:
        scale = self.weight * torch.rsqrt(variance + EPSILON)
        return centered * scale + self.bias
