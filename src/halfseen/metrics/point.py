"""Errors of one completed table: numbers and categories."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen.errors import SettingError
from halfseen.metrics.cells import check_missing, check_numbers, column_rmse

__all__ = ["error_rate", "nrmse_by_feature", "nrmse_pooled", "nrmse_range", "pfc", "rmse"]


def rmse(x_true: Any, x_hat: Any, s: Any) -> float:
    """Root mean squared error, pooled over all missing cells of the table.

    Parameters
    ----------
    x_true : array-like of shape (n, p)
        The truth, usually in standard units of each column.
    x_hat : array-like of shape (n, p)
        The completed table.
    s : array-like of shape (n, p)
        1 where observed, 0 where missing.

    Returns
    -------
    float

    Examples
    --------
    >>> rmse([[1.0, 2.0], [3.0, 4.0]], [[1.0, 5.0], [3.0, 0.0]], [[1, 0], [1, 0]])
    3.5355339059327378
    """
    truth, answer, missing = check_numbers(x_true, x_hat, s)
    return float(np.sqrt(np.mean((answer - truth)[missing] ** 2)))


def nrmse_by_feature(x_true: Any, x_hat: Any, s: Any) -> float:
    """Mean over columns of the RMSE in units of that column's standard deviation.

    Parameters
    ----------
    x_true : array-like of shape (n, p)
        The truth; its complete columns give the standard deviations.
    x_hat : array-like of shape (n, p)
        The completed table.
    s : array-like of shape (n, p)
        1 where observed, 0 where missing; columns without a missing cell do not count.

    Returns
    -------
    float
        About 1 for a fill by the mean when cells are missing completely at random.

    Notes
    -----
    The definition of VAEAC. Constant columns, which have no unit, do not count.

    Examples
    --------
    >>> nrmse_by_feature([[0.0], [2.0], [4.0]], [[2.0], [2.0], [4.0]], [[0], [1], [1]])
    1.2247
    """
    truth, answer, missing = check_numbers(x_true, x_hat, s)
    # Equal numbers may have a mean that is none of them.
    varies = np.nanmax(truth, axis=0) > np.nanmin(truth, axis=0)
    deviation = np.where(varies, np.nanstd(truth, axis=0), 0.0)
    return _mean_ratio(column_rmse(truth, answer, missing), deviation)


def nrmse_range(x_true: Any, x_hat: Any, s: Any) -> float:
    """Mean over columns of the RMSE in units of that column's range.

    Parameters
    ----------
    x_true : array-like of shape (n, p)
        The truth; its complete columns give the ranges.
    x_hat : array-like of shape (n, p)
        The completed table.
    s : array-like of shape (n, p)
        1 where observed, 0 where missing; columns without a missing cell do not count.

    Returns
    -------
    float

    Notes
    -----
    The definition of HI-VAE. Constant columns, which have no unit, do not count.

    Examples
    --------
    >>> nrmse_range([[0.0], [2.0], [4.0]], [[2.0], [2.0], [4.0]], [[0], [1], [1]])
    0.5
    """
    truth, answer, missing = check_numbers(x_true, x_hat, s)
    span = np.nanmax(truth, axis=0) - np.nanmin(truth, axis=0)
    return _mean_ratio(column_rmse(truth, answer, missing), span)


def nrmse_pooled(x_true: Any, x_hat: Any, s: Any) -> float:
    """Mean over columns of the RMSE, in units of the one deviation of the min-max scaled table.

    Parameters
    ----------
    x_true : array-like of shape (n, p)
        The truth; every column is scaled to [0, 1] by its complete range.
    x_hat : array-like of shape (n, p)
        The completed table, in the units of ``x_true``.
    s : array-like of shape (n, p)
        1 where observed, 0 where missing; columns without a missing cell do not count.

    Returns
    -------
    float

    Notes
    -----
    This matches the scale of the numbers in the VSAE tables, whose text describes
    :func:`nrmse_by_feature`. Columns whose ranges differ in spread make it far below 1 for a
    fill by the mean. A constant column counts as if its range were 1.

    Examples
    --------
    >>> nrmse_pooled([[0.0], [2.0], [4.0]], [[2.0], [2.0], [4.0]], [[0], [1], [1]])
    1.2247
    """
    truth, answer, missing = check_numbers(x_true, x_hat, s)
    lowest = np.nanmin(truth, axis=0)
    span = np.nanmax(truth, axis=0) - lowest
    span = np.where(span > 0, span, 1.0)
    scaled, guess = (truth - lowest) / span, (answer - lowest) / span
    deviation = np.full(truth.shape[1], np.nanstd(scaled))
    return _mean_ratio(column_rmse(scaled, guess, missing), deviation)


def _mean_ratio(error: np.ndarray, unit: np.ndarray) -> float:
    """Mean of error over unit, over columns that have both."""
    counts = ~np.isnan(error) & (unit > 0)
    if not counts.any():
        raise SettingError("Got no column that varies and misses a cell. Nothing to score.")
    return float(np.mean(error[counts] / unit[counts]))


def pfc(x_true: Any, x_hat: Any, s: Any) -> float:
    """Proportion of falsely classified cells: the mean over columns of their error rates.

    Parameters
    ----------
    x_true : array-like of shape (n, p)
        True categories, of any type that compares by ``==``.
    x_hat : array-like of shape (n, p)
        Completed categories.
    s : array-like of shape (n, p)
        1 where observed, 0 where missing; columns without a missing cell do not count.

    Returns
    -------
    float

    Examples
    --------
    >>> pfc([["a", "u"], ["b", "v"]], [["a", "v"], ["a", "v"]], [[0, 0], [0, 1]])
    0.75
    """
    wrong, missing = _wrong(x_true, x_hat, s)
    count = missing.sum(0)
    return float(np.mean(wrong.sum(0)[count > 0] / count[count > 0]))


def error_rate(x_true: Any, x_hat: Any, s: Any) -> float:
    """Share of wrong categories, pooled over all missing cells of the table.

    Parameters
    ----------
    x_true : array-like of shape (n, p)
        True categories, of any type that compares by ``==``.
    x_hat : array-like of shape (n, p)
        Completed categories.
    s : array-like of shape (n, p)
        1 where observed, 0 where missing.

    Returns
    -------
    float

    Examples
    --------
    >>> error_rate([["a", "u"], ["b", "v"]], [["a", "v"], ["a", "v"]], [[0, 0], [0, 1]])
    0.6666666666666666
    """
    wrong, missing = _wrong(x_true, x_hat, s)
    return float(wrong.sum() / missing.sum())


def _wrong(x_true: Any, x_hat: Any, s: Any) -> tuple[np.ndarray, np.ndarray]:
    """Which missing cells are wrong, and which cells are missing."""
    import pandas as pd

    truth, answer = np.asarray(x_true, dtype=object), np.asarray(x_hat, dtype=object)
    if truth.shape != answer.shape or truth.ndim != 2:
        raise SettingError(
            f"Got x_true of shape {truth.shape} and x_hat of shape {answer.shape}. "
            "Expected one shape (n, p)."
        )
    missing = check_missing(truth.shape, s)
    for name, cells in (("x_true", truth), ("x_hat", answer)):
        if pd.isna(cells[missing]).any():
            raise SettingError(
                f"Got {name} with unknown categories among the missing cells. Expected categories "
                "there: mark cells of unknown truth as seen (s = 1)."
            )
    wrong = np.zeros(truth.shape, dtype=bool)
    wrong[missing] = [a != b for a, b in zip(truth[missing], answer[missing], strict=True)]
    return wrong, missing
