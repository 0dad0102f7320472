"""EM for mixtures of factor analysers on rows with holes: every step has a closed form.

Given the factors z cells are independent, so a missing cell drops out, and each cell of each
component has a ridge regression on (z, 1) of its own (Ghahramani and Hinton 1996, for whatever is
seen). With r the probability of a component and u = (z, 1),

    B = sum_n r s E[u u'],    c = sum_n r s x E[u],    (A, mu) = B^(-1) c,
    d = sum_n r s E[(x - (A, mu) u)^2] / sum_n r s,    pi = mean r.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from halfseen.core.factor_mixture import FactorMixture, Posterior
from halfseen.core.low_rank_normal import Factors, LowRankNormal
from halfseen.core.memory import floats_at_once
from halfseen.core.released_mixture import released_posterior
from halfseen.training.checkpoint import Kept, next_stage

__all__ = ["TRACE", "EMPath", "FactorEM", "Moments", "Prior", "climb"]

# Numbers of one posterior that are in memory at a time.
CHUNK_FLOATS = 2**24
# Rows of which a component has no more than this count for others alone.
TRACE = 1e-12


@dataclass(frozen=True)
class Prior:
    """Rows that are added in thought, so that no component rests on too few.

    Each component gets ``rows`` rows in which features are independent of each other and of the
    factors, with the mean and the variance that they have in the table.

    Parameters
    ----------
    rows : float
        How many; 0 maximises the likelihood itself.
    mean, variance : Tensor of shape (F,)
        Of the features.
    """

    rows: float
    mean: Tensor
    variance: Tensor

    def log_density(self, mixture: FactorMixture) -> Tensor:
        """Log-density of the parameters, without constants: what EM raises beside the data."""
        law = mixture.law
        apart = self.variance + (law.mean - self.mean).square() + law.factor.square().sum(-1)
        cells = -0.5 * (law.variance.log() + apart / law.variance)
        return self.rows * (cells.sum() + mixture.log_weights.sum())


class Moments(NamedTuple):
    """What the M-step needs of the rows.

    Attributes
    ----------
    rows : Tensor of shape (C,)
        Expected rows of a component.
    grams : Tensor of shape (C, F, l + 1, l + 1)
        Sums of E[u u'] over rows in which the feature is seen; (C, 1, l + 1, l + 1) where every
        row shows every feature.
    products : Tensor of shape (C, F, l + 1)
        Sums of x E[u].
    squares : Tensor of shape (C, F)
        Sums of x^2.
    """

    rows: Tensor
    grams: Tensor
    products: Tensor
    squares: Tensor


@dataclass(frozen=True)
class FactorEM:
    """One step of EM.

    Parameters
    ----------
    x, s : Tensor of shape (n, F)
        Features, finite everywhere, and masks. Fewer roundings if their means are near 0.
    floor : Tensor of shape (F,)
        Smallest variance of the noise; where features share one, the largest of these holds.
    noise : {"diagonal", "isotropic"}
        Whether features have a variance of their own, or a component one for all (probabilistic
        principal components).
    prior : Prior
        Rows added in thought.
    released : bool, default=False
        Whether posteriors are those of :mod:`halfseen.core.released_mixture`; a step may then
        lower the objective.
    """

    x: Tensor
    s: Tensor
    floor: Tensor
    noise: Literal["diagonal", "isotropic"]
    prior: Prior
    released: bool = False

    def __call__(self, mixture: FactorMixture) -> tuple[FactorMixture, float]:
        """The next mixture, and what the objective was before."""
        total, moments = 0.0, None
        for x, s in self.parts(mixture.width):
            posterior = self.posterior(mixture, x, s)
            total += float(posterior.log_prob.sum())
            part = _moments(posterior, x, s)
            moments = part if moments is None else Moments(*map(torch.add, moments, part))
        assert moments is not None
        return self._next(moments), total + float(self.log_prior(mixture))

    def objective(self, mixture: FactorMixture) -> float:
        """Log-likelihood of what is seen, and of the rows added in thought."""
        chunks = self.parts(mixture.width)
        parts = (self.posterior(mixture, x, s).log_prob.sum() for x, s in chunks)
        return float(sum(parts) + self.log_prior(mixture))

    def posterior(self, mixture: FactorMixture, x: Tensor, s: Tensor) -> Posterior:
        """Component and factors of rows (n, F), given what their masks show."""
        posterior = mixture.posterior(x, s)
        return released_posterior(mixture, posterior) if self.released else posterior

    def log_prior(self, mixture: FactorMixture) -> Tensor:
        """Log-density of the parameters, without constants."""
        return self.prior.log_density(mixture)

    def parts(self, width: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The rows in chunks whose posteriors, of ``width`` numbers a row, fit."""
        size = max(1, floats_at_once(CHUNK_FLOATS) // max(width, self.x.shape[1]))
        for start in range(0, len(self.x), size):
            yield self.x[start : start + size], self.s[start : start + size]

    def _next(self, m: Moments) -> FactorMixture:
        n_units = m.products.shape[-1]
        one = torch.eye(n_units, dtype=m.grams.dtype, device=m.grams.device)
        mean = self.prior.mean
        # In the rows of the prior E[u u'] = I and x = mean, on average.
        grams, products = m.grams + self.prior.rows * one, m.products.clone()
        products[..., -1] += self.prior.rows * mean
        moment = self.prior.variance + mean.square()
        squares = m.squares + self.prior.rows * moment
        # A feature that no row of a component shows stays at the mean, even without a prior.
        seen = grams[..., -1, -1].expand(squares.shape)
        tiny = 1e-9 * grams[..., -1:, -1:].clamp_min(1e-9) * one
        loadings = _regress(grams + tiny, products)
        rest = squares - (products * loadings).sum(-1)
        if self.noise == "isotropic":
            rest, seen_all = (part.sum(-1, keepdim=True) for part in (rest, seen))
            variance = (rest / seen_all.clamp_min(1e-9)).expand(squares.shape)
        else:
            variance = torch.where(seen > 1e-6, rest / seen.clamp_min(1e-9), self.prior.variance)
        blank = (seen <= 1e-6)[..., None]
        default = torch.zeros_like(loadings)
        default[..., -1] = mean
        loadings = torch.where(blank, default, loadings)
        weights = m.rows + self.prior.rows
        # A component that no row belongs to keeps a trace, so that its logarithm is a number.
        weights = weights.clamp_min(1e-12) / weights.clamp_min(1e-12).sum()
        mean, factor = loadings[..., -1].contiguous(), loadings[..., :-1].contiguous()
        law = LowRankNormal(mean, factor, torch.maximum(variance, self._least))
        return FactorMixture(weights.log(), law)

    @property
    def _least(self) -> Tensor:
        """Smallest variance of every feature: one for all must not differ where it is bound."""
        return self.floor if self.noise == "diagonal" else self.floor.max().expand_as(self.floor)

    def fitting(self, start: FactorMixture) -> FactorMixture:
        """A start whose noise is of the right kind, from which every step gains."""
        if self.noise == "diagonal":
            return start
        variance = start.law.variance.mean(-1, keepdim=True)
        variance = torch.maximum(variance, self._least)
        return FactorMixture(start.log_weights, replace(start.law, variance=variance))


class EMPath(NamedTuple):
    """How EM went: the objective per seen cell before each step, and how it ended."""

    objective: list[float]
    converged: bool
    interrupted: bool = False


def climb(
    step: Callable[[FactorMixture], tuple[FactorMixture, float]],
    mixture: FactorMixture,
    n_cells: float,
    *,
    max_iter: int,
    tol: float,
    watch: Callable[[int, float], None] = lambda step, value: None,
) -> tuple[FactorMixture, EMPath]:
    """Take steps of EM until they gain little.

    Parameters
    ----------
    step : callable
        From a mixture to the next one and the objective of the given one.
    mixture : FactorMixture
        The start.
    n_cells : float
        By what the objective is divided.
    max_iter : int
        Most steps.
    tol : float
        Stop when a step changes the objective by less than this per seen cell.
    watch : callable
        Told of every step and of the objective before it.

    Returns
    -------
    mixture : FactorMixture
        After the last step; an interrupt ends the way where it stands.
    path : EMPath
    """
    path: list[float] = []
    converged = interrupted = done = False
    stage = next_stage()
    kept = stage.load()
    if kept is not None:
        device, dtype = mixture.log_weights.device, mixture.log_weights.dtype
        mixture = FactorMixture.from_tensors(kept.tensors).to(device=device, dtype=dtype)
        path, converged, done = kept.facts["path"], kept.facts["converged"], kept.done
    while not done:
        try:
            following, value = step(mixture)
        except KeyboardInterrupt:
            stage.interrupted()
            interrupted = True
            break
        path.append(value / max(n_cells, 1.0))
        watch(len(path), path[-1])
        # A step of the public baseline may lower what it should raise, and goes on.
        converged = len(path) > 1 and abs(path[-1] - path[-2]) < tol
        # As a checkpoint holds it, so that a resumed fit has the same bits.
        mixture = mixture if converged else following.contiguous()
        done = converged or len(path) >= max_iter
        if done or stage.due():
            stage.keep(Kept(mixture.tensors(), {"path": path, "converged": converged}, done))
    return mixture, EMPath(path, converged, interrupted)


def _moments(posterior: Posterior, x: Tensor, s: Tensor) -> Moments:
    """Sums over the rows of one chunk, component by component: most rows belong to few."""
    weights, x = posterior.weights, x * s
    complete = posterior.common and bool(s[:1].all())
    parts = []
    for c in range(weights.shape[1]):
        live = torch.nonzero(weights[:, c] > TRACE)[:, 0]
        some = slice(None) if len(live) == len(x) else live
        factors = Factors(posterior.factors.mean[some, c], posterior.factors.cholesky[some, c])
        weight = weights[some, c, None]
        u = torch.nn.functional.pad(factors.mean, (0, 1), value=1.0)
        if complete:
            # All rows have the same covariance, and all features the same sum.
            grams = ((weight * u).T @ u)[None]
            if len(u):
                inner = torch.cholesky_inverse(factors.cholesky[0])
                grams[:, :-1, :-1] += weight.sum() * inner
        else:
            grams = _grams(factors, u, weight, s[some])
        parts.append((grams, x[some].T @ (weight * u)))
    grams, products = (torch.stack(part) for part in zip(*parts, strict=True))
    return Moments(weights.sum(0), grams, products, weights.T @ x.square())


def _regress(grams: Tensor, products: Tensor) -> Tensor:
    """Loadings (C, F, l + 1) by each feature's system, or by one that all share."""
    if grams.shape[1] == 1:
        return torch.linalg.solve(grams[:, 0], products.mT).mT
    return torch.linalg.solve(grams, products)


def _grams(factors: Factors, u: Tensor, weight: Tensor, s: Tensor) -> Tensor:
    """Sums of E[u u'] over the rows that show a feature, (F, l + 1, l + 1)."""
    second = u[..., None] * u[..., None, :]
    second[:, :-1, :-1] += torch.cholesky_inverse(factors.cholesky)
    size = u.shape[-1]
    rows, columns = torch.tril_indices(size, size, device=u.device)
    halves = s.T @ (weight * second[:, rows, columns])
    out = halves.new_empty(len(halves), size, size)
    out[:, rows, columns] = out[:, columns, rows] = halves
    return out
