"""Encode and restore: seen cells bit-identical, types kept, whatever the container."""

import json
import subprocess
import sys
from decimal import Decimal

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from scipy import sparse

from halfseen.errors import ColumnError, SettingError, UnseenCategoryWarning
from halfseen.tables import TableCodec
from halfseen.tables.raw import round_clip

BIG = 2**60 + 1

PANDAS = {
    "float64": ([1.5, None, 0.1], "float64"),
    "float32": ([1.5, None, 0.1], "float32"),
    "Float64": ([1.5, None, 0.1], "Float64"),
    "Int64": ([BIG, None, BIG + 2], "Int64"),
    "UInt8": ([250, None, 255], "UInt8"),
    "boolean": ([True, None, False], "boolean"),
    "object bool": ([True, None, False], "object"),
    "object text": (["a", None, "b"], "object"),
    "object text with NA": (["a", pd.NA, "b"], "object"),
    "object numbers": ([1, float("nan"), 7], "object"),
    "string": (["a", None, "b"], "string"),
    "category": (["a", None, "b"], pd.CategoricalDtype(["z", "b", "a"])),
    "ordered": (["a", None, "b"], pd.CategoricalDtype(["b", "a"], ordered=True)),
    "category of numbers": ([3, None, 1], pd.CategoricalDtype([1, 2, 3])),
    "int64[pyarrow]": ([BIG, None, BIG + 2], "int64[pyarrow]"),
    "double[pyarrow]": ([1.5, None, 0.1], "double[pyarrow]"),
    "string[pyarrow]": (["a", None, "b"], "string[pyarrow]"),
    "bool[pyarrow]": ([True, None, False], "bool[pyarrow]"),
    "dictionary": (["a", None, "b"], pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string()))),
}

POLARS = {
    "Float64": ([1.5, None, 0.1], pl.Float64),
    "NaN": ([1.5, float("nan"), 0.1], pl.Float64),
    "Float32": ([1.5, None, 0.1], pl.Float32),
    "Int64": ([BIG, None, BIG + 2], pl.Int64),
    "UInt8": ([250, None, 255], pl.UInt8),
    "Boolean": ([True, None, False], pl.Boolean),
    "String": (["a", None, "b"], pl.String),
    "Categorical": (["a", None, "b"], pl.Categorical()),
    "Enum": (["a", None, "b"], pl.Enum(["z", "b", "a"])),
    "Decimal": (["1.50", None, "2.25"], pl.Decimal(10, 2)),
}

ARROW = {
    "double": ([1.5, None, 0.1], pa.float64()),
    "NaN": ([1.5, float("nan"), 0.1], pa.float64()),
    "float": ([1.5, None, 0.1], pa.float32()),
    "half": ([1.5, None, 0.5], pa.float16()),
    "int64": ([BIG, None, BIG + 2], pa.int64()),
    "uint8": ([250, None, 255], pa.uint8()),
    "bool": ([True, None, False], pa.bool_()),
    "string": (["a", None, "b"], pa.string()),
    "large_string": (["a", None, "b"], pa.large_string()),
    "string_view": (["a", None, "b"], pa.string_view()),
    "decimal": ([Decimal("1.50"), None, Decimal("2.25")], pa.decimal128(5, 2)),
    "dictionary of numbers": ([3, None, 1], pa.dictionary(pa.int8(), pa.int64())),
    "dictionary": (["a", None, "b"], pa.dictionary(pa.int8(), pa.string())),
    "ordered": (["a", None, "b"], pa.dictionary(pa.int8(), pa.string(), ordered=True)),
}


def pandas_table(case):
    cells, dtype = PANDAS[case]
    return pd.DataFrame({"v": pd.Series(cells, dtype=dtype), "whole": np.arange(3, dtype="int16")})


def polars_table(case):
    cells, dtype = POLARS[case]
    values = pl.Series("v", cells)
    return pl.DataFrame({"v": values.cast(dtype), "whole": np.arange(3, dtype="int16")})


