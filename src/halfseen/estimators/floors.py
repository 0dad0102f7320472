"""The noise floor belongs to the column: its resolution and its repetitions.

Real columns repeat values (zeros, rounded units). A density that may shrink to a point rewards
that without bound; a floor tied to the column keeps the objective about the rest.
"""

from __future__ import annotations

from itertools import chain

import numpy as np

from halfseen.core.spec import DataSpec

__all__ = ["noise_floors"]


def noise_floors(
    x: np.ndarray, spec: DataSpec, setting: float | str, lowest: float = 0.02, most: float = 0.1
) -> np.ndarray:
    """Smallest noise scale of each column, in model units.

    Parameters
    ----------
    x : array of shape (n, p)
        Model units, NaN where missing.
    spec : DataSpec
        The columns.
    setting : float or "auto"
        One floor for all numeric columns, or by each column's repetition.
    lowest, most : float
        Floors of a column that never repeats a value and of one that always does. The grey
        values of images come back, so that pixels get the latter.

    Examples
    --------
    >>> x = np.c_[np.arange(100.0), np.repeat([0.0, 1.0], 50)]
    >>> noise_floors(x, DataSpec.continuous(2), "auto").round(3)
    array([0.02 , 0.098])
    """
    if setting != "auto":
        return np.full(spec.n_columns, float(setting))
    pixels = set(chain.from_iterable(spec.images))
    share = [1.0 if j in pixels else _repetition(column) for j, column in enumerate(x.T)]
    return lowest + (most - lowest) * np.array(share)


def _repetition(column: np.ndarray) -> float:
    """Share of seen cells whose value was there already."""
    seen = column[~np.isnan(column)]
    return 1 - len(np.unique(seen)) / len(seen) if len(seen) else 0.0
