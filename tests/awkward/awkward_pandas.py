"""pandas frames that are awkward."""

from __future__ import annotations

import datetime as dt
import warnings
from decimal import Decimal
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
from awkward_cases import EMPTY, N_ROWS, TOO_FEW, Case, numbers, spread

NO_VALUE = ("'v'", "no observed value", "keep_empty_features=True")
DATES = ("'v'", "dates or times", "Convert it to a number")
MIXED = ("'v'", "a mix of types", "convert it to text or to numbers")
OTHER = ("'v'", "must be a string or a real number", "Convert it")
INFINITE = ("'v'", "infinity", "replace it by NaN")
FREE_TEXT = ("'v'", "free text", "kinds=")
BIG = 2**60 + 1
TEXTS = ["a", None, "b", "c"]


def frame(v: Any = None, **more: Any) -> pd.DataFrame:
    """A frame with an awkward column ``v`` between two ordinary ones."""
    x = numbers()
    v = x[:, 1] if v is None else v
    return pd.DataFrame({"x": x[:, 0], "v": v, "w": x[:, 2]}, **more)


def column(cells: list[Any], dtype: Any) -> pd.DataFrame:
    """A frame whose column ``v`` has cells of a type."""
    return frame(pd.Series(spread(cells), dtype=dtype))


def arrow(cells: list[Any], kind: pa.DataType) -> pd.DataFrame:
    """A frame whose column ``v`` is Arrow's."""
    return column(cells, pd.ArrowDtype(kind))


def indexed(index: Any) -> pd.DataFrame:
    """A frame with some index."""
    out = frame()
    out.index = index
    return out


def named(*names: Any) -> pd.DataFrame:
    """A frame with other names of its three columns."""
    out = frame()
    out.columns = pd.Index(names, tupleize_cols=False)
    return out


def with_columns(columns: pd.Index) -> pd.DataFrame:
    """A frame with other labels of its three columns."""
    out = frame()
    out.columns = columns
    return out


def categories(labels: Any, ordered: bool = False) -> pd.DataFrame:
    """A frame whose column ``v`` has these categories, and a hole."""
    cells = [*labels, None]
    kind = pd.CategoricalDtype(labels, ordered=ordered)
    return frame(pd.Series(spread(cells), dtype=kind))


def many_categories(n: int, n_rows: int | None = None) -> pd.DataFrame:
    """A frame with more categories than a model takes unasked."""
    n_rows = 2 * n + 2 if n_rows is None else n_rows
    x = numbers(n_rows)
    labels = [f"c{i % n}" for i in range(n_rows - 1)]
    return pd.DataFrame({"x": x[:, 0], "v": pd.Categorical([*labels, None]), "w": x[:, 2]})


def empty_at_first(dtype: Any) -> pd.DataFrame:
    """A column without a seen cell."""
    return column([None], dtype)


def with_attributes() -> pd.DataFrame:
    """A frame with attributes and a flag."""
    out = frame()
    out.attrs["origin"] = {"clinic": 3}
    return out.set_flags(allows_duplicate_labels=False)


def fragmented() -> pd.DataFrame:
    """A frame of many blocks."""
    out = frame()
    for j in range(20):
        out.insert(0, f"z{j}", numbers()[:, 0] + j)
    return out


class Study(pd.DataFrame):
    """A subclass, as users make."""

    _metadata: ClassVar[list[str]] = ["origin"]

    @property
    def _constructor(self) -> type:
        return Study


def subclass() -> pd.DataFrame:
    """A frame of a subclass with metadata."""
    out = Study(frame())
    out.origin = "clinic"
    return out


def read_only() -> pd.DataFrame:
    """A frame on an array that cannot be written."""
    cells = numbers()
    cells.flags.writeable = False
    return pd.DataFrame(cells, columns=["x", "v", "w"], copy=False)


def wide() -> pd.DataFrame:
    """More columns than rows by far."""
    return pd.DataFrame(numbers(20, 10_000)).rename(columns="c{}".format)


def strange_type(dtype: str) -> pd.DataFrame:
    """A column of a NumPy type that pandas hardly supports."""
    return frame(pd.Series(numbers()[:, 1].astype(dtype)))


