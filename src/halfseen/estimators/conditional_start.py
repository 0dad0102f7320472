"""Where a Gaussian of rows with holes begins: moments of pairs of columns."""

from __future__ import annotations

import torch
from torch import Tensor

from halfseen.core.low_rank_normal import LowRankNormal

__all__ = ["pairwise_gaussian"]

# Rows' worth of independence that the moments of a pair are shrunk by.
SHRINK = 5.0


def pairwise_gaussian(x: Tensor, s: Tensor, rank: int, least: float = 0.01) -> LowRankNormal:
    """A Gaussian of low rank from the moments of the cells that rows show together.

    Parameters
    ----------
    x, s : Tensor of shape (n, F)
        Cells, finite everywhere, and their mask, 1 = seen.
    rank : int
        Factors k.
    least : float, default=0.01
        Smallest variance of the noise.

    Returns
    -------
    LowRankNormal
        Mean (F,), factor (F, k), variance (F,), of the type of ``x``.

    Examples
    --------
    >>> x = torch.tensor([[1.0, 1.0], [-1.0, -1.0]]).repeat(50, 1)
    >>> law = pairwise_gaussian(x, torch.ones(100, 2), 1)
    >>> bool((law.factor @ law.factor.T)[0, 1] > 0.9)
    True
    """
    x, s = x.double(), s.double()
    mean = (x * s).sum(0) / s.sum(0).clamp_min(1.0)
    centred = (x - mean) * s
    together = s.T @ s
    covariance = centred.T @ centred / (together + SHRINK).clamp_min(1.0)
    spread = centred.square().sum(0) / s.sum(0).clamp_min(1.0)
    spread = torch.where(spread > 0, spread, 1.0)
    covariance.diagonal().copy_(spread)
    values, vectors = torch.linalg.eigh(covariance)
    rank = min(rank, len(mean))
    values, vectors = values[-rank:], vectors[:, -rank:]
    # Directions that the noise of the others explains are no factors.
    rest = (spread.sum() - values.clamp_min(0).sum()) / max(1, len(mean) - rank)
    factor = vectors * (values - rest.clamp_min(least)).clamp_min(1e-4).sqrt()
    variance = (spread - factor.square().sum(1)).clamp_min(least)
    law = LowRankNormal(mean, factor, variance)
    return law.map(lambda part: part.float())
