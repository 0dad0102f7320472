"""What an experiment is: which cells a published table has, and how each is filled in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from halfseen.errors import SettingError

__all__ = ["Cell", "Experiment", "Fill", "Metric", "Row", "Run", "Task", "best_device"]


def best_device() -> str:
    """Where networks are trained: "cuda" if there is one, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


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


Run = Callable[[Any, int], Any]
Fill = Callable[[Task, int], np.ndarray]


@dataclass(frozen=True)
class Metric:
    """What is measured of an answer.

    Parameters
    ----------
    name : str
        Its key in a record.
    label : str
        What is printed, with the unit.
    tolerance : float
        Difference from a published value that is still agreement.
    """

    name: str
    label: str
    tolerance: float = 0.05


@dataclass(frozen=True)
class Row:
    """A line of a published table.

    Parameters
    ----------
    key : str
        Short name, for choosing rows.
    label : str
        What is printed.
    run : callable
        From a task and a seed to an answer, which the experiment's ``score`` scores.
    quick : tuple of (str, callable), optional
        Label and function of a shorter recipe.
    published : mapping of str to mapping of str to float
        By metric, the published value of each table, or of each "table, protocol" where
        protocols have values of their own.
    random : bool
        Whether the answer depends on the seed.
    tables : tuple of str
        The tables that it is for; all if empty.
    in_quick : bool
        Whether a quick run has it unasked.
    alone : bool
        Whether it takes nothing that other rows of a task that they share have made.
    """

    key: str
    label: str
    run: Run
    quick: tuple[str, Run] | None = None
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    random: bool = True
    tables: tuple[str, ...] = ()
    in_quick: bool = True
    alone: bool = False


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

    def task(self) -> tuple[Any, ...]:
        """What two runs of one task share."""
        return (self.table, self.protocol, self.units, self.seed)


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
    metrics : tuple of Metric
        What is measured, the main one first.
    settings, quick_settings : tuple of (str, str)
        Pairs of protocol and units (of values, or of budgets) that are run.
    make : callable
        From table, protocol, units, seed and data folder to a task.
    score : callable
        From a task and a row's answer to values by metric; a metric that does not apply to an
        answer is left out.
    published_under : tuple of (str, str), optional
        The setting of the published values; by default they stand beside every setting.
    usual_tables, quick_tables : tuple of str
        Tables that run where none is asked for; all if empty, and the usual ones.
    quick_protocols : tuple of str
        Protocols that a quick run has where none is asked for; all of its settings if empty.
    random_masks : tuple of str
        Protocols whose holes depend on the seed.
    protocol_tables : mapping of str to tuple of str
        The tables of protocols that are not for all.
    n_seeds, quick_seeds : int
        How many seeds a full and a quick run have.
    shares : bool
        Whether rows share parts of a task that take long: these then run in one process.
    """

    name: str
    title: str
    tables: tuple[str, ...]
    rows: tuple[Row, ...]
    metrics: tuple[Metric, ...]
    settings: tuple[tuple[str, str], ...]
    quick_settings: tuple[tuple[str, str], ...]
    make: Callable[[str, str, str, int, str | Path | None], Any]
    score: Callable[[Any, Any], Mapping[str, float]]
    published_under: tuple[str, str] | None = None
    usual_tables: tuple[str, ...] = ()
    quick_tables: tuple[str, ...] = ()
    quick_protocols: tuple[str, ...] = ()
    random_masks: tuple[str, ...] = ()
    protocol_tables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    n_seeds: int = 5
    quick_seeds: int = 2
    shares: bool = False

    def row(self, key: str) -> Row:
        """The row of a key."""
        return {row.key: row for row in self.rows}[key]

    def published(self, cell: Mapping[str, Any], metric: str) -> float:
        """The published value that stands beside a cell, NaN without one."""
        setting = (cell["protocol"], cell["units"])
        if self.published_under is not None and setting != self.published_under:
            return float("nan")
        values = self.row(cell["row"]).published.get(metric, {})
        either = values.get(cell["table"], float("nan"))
        return values.get(f"{cell['table']}, {cell['protocol']}", either)

    def cells(
        self,
        *,
        quick: bool = False,
        seeds: int | Sequence[int] | None = None,
        rows: Iterable[str] | None = None,
        tables: Iterable[str] | None = None,
        protocols: Iterable[str] | None = None,
    ) -> list[Cell]:
        """The runs that are asked for, whole rounds of one seed first."""
        if rows is None:
            rows = [row.key for row in self.rows if row.in_quick or not quick]
        chosen = _chosen("row", rows, [row.key for row in self.rows])
        usual = self.usual_tables or self.tables
        usual = (self.quick_tables or usual) if quick else usual
        names = _chosen("table", usual if tables is None else tables, self.tables)
        if seeds is None:
            seeds = self.quick_seeds if quick else self.n_seeds
        numbers = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
        settings = self._settings(quick, protocols)
        cells = [
            Cell(self.name, table, protocol, units, key, seed, quick)
            for seed, (protocol, units), table, key in product(numbers, settings, names, chosen)
        ]
        return [cell for cell in cells if self._worth(cell, numbers[0])]

    def _settings(self, quick: bool, protocols: Iterable[str] | None) -> list[tuple[str, str]]:
        settings = self.quick_settings if quick else self.settings
        known = list(dict.fromkeys(protocol for protocol, _ in settings))
        usual = self.quick_protocols if quick and self.quick_protocols else known
        wanted = _chosen("protocol", usual if protocols is None else protocols, known)
        return [setting for setting in settings if setting[0] in wanted]

    def _worth(self, cell: Cell, first: int) -> bool:
        """Whether a cell says anything new, or enough of it in a quick run."""
        row = self.row(cell.row)
        if row.tables and cell.table not in row.tables:
            return False
        if cell.table not in self.protocol_tables.get(cell.protocol, self.tables):
            return False
        if not row.random and cell.protocol not in self.random_masks:
            return cell.seed == first
        published = self.published_under in (None, (cell.protocol, cell.units))
        # Beside the published setting a quick run has one seed.
        return not cell.quick or published or cell.seed == first


def _chosen(what: str, wanted: Iterable[str], known: Sequence[str]) -> list[str]:
    wanted = list(wanted)
    strange = [name for name in wanted if name not in known]
    if strange:
        raise SettingError(f"Got {what} {strange[0]!r}. Expected some of {list(known)}.")
    return [name for name in known if name in wanted]
