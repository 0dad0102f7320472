"""Files that are awkward, and what a command must say or write."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.ipc
import pyarrow.parquet as parquet

__all__ = ["FILES", "File"]

TABLE = "age,city,flag\n30,Oslo,yes\n,Rome,no\n50.5,,yes\n41,Rome,\n"
FIELDS = ("same number of cells", "first line")


@dataclass(frozen=True)
class File:
    """An awkward file and what must become of it.

    Parameters
    ----------
    name : str
        What is awkward.
    path : str
        Its name on disk.
    data : callable
        Makes its bytes.
    refused : tuple of str
        Words of the error of every command; empty where it works.
    but : mapping of str to tuple of str
        Words for commands whose outcome is not that of the others.
    options : tuple of str
        What must be said on the command line.
    text : bool
        Whether untouched cells of the output must be those of the file, byte for byte.
    """

    name: str
    path: str
    data: Callable[[], bytes]
    refused: tuple[str, ...] = ()
    but: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"file: {self.name}"

    def words(self, entry: str) -> tuple[str, ...]:
        """What an error of a command must hold; empty where it must work."""
        return self.but.get(entry, self.refused)


def text(content: str, encoding: str = "utf-8") -> Callable[[], bytes]:
    """The bytes of a text."""
    return lambda: content.encode(encoding)


def swapped(delimiter: str) -> Callable[[], bytes]:
    """The table with another delimiter."""
    return text(TABLE.replace(",", delimiter))


def zipped(content: str = TABLE, times: int = 1) -> bytes:
    """A text, compressed once or more."""
    data = content.encode()
    for _ in range(times):
        data = gzip.compress(data, mtime=0)
    return data


def archive() -> bytes:
    """A zip archive with the table in it."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as file:
        file.writestr("t.csv", TABLE)
    return sink.getvalue()


def arrow_table() -> pa.Table:
    """The table with types."""
    return pa.table(
        {
            "age": [30.0, None, 50.5, 41.0],
            "city": ["Oslo", "Rome", None, "Rome"],
            "flag": [True, False, True, None],
        }
    )


def as_parquet(table: pa.Table) -> bytes:
    """A table as Parquet."""
    sink = io.BytesIO()
    parquet.write_table(table, sink)
    return sink.getvalue()


def as_feather(table: pa.Table, version: int = 2) -> bytes:
    """A table as Feather."""
    sink = io.BytesIO()
    with warnings.catch_warnings():
        # Nobody should write version 1 any more, but files of it are there.
        warnings.simplefilter("ignore", DeprecationWarning)
        feather.write_feather(table, sink, version=version, compression=None)
    return sink.getvalue()


