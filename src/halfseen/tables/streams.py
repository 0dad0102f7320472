"""Tables too large to be read at once: part by part in, part by part out."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as parquet

from halfseen.core.memory import floats_at_once
from halfseen.core.writing import replacing
from halfseen.errors import ColumnError
from halfseen.tables.csvtext import NA_VALUES, Source, parse_csv, write_csv
from halfseen.tables.io import damaged, file_suffix, is_text, read_source
from halfseen.tables.text_blocks import text_blocks

__all__ = ["PartWriter", "is_large", "source_parts"]

# Cells of a table that is read at once, cells of a part, and bytes of text of a part.
MOST_CELLS, PART_CELLS, PART_BYTES = 2**23, 2**20, 2**23
# Bytes that a cell takes at least: as text, and in a file that is compressed.
TEXT_BYTES, PACKED_BYTES = 3, 1
ARROW = (".feather", ".arrow")
# Units of time, the coarsest first.
UNITS = ("day", "s", "ms", "us", "ns")
# Types that pyarrow gives to cells of text, where two parts differ.
WIDER = {
    frozenset(("int64", "double")): pa.float64(),
    frozenset(("bits", "double")): pa.float64(),
    frozenset(("bits", "int64")): pa.int64(),
    frozenset(("bits", "bool")): pa.bool_(),
}


def is_large(path: Path, targets: Sequence[Path] = ()) -> bool:
    """Whether a table is better worked on in parts.

    Parameters
    ----------
    path : Path
        A file, with a name that tells its format.
    targets : sequence of Path
        What is made of it: Arrow files cannot hold the categories of parts.

    Raises
    ------
    OSError
        When there is no such file.
    """
    suffix, size = file_suffix(path), path.stat().st_size
    most = floats_at_once(MOST_CELLS)
    if suffix == ".parquet":
        try:
            facts, schema = parquet.read_metadata(path), parquet.read_schema(path)
        except (pa.ArrowException, OSError):
            # Whoever reads it says what is wrong.
            return False
        if _keeps_categories(schema, targets):
            return False
        return bool(facts.num_rows * facts.num_columns > most)
    if suffix in ARROW:
        return size > most * PACKED_BYTES and not _keeps_categories(_schema(path, suffix), targets)
    if suffix.endswith(".gz"):
        return size > most * PACKED_BYTES or _unpacked_size(path) > most * TEXT_BYTES
    return size > most * TEXT_BYTES


def _keeps_categories(schema: pa.Schema, targets: Sequence[Path]) -> bool:
    """Whether categories are to go into an Arrow file, which has one list of them for all rows."""
    arrow = any(file_suffix(target) in ARROW for target in targets)
    return arrow and any(pa.types.is_dictionary(kind) for kind in schema.types)


def _unpacked_size(path: Path) -> int:
    """What a gzip file says at its end of the size of its text, up to multiples of 4 GiB."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4))
        return int.from_bytes(file.read(4), "little")


def source_parts(path: Path) -> Iterator[Source]:
    """Parts of a table, in the order of its rows; types are those of the whole table.

    Parameters
    ----------
    path : Path
        CSV, TSV, Parquet or Feather.

    Yields
    ------
    Source
        Some rows, and for CSV their text.

    Raises
    ------
    FileFormatError
        When the file is not what its name says.
    """
    suffix = file_suffix(path)
    if is_text(path):
        yield from _csv_parts(path, "\t" if suffix.startswith(".tsv") else None)
        return
    schema = _schema(path, suffix)
    if suffix != ".parquet" and any(pa.types.is_dictionary(kind) for kind in schema.types):
        # Arrow files have one dictionary for all of their rows.
        yield read_source(path)
        return
    rows = max(1, floats_at_once(PART_CELLS) // max(1, len(schema)))
    try:
        for batch in _batches(path, suffix, rows):
            for start in range(0, len(batch), rows):
                table = pa.Table.from_batches([batch.slice(start, rows)])
                table.validate(full=True)
                yield Source(table)
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, suffix, error) from error


