"""Numeric columns in which values come back: few distinct ones, or one very often.

A density that meets a repeated value can grow without bound, and a Gaussian between two values
that never occur is no answer. Such values get probabilities instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from halfseen.core.spec import NUMERIC, DataSpec
from halfseen.errors import SettingError

__all__ = ["NO_REPEATS", "Repeats", "find_repeats"]

# A grid has at most so many values, each seen so often on average.
MOST_VALUES, SEEN_EACH = 40, 10
# An atom holds at least this share of the seen cells.
ATOM_SHARE = 0.1


@dataclass(frozen=True)
class Repeats:
    """Columns with repeated values, in model units.

    Attributes
    ----------
    grid : dict of int to list of float
        Columns with few distinct values, and these.
    atom : dict of int to float
        Columns with one frequent value, and it.
    """

    grid: dict[int, list[float]] = field(default_factory=dict)
    atom: dict[int, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain lists: JSON has no whole numbers as keys."""
        return {"grid": list(self.grid.items()), "atom": list(self.atom.items())}

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> Repeats:
        """Inverse of :meth:`to_json`."""
        return cls(dict(map(tuple, state["grid"])), dict(map(tuple, state["atom"])))


NO_REPEATS = Repeats()


def find_repeats(x: np.ndarray, spec: DataSpec, setting: str = "auto") -> Repeats:
    """Which numeric columns repeat their values.

    Parameters
    ----------
    x : array of shape (n, p)
        Model units, NaN where missing.
    spec : DataSpec
        The columns.
    setting : {"auto", "none"}
        "none" treats every numeric column as a density.

    Examples
    --------
    >>> x = np.c_[np.arange(200.0), np.arange(200) % 4, np.maximum(np.arange(-99.0, 101), 0)]
    >>> found = find_repeats(x, DataSpec.continuous(3))
    >>> found.grid, found.atom
    ({1: [0.0, 1.0, 2.0, 3.0]}, {2: 0.0})
    """
    if setting not in ("auto", "none"):
        raise SettingError(f"Got repeats={setting!r}. Expected 'auto' or 'none'.")
    found = Repeats()
    if setting == "none":
        return found
    for j in spec.where(*NUMERIC):
        seen = x[~np.isnan(x[:, j]), j].astype(np.float32)
        values, counts = np.unique(seen, return_counts=True)
        if len(values) <= MOST_VALUES and len(seen) >= SEEN_EACH * len(values):
            found.grid[j] = [float(v) for v in values]
        elif counts.max() >= max(ATOM_SHARE * len(seen), SEEN_EACH):
            found.atom[j] = float(values[counts.argmax()])
    return found
