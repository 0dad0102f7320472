"""polars frames and pyarrow tables that are awkward."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.dataset as dataset
from awkward_cases import EMPTY, TOO_FEW, Case, numbers, spread

NO_VALUE = ("'v'", "no observed value", "keep_empty_features=True")
DATES = ("'v'", "dates or times", "Convert it to a number")
OTHER = ("'v'", "must be a string or a real number", "Convert it")
INFINITE = ("'v'", "infinity", "replace it by NaN")
BIG = 2**60 + 1
TEXTS = ["a", None, "b", "c"]
DAY, MOMENT = dt.date(2024, 1, 1), dt.datetime(2024, 1, 1, 12)


def pframe(v: Any, holes: bool = True) -> pl.DataFrame:
    """A polars frame with an awkward column ``v`` between two ordinary ones."""
    x = numbers() if holes else np.nan_to_num(numbers())
    return pl.DataFrame({"x": x[:, 0], "v": v, "w": x[:, 2]}, nan_to_null=False)


def pcolumn(cells: list[Any], dtype: Any) -> pl.DataFrame:
    """A polars frame whose column ``v`` has cells of a type."""
    return pframe(pl.Series(spread(cells), dtype=dtype))


def atable(v: Any) -> pa.Table:
    """An Arrow table with an awkward column ``v`` between two ordinary ones."""
    x = numbers()
    return pa.table({"x": pa.array(x[:, 0]), "v": v, "w": pa.array(x[:, 2], from_pandas=True)})


def acolumn(cells: list[Any], kind: pa.DataType) -> pa.Table:
    """An Arrow table whose column ``v`` has cells of a type."""
    return atable(pa.array(spread(cells), type=kind))


def halves() -> pa.Table:
    """float16, which is made of NumPy's."""
    return acolumn([np.float16(0.5), None, np.float16(60000)], pa.float16())


def in_chunks() -> pa.Table:
    """Chunks of many sizes, some empty, all of them slices."""
    whole = pa.array([9.0, *spread([1.5, None, 2.5, 0.5]), 9.0])
    parts = [whole[1:1], whole[1:4], whole[4:5], whole[5:5], whole[5:13]]
    return atable(pa.chunked_array(parts))


def dictionaries() -> pa.Table:
    """Dictionaries that differ between chunks."""
    one = pa.array(spread(["a", None], 6)).dictionary_encode()
    two = pa.array(spread(["c", "a"], 6)).dictionary_encode()
    return atable(pa.chunked_array([one, two]))


def null_in_dictionary() -> pa.Table:
    """Holes that the dictionary holds, not the codes."""
    codes = pa.array(spread([0, 1, 2]), pa.int8())
    return atable(pa.DictionaryArray.from_arrays(codes, pa.array(["a", None, "b"])))


def repeated_in_dictionary() -> pa.Table:
    """A label that the dictionary holds twice."""
    codes = pa.array(spread([0, 1, None, 2]), pa.int8())
    return atable(pa.DictionaryArray.from_arrays(codes, pa.array(["a", "b", "a"])))


def dates_by_code() -> pa.Table:
    """Dates as categories."""
    codes = pa.array(spread([0, None, 1]), pa.int8())
    return atable(pa.DictionaryArray.from_arrays(codes, pa.array([DAY, dt.date(2024, 1, 2)])))


def run_ends() -> pa.Table:
    """Cells that are stored as runs."""
    ends = pa.array([4, 8, 12], pa.int32())
    return atable(pa.RunEndEncodedArray.from_arrays(ends, pa.array([1.5, None, 2.5])))


def identifiers() -> pa.Table:
    """An extension type of Arrow."""
    cells = spread([uuid.UUID(int=7).bytes, None])
    storage = pa.array(cells, pa.binary(16))
    return atable(pa.ExtensionArray.from_storage(pa.uuid(), storage))


def small_truths() -> pa.Table:
    """Truth values as bytes, an extension type of Arrow."""
    storage = pa.array(spread([0, 1, None]), pa.int8())
    return atable(pa.ExtensionArray.from_storage(pa.bool8(), storage))


def described() -> pa.Table:
    """Metadata of the table and of fields, and fields that hold no null."""
    x = numbers()
    fields = [
        pa.field("x", pa.float64(), metadata={"unit": "kg"}),
        pa.field("v", pa.int32(), nullable=False, metadata={"of": "you"}),
    ]
    schema = pa.schema(fields, metadata={"made": "here"})
    return pa.table(
        [pa.array(x[:, 0], from_pandas=True), np.arange(12, dtype="i4")], schema=schema
    )


def twice() -> pa.Table:
    """Two columns of one name."""
    return pa.table([[1.5, 2.5], [1.5, 2.5]], names=["v", "v"])


def views() -> pa.Table:
    """Rows from the middle of a table."""
    return pa.table({"x": numbers(30)[:, 0], "v": pa.array(spread(TEXTS, 30))}).slice(9, 12)


