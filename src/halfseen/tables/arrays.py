"""NumPy arrays, and whatever NumPy makes an array of, as containers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from halfseen.errors import ColumnError
from halfseen.tables.containers import Container, Fill
from halfseen.tables.raw import Raw, Tag, round_clip, to_floats

__all__ = ["Array", "as_objects"]


class Array(Container):
    """A two-dimensional array; its columns are named ``x0``, ``x1``, ..."""

    def __init__(self, table: np.ndarray) -> None:
        super().__init__(table)
        self.plain = self._is_plain()

    @property
    def labels(self) -> list[str]:
        """Made-up names."""
        return [f"x{j}" for j in range(self.table.shape[1])]

    @property
    def feature_names(self) -> None:
        """An array has no names of its own."""
        return None

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return self.table.shape

    def read(self, place: int) -> Raw:
        """Read one column."""
        return _read(f"x{place}", self.table[:, place])

    def record(self) -> dict[str, Any]:
        """Type of the numbers, and how many columns there are."""
        kind = self.table.dtype.kind
        # NumPy says "|T16" of text of variable width, which it does not understand itself.
        dtype = kind if kind == "T" else self.table.dtype.str
        record = {"container": "array", "dtype": dtype, "n_columns": self.shape[1]}
        if kind == "O":
            whole = [j for j in range(self.shape[1]) if self.raw(j).tag == "integer"]
            return record | {"whole": whole}
        return record

    @staticmethod
    def blank(record: Mapping[str, Any], n: int) -> np.ndarray:
        """An array of NaN, of floats where integers were, or of None where text was."""
        dtype = np.dtype(record["dtype"])
        shape = n, record["n_columns"]
        if dtype.kind in "UTO":
            return np.full(shape, None, dtype=object)
        return np.full(shape, np.nan, dtype=dtype if dtype.kind == "f" else np.float64)

    @staticmethod
    def exact(table: np.ndarray, record: Mapping[str, Any]) -> np.ndarray:
        """Integers, truth values or text where no cell is missing."""
        import pandas as pd

        dtype = np.dtype(record["dtype"])
        for j in record.get("whole", []):
            if not pd.isna(table[:, j]).any():
                table[:, j] = [round(value) for value in table[:, j]]
        if dtype == table.dtype or pd.isna(table).any():
            return table
        if dtype.kind in "iu":
            return round_clip(table, dtype)
        return table.astype({"b": bool, "T": dtype}.get(dtype.kind, str))

    def replace(self, fills: dict[int, Fill]) -> np.ndarray:
        """Copy of the array in which some cells are replaced."""
        out = np.array(self.table, copy=True)
        for place, fill in fills.items():
            out[fill.where, place] = _cast(fill, out.dtype, self.raw(place))
        return out

    def _is_plain(self) -> bool:
        if self.table.dtype.kind in "iuf":
            return True
        if self.table.dtype.kind != "O":
            return False
        tags = {self.raw(j).tag for j in range(self.table.shape[1])}
        return tags <= {"integer", "float", "null"}


def _read(name: str, cells: np.ndarray) -> Raw:
    dtype, kind = str(cells.dtype), cells.dtype.kind
    if kind == "b":
        return Raw.of_booleans(name, dtype, cells.astype(np.float64))
    if kind in "iuf":
        tag: Tag = "float" if kind == "f" else "integer"
        return Raw.of_numbers(name, dtype, tag, cells.astype(np.float64))
    if kind in "OT":
        return Raw.of_objects(name, dtype, cells.astype(object))
    if kind == "U":
        labels, codes = np.unique(cells, return_inverse=True)
        return Raw.of_labels(name, dtype, codes, labels.tolist())
    missing = np.isnat(cells) if kind in "mM" else np.zeros(len(cells), dtype=bool)
    return Raw.unusable(name, dtype, "date" if kind in "mM" else "other", missing, dtype)


def _cast(fill: Fill, dtype: np.dtype, raw: Raw) -> Any:
    if dtype.kind == "O":
        return as_objects(fill, raw)
    if fill.is_text and dtype.kind != "T":
        raise ColumnError(
            f"Column {raw.name!r} is of {dtype}, which cannot hold {fill.texts[0]!r}. Expected "
            "text, as in fit: pass an array of objects."
        )
    return fill.texts if dtype.kind == "T" else to_floats(fill.numbers, dtype)


def as_objects(fill: Fill, raw: Raw) -> np.ndarray:
    """Values as an array of Python objects, of the type of the column's seen cells."""
    out = np.empty(len(fill.values), dtype=object)
    if fill.is_text:
        out[:] = fill.objects
    elif raw.tag == "boolean":
        out[:] = fill.numbers.astype(bool).tolist()
    elif raw.tag == "integer":
        out[:] = round_clip(fill.numbers, np.dtype(np.int64)).tolist()
    elif raw.tag == "float":
        out[:] = fill.numbers.tolist()
    else:
        out[:] = fill.objects
    return out
