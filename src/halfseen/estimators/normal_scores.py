"""Normal scores: columns by their ranks, on a scale on which each is standard normal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from halfseen.core.floats import near_one
from halfseen.core.stored import numbers
from halfseen.errors import FileFormatError

__all__ = ["NormalScores"]

# Gauss-Hermite nodes behind a mean.
N_NODES = 24


@dataclass(frozen=True)
class NormalScores:
    """The monotone map between the values of one column and standard normal scores.

    A value has the score of its rank in the middle of equal ones, out of one row more than there
    are; what lies between or beyond the values that were seen is interpolated, or theirs.

    Parameters
    ----------
    values : array of shape (k,)
        Distinct values in rising order.
    counts : array of shape (k,)
        How many cells have each.

    Examples
    --------
    >>> scores = NormalScores.fit(np.array([3.0, 1.0, 1.0, np.nan, 2.0]))
    >>> scores.forward(np.array([1.0, 2.0, 2.5])).round(2)
    array([-0.52,  0.25,  0.55])
    >>> scores.inverse(scores.forward(np.array([2.5]))).round(6)
    array([2.5])
    """

    values: np.ndarray
    counts: np.ndarray

    @classmethod
    def fit(cls, column: np.ndarray) -> NormalScores:
        """Learn the map from a column with NaN where missing; some of it must be seen."""
        seen = column[~np.isnan(column)]
        values, counts = np.unique(seen, return_counts=True)
        return cls(values, counts)

    @property
    def middles(self) -> np.ndarray:
        """Score of each value (k,)."""
        mean_rank = np.cumsum(self.counts) - (self.counts - 1) / 2
        return ndtri(mean_rank / (self.counts.sum() + 1))

    @property
    def edges(self) -> np.ndarray:
        """Scores between neighbouring values (k - 1,)."""
        return ndtri(np.cumsum(self.counts)[:-1] / self.counts.sum())

    def forward(self, column: np.ndarray) -> np.ndarray:
        """Scores of values; NaN stays NaN."""
        unit, exponent = near_one(self.values)
        with np.errstate(over="ignore"):
            return np.interp(np.ldexp(column, -exponent), unit, self.middles)

    def inverse(self, scores: np.ndarray) -> np.ndarray:
        """Values of scores, linear between those that were seen."""
        unit, exponent = near_one(self.values)
        return np.ldexp(np.interp(scores, self.middles, unit), exponent)

    def step(self, scores: np.ndarray) -> np.ndarray:
        """Values of scores out of those that were seen, each as often as it was."""
        return self.values[np.searchsorted(self.edges, scores)]

    def mean(self, center: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Mean value where the score is N(center, scale^2)."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(N_NODES)
        at = center[..., None] + scale[..., None] * nodes
        return self.inverse(at) @ (weights / weights.sum())

    def mode(self, center: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Most probable of the values that were seen, where the score is N(center, scale^2)."""
        ends = np.concatenate([[-np.inf], self.edges, [np.inf]])
        with np.errstate(divide="ignore", invalid="ignore"):
            below = ndtr((ends - center[..., None]) / np.maximum(scale, 1e-9)[..., None])
        return self.values[np.diff(below, axis=-1).argmax(-1)]

    def to_json(self) -> dict[str, Any]:
        """Plain lists."""
        return {"values": self.values.tolist(), "counts": self.counts.tolist()}

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> NormalScores:
        """Inverse of :meth:`to_json`."""
        values, counts = numbers(state, "values", None), numbers(state, "counts", None)
        if not len(values) or len(counts) != len(values) or (np.diff(values) <= 0).any():
            raise FileFormatError("The file's scores are not of rising values. Expected such.")
        if (counts < 1).any() or (counts % 1 > 0).any():
            raise FileFormatError("The file's scores have counts that are none.")
        return cls(values, counts.astype(np.int64))