def arrow_table(case):
    cells, dtype = ARROW[case]
    if pa.types.is_float16(dtype):
        cells = [None if cell is None else np.float16(cell) for cell in cells]
    values = pa.array(cells, type=dtype)
    return pa.table({"v": pa.chunked_array([values[:1], values[1:]]), "whole": np.arange(3)})


def complete(table, value=0.7):
    codec = TableCodec().fit(table)
    encoded = codec.encode(table)
    assert (np.isnan(encoded.values) == encoded.missing).all()
    return codec.restore(table, np.where(encoded.missing, value, 12345.0)), encoded


@pytest.mark.parametrize("case", PANDAS)
def test_pandas_column_keeps_type_and_seen_cells(case):
    table = pandas_table(case)
    before = table.copy(deep=True)
    out, encoded = complete(table)
    assert encoded.missing[:, 0].tolist() == [False, True, False]
    assert out.dtypes.tolist() == table.dtypes.tolist()
    pd.testing.assert_frame_equal(out.iloc[[0, 2]], table.iloc[[0, 2]], check_exact=True)
    assert not out.isna().to_numpy().any()
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize("case", POLARS)
def test_polars_column_keeps_type_and_seen_cells(case):
    table = polars_table(case)
    out, encoded = complete(table)
    assert encoded.missing[:, 0].tolist() == [False, True, False]
    assert out.schema == table.schema
    assert out[[0, 2]].equals(table[[0, 2]])
    assert out["v"].null_count() == 0


@pytest.mark.parametrize("case", ARROW)
def test_arrow_column_keeps_type_and_seen_cells(case):
    table = arrow_table(case).replace_schema_metadata({"made": "here"})
    out, encoded = complete(table)
    assert encoded.missing[:, 0].tolist() == [False, True, False]
    assert out.schema.equals(table.schema, check_metadata=True)
    assert [column[::2] for column in lists(out)] == [column[::2] for column in lists(table)]
    assert not TableCodec().fit(out).encode(out).missing.any()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_keep_type_and_bits(dtype, order):
    array = np.array([[0.1, np.nan], [1 / 3, 2.0], [7.0, -0.0]], dtype=dtype, order=order)
    array.flags.writeable = False
    out, _ = complete(array)
    assert out.dtype == array.dtype
    assert out.flags.writeable
    seen = ~np.isnan(array)
    assert out[seen].tobytes() == array[seen].tobytes()
    assert out[0, 1] == np.asarray(0.7, dtype=dtype)


def test_views_and_object_arrays():
    array = np.arange(24.0).reshape(6, 4)
    array[2, 2] = np.nan
    out, _ = complete(array[::2, ::2])
    assert out[1, 1] == 0.7
    mixed = np.array([[1.5, "a", True], [None, None, None], [2.5, "b", False]], dtype=object)
    out, _ = complete(mixed)
    assert out.tolist() == [[1.5, "a", True], [0.7, "b", True], [2.5, "b", False]]
    assert out.dtype == object
    assert mixed[1].tolist() == [None, None, None]


def test_huge_integers_stay_and_imputed_ones_are_rounded_and_clipped():
    table = pd.DataFrame({"v": pd.array([BIG, None, BIG + 2], dtype="Int64")})
    codec = TableCodec().fit(table)
    out = codec.restore(table, np.full((3, 1), 1e30))
    assert out["v"].tolist() == [BIG, 2**63 - 1, BIG + 2]
    small = pd.DataFrame({"v": pd.array([3, None, 9, None], dtype="UInt8")})
    out = TableCodec().fit(small).restore(small, np.array([[0], [-4.0], [0], [2.5]]))
    assert out["v"].tolist() == [3, 0, 9, 2]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "uint64"])
def test_round_clip(dtype):
    info = np.iinfo(dtype)
    out = round_clip(np.array([-1e30, 0.5, 1.5, 1e30]), np.dtype(dtype))
    assert out.dtype == dtype
    assert out.tolist() == [info.min, 0, 2, info.max]


