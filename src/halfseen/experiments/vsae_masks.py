"""Holes and splits of the VSAE paper (sections 4.1 and 4.2, appendix C.4)."""

from __future__ import annotations

import numpy as np

from halfseen.errors import SettingError

__all__ = ["mar_mask", "mcar_mask", "nmar_mask", "split_rows"]

TEST, VALID = 0.2, 0.2


def split_rows(n_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places of training, validation and test rows: 20 % to test, 20 % of the rest to choose by.

    Parameters
    ----------
    n_rows : int
        How many there are.
    seed : int
        Of the order.

    Returns
    -------
    tuple of ndarray of int
        Each in increasing order; the numbers of rows are rounded.

    Examples
    --------
    >>> [len(part) for part in split_rows(100, 0)]
    [64, 16, 20]
    """
    order = np.random.default_rng([seed, 1]).permutation(n_rows)
    n_test = round(TEST * n_rows)
    n_valid = round(VALID * (n_rows - n_test))
    parts = np.split(order, [n_test, n_test + n_valid])
    return np.sort(parts[2]), np.sort(parts[1]), np.sort(parts[0])


def mcar_mask(n_rows: int, n_modalities: int, ratio: float, seed: int) -> np.ndarray:
    """Each modality of each row is missing by itself, completely at random.

    Parameters
    ----------
    n_rows, n_modalities : int
        Size; in a table every column is a modality.
    ratio : float
        Probability to be missing, 0.3, 0.5 or 0.7 in the paper.
    seed : int
        The holes are drawn once, and fixed while models learn.

    Returns
    -------
    ndarray of bool of shape (n_rows, n_modalities)
        True where seen. Rows in which nothing is seen stay: the paper does not say that they
        are left out, and scores tell them apart.

    Examples
    --------
    >>> float(mcar_mask(1000, 2, 0.3, 0).mean().round(1))
    0.7
    """
    if not 0 <= ratio < 1:
        raise SettingError(f"Got ratio={ratio!r}. Expected a number in [0, 1).")
    return _uniform((n_rows, n_modalities), seed) >= ratio


def mar_mask(x: np.ndarray, seed: int) -> np.ndarray:
    """Missing at random: the first columns are always seen, and decide about the others.

    Parameters
    ----------
    x : ndarray of shape (n, M)
        Complete columns, scaled to [0, 1].
    seed : int
        Of the holes.

    Returns
    -------
    ndarray of bool of shape (n, M)
        True where seen.

    Notes
    -----
    The first K columns, a quarter of them (rounded down, one at least), are seen. In a row every
    other cell is *seen* with probability sigmoid((x_1 + ... + x_K) / M). The paper's formula is
    garbled in print, and its probability "pi(m)" is read as that of m = 1, which is "observed"
    there. The sum over K is divided by M as printed; for Yeast, K = 2 and M = 8, so that the
    probability lies between 0.50 and 0.56: nearly as if completely at random.

    Examples
    --------
    >>> bool(mar_mask(np.full((4, 8), 0.5), 0)[:, :2].all())
    True
    """
    n_seen = max(1, x.shape[1] // 4)
    chance = _sigmoid(x[:, :n_seen].sum(1, keepdims=True) / x.shape[1])
    seen = _uniform(x.shape, seed) < chance
    seen[:, :n_seen] = True
    return seen


def nmar_mask(x: np.ndarray, seed: int) -> np.ndarray:
    """Not missing at random: each cell is seen with probability sigmoid(x).

    Parameters
    ----------
    x : ndarray of shape (n, M)
        Complete columns, scaled to [0, 1].
    seed : int
        Of the holes.

    Returns
    -------
    ndarray of bool of shape (n, M)
        True where seen.

    Notes
    -----
    The paper's "pi(m_i) = sigmoid(x_i)" is read as the probability of m_i = 1, "observed". With
    cells between 0 and 1 it lies between 0.50 and 0.73, so that small values are missing more.

    Examples
    --------
    >>> float(nmar_mask(np.ones((1000, 2)), 0).mean().round(1))
    0.7
    """
    return _uniform(x.shape, seed) < _sigmoid(x)


def _uniform(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 2]).random(shape)


def _sigmoid(t: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * t))
