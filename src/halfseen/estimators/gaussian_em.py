"""EM for mixtures of Gaussians with full covariances on rows with holes.

A full covariance is a factor analyser of rank F - 1: the noise is what is left of its smallest
eigenvalue, once features are in units of their floors. So the E-step is that of factor analysers;
here is the M-step (Ghahramani and Jordan 1994). With x^ the conditional mean of a row and C^ the
conditional covariance, which is 0 where a cell is seen,

    mu = sum_n r x^ / sum_n r,    S = sum_n r [(x^ - mu)(x^ - mu)' + C^] / sum_n r.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from halfseen.core.factor_mixture import FactorMixture, Posterior
from halfseen.core.low_rank_normal import Factors, LowRankNormal
from halfseen.core.memory import floats_at_once
from halfseen.errors import SettingError
from halfseen.estimators.factor_em import TRACE, Prior

__all__ = ["GaussianEM", "check_full_floor", "covariances", "from_covariances"]

# Numbers of conditional covariances that are in memory at a time.
CHUNK_FLOATS = 2**23
# In standard deviations. Where columns follow from each other, steps of EM lose less than 1e-4
# nats per seen cell to rounding with this floor, 0.01 with a tenth of it, and 1 with a hundredth.
LEAST_FLOOR = 1e-6


def check_full_floor(noise_floor: float | str) -> None:
    """Refuse a floor that full covariances lose to rounding.

    Parameters
    ----------
    noise_floor : float or "auto"
        Smallest scale of the noise, in standard deviations.

    Raises
    ------
    SettingError
        When it is less than 1e-6.
    """
    if noise_floor != "auto" and float(noise_floor) < LEAST_FLOOR:
        raise SettingError(
            f"Got noise_floor={noise_floor!r} with full covariances. Expected 'auto' or at least "
            f"{LEAST_FLOOR:g} standard deviations: where columns follow from each other, less is "
            "lost to rounding. Raise it, or leave it at 'auto'."
        )


def covariances(mixture: FactorMixture) -> Tensor:
    """Covariance of every component (C, F, F)."""
    law = mixture.law
    return law.factor @ law.factor.mT + torch.diag_embed(law.variance)


def from_covariances(
    log_weights: Tensor, mean: Tensor, covariance: Tensor, floor: Tensor
) -> FactorMixture:
    """Gaussians as factor analysers of full rank.

    Parameters
    ----------
    log_weights : Tensor of shape (C,)
        Logarithms of weights that sum to one.
    mean, covariance : Tensor of shape (C, F) and (C, F, F)
        Components.
    floor : Tensor of shape (F,)
        No covariance is less than this diagonal: smaller eigenvalues, in its units, are raised
        to 1, which is the most probable covariance that is not.
    """
    unit = floor.sqrt()
    scaled = covariance / (unit[:, None] * unit)
    value, axes = torch.linalg.eigh((scaled + scaled.mT) / 2)
    value = value.clamp_min(1.0)
    least = value[..., :1]
    factor = unit[:, None] * axes[..., 1:] * (value[..., 1:] - least).sqrt()[..., None, :]
    variance = (floor * least).contiguous()
    return FactorMixture(log_weights, LowRankNormal(mean, factor, variance))


class _Sums(NamedTuple):
    """Over rows: weights (C,), completed rows (C, F), their outer products (C, F, F)."""

    rows: Tensor
    cells: Tensor
    outer: Tensor


@dataclass(frozen=True)
class GaussianEM:
    """One step of EM.

    Parameters
    ----------
    x, s : Tensor of shape (n, F)
        Features, finite everywhere, and masks. Fewer roundings if their means are near 0.
    floor : Tensor of shape (F,)
        Diagonal below which no covariance goes.
    prior : Prior
        Rows added in thought.
    """

    x: Tensor
    s: Tensor
    floor: Tensor
    prior: Prior

    def __call__(self, mixture: FactorMixture) -> tuple[FactorMixture, float]:
        """The next mixture, and what the objective was before."""
        total, sums = 0.0, None
        for x, s in self._parts(mixture):
            posterior = self.posterior(mixture, x, s)
            total += float(posterior.log_prob.sum())
            part = _sums(mixture, posterior, x, s)
            sums = part if sums is None else _Sums(*map(torch.add, sums, part))
        assert sums is not None
        return self._next(sums), total + float(self.log_prior(mixture))

    def posterior(self, mixture: FactorMixture, x: Tensor, s: Tensor) -> Posterior:
        """Component and factors of rows (n, F), given what their masks show."""
        return mixture.posterior(x, s)

    def fitting(self, start: FactorMixture) -> FactorMixture:
        """A start of full rank, from which every step gains."""
        return from_covariances(start.log_weights, start.law.mean, covariances(start), self.floor)

    def log_prior(self, mixture: FactorMixture) -> Tensor:
        """Log-density of the parameters, without constants: what EM raises beside the data."""
        if self.prior.rows == 0:
            return mixture.log_weights.new_zeros(())
        covariance = covariances(mixture)
        apart = mixture.law.mean - self.prior.mean
        moment = torch.diag(self.prior.variance) + apart[..., None] * apart[..., None, :]
        distance = torch.linalg.solve(covariance, moment).diagonal(dim1=-2, dim2=-1).sum(-1)
        cells = -0.5 * (torch.logdet(covariance) + distance)
        return self.prior.rows * (cells.sum() + mixture.log_weights.sum())

    def _parts(self, mixture: FactorMixture) -> Iterator[tuple[Tensor, Tensor]]:
        width = mixture.n_components * (mixture.rank + 1) ** 2
        size = max(1, floats_at_once(CHUNK_FLOATS) // width)
        for start in range(0, len(self.x), size):
            yield self.x[start : start + size], self.s[start : start + size]

    def _next(self, sums: _Sums) -> FactorMixture:
        prior, count = self.prior, self.prior.rows + sums.rows.clamp_min(1e-12)
        cells = sums.cells + prior.rows * prior.mean
        mean = cells / count[:, None]
        moment = torch.diag(prior.variance) + prior.mean[:, None] * prior.mean
        outer = sums.outer + prior.rows * moment
        covariance = outer / count[:, None, None] - mean[..., None] * mean[..., None, :]
        # A component that no row belongs to starts again from the table.
        empty = (count < 1e-6)[:, None]
        mean = torch.where(empty, prior.mean, mean)
        covariance = torch.where(empty[..., None], torch.diag(prior.variance), covariance)
        log_weights = (count / count.sum()).log()
        return from_covariances(log_weights, mean, covariance, self.floor)


def _sums(mixture: FactorMixture, posterior: Posterior, x: Tensor, s: Tensor) -> _Sums:
    """Sums over the rows of one chunk, component by component: most rows belong to few."""
    weights, law, parts = posterior.weights, mixture.law, []
    for c in range(mixture.n_components):
        live = torch.nonzero(weights[:, c] > TRACE)[:, 0]
        factors = Factors(posterior.factors.mean[live, c], posterior.factors.cholesky[live, c])
        weight, hidden = weights[live, c, None], 1 - s[live]
        predicted = law.mean[c] + factors.mean @ law.factor[c].T
        cells = s[live] * x[live] + hidden * predicted
        spread = factors.spread(law.factor[c]) * (hidden * weight.sqrt())[..., None]
        # Rows and factors are one axis of one product.
        flat = spread.transpose(1, 2).flatten(0, 1)
        noise = (weight * hidden).sum(0) * law.variance[c]
        outer = (weight * cells).T @ cells + flat.T @ flat + torch.diag(noise)
        parts.append(((weight * cells).sum(0), outer))
    cells, outer = (torch.stack(part) for part in zip(*parts, strict=True))
    return _Sums(weights.sum(0), cells, outer)
