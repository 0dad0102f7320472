"""Files: what is read is what was written, and seen cells of a CSV keep their text."""

import gzip
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pytest

from halfseen.core import writing
from halfseen.errors import ColumnError, FileFormatError, HalfseenWarning, SettingError
from halfseen.tables import (
    TableCodec,
    completed_text,
    draws_table,
    io,
    read_source,
    read_table,
    write_table,
)

TABLE = pa.table({"i": [1, None, 3], "x": [0.1, 2.5, None], "s": ["a", None, 'q "u", v\nw']})


@pytest.mark.parametrize("suffix", io.SUFFIXES)
def test_round_trip(tmp_path, suffix):
    path = tmp_path / f"table{suffix}"
    write_table(path, TABLE)
    assert read_table(path).equals(TABLE)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_integers_with_holes_stay_integers_and_nulls_are_known(tmp_path):
    path = tmp_path / "t.csv"
    spelled = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?", ".", '"NA"']
    path.write_text("i,s\n" + "".join(f"{null},{null}\n" for null in spelled) + "7,x\n")
    table = read_table(path)
    assert table.schema.field("i").type == pa.int64()
    assert table["i"].null_count == table["s"].null_count == len(spelled)
    assert read_table(path, na_values=["", "NA"])["s"].null_count == 3


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_delimiter_is_found(tmp_path, delimiter):
    path = tmp_path / "t.csv"
    path.write_text("a|b|c\n1|x|2.5\n|y|\n3|z|1.5\n".replace("|", delimiter))
    source = read_source(path)
    assert source.delimiter == delimiter
    assert source.table.column_names == ["a", "b", "c"]
    assert source.missing[1].tolist() == [True, False, True]


def test_byte_order_mark_encoding_and_single_column(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfa,b\n1,2\n")
    assert read_table(path).column_names == ["a", "b"]
    path.write_bytes("a,b\ncafé,2\n".encode("latin-1"))
    with pytest.raises(FileFormatError, match=r"not utf-8 text .*encoding='latin-1'"):
        read_table(path)
    assert read_table(path, encoding="latin-1")["a"].to_pylist() == ["café"]
    path.write_text("a\n1\n\n3\n")
    assert read_table(path)["a"].to_pylist() == [1, None, 3]


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("", FileFormatError, "is empty"),
        ("  \n", FileFormatError, "is empty"),
        ("a,b\n", FileFormatError, "has a header but no rows"),
        ("a,b,a\n1,2,3\n", ColumnError, "more than one column named 'a'"),
        ("a,b\n1,2,3\n", FileFormatError, "same number of cells"),
    ],
)
def test_bad_csv(tmp_path, content, error, message):
    path = tmp_path / "t.csv"
    path.write_text(content)
    with pytest.raises(error, match=message):
        read_table(path)


@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".arrow", ".csv.gz"])
def test_bad_binary_files(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    path.write_bytes(b"something else altogether")
    with pytest.raises(FileFormatError, match="is not a"):
        read_table(path)


def test_unknown_suffix_and_absent_file(tmp_path):
    with pytest.raises(SettingError, match=r"'t.xlsx'.*'.csv'.*'.parquet'"):
        read_table(tmp_path / "t.xlsx")
    with pytest.raises(SettingError, match="Expected it to end in"):
        write_table(tmp_path / "t.txt", TABLE)
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "t.csv")


def test_seen_cells_keep_their_text(tmp_path):
    path, out = tmp_path / "in.csv", tmp_path / "out.csv"
    lines = [
        "price,id,flag,note,e",
        '1.50,7,TRUE,"a, b",1E3',
        "NA,10,,?,2.50",
        "2.25,,FALSE,plain,",
    ]
    path.write_text("\n".join(lines) + "\n")
    source = read_source(path)
    codec = TableCodec().fit(source.table)
    values = np.tile([0.125, 12.6, 1.0, 1.0, 7.25], (3, 1))
    filled = codec.restore(source.table, values)
    write_table(out, filled, text=source.text, missing=source.missing)
    assert out.read_text().splitlines() == [
        lines[0],
        lines[1],
        "0.125,10,TRUE,plain,2.50",
        "2.25,13,FALSE,plain,7.25",
    ]


