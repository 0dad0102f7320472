"""Kernel distance between two samples: like Frechet's, but unbiased when samples are small."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from halfseen.core.noise import RandomState, seed_from
from halfseen.errors import SettingError
from halfseen.metrics.features import Features, feature_pair

__all__ = ["KernelDistance", "kid", "kid_with_error"]

# The kernel is of sixth powers, and its error of squares of these.
LARGEST = 1e25


class KernelDistance(NamedTuple):
    """A kernel distance and how sure it is.

    Parameters
    ----------
    distance : float
        Mean over subsets.
    standard_error : float
        Of that mean over subsets; NaN with one subset, and with subsets that are all of both
        samples.
    """

    distance: float
    standard_error: float


def kid(
    x: Any,
    y: Any,
    features: Features | None = None,
    *,
    n_subsets: int = 100,
    subset_size: int | None = None,
    random_state: RandomState = 0,
    batch_size: int = 500,
) -> float:
    r"""Kernel distance between two samples, by the features of a network or the cells.

    .. math:: \frac{1}{m (m - 1)} \sum_{i \ne j} \big( k(x_i, x_j) + k(y_i, y_j) \big)
              - \frac{2}{m^2} \sum_{i, j} k(x_i, y_j),
              \quad k(a, b) = \Big( \frac{a^\top b}{d} + 1 \Big)^3

    Parameters
    ----------
    x, y : array-like or Tensor of shape (n, ...) and (n', ...)
        Samples without holes: rows, or pictures. Columns of two tables go by their names
        where all are text, and by their places otherwise.
    features : callable or Module, optional
        As in :func:`~halfseen.metrics.fid`; by default the cells themselves.
    n_subsets : int, default=100
        The distance is the mean over so many random subsets.
    subset_size : int, optional
        Rows m of each sample in a subset, drawn without replacement; by default 1000, or all of
        the smaller sample.
    random_state : int, RandomState, Generator or None, default=0
        Same seed, same subsets.
    batch_size : int, default=500
        How many rows go through ``features`` at a time.

    Returns
    -------
    float
        Its expectation is 0 if the laws of the features agree up to third moments; it may be
        negative.

    Raises
    ------
    SettingError
        When a sample has fewer than two rows or than ``subset_size``, numbers of features or names
        of columns differ, or a value is NaN or beyond 1e25.

    Notes
    -----
    The unbiased squared maximum mean discrepancy, called kernel inception distance with
    features of Inception (Binkowski, Sutherland, Arbel and Gretton, 2018).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(2, 500, 2))
    >>> abs(kid(x, y)) < 0.05, kid(x, y + 1.0) > 1.0
    (True, True)
    """
    first, second = feature_pair(x, y, features, batch_size, LARGEST)
    size = min(1000, len(first), len(second)) if subset_size is None else subset_size
    return _over_subsets(first, second, size, n_subsets, random_state).distance


def kid_with_error(
    x: Any,
    y: Any,
    features: Features | None = None,
    *,
    n_subsets: int = 100,
    subset_size: int | None = None,
    random_state: RandomState = 0,
    batch_size: int = 500,
) -> KernelDistance:
    """The same as :func:`kid`, with the standard error of its mean over subsets.

    Parameters
    ----------
    x, y, features, n_subsets, random_state, batch_size
        As in :func:`kid`.
    subset_size : int, optional
        Rows m of each sample in a subset, drawn without replacement; by default 1000, or half of
        the smaller sample: subsets that are all of it say little about the error.

    Returns
    -------
    KernelDistance
        ``distance`` and ``standard_error``. Where ``subset_size`` is all of both samples, there
        is one subset: the distance is computed once, and its error is NaN.

    Raises
    ------
    SettingError
        As in :func:`kid`.

    Notes
    -----
    Subsets share rows, so the error is too small where they hold much of the samples. By default
    they are smaller than those of :func:`kid` for samples of less than 2000 rows, and so the
    distance is not the same number, though it has the same expectation.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = kid_with_error(*rng.normal(size=(2, 500, 2)), subset_size=50)
    >>> abs(found.distance) < 4 * found.standard_error
    True
    """
    first, second = feature_pair(x, y, features, batch_size, LARGEST)
    half = max(2, min(len(first), len(second)) // 2)
    size = min(1000, half) if subset_size is None else subset_size
    return _over_subsets(first, second, size, n_subsets, random_state)


def _over_subsets(
    first: np.ndarray, second: np.ndarray, size: int, n_subsets: int, random_state: RandomState
) -> KernelDistance:
    """Mean over random subsets, and its error."""
    fewest = min(len(first), len(second))
    if not 2 <= size <= fewest or n_subsets < 1:
        raise SettingError(
            f"Got {n_subsets} subset(s) of {size} row(s). Expected 1 subset at least, of 2 to "
            f"{fewest} rows."
        )
    if size == len(first) == len(second):
        # Every subset is the same.
        n_subsets = 1
    rng = np.random.default_rng(seed_from(random_state))
    values = [
        _squared_discrepancy(
            first[rng.choice(len(first), size, replace=False)],
            second[rng.choice(len(second), size, replace=False)],
        )
        for _ in range(n_subsets)
    ]
    error = np.std(values, ddof=1) / np.sqrt(n_subsets) if n_subsets > 1 else np.nan
    return KernelDistance(float(np.mean(values)), float(error))


def _squared_discrepancy(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased estimate from as many rows of each sample."""
    within = sum(kernel.sum() - np.trace(kernel) for kernel in (_kernel(x, x), _kernel(y, y)))
    return float(within / (len(x) * (len(x) - 1)) - 2 * _kernel(x, y).mean())


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    base = x @ y.T / x.shape[1] + 1
    # Numpy's power takes many times as long.
    return base * base * base
