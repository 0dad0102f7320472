"""Scores of many completed tables: whether draws are as uncertain as they should be."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from halfseen.errors import SettingError
from halfseen.metrics.cells import check_draws
from halfseen.metrics.features import (
    column_names,
    common_exponent,
    finite_distance,
    finite_numbers,
    in_order,
)

__all__ = ["crps_draws", "energy_distance", "interval_coverage", "interval_width"]


def crps_draws(draws: Any, x_true: Any, s: Any) -> float:
    r"""Fair continuous ranked probability score, averaged over missing cells.

    .. math:: \frac1m \sum_i |X_i - x| - \frac{1}{2 m (m - 1)} \sum_{i,j} |X_i - X_j|

    Parameters
    ----------
    draws : array-like of shape (n_draws, n, p)
        Completed tables.
    x_true : array-like of shape (n, p)
        The truth.
    s : array-like of shape (n, p)
        1 where observed, 0 where missing.

    Returns
    -------
    float
        Lower is better. One draw scores its mean absolute error.

    Notes
    -----
    Fair: its expectation does not depend on the number of draws.

    Examples
    --------
    >>> crps_draws([[[0.0]], [[2.0]]], [[1.0]], [[0]])
    0.0
    >>> crps_draws([[[0.0]]], [[1.0]], [[0]])
    1.0
    """
    samples, truth = check_draws(draws, x_true, s)
    m = len(samples)
    error = np.abs(samples - truth).mean()
    if m == 1:
        return float(error)
    # sum_{i,j} |X_i - X_j| = 2 sum_i (2 i - m - 1) X_(i), with X_(i) in ascending order.
    weights = 2.0 * np.arange(1, m + 1) - m - 1
    spread = 2.0 * (weights @ np.sort(samples, axis=0)).mean()
    return float(error - spread / (2.0 * m * (m - 1)))


def interval_coverage(draws: Any, x_true: Any, s: Any, level: float = 0.9) -> float:
    """Share of missing cells whose truth lies between the central quantiles of the draws.

    Parameters
    ----------
    draws : array-like of shape (n_draws, n, p)
        Completed tables; some tens of them, or the outer quantiles mean little.
    x_true : array-like of shape (n, p)
        The truth.
    s : array-like of shape (n, p)
        1 where observed, 0 where missing.
    level : float, default=0.9
        Nominal coverage.

    Returns
    -------
    float
        Should be near ``level``.

    Examples
    --------
    >>> draws = np.linspace(0, 1, 101).reshape(101, 1, 1) * np.ones((1, 2, 1))
    >>> interval_coverage(draws, [[0.5], [0.99]], [[0], [0]])
    0.5
    """
    samples, truth = check_draws(draws, x_true, s)
    low, high = _interval(samples, level)
    return float(np.mean((low <= truth) & (truth <= high)))


def interval_width(draws: Any, x_true: Any, s: Any, level: float = 0.9) -> float:
    """Mean width of the central interval of the draws, over missing cells.

    Parameters
    ----------
    draws : array-like of shape (n_draws, n, p)
        Completed tables.
    x_true : array-like of shape (n, p)
        The truth; only its shape matters.
    s : array-like of shape (n, p)
        1 where observed, 0 where missing.
    level : float, default=0.9
        Nominal coverage.

    Returns
    -------
    float
        Among intervals that cover as they should, narrower is better.

    Examples
    --------
    >>> draws = np.linspace(0, 1, 101).reshape(101, 1, 1)
    >>> round(interval_width(draws, [[0.5]], [[0]]), 12)
    0.9
    """
    samples, _ = check_draws(draws, x_true, s)
    low, high = _interval(samples, level)
    return float(np.mean(high - low))


def _interval(samples: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    if not 0 < level < 1:
        raise SettingError(f"Got level={level!r}. Expected a number strictly between 0 and 1.")
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def energy_distance(x: Any, y: Any) -> float:
    r"""Distance between two samples of rows: 0 if and only if their laws agree.

    .. math:: 2 E|X - Y| - E|X - X'| - E|Y - Y'|

    Parameters
    ----------
    x : array-like of shape (n, p)
        Rows, for example of a completed table.
    y : array-like of shape (m, p)
        Rows of another, in the same units. Columns of two tables go by their names
        where all are text, and by their places otherwise.

    Returns
    -------
    float
        The squared distance between the empirical laws (Szekely and Rizzo, 2013).

    Raises
    ------
    SettingError
        When there are no rows, numbers or names of columns differ, a value is NaN, or the
        distance is no float.

    Examples
    --------
    >>> energy_distance([[0.0], [1.0]], [[0.0], [1.0]])
    0.0
    >>> energy_distance([[0.0]], [[3.0]])
    6.0
    """
    y = in_order(y, column_names(x))
    first, second = (
        finite_numbers(sample, name).astype(np.float64, copy=False)
        for sample, name in ((x, "x"), (y, "y"))
    )
    tables = first.ndim == second.ndim == 2 and first.size and second.size
    if not tables or first.shape[1] != second.shape[1]:
        raise SettingError(
            f"Got samples of shape {first.shape} and {second.shape}. Expected (n, p) and (m, p), "
            "with one row each at least."
        )
    scale = 2.0 ** common_exponent(first, second)
    first, second = first / scale, second / scale
    between = cdist(first, second).mean()
    within = cdist(first, first).mean() + cdist(second, second).mean()
    return finite_distance(float(2 * between - within) * scale)