POLARS = [
    Case("polars", "NaN beside null", lambda: pcolumn([1.5, None, float("nan"), 0.1], pl.Float64)),
    Case("polars", "Float32 near its limit", lambda: pcolumn([3.4e38, None, 3e38], pl.Float32)),
    Case("polars", "UInt64 beyond int64", lambda: pcolumn([2**64 - 1, None, 5], pl.UInt64)),
    Case("polars", "Int128", lambda: pcolumn([2**100, None, 5, 2**100 + 1], pl.Int128)),
    Case("polars", "Int8 at its limits", lambda: pcolumn([127, None, -128], pl.Int8)),
    Case("polars", "truth values with holes", lambda: pcolumn([True, None, False], pl.Boolean)),
    Case("polars", "Decimal", lambda: pcolumn(
        [Decimal("1.50"), None, Decimal("2.25")], pl.Decimal(10, 2))),
    Case("polars", "text, some empty", lambda: pcolumn(["", None, "b", "NA"], pl.String)),
    Case("polars", "Categorical", lambda: pcolumn(TEXTS, pl.Categorical())),
    Case("polars", "Enum, some never seen", lambda: pcolumn(TEXTS, pl.Enum(["z", *"cba"]))),
    Case("polars", "List", lambda: pcolumn([[1, 2], None], pl.List(pl.Int64)), OTHER),
    Case("polars", "Array", lambda: pcolumn([[1, 2], None], pl.Array(pl.Int64, 2)), OTHER),
    Case("polars", "Struct", lambda: pcolumn([{"a": 1}, None], pl.Struct({"a": pl.Int64})),
         OTHER),
    Case("polars", "Binary", lambda: pcolumn([b"a", None], pl.Binary), OTHER),
    Case("polars", "Object: text", lambda: pcolumn(TEXTS, pl.Object)),
    Case("polars", "Object: sets", lambda: pcolumn([{1}, None], pl.Object), OTHER),
    Case("polars", "Null", lambda: pcolumn([None], pl.Null), NO_VALUE, kept=True),
    Case("polars", "Date", lambda: pcolumn([DAY, None], pl.Date), DATES),
    Case("polars", "Datetime with a zone", lambda: pcolumn(
        [MOMENT, None], pl.Datetime("us", "Europe/Oslo")), DATES),
    Case("polars", "Duration", lambda: pcolumn([dt.timedelta(1), None], pl.Duration), DATES),
    Case("polars", "Time", lambda: pcolumn([dt.time(1), None], pl.Time), DATES),
    Case("polars", "infinity", lambda: pcolumn([float("inf"), 1.5, None], pl.Float64), INFINITE),
    Case("polars", "all missing", lambda: pcolumn([None], pl.Float64), NO_VALUE, kept=True),
    Case("polars", "chunks", lambda: pl.concat(
        [pcolumn(TEXTS, pl.String), pcolumn(TEXTS, pl.String)], rechunk=False)),
    Case("polars", "categories of two chunks", lambda: pl.concat(
        [pcolumn(["a", None], pl.Categorical()), pcolumn(["b"], pl.Categorical())],
        rechunk=False)),
    Case("polars", "sorted", lambda: pframe(pl.Series(np.arange(12.0)).set_sorted())),
    Case("polars", "rows of a view", lambda: pl.DataFrame({"x": numbers(30)[:, 0],
         "v": spread(TEXTS, 30)}).slice(9, 12)),
    Case("polars", "one row", lambda: pcolumn([1.5], pl.Float64).tail(1),
         but=TOO_FEW),
    Case("polars", "no rows", lambda: pcolumn([1.5], pl.Float64).head(0), ("0 sample(s)", "Pass"),
         but=EMPTY),
    Case("polars", "no columns", pl.DataFrame, ("0 sample(s)", "Pass"), but=EMPTY),
    Case("polars", "lazy", lambda: pcolumn([1.5], pl.Float64).lazy(), ("lazy", "collect()"),
         described=False),
    Case("polars", "a series", lambda: pl.Series("v", [1.5, None]), ("2D array", "to_frame()"),
         described=False),
    Case("polars", "names with newlines and none", lambda: pframe(1.5).rename(
        {"x": "", "v": "a\nb"})),
    Case("polars", "narwhals", lambda: nw.from_native(pframe(1.5)), ("narwhals", "to_native()"),
         described=False),
]  # fmt: skip

