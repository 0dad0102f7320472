"""Numeric columns in which values come back: few distinct ones, or one very often.

A density that meets a repeated value can grow without bound, and a Gaussian between two values
that never occur is no answer. Such values get probabilities instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from halfseen.core.spec import NUMERIC, DataSpec
from halfseen.core.stored import entries, number, numbers, whole
from halfseen.core.units import Units
from halfseen.errors import FileFormatError, SettingError

__all__ = ["NO_REPEATS", "Repeats", "find_repeats", "log_units"]

# A grid has at most so many values, each seen so often on average.
MOST_VALUES, SEEN_EACH = 40, 10
# An atom holds at least this share of the seen cells.
ATOM_SHARE = 0.1
# How near to an atom a draw counts as the atom, in model units.
ATOM_REACH = 1e-5
# Share of the cells of a column with few distinct values that hold yet another one.
UNSEEN = 1e-4


@dataclass(frozen=True)
class Repeats:
    """Columns with repeated values, in model units.

    Attributes
    ----------
    grid : dict of int to list of float
        Columns with few distinct values, and these.
    atom : dict of int to float
        Columns with one frequent value, and it.
    exact : dict of int to list of float
        The same values in data units, as they stand in the table.
    """

    grid: dict[int, list[float]] = field(default_factory=dict)
    atom: dict[int, float] = field(default_factory=dict)
    exact: dict[int, list[float]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain lists: JSON has no whole numbers as keys."""
        return {name: list(getattr(self, name).items()) for name in ("grid", "atom", "exact")}

    @classmethod
    def from_json(cls, state: dict[str, Any], n_columns: int) -> Repeats:
        """Inverse of :meth:`to_json`, for the columns that vary."""
        made = cls()
        for name in ("grid", "exact"):
            for j, values in _by_column(state, name, n_columns):
                rising = numbers({name: values}, name, None)
                if not rising.size or (np.diff(rising) < 0).any():
                    raise FileFormatError(f"The file's {name!r} has {values} for column {j}.")
                getattr(made, name)[j] = rising.tolist()
        for j, value in _by_column(state, "atom", n_columns):
            made.atom[j] = number({"atom": value}, "atom")
        sizes = {j: len(values) for j, values in made.grid.items()} | dict.fromkeys(made.atom, 1)
        if sizes != {j: len(values) for j, values in made.exact.items()}:
            raise FileFormatError("The file's repeated values are not those of the table.")
        return made

    def hits(self, x: np.ndarray) -> np.ndarray:
        """Cells that have a probability and no density: all of a grid, those at an atom.

        Parameters
        ----------
        x : array of shape (n, p)
            Model units.

        Returns
        -------
        bool array of shape (n, p)
        """
        out = np.zeros(x.shape, bool)
        out[:, list(self.grid)] = True
        for j, atom in self.atom.items():
            out[:, j] = np.abs(x[:, j] - atom) < ATOM_REACH
        return out

    def nearest(self, values: np.ndarray) -> np.ndarray:
        """Cells (n, p) in data units, those of a grid moved to its nearest value."""
        out = values.copy()
        for j in self.grid:
            seen = ~np.isnan(values[:, j])
            out[seen, j] = _nearest(values[seen, j], self.exact[j])
        return out

    def snap(self, x: np.ndarray, data: np.ndarray) -> np.ndarray:
        """Give repeated values back as they stand in the table, to the last bit.

        Parameters
        ----------
        x, data : array of shape (..., p)
            Draws in model units, and the same in data units.

        Returns
        -------
        array of shape (..., p)
        """
        for j, values in self.exact.items():
            known = np.asarray(values)
            if j in self.atom:
                at_atom = np.abs(x[..., j] - self.atom[j]) < ATOM_REACH
                data[..., j] = np.where(at_atom, known[0], data[..., j])
            else:
                data[..., j] = _nearest(data[..., j], known)
        return data


def _nearest(values: np.ndarray, known: Any) -> np.ndarray:
    """The nearest one of rising values to each."""
    known = np.asarray(known)
    return known[np.searchsorted((known[1:] + known[:-1]) / 2, values)]


