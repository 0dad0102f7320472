"""Constant imputation: one number or category a column, learned from its seen cells.

The baselines that every table of results needs beside it, and a fast way to fill a table whose
holes do not matter. A constant says nothing about uncertainty and flattens relations between
columns.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch

from halfseen.core.floats import near_one
from halfseen.core.spec import DataSpec
from halfseen.estimators.base import BaseImputer, positive_draws, store
from halfseen.estimators.card import MethodCard
from halfseen.estimators.stored_network import stored

__all__ = ["MeanImputer", "MedianImputer", "ModeImputer", "ZeroImputer"]


class _ConstantImputer(BaseImputer):
    """Fill each column with one value; subclasses say which for columns that hold numbers."""

    statistics_: np.ndarray

    def __init__(
        self, *, kinds: Mapping[str, Any] | None = None, keep_empty_features: bool = False
    ) -> None:
        store(self, locals())

    @abstractmethod
    def _numeric_values(self, values: np.ndarray, spec: DataSpec) -> np.ndarray:
        """One value for each column (p,), from numbers (n, p) with NaN where missing."""

    def _fit_values(self, values: np.ndarray, spec: DataSpec) -> None:
        seen = np.flatnonzero(~np.isnan(values).all(0))
        found = self._numeric_values(values[:, seen], spec.subset(seen.tolist()))
        categorical = [i for i, j in enumerate(seen) if spec.columns[j].categorical]
        found[categorical] = _modes(values[:, seen[categorical]])
        statistics = np.empty(spec.n_columns)
        statistics[seen] = found
        if len(seen) < spec.n_columns:
            # Pixels that no image shows take what all seen pixels together would.
            statistics[~np.isin(np.arange(spec.n_columns), seen)] = self._numeric_values(
                values.reshape(-1, 1), DataSpec.continuous(1)
            )
        self.statistics_ = self._full(statistics)

    def _complete(self, values: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(values), self.statistics_[self._varying], values)

    def sample(self, X: Any, n_draws: int = 20, random_state: Any = None) -> list[Any]:
        """Several completed tables, all equal: a constant has no uncertainty to show.

        Parameters
        ----------
        X : table of shape (n, p)
            The columns of fit.
        n_draws : int, default=20
            How many.
        random_state : ignored
            For uniformity with the methods that draw.

        Returns
        -------
        list of tables like X
        """
        return [self.transform(X) for _ in range(positive_draws(n_draws))]

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {}, {"statistics": torch.from_numpy(self.statistics_.copy())}

    def _set_state(self, facts: dict[str, Any], tensors: dict[str, Any]) -> None:
        self.statistics_ = stored(tensors, "statistics", self.n_features_in_).numpy().copy()


class MeanImputer(_ConstantImputer):
    """Fill numbers with the mean of the seen cells, categories with the most frequent one.

    Parameters
    ----------
    kinds : mapping or None
        Kinds of columns where the inferred ones are wrong, see :mod:`halfseen.tables`.
    keep_empty_features : bool
        Whether columns without any observed value are kept (filled with 0) or refused.

    Attributes
    ----------
    statistics_ : ndarray of float64 of shape (p,)
        What each column is filled with; the code of a category.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"age": [30.0, None, 50.0], "sex": ["f", "m", "f"]})
    >>> table.loc[1, "sex"] = None
    >>> MeanImputer(kinds={"sex": "nominal"}).fit_transform(table)
        age sex
    0  30.0   f
    1  40.0   f
    2  50.0   f
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="mean",
        summary="Mean of numbers, most frequent category: the baseline beside every result.",
        paper="folklore",
        mechanism="MCAR",
        draws=False,
    )

    def _numeric_values(self, values: np.ndarray, spec: DataSpec) -> np.ndarray:
        unit, exponent = near_one(values, axis=0)
        return np.ldexp(np.nanmean(unit, axis=0), exponent)


