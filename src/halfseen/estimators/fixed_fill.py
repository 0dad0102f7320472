"""Constants that stand in for missing cells and are known before any training: zeros and means."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from halfseen.core.floats import near_one
from halfseen.core.spec import NUMERIC, DataSpec
from halfseen.core.units import Units

__all__ = ["FIXED", "fixed_fill"]


def fixed_fill(fill: str, spec: DataSpec, units: Units, values: np.ndarray) -> np.ndarray:
    """What missing cells are filled with, in model units.

    Zeros and means are those of the table's own units: a model unit of 0 is no mean of a pixel,
    which shares its shift with others, nor of a column whose map is curved.

    Parameters
    ----------
    fill : str
        "mean": the mean of the seen cells of a column, the frequencies of its categories; "zero":
        0, or the nearest value that the column allows, and no category. Model units of 0 for any
        other.
    spec : DataSpec
        The p columns.
    units : Units
        Of the model.
    values : array of shape (n, p)
        Data units, NaN where missing.

    Returns
    -------
    ndarray of shape (F,)
        By feature.

    Examples
    --------
    >>> spec, table = DataSpec.continuous(1), np.array([[1.0], [np.nan], [3.0]])
    >>> fixed_fill("mean", spec, Units.identity(spec), table)
    array([2.])
    """
    out = np.zeros(spec.n_features)
    if fill not in FIXED:
        return out
    row = units.to_model(FIXED[fill](spec, values)[None])[0]
    for j, column in enumerate(spec.columns):
        at = slice(spec.offsets[j], spec.offsets[j + 1])
        if not column.categorical:
            out[at] = row[j]
        elif fill == "mean":
            seen = _seen(values, j).astype(int)
            out[at] = np.bincount(seen, minlength=column.width) / max(len(seen), 1)
    return out


def _zeros(spec: DataSpec, values: np.ndarray) -> np.ndarray:
    """The zero of each column (p,), or the nearest value that the column allows."""
    row = np.zeros(spec.n_columns)
    for j in spec.where("positive", "bounded"):
        row[j] = np.clip(0.0, np.nanmin(values[:, j]), np.nanmax(values[:, j]))
    return row


def _means(spec: DataSpec, values: np.ndarray) -> np.ndarray:
    """The mean of the seen cells of each numeric column (p,), in data units.

    A pixel that no image shows takes the mean of all that is seen of its image.
    """
    row = np.zeros(spec.n_columns)
    for pixels in spec.images:
        row[pixels] = _mean(_seen(values, pixels))
    for j in spec.where(*NUMERIC):
        seen = _seen(values, j)
        row[j] = _mean(seen) if seen.size else row[j]
    return row


def _seen(values: np.ndarray, at: int | list[int]) -> np.ndarray:
    cells = values[:, at]
    return cells[~np.isnan(cells)]


def _mean(seen: np.ndarray) -> float:
    """As :class:`Units` takes it, to the last digit."""
    if not seen.size:
        return 0.0
    unit, exponent = near_one(seen)
    return float(np.ldexp(np.mean(unit), exponent))


#: What is known of a column before any training, by the fill that takes it.
FIXED: dict[str, Callable[[DataSpec, np.ndarray], np.ndarray]] = {"mean": _means, "zero": _zeros}
