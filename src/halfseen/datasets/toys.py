"""Four classification tasks in the plane, and the exact class probabilities of one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.datasets import make_circles, make_moons

from halfseen.core.noise import RandomState, seed_from
from halfseen.core.words import closest
from halfseen.errors import SettingError

__all__ = ["burger_posterior", "make_toy"]

# Heights of the three bands of the burger, their classes, and their standard deviation.
BANDS = np.array([2.0, 0.0, -2.0])
BAND_CLASS = np.array([1, 0, 1])
BAND_NOISE = 0.5
PINWHEEL_ARMS = 4


def make_toy(
    name: str, n: int = 5000, random_state: RandomState = 0
) -> tuple[np.ndarray, np.ndarray]:
    r"""Make one of the four toy tasks of supMIWAE.

    Parameters
    ----------
    name : {"circles", "moons", "pinwheel", "burger"}
        Which task:

        - "circles": two circles of radius 1 (class 0) and 0.5 (class 1), noise 0.1;
        - "moons": two interleaved half circles, noise 0.1;
        - "pinwheel": four bent arms, a class each; a Gaussian of deviations 0.3 and 0.05 about
          (1, 0) is turned by the angle of its arm plus :math:`0.25 e^{x_1}` and scaled by 10;
        - "burger": :math:`x_1` is uniform on (-2, 2), :math:`x_2` normal about 2, 0 or -2 with
          deviation 0.5; the outer bands are class 1, the middle one is class 0.
    n : int, default=5000
        Number of rows, as equal a number from each circle, moon, arm or band as ``n`` allows.
    random_state : int, RandomState, Generator or None, default=0
        Same seed, same rows.

    Returns
    -------
    X : ndarray of shape (n, 2)
        Complete rows in random order, float64.
    y : ndarray of int of shape (n,)
        Classes, from 0.

    Raises
    ------
    SettingError
        When there is no such task, or no row.

    Notes
    -----
    Parameters are those of the code that Ipsen, Mattei and Frellsen released for "How to deal
    with missing data in supervised deep learning?" (ICLR 2022). In the burger the second
    feature tells the class and the first tells nothing; no constant put into a missing second
    feature can give its probabilities, see :func:`burger_posterior`.

    Examples
    --------
    >>> X, y = make_toy("burger", n=9)
    >>> X.shape, np.bincount(y).tolist()
    ((9, 2), [3, 6])
    """
    if name not in _TOYS:
        raise SettingError(
            f"Got toy {name!r}. Expected one of {list(_TOYS)}.{closest(str(name), _TOYS)}"
        )
    if n < 1:
        raise SettingError(f"Got n={n!r}. Expected a number of rows of at least 1.")
    x, y = _TOYS[name](n, seed_from(random_state))
    return np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.int64)


def burger_posterior(X: Any) -> np.ndarray:
    r"""Exact p(y = 1 | x) of the burger, whichever features are seen.

    .. math:: \frac{p(y = 1 | x)}{p(y = 0 | x)} = 2 e^{-2 / \sigma^2} \cosh(2 x_2 / \sigma^2)

    Parameters
    ----------
    X : array-like of shape (n, 2)
        Rows of the task "burger" of :func:`make_toy`, NaN where missing completely at random.

    Returns
    -------
    ndarray of shape (n,)
        2/3 where the second feature is missing; the first does not matter.

    Examples
    --------
    >>> burger_posterior([[0.0, 2.0], [0.0, 0.0], [1.0, np.nan]]).round(4)
    array([0.9997, 0.0007, 0.6667])
    """
    rows = np.asarray(X, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != 2:
        raise SettingError(f"Got rows of shape {rows.shape}. Expected (n, 2).")
    missing, variance = np.isnan(rows[:, 1]), BAND_NOISE**2
    height = np.where(missing, 0.0, rows[:, 1])
    slope, depth = BANDS[0] * height / variance, BANDS[0] ** 2 / (2 * variance)
    posterior = expit(np.logaddexp(slope, -slope) - depth)
    return np.where(missing, BAND_CLASS.mean(), posterior)


def _circles(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    return make_circles(n, noise=0.1, factor=0.5, random_state=seed)


def _moons(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    return make_moons(n, noise=0.1, random_state=seed)


def _pinwheel(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    arm = rng.permutation(np.arange(n) % PINWHEEL_ARMS)
    along, across = 1 + 0.3 * rng.standard_normal(n), 0.05 * rng.standard_normal(n)
    angle = 2 * np.pi * arm / PINWHEEL_ARMS + 0.25 * np.exp(along)
    # A clockwise blade: the row vector (along, across) times a matrix of rotation.
    first = along * np.cos(angle) + across * np.sin(angle)
    second = across * np.cos(angle) - along * np.sin(angle)
    return 10 * np.column_stack([first, second]), arm


def _burger(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    band = rng.permutation(np.arange(n) % len(BANDS))
    across = rng.uniform(-2, 2, n)
    height = BANDS[band] + BAND_NOISE * rng.standard_normal(n)
    return np.column_stack([across, height]), BAND_CLASS[band]


_TOYS: dict[str, Callable[[int, int], tuple[np.ndarray, np.ndarray]]] = {
    "circles": _circles,
    "moons": _moons,
    "pinwheel": _pinwheel,
    "burger": _burger,
}