def _by_column(state: Any, name: str, n_columns: int) -> list[tuple[int, Any]]:
    """Pairs of a column's place and what a file says of it."""
    pairs = [entries({name: item}, name, 2) for item in entries(state, name)]
    return [(whole({name: j}, name, 0, n_columns - 1), said) for j, said in pairs]


NO_REPEATS = Repeats()


def log_units(units: Units, repeats: Repeats, values: np.ndarray) -> np.ndarray:
    """What log-densities of rows gain on the way from model units to those of the data.

    Cells with densities gain the slope of their map; so do the cells of counts beside an atom,
    whose law has a density, which at whole numbers is nearly a probability. Cells with a
    probability gain nothing. A cell off its grid is read as the nearest value: it loses what
    the share ``UNSEEN`` of such cells loses, spread over all numbers by a Cauchy law about the
    grid, so that no value has a probability that belongs to another.

    Parameters
    ----------
    units : Units
        Of the model.
    repeats : Repeats
        Of the columns.
    values : array of shape (n, p)
        Data units, NaN where missing.

    Returns
    -------
    array of shape (n,)

    Examples
    --------
    >>> found = Repeats(grid={0: [1.0, 2.0]}, exact={0: [1.0, 2.0]})
    >>> units = Units.identity(DataSpec.continuous(1))
    >>> log_units(units, found, np.array([[2.0], [np.nan], [3.0], [999.0]])).round(1)
    array([  0. ,   0. , -12. , -24.9])
    """
    gain = units.log_jacobian(np.nan_to_num(values), counts=True)
    x = units.to_model(values)
    plain = [j for j in units.spec.where("count") if j not in repeats.atom]
    gain[:, plain] = 0.0
    gain[repeats.hits(x)] = 0.0
    for j, grid in repeats.grid.items():
        off = np.abs(x[:, j, None] - np.asarray(grid)).min(1) > ATOM_REACH
        gain[off, j] = _log_cauchy(values[off, j], np.asarray(repeats.exact[j])) + np.log(UNSEEN)
    return np.where(np.isnan(values), 0.0, gain).sum(1)


def _log_cauchy(values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Log-density about the middle of a grid, half of whose mass is on its range."""
    center = (grid[0] + grid[-1]) / 2
    spread = (grid[-1] - grid[0]) / 2 or max(1.0, abs(center))
    return -np.log(np.pi * spread) - 2 * np.log(np.hypot(1.0, (values - center) / spread))


def find_repeats(
    x: np.ndarray, values: np.ndarray, spec: DataSpec, setting: str = "auto"
) -> Repeats:
    """Which numeric columns repeat their values.

    Parameters
    ----------
    x, values : array of shape (n, p)
        Model units and data units, NaN where missing.
    spec : DataSpec
        The columns.
    setting : {"auto", "none"}
        "none" treats every numeric column as a density, and so are the pixels of images:
        their grey values come back, and yet are points of a scale.

    Examples
    --------
    >>> x = np.c_[np.arange(200.0), np.arange(200) % 4, np.maximum(np.arange(-99.0, 101), 0)]
    >>> found = find_repeats(x, x, DataSpec.continuous(3))
    >>> found.grid, found.atom
    ({1: [0.0, 1.0, 2.0, 3.0]}, {2: 0.0})
    """
    if setting not in ("auto", "none"):
        raise SettingError(f"Got repeats={setting!r}. Expected 'auto' or 'none'.")
    found = Repeats()
    if setting == "none":
        return found
    pixels = set(chain.from_iterable(spec.images))
    for j in spec.where(*NUMERIC):
        if j in pixels:
            continue
        seen = x[~np.isnan(x[:, j]), j].astype(np.float32)
        places, first, counts = np.unique(seen, return_index=True, return_counts=True)
        exact = values[~np.isnan(values[:, j]), j][first]
        if len(places) <= MOST_VALUES and len(seen) >= SEEN_EACH * len(places):
            found.grid[j] = [float(v) for v in places]
            found.exact[j] = [float(v) for v in exact]
        elif counts.max() >= max(ATOM_SHARE * len(seen), SEEN_EACH):
            found.atom[j] = float(places[counts.argmax()])
            found.exact[j] = [float(exact[counts.argmax()])]
    return found