class PartWriter(AbstractContextManager["PartWriter"]):
    """A table that is written part by part, and replaces its target once it is complete.

    Parameters
    ----------
    path : Path
        Where to.
    delimiter : str, optional
        What separates the cells of text; by default a tab for ``.tsv``, else a comma.
    """

    def __init__(self, path: Path, delimiter: str | None = None) -> None:
        self.path, self.suffix = path, file_suffix(path)
        self.delimiter = delimiter or ("\t" if self.suffix.startswith(".tsv") else ",")
        self.schema: pa.Schema | None = None
        self.writer: Any = None

    @property
    def as_text(self) -> bool:
        """Whether cells are written as text."""
        return is_text(self.path)

    def __enter__(self) -> Self:
        self.stack = ExitStack()
        self.sink: Any = self.stack.enter_context(replacing(self.path))
        if self.suffix.endswith(".gz"):
            zipped = gzip.GzipFile(filename="", mode="wb", fileobj=self.sink, mtime=0)
            self.sink = self.stack.enter_context(zipped)
        return self

    def write(self, table: pa.Table) -> None:
        """Add some rows.

        Parameters
        ----------
        table : pyarrow.Table
            Of the columns of the first part; as text, null becomes an empty cell.
        """
        first = self.schema is None
        if self.as_text:
            self.schema = table.schema
            write_csv(table, self.sink, self.delimiter, header=first)
            return
        if first:
            self.schema = table.schema
            self.writer = self.stack.enter_context(self._writer())
        assert self.schema is not None
        self.writer.write_table(_as_before(table, self.schema))

    def _writer(self) -> Any:
        if self.suffix == ".parquet":
            return parquet.ParquetWriter(self.sink, self.schema)
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        return pa.ipc.new_file(self.sink, self.schema, options=options)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return self.stack.__exit__(kind, error, trace)


def _as_before(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A part with the types of the first one."""
    try:
        return table.cast(schema)
    except (pa.ArrowException, ValueError) as error:
        for ours, theirs in zip(table.schema, schema, strict=True):
            if ours.type != theirs.type:
                raise ColumnError(
                    f"Column {ours.name!r} would be {theirs.type} in its first rows and "
                    f"{ours.type} further down. Write to a .csv file instead."
                ) from error
        raise


def _csv_parts(path: Path, delimiter: str | None) -> Iterator[Source]:
    """Two passes: one finds types that hold all cells, as a look at the whole table would."""
    place, kinds = str(path), dict[str, str | pa.DataType]()
    size = max(2**12, min(PART_BYTES, 8 * floats_at_once(PART_BYTES)))
    for block, mark in text_blocks(path, delimiter, size):
        if not _has_rows(block, mark):
            continue
        table = parse_csv(block, place, delimiter=mark).table
        for name in table.column_names:
            kinds[name] = _wider(kinds.get(name, pa.null()), _kind(table.column(name)))
    if not kinds:
        # Whoever reads it at once says what is wrong.
        read_source(path)
    types = {name: pa.int64() if kind == "bits" else kind for name, kind in kinds.items()}
    for block, mark in text_blocks(path, delimiter, size):
        if _has_rows(block, mark):
            yield parse_csv(block, place, "utf-8", mark, NA_VALUES, keep_text=True, types=types)


def _has_rows(block: bytes, delimiter: str) -> bool:
    """Whether there is more than a header; in a table of one column an empty line is a row."""
    header, *rest = re.split(rb"\r\n|\r|\n", block, maxsplit=1)
    rows = b"".join(rest)
    return bool(rows.strip(b"\r\n")) or (bool(rows) and delimiter.encode() not in header)


def _kind(column: pa.ChunkedArray) -> str | pa.DataType:
    """The type of a column; whole numbers that might be truth values are "bits"."""
    if pa.types.is_int64(column.type):
        ends = pc.min_max(column).as_py()
        if ends["min"] is not None and ends["min"] >= 0 and ends["max"] <= 1:
            return "bits"
    return column.type


def _moment(kind: str | pa.DataType) -> tuple[str, str | None] | None:
    """Unit and time zone of a date or a time."""
    if isinstance(kind, str) or pa.types.is_date32(kind):
        return None if isinstance(kind, str) else ("day", None)
    return (kind.unit, kind.tz) if pa.types.is_timestamp(kind) else None


def _wider(one: str | pa.DataType, other: str | pa.DataType) -> str | pa.DataType:
    """The type that pyarrow would choose for the cells of both."""
    if one == other or other == pa.null():
        return one
    if one == pa.null():
        return other
    first, second = _moment(one), _moment(other)
    if first and second and first[1] == second[1]:
        return one if UNITS.index(first[0]) > UNITS.index(second[0]) else other
    return WIDER.get(frozenset((str(one), str(other))), pa.string())


def _schema(path: Path, suffix: str) -> pa.Schema:
    try:
        if suffix == ".parquet":
            return parquet.read_schema(path)
        with pa.OSFile(str(path)) as source:
            return _reader(source).schema
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged(path, suffix, error) from error


def _batches(path: Path, suffix: str, rows: int) -> Iterator[pa.RecordBatch]:
    if suffix == ".parquet":
        with parquet.ParquetFile(path, pre_buffer=False) as file:
            yield from file.iter_batches(batch_size=rows)
        return
    with pa.OSFile(str(path)) as source:
        reader = _reader(source)
        if hasattr(reader, "get_batch"):
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)
        else:
            yield from reader


def _reader(source: Any) -> Any:
    """A reader of an Arrow file, or of a stream."""
    is_file = source.read(6) == b"ARROW1"
    source.seek(0)
    return pa.ipc.open_file(source) if is_file else pa.ipc.open_stream(source)
