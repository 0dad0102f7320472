"""What an experiment is: which cells a published table has, and how each is filled in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from halfseen.errors import SettingError

__all__ = ["Cell", "Experiment", "Row", "Task"]


@dataclass(frozen=True, eq=False)
class Task:
    """A table with holes and its truth.

    Parameters
    ----------
    values : ndarray of shape (n, p)
        What a method sees, NaN where missing, in the units of the task.
    truth : ndarray of shape (n, p)
        The complete table in the same units.
    shift, scale : ndarray of shape (p,)
        From these units to those of the error: (x - shift) / scale.
    own_scaler : bool
        Whether methods are to standardise columns themselves.
    """

    values: np.ndarray
    truth: np.ndarray
    shift: np.ndarray
    scale: np.ndarray
    own_scaler: bool

    @property
    def s(self) -> np.ndarray:
        """Mask, 1 where observed."""
        return (~np.isnan(self.values)).astype(float)

    def standard(self, x: np.ndarray) -> np.ndarray:
        """Values in the units of the error."""
        return (x - self.shift) / self.scale


Fill = Callable[[Task, int], np.ndarray]


@dataclass(frozen=True)
class Row:
    """A line of a published table.

    Parameters
    ----------
    key : str
        Short name, for choosing rows.
    label : str
        What is printed.
    fill : callable
        From a task and a seed to the completed values.
    quick : tuple of (str, callable), optional
        Label and function of a shorter recipe.
    published : mapping of str to float
        Published value of each table.
    random : bool
        Whether the answer depends on the seed.
    """

    key: str
    label: str
    fill: Fill
    quick: tuple[str, Fill] | None = None
    published: Mapping[str, float] = field(default_factory=dict)
    random: bool = True


@dataclass(frozen=True)
class Cell:
    """One run: a table under a protocol and a convention of units, a row, a seed."""

    experiment: str
    table: str
    protocol: str
    units: str
    row: str
    seed: int
    quick: bool

    def key(self) -> tuple[Any, ...]:
        """What two runs of one cell share."""
        return tuple(asdict(self).values())


@dataclass(frozen=True)
class Experiment:
    """A published table.

    Parameters
    ----------
    name, title : str
        For the command, and for people.
    tables : tuple of str
        Its data sets.
    rows : tuple of Row
        Its methods.
    settings, quick_settings : tuple of (str, str)
        Pairs of protocol and units that are run.
    make : callable
        From table, protocol, units, seed and data folder to a :class:`Task`.
    score : callable
        From a task and completed values to the error.
    published_under : tuple of (str, str)
        The setting of the published values.
    random_masks : tuple of str
        Protocols whose holes depend on the seed.
    n_seeds : int
        How many seeds a full run has.
    tolerance : float
        Difference from a published value that is still agreement.
    """

    name: str
    title: str
    tables: tuple[str, ...]
    rows: tuple[Row, ...]
    settings: tuple[tuple[str, str], ...]
    quick_settings: tuple[tuple[str, str], ...]
    make: Callable[[str, str, str, int, str | Path | None], Task]
    score: Callable[[Task, np.ndarray], float]
    published_under: tuple[str, str]
    random_masks: tuple[str, ...] = ()
    n_seeds: int = 5
    tolerance: float = 0.05

    def row(self, key: str) -> Row:
        """The row of a key."""
        return {row.key: row for row in self.rows}[key]

    def cells(
        self,
        *,
        quick: bool = False,
        seeds: int | Sequence[int] | None = None,
        rows: Iterable[str] | None = None,
        tables: Iterable[str] | None = None,
    ) -> list[Cell]:
        """The runs that are asked for, whole rounds of one seed first."""
        chosen = _chosen("row", rows, [row.key for row in self.rows])
        names = _chosen("table", tables, self.tables)
        if seeds is None:
            seeds = 2 if quick else self.n_seeds
        numbers = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
        settings = self.quick_settings if quick else self.settings
        cells = [
            Cell(self.name, table, protocol, units, key, seed, quick)
            for seed, (protocol, units), table, key in product(numbers, settings, names, chosen)
        ]
        return [cell for cell in cells if self._worth(cell, numbers[0])]

    def _worth(self, cell: Cell, first: int) -> bool:
        """Whether a cell says anything new, or enough of it in a quick run."""
        row = self.row(cell.row)
        if not row.random and cell.protocol not in self.random_masks:
            return cell.seed == first
        if not cell.quick or (cell.protocol, cell.units) == self.published_under:
            return True
        # Beside the published setting a quick run has one seed.
        return cell.seed == first


def _chosen(what: str, wanted: Iterable[str] | None, known: Sequence[str]) -> list[str]:
    if wanted is None:
        return list(known)
    wanted = list(wanted)
    strange = [name for name in wanted if name not in known]
    if strange:
        raise SettingError(f"Got {what} {strange[0]!r}. Expected some of {list(known)}.")
    return [name for name in known if name in wanted]
