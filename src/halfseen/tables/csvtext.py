"""CSV files whose seen cells keep their text: "1.50" stays "1.50"."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv

from halfseen.errors import ColumnError, FileFormatError, HalfseenWarning
from halfseen.tables.arrow_tables import ArrowTable

__all__ = ["NA_VALUES", "Source", "completed_text", "find_delimiter", "parse_csv", "write_csv"]

NA_VALUES = (
    "", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "null", "NULL", "None", "?", ".",
)  # fmt: skip
"""What stands for a missing cell in a CSV file."""

_DELIMITERS = ";\t|"
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_ROWS_AT_ONCE = 65536


@dataclass(frozen=True, eq=False)
class Source:
    """A table as it was read.

    Parameters
    ----------
    table : pyarrow.Table
        Typed columns; missing cells are null.
    text : pyarrow.Table or None
        The same cells as they are written in the CSV file; None for other formats.
    delimiter : str
        What separates the cells of the CSV file.
    """

    table: pa.Table
    text: pa.Table | None = None
    delimiter: str = ","

    @property
    def missing(self) -> np.ndarray:
        """Missing cells, boolean of shape (n, p)."""
        return missing_cells(self.table)


def missing_cells(table: pa.Table) -> np.ndarray:
    """Where a pyarrow table holds null or NaN, boolean of shape (n, p)."""
    container = ArrowTable(table)
    return np.column_stack([container.raw(j).missing for j in range(table.num_columns)])


def parse_csv(
    data: bytes,
    place: str,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    na_values: Sequence[str] = NA_VALUES,
    keep_text: bool = False,
    types: Mapping[str, pa.DataType] | None = None,
) -> Source:
    """Parse the bytes of a CSV file.

    Parameters
    ----------
    data : bytes
        The content.
    place : str
        Name of the file, for messages.
    encoding : str
        How its text is encoded; a byte order mark of UTF-8 is dropped.
    delimiter : str, optional
        What separates the cells; by default a comma, or what the first lines suggest if a
        comma gives a single column.
    na_values : sequence of str
        What stands for a missing cell, also with up to three spaces on either side.
    keep_text : bool
        Whether to keep the cells' text too.
    types : mapping of str to DataType, optional
        Types of columns that are known; others are found out from their cells. Whole numbers
        some of which begin with a zero are text: a fill of 01 or 02116 is no number.

    Returns
    -------
    Source
        The table, and the text if it is to be kept.
    """
    _check_magic(data, place)
    text = _decode(data, place, encoding)
    delimiter = delimiter or find_delimiter(text)
    _check_quotes(text, delimiter, place)
    header = _header(text, delimiter, place)
    parse = pc_csv.ParseOptions(
        delimiter=delimiter,
        newlines_in_values=True,
        # In a table of one column an empty line is a missing cell.
        ignore_empty_lines=len(header) > 1,
    )
    typed = pc_csv.ConvertOptions(
        null_values=_spaced(na_values),
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
        column_types=dict(types or {}),
    )
    table = _read(text, parse, typed, place, header)
    codes = _codes(text, parse, place, header, table)
    if codes:
        typed.column_types = {**typed.column_types, **dict.fromkeys(codes, pa.string())}
        table = _read(text, parse, typed, place, header)
    if table.num_rows == 0:
        raise FileFormatError(f"{place} has a header but no rows. Expected at least one row.")
    if not keep_text:
        return Source(table, None, delimiter)
    as_text = pc_csv.ConvertOptions(
        column_types={name: pa.string() for name in header}, strings_can_be_null=False
    )
    return Source(table, _read(text, parse, as_text, place, header), delimiter)


def completed_text(table: pa.Table, text: pa.Table, missing: np.ndarray) -> pa.Table:
    """Text of a completed table: the original one in seen cells, new values in missing ones.

    Parameters
    ----------
    table : pyarrow.Table
        The completed table.
    text : pyarrow.Table
        The cells as they were written.
    missing : ndarray of bool of shape (n, p)
        Cells that were missing.

    Returns
    -------
    pyarrow.Table
        A table of strings.
    """
    shapes = {table.shape, text.shape, np.shape(missing)}
    if len(shapes) > 1:
        raise ValueError(
            f"Got a table of shape {table.shape}, text of {text.shape} and missing cells of "
            f"{np.shape(missing)}. Expected one shape."
        )
    columns = [
        _mixed_text(table.column(j), text.column(j).to_pylist(), missing[:, j])
        for j in range(table.num_columns)
    ]
    return pa.table(columns, names=table.column_names)


def write_csv(
    table: pa.Table, sink: IO[bytes], delimiter: str = ",", *, header: bool = True
) -> None:
    """Write a table as UTF-8 text, quoting only where it is needed.

    Parameters
    ----------
    table : pyarrow.Table
        The table; null becomes an empty cell.
    sink : binary file
        Where to write.
    delimiter : str
        What separates the cells.
    header : bool, default=True
        Whether to begin with the names of the columns.
    """
    text = io.TextIOWrapper(sink, encoding="utf-8", newline="")
    # pyarrow's own writer quotes every string, needed or not.
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    if header:
        writer.writerow(table.column_names)
    for batch in table.to_batches(max_chunksize=_ROWS_AT_ONCE):
        writer.writerows(zip(*map(_printable, batch.columns), strict=True))
    text.flush()
    text.detach()


def _check_magic(data: bytes, place: str) -> None:
    """Refuse files of other formats, which start with bytes of their own."""
    twice = place.lower().endswith(".gz")
    for magic, what in (
        (
            b"\x1f\x8b",
            "is compressed twice: unpack it"
            if twice
            else "is a gzip file: add .gz to its name, as in .csv.gz",
        ),
        (b"PK\x03\x04", "is a zip archive or a workbook: unpack it, or save the table as CSV"),
        (b"PAR1", "is a Parquet file: give it a name that ends in .parquet"),
        (b"ARROW1", "is an Arrow file: give it a name that ends in .feather"),
    ):
        if data.startswith(magic):
            raise FileFormatError(f"{place} {what}. Expected text with cells.")


def _check_quotes(text: str, delimiter: str, place: str) -> None:
    """Refuse a quoted cell that never ends: it would hold the rest of the table."""
    if text.count('"') % 2 == 0:
        return
    try:
        for _ in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True):
            pass
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            last = text.rindex('"')
            line = 1 + text.count("\n", 0, last)
            raise FileFormatError(
                f"{place} has a quote that never ends, near line {line}: "
                f"{text[last : last + 20]!r}. Expected another at the end of the cell: add it."
            ) from error


def _decode(data: bytes, place: str, encoding: str) -> str:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise FileFormatError(
            f"{place} is not {encoding} text (byte {data[error.start]:#04x} at {error.start}). "
            "Save it as UTF-8, or pass its encoding, such as encoding='latin-1'."
        ) from error
    text = text.removeprefix("\ufeff").lstrip("\r\n")
    if not text.strip():
        raise FileFormatError(f"{place} is empty. Expected a header and at least one row.")
    _check_start(text[:1000], place)
    return text


def _check_start(start: str, place: str) -> None:
    """Refuse a first line that is none of CSV."""
    first = start.splitlines()[0]
    if "\0" in first:
        raise FileFormatError(
            f"{place} holds NUL bytes in its first line, as UTF-16 does. Save it as UTF-8, or "
            "pass its encoding, such as encoding='utf-16'."
        )
    if first.strip('"').startswith("sep="):
        raise FileFormatError(
            f"{place} starts with {first!r}, which is for Excel. Expected names of columns: "
            "remove the first line."
        )


def find_delimiter(text: str) -> str:
    """What separates the cells of a text: a comma, or what the first lines suggest."""
    head = "\n".join(text[:65536].splitlines()[:20])
    try:
        if len(next(csv.reader(io.StringIO(head)))) > 1:
            return ","
        return csv.Sniffer().sniff(head, delimiters=_DELIMITERS).delimiter
    except csv.Error:
        return ","


def _header(text: str, delimiter: str, place: str) -> list[str]:
    try:
        # Without a translation, so that lines may end as on Windows and on old Macs.
        header = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise FileFormatError(
            f"{place} has a first line that cannot be read as CSV ({error}). Expected names of "
            "columns: correct it."
        ) from error
    repeated = [name for name, count in Counter(header).items() if count > 1]
    if repeated:
        raise ColumnError(
            f"{place} has more than one column named {', '.join(map(repr, repeated))}. "
            "Expected distinct names: rename them in the header"
            + (", or put one before these values." if _looks_like_cells(header) else ".")
        )
    if _looks_like_cells(header):
        warnings.warn(
            f"{place} has {', '.join(map(repr, header[:4]))} in its first line, which is taken "
            "for the names of columns. If these are values, put a line of names before them.",
            HalfseenWarning,
            stacklevel=5,
        )
    return header


def _looks_like_cells(header: list[str]) -> bool:
    """Whether names look like the first row of a file that has no names.

    Few columns are called 5.1; rising numbers may be years, doses or wavelengths.
    """
    names = [name for name in map(str.strip, header) if name not in NA_VALUES]
    numbers = [float(name) for name in names if _NUMBER.fullmatch(name)]
    rising = sorted(set(numbers))
    if any(_NUMBER.fullmatch(name) and "." in name for name in names):
        return len(numbers) < 3 or numbers != rising
    return bool(numbers) and len(numbers) == len(names) and numbers not in (rising, rising[::-1])


def _read(text: str, parse: Any, convert: Any, place: str, header: list[str]) -> pa.Table:
    source = pa.BufferReader(text.encode("utf-8"))
    # One block, so that a column's type is decided by all of its rows, not by the first ones.
    read = pc_csv.ReadOptions(block_size=max(source.size() + 1, 2), use_threads=False)
    try:
        return pc_csv.read_csv(source, read, parse, convert)
    except pa.ArrowInvalid as error:
        named = ", ".join(header)[:60]
        raise FileFormatError(
            f"{place} cannot be read as CSV: {str(error).rstrip(': .')}. Expected the same number "
            f"of cells in every row as names in the first line, {named!r}: correct it, or pass "
            "its delimiter."
        ) from error


def _spaced(values: Sequence[str]) -> list[str]:
    """Markers of missing cells as files with a space behind each comma have them, too."""
    ends = [" " * n for n in range(4)]
    return sorted({f"{first}{value}{last}" for value in values for first in ends for last in ends})


def _codes(text: str, parse: Any, place: str, header: list[str], table: pa.Table) -> list[str]:
    """Columns of whole numbers that begin with a zero somewhere: codes, such as 01 and 02116."""
    # Not 1.05, nor dates and times: most files are not looked at again.
    if not re.search(r"(?<![\w.:/+-])[-+]?0\d", text):
        return []
    whole = [field.name for field in table.schema if pa.types.is_integer(field.type)]
    if not whole:
        return []
    as_text = pc_csv.ConvertOptions(
        include_columns=whole, column_types={name: pa.string() for name in whole}
    )
    cells = _read(text, parse, as_text, place, header)
    found = (pc.match_substring_regex(cells.column(name), r"^[-+]?0\d") for name in whole)
    return [name for name, zeros in zip(whole, found, strict=True) if pc.any(zeros).as_py()]


def _mixed_text(column: pa.ChunkedArray, text: list[str], missing: np.ndarray) -> pa.Array:
    cells: list[str | None] = list(text)
    places = np.flatnonzero(missing)
    values = _printable(column.take(pa.array(places)))
    spelled = _spellings(column, text, missing) if pa.types.is_boolean(column.type) else {}
    for place, value in zip(places.tolist(), values, strict=True):
        cells[place] = None if value is None else spelled.get(value, str(value))
    return pa.array(cells, type=pa.string())


def _spellings(column: pa.ChunkedArray, text: list[str], missing: np.ndarray) -> dict[Any, str]:
    seen = np.flatnonzero(~missing)
    values = _printable(column)
    return {values[place]: text[place] for place in seen[::-1].tolist()}


def _printable(column: Any) -> list[Any]:
    if pa.types.is_floating(column.type):
        # Through NumPy, whose text of a float32 is as short as that of a float64.
        numbers = np.asarray(column)
        return [None if number != number else str(number) for number in numbers]
    cells = column.to_pylist()
    if pa.types.is_boolean(column.type):
        return [None if cell is None else str(cell).lower() for cell in cells]
    return cells
