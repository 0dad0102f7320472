"""Tables in parts: the same rows and types as at once, in the memory of a part."""

import gzip
import io

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halfseen.errors import ColumnError, FileFormatError
from halfseen.tables import read_source, read_table, streams, text_blocks, write_table
from halfseen.tables.streams import PartWriter, is_large, source_parts

RNG = np.random.default_rng(0)


@pytest.fixture
def small_parts(monkeypatch):
    """Parts of a few rows, of text and of cells."""
    monkeypatch.setattr(streams, "PART_BYTES", 1)
    monkeypatch.setattr(streams, "PART_CELLS", 40)


def csv_text(n=3000):
    """Text with quoted line feeds, holes, and types that show late."""
    lines = ["i,late,x,word,flag,bits,none,day"]
    for i in range(n):
        word = f'"a ""b"",\n{i}"' if i % 7 == 0 else f"w{i % 5}"
        late = "" if i < 2500 else "2.5" if i > 2900 else "3"
        cells = [i, late, f"{i / 8}", word, ["true", "false"][i % 2], i % 2, "NA", "2024-01-02"]
        lines.append(",".join(str(cell) if i % 11 else "" for cell in cells))
    return "\n".join(lines) + "\n"


def joined(parts):
    tables, texts = zip(*((part.table, part.text) for part in parts), strict=True)
    return tables, pa.concat_tables(tables), texts


def test_text_in_parts_is_the_text_at_once(tmp_path, small_parts):
    path = tmp_path / "t.csv"
    path.write_text(csv_text(), encoding="utf-8")
    whole = read_source(path)
    tables, table, texts = joined(source_parts(path))
    assert len(tables) > 10
    assert table.schema == whole.table.schema
    assert table.equals(whole.table)
    assert pa.concat_tables(texts).equals(whole.text)
    zipped = tmp_path / "t.csv.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    assert joined(source_parts(zipped))[1].equals(whole.table)


tiny = text_blocks.text_blocks
cells = st.one_of(
    st.sampled_from(
        ["", "0", "1", "7", "-3", "2.5", "1e400", "true", "false", "2024-01-02", "x", "NA"],
    ),
    st.sampled_from(["2024-01-02 03:04:05", "99999999999999999999", '"q, ""r"""', '"two\nlines"']),
    st.sampled_from(
        ['5" pipe', "2024-01-02 03:04:05.5", "2024-01-02T03:04:05Z", '"a"b"c', '"a\rb"']
    ),
    st.integers().map(str),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=40))
def test_types_of_parts_are_those_of_the_whole(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("t") / "t.csv"
    lines = ["a,b,last", *(f"{a},{b},{i}" for i, (a, b) in enumerate(rows))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    whole = read_source(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_blocks, "HEAD_BYTES", 8)
        patch.setattr(streams, "text_blocks", lambda *words: tiny(*words[:2], 16))
        _, table, texts = joined(source_parts(path))
    assert pa.concat_tables(texts).equals(whole.text)
    assert table.schema == whole.table.schema
    assert table.equals(whole.table)


@pytest.mark.parametrize(
    "text",
    [
        'b,n,c\n1,5" pipe,x\n' + '2,7,"p7\n3,4,r7"\n' * 900,
        "\ufeff\r\n\na,b\n" + "1,2\n" * 3000,
        "a,b\n" + "1,2\n" * 3000 + "\n" * 9000,
        "t\n" + "2020-01-01 00:00:00\n" * 900 + "2020-01-01 00:00:00.5\n",
        "one\n" + "1\n\n2\n" * 2000,
        "a;b\n" + '1;"x\n;y"\n' * 2000,
        "a,b\r" + "1,2\r" * 3000,
        "a,b\n1,2\n" + '3,"' + "long\n" * 5000 + '"\n4,5',
    ],
)
def test_awkward_text_in_parts(tmp_path, small_parts, monkeypatch, text):
    monkeypatch.setattr(text_blocks, "HEAD_BYTES", 8)
    path = write(tmp_path / "t.csv", text)
    whole = read_source(path)
    _, table, texts = joined(source_parts(path))
    assert table.schema == whole.table.schema
    assert table.equals(whole.table)
    assert pa.concat_tables(texts).equals(whole.text)


TABLE = pa.table(
    {
        "i": pa.array(range(500), pa.int16()),
        "x": pa.array(RNG.normal(size=500), mask=RNG.random(500) < 0.3),
        "s": pa.array([None if i % 5 == 0 else f"w{i}" for i in range(500)]),
        "d": pa.array([f"c{i % 3}" for i in range(500)]).dictionary_encode(),
    }
)


@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".arrow"])
@pytest.mark.parametrize("dictionary", [False, True])
def test_binary_parts(tmp_path, small_parts, suffix, dictionary):
    table = TABLE if dictionary else TABLE.drop_columns(["d"])
    path, out = tmp_path / f"t{suffix}", tmp_path / f"out{suffix}"
    write_table(path, table)
    tables, found, _ = joined(source_parts(path))
    assert len(tables) == 1 if dictionary and suffix != ".parquet" else len(tables) > 10
    assert found.equals(table)
    with PartWriter(out) as writer:
        for part in source_parts(path):
            writer.write(part.table)
    assert read_table(out).equals(table)
    assert read_table(out).schema == read_table(path).schema


