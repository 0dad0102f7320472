"""pandas frames, of pandas 2 and 3, as containers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from halfseen.tables.arrays import as_objects
from halfseen.tables.containers import Container, Fill
from halfseen.tables.raw import Raw, plain, round_clip, to_floats

__all__ = ["PandasFrame", "chunks", "nullable"]


class PandasFrame(Container):
    """A pandas frame; index, attributes, types and categories are kept."""

    @cached_property
    def labels(self) -> list[Any]:
        """Column labels."""
        return self.table.columns.tolist()

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return self.table.shape

    def read(self, place: int) -> Raw:
        """Read one column."""
        return _read(str(self.labels[place]), self.table.iloc[:, place])

    def record(self) -> dict[str, Any]:
        """Labels and types of the columns."""
        labels = [label if type(label) in (str, int) else str(label) for label in self.labels]
        types = [_record_type(self.table.iloc[:, place]) for place in range(len(labels))]
        return {"container": "pandas", "labels": labels, "columns": types}

    @staticmethod
    def blank(record: Mapping[str, Any], n: int) -> pd.DataFrame:
        """A frame of missing cells; integers and truth values have pandas' nullable types."""
        columns = [_blank_column(column, n) for column in record["columns"]]
        frame = pd.concat(columns, axis=1)
        frame.columns = pd.Index(record["labels"])
        return frame

    @staticmethod
    def exact(table: pd.DataFrame, record: Mapping[str, Any]) -> pd.DataFrame:
        """NumPy's integers and truth values in columns without a missing cell."""
        for place, column in enumerate(record["columns"]):
            cells = table.iloc[:, place]
            if nullable(column["dtype"]) != column["dtype"] and not cells.isna().any():
                table.isetitem(place, cells.astype(column["dtype"]))
        return table

    def replace(self, fills: dict[int, Fill]) -> pd.DataFrame:
        """Copy of the frame in which some cells are replaced."""
        # Deep, as pandas 2 would let a change of the result reach the input.
        out = self.table.copy()
        for place, fill in fills.items():
            column = out.iloc[:, place]
            filled = _filled(column, fill, self.raw(place))
            # With the type said, as pandas 3 would make text of an array of objects.
            out.isetitem(place, pd.Series(filled, index=out.index, dtype=filled.dtype))
        return out


def nullable(dtype: str) -> str:
    """The pandas type with missing cells of a NumPy type without; other types as they are.

    Examples
    --------
    >>> nullable("uint8"), nullable("bool"), nullable("float32")
    ('UInt8', 'boolean', 'float32')
    """
    if dtype == "bool":
        return "boolean"
    if dtype.rstrip("0123456789") in ("int", "uint"):
        return dtype.replace("int", "Int").replace("u", "U")
    return dtype


def _record_type(column: pd.Series) -> dict[str, Any]:
    """A type as plain values."""
    dtype = column.dtype
    if isinstance(dtype, pd.ArrowDtype):
        from halfseen.tables.arrow_tables import record_type

        return {"dtype": "arrow", "arrow": record_type(chunks(column))}
    if isinstance(dtype, pd.CategoricalDtype):
        labels = [plain(label) for label in dtype.categories]
        return {"dtype": "category", "categories": labels, "ordered": bool(dtype.ordered)}
    return {"dtype": str(dtype)}


def _blank_column(column: Mapping[str, Any], n: int) -> pd.Series:
    """``n`` missing cells of a type that :func:`_record_type` described."""
    if column["dtype"] == "arrow":
        import pyarrow as pa

        from halfseen.tables.arrow_tables import nulls

        cells = pa.chunked_array([nulls(column["arrow"], n)])
        return pd.Series(pd.arrays.ArrowExtensionArray(cells))
    if column["dtype"] == "category":
        kind = pd.CategoricalDtype(column["categories"], column["ordered"])
        return pd.Series(index=range(n), dtype=kind)
    return pd.Series(index=range(n), dtype=nullable(column["dtype"]))


