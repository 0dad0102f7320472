"""Tables made anew: the container and the types of fit, also after a file."""

import json
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from halfseen.tables import TableCodec
from halfseen.tables.choice import codec_from_json
from halfseen.tables.images import ImageCodec

WORDS, TRUTH, WHOLE, REAL = ["b", "a", "b"], [True, False, True], [7, 250, 3], [1.5, -2.25, 0.5]

PANDAS = {
    "float32": (REAL, "float32"),
    "Float64": (REAL, "Float64"),
    "int64": (WHOLE, "int64"),
    "uint8": (WHOLE, "uint8"),
    "Int16": (WHOLE, "Int16"),
    "bool": (TRUTH, "bool"),
    "boolean": (TRUTH, "boolean"),
    "object bool": (TRUTH, "object"),
    "object text": (WORDS, "object"),
    "string": (WORDS, "string"),
    "str": (WORDS, "str"),
    "category": (WORDS, pd.CategoricalDtype(["z", "b", "a"])),
    "ordered": (WORDS, pd.CategoricalDtype(["b", "a"], ordered=True)),
    "category of numbers": ([3, 1, 3], pd.CategoricalDtype([1, 2, 3])),
    "int64[pyarrow]": (WHOLE, "int64[pyarrow]"),
    "double[pyarrow]": (REAL, "double[pyarrow]"),
    "string[pyarrow]": (WORDS, pd.ArrowDtype(pa.string())),
    "bool[pyarrow]": (TRUTH, "bool[pyarrow]"),
    "dictionary": (WORDS, pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string()))),
}

POLARS = {
    "Float32": (REAL, pl.Float32),
    "Int64": (WHOLE, pl.Int64),
    "UInt8": (WHOLE, pl.UInt8),
    "Boolean": (TRUTH, pl.Boolean),
    "String": (WORDS, pl.String),
    "Categorical": (WORDS, pl.Categorical()),
    "Enum": (WORDS, pl.Enum(["z", "b", "a"])),
    "Decimal": (REAL, pl.Decimal(10, 2)),
}

ARROW = {
    "double": (REAL, pa.float64()),
    "float": (REAL, pa.float32()),
    "int16": (WHOLE, pa.int16()),
    "bool": (TRUTH, pa.bool_()),
    "string": (WORDS, pa.string()),
    "large_string": (WORDS, pa.large_string()),
    "decimal": ([Decimal("1.50"), Decimal("2.25"), Decimal("0.75")], pa.decimal128(5, 2)),
    "dictionary": (WORDS, pa.dictionary(pa.int8(), pa.string())),
    "ordered": (WORDS, pa.dictionary(pa.int16(), pa.string(), ordered=True)),
    "dictionary of numbers": ([3, 1, 3], pa.dictionary(pa.int8(), pa.int64())),
}


def made(table):
    """The table again, from its numbers alone, by a codec that was in a file."""
    fitted = TableCodec().fit(table)
    codec = codec_from_json(json.loads(json.dumps(fitted.to_json())))
    blank = codec.template(3)
    assert type(blank) is type(table)
    encoded = codec.encode(blank)
    assert encoded.missing.all()
    assert np.isnan(encoded.values).all()
    values = fitted.encode(table).values
    assert type(codec.restore(blank, values)) is type(table)
    np.testing.assert_array_equal(codec.encode(codec.restore(blank, values)).values, values)
    return codec.create(values)


@pytest.mark.parametrize("case", PANDAS)
def test_pandas(case):
    cells, dtype = PANDAS[case]
    table = pd.DataFrame({"v": pd.Series(cells, dtype=dtype), "n": [1, 2, 3]})
    pd.testing.assert_frame_equal(made(table), table, check_exact=True)


def test_labels_that_are_numbers_come_back():
    table = pd.DataFrame(np.arange(6.0).reshape(3, 2))
    pd.testing.assert_frame_equal(made(table), table, check_column_type=False)


@pytest.mark.parametrize("case", POLARS)
def test_polars(case):
    cells, dtype = POLARS[case]
    table = pl.DataFrame({"v": pl.Series("v", cells).cast(dtype), "n": [1, 2, 3]})
    out = made(table)
    assert out.schema == table.schema
    assert out.equals(table)


@pytest.mark.parametrize("case", ARROW)
def test_arrow(case):
    cells, dtype = ARROW[case]
    if pa.types.is_dictionary(dtype):
        column = pa.array(cells).dictionary_encode().cast(dtype)
    else:
        column = pa.array(cells, dtype)
    table = pa.table({"v": column, "n": [1, 2, 3]})
    out = made(table)
    assert out.schema == table.schema
    assert out.to_pylist() == table.to_pylist()


@pytest.mark.parametrize(
    "table",
    [
        np.array([[1.5, 2.0], [0.25, 3.0], [4.0, 1.0]], dtype=np.float32),
        np.array([[1, 250], [3, 4], [5, 6]], dtype=np.uint8),
        np.array([[True, False], [False, True], [True, True]]),
        np.array([["a", "b"], ["c", "b"], ["a", "d"]]),
        np.array([["a", 1.5, 7], ["c", 2.5, 8], ["a", 3.5, 9]], dtype=object),
    ],
)
def test_arrays(table):
    out = made(table)
    assert out.dtype == table.dtype
    np.testing.assert_array_equal(out, table)
    assert [type(cell) for cell in out[0]] == [type(cell) for cell in table[0]]


def test_cells_without_an_answer_stay_missing_in_a_type_that_can():
    codec = TableCodec().fit(pd.DataFrame({"a": [1, 2], "b": [3, 5]}))
    out = codec.create(np.array([[1.0, 4.0], [np.nan, 3.0]]))
    assert out.dtypes.astype(str).tolist() == ["Int64", "int64"]
    assert out["a"].isna().tolist() == [False, True]
    array = TableCodec().fit(np.array([[1, 2], [3, 5]])).create(np.array([[1.0, np.nan]]))
    assert array.dtype == np.float64


def test_files_that_say_nothing_of_the_container():
    table = pd.DataFrame({"a": [1.5, 2.0], "b": ["x", "y"]})
    state = TableCodec().fit(table).to_json()
    del state["record"]
    out = codec_from_json(state).create(np.array([[3.0, 1.0]]))
    assert out.dtypes.astype(str).tolist() == ["float64", "object"]
    assert out.to_dict("list") == {"a": [3.0], "b": ["y"]}
    state = TableCodec().fit(np.eye(2)).to_json()
    del state["record"]
    np.testing.assert_array_equal(codec_from_json(state).create(np.eye(2)), np.eye(2))
    images = codec_from_json({"image_shape": [1, 1, 2]}).create(np.array([[0.25, 0.5]]))
    assert images.dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float16, np.float32, ">f8"])
def test_arrays_of_images(dtype):
    images = (np.arange(12).reshape(2, 1, 2, 3) / 16).astype(dtype)
    codec = ImageCodec.from_json(json.loads(json.dumps(ImageCodec().fit(images).to_json())))
    out = codec.create(images.reshape(2, 6))
    assert out.dtype.type == images.dtype.type
    np.testing.assert_array_equal(out, images)
    assert np.isnan(codec.template(3)).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_tensors_of_images(dtype):
    images = (torch.arange(12).reshape(2, 1, 2, 3) / 16).to(dtype)
    codec = ImageCodec.from_json(json.loads(json.dumps(ImageCodec().fit(images).to_json())))
    out = codec.create(images.reshape(2, 6).float().numpy())
    assert out.dtype == dtype
    assert torch.equal(out, images)