def test_whole_float_column_gets_whole_floats():
    table = pd.DataFrame({"v": [3.0, np.nan, 5.0]})
    assert complete(table, 3.6)[0]["v"].tolist() == [3.0, 4.0, 5.0]


@pytest.mark.parametrize(
    "index",
    [
        pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["k", "j"]),
        pd.Index(["same", "same", "other"]),
        pd.date_range("2024", periods=3),
    ],
)
def test_index_order_and_attributes_are_kept(index):
    table = pd.DataFrame({"z": [1.5, None, 2.5], "a": ["u", None, "v"]}, index=index)
    table.attrs["origin"] = "clinic"
    out, _ = complete(table)
    pd.testing.assert_index_equal(out.index, table.index)
    assert list(out) == ["z", "a"]
    assert out.attrs == table.attrs


def test_result_is_independent_of_the_input():
    table = pd.DataFrame({"v": [1.0, None, 2.5], "w": [1.0, 2.0, 3.5]})
    out, _ = complete(table)
    out.loc[0, "w"] = 99.0
    assert table.loc[0, "w"] == 1.0


CONTAINERS = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
    "numpy": lambda data: np.array(list(zip(*data.values(), strict=True)), dtype=object),
}


def cells_of(table):
    if isinstance(table, np.ndarray):
        return table.T.tolist()
    rows = table.to_pandas() if not isinstance(table, pd.DataFrame) else table
    return [rows[name].tolist() for name in rows]


@pytest.mark.parametrize("container", CONTAINERS)
def test_unseen_category_is_kept_warned_and_not_missing(container):
    make = CONTAINERS[container]
    codec = TableCodec().fit(make({"x": [1.5, 2.5, 3.0], "c": ["a", "b", "c"]}))
    new = make({"x": [1.5, None, 2.5], "c": ["new", None, "a"]})
    with pytest.warns(UnseenCategoryWarning, match="not seen in fit: 'new'"):
        encoded = codec.encode(new)
    assert np.isnan(encoded.values[:, 1]).tolist() == [True, True, False]
    assert encoded.missing[:, 1].tolist() == [False, True, False]
    out = codec.restore(new, np.array([[0.0, 2.0], [4.5, 2.0], [0.0, 2.0]]))
    assert cells_of(out) == [[1.5, 4.5, 2.5], ["new", "c", "a"]]


@pytest.mark.parametrize("container", CONTAINERS)
def test_column_missing_only_at_transform(container):
    make = CONTAINERS[container]
    codec = TableCodec().fit(make({"x": [1.5, 2.5], "c": ["a", "b"], "d": [1.0, 2.5]}))
    new = make({"x": [None, None], "c": [None, None], "d": [3.5, 4.5]})
    encoded = codec.encode(new)
    assert encoded.missing.tolist() == [[True, True, False]] * 2
    out = codec.restore(new, np.array([[2.25, 1.0, 0.0]] * 2))
    assert cells_of(out) == [[2.25, 2.25], ["b", "b"], [3.5, 4.5]]


@pytest.mark.parametrize("container", CONTAINERS)
def test_all_missing_constant_and_single_row(container):
    make = CONTAINERS[container]
    table = make({"e": [None, None], "k": [7.5, None], "t": ["a", None]})
    with pytest.raises(ColumnError, match=r"has no observed value; drop it or pass keep_empty"):
        TableCodec().fit(table)
    codec = TableCodec().fit(table, keep_empty_features=True)
    assert [column.constant for column in codec.spec.columns] == [0.0, 7.5, 0.0]
    out = codec.restore(table, np.array([[0.0, 7.5, 0.0]] * 2))
    assert cells_of(out) == [[0.0, 0.0], [7.5, 7.5], ["a", "a"]]
    single = TableCodec().fit(make({"v": [2.5], "w": ["a"]})).spec
    assert [column.constant for column in single.columns] == [2.5, 0.0]


