"""Kinds of columns: what is inferred, what is refused, what a user may say."""

import datetime as dt
import decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from halfseen.errors import ColumnError, FileFormatError, SettingError
from halfseen.tables import TableCodec, describe, infer_kinds, read_kinds

COUNTS = [0, 0, 0, 1, 1, 2, 0, 0, 1, 15]

KIND_CASES = {
    "bool": ([True, False, True], "binary", False),
    "bool with holes": ([True, None, False], "binary", False),
    "constant bool": ([True, True], "binary", False),
    "two texts": (["a", None, "b"], "binary", False),
    "three texts": (["a", "b", "c"], "nominal", False),
    "one text": (["a", "a"], "nominal", False),
    "zero one": ([0, 1, 1], "binary", False),
    "zero one with holes": ([0, 1, None], "binary", False),
    "zero one floats": ([0.0, 1.0, None], "binary", False),
    "one two": ([1, 2, 1], "continuous", True),
    "ages": ([31, 45, 60, 52], "continuous", True),
    "whole floats": ([31.0, None, 60.0], "continuous", True),
    "floats": ([1.5, None, 2.0], "continuous", False),
    "counts": (COUNTS, "count", True),
    "counts with holes": ([*COUNTS, None], "count", True),
    "negative skew": ([-1, *COUNTS], "continuous", True),
    "big and skewed": ([1000 * c + 100 for c in COUNTS], "continuous", True),
    "only zeros": ([0, 0], "continuous", True),
}


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
@pytest.mark.parametrize("case", KIND_CASES)
def test_kind_is_inferred_alike_in_every_container(make, case):
    cells, kind, integer = KIND_CASES[case]
    [column] = TableCodec().fit(make({"v": cells})).spec.columns
    assert (column.name, column.kind, column.integer) == ("v", kind, integer)


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pd.Series(pd.Categorical(["b", "a", "b"], ["b", "a"], ordered=True)), "ordered"),
        (pd.Series(pd.Categorical(["b", "a", "c"])), "nominal"),
        (pd.Series([1, None, 0], dtype="Int64"), "binary"),
        (pd.Series([True, None, False], dtype="boolean"), "binary"),
        (pd.Series(["x", None, "y"], dtype="string"), "binary"),
        (pd.Series([1, None, 7], dtype="int64[pyarrow]"), "continuous"),
        (pd.Series([decimal.Decimal("1.5"), None, decimal.Decimal(2)]), "continuous"),
        (pd.Series(pd.cut([1, 2, 3], 3)), "ordered"),
    ],
)
def test_pandas_types(column, kind):
    assert infer_kinds(pd.DataFrame({"v": column})) == {"v": kind}


@pytest.mark.parametrize(
    ("array", "kinds"),
    [
        (np.array([[0.0, 1.0], [1.0, 0.0]]), ["continuous", "continuous"]),
        (np.array([[0, 1], [1, 0]]), ["continuous", "continuous"]),
        (np.array([[0, 1], [1, 0]], dtype=object), ["continuous", "continuous"]),
        (np.array([[0, "a"], [1, None]], dtype=object), ["binary", "nominal"]),
        (np.array([[True], [False]]), ["binary"]),
        (np.array([["a"], ["b"]]), ["binary"]),
        ([[1.5, "a"], [2.5, "b"]], ["continuous", "binary"]),
    ],
)
def test_array_types(array, kinds):
    assert list(infer_kinds(array).values()) == kinds


def test_float_arrays_are_never_rounded_integer_ones_are():
    assert not TableCodec().fit(np.array([[1.0], [2.0]])).spec.columns[0].integer
    assert TableCodec().fit(np.array([[1], [2]])).spec.columns[0].integer


REFUSED = {
    "date": ([dt.date(2024, 1, 1), dt.date(2024, 2, 1)], "holds dates .*days since a reference"),
    "time": ([dt.datetime(2024, 1, 1), None], "holds dates .*drop it"),
    "duration": ([dt.timedelta(1), dt.timedelta(2)], "holds dates"),
    "text": ([f"note {i}" for i in range(60)], "60 distinct values.*declare it nominal with"),
    "levels": ([str(i % 1001) for i in range(3000)], "1001 distinct"),
    "infinite": ([1.0, float("inf"), float("-inf")], r"infinity \(inf\) in 2 cell"),
    "empty": ([None, None], "no observed value; drop it or pass keep_empty_features=True."),
    "nested": ([[1], [2, 3]], "must be a string or a real number"),
    "bytes": ([b"a", b"b"], "must be a string or a real number"),
}


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
@pytest.mark.parametrize("case", REFUSED)
def test_column_is_refused_with_a_remedy_and_still_described(make, case):
    cells, message = REFUSED[case]
    table = make({"visit": cells})
    with pytest.raises(ColumnError, match=f"Column 'visit' .*{message}"):
        infer_kinds(table)
    [summary] = describe(table)
    known = {"date", "text", "infinite", "empty", "other"}
    assert summary.kind in known
    assert "visit" in summary.remedy


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pd.Series(pd.to_datetime(["2024-01-01", None]), dtype="datetime64[ns]"), "date"),
        (pd.Series(pd.to_datetime(["2024-01-01"]).tz_localize("Europe/Paris")), "date"),
        (pd.Series(pd.period_range("2024", periods=2, freq="Y")), "date"),
        (pd.Series([1, "a"], dtype=object), "mixed"),
        (pd.Series([1j, 2j]), "other"),
        (pd.Series([{"a": 1}, None]), "other"),
        (pd.Series(pd.arrays.SparseArray([0.0, 1.0])), "sparse"),
        (pd.Series(pd.interval_range(0, 2)), "other"),
    ],
)
def test_awkward_pandas_columns_are_refused_by_name(column, kind):
    table = pd.DataFrame({"v": column})
    with pytest.raises(ColumnError, match="Column 'v' holds"):
        TableCodec().fit(table)
    [summary] = describe(table)
    assert summary.kind == kind


