"""Mixtures of factor analysers, exact for whatever cells of a row are seen.

p(x) = sum_c pi_c N(x; mu_c, A_c A_c' + D_c) (Ghahramani and Hinton 1996; Richardson and Weiss 2018
for pictures). The covariance of every component is the same for all rows, and only masks differ:
sums over seen cells are then products of the mask with tables of C numbers, or C l^2, per cell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from halfseen.core.low_rank_normal import LOG_2PI, Factors, LowRankNormal, cholesky_plus_one
from halfseen.core.noise import Noise

__all__ = ["FactorMixture", "LowRankMixture", "Posterior"]


class Posterior(NamedTuple):
    """Component and factors of rows, given their seen cells.

    Attributes
    ----------
    log_joint : Tensor of shape (n, C)
        Log of the density of the seen cells and the component.
    factors : Factors
        Factors given the component, mean (n, C, l).
    common : bool
        Whether all rows show the same cells, so that their factors vary alike.
    """

    log_joint: Tensor
    factors: Factors
    common: bool = False

    @property
    def log_prob(self) -> Tensor:
        """Log-density of the seen cells (n,)."""
        return torch.logsumexp(self.log_joint, -1)

    @property
    def weights(self) -> Tensor:
        """Probability of each component (n, C)."""
        return torch.softmax(self.log_joint, -1)


@dataclass(frozen=True)
class FactorMixture:
    """C Gaussians of rank l with weights.

    Parameters
    ----------
    log_weights : Tensor of shape (C,)
        Logarithms of weights that sum to one.
    law : LowRankNormal
        Components: mean (C, F), factor (C, F, l), variance (C, F).

    Examples
    --------
    >>> law = LowRankNormal(torch.tensor([[0.0], [4.0]]), torch.zeros(2, 1, 0), torch.ones(2, 1))
    >>> mixture = FactorMixture(torch.tensor([0.5, 0.5]).log(), law)
    >>> mixture.posterior(torch.tensor([[2.0]]), torch.ones(1, 1)).weights
    tensor([[0.5000, 0.5000]])
    """

    log_weights: Tensor
    law: LowRankNormal

    @classmethod
    def join(cls, parts: Sequence[FactorMixture]) -> FactorMixture:
        """One mixture of mixtures of one rank, which count equally."""
        laws = [part.law for part in parts]
        law = LowRankNormal(
            torch.cat([law.mean for law in laws]),
            torch.cat([law.factor for law in laws]),
            torch.cat([law.variance for law in laws]),
        )
        log_weights = torch.cat([part.log_weights for part in parts])
        return cls(log_weights - math.log(len(parts)), law)

    def contiguous(self) -> FactorMixture:
        """The same with its numbers in the order of files: products round by order."""
        law = self.law.map(lambda part: part.contiguous())
        return FactorMixture(self.log_weights.contiguous(), law)

    def tensors(self) -> dict[str, Tensor]:
        """Its numbers by name, as files hold them."""
        law = self.law
        numbers = {"mean": law.mean, "factor": law.factor, "variance": law.variance}
        return {"log_weights": self.log_weights, **numbers}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> FactorMixture:
        """Inverse of :meth:`tensors`."""
        law = LowRankNormal(tensors["mean"], tensors["factor"], tensors["variance"])
        return cls(tensors["log_weights"], law)

    @property
    def n_components(self) -> int:
        """Number of components C."""
        return len(self.log_weights)

    @property
    def rank(self) -> int:
        """Number of factors l of each component."""
        return self.law.rank

    @property
    def width(self) -> int:
        """Numbers that the posterior of one row takes."""
        return self.n_components * max(1, (self.rank + 1) ** 2)

    def posterior(self, x: Tensor, s: Tensor) -> Posterior:
        """Component and factors given the seen cells.

        Parameters
        ----------
        x, s : Tensor of shape (n, F)
            Cells, finite everywhere, and masks, 1 = seen.
        """
        x = x * s
        mean, factor, precision = self.law.mean, self.law.factor, 1 / self.law.variance
        scaled = factor * precision[..., None]
        # Sums over seen cells of A'D^-1A, of A'D^-1(x - mu), and of the squared distance. The
        # first is the same for all rows that show the same cells.
        common = len(s) > 0 and bool((s == s[:1]).all())
        shown = s[:1] if common else s
        gram = _by_pair(shown @ _flat(_pairs(scaled, factor)), self.n_components, self.rank)
        right = x @ _flat(scaled) - s @ _flat(scaled * mean[..., None])
        right = right.view(len(x), self.n_components, self.rank)
        constant = mean.square() * precision + self.law.variance.log() + LOG_2PI
        square = x.square() @ precision.T - 2 * x @ (mean * precision).T + s @ constant.T
        cholesky = cholesky_plus_one(gram)
        if common:
            at = (right[..., None, :] @ torch.cholesky_inverse(cholesky))[..., 0, :]
        else:
            at = torch.cholesky_solve(right[..., None], cholesky)[..., 0]
        volume = 2 * cholesky.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        log_density = -0.5 * (square - (right * at).sum(-1) + volume)
        factors = Factors(at, cholesky.expand(len(x), -1, -1, -1))
        return Posterior(log_density + self.log_weights, factors, common)

    def log_prob(self, x: Tensor, s: Tensor) -> Tensor:
        """Log-density of the seen cells (n,); arguments as in :meth:`posterior`."""
        return self.posterior(x, s).log_prob

    def mean(self, posterior: Posterior) -> Tensor:
        """Conditional means of all cells (n, F), as if none had been seen with noise."""
        return self.means(posterior.weights, posterior.factors.mean)

    def means(self, weights: Tensor, factors: Tensor) -> Tensor:
        """Means of cells (..., F) by weights (..., C) and factors (..., C, l) of components."""
        weighted = (weights[..., None] * factors).flatten(-2)
        loadings = self.law.factor.transpose(1, 2).flatten(0, 1)
        return weights @ self.law.mean + weighted @ loadings

    def conditional(self, posterior: Posterior, most: int | None = None) -> LowRankMixture:
        """The law of all cells given the seen ones, the ``most`` probable components kept."""
        log_weights = torch.log_softmax(posterior.log_joint, -1)
        kept = self.n_components if most is None else min(most, self.n_components)
        top, at = log_weights.topk(kept, -1)
        factors = posterior.factors
        rows = torch.arange(len(at), device=at.device)[:, None]
        chosen = Factors(factors.mean[rows, at], factors.cholesky[rows, at])
        law = self.law.map(lambda part: part[at])
        mean = law.mean + (law.factor @ chosen.mean[..., None])[..., 0]
        law = LowRankNormal(mean, chosen.spread(law.factor), law.variance)
        return LowRankMixture(torch.log_softmax(top, -1), law)

    def to(self, *, device: torch.device | str | None = None, dtype: torch.dtype) -> FactorMixture:
        """The same on another device, or in another precision."""
        law = self.law.map(lambda part: part.to(device=device, dtype=dtype))
        return FactorMixture(self.log_weights.to(device=device, dtype=dtype), law)


@dataclass(frozen=True)
class LowRankMixture:
    """A mixture of C Gaussians of low rank for each of n rows.

    Parameters
    ----------
    log_weights : Tensor of shape (n, C)
        Logarithms of weights that sum to one in each row.
    law : LowRankNormal
        Mean (n, C, F), factor (n, C, F, l), variance (n, C, F).
    """

    log_weights: Tensor
    law: LowRankNormal

    def log_prob(self, x: Tensor, s: Tensor) -> Tensor:
        """Log-density of the cells in a mask; x and s are (n, F), the answer is (n,)."""
        log_density = self.law.log_prob(x[:, None], s[:, None])
        return torch.logsumexp(self.log_weights + log_density, -1)

    def most_probable(self, n_kept: int) -> LowRankMixture:
        """The mixture of each row's ``n_kept`` most probable components, if it has more."""
        if n_kept >= self.log_weights.shape[1]:
            return self
        top, at = self.log_weights.topk(n_kept, -1)
        rows = torch.arange(len(at), device=at.device)[:, None]
        law = self.law.map(lambda part: part[rows, at])
        return LowRankMixture(torch.log_softmax(top, -1), law)

    def pick(self, noise: Noise) -> LowRankNormal:
        """One component of each row by the weights, (..., n) by noise of that shape."""
        weights = self.log_weights.exp()
        above = weights.cumsum(-1) < noise.uniform(1).to(weights)
        at = above.sum(-1).clamp(max=weights.shape[-1] - 1)
        rows = torch.arange(len(weights), device=at.device).expand(at.shape)
        return self.law.map(lambda part: part[rows, at])

    def draw(self, noise: Noise) -> Tensor:
        """Draws of all cells of each row (..., n, F), by noise of shape (..., n)."""
        return self.pick(noise).draw(noise)


def _pairs(a: Tensor, b: Tensor) -> Tensor:
    """Products of l numbers with l, at and below the diagonal: (..., l (l + 1) / 2)."""
    rows, columns = torch.tril_indices(a.shape[-1], a.shape[-1])
    return a[..., rows] * b[..., columns]


def _by_pair(flat: Tensor, n_components: int, rank: int) -> Tensor:
    """Symmetric matrices (n, C, l, l) from their lower halves (n, C l (l + 1) / 2)."""
    rows, columns = torch.tril_indices(rank, rank)
    place = torch.zeros(rank, rank, dtype=torch.long)
    place[rows, columns] = place[columns, rows] = torch.arange(len(rows))
    halves = flat.view(len(flat), n_components, len(rows))
    return halves[..., place.to(flat.device)]


def _flat(table: Tensor) -> Tensor:
    """Tables (C, F, k) as matrices (F, C k)."""
    return table.transpose(0, 1).flatten(1)