def _read(name: str, column: pd.Series) -> Raw:
    dtype, types = column.dtype, pd.api.types
    if isinstance(dtype, pd.ArrowDtype):
        return _read_arrow(name, column)
    if isinstance(dtype, pd.CategoricalDtype):
        codes, levels = column.cat.codes.to_numpy(), dtype.categories.tolist()
        ordered = bool(dtype.ordered)
        return Raw.of_labels(name, str(dtype), codes, levels, "category", True, ordered)
    if isinstance(dtype, pd.SparseDtype):
        return _unusable(name, column, "sparse")
    if isinstance(dtype, pd.IntervalDtype) or types.is_complex_dtype(dtype):
        return _unusable(name, column, "other")
    if types.is_bool_dtype(dtype):
        return Raw.of_booleans(name, str(dtype), _numbers(column))
    if types.is_integer_dtype(dtype):
        return Raw.of_numbers(name, str(dtype), "integer", _numbers(column))
    if types.is_float_dtype(dtype):
        return Raw.of_numbers(name, str(dtype), "float", _numbers(column))
    return _read_rest(name, column)


def _read_rest(name: str, column: pd.Series) -> Raw:
    if isinstance(column.dtype, pd.StringDtype):
        codes, labels = pd.factorize(column)
        return Raw.of_labels(name, str(column.dtype), codes, labels.tolist())
    if column.dtype == object:
        return Raw.of_objects(name, "object", column.to_numpy())
    dated = pd.api.types.is_datetime64_any_dtype(column.dtype) or column.dtype.kind in "mM"
    dated = dated or isinstance(column.dtype, pd.PeriodDtype)
    return _unusable(name, column, "date" if dated else "other")


def _read_arrow(name: str, column: pd.Series) -> Raw:
    from halfseen.tables.arrow_tables import read_arrow

    return read_arrow(name, chunks(column), str(column.dtype))


def chunks(column: pd.Series) -> Any:
    """The pyarrow.ChunkedArray of an Arrow column."""
    import pyarrow as pa

    array = column.array.__arrow_array__()
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def _unusable(name: str, column: pd.Series, tag: Any) -> Raw:
    dtype = str(column.dtype)
    return Raw.unusable(name, dtype, tag, column.isna().to_numpy(dtype=bool), dtype)


def _numbers(column: pd.Series) -> np.ndarray:
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _filled(column: pd.Series, fill: Fill, raw: Raw) -> Any:
    dtype = column.dtype
    if isinstance(dtype, pd.ArrowDtype):
        from halfseen.tables.arrow_tables import fill_arrow

        return pd.arrays.ArrowExtensionArray(fill_arrow(chunks(column), fill))
    if isinstance(dtype, pd.CategoricalDtype):
        return _filled_category(column, fill)
    if fill.is_text and raw.numbers is not None:
        # No cell is seen, so that the type says nothing: pandas gives floats to such columns.
        column = column.astype(object)
        dtype = column.dtype
    if isinstance(dtype, np.dtype):
        cells = column.to_numpy(copy=True)
        cells[fill.where] = (
            as_objects(fill, raw) if dtype.kind == "O" else to_floats(fill.numbers, dtype)
        )
        return cells
    cells = column.array.copy()
    cells[fill.where] = pd.array(_extension_values(fill, dtype), dtype=dtype)
    return cells


def _extension_values(fill: Fill, dtype: Any) -> Any:
    if dtype.kind == "b":
        return fill.numbers.astype(bool)
    if dtype.kind in "iu":
        return round_clip(fill.numbers, dtype.numpy_dtype)
    return to_floats(fill.numbers, dtype.numpy_dtype) if dtype.kind == "f" else fill.texts


def _filled_category(column: pd.Series, fill: Fill) -> pd.Categorical:
    cells = column.array.copy()
    known = {plain(category): category for category in cells.categories}
    absent = [value for value in dict.fromkeys(fill.objects) if value not in known]
    if absent:
        cells = cells.add_categories(absent)
    values = [known.get(value, value) for value in fill.objects]
    cells[fill.where] = pd.Categorical(values, dtype=cells.dtype)
    return cells
