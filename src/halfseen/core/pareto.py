"""The generalised Pareto shape of importance weights (Zhang and Stephens 2009)."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["pareto_k"]


def pareto_k(top: Tensor) -> Tensor:
    """Shape k of the tail of importance weights; above 0.7 averages are not to be trusted.

    Parameters
    ----------
    top : Tensor of shape (T + 1, B)
        The largest log-weights of each row in falling order; the last is the threshold.

    Returns
    -------
    Tensor of shape (B,)
        With the weakly informative prior of Vehtari et al. (k shrunk towards 0.5); 0 where
        all weights are equal, inf where fewer than 5 are given.
    """
    n = top.shape[0] - 1
    if n < 5:
        return torch.full(top.shape[1:], torch.inf, dtype=torch.float32)
    w = torch.exp((top - top[:1]).double())
    excess = (w[:-1] - w[-1:]).flip(0)
    constant = excess[-1] <= 1e-12
    x = torch.where(
        constant,
        torch.linspace(1, 2, n, dtype=excess.dtype, device=excess.device)[:, None],
        excess,
    )
    x = x.clamp_min(1e-30)
    k = (_profile_shape(x) * n + 10 * 0.5) / (n + 10)
    return torch.where(constant, torch.zeros_like(k), k).float()


def _profile_shape(x: Tensor) -> Tensor:
    """Empirical-Bayes estimate of k from ascending excesses x (n, B)."""
    n = x.shape[0]
    m = 30 + int(n**0.5)
    i = torch.arange(1, m + 1, dtype=x.dtype, device=x.device)[:, None]
    quartile = x[int(n / 4 + 0.5) - 1]
    b = (1 - torch.sqrt(m / (i - 0.5))) / (3 * quartile) + 1 / x[-1]
    shape = torch.log1p(-b[:, None] * x[None]).mean(1)
    profile = n * (torch.log(-b / shape) - shape - 1)
    weight = torch.softmax(torch.nan_to_num(profile, nan=-1e30), 0)
    best = (b * weight).sum(0)
    return torch.log1p(-best * x).mean(0)
