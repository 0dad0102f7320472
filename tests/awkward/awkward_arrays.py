"""Arrays, lists, sparse matrices and tensors that are awkward."""

from __future__ import annotations

import datetime as dt
import tempfile
import warnings
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from awkward_cases import EMPTY, TOO_FEW, Case, numbers, spread
from scipy import sparse

NO_VALUE = ("'x1'", "no observed value", "keep_empty_features=True")
DATES = ("'x1'", "dates or times", "Convert it to a number")
MIXED = ("'x1'", "a mix of types", "convert it to text or to numbers")
OTHER = ("'x1'", "must be a string or a real number", "Convert it")
SURROGATE = ("no Unicode", "\\ud800", "correct these cells")
INFINITE = ("'x1'", "infinity", "replace it by NaN")


def objects(cells: list[Any]) -> np.ndarray:
    """Numbers, with a column ``x1`` of Python objects between them."""
    out = numbers().astype(object)
    column = np.empty(len(out), dtype=object)
    column[:] = spread(cells)
    out[:, 1] = column
    return out


def integers(start: int, dtype: str) -> np.ndarray:
    """Whole numbers in two columns that differ by little."""
    return np.array([start - i for i in range(24)], dtype=dtype).reshape(12, 2)


def with_cells(*cells: float, dtype: str = "float64") -> np.ndarray:
    """Numbers whose column ``x1`` starts with the given cells."""
    out = numbers().astype(dtype)
    out[: len(cells), 1] = cells
    return out


def scaled(scale: float, dtype: str = "float64") -> np.ndarray:
    """Numbers whose column ``x1`` has another scale."""
    out = numbers()
    out[:, 1] *= scale
    return out.astype(dtype)


def all_missing(column: Any) -> np.ndarray:
    """Numbers without a seen cell in some columns."""
    out = numbers()
    out[:, column] = np.nan
    return out


def mapped() -> np.memmap:
    """A memory map that cannot be written."""
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file.name, numbers())
        return np.load(file.name, mmap_mode="r")


def read_only() -> np.ndarray:
    """An array that cannot be written."""
    out = numbers()
    out.flags.writeable = False
    return out


