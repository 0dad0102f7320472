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
    spec: DataSpec, values: np.ndarray, *, skewed: bool = False, scale: str = "standard"
) -> tuple[Units, np.ndarray, np.ndarray]:
    """Units for models whose answers stay in the range of what was seen.

    Columns of a table are standardised, or span [0, 1]; the pixels of a picture do that always.

    Parameters
    ----------
    spec : DataSpec
        The columns.
    values : array of shape (n, p)
        Data units, NaN where missing.
    skewed : bool, default=False
        Whether strongly skewed columns are bent first, as in :class:`Units`.
    scale : {"standard", "unit"}, default="standard"
        Whether columns of a table are standardised, or what was seen of them spans [0, 1].

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
    >>> bounded_units(DataSpec.continuous(1), table, scale="unit")[1:]
    (array([0.]), array([1.]))
    """
    units = Units.fit(spec, values, skewed=skewed)
    low, high = seen_range(units.to_model(values), spec)
    spans = [*spec.images]
    if scale == "unit":
        inside = {pixel for pixels in spec.images for pixel in pixels}
        numeric = [j for j, column in enumerate(spec.columns) if not column.categorical]
        spans += [[j] for j in numeric if j not in inside]
    shift, spread = units.shift.copy(), units.scale.copy()
    for span in spans:
        shift[span] += low[span] * units.scale[span]
        width = high[span] - low[span]
        spread[span] *= np.where(width > 0, width, 1.0)
    units = units.rescaled(shift, spread)
    low, high = seen_range(units.to_model(values), spec)
    return units, low, high
