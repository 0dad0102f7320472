"""Gaussians whose covariance is of low rank plus a diagonal, on the cells that a mask picks.

Every row has a mask of its own, and yet a batch is one tensor operation: cells outside the mask
have no weight, and all systems are of the rank's size (Woodbury). With W = D^(-1/2) A and
L = I + W'W, restricted to the mask,

    log|AA' + D| = log|L| + sum log d,
    r' (AA' + D)^(-1) r = |r - W z|^2 + |z|^2   with   z = L^(-1) W'r,

where r is in units of D^(1/2). The quadratic form is a sum of squares, so that nothing cancels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from halfseen.core.noise import Noise

__all__ = ["LOG_2PI", "Factors", "LowRankNormal", "cholesky_plus_one"]

LOG_2PI = math.log(2 * math.pi)


def cholesky_plus_one(gram: Tensor) -> Tensor:
    """Lower Cholesky factor of I + gram, for a positive semidefinite gram (..., l, l).

    NaN where gram is so large that its digits do not tell whether it is one: training then goes
    back to a good state, and no answer is made of it.
    """
    one = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    factor, failed = torch.linalg.cholesky_ex(gram + one)
    return torch.where((failed == 0)[..., None, None], factor, torch.nan)


@dataclass(frozen=True)
class Factors:
    """The law of the l factors of a row, given some of its cells.

    Parameters
    ----------
    mean : Tensor of shape (..., l)
        Their mean.
    cholesky : Tensor of shape (..., l, l)
        Lower Cholesky factor of their precision.
    """

    mean: Tensor
    cholesky: Tensor

    def spread(self, loadings: Tensor) -> Tensor:
        """Loadings (..., F, l) after which the factors are independent, of variance one."""
        # The covariance is C^-T C^-1 where the precision is C C^T.
        return torch.linalg.solve_triangular(self.cholesky.mT, loadings, upper=True, left=False)

    def draw(self, noise: Tensor) -> Tensor:
        """Factors (..., l) from standard normal noise of that shape."""
        step = torch.linalg.solve_triangular(self.cholesky.mT, noise[..., None], upper=True)
        return self.mean + step[..., 0]

    def log_ratio(self, z: Tensor, noise: Tensor) -> Tensor:
        """Log of the standard normal density at z over that of this law, (...).

        Parameters
        ----------
        z, noise : Tensor of shape (..., l)
            What :meth:`draw` gave, and the noise that it was given.
        """
        volume = self.cholesky.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return 0.5 * (noise.square().sum(-1) - z.square().sum(-1)) - volume


@dataclass(frozen=True)
class LowRankNormal:
    """Gaussians N(mean, factor factor' + diag(variance)), one per leading index.

    Parameters
    ----------
    mean : Tensor of shape (..., F)
        Means.
    factor : Tensor of shape (..., F, l)
        Loadings of l factors.
    variance : Tensor of shape (..., F)
        Variances of the noise, above 0.

    Examples
    --------
    >>> law = LowRankNormal(torch.zeros(1, 2), torch.ones(1, 2, 1), torch.ones(1, 2))
    >>> law.log_prob(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])).round(decimals=4)
    tensor([-1.2655])
    """

    mean: Tensor
    factor: Tensor
    variance: Tensor

    @property
    def rank(self) -> int:
        """Number of factors l."""
        return self.factor.shape[-1]

    @property
    def marginal_variance(self) -> Tensor:
        """Variance of every cell (..., F)."""
        return self.factor.square().sum(-1) + self.variance

    def log_prob(self, x: Tensor, s: Tensor) -> Tensor:
        """Log-density of the cells in a mask, whatever the others are.

        Parameters
        ----------
        x, s : Tensor of shape (..., F)
            Cells, finite everywhere, and the mask, 1 = scored.

        Returns
        -------
        Tensor of shape (...)
            0 where the mask is empty.
        """
        r, w = self._scaled(x, s)
        factors = _factors(r, w)
        rest = r - (w @ factors.mean[..., None])[..., 0]
        square = rest.square().sum(-1) + factors.mean.square().sum(-1)
        return -0.5 * (square + self._log_volume(factors.cholesky, s))

    def factors(self, x: Tensor, s: Tensor) -> Factors:
        """The law of the factors given the cells in a mask; arguments as in :meth:`log_prob`."""
        return _factors(*self._scaled(x, s))

    def given(self, x: Tensor, s: Tensor) -> LowRankNormal:
        """The law of a fresh copy of all cells, given those in a mask.

        Of cells outside the mask it is the conditional law; arguments as in :meth:`log_prob`.
        """
        factors = self.factors(x, s)
        mean = self.mean + (self.factor @ factors.mean[..., None])[..., 0]
        spread = factors.spread(self.factor)
        return LowRankNormal(mean, spread, self.variance.expand(mean.shape))

    def entropy(self, s: Tensor) -> Tensor:
        """Entropy of the cells in a mask (..., F), in nats: shape (...)."""
        _, w = self._scaled(self.mean, s)
        volume = self._log_volume(cholesky_plus_one(w.mT @ w), s)
        return 0.5 * (volume + s.sum(-1))

    def draw(self, noise: Noise) -> Tensor:
        """Cells (..., F), by noise whose shape is that of the leading axes."""
        factors = (self.factor @ noise.normal(self.rank).to(self.factor)[..., None])[..., 0]
        step = noise.normal(self.mean.shape[-1]).to(self.mean)
        return self.mean + factors + self.variance.sqrt() * step

    def map(self, change: Callable[[Tensor], Tensor]) -> LowRankNormal:
        """The same operation on mean, factor and variance, such as a selection of rows."""
        return LowRankNormal(change(self.mean), change(self.factor), change(self.variance))

    def cells(self, index: Tensor | list[int]) -> LowRankNormal:
        """The marginal law of some cells."""
        mean, variance = self.mean[..., index], self.variance[..., index]
        return LowRankNormal(mean, self.factor[..., index, :], variance)

    def rescaled(self, shift: Tensor, scale: Tensor) -> LowRankNormal:
        """The law of ``scale * x + shift``, both of shape (F,)."""
        mean, factor = self.mean * scale + shift, self.factor * scale[:, None]
        return LowRankNormal(mean, factor, self.variance * scale.square())

    def widened(self, temperature: Tensor | float) -> LowRankNormal:
        """The law whose covariance is ``temperature`` times as large."""
        factor = self.factor * temperature**0.5
        return LowRankNormal(self.mean, factor, self.variance * temperature)

    def _scaled(self, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """Residuals and loadings in units of the noise, 0 outside of the mask."""
        weight = s * self.variance.rsqrt()
        return weight * (x - self.mean), weight[..., None] * self.factor

    def _log_volume(self, cholesky: Tensor, s: Tensor) -> Tensor:
        """Log-determinant of 2 pi times the covariance of the cells in a mask."""
        small = 2 * cholesky.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return small + (s * (self.variance.log() + LOG_2PI)).sum(-1)


def _factors(r: Tensor, w: Tensor) -> Factors:
    cholesky = cholesky_plus_one(w.mT @ w)
    mean = torch.cholesky_solve(w.mT @ r[..., None], cholesky)[..., 0]
    return Factors(mean, cholesky)