def matrix() -> Any:
    """NumPy's old matrices, which keep two axes whatever is taken of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        return np.asmatrix(numbers())


def structured() -> np.ndarray:
    """An array of records."""
    return np.array([(1.5, 2), (2.5, 3)], dtype=[("age", "f8"), ("n", "i4")])


def wide(n_columns: int = 10_000) -> np.ndarray:
    """More columns than rows by far."""
    return numbers(20, n_columns)


def of_text(kind: str) -> np.ndarray:
    """Texts of one dtype, complete."""
    texts = np.array(spread(["a", "bb", "ccc"])).reshape(-1, 1)
    if kind == "T":
        return texts.astype(np.dtypes.StringDType())
    return texts.astype(kind)


ARRAYS = [
    # Memory
    Case("array", "Fortran order", lambda: np.asfortranarray(numbers())),
    Case("array", "read-only", read_only),
    Case("array", "every other row of a view", lambda: numbers(24, 6)[::2, ::2]),
    Case("array", "rows in reverse", lambda: numbers()[::-1]),
    Case("array", "transposed view", lambda: np.ascontiguousarray(numbers().T).T),
    Case("array", "broadcast view, all rows equal", lambda: np.broadcast_to([1.0, 2.0], (12, 2)),
         but=TOO_FEW),
    Case("array", "memory map", mapped),
    Case("array", "not aligned", lambda: np.frombuffer(b"\0" + numbers().tobytes(), offset=1)
         .reshape(-1, 3)),
    Case("array", "matrix", matrix),
    # Types
    Case("array", "float16", lambda: numbers().astype(np.float16)),
    Case("array", "float16 near its limit", lambda: scaled(20000.0, "float16")),
    Case("array", "float32 near its limit", lambda: scaled(1e38, "float32")),
    Case("array", "long double", lambda: numbers().astype(np.longdouble)),
    Case("array", "big-endian float64", lambda: numbers().astype(">f8")),
    Case("array", "big-endian float32", lambda: numbers().astype(">f4")),
    Case("array", "big-endian integers", lambda: np.arange(24).reshape(12, 2).astype(">i4")),
    Case("array", "int8", lambda: np.arange(24, dtype=np.int8).reshape(12, 2)),
    # Floats, which models compute in, cannot tell these from each other: columns are constant.
    Case("array", "uint64 beyond int64", lambda: integers(2**64 - 1, "uint64"), but=TOO_FEW),
    Case("array", "int64 beyond 2**53", lambda: integers(2**62, "int64"), but=TOO_FEW),
    Case("array", "truth values", lambda: np.arange(24).reshape(12, 2) % 5 == 0),
    Case("array", "complex", lambda: numbers() + 0j, ("Complex data", "real"), described=False),
    Case("array", "dates", lambda: np.arange(24).reshape(12, 2).astype("M8[D]"),
         ("'x0'", "dates or times", "Convert it to a number")),
    Case("array", "durations with holes", lambda: np.array([["NaT", 1], [2, 3]], "m8[s]"),
         ("'x0'", "dates or times", "Convert it to a number")),
    Case("array", "texts of fixed width", lambda: of_text("U3")),
    Case("array", "texts of variable width", lambda: of_text("T")),
    Case("array", "bytes", lambda: of_text("S3"), ("'x0'", "must be a string", "Convert it")),
    Case("array", "structured", structured, ("fields", "DataFrame"), described=False),
    Case("array", "record array", lambda: structured().view(np.recarray),
         ("fields", "DataFrame"), described=False),
    Case("array", "masked, with holes", lambda: np.ma.masked_invalid(numbers()),
         ("masked array", "filled(np.nan)"), described=False),
    Case("array", "masked, without holes", lambda: np.ma.masked_array(np.eye(3)),
         ("masked array", "filled(np.nan)"), described=False),
    # Shapes
    Case("array", "one row", lambda: np.array([[1.0, 2.0]]),
         but=TOO_FEW),
    Case("array", "one row with a hole", lambda: np.array([[1.0, np.nan]]), NO_VALUE, kept=True),
    Case("array", "two rows", lambda: np.array([[1.0, np.nan], [2.0, 5.0]]),
         but=TOO_FEW),
    Case("array", "one column", lambda: numbers(p=1)),
    Case("array", "one cell", lambda: np.array([[3.0]]),
         but=TOO_FEW),
    Case("array", "no rows", lambda: np.empty((0, 3)), ("0 sample(s)", "Pass"), but=EMPTY),
    Case("array", "no columns", lambda: np.empty((3, 0)), ("0 feature(s)", "Pass"),
         but={"describe": ()}),
    Case("array", "a single number", lambda: np.float64(3), ("2D array", "reshape"),
         described=False),
    Case("array", "one axis", lambda: numbers()[:, 0], ("2D array", "reshape"), described=False),
    Case("array", "five axes", lambda: np.zeros((2, 2, 2, 2, 2)), ("dim 5", "2", "Reshape"),
         described=False),
    Case("array", "10 000 columns", wide, huge=True),
    # Cells
    Case("array", "all missing", lambda: np.full((12, 3), np.nan),
         ("'x0'", "no observed value", "keep_empty_features=True"), kept=True),
    Case("array", "a column all missing", lambda: all_missing(1), NO_VALUE, kept=True),
    Case("array", "a column all missing, kept", lambda: all_missing(1),
         settings={"keep_empty_features": True}),
    Case("array", "all missing, kept", lambda: all_missing(slice(None)),
         settings={"keep_empty_features": True}, but=TOO_FEW),
    Case("array", "rows all missing", lambda: np.vstack([np.full((3, 3), np.nan), numbers()])),
    Case("array", "duplicate rows", lambda: np.repeat(numbers(4), 3, axis=0)),
    Case("array", "duplicate columns", lambda: np.repeat(numbers(p=1), 3, axis=1)),
    Case("array", "constant", lambda: np.where(np.isnan(numbers()), np.nan, 7.25),
         but=TOO_FEW),
    Case("array", "one outlier", lambda: with_cells(1e12)),
    Case("array", "infinity", lambda: with_cells(np.inf), INFINITE),
    Case("array", "minus infinity", lambda: with_cells(-np.inf), INFINITE),
    Case("array", "denormals", lambda: scaled(5e-324)),
    Case("array", "scale 1e-300", lambda: scaled(1e-300)),
    Case("array", "scale 1e300", lambda: scaled(1e300)),
    Case("array", "largest floats", lambda: with_cells(1.7e308, -1.7e308)),
    Case("array", "denormals of float32", lambda: scaled(1e-45, "float32")),
    Case("array", "negative zeros", lambda: with_cells(-0.0, 0.0, -0.0, -0.0)),
    Case("array", "NaN with payloads", lambda: np.frombuffer(
        np.array([0x7FF8DEADBEEF0001, 0xFFF8000000000001], "u8").tobytes()
        + np.arange(22.0).tobytes()).reshape(12, 2)),
    # Objects
    Case("objects", "numbers and None", lambda: objects([1.5, None, 2.5])),
    Case("objects", "integers, None and NaN", lambda: objects([1, None, 7, float("nan")])),
    Case("objects", "integers beyond 2**64", lambda: objects([10**30, None, 10**30 + 1])),
    Case("objects", "integers beyond floats", lambda: objects([10**400, None, 3]),
         ("'x1'", "too large", "Convert it")),
    Case("objects", "truth values with holes", lambda: objects([True, None, False])),
    Case("objects", "truth values of NumPy", lambda: objects([np.True_, None, np.False_])),
    Case("objects", "pd.NA, None, NaN and NaT", lambda: objects(
        ["a", pd.NA, None, float("nan"), "b", pd.NaT])),
    Case("objects", "decimals", lambda: objects([Decimal("1.50"), None, Decimal("2.25")])),
    Case("objects", "decimals that are NaN", lambda: objects(
        [Decimal("1.50"), Decimal("NaN"), Decimal("2.25")])),
    Case("objects", "an infinite decimal", lambda: objects(
        [Decimal("1.5"), Decimal("Infinity")]), INFINITE),
    Case("objects", "fractions", lambda: objects([Fraction(1, 3), None]), OTHER),
    Case("objects", "complex numbers", lambda: objects([1j, None]), OTHER),
    Case("objects", "numbers and text", lambda: objects([1, "two", None]), MIXED),
    Case("objects", "numbers and truth values", lambda: objects([1, True, None]), MIXED),
    Case("objects", "text and truth values", lambda: objects(["yes", True, None]), MIXED),
    Case("objects", "empty texts", lambda: objects(["", "a", None])),
    Case("objects", "texts that look missing", lambda: objects(["nan", "NA", None, "None"])),
    Case("objects", "texts with NUL", lambda: objects(["a\0b", "\a", None, "𝔘"])),
    Case("objects", "texts with lone surrogates", lambda: objects(["a", "\ud800", None]),
         but={f"{name}.save, load": SURROGATE for name in ("mean", "miwae", "classifier",
                                                            "regressor")}),
    Case("objects", "texts of NumPy", lambda: objects([np.str_("a"), None, np.str_("b")])),
    Case("objects", "bytes", lambda: objects([b"a", None, b"b"]), OTHER),
    Case("objects", "lists", lambda: objects([[1, 2], None, [3]]), OTHER),
    Case("objects", "arrays", lambda: objects([np.zeros(2), None, np.ones(3)]), OTHER),
    Case("objects", "dictionaries", lambda: objects([{"a": 1}, None]), OTHER),
    Case("objects", "tuples", lambda: objects([(1, 2), None]), OTHER),
    Case("objects", "dates", lambda: objects([dt.date(2024, 1, 1), None]), DATES),
    Case("objects", "times with zones", lambda: objects(
        [dt.datetime(2024, 1, 1, tzinfo=dt.UTC), None]), DATES),
    Case("objects", "paths", lambda: objects([Path("a"), None]), OTHER),
    Case("objects", "functions", lambda: objects([len, None]), OTHER),
    Case("objects", "numbers of many widths", lambda: objects(
        [np.float32(0.1), np.int8(3), 1.5, np.uint64(2**63), None])),
]  # fmt: skip

LISTS = [
    Case("list", "lists", lambda: numbers().tolist()),
    Case("list", "tuples with None", lambda: [(1.0, None), (2.0, 5.0), (4.0, 6.0)] * 4),
    Case("list", "arrays", lambda: list(numbers())),
    Case("list", "text and numbers", lambda: [["a", 1.5], ["b", None], [None, 2.5]] * 4),
    Case("list", "ragged", lambda: [[1.0, 2.0], [3.0]], ("rows of different lengths", "row 1"),
         described=False),
    Case("list", "dictionaries", lambda: [{"a": 1.0}, {"a": None}],
         ("2D array", "DataFrame"), described=False),
    Case("list", "empty", list, ("2D array", "reshape"), but=EMPTY | {"describe": ("2D array",)}),
    Case("list", "integers beyond int64", lambda: [[2**64, 1.5], [None, 2.5], [2**65, 0.5]] * 4),
    Case("other", "None", lambda: None, ("None", "DataFrame"), described=False),
    Case("other", "text", lambda: "table.csv", ("'table.csv'", "read_table"), described=False),
    Case("other", "a path", lambda: Path("table.csv"), ("table.csv", "read_table"),
         described=False),
    Case("other", "a generator", lambda: (row for row in numbers()), ("generator", "DataFrame"),
         described=False),
    Case("other", "a set", lambda: {1.0, 2.0}, ("set", "DataFrame"), described=False),
    Case("other", "a dictionary of lists", lambda: {"a": [1.5, None, 2.5, 0.5] * 3,
         "b": [1, 0, None, 1] * 3},
         but={"describe": ("mapping", "one table")}),
    Case("other", "sparse matrix", lambda: sparse.csr_matrix(np.eye(12)),
         ("Sparse data", "toarray()"), described=False),
    Case("other", "sparse array", lambda: sparse.coo_array(np.eye(12)),
         ("Sparse data", "toarray()"), described=False),
    Case("other", "sparse dictionary", lambda: sparse.dok_matrix(np.eye(12)),
         ("Sparse data", "toarray()"), described=False),
]  # fmt: skip

TENSORS = [
    Case("tensor", "float32", lambda: torch.tensor(numbers(), dtype=torch.float32)),
    Case("tensor", "float64, not contiguous", lambda: torch.tensor(numbers()).t().clone().t()),
    Case("tensor", "with a gradient", lambda: torch.tensor(numbers(), requires_grad=True)),
    Case("tensor", "bfloat16", lambda: torch.tensor(numbers()).bfloat16()),
    Case("tensor", "integers", lambda: torch.arange(24).reshape(12, 2)),
    Case("tensor", "truth values", lambda: torch.arange(24).reshape(12, 2) % 5 == 0),
    Case("tensor", "one axis", lambda: torch.tensor(numbers()[:, 0]), ("2D array", "reshape"),
         described=False),
    Case("tensor", "sparse", lambda: torch.eye(12).to_sparse(), ("sparse", "to_dense()"),
         described=False),
    Case("tensor", "complex", lambda: torch.eye(12) * 1j, ("Complex data", "real"),
         described=False),
]  # fmt: skip
