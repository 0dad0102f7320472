"""Numbers near one: the same digits, far from both ends of the range of floats."""

from __future__ import annotations

import numpy as np

__all__ = ["near_one"]


def near_one(values: np.ndarray, axis: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Numbers over a power of two such that the largest of them is in [0.5, 1).

    Neither sums nor squares nor differences of these leave the range of floats, and
    ``np.ldexp(part, exponent)`` takes a part back: to the last digit, but for numbers 1e300 times
    smaller than the largest.

    Parameters
    ----------
    values : array of shape (n, ...)
        NaN where missing; along the axis a number at least.
    axis : int, optional
        Along which the largest is looked for; by default all of them share a power.

    Returns
    -------
    tuple
        The numbers, and the exponent of each power: one, or those of the other axes.

    Examples
    --------
    >>> unit, exponent = near_one(np.array([6e300, -5e299]))
    >>> unit.round(3), np.ldexp(unit, exponent)
    (array([ 0.56 , -0.047]), array([ 6.e+300, -5.e+299]))
    """
    exponent = np.frexp(np.nanmax(np.abs(values), axis=axis))[1]
    return np.ldexp(values, -exponent), exponent