@pytest.mark.parametrize(
    ("column", "filled"),
    [
        (pd.Series([None, None], dtype="string"), "missing"),
        (pd.Series([None, None], dtype="object"), 0.0),
        (pd.Series([None, None], dtype="boolean"), False),
        (pd.Series([None, None], dtype="Int64"), 0),
        (pd.Series([None, None], dtype=pd.CategoricalDtype(["u", "v"])), "u"),
        (pd.Series([None, None], dtype="float32"), 0.0),
    ],
)
def test_kept_empty_column_is_filled_in_its_own_type(column, filled):
    table = pd.DataFrame({"v": column})
    codec = TableCodec().fit(table, keep_empty_features=True)
    out = codec.restore(table, np.full((2, 1), codec.spec.columns[0].constant))
    assert out["v"].dtype == column.dtype
    assert out["v"].tolist() == [filled, filled]


def test_constants_of_bool_and_fully_missing_row():
    table = pd.DataFrame({"b": pd.array([True, None, True], dtype="boolean"), "x": [1.5, None, 2]})
    codec = TableCodec().fit(table)
    assert codec.spec.columns[0].constant == 1.0
    assert codec.levels["b"] == [False, True]
    assert codec.encode(table).missing[1].all()


def test_nan_in_filled_leaves_the_cell_missing_and_infinity_is_refused():
    table = pd.DataFrame({"v": [1.5, None, None]})
    codec = TableCodec().fit(table)
    out = codec.restore(table, np.array([[0.0], [np.nan], [2.0]]))
    assert out["v"].isna().tolist() == [False, True, False]
    with pytest.raises(ValueError, match="infinite filled values"):
        codec.restore(table, np.full((3, 1), np.inf))
    with pytest.raises(ValueError, match="Expected the shape of the table"):
        codec.restore(table, np.zeros((3, 2)))


def test_dictionaries_that_differ_between_chunks():
    chunks = [pa.array(cells).dictionary_encode() for cells in (["a", "b"], ["c", None, "b"])]
    table = pa.table({"d": pa.chunked_array(chunks)})
    codec = TableCodec().fit(table)
    encoded = codec.encode(table)
    assert codec.levels == {"d": ["a", "b", "c"]}
    np.testing.assert_array_equal(encoded.values[:, 0], [0, 1, 2, np.nan, 1])
    out = codec.restore(table, np.ones((5, 1)))
    assert out["d"].to_pylist() == ["a", "b", "c", "b", "b"]


def test_column_of_type_null_takes_the_type_of_its_values():
    for make in (pa.table, pl.DataFrame):
        table = make({"e": [None, None]})
        codec = TableCodec().fit(table, keep_empty_features=True)
        assert lists(codec.restore(table, np.zeros((2, 1)))) == [[0.0, 0.0]]


def test_nan_beside_null_is_missing_too():
    ratio = pd.Series([0.0, 1.0, None], dtype="Float64")
    table = pd.DataFrame({"v": ratio / ratio})
    out, encoded = complete(table, 9.0)
    assert encoded.missing[:, 0].tolist() == [True, False, True]
    assert out["v"].tolist() == [9.0, 1.0, 9.0]


def test_names_that_are_not_text():
    table = pd.DataFrame({0: [1.5, None], ("a", 1): [2.5, 3.0]})
    codec = TableCodec().fit(table)
    assert codec.feature_names is None
    assert codec.spec.names == ["0", "('a', 1)"]
    assert codec.restore(table, np.ones((2, 2))).columns.tolist() == table.columns.tolist()


def test_decimals_are_clipped_into_their_range():
    table = pa.table({"v": pa.array([Decimal("1.5"), None], type=pa.decimal128(5, 2))})
    out = TableCodec().fit(table).restore(table, np.full((2, 1), 1e9))
    assert out["v"].to_pylist() == [Decimal("1.50"), Decimal("999.99")]