ARROW = [
    Case("pyarrow", "NaN beside null", lambda: acolumn([1.5, None, float("nan")], pa.float64())),
    Case("pyarrow", "chunks, some empty", in_chunks),
    Case("pyarrow", "rows of a view", views),
    Case("pyarrow", "half floats near their limit", halves),
    Case("pyarrow", "floats near their limit", lambda: acolumn([3.4e38, None, 3e38],
         pa.float32())),
    Case("pyarrow", "uint64 beyond int64", lambda: acolumn([2**64 - 1, None, 5], pa.uint64())),
    Case("pyarrow", "int64 beyond 2**53", lambda: acolumn([BIG, None, BIG + 2], pa.int64())),
    Case("pyarrow", "int8 at its limits", lambda: acolumn([127, None, -128], pa.int8())),
    Case("pyarrow", "decimal128", lambda: acolumn(
        [Decimal("1.50"), None, Decimal("2.25")], pa.decimal128(5, 2))),
    Case("pyarrow", "decimal256", lambda: acolumn(
        [Decimal("1.50"), None, Decimal("2.25")], pa.decimal256(60, 2))),
    Case("pyarrow", "decimal32", lambda: acolumn(
        [Decimal("1.50"), None, Decimal("2.25")], pa.decimal32(5, 2))),
    Case("pyarrow", "decimals of negative scale", lambda: acolumn(
        [Decimal("1500"), None, Decimal("2200")], pa.decimal128(5, -2))),
    Case("pyarrow", "truth values with holes", lambda: acolumn([True, None, False], pa.bool_())),
    Case("pyarrow", "text, some empty", lambda: acolumn(["", None, "b", "NA"], pa.string())),
    Case("pyarrow", "large text", lambda: acolumn(TEXTS, pa.large_string())),
    Case("pyarrow", "text views", lambda: acolumn(TEXTS, pa.string_view())),
    Case("pyarrow", "dictionary", lambda: acolumn(TEXTS, pa.dictionary(pa.int8(), pa.string()))),
    Case("pyarrow", "dictionary of integers", lambda: acolumn(
        [3, None, 1], pa.dictionary(pa.uint16(), pa.int64()))),
    Case("pyarrow", "dictionary of large text", lambda: acolumn(
        TEXTS, pa.dictionary(pa.int64(), pa.large_string()))),
    Case("pyarrow", "dictionary of dates", dates_by_code),
    Case("pyarrow", "ordered dictionary", lambda: acolumn(
        TEXTS, pa.dictionary(pa.int8(), pa.string(), ordered=True))),
    Case("pyarrow", "dictionaries that differ", dictionaries),
    Case("pyarrow", "dictionary with null in it", null_in_dictionary),
    Case("pyarrow", "dictionary with a label twice", repeated_in_dictionary),
    Case("pyarrow", "null", lambda: acolumn([None], pa.null()), NO_VALUE, kept=True),
    Case("pyarrow", "run-end encoded", run_ends, OTHER),
    Case("pyarrow", "list", lambda: acolumn([[1, 2], None], pa.list_(pa.int64())), OTHER),
    Case("pyarrow", "struct", lambda: acolumn([{"a": 1}, None], pa.struct([("a", pa.int64())])),
         OTHER),
    Case("pyarrow", "map", lambda: acolumn([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
         OTHER),
    Case("pyarrow", "binary", lambda: acolumn([b"a", None], pa.binary()), OTHER),
    Case("pyarrow", "extension: uuid", identifiers, OTHER),
    Case("pyarrow", "extension: bool8", small_truths, OTHER),
    Case("pyarrow", "date32", lambda: acolumn([DAY, None], pa.date32()), DATES),
    Case("pyarrow", "timestamp with a zone", lambda: acolumn(
        [MOMENT, None], pa.timestamp("ns", "Asia/Tokyo")), DATES),
    Case("pyarrow", "time", lambda: acolumn([dt.time(1), None], pa.time64("us")), DATES),
    Case("pyarrow", "duration", lambda: acolumn([dt.timedelta(1), None], pa.duration("s")),
         DATES),
    Case("pyarrow", "interval", lambda: acolumn([(1, 2, 3), None], pa.month_day_nano_interval()),
         DATES),
    Case("pyarrow", "infinity", lambda: acolumn([float("inf"), 1.5, None], pa.float64()),
         INFINITE),
    Case("pyarrow", "all missing", lambda: acolumn([None], pa.float64()), NO_VALUE, kept=True),
    Case("pyarrow", "metadata and fields without nulls", described),
    Case("pyarrow", "names twice", twice, ("more than one column named 'v'", "rename")),
    Case("pyarrow", "no rows", lambda: atable(pa.nulls(12, pa.int8())).slice(0, 0),
         ("0 sample(s)", "Pass"), but=EMPTY),
    Case("pyarrow", "no columns", lambda: pa.table({}), ("0 sample(s)", "Pass"),
         but=EMPTY),
    Case("pyarrow", "record batch", lambda: in_chunks().combine_chunks().to_batches()[0],
         ("RecordBatch", "pa.Table.from_batches"), described=False),
    Case("pyarrow", "reader of batches", lambda: in_chunks().to_reader(),
         ("RecordBatchReader", "read_all()"), described=False),
    Case("pyarrow", "dataset", lambda: dataset.dataset(in_chunks()),
         ("InMemoryDataset", "to_table()"), described=False),
    Case("pyarrow", "one column", lambda: in_chunks()["v"], ("2D array", "pa.table"),
         described=False),
]  # fmt: skip