class MedianImputer(_ConstantImputer):
    """Fill numbers with the median of the seen cells, categories with the most frequent one.

    Parameters
    ----------
    kinds : mapping or None
        Kinds of columns where the inferred ones are wrong, see :mod:`halfseen.tables`.
    keep_empty_features : bool
        Whether columns without any observed value are kept (filled with 0) or refused.

    Attributes
    ----------
    statistics_ : ndarray of float64 of shape (p,)
        What each column is filled with; the code of a category.

    Examples
    --------
    >>> MedianImputer().fit_transform([[1.0], [float("nan")], [2.0], [9.0]])
    array([[1.], [2.], [2.], [9.]])
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="median",
        summary="Median of numbers, most frequent category.",
        paper="folklore",
        mechanism="MCAR",
        draws=False,
    )

    def _numeric_values(self, values: np.ndarray, spec: DataSpec) -> np.ndarray:
        return 2 * np.nanmedian(values / 2, axis=0)


class ModeImputer(_ConstantImputer):
    """Fill every column with its most frequent value, the smallest of those that tie.

    Parameters
    ----------
    kinds : mapping or None
        Kinds of columns where the inferred ones are wrong, see :mod:`halfseen.tables`.
    keep_empty_features : bool
        Whether columns without any observed value are kept (filled with 0) or refused.

    Attributes
    ----------
    statistics_ : ndarray of float64 of shape (p,)
        What each column is filled with; the code of a category.

    Examples
    --------
    >>> ModeImputer().fit_transform([[1.0], [3.0], [float("nan")], [3.0]])
    array([[1.], [3.], [3.], [3.]])
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="mode",
        summary="Most frequent value of every column.",
        paper="folklore",
        mechanism="MCAR",
        draws=False,
    )

    def _numeric_values(self, values: np.ndarray, spec: DataSpec) -> np.ndarray:
        return _modes(values)


class ZeroImputer(_ConstantImputer):
    """Fill numbers with 0, categories with the most frequent one.

    Where a column's kind forbids 0 the nearest allowed value is taken: the nearer bound of a
    bounded column, the smallest seen value of a positive one.

    Parameters
    ----------
    kinds : mapping or None
        Kinds of columns where the inferred ones are wrong, see :mod:`halfseen.tables`.
    keep_empty_features : bool
        Whether columns without any observed value are kept (filled with 0) or refused.

    Attributes
    ----------
    statistics_ : ndarray of float64 of shape (p,)
        What each column is filled with; the code of a category.

    Notes
    -----
    In published tables, where columns are standardised by their complete data, 0 is the true
    mean: an oracle. Print this row beside them.

    Examples
    --------
    >>> ZeroImputer().fit_transform([[1.0], [float("nan")], [3.0]])
    array([[1.], [0.], [3.]])
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="zero",
        summary="Zero, or the nearest value that the column allows; most frequent category.",
        paper="folklore",
        mechanism="MCAR",
        draws=False,
    )

    def _numeric_values(self, values: np.ndarray, spec: DataSpec) -> np.ndarray:
        out = np.zeros(spec.n_columns)
        positive = spec.where("positive")
        out[positive] = np.nanmin(values[:, positive], axis=0)
        bounds = [(_or(c.lower, -np.inf), _or(c.upper, np.inf)) for c in spec.columns]
        low, high = np.array(bounds).reshape(-1, 2).T
        return np.clip(out, low, high)


def _or(bound: float | None, default: float) -> float:
    return default if bound is None else bound


def _modes(values: np.ndarray) -> np.ndarray:
    """Most frequent number of each column (n, p), the smallest of those that tie."""
    if values.size == 0:
        return np.zeros(values.shape[1])
    ordered = np.sort(values, axis=0)
    place = np.arange(len(ordered))[:, None]
    # NaN differs from itself, and so is never part of a run longer than one.
    starts = np.ones(ordered.shape, dtype=bool)
    starts[1:] = ordered[1:] != ordered[:-1]
    run = place - np.maximum.accumulate(np.where(starts, place, 0), axis=0)
    return ordered[run.argmax(axis=0), np.arange(ordered.shape[1])]
