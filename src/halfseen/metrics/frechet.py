"""Frechet distance between two samples: how far their means and covariances are apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen.errors import SettingError
from halfseen.metrics.features import (
    Features,
    check_squares,
    column_names,
    finite_numbers,
    in_order,
    take_features,
)

__all__ = ["Moments", "fid", "frechet_distance", "moments"]


class Moments:
    r"""Mean and covariance of rows that come in batches, in float64.

    .. math:: n = n_a + n_b, \quad \delta = \mu_b - \mu_a, \quad
              \mu = \mu_a + \delta \tfrac{n_b}{n}, \quad
              M = M_a + M_b + \delta \delta^\top \tfrac{n_a n_b}{n}

    with :math:`M = \sum_i (x_i - \mu)(x_i - \mu)^\top` (Chan, Golub and LeVeque, 1983).

    Attributes
    ----------
    n : int
        Rows so far.
    names : list of str or None
        Of the columns, where :func:`moments` took them from a table that names them.

    Examples
    --------
    >>> seen = Moments().update([[0.0, 1.0]]).update([[2.0, 1.0]])
    >>> seen.n, seen.mean
    (2, array([1., 1.]))
    >>> seen.covariance
    array([[2., 0.], [0., 0.]])
    """

    def __init__(self) -> None:
        self.n = 0
        self.names: list[str] | None = None
        self._mean = np.zeros(0)
        self._scatter = np.zeros((0, 0))

    def update(self, batch: Any) -> Moments:
        """Take in some rows.

        Parameters
        ----------
        batch : array-like or Tensor of shape (B, d)
            Features; B may be 1, and 0 changes nothing.

        Returns
        -------
        Moments
            This object.

        Raises
        ------
        SettingError
            When rows have another number of features than those before, are not finite, or
            are so large that their squares are not.
        """
        rows = finite_numbers(batch, "a batch").astype(np.float64, copy=False)
        if rows.ndim != 2:
            raise SettingError(f"Got a batch of shape {rows.shape}. Expected (B, d).")
        check_squares(rows, "a batch")
        if not len(rows):
            return self
        mean = rows.mean(0)
        centred = rows - mean
        return self._add(len(rows), mean, centred.T @ centred)

    def merge(self, other: Moments) -> Moments:
        """Take in the rows that another object saw, which stays as it is.

        Parameters
        ----------
        other : Moments
            Of other rows with the same features.

        Returns
        -------
        Moments
            This object.

        Raises
        ------
        SettingError
            When the numbers of features differ, or the names of columns or their order.

        Examples
        --------
        >>> Moments().update([[0.0]]).merge(Moments().update([[4.0]])).covariance
        array([[8.]])
        """
        if not other.n:
            return self
        _check_alike(self, other)
        if not self.n:
            self.names = other.names
        return self._add(other.n, other._mean, other._scatter)

    @property
    def mean(self) -> np.ndarray:
        """Mean of the features, of shape (d,)."""
        return self._mean.copy()

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of the features with the divisor n - 1, of shape (d, d)."""
        if self.n < 2:
            raise SettingError(
                f"Got {self.n} row(s). Expected 2 or more: fewer have no covariance."
            )
        return self._scatter / (self.n - 1)

    def _add(self, n: int, mean: np.ndarray, scatter: np.ndarray) -> Moments:
        if self.n == 0:
            self.n, self._mean, self._scatter = n, mean.copy(), scatter.copy()
            return self
        if mean.shape != self._mean.shape:
            raise SettingError(
                f"Got rows of {mean.size} features. Expected {self._mean.size}, as before."
            )
        total = self.n + n
        delta = mean - self._mean
        self._scatter += scatter + np.outer(delta, delta) * (self.n * n / total)
        self._mean += delta * (n / total)
        self.n = total
        return self


def fid(x: Any, y: Any, features: Features | None = None, *, batch_size: int = 500) -> float:
    r"""Frechet distance between two samples, by the features of a network or the cells.

    .. math:: |\mu_x - \mu_y|^2
              + \operatorname{tr}(\Sigma_x + \Sigma_y - 2 (\Sigma_x \Sigma_y)^{1/2})

    Parameters
    ----------
    x, y : array-like or Tensor of shape (n, ...) and (m, ...), or Moments
        Samples without holes: rows, or pictures; or what :func:`moments` made of them, so that
        the statistics of the real ones are reused. Columns of two tables go by their names
        where all are text, and by their places otherwise.
    features : callable or Module, optional
        From a tensor (B, ...) to (B, d), such as :func:`~halfseen.metrics.lenet_features`; by
        default the cells themselves. A network is put in evaluation mode meanwhile and gets rows
        on its device; no gradients are kept.
    batch_size : int, default=500
        How many rows go through ``features`` at a time; the answer does not depend on it.

    Returns
    -------
    float
        The squared 2-Wasserstein distance of two Gaussians with these moments, in squared units
        of the features; 0 where the moments agree.

    Raises
    ------
    SettingError
        When a sample has fewer than two rows, numbers of features or names of columns differ, or
        a value is NaN or beyond 1e100; when both are Moments and their columns stood in other
        orders.

    Notes
    -----
    Heusel et al. (2017), where features are those of Inception; with others it should be called
    by another name. It grows when samples are small: compare methods with as many rows each, and
    never across networks of features.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(100, 3))
    >>> round(fid(x, x), 8), round(fid(x, x + 2.0), 8)
    (0.0, 12.0)
    """
    x, y = _in_one_order(x, y)
    first, second = (
        sample if isinstance(sample, Moments) else _moments(sample, features, batch_size, name)
        for name, sample in (("x", x), ("y", y))
    )
    return frechet_distance(first.mean, first.covariance, second.mean, second.covariance)