def as_stream(table: pa.Table) -> bytes:
    """A table as a stream of Arrow."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def with_column(column: pa.Array) -> Callable[[], bytes]:
    """Parquet with one more column, ``v``."""
    return lambda: as_parquet(arrow_table().append_column("v", column))


def dictionary() -> pa.Array:
    """Categories of Arrow."""
    return pa.array(["a", None, "b", "a"]).dictionary_encode()


def of_pandas() -> bytes:
    """Parquet that pandas wrote, with an index."""
    sink = io.BytesIO()
    frame = arrow_table().to_pandas()
    frame.index = pd.Index(list("wxyz"), name="who")
    frame.to_parquet(sink)
    return sink.getvalue()


def wide_csv(n: int = 1000) -> bytes:
    """Many columns."""
    rng = np.random.default_rng(0)
    header = ",".join(f"c{j}" for j in range(n))
    rows = [",".join(f"{v:.3f}" for v in rng.normal(size=n)) for _ in range(4)]
    rows.append("," * (n - 1))
    return "\n".join([header, *rows, ""]).encode()


def long_cell() -> bytes:
    """A cell of a million letters, twice."""
    cell = "x" * 1_000_000
    return f"note,age\n{cell},30\n{cell},\nshort,50\n".encode()


NESTED = pa.array([[1, 2], None, [3], []])
DATES = pa.array([dt.date(2024, 1, 1), None, dt.date(2024, 1, 2), None])
NOT_UTF8 = ("is not utf-8 text", "Save it as UTF-8")
EMPTY = ("is empty", "Expected")
V_DATES = ("'v'", "dates or times", "Convert it")
V_OTHER = ("'v'", "must be a string or a real number", "Convert it")

#: Columns without a seen cell can be described and amputed, and no target.
HOLLOW: Mapping[str, tuple[str, ...]] = {
    "describe": (),
    "ampute": (),
    "train, predict": ("no observed value", "choose another target"),
}
NO_TARGET: Mapping[str, tuple[str, ...]] = {
    "describe": (),
    "train, predict": ("'v'", "Expected numbers, text or truth values"),
}

FILES = [
    # Encodings
    File("byte order mark", "t.csv", lambda: b"\xef\xbb\xbf" + TABLE.encode()),
    File("UTF-16", "t.csv", text(TABLE, "utf-16"), NOT_UTF8),
    File("UTF-16 without a mark", "t.csv", text(TABLE, "utf-16-le"), ("NUL", "UTF-8")),
    File("UTF-32", "t.csv", text(TABLE, "utf-32"), NOT_UTF8),
    File("latin-1", "t.csv", text(TABLE.replace("Rome", "Tromsø"), "latin-1"), NOT_UTF8),
    File("Windows", "t.csv", text(TABLE.replace("Rome", "€uro"), "cp1252"), NOT_UTF8),
    File("letters beyond the base plane", "t.csv", text(TABLE.replace("Rome", "𝔘🙂"))),
    File("NUL in a cell", "t.csv", text(TABLE.replace("Rome", "Ro\0me"))),
    File("control characters", "t.csv", text(TABLE.replace("Rome", "Ro\x07\x1fme"))),
    File("line separators in cells", "t.csv", text(TABLE.replace("Rome", "Ro\u2028\x85me"))),
    # Lines
    File("lines of Windows", "t.csv", text(TABLE.replace("\n", "\r\n"))),
    File("lines of old Macs", "t.csv", text(TABLE.replace("\n", "\r"))),
    File("no newline at the end", "t.csv", text(TABLE.rstrip("\n"))),
    File("empty lines between", "t.csv", text(TABLE.replace("\n", "\n\n"))),
    File("empty lines first", "t.csv", text("\n\n" + TABLE)),
    File("a comment first", "t.csv", text("# made by hand\n" + TABLE), ("# made by hand",
         "first line")),
    File("a comment with commas", "t.csv", text("# by, hand\n" + TABLE), FIELDS),
    File("Excel's sep=", "t.csv", text("sep=;\n" + TABLE.replace(",", ";")), ("sep=;",
         "first line")),
    # Cells
    File("quoted newlines", "t.csv", text(TABLE.replace("Rome", '"Ro\nme"'))),
    File("quoted delimiters and quotes", "t.csv", text(TABLE.replace("Rome", '"R,o""me"'))),
    File("a quote that never ends", "t.csv", text('a,b\n1,"x\n2,y\n3,x\n'), ("quote",)),
    File("a quote that never ends, with semicolons", "t.csv", text('a;b\n1;"x\n2;y\n3;x\n'),
         ("quote",)),
    File("an inch in a cell", "t.csv", text(TABLE.replace("Oslo", '5"'))),
    File("quotes inside of a cell", "t.csv", text(TABLE.replace("Rome", 'R"o"me'))),
    File("spaces around cells", "t.csv", text(TABLE.replace(",", " , "))),
    File("cells of a million letters", "t.csv", long_cell),
    File("numbers spelled in many ways", "t.csv", text(
         "a,b,c,d\n1.50,007,1E3,+5\n,010,,-0\n2,,1e-400,.5\n3,1,2,5.\n")),
    File("integers beyond int64", "t.csv", text("a,b\n99999999999999999999,1\n,2\n3,\n4,5\n")),
    File("numbers beyond floats", "t.csv", text("a,b\n1e400,1\n,2\n3,\n"), ("'a'", "infinity"),
         but={"describe": ()}),
    File("infinity", "t.csv", text("a,b\ninf,1\n,2\n-Infinity,\n1,3\n"), ("'a'", "infinity"),
         but={"describe": ()}),
    File("truth values", "t.csv", text("a,b\nTRUE,1\n,2\nFALSE,\nTRUE,4\n")),
    File("numbers and words", "t.csv", text("a,b\n1,1\ntwo,2\n,3\n1,\n")),
    File("dates", "t.csv", text("v,b\n2024-01-01,1\n,2\n2024-03-01,\n"), V_DATES,
         but={"describe": ()}),
    File("times with a zone", "t.csv", text("v,b\n2024-01-01T10:00:00Z,1\n,2\n"), V_DATES,
         but={"describe": ()}),
    File("dates, left out", "t.csv", text("v,b,c\n2024-01-01,1,2\n,2,\n2024-03-01,,1\n"),
         options=("--ignore", "v")),
    File("decimal commas", "t.csv", text("v;b\n1,5;1\n2,25;2\n;3\n1,5;\n"),
         ("'v'", "comma", "decimal point"), but={"describe": ()}),
    File("commas of thousands", "t.csv", text('v,b\n"1,234",1\n"2,345.5",2\n,\n'),
         ("'v'", "comma", "decimal point"), but={"describe": ()}),
    File("a column of nothing", "t.csv", text("a,v\n1,\n2,\n,\n"), ("'v'", "no observed value",
         "--keep-empty"), but=HOLLOW),
    File("nothing at all", "t.csv", text("a,b\n,\n,\n"), ("'a'", "no observed value"),
         but=HOLLOW),
    File("identifiers", "t.csv", text("v,b\n" + "".join(f"id{i},{i % 7}\n" for i in range(60))
         + ",\n"), ("'v'", "free text", "--ignore"), but={"describe": ()}),
    # Separators and headers
    File("semicolons", "t.csv", swapped(";")),
    File("tabs", "t.csv", swapped("\t")),
    File("tabs, named so", "t.tsv", swapped("\t")),
    File("pipes", "t.csv", swapped("|")),
    File("one column", "t.csv", text("age\n30\n\n50\n"), but={"train, predict": (
         "no column beside 'age'", "to predict from")}),
    File("a delimiter at the end", "t.csv", text(TABLE.replace("\n", ",\n")), ("''",
         "no observed value"), but=HOLLOW),
    File("an empty name", "t.csv", text(TABLE.replace("city", ""))),
    File("a name twice", "t.csv", text(TABLE.replace("city", "age")), ("'age'", "rename")),
    File("no header", "t.csv", text("30,Oslo,yes\n,Rome,no\n50.5,,yes\n")),
    File("no header, a value twice", "t.csv", text("1,1,2\n,3,\n4,,5\n"), ("'1'", "rename")),
    File("only a header", "t.csv", text("age,city\n"), ("no rows", "at least one row")),
    File("quoted header with a newline", "t.csv", text(TABLE.replace("city", '"ci\nty"'))),
    File("a row too short", "t.csv", text("a,b,c\n1,2,3\n4,5\n"), FIELDS),
    File("a row too long", "t.csv", text("a,b\n1,2\n3,4,5\n"), FIELDS),
    File("empty", "t.csv", lambda: b"", EMPTY),
    File("spaces only", "t.csv", text("  \n \n"), EMPTY),
    File("one row", "t.csv", text("a,b\n1,\n"), ("'b'", "no observed value"),
         but=HOLLOW),
    File("a thousand columns", "t.csv", wide_csv),
    # Compression and names
    File("gzip", "t.csv.gz", zipped),
    File("gzip in gzip", "t.csv.gz", lambda: zipped(times=2), ("compressed twice",)),
    File("gzip that ends early", "t.csv.gz", lambda: zipped()[:-12], ("gzip",)),
    File("gzip with a broken middle", "t.csv.gz", lambda: zipped()[:15] + b"\0\0\0"
         + zipped()[18:], ("gzip",)),
    File("gzip and more behind it", "t.csv.gz", lambda: zipped() + b"more", ("gzip",)),
    File("gzip named .csv", "t.csv", zipped, ("gzip", ".csv.gz")),
    File("plain text named .csv.gz", "t.csv.gz", text(TABLE), ("gzip", "Rename it")),
    File("zip named .csv", "t.csv", archive, ("zip", "unpack")),
    File("Parquet named .csv", "t.csv", lambda: as_parquet(arrow_table()), ("Parquet",
         ".parquet")),
    File("text named .parquet", "t.parquet", text(TABLE), ("is not a parquet file", "rename it")),
    File("Feather named .parquet", "t.parquet", lambda: as_feather(arrow_table()),
         ("is not a parquet file", "rename it")),
    File("a name in capitals", "T.CSV", text(TABLE)),
    File("a name with spaces", "my täble 1.csv", text(TABLE)),
    File("an unknown name", "t.xlsx", archive, ("t.xlsx'", ".csv")),
    # Binary
    File("Parquet", "t.parquet", lambda: as_parquet(arrow_table())),
    File("Parquet of pandas, with an index", "t.parquet", of_pandas),
    File("Parquet with categories", "t.parquet", with_column(dictionary())),
    File("Parquet with decimals", "t.parquet", with_column(
         pa.array([Decimal("1.50"), None, Decimal("2.25"), None]))),
    File("Parquet with half floats", "t.parquet", with_column(
         pa.array([np.float16(0.5), None, np.float16(1), None], pa.float16()))),
    File("Parquet with lists", "t.parquet", with_column(NESTED), V_OTHER, but=NO_TARGET),
    File("Parquet with structs", "t.parquet", with_column(pa.array([{"a": 1}, None] * 2)), V_OTHER,
         but=NO_TARGET),
    File("Parquet with lists, left out", "t.parquet", with_column(NESTED),
         options=("--ignore", "v")),
    File("Parquet with dates", "t.parquet", with_column(DATES), V_DATES, but=NO_TARGET),
    File("Parquet with bytes", "t.parquet", with_column(pa.array([b"a", None] * 2)), V_OTHER,
         but=NO_TARGET),
    File("Parquet with a column of null", "t.parquet", with_column(pa.nulls(4)),
         ("'v'", "no observed value"), but=HOLLOW),
    File("Parquet without rows", "t.parquet", lambda: as_parquet(arrow_table().slice(0, 0)),
         ("no rows", "at least one row")),
    File("Parquet without columns", "t.parquet", lambda: as_parquet(arrow_table().select([])),
         ("no columns", "at least one")),
    File("Parquet that ends early", "t.parquet", lambda: as_parquet(arrow_table())[:-20],
         ("is not a parquet file", "write it again")),
    File("Parquet with a broken page", "t.parquet", lambda: as_parquet(arrow_table())[:8]
         + b"\xff" * 60 + as_parquet(arrow_table())[68:], ("parquet", "write it again")),
    File("Parquet with a name twice", "t.parquet", lambda: as_parquet(
         pa.table([[1.5, None], [2.5, 0.5]], names=["v", "v"])), ("'v'", "rename"),
         but={"describe": ()}),
    File("Feather 2", "t.feather", lambda: as_feather(arrow_table())),
    File("Feather 1", "t.feather", lambda: as_feather(arrow_table(), 1)),
    File("Feather that ends early", "t.feather", lambda: as_feather(arrow_table())[:-30],
         ("is not a feather file", "write it again")),
    File("Arrow stream", "t.arrow", lambda: as_stream(arrow_table())),
    File("Arrow stream that ends early", "t.arrow", lambda: as_stream(arrow_table())[:-60],
         ("is not a arrow file", "write it again")),
    File("Arrow without any byte", "t.arrow", lambda: b"", EMPTY),
]  # fmt: skip
