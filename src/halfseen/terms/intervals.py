"""The mass that a normal law has between two numbers, precise in both tails."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["log_interval"]


def log_interval(low: Tensor, high: Tensor, mu: Tensor, sigma: Tensor) -> Tensor:
    """Log of Phi((high - mu) / sigma) - Phi((low - mu) / sigma).

    Parameters
    ----------
    low, high : Tensor
        Ends, finite: a number far out stands for infinity.
    mu, sigma : Tensor
        Location and scale, which broadcast against the ends.

    Examples
    --------
    >>> ends = torch.tensor(-1.0), torch.tensor(1.0)
    >>> log_interval(*ends, torch.tensor(0.0), torch.tensor(1.0)).exp().round(decimals=4)
    tensor(0.6827)
    """
    a, b = (low - mu) / sigma, (high - mu) / sigma
    # Mirror so that both limits lie in the lower tail, where log_ndtr is precise.
    flip = (a > 0) & (b > 0)
    lower, upper = torch.where(flip, -b, a), torch.where(flip, -a, b)
    log_upper = torch.special.log_ndtr(upper)
    gap = torch.special.log_ndtr(lower.clamp_min(-1e4)) - log_upper
    # As narrow as rounding allows: a wide law has little mass in a small step.
    least = 8 * torch.finfo(gap.dtype).eps
    return log_upper + torch.log(-torch.expm1(gap.clamp(max=-least)))