def test_streams_of_arrow(tmp_path, small_parts):
    path, sink = tmp_path / "t.arrow", io.BytesIO()
    plain = TABLE.drop_columns(["d"])
    with pa.ipc.new_stream(sink, plain.schema) as writer:
        writer.write_table(plain, max_chunksize=64)
    path.write_bytes(sink.getvalue())
    assert joined(source_parts(path))[1].equals(plain)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".tsv"])
def test_text_out(tmp_path, small_parts, suffix):
    path, whole = tmp_path / "t.csv", tmp_path / f"whole{suffix}"
    path.write_text(csv_text(), encoding="utf-8")
    source = read_source(path)
    write_table(whole, source.table, source.text, np.zeros(source.table.shape, bool))
    with PartWriter(tmp_path / f"out{suffix}") as writer:
        for part in source_parts(path):
            writer.write(part.text)
    unzipped = gzip.decompress if suffix.endswith(".gz") else bytes
    texts = [unzipped(file.read_bytes()) for file in (tmp_path / f"out{suffix}", whole)]
    assert texts[0] == texts[1]


def test_what_fails_leaves_nothing(tmp_path):
    path = tmp_path / "out.parquet"
    path.write_bytes(b"mine")
    part = next(source_parts(write(tmp_path / "a.csv", "x,y\n1,2\n")))
    other = next(source_parts(write(tmp_path / "b.csv", "x,y\na,2\n")))

    def fails():
        with PartWriter(path) as writer:
            writer.write(part.table)
            writer.write(other.table)

    with pytest.raises(ColumnError, match=r"Column 'x'.*\.csv"):
        fails()
    assert path.read_bytes() == b"mine"
    assert {file.name for file in tmp_path.iterdir()} == {"a.csv", "b.csv", "out.parquet"}


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_damaged_files(tmp_path, small_parts):
    for suffix in (".parquet", ".feather"):
        whole, path = tmp_path / f"w{suffix}", tmp_path / f"t{suffix}"
        write_table(whole, TABLE)
        path.write_bytes(whole.read_bytes()[:-20])
        with pytest.raises(FileFormatError, match=path.name):
            list(source_parts(path))
    path = tmp_path / "t.csv.gz"
    packed = gzip.compress(csv_text().encode())
    for damaged in (packed[:-30], packed[:10] + b"\xff" * 20 + packed[30:]):
        path.write_bytes(damaged)
        with pytest.raises(FileFormatError, match=r"t\.csv\.gz"):
            list(source_parts(path))
    for text in ("", "a,b\n"):
        with pytest.raises(FileFormatError, match=r"no rows|empty"):
            list(source_parts(write(tmp_path / "e.csv", text)))


def test_small_tables_are_read_at_once(tmp_path, monkeypatch):
    path = write(tmp_path / "t.csv", csv_text())
    big = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"x": np.zeros(3_000_000)}), big)
    feather.write_feather(pa.table({"x": np.zeros(3)}), tmp_path / "t.feather")
    assert not any(map(is_large, (path, big, tmp_path / "t.feather")))
    monkeypatch.setattr(streams, "MOST_CELLS", 10_000)
    assert is_large(path)
    # Compressed to nearly nothing, and yet many cells.
    assert big.stat().st_size < 100_000
    assert is_large(big)
