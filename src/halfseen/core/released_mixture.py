"""Densities and conditional laws as the public code of the DMFA paper's baseline computes them.

They depart from the exact ones in three ways. The weight of a component is added to its
log-density as it is, not its logarithm: in the responsibilities by which EM learns and the most
probable component is found, and in log-densities, which are too high by about log C. Only the most
probable component is kept in a conditional law. And the covariance of the factors is 2 I - L^(-1)
where L^(-1) is right (I + Y - Y (I + Y)^(-1) Y with Y = L - I), so that a cell varies more given
others than it does alone. New rows are drawn by the weights as they should be.
"""

from __future__ import annotations

import torch

from halfseen.core.factor_mixture import FactorMixture, LowRankMixture, Posterior
from halfseen.core.low_rank_normal import LowRankNormal

__all__ = ["released_conditional", "released_posterior"]


def released_posterior(mixture: FactorMixture, posterior: Posterior) -> Posterior:
    """The posterior with weights where their logarithms should be."""
    shift = mixture.log_weights.exp() - mixture.log_weights
    return posterior._replace(log_joint=posterior.log_joint + shift)


def released_conditional(mixture: FactorMixture, posterior: Posterior) -> LowRankMixture:
    """The law of all cells given the seen ones, (n, 1, F).

    Parameters
    ----------
    mixture : FactorMixture
        The model.
    posterior : Posterior
        From :func:`released_posterior`.
    """
    best = posterior.log_joint.argmax(-1)
    rows = torch.arange(len(best), device=best.device)
    law = mixture.law.map(lambda part: part[best][:, None])
    cholesky = posterior.factors.cholesky[rows, best]
    mean = law.mean + (law.factor @ posterior.factors.mean[rows, best][:, None, :, None])[..., 0]
    one = torch.eye(mixture.rank, dtype=mean.dtype, device=mean.device)
    spread = torch.linalg.cholesky(2 * one - torch.cholesky_inverse(cholesky))
    factor = law.factor @ spread[:, None]
    log_weights = torch.zeros_like(mean[..., 0])
    return LowRankMixture(log_weights, LowRankNormal(mean, factor, law.variance))
