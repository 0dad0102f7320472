"""Files of tables that fuzzing found, or that are damaged: an error that names the file."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import feather, parquet

from halfseen.errors import FileFormatError, HalfseenError
from halfseen.tables import read_table
from halfseen.tables.codec import TableCodec
from halfseen.tables.io import read_source
from halfseen.tables.settings import read_kinds

FOUND = sorted((Path(__file__).parents[1] / "fixtures" / "tables").iterdir())
QUIET = settings(
    deadline=None,
    max_examples=80,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
TABLE = pa.table(
    {
        "age": pa.array([31, None, 40]),
        "city": pa.array(["Rome", "Oslo", None]),
        "grade": pa.array(["a", "b", None]).dictionary_encode(),
    }
)


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_what_a_fuzzer_found(path):
    for read in (read_table, read_source):
        with pytest.raises(FileFormatError, match=path.name):
            read(path)


def test_text_that_is_none_is_refused_by_arrow_too(tmp_path):
    wrong = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")]
    )
    feather.write_feather(pa.table({"city": wrong}), tmp_path / "t.feather")
    with pytest.raises(FileFormatError, match=r"t\.feather"):
        read_table(tmp_path / "t.feather")


def test_a_zip_that_is_broken_inside(tmp_path):
    data = bytearray(gzip.compress(b"a,b\n" + b"1,2\n" * 500))
    data[15] ^= 255
    (tmp_path / "t.csv.gz").write_bytes(data)
    with pytest.raises(FileFormatError, match="gzip"):
        read_table(tmp_path / "t.csv.gz")


@pytest.mark.parametrize(
    "text", [b"a\rb,c\n1,2\n", b'"' + b"x" * 200_000 + b'",b\n1,2\n'], ids=["return", "long name"]
)
def test_headers_that_no_reader_takes(tmp_path, text):
    (tmp_path / "t.csv").write_bytes(text)
    with pytest.raises(FileFormatError, match=r"t\.csv"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 5000 + "]" * 5000, "a = " + "9" * 5000, "a = {", "a = 1", "[a]\nkind = []"],
    ids=["nested", "digits", "open", "a number", "a list"],
)
def test_kinds_that_are_none(tmp_path, text):
    (tmp_path / "k.toml").write_text(text, encoding="utf-8")
    with pytest.raises(HalfseenError):
        read_kinds(tmp_path / "k.toml")


def some_files():
    """The bytes of a small table in every format that is not text."""
    sink = pa.BufferOutputStream()
    parquet.write_table(TABLE, sink)
    yield ".parquet", sink.getvalue().to_pybytes()
    sink = pa.BufferOutputStream()
    feather.write_feather(TABLE, sink, compression="uncompressed")
    yield ".feather", sink.getvalue().to_pybytes()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, TABLE.schema) as writer:
        writer.write_table(TABLE)
    yield ".arrow", sink.getvalue().to_pybytes()
    yield ".csv.gz", gzip.compress(b"age,city\n31,Rome\n,Oslo\n40,\n")


FILES = dict(some_files())


@QUIET
@given(suffix=st.sampled_from(sorted(FILES)), chosen=st.data())
@pytest.mark.filterwarnings("ignore")
def test_damaged_bytes_are_refused_or_a_table(tmp_path, suffix, chosen):
    data = bytearray(FILES[suffix])
    place = chosen.draw(st.integers(0, len(data) - 1))
    data[place] ^= chosen.draw(st.integers(1, 255))
    cut = chosen.draw(st.sampled_from([len(data), len(data), place]))
    path = tmp_path / f"t{suffix}"
    path.write_bytes(data[:cut])
    try:
        table = read_table(path)
        codec = TableCodec().fit(table)
        encoded = codec.encode(table)
    except HalfseenError:
        return
    assert encoded.values.shape == table.shape
    seen = encoded.values[~encoded.missing]
    assert not np.isinf(seen).any()