def test_category_that_the_type_lacks_is_added():
    fitted = pd.DataFrame({"c": pd.Categorical(["a", "b", "c"])})
    codec = TableCodec().fit(fitted)
    new = pd.DataFrame({"c": pd.Categorical(["a", None])})
    out = codec.restore(new, np.array([[0.0], [2.0]]))
    assert out["c"].tolist() == ["a", "c"]
    enum = pl.DataFrame({"c": pl.Series(["a", None], dtype=pl.Enum(["a"]))})
    assert codec.restore(enum, np.array([[0.0], [2.0]]))["c"].to_list() == ["a", "c"]
    arrow = pa.table({"c": pa.array(["a", None]).dictionary_encode()})
    assert codec.restore(arrow, np.array([[0.0], [2.0]]))["c"].to_pylist() == ["a", "c"]


def test_interval_categories_survive():
    table = pd.DataFrame({"age": pd.cut([1.0, np.nan, 5.0, 9.0], 3)})
    out, _ = complete(table, 0.0)
    assert out["age"].dtype == table["age"].dtype
    assert out["age"].iloc[1] == table["age"].iloc[0]


def test_encoding_crosses_containers():
    data = {"x": [1.5, None], "b": [True, False], "c": ["u", None], "k": [0, 1]}
    codec = TableCodec().fit(pl.DataFrame(data))
    expected = codec.encode(pl.DataFrame(data))
    for make in (pd.DataFrame, pa.table, CONTAINERS["numpy"]):
        encoded = codec.encode(make(data))
        np.testing.assert_array_equal(encoded.values, expected.values)
        np.testing.assert_array_equal(encoded.missing, expected.missing)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["a", "c"], "unseen at fit time:\n- c\n(.|\n)*now missing:\n- b"),
        (["b", "a"], "must be in the same order"),
        (["a"], "now missing"),
        (["a", "b", "c"], "unseen at fit time"),
    ],
)
def test_other_columns_are_refused(columns, message):
    codec = TableCodec().fit(pd.DataFrame({"a": [1.5, 2.0], "b": [1.5, 2.5]}))
    with pytest.raises(ColumnError, match=message):
        codec.encode(pd.DataFrame(np.ones((2, len(columns))), columns=columns))


def test_other_width_and_other_types_are_refused():
    codec = TableCodec().fit(np.array([[1.5, 2.0]]))
    with pytest.raises(ColumnError, match="X has 3 features, but TableCodec is expecting 2 feat"):
        codec.encode(np.ones((2, 3)))
    with pytest.raises(ColumnError, match="holds text"):
        codec.encode(np.array([["a", 1.0]], dtype=object))
    positive = TableCodec().fit(pd.DataFrame({"v": [1.5, 2.0]}), kinds={"v": "positive"})
    with pytest.raises(ColumnError, match="Expected values > 0"):
        positive.encode(pd.DataFrame({"v": [-1.0]}))


INPUTS = [
    (np.ones(3), ValueError, "Expected 2D array, got 1D array instead"),
    (
        pd.Series([1.0]),
        ValueError,
        r"Expected 2D array, got 1D array instead.*(.|\n)*Reshape your",
    ),
    (np.float64(3), ValueError, "Expected 2D array, got scalar"),
    (np.ones((2, 2, 2)), ValueError, "Found array with dim 3"),
    (
        np.ones((0, 3)),
        ValueError,
        r"0 sample\(s\) \(shape=\(0, 3\)\) while a minimum of 1 is requ",
    ),
    (
        np.ones((3, 0)),
        ValueError,
        r"0 feature\(s\) \(shape=\(3, 0\)\) while a minimum of 1 is req",
    ),
    (pd.DataFrame({"a": []}), ValueError, r"0 sample\(s\)"),
    (sparse.csr_matrix(np.eye(2)), TypeError, "Sparse data was passed.*dense data is required"),
    (np.ones((2, 2)) * 1j, ValueError, "Complex data not supported"),
    (np.ma.masked_invalid([[1.0, np.nan]]), TypeError, "masked array.*filled"),
    (np.array([[1.0, np.inf]]), ValueError, "infinity.*inf"),
    (np.array([[1.0, {"foo": 1}]], dtype=object), TypeError, "argument must be .*string.* number"),
    (pl.LazyFrame({"a": [1]}), SettingError, "collect"),
    (pd.DataFrame([[1, 2]], columns=["a", "a"]), ColumnError, "more than one column named 'a'"),
    (pa.table([[1], [2]], names=["a", "a"]), ColumnError, "more than one column named 'a'"),
    (np.array([["2024-01-01"]], dtype="datetime64[D]"), ColumnError, "holds dates"),
]