def test_text_of_draws_stacks(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("x\n1.50\n\n")
    source = read_source(path)
    codec = TableCodec().fit(source.table)
    draws = [codec.restore(source.table, np.full((2, 1), value)) for value in (0.5, 0.25)]
    texts = [completed_text(draw, source.text, source.missing) for draw in draws]
    write_table(path, draws_table(texts))
    assert path.read_text() == "draw,x\n1,1.50\n1,0.5\n2,1.50\n2,0.25\n"
    with pytest.raises(ValueError, match="Expected one shape"):
        completed_text(draws_table(draws), source.text, source.missing)
    with pytest.raises(SettingError, match="Expected both or none"):
        write_table(path, draws[0], text=source.text)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather"])
def test_failure_leaves_the_old_file(tmp_path, suffix, monkeypatch):
    path = tmp_path / f"t{suffix}"
    write_table(path, TABLE)
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(writing.os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_table(path, TABLE.slice(0, 1))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_links_and_modes_are_kept(tmp_path):
    real, link = tmp_path / "real.csv", tmp_path / "link.csv"
    write_table(real, TABLE)
    real.chmod(0o640)
    link.symlink_to(real)
    write_table(link, TABLE.slice(0, 1))
    assert link.is_symlink()
    assert read_table(real).num_rows == 1
    assert real.stat().st_mode & 0o777 == 0o640


def test_other_containers_can_be_written(tmp_path):
    frame = pd.DataFrame({"v": [1.5, None]}, index=pd.Index(["a", "b"], name="who"))
    write_table(tmp_path / "t.parquet", frame)
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.parquet").to_pandas(), frame)
    write_table(tmp_path / "t.csv", frame)
    assert (tmp_path / "t.csv").read_text() == 'v\n1.5\n""\n'
    write_table(tmp_path / "p.csv", pl.DataFrame({"v": ["a"]}, schema={"v": pl.Categorical}))
    assert (tmp_path / "p.csv").read_text() == "v\na\n"
    write_table(tmp_path / "n.csv", np.array([[1.5, 2.0]]))
    assert read_table(tmp_path / "n.csv").column_names == ["x0", "x1"]


def test_zipped_files_are_the_same_every_time(tmp_path):
    write_table(tmp_path / "a.csv.gz", TABLE)
    write_table(tmp_path / "b.csv.gz", TABLE)
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.csv.gz").read_bytes()).startswith(b"i,x,s\n")


def test_streams_are_read(tmp_path):
    with pa.ipc.new_stream(tmp_path / "t.arrow", TABLE.schema) as writer:
        writer.write_table(TABLE)
    assert read_table(tmp_path / "t.arrow").equals(TABLE)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_draws_table(make):
    one, two = make({"x": [1.0, 2.0]}), make({"x": [3.0, 4.0]})
    long = draws_table([one, two])
    names = list(long.column_names if isinstance(long, pa.Table) else long.columns)
    assert names == ["draw", "x"]
    frame = long if isinstance(long, pd.DataFrame) else long.to_pandas()
    assert frame["draw"].tolist() == [1, 1, 2, 2]
    assert frame["x"].tolist() == [1.0, 2.0, 3.0, 4.0]


def test_draw_column_avoids_a_taken_name():
    assert list(draws_table([pd.DataFrame({"draw": [1]})])) == [".draw", "draw"]
    with pytest.raises(ColumnError, match="Rename one"):
        draws_table([pd.DataFrame({"draw": [1], ".draw": [1]})])
    with pytest.raises(ValueError, match="no tables"):
        draws_table([])
    with pytest.raises(SettingError, match=r"np\.stack"):
        draws_table([np.ones((2, 2))])


@pytest.mark.parametrize(
    "first",
    ["5.1,3.5,1.4,0.2,setosa", "5.0,b,c", "3,1,2", "-1,0.5,x", "7,7.5", " 5.1 ,a", "3,NA,1,2"],
)
def test_a_file_without_names_is_noticed(tmp_path, first):
    path = tmp_path / "t.csv"
    path.write_text(f"{first}\n" + ",".join("9" for _ in first.split(",")) + "\n")
    with pytest.warns(HalfseenWarning, match=r"t\.csv has .* names of columns") as caught:
        assert read_table(path).num_rows == 1
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "first",
    [
        "a,b,c",
        "year,2019,2020",
        "2018,2019,2020",
        "0,1,2",
        "x1,5e,1.2.3",
        ",a,b",
        "V-1.5,b",
        "id,350.5,351.0,351.5",
        "3,2,1",
    ],
)
def test_names_are_names(tmp_path, recwarn, first):
    path = tmp_path / "t.csv"
    path.write_text(f"{first}\n" + ",".join("9" for _ in first.split(",")) + "\n")
    assert read_table(path).column_names == first.split(",")
    assert not recwarn.list


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_text_that_is_too_large_to_be_read_at_once(tmp_path, monkeypatch, suffix):
    path, text = tmp_path / f"t{suffix}", b"x\n" + b"1\n" * 1000
    path.write_bytes(gzip.compress(text) if suffix.endswith(".gz") else text)
    monkeypatch.setattr(io, "MOST_TEXT", len(text))
    assert read_table(path).num_rows == 1000
    monkeypatch.setattr(io, "MOST_TEXT", len(text) - 1)
    with pytest.raises(FileFormatError, match=rf"t{suffix} holds more than .* Parquet"):
        read_table(path)


def test_names_that_come_back_may_be_values(tmp_path):
    path = tmp_path / "t.csv"
    for first, hint in {"1,1,0": "one before these values", "a,a,b": "in the header\\."}.items():
        path.write_text(first + "\n1,2,3\n")
        with pytest.raises(ColumnError, match=hint):
            read_table(path)


def test_a_small_packed_file_takes_little(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"x\n1\n2\n"))
    tracemalloc.start()
    assert read_table(path).num_rows == 2
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()


def test_a_small_file_that_unpacks_to_gigabytes_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "t.csv.gz"
    with gzip.open(path, "wb", 1) as file:
        file.write(b"x\n")
        for _ in range(64):
            file.write(b"1\n" * 2**19)
    monkeypatch.setattr(io, "MOST_TEXT", 10**6)
    tracemalloc.start()
    with pytest.raises(FileFormatError, match="GiB of text"):
        read_table(path)
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()


def test_whole_numbers_that_begin_with_a_zero_are_codes(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("zip,n,x\n02116,10,0.5\n,0,1.0\n10001,-3,00.5\n")
    source = read_source(path)
    assert source.table.column("zip").to_pylist() == ["02116", None, "10001"]
    assert source.table.column("n").to_pylist() == [10, 0, -3]
    assert source.table.column("x").to_pylist() == [0.5, 1.0, 0.5]


@pytest.mark.parametrize("cell", [" NA", "NA ", "  ", " ? ", "   null"])
def test_markers_of_missing_cells_may_have_spaces(tmp_path, cell):
    path = tmp_path / "t.csv"
    path.write_text(f"age,sex\n20, male\n{cell},female\n22,{cell}\n")
    source = read_source(path)
    assert source.table.column("age").to_pylist() == [20, None, 22]
    assert source.table.column("sex").to_pylist() == [" male", "female", None]
    assert source.text.column("sex").to_pylist() == [" male", "female", cell]
