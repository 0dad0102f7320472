"""pyarrow tables as containers, and the Arrow columns of other libraries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from halfseen.tables.containers import Container, Fill
from halfseen.tables.raw import Raw, plain, round_clip, to_decimals, to_floats

__all__ = ["ArrowTable", "fill_arrow", "nulls", "read_arrow", "record_type"]


class ArrowTable(Container):
    """A pyarrow table; types, dictionaries and metadata are kept."""

    @property
    def labels(self) -> list[str]:
        """Column names."""
        return self.table.column_names

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return self.table.shape

    def read(self, place: int) -> Raw:
        """Read one column."""
        return read_arrow(self.table.field(place).name, self.table.column(place))

    def record(self) -> dict[str, Any]:
        """Names and types of the columns."""
        types = [record_type(column) for column in self.table.columns]
        return {"container": "arrow", "labels": self.labels, "columns": types}

    @staticmethod
    def blank(record: Mapping[str, Any], n: int) -> pa.Table:
        """A table of nulls."""
        return pa.table([nulls(kind, n) for kind in record["columns"]], names=record["labels"])

    @staticmethod
    def exact(table: pa.Table, record: Mapping[str, Any]) -> pa.Table:
        """The table itself: all types of Arrow have nulls."""
        return table

    def replace(self, fills: dict[int, Fill]) -> pa.Table:
        """Copy of the table in which some cells are replaced."""
        columns, fields = self.table.columns, list(self.table.schema)
        for place, fill in fills.items():
            columns[place] = fill_arrow(columns[place], fill)
            fields[place] = fields[place].with_type(columns[place].type)
        return pa.table(columns, schema=pa.schema(fields, self.table.schema.metadata))


def record_type(column: pa.ChunkedArray) -> dict[str, Any]:
    """A type as plain values."""
    kind = column.type
    if pt.is_dictionary(kind):
        values, indices = str(kind.value_type), str(kind.index_type)
        labels = {
            "categories": list(_read_dictionary("", "", column).labels),
            "ordered": kind.ordered,
        }
        return {"dtype": "dictionary", "values": values, "indices": indices, **labels}
    if pt.is_decimal(kind):
        return {"dtype": "decimal", "precision": kind.precision, "scale": kind.scale}
    return {"dtype": str(kind)}


def nulls(column: Mapping[str, Any], n: int) -> pa.Array:
    """``n`` nulls of a type that :func:`record_type` described."""
    if column["dtype"] == "dictionary":
        codes = pa.nulls(n, pa.type_for_alias(column["indices"]))
        labels = pa.array(column["categories"], pa.type_for_alias(column["values"]))
        return pa.DictionaryArray.from_arrays(codes, labels, ordered=column["ordered"])
    if column["dtype"] == "decimal":
        return pa.nulls(n, pa.decimal128(column["precision"], column["scale"]))
    return pa.nulls(n, pa.type_for_alias(column["dtype"]))


def read_arrow(name: str, column: pa.ChunkedArray, dtype: str | None = None) -> Raw:
    """Read an Arrow column.

    Parameters
    ----------
    name : str
        Name of the column.
    column : pyarrow.ChunkedArray
        Its cells.
    dtype : str, optional
        What to call its type in messages.

    Returns
    -------
    Raw
        The column.
    """
    kind, dtype = column.type, dtype or str(column.type)
    if pt.is_dictionary(kind):
        return _read_dictionary(name, dtype, column)
    if pt.is_boolean(kind):
        return Raw.of_booleans(name, dtype, _numbers(column.cast(pa.uint8())))
    if pt.is_integer(kind):
        return Raw.of_numbers(name, dtype, "integer", _numbers(column))
    if pt.is_floating(kind) or pt.is_decimal(kind):
        return Raw.of_numbers(name, dtype, "float", _numbers(column))
    if _is_text(kind):
        return _read_text(name, dtype, column)
    missing = column.is_null().to_numpy().astype(bool)
    if pt.is_null(kind):
        return Raw.unusable(name, dtype, "null", missing, "nothing")
    return Raw.unusable(name, dtype, "date" if pt.is_temporal(kind) else "other", missing, dtype)


def fill_arrow(column: pa.ChunkedArray, fill: Fill) -> pa.ChunkedArray:
    """Replace some cells of an Arrow column, in its own type.

    A column of type null, which can hold nothing, takes the type of the values, and so does one
    of numbers that is to hold text.
    """
    kind = column.type
    if pt.is_dictionary(kind):
        return pa.chunked_array([_fill_dictionary(_one_chunk(column), fill)])
    if pt.is_null(kind) or (fill.is_text and _is_number(kind)):
        column = column.cast(pa.array(fill.objects).type)
    if "string_view" in str(kind):
        filled = fill_arrow(_large_text(column), fill)
        return pa.chunked_array([pa.array(filled.to_pylist(), type=kind)])
    values = _values(fill, column.type)
    places = np.arange(len(column))
    places[fill.where] = len(column) + np.arange(len(values))
    joined = pa.chunked_array([*column.chunks, values], type=column.type)
    return joined.take(pa.array(places))


def _is_number(kind: pa.DataType) -> bool:
    return (
        pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind) or pt.is_boolean(kind)
    )


def _is_text(kind: pa.DataType) -> bool:
    return pt.is_string(kind) or pt.is_large_string(kind) or "string_view" in str(kind)


def _large_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if "string_view" not in str(column.type):
        return column.cast(pa.large_string())
    # Hardly anything is done with views in Arrow yet; old versions cannot even cast them.
    return pa.chunked_array([pa.array(column.to_pylist(), type=pa.large_string())])


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    floats = pc.cast(column, pa.float64(), safe=False)
    return np.array(floats.to_numpy(), dtype=np.float64)


def _one_chunk(column: pa.ChunkedArray) -> Any:
    joined = column.unify_dictionaries().combine_chunks()
    return joined.chunk(0) if isinstance(joined, pa.ChunkedArray) else joined


def _codes(indices: pa.Array) -> np.ndarray:
    return pc.fill_null(indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)


def _read_text(name: str, dtype: str, column: pa.ChunkedArray) -> Raw:
    coded = _large_text(column).combine_chunks().dictionary_encode()
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    return Raw.of_labels(name, dtype, _codes(coded.indices), coded.dictionary.to_pylist())


def _read_dictionary(name: str, dtype: str, column: pa.ChunkedArray) -> Raw:
    array = _one_chunk(column)
    codes, labels = _codes(array.indices), array.dictionary.to_pylist()
    holes = [code for code, label in enumerate(labels) if label is None or label != label]
    codes = np.where(np.isin(codes, holes), -1, codes)
    ordered = column.type.ordered
    return Raw.of_labels(name, dtype, codes, labels, "category", ordered, ordered)


def _values(fill: Fill, kind: pa.DataType) -> pa.Array:
    if pt.is_boolean(kind):
        return pa.array(fill.numbers.astype(bool))
    if pt.is_integer(kind):
        return pa.array(round_clip(fill.numbers, np.dtype(kind.to_pandas_dtype())), type=kind)
    if pt.is_decimal(kind):
        return pa.array(to_decimals(fill.numbers, kind.precision, kind.scale), type=kind)
    if pt.is_floating(kind):
        return pa.array(to_floats(fill.numbers, np.dtype(kind.to_pandas_dtype())), type=kind)
    return pa.array(fill.texts, type=kind)


def _fill_dictionary(array: pa.DictionaryArray, fill: Fill) -> pa.DictionaryArray:
    kind, labels = array.type, array.dictionary.to_pylist()
    place = {plain(label): code for code, label in enumerate(labels)}
    for value in fill.objects:
        if place.setdefault(value, len(labels)) == len(labels):
            labels.append(value)
    codes = _codes(array.indices).copy()
    codes[fill.where] = [place[value] for value in fill.objects]
    indices = pa.array(codes, mask=codes < 0).cast(kind.index_type)
    dictionary = pa.array(labels, type=kind.value_type)
    return pa.DictionaryArray.from_arrays(indices, dictionary, ordered=kind.ordered)
