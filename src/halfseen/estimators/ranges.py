"""Ranges of what was seen, and units in which they are [0, 1]."""

from __future__ import annotations

import warnings

import numpy as np

from halfseen.core.spec import DataSpec
from halfseen.core.units import Units

__all__ = ["bounded_units", "seen_range"]


def seen_range(x: np.ndarray, spec: DataSpec) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest seen value of each column (p,); pixels share theirs, as they do units.

    Parameters
    ----------
    x : array of shape (n, p)
        NaN where missing.
    spec : DataSpec
        The columns.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        low, high = np.nanmin(x, 0), np.nanmax(x, 0)
        for pixels in spec.images:
            low[pixels], high[pixels] = np.nanmin(low[pixels]), np.nanmax(high[pixels])
    return low, high


def bounded_units(
    spec: DataSpec, values: np.ndarray, *, skewed: bool = False
) -> tuple[Units, np.ndarray, np.ndarray]:
    """Units for models whose answers stay in the range of what was seen.

    Columns of a table are standardised; the pixels of a picture span [0, 1].

    Parameters
    ----------
    spec : DataSpec
        The columns.
    values : array of shape (n, p)
        Data units, NaN where missing.
    skewed : bool, default=False
        Whether strongly skewed columns are bent first, as in :class:`Units`.

    Returns
    -------
    tuple
        The units, and the smallest and largest seen number of each column (p,) in them.

    Examples
    --------
    >>> table = np.array([[2.0], [np.nan], [6.0], [4.0]])
    >>> units, low, high = bounded_units(DataSpec.continuous(1), table)
    >>> low.round(2), high.round(2)
    (array([-1.22]), array([1.22]))
    """
    units = Units.fit(spec, values, skewed=skewed)
    low, high = seen_range(units.to_model(values), spec)
    shift, scale = units.shift.copy(), units.scale.copy()
    for pixels in spec.images:
        shift[pixels] += low[pixels] * units.scale[pixels]
        width = high[pixels] - low[pixels]
        scale[pixels] *= np.where(width > 0, width, 1.0)
    units = units.rescaled(shift, scale)
    low, high = seen_range(units.to_model(values), spec)
    return units, low, high