def test_mixed_types_are_named():
    with pytest.raises(ColumnError, match=r"mix of types \(int and str\)"):
        infer_kinds(pd.DataFrame({"v": pd.Series([1, "a"], dtype=object)}))


def test_override_of_text_accepts_many_levels():
    table = pd.DataFrame({"v": [f"id{i}" for i in range(80)]})
    [column] = TableCodec().fit(table, kinds={"v": "nominal"}).spec.columns
    assert (column.kind, column.n_levels) == ("nominal", 80)


def test_overrides():
    table = pd.DataFrame(
        {"age": [1, 40], "grade": ["low", "high"], "rate": [5.0, None], "dose": [0.1, 2.0]}
    )
    kinds = {
        "age": "count",
        "grade": {"kind": "ordered", "levels": ["low", "mid", "high"]},
        "rate": {"kind": "bounded", "lower": 0, "upper": 100},
        "dose": "positive",
    }
    codec = TableCodec().fit(table, kinds=kinds)
    age, grade, rate, dose = codec.spec.columns
    assert (age.kind, age.integer, dose.kind) == ("count", True, "positive")
    assert (grade.n_levels, codec.levels["grade"]) == (3, ["low", "mid", "high"])
    assert (rate.lower, rate.upper) == (0.0, 100.0)
    assert codec.encode(table).values[:, 1].tolist() == [0.0, 2.0]


def test_polars_enum_keeps_its_order_as_levels():
    table = pl.DataFrame({"v": pl.Series(["b", "a", "c"], dtype=pl.Enum(["c", "b", "a"]))})
    codec = TableCodec().fit(table)
    assert codec.spec.columns[0].kind == "nominal"
    assert codec.levels["v"] == ["c", "b", "a"]
    assert TableCodec().fit(table, {"v": "ordered"}).spec.columns[0].kind == "ordered"


BAD_KINDS = [
    ({"agee": "count"}, SettingError, "Did you mean 'age'"),
    ({"age": "counts"}, SettingError, "Did you mean 'count'"),
    ({"age": {"kind": "ordered", "level": [1]}}, SettingError, "Did you mean 'levels'"),
    ({"age": {"kind": "bounded"}}, SettingError, "two numbers with lower < upper"),
    ({"age": {"kind": "bounded", "lower": 2, "upper": 1}}, SettingError, "lower < upper"),
    ({"age": {"kind": "count", "lower": 2}}, SettingError, "drop them or change the kind"),
    ({"age": {"kind": "count", "levels": [2]}}, SettingError, "drop them or change the kind"),
    ({"age": {"kind": "nominal", "levels": [1, 1]}}, SettingError, "distinct"),
    ({"age": {"kind": "binary", "levels": [1]}}, SettingError, "Expected 2"),
    ({"age": 3}, SettingError, "Expected a kind"),
    (["age"], SettingError, "Expected a mapping"),
    ({"city": "count"}, ColumnError, "holds text"),
    ({"city": "binary"}, ColumnError, "3 distinct values"),
    ({"city": "ordered"}, SettingError, "lowest level first"),
    ({"city": {"kind": "ordered", "levels": ["a", "b"]}}, ColumnError, "not among its levels"),
    ({"age": "positive"}, ColumnError, "holds -1. Expected values > 0"),
    ({"age": "count"}, ColumnError, "Expected whole numbers"),
    ({"age": {"kind": "bounded", "lower": 0, "upper": 9}}, ColumnError, "from 0.0 to 9.0"),
]


@pytest.mark.parametrize(("kinds", "error", "message"), BAD_KINDS)
def test_bad_override_says_what_to_do(kinds, error, message):
    table = pd.DataFrame({"age": [-1.0, 2.5, 3.0], "city": ["a", "b", "c"]})
    with pytest.raises(error, match=message):
        infer_kinds(table, kinds)


def test_read_kinds(tmp_path):
    path = tmp_path / "kinds.toml"
    path.write_text('age = "count"\n[grade]\nkind = "ordered"\nlevels = ["low", "high"]\n')
    kinds = read_kinds(path)
    assert kinds == {"age": "count", "grade": {"kind": "ordered", "levels": ["low", "high"]}}
    path.write_text('age = "cuont"')
    with pytest.raises(SettingError, match="Did you mean 'count'"):
        read_kinds(path)
    path.write_text("age = count")
    with pytest.raises(FileFormatError, match="not a TOML file"):
        read_kinds(path)


def test_describe_never_raises():
    table = pd.DataFrame([[1.0, "a", 2]] * 2, columns=["a", "a", "b"])
    first, second, third = describe(table)
    assert (first.kind, second.kind, third.kind) == ("repeated", "repeated", "continuous")
    assert third.values == "2 to 2, mean 2"
    assert describe(table.iloc[:0])[0].share_missing == 0.0
    [refused] = describe(pd.DataFrame({"v": ["a", "b"]}), {"v": "count"})
    assert refused.kind == "refused"
    [many] = describe(pd.DataFrame({"v": list("abcdefg")}))
    assert (many.values, many.n_distinct) == ("a, b, c, d, e, ... (7)", 7)
