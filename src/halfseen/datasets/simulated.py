"""Simulations whose right answers are known exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg

from halfseen.core.noise import RandomState, seed_from

__all__ = ["LinearGaussian", "linear_gaussian"]


@dataclass(frozen=True, eq=False)
class LinearGaussian:
    r"""Rows of a linear Gaussian model, and the exact answers of that model.

    .. math:: x = W z + \mu + \sigma \epsilon

    Parameters
    ----------
    X : ndarray of shape (n, p)
        Complete rows.
    W : ndarray of shape (p, d)
        Weights.
    mu : ndarray of shape (p,)
        Means.
    sigma : float
        Standard deviation of the noise.
    """

    X: np.ndarray
    W: np.ndarray
    mu: np.ndarray
    sigma: float

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of a row, (p, p)."""
        return self.W @ self.W.T + self.sigma**2 * np.eye(len(self.mu))

    def conditional_mean(self, x: Any, s: Any) -> np.ndarray:
        """E[x | x_obs]: the rows with their missing cells at the conditional mean.

        Parameters
        ----------
        x : array-like of shape (n, p)
            Rows; cells with s = 0 are not read.
        s : array-like of shape (n, p)
            1 where observed, 0 where missing.

        Returns
        -------
        ndarray of shape (n, p)
            The best answer under squared error when cells are missing at random.
        """
        out, cov = np.array(x, dtype=float), self.covariance
        for rows, seen in _patterns(s):
            centred = out[np.ix_(rows, seen)] - self.mu[seen]
            gain = linalg.solve(cov[np.ix_(seen, seen)], cov[np.ix_(seen, ~seen)], assume_a="pos")
            out[np.ix_(rows, ~seen)] = self.mu[~seen] + centred @ gain
        return out

    def log_prob(self, x: Any, s: Any) -> np.ndarray:
        """Log-density of the observed part of each row, 0 for a row without any.

        Parameters
        ----------
        x : array-like of shape (n, p)
            Rows; cells with s = 0 are not read.
        s : array-like of shape (n, p)
            1 where observed, 0 where missing.

        Returns
        -------
        ndarray of shape (n,)
            What no importance-weighted bound on log p(x_obs) may exceed in expectation.
        """
        values, cov = np.asarray(x, dtype=float), self.covariance
        out = np.zeros(len(values))
        for rows, seen in _patterns(s):
            factor = linalg.cholesky(cov[np.ix_(seen, seen)], lower=True)
            centred = values[np.ix_(rows, seen)] - self.mu[seen]
            white = linalg.solve_triangular(factor, centred.T, lower=True)
            constant = np.log(np.diag(factor)).sum() + seen.sum() * np.log(2 * np.pi) / 2
            out[rows] = -0.5 * (white**2).sum(0) - constant
        return out


def linear_gaussian(
    n: int = 500, p: int = 5, d: int = 2, *, sigma: float = 0.3, random_state: RandomState = None
) -> LinearGaussian:
    """Simulate a linear Gaussian latent variable model.

    Parameters
    ----------
    n, p, d : int
        Rows, columns and latent dimensions.
    sigma : float, default=0.3
        Standard deviation of the noise.
    random_state : int, RandomState, Generator or None
        Same seed, same rows.

    Returns
    -------
    LinearGaussian
        Rows, parameters, and the functions that answer exactly.

    Examples
    --------
    >>> model = linear_gaussian(n=4, p=3, d=1, random_state=0)
    >>> s = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]])
    >>> filled = model.conditional_mean(model.X, s)
    >>> np.allclose(filled[2], model.mu), np.array_equal(filled[3], model.X[3])
    (True, True)
    """
    rng = np.random.default_rng(seed_from(random_state))
    weight, mu = rng.standard_normal((p, d)), rng.standard_normal(p)
    noise = sigma * rng.standard_normal((n, p))
    x = rng.standard_normal((n, d)) @ weight.T + mu + noise
    return LinearGaussian(x, weight, mu, sigma)


def _patterns(s: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows that share a pattern of holes, and the pattern (p,), one pattern at a time."""
    mask = np.asarray(s) != 0
    patterns, label = np.unique(mask, axis=0, return_inverse=True)
    for k, seen in enumerate(patterns):
        yield np.flatnonzero(label.ravel() == k), seen
