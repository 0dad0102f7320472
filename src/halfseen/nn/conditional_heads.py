"""From the raw numbers of a network to Gaussians of low rank."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from halfseen.core.low_rank_normal import LowRankNormal

__all__ = ["HEADS", "bounded_head", "free_head"]

# What a raw number of one stands for: fits begin near a diagonal covariance.
START_FACTOR = 0.3
# Where softplus is one: they begin with noise of about one standard deviation.
SOFTPLUS_ONE = math.log(math.e - 1)
# Of the released code: loadings lie in a range of this width around 0.
AMPLITUDE = 0.5
# Widest scale of the noise, in the units of the model: answers far outside of fit stay finite.
MOST = 1e4


def free_head(raw: Tensor, floor: Tensor) -> LowRankNormal:
    """Loadings without bounds, noise of any scale above its floor.

    Parameters
    ----------
    raw : Tensor of shape (..., l + 2, F)
        Mean, noise, and l loadings of each cell.
    floor : Tensor of shape (F,)
        Smallest scale of the noise.

    Examples
    --------
    >>> law = free_head(torch.zeros(1, 3, 2), torch.tensor([0.1, 0.1]))
    >>> law.factor.shape, law.variance
    (torch.Size([1, 2, 1]), tensor([[1.0100, 1.0100]]))
    """
    scale = functional.softplus(raw[..., 1, :] + SOFTPLUS_ONE).clamp(max=MOST)
    factor = START_FACTOR * raw[..., 2:, :].transpose(-1, -2)
    return LowRankNormal(raw[..., 0, :], factor, floor.square() + scale.square())


def bounded_head(raw: Tensor, floor: Tensor) -> LowRankNormal:
    """The head of the released code: loadings in (-0.25, 0.25), variances in (0, 1).

    Parameters
    ----------
    raw, floor
        As in :func:`free_head`.

    Examples
    --------
    >>> law = bounded_head(torch.zeros(1, 3, 1), torch.tensor([0.0]))
    >>> law.factor.item(), law.variance.item()
    (0.0, 0.5)
    """
    factor = AMPLITUDE * (torch.sigmoid(raw[..., 2:, :]) - 0.5)
    variance = torch.sigmoid(raw[..., 1, :]) + floor.square()
    return LowRankNormal(raw[..., 0, :], factor.transpose(-1, -2), variance)


#: Heads by name.
HEADS: dict[str, Callable[[Tensor, Tensor], LowRankNormal]] = {
    "free": free_head,
    "bounded": bounded_head,
}