def moments(x: Any, features: Features | None = None, *, batch_size: int = 500) -> Moments:
    """Mean and covariance of the features of a sample, for :func:`fid` more than once.

    Parameters
    ----------
    x : array-like or Tensor of shape (n, ...)
        A sample without holes.
    features : callable or Module, optional
        As in :func:`fid`; both samples need the same.
    batch_size : int, default=500
        How many rows go through ``features`` at a time.

    Returns
    -------
    Moments

    Raises
    ------
    SettingError
        When there is no row, or a value is NaN.

    Examples
    --------
    >>> real = moments([[0.0], [2.0]])
    >>> fid([[1.0], [3.0]], real)
    1.0
    """
    return _moments(x, features, batch_size, "x")


def _in_one_order(x: Any, y: Any) -> tuple[Any, Any]:
    """Two samples, columns of the tables among them in one order."""
    if isinstance(x, Moments) and isinstance(y, Moments):
        _check_alike(x, y)
        return x, y
    if isinstance(y, Moments):
        return in_order(x, y.names), y
    return x, in_order(y, x.names if isinstance(x, Moments) else column_names(x))


def _check_alike(x: Moments, y: Moments) -> None:
    """Refuse statistics of other columns: those of a network's features have no order of ours."""
    if x.names is not None and y.names is not None and x.names != y.names:
        raise SettingError(
            f"Got moments of the columns {x.names[:10]} and {y.names[:10]}. Expected the same "
            "columns in the same order: choose them before moments(table), as in "
            "moments(table[names])."
        )


def _moments(x: Any, features: Features | None, batch_size: int, name: str) -> Moments:
    found = Moments()
    found.names = column_names(x)
    take_features(x, features, batch_size, found.update, name)
    return found


def frechet_distance(
    mean_x: np.ndarray, covariance_x: np.ndarray, mean_y: np.ndarray, covariance_y: np.ndarray
) -> float:
    r"""Squared 2-Wasserstein distance between two Gaussians.

    Parameters
    ----------
    mean_x, mean_y : ndarray of shape (d,)
        Means.
    covariance_x, covariance_y : ndarray of shape (d, d)
        Covariances, symmetric; they need not have full rank.

    Returns
    -------
    float
        0 or more.

    Raises
    ------
    SettingError
        When numbers of features differ.

    Notes
    -----
    :math:`\operatorname{tr}(\Sigma_x \Sigma_y)^{1/2}` is
    :math:`\operatorname{tr}(\Sigma_x^{1/2} \Sigma_y \Sigma_x^{1/2})^{1/2}`, the sum of the
    singular values of :math:`\Sigma_x^{1/2} \Sigma_y^{1/2}`. Taking these loses no digits, where
    roots of eigenvalues that should be 0 would add 1e-8 each, and is never complex.

    Examples
    --------
    >>> frechet_distance(np.zeros(2), np.diag([1.0, 4.0]), np.ones(2), np.diag([9.0, 0.0]))
    10.0
    """
    shapes = [np.shape(a) for a in (mean_x, covariance_x, mean_y, covariance_y)]
    d = np.size(mean_x)
    if shapes != [(d,), (d, d)] * 2:
        raise SettingError(
            f"Got means and covariances of shapes {shapes}. Expected the same number d of "
            "features for both: (d,) and (d, d)."
        )
    between = np.linalg.svd(_root(covariance_x).T @ _root(covariance_y), compute_uv=False).sum()
    shift = np.sum((np.asarray(mean_x) - np.asarray(mean_y)) ** 2)
    traces = np.trace(covariance_x) + np.trace(covariance_y)
    return float(max(shift + traces - 2 * between, 0.0))


def _root(covariance: np.ndarray) -> np.ndarray:
    """A factor R of shape (d, rank) with R R' = the covariance."""
    values, vectors = np.linalg.eigh(covariance)
    # Smaller ones are rounding errors, as in numpy's rank of a matrix.
    kept = values > max(values.max(initial=0.0), 0.0) * len(values) * np.finfo(np.float64).eps
    return vectors[:, kept] * np.sqrt(values[kept])