@pytest.mark.parametrize(("table", "error", "message"), INPUTS)
def test_bad_tables(table, error, message):
    with pytest.raises(error, match=message):
        TableCodec().fit(table)


def test_json_round_trip_in_a_fresh_process(tmp_path):
    table = pd.DataFrame(
        {
            "b": [True, False, True],
            "i": [0, 1, 1],
            "f": pd.Categorical([0.5, 1.5, 2.5]),
            "s": ["u", "v", "w"],
            "x": [1.5, None, 2.0],
        }
    )
    codec = TableCodec().fit(table)
    state = json.loads(json.dumps(codec.to_json()))
    again = TableCodec.from_json(state)
    assert (again.spec, again.levels) == (codec.spec, codec.levels)
    types = [[type(level) for level in levels] for levels in again.levels.values()]
    assert types == [[bool] * 2, [int] * 2, [float] * 3, [str] * 3]
    np.testing.assert_array_equal(again.encode(table).values, codec.encode(table).values)


def test_rooms_imports_are_cheap():
    code = (
        "import sys, halfseen.tables as t; t.TableCodec().fit([[1.5, None], [2.0, 3.0]]);"
        "print([m for m in ('torch', 'polars', 'pyarrow.parquet') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@settings(max_examples=60, deadline=None)
@given(
    values=hnp.arrays(
        st.sampled_from([np.float32, np.float64]),
        st.tuples(st.integers(1, 6), st.integers(1, 3)),
        elements=st.floats(-1e6, 1e6, width=32) | st.just(float("nan")),
    )
)
def test_seen_cells_of_arrays_are_bit_identical(values):
    codec = TableCodec().fit(values, keep_empty_features=True)
    encoded = codec.encode(values)
    out = codec.restore(values, np.where(encoded.missing, 0.25, -1.0))
    seen = ~np.isnan(values)
    assert out.dtype == values.dtype
    assert out[seen].tobytes() == values[seen].tobytes()
    assert (out[~seen] == 0.25).all()


CELLS = {
    "Int64": st.integers(-(2**63), 2**63 - 1),
    "float64": st.floats(allow_nan=False, allow_infinity=False),
    "string": st.text(max_size=3),
    "boolean": st.booleans(),
}


@st.composite
def frames(draw):
    n_rows = draw(st.integers(1, 6))
    columns = {}
    for name, cells in CELLS.items():
        values = draw(st.lists(cells | st.none(), min_size=n_rows, max_size=n_rows))
        columns[name] = pd.Series(values, dtype=name)
    return pd.DataFrame(columns)


@settings(max_examples=60, deadline=None)
@given(table=frames())
def test_seen_cells_of_frames_are_identical_in_every_container(table):
    for native in (table, pa.Table.from_pandas(table), pl.from_pandas(table)):
        codec = TableCodec().fit(native, keep_empty_features=True)
        encoded = codec.encode(native)
        out = codec.restore(native, np.where(encoded.missing, 0.0, np.nan))
        assert type(out) is type(native)
        for place, (old, new) in enumerate(zip(lists(native), lists(out), strict=True)):
            seen = ~encoded.missing[:, place]
            assert [v for v, s in zip(old, seen, strict=True) if s] == [
                v for v, s in zip(new, seen, strict=True) if s
            ]
            assert not any(value is None or value is pd.NA for value in new)


def lists(table):
    if isinstance(table, pd.DataFrame):
        return [table[name].tolist() for name in table]
    columns = table.columns if isinstance(table, pa.Table) else table.get_columns()
    return [
        column.to_pylist() if hasattr(column, "to_pylist") else column.to_list()
        for column in columns
    ]