def sparse_column() -> pd.DataFrame:
    """A column that stores what is not zero only."""
    return column([0.0, np.nan, 1.5, 0.0], pd.SparseDtype("float64", 0.0))


def one_type(dtype: str) -> pd.DataFrame:
    """A whole frame of one type."""
    return frame().astype(dtype)


def slices() -> pd.DataFrame:
    """A view of every other row and in another order of columns."""
    x = numbers(2 * N_ROWS)
    return pd.DataFrame(x, columns=["x", "v", "w"]).iloc[::-2, [2, 0, 1]]


def tied(cells: list[Any]) -> pd.DataFrame:
    """Numbers of the column ``v`` as Python objects."""
    return column(cells, object)


with warnings.catch_warnings():
    # Names of types differ between pandas 2 and 3; both are asked for by their classes.
    PYTHON_TEXT = pd.StringDtype("python")
    NAN_TEXT = pd.StringDtype("pyarrow", na_value=np.nan)

PANDAS = [
    # Types
    Case("pandas", "Float64", lambda: column([1.5, None, 0.1], "Float64")),
    Case("pandas", "Float32 near its limit", lambda: column([3.4e38, None, 3e38], "Float32")),
    Case("pandas", "Float64 with NaN beside NA", lambda: frame(
        pd.Series(spread([0.0, 1.0, None]), dtype="Float64")
        / pd.Series(spread([0.0, 1.0, None]), dtype="Float64"))),
    Case("pandas", "Int64 beyond 2**53", lambda: column([BIG, None, BIG + 2], "Int64")),
    Case("pandas", "UInt64 beyond int64", lambda: column([2**64 - 1, None, 2**64 - 3], "UInt64")),
    Case("pandas", "Int8 at its limits", lambda: column([127, None, -128], "Int8")),
    Case("pandas", "boolean", lambda: column([True, None, False], "boolean")),
    Case("pandas", "boolean, one value", lambda: column([True, None], "boolean")),
    Case("pandas", "float16", lambda: strange_type("float16")),
    Case("pandas", "long double", lambda: strange_type("longdouble")),
    Case("pandas", "big-endian", lambda: strange_type(">f8")),
    Case("pandas", "complex", lambda: strange_type("complex128"), OTHER),
    Case("pandas", "text, Python's", lambda: column(TEXTS, PYTHON_TEXT)),
    Case("pandas", "text, with NaN", lambda: column(TEXTS, NAN_TEXT)),
    Case("pandas", "text, Arrow's", lambda: arrow(TEXTS, pa.string())),
    Case("pandas", "large text, Arrow's", lambda: arrow(TEXTS, pa.large_string())),
    Case("pandas", "integers, Arrow's", lambda: arrow([BIG, None, BIG + 2], pa.int64())),
    Case("pandas", "uint64, Arrow's", lambda: arrow([2**64 - 1, None, 5], pa.uint64())),
    Case("pandas", "floats, Arrow's", lambda: arrow([1.5, None, 0.1], pa.float32())),
    Case("pandas", "truth values, Arrow's", lambda: arrow([True, None, False], pa.bool_())),
    Case("pandas", "decimals, Arrow's", lambda: arrow(
        [Decimal("1.50"), None, Decimal("2.25")], pa.decimal128(5, 2))),
    Case("pandas", "dictionary, Arrow's", lambda: arrow(
        TEXTS, pa.dictionary(pa.int8(), pa.string()))),
    Case("pandas", "null, Arrow's", lambda: arrow([None], pa.null()), NO_VALUE, kept=True),
    Case("pandas", "dates, Arrow's", lambda: arrow([dt.date(2024, 1, 1), None], pa.date32()),
         DATES),
    Case("pandas", "timestamps, Arrow's", lambda: arrow(
        [dt.datetime(2024, 1, 1), None], pa.timestamp("us", "Europe/Oslo")), DATES),
    Case("pandas", "lists, Arrow's", lambda: arrow([[1, 2], None], pa.list_(pa.int64())), OTHER),
    Case("pandas", "structs, Arrow's", lambda: arrow(
        [{"a": 1}, None], pa.struct([("a", pa.int64())])), OTHER),
    Case("pandas", "binary, Arrow's", lambda: arrow([b"a", None], pa.binary()), OTHER),
    # Dates, times, and what is neither
    Case("pandas", "dates", lambda: frame(pd.date_range("2024", periods=N_ROWS)), DATES),
    Case("pandas", "dates with a zone", lambda: frame(
        pd.date_range("2024", periods=N_ROWS, tz="Europe/Oslo")), DATES),
    Case("pandas", "dates all missing", lambda: column([pd.NaT], "datetime64[ns]"), DATES),
    Case("pandas", "durations", lambda: frame(pd.to_timedelta(np.arange(N_ROWS), "D")), DATES),
    Case("pandas", "periods", lambda: frame(pd.period_range("2024", periods=N_ROWS, freq="M")),
         DATES),
    Case("pandas", "intervals", lambda: frame(pd.interval_range(0, N_ROWS)), OTHER),
    Case("pandas", "sparse", sparse_column, ("'v'", "Sparse", "sparse.to_dense()")),
    # Objects
    Case("pandas", "objects: truth values with holes", lambda: tied([True, None, False])),
    Case("pandas", "objects: integers beyond 2**64", lambda: tied([10**30, None, 10**30 + 1])),
    Case("pandas", "objects: integers beyond floats", lambda: tied([10**400, None, 3]),
         ("'v'", "too large", "Convert it")),
    Case("pandas", "objects: decimals", lambda: tied([Decimal("1.5"), None, Decimal("2.25")])),
    Case("pandas", "objects: pd.NA, None, NaN", lambda: tied(["a", pd.NA, None, np.nan, "b"])),
    Case("pandas", "objects: numbers and text", lambda: tied([1, "two", None]), MIXED),
    Case("pandas", "objects: lists", lambda: tied([[1, 2], None, [3]]), OTHER),
    Case("pandas", "objects: frames", lambda: tied([pd.DataFrame({"a": [1]}), None]), OTHER),
    Case("pandas", "objects: dates", lambda: tied([dt.date(2024, 1, 1), None]), DATES),
    Case("pandas", "objects: timestamps of two zones", lambda: tied(
        [pd.Timestamp("2024", tz="UTC"), pd.Timestamp("2024", tz="Asia/Tokyo"), None]), DATES),
    Case("pandas", "objects: nothing but None", lambda: empty_at_first(object), NO_VALUE,
         kept=True),
    # Categories
    Case("pandas", "categories never seen", lambda: column(
        ["a", None, "b"], pd.CategoricalDtype(["z", "b", "a", "y"]))),
    Case("pandas", "ordered categories", lambda: categories(["low", "mid", "high"], True)),
    Case("pandas", "categories of integers", lambda: categories([3, 1, 2])),
    Case("pandas", "categories of huge integers", lambda: categories([2**63, 2**63 + 1])),
    Case("pandas", "categories of floats", lambda: categories([0.5, 1.5])),
    Case("pandas", "categories of truth values", lambda: categories([True, False])),
    Case("pandas", "categories of dates", lambda: categories(pd.date_range("2024", periods=3))),
    Case("pandas", "categories of intervals", lambda: categories(pd.interval_range(0, 3))),
    Case("pandas", "categories of tuples", lambda: frame(
        pd.Series(spread([("a", 1), ("b", 2), None])).astype("category"))),
    Case("pandas", "categories 1 and '1'", lambda: categories([1, "1"])),
    Case("pandas", "categories with equal text", lambda: categories(
        [dt.date(2024, 1, 1), "2024-01-01"])),
    Case("pandas", "categories, all missing", lambda: column(
        [None], pd.CategoricalDtype(["a", "b"])), NO_VALUE, kept=True),
    Case("pandas", "no categories at all", lambda: column([None], pd.CategoricalDtype([])),
         NO_VALUE, kept=True),
    Case("pandas", "categories by the thousand", lambda: many_categories(3000, 3002), FREE_TEXT,
         huge=True),
    Case("pandas", "categories by the thousand, declared", lambda: many_categories(1200),
         settings={"kinds": {"v": "nominal"}}, but={"ampute": FREE_TEXT}, huge=True),
    Case("pandas", "identifiers", lambda: pd.DataFrame(
        {"x": numbers(60)[:, 0], "v": [f"id-{i}" for i in range(60)]}), FREE_TEXT),
    Case("pandas", "numbers with decimal commas", lambda: column(["1,5", "2,25", None], object),
         ("'v'", "comma", "decimal point")),
    # Index and names
    Case("pandas", "duplicate index", lambda: indexed(spread(["same", "other"]))),
    Case("pandas", "several levels of index", lambda: indexed(
        pd.MultiIndex.from_product([["a", "b"], range(6)], names=["k", None]))),
    Case("pandas", "index with NaN", lambda: indexed([np.nan, *range(N_ROWS - 1)])),
    Case("pandas", "index of dates with a zone", lambda: indexed(
        pd.date_range("2024", periods=N_ROWS, tz="Asia/Tokyo", name="when"))),
    Case("pandas", "index of categories", lambda: indexed(pd.CategoricalIndex(spread(TEXTS)))),
    Case("pandas", "index of intervals", lambda: indexed(pd.interval_range(0, N_ROWS))),
    Case("pandas", "index in steps", lambda: indexed(pd.RangeIndex(30, 30 - 2 * N_ROWS, -2))),
    Case("pandas", "index with the name of a column", lambda: indexed(
        pd.Index(range(N_ROWS), name="v"))),
    Case("pandas", "names that are integers", lambda: named(0, 1, 2)),
    Case("pandas", "names that are floats and None", lambda: named(0.5, None, 2.5)),
    Case("pandas", "names that are NaN", lambda: named(np.nan, "v", "w")),
    Case("pandas", "names of many types", lambda: named(1, "v", ("a", 2))),
    Case("pandas", "names 1 and '1'", lambda: named(1, "1", "w"),
         ("more than one column named '1'", "rename")),
    Case("pandas", "names twice", lambda: named("v", "v", "w"),
         ("more than one column named 'v'", "rename")),
    Case("pandas", "names with newlines and none", lambda: named("", "a\nb", " ")),
    Case("pandas", "names like attributes", lambda: named("shape", "T", "values")),
    Case("pandas", "names beyond ASCII", lambda: named("größe", "身長", "🙂")),
    Case("pandas", "a name of 10 000 letters", lambda: named("x", "v" * 10_000, "w")),
    Case("pandas", "several levels of names", lambda: with_columns(
        pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["k", "j"]))),
    Case("pandas", "names that are dates", lambda: with_columns(
        pd.date_range("2024", periods=3, name="day"))),
    Case("pandas", "names that are categories", lambda: with_columns(
        pd.CategoricalIndex(["x", "v", "w"], name="which"))),
    Case("pandas", "names with a name", lambda: with_columns(
        pd.Index(["x", "v", "w"], name="which"))),
    # Memory
    Case("pandas", "attributes and flags", with_attributes),
    Case("pandas", "subclass", subclass),
    Case("pandas", "fragmented", fragmented),
    Case("pandas", "on a read-only array", read_only),
    Case("pandas", "a view in another order", slices),
    Case("pandas", "all float16", lambda: one_type("float16")),
    Case("pandas", "all Float32", lambda: one_type("Float32")),
    # Shapes and cells
    Case("pandas", "a series", lambda: frame()["v"], ("2D array", "to_frame()"), described=False),
    Case("pandas", "a frame of one column", lambda: frame()[["v"]]),
    Case("pandas", "one row", lambda: frame().tail(1),
         but=TOO_FEW),
    Case("pandas", "no rows", lambda: frame().head(0), ("0 sample(s)", "Pass"),
         but=EMPTY),
    Case("pandas", "no columns", lambda: frame()[[]], ("0 feature(s)", "Pass"),
         but={"describe": ()}),
    Case("pandas", "nothing", pd.DataFrame, ("0 sample(s)", "Pass"), but=EMPTY),
    Case("pandas", "infinity", lambda: frame([np.inf, *range(N_ROWS - 1)]), INFINITE),
    Case("pandas", "infinity, nullable", lambda: column([np.inf, 1.0, None], "Float64"),
         INFINITE),
    Case("pandas", "denormals", lambda: frame(numbers()[:, 1] * 5e-324)),
    Case("pandas", "all missing", lambda: frame() * np.nan,
         ("'x'", "no observed value", "keep_empty_features=True"), kept=True),
    Case("pandas", "10 000 columns", wide, huge=True),
    Case("pandas", "columns grouped", lambda: frame().groupby("x"), ("DataFrameGroupBy",
         "DataFrame"), described=False),
]  # fmt: skip
