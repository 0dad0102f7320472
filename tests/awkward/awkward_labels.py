"""Labels that are awkward, and tables that change between fit and transform."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import torch
from awkward_cases import N_ROWS, numbers, spread

__all__ = ["LABELS", "LATER", "Labels", "Later"]

NO_LABEL = ("without any label", "Expected one")
NO_NUMBER = ("without any number", "Expected one")
TYPES = ("labels of type", "convert them")
NUMBERS = ("not numbers", "convert them, or use a classifier")
LONG = ("beyond 64 bits", "convert them")
BIG = 2**60


@dataclass(frozen=True)
class Labels:
    """Awkward labels of twelve rows.

    Parameters
    ----------
    name : str
        What is awkward.
    make : callable
        Makes the labels.
    classes, numbers : tuple of str
        Words of the error of a classifier and of a regressor; empty where it works.
    known : sequence, optional
        The classes, as they must come back.
    """

    name: str
    make: Callable[[], Any]
    classes: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    known: tuple[Any, ...] | None = None

    def __str__(self) -> str:
        return f"labels: {self.name}"

    def words(self, entry: str) -> tuple[str, ...]:
        """What an error of an entry must hold; empty where the entry must work."""
        return self.classes if entry.startswith("classifier") else self.numbers


def series(cells: list[Any], dtype: Any = object) -> pd.Series:
    """A pandas series of labels."""
    return pd.Series(spread(cells), dtype=dtype, name="label")


LABELS = [
    Labels("text", lambda: spread(["a", "b"]), (), NUMBERS, ("a", "b")),
    Labels("text and None", lambda: spread(["a", "b", None]), (), NUMBERS, ("a", "b")),
    Labels("text, empty too", lambda: spread(["", "b"]), (), NUMBERS, ("", "b")),
    Labels("text of objects with NaN", lambda: np.array(spread(["a", np.nan, "b"]), dtype=object),
           (), NUMBERS, ("a", "b")),
    Labels("text that looks like numbers", lambda: spread(["1", "2"]), (), (), ("1", "2")),
    Labels("truth values", lambda: spread([True, False]), (), (), (False, True)),
    Labels("truth values and None", lambda: spread([True, None, False]), (), (), (False, True)),
    Labels("boolean of pandas", lambda: series([True, pd.NA, False], "boolean"), (), (),
           (False, True)),
    Labels("Int64 of pandas", lambda: series([3, pd.NA, 7], "Int64"), (), (), (3, 7)),
    Labels("Float64 of pandas", lambda: series([1.0, pd.NA, 2.0], "Float64"), (), (), (1.0, 2.0)),
    Labels("categories", lambda: series(["b", None, "a"], "category"), (), NUMBERS, ("a", "b")),
    Labels("text of Arrow", lambda: series(["b", None, "a"], "string[pyarrow]"), (), NUMBERS,
           ("a", "b")),
    Labels("integers of Arrow", lambda: series([3, None, 7], "int64[pyarrow]"), (), (), (3, 7)),
    Labels("one class", lambda: spread(["a"]), (), NUMBERS, ("a",)),
    Labels("one class and None", lambda: spread(["a", None]), (), NUMBERS, ("a",)),
    Labels("a class seen once", lambda: ["rare", *spread(["a", "b"])][:N_ROWS], (), NUMBERS,
           ("a", "b", "rare")),
    Labels("a class per row", lambda: [f"c{i:02d}" for i in range(N_ROWS)], (), NUMBERS,
           tuple(f"c{i:02d}" for i in range(N_ROWS))),
    Labels("huge integers", lambda: spread([BIG, BIG + 1]), (), (), (BIG, BIG + 1)),
    Labels("huge integers and None", lambda: spread([BIG, None, BIG + 1]), (), (), (BIG, BIG + 1)),
    Labels("integers beyond int64", lambda: spread([2**64, 2**64 + 1]), LONG, ()),
    Labels("integers beyond floats", lambda: spread([10**400, 1]), LONG, NUMBERS),
    Labels("uint64", lambda: np.array(spread([2**64 - 1, 5]), "u8"), (), (), (5, 2**64 - 1)),
    Labels("negative integers", lambda: spread([-1, 1]), (), (), (-1, 1)),
    Labels("whole floats", lambda: spread([1.0, 2.0, np.nan]), (), (), (1.0, 2.0)),
    Labels("floats", lambda: spread([0.5, 1.5, np.nan]), ("0.5", "classes", "regressor"), ()),
    Labels("float16", lambda: np.array(spread([1.0, 2.0]), "f2"), (), (), (1.0, 2.0)),
    Labels("big-endian", lambda: np.array(spread([1, 2]), ">i4"), (), (), (1, 2)),
    Labels("numbers and text", lambda: spread([1, "a"]), TYPES, NUMBERS),
    Labels("truth values and numbers", lambda: spread([True, 2]), TYPES, ()),
    Labels("decimals", lambda: spread([Decimal("1.5"), Decimal(2)]), TYPES, ()),
    Labels("complex", lambda: spread([1j, 2j]), TYPES, NUMBERS),
    Labels("bytes", lambda: spread([b"a", b"b"]), TYPES, NUMBERS),
    Labels("dates", lambda: spread([dt.date(2024, 1, 1), dt.date(2024, 1, 2)]), TYPES, NUMBERS),
    Labels("dates of pandas", lambda: pd.Series(pd.date_range("2024", periods=N_ROWS)), TYPES,
           NUMBERS),
    Labels("dates of NumPy", lambda: np.arange(N_ROWS).astype("M8[D]"), TYPES, NUMBERS),
    Labels("lists", lambda: spread([[1, 2], [3, 4]]), ("y", "one column"), ("y", "one column")),
    Labels("lists of several lengths", lambda: spread([[1, 2], [3]]), TYPES, NUMBERS),
    Labels("two columns", lambda: np.arange(2 * N_ROWS).reshape(-1, 2), ("y", "one column"),
           ("y", "one column")),
    Labels("one column of an array", lambda: np.array(spread([0, 1])).reshape(-1, 1), (), (),
           (0, 1)),
    Labels("a frame of one column", lambda: pd.DataFrame({"y": spread([0, 1])}), (), (), (0, 1)),
    Labels("a frame of two columns", lambda: pd.DataFrame({"y": spread([0, 1]), "z": 1}),
           ("y", "one column"), ("y", "one column")),
    Labels("series of polars", lambda: pl.Series(spread(["a", None, "b"])), (), NUMBERS,
           ("a", "b")),
    Labels("categories of polars", lambda: pl.Series(spread(["a", None, "b"]),
           dtype=pl.Categorical()), (), NUMBERS, ("a", "b")),
    Labels("column of pyarrow", lambda: pa.chunked_array([spread(["a", None, "b"])]), (), NUMBERS,
           ("a", "b")),
    Labels("dictionary of pyarrow", lambda: pa.array(spread(["a", None])).dictionary_encode(), (),
           NUMBERS, ("a",)),
    Labels("tensor", lambda: torch.tensor(spread([0, 1])), (), (), (0, 1)),
    Labels("tensor with a gradient", lambda: torch.tensor(spread([0.0, 1.0]), requires_grad=True),
           (), (), (0.0, 1.0)),
    Labels("too few", lambda: [0, 1], ("12 rows", "2 labels", "one label a row"),
           ("12 rows", "2 labels", "one label a row")),
    Labels("none at all", list, NO_LABEL, NO_NUMBER),
    Labels("all missing", lambda: spread([None]), NO_LABEL, NO_NUMBER),
    Labels("all NaN", lambda: spread([np.nan]), NO_LABEL, NO_NUMBER),
    Labels("None", lambda: None, ("y", "label per row"), ("y", "number per row")),
    Labels("a single number", lambda: 3, ("y", "one column"), ("y", "one column")),
    Labels("a dictionary", lambda: {"a": 1}, ("y", "one column"), ("y", "one column")),
    Labels("infinity", lambda: spread([0.0, np.inf]), ("infinity", "NaN where unknown"),
           ("infinity", "NaN where unknown")),
    Labels("largest floats", lambda: spread([1.7e308, -1.7e308, 0.0]), (), ()),
    Labels("denormals", lambda: spread([5e-324, 1e-323, 0.0]), ("classes", "regressor"), ()),
    Labels("constant number", lambda: spread([2.5]), ("classes", "regressor"), ()),
    Labels("a lone surrogate", lambda: spread(["\ud800", "b"]),
           ("no Unicode", "correct these cells"), NUMBERS),
]  # fmt: skip


@dataclass(frozen=True)
class Later:
    """A table that a fitted model meets, which is not like the one of the fit.

    Parameters
    ----------
    name : str
        What changed.
    make : callable
        Makes the table.
    refused : tuple of str
        Words of the error; empty where it works.
    """

    name: str
    make: Callable[[], Any]
    refused: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"later: {self.name}"

    def words(self, entry: str) -> tuple[str, ...]:
        """What an error must hold; empty where the entry must work."""
        return self.refused


def fitted_on() -> pd.DataFrame:
    """What the model was fitted to: numbers, text, truth values, categories."""
    x = numbers()
    return pd.DataFrame(
        {
            "x": x[:, 0],
            "n": pd.array(spread([1, 7, None, 30, 90]), dtype="Int64"),
            "c": pd.Series(spread(["a", "b", None]), dtype=object),
            "k": pd.Categorical(spread(["low", None, "high"]), ["low", "high"], ordered=True),
            "f": pd.array(spread([True, None, False]), dtype="boolean"),
        }
    )


def changed(**columns: Any) -> pd.DataFrame:
    """The table of the fit with other columns."""
    return fitted_on().assign(**columns)


def typed(cells: list[Any], dtype: Any) -> pd.Series:
    """A column of twelve cells."""
    return pd.Series(spread(cells), dtype=dtype)


LATER = [
    Later("one row", lambda: fitted_on().tail(1)),
    Later("no rows", lambda: fitted_on().head(0), ("0 sample(s)", "Pass")),
    Later("polars", lambda: pl.from_pandas(fitted_on())),
    Later("pyarrow", lambda: pa.Table.from_pandas(fitted_on(), preserve_index=False)),
    Later("objects", lambda: fitted_on().astype(object)),
    Later("all missing", lambda: fitted_on().map(lambda cell: None).astype(fitted_on().dtypes)),
    Later("NaN everywhere", lambda: pd.DataFrame(np.nan, range(3), list(fitted_on()))),
    Later("one row of Python objects", lambda: pd.DataFrame([dict.fromkeys(fitted_on(), None)])),
    Later("polars, all missing", lambda: pl.from_pandas(fitted_on()).clear(N_ROWS)),
    Later("pyarrow, all missing", lambda: pa.table(
          {name: pa.nulls(3, pa.float64()) for name in fitted_on()})),
    Later("polars, missing floats", lambda: pl.DataFrame(
          {name: pl.Series([None, None], dtype=pl.Float64) for name in fitted_on()})),
    Later("an array of NaN", lambda: np.full((3, 5), np.nan),
          ("'x2'", "text", "array of objects")),
    Later("columns of None", lambda: pd.DataFrame(dict.fromkeys(fitted_on(), spread([None])),
          dtype=object)),
    Later("floats where integers were", lambda: changed(n=typed([1.5, None], "float64")),
          ("'n'", "whole numbers", "change the kind with kinds=")),
    Later("whole floats where integers were", lambda: changed(n=typed([3.0, None], "float64"))),
    Later("integers where floats were", lambda: changed(x=typed([1, None], "Int8"))),
    Later("truth values where integers were", lambda: changed(n=typed([True, None], "boolean"))),
    Later("text where numbers were", lambda: changed(x=typed(["1.5", None], object)),
          ("'x'", "holds text", "convert")),
    Later("dates where numbers were", lambda: changed(x=pd.date_range("2024", periods=N_ROWS)),
          ("'x'", "dates or times", "Convert it")),
    Later("numbers where text was", lambda: changed(c=typed([1, None], "Int64")),
          ("'c'", "numbers", "text, as in fit")),
    Later("infinity", lambda: changed(x=typed([np.inf, None], "float64")),
          ("'x'", "infinity", "replace it by NaN")),
    Later("a new category", lambda: changed(c=typed(["new", None, "a"], object))),
    Later("a new category by the thousand", lambda: changed(
          c=[f"new{i}" for i in range(N_ROWS - 1)] + [None])),
    Later("fewer categories", lambda: changed(k=typed(["high", None], "category"))),
    Later("an unordered category", lambda: changed(k=typed(["high", None, "low"], object))),
    Later("0 and 1 where truth values were", lambda: changed(f=typed([0, None, 1], "Int64"))),
    Later("text where truth values were", lambda: changed(f=typed(["yes", None], object)),
          ("'f'", "text", "truth values")),
    Later("a mix of types", lambda: changed(c=typed(["a", 1, None], object)),
          ("'c'", "a mix of types", "convert it")),
    Later("columns in another order", lambda: fitted_on()[list("fkcnx")], ("same order",
          "Pass the columns of fit")),
    Later("a column less", lambda: fitted_on().drop(columns="c"),
          ("now missing", "- c", "Pass the columns of fit")),
    Later("a column more", lambda: changed(more=1.0),
          ("unseen at fit time", "- more", "Pass the columns of fit")),
    Later("a column twice", lambda: fitted_on()[["x", "n", "c", "k", "f", "f"]],
          ("more than one column named 'f'", "rename")),
    Later("an array of as many columns", lambda: fitted_on().to_numpy(dtype=object,
          na_value=None)),
    Later("an array of fewer columns", lambda: numbers(),
          ("3 features", "expecting 5", "Pass the columns of fit")),
    Later("a series", lambda: fitted_on()["x"], ("2D array", "to_frame()")),
    Later("a far outlier", lambda: changed(x=typed([1e300, None], "float64"))),
]  # fmt: skip
