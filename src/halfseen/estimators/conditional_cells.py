"""Which cells a conditional law is of, and how their values are found in tables and in arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from halfseen.errors import SettingError

__all__ = ["Cell", "CellReader"]


class Cell(NamedTuple):
    """A number of a row, or the indicator of one level of a category.

    Attributes
    ----------
    name : str
        That of the column, or "column=level".
    column : int
        Place of the column among those of fit, those that never vary counted.
    level : object
        Of a category; None for a number.
    """

    name: str
    column: int
    level: Any = None


@dataclass(frozen=True)
class CellReader:
    """The cells of a law, and where they stand in what a user passes.

    Parameters
    ----------
    whole : tuple of Cell
        All F cells of a row.
    columns : tuple of str
        Names of all columns of fit.
    shape : tuple of int or None
        Of a row that is an image: (c, h, w).
    arrays : bool
        Whether an array of two axes may be a table like that of fit: not where fit saw images
        or modalities.
    table : callable
        From a table to the F cells of its rows (n, F), NaN where unknown.
    at : tuple of int or None
        Places of the law's own cells among the F; None for all of them in their order.
    numbered : bool
        Whether fit saw labels that are not all text: whole numbers are then labels, as in pandas.

    Examples
    --------
    >>> cells = Cell("a", 0), Cell("b=no", 1, "no"), Cell("b=yes", 1, "yes")
    >>> reader = CellReader(cells, ("a", "b"), None, True, np.asarray)
    >>> reader.part([2, 0]).names
    ('b=yes', 'a')
    >>> reader(np.array([[1.0, 0.0, 1.0]]))
    array([[1., 0., 1.]])
    """

    whole: tuple[Cell, ...]
    columns: tuple[str, ...]
    shape: tuple[int, ...] | None
    arrays: bool
    table: Callable[[Any], np.ndarray]
    at: tuple[int, ...] | None = None
    numbered: bool = False

    @property
    def places(self) -> Sequence[int]:
        """Places of the law's cells among the F."""
        return range(len(self.whole)) if self.at is None else self.at

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the law's cells."""
        return tuple(self.whole[place].name for place in self.places)

    def part(self, at: Sequence[int]) -> CellReader:
        """The reader of some of the law's cells, which are no image any more."""
        places = self.places
        return replace(self, at=tuple(places[i] for i in at), shape=None)

    def find(self, wanted: Any) -> list[int]:
        """Places, among the law's cells, of those of a column, or of one cell.

        Parameters
        ----------
        wanted : object
            Label or place of a column, name of a cell, or a pair of a column and a level.

        Raises
        ------
        SettingError
            When there is no such column or cell, or more than one cell of that name.
        """
        own = [self.whole[place] for place in self.places]
        column = self._column(wanted)
        if column is not None:
            found = [i for i, cell in enumerate(own) if cell.column == column]
        elif isinstance(wanted, tuple) and len(wanted) == 2:
            column = self._column(wanted[0])
            found = [i for i, cell in enumerate(own) if _is_level(cell, column, wanted[1])]
        else:
            found = [i for i, cell in enumerate(own) if _is_named(cell, wanted)]
            if len(found) > 1:
                raise SettingError(
                    f"Got {wanted!r} in columns, the name of {len(found)} cells. Expected one: "
                    "pass a pair of column and level."
                )
        if not found:
            raise SettingError(self._trouble(wanted, column))
        return found

    def _column(self, wanted: Any) -> int | None:
        """Place of a column among those of fit, by label or by place."""
        if isinstance(wanted, str):
            return self.columns.index(wanted) if wanted in self.columns else None
        if isinstance(wanted, (bool, np.bool_, slice)):
            return None
        if isinstance(wanted, (int, np.integer)) and not self.numbered:
            n = len(self.columns)
            return int(wanted) % n if -n <= wanted < n else None
        if not self.numbered:
            return None
        # Labels are told apart by their text, and 1 is the label 1.0, too.
        spelled = {str(wanted)} | ({str(float(wanted))} if isinstance(wanted, Real) else set())
        return next((j for j, name in enumerate(self.columns) if name in spelled), None)

    def _trouble(self, wanted: Any, column: int | None) -> str:
        """Why nothing was found."""
        if column is not None and all(cell.column != column for cell in self.whole):
            return (
                f"Got {wanted!r} in columns, which is column {self.columns[column]!r}. Expected "
                "columns that vary: this one is always the same, and has no law."
            )
        kind = "labels" if self.numbered else f"places of columns below {len(self.columns)}"
        return (
            f"Got {wanted!r} in columns. Expected names out of {self.names[:20]}, or of their "
            f"columns, or {kind}."
        )

    def __call__(self, x_true: Any, cells: bool | None = None) -> np.ndarray:
        """Values of the law's cells (n, k), NaN where unknown.

        Parameters
        ----------
        x_true : table, or array
            Like that of fit, or an array of the law's cells, or of all F.
        cells : bool or None
            Whether an array holds cells, or columns; None where both are the same, or only one
            fits.
        """
        held = None if cells is False else self._held(x_true)
        if held is None:
            if cells:
                raise SettingError(
                    f"Got {_described(x_true)} with cells=True. Expected an array of numbers "
                    f"with the {len(self.places)} cells of the law, in the order of its names."
                )
            return self.table(x_true)[:, list(self.places)]
        if cells is None and self._is_ambiguous(x_true, held):
            raise SettingError(
                f"Got an array of {len(held)} columns, which could be the columns "
                f"{list(self.columns[:20])} of the table, or the cells "
                f"{[self.whole[place].name for place in held[:20]]} of the law. Expected to be "
                "told: pass cells=False for columns, or a table with their names; or cells=True "
                "for cells, such as what sample() gives."
            )
        values = np.full((len(x_true), len(self.whole)), np.nan)
        values[:, held] = x_true.reshape(len(x_true), len(held))
        if np.isinf(values).any():
            raise SettingError("Got infinite cells. Expected finite ones, or NaN where unknown.")
        return values[:, list(self.places)]

    def _held(self, x_true: Any) -> list[int] | None:
        """Places of the cells that the columns of an array would be, if they are cells."""
        if not isinstance(x_true, np.ndarray) or x_true.dtype.kind not in "fiub":
            return None
        if x_true.shape[1:] == (self.shape or (len(self.places),)):
            return list(self.places)
        return list(range(len(self.whole))) if x_true.shape[1:] == (len(self.whole),) else None

    def _is_ambiguous(self, x_true: np.ndarray, held: list[int]) -> bool:
        """Whether the columns of an array may be others than these cells."""
        if not self.arrays or len(held) != len(self.columns):
            return False
        found = [self.whole[place] for place in held]
        return any(cell.column != j or cell.level is not None for j, cell in enumerate(found))


def _is_level(cell: Cell, column: int | None, level: Any) -> bool:
    if cell.column != column or cell.level is None or np.ndim(level):
        return False
    return bool(cell.level == level)


def _is_named(cell: Cell, wanted: Any) -> bool:
    return isinstance(wanted, str) and cell.name == wanted


def _described(x_true: Any) -> str:
    shape = getattr(x_true, "shape", None)
    return f"a {type(x_true).__name__}" + (f" of shape {tuple(shape)}" if shape else "")
