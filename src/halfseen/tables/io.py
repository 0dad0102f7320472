"""Tables in files: CSV, Parquet, Feather."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import narwhals.dependencies as nwd
import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as parquet

from halfseen.core.writing import replacing
from halfseen.errors import ColumnError, FileFormatError, SettingError
from halfseen.tables.csvtext import NA_VALUES, Source, completed_text, parse_csv, write_csv

__all__ = ["SUFFIXES", "draws_table", "file_suffix", "read_source", "read_table", "write_table"]

# Bytes of text that pyarrow reads in one piece.
MOST_TEXT = 2**31 - 2
SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".feather", ".arrow")
"""Names of files that can be read and written."""


def read_table(
    path: str | Path,
    na_values: Sequence[str] = NA_VALUES,
    encoding: str = "utf-8",
    delimiter: str | None = None,
) -> pa.Table:
    """Read a table from a file.

    Parameters
    ----------
    path : str or Path
        A file whose name ends in one of ``SUFFIXES``.
    na_values : sequence of str
        What stands for a missing cell in a CSV file.
    encoding : str
        How the text of a CSV file is encoded.
    delimiter : str, optional
        What separates the cells of a CSV file; found out by default.

    Returns
    -------
    pyarrow.Table
        The table. Integers with holes stay integers; missing cells are null.
    """
    return _read(path, na_values, encoding, delimiter, keep_text=False).table


def read_source(
    path: str | Path,
    na_values: Sequence[str] = NA_VALUES,
    encoding: str = "utf-8",
    delimiter: str | None = None,
) -> Source:
    """Read a table from a file, and for CSV the text of its cells.

    Parameters are those of :func:`read_table`.

    Returns
    -------
    Source
        The table, the text, the missing cells and the delimiter.
    """
    return _read(path, na_values, encoding, delimiter, keep_text=True)


def write_table(
    path: str | Path,
    table: Any,
    text: pa.Table | None = None,
    missing: np.ndarray | None = None,
    delimiter: str | None = None,
) -> None:
    """Write a table to a file, at once or not at all.

    The table is written beside the target, which it then replaces; whatever fails, a file
    that was there stays as it was.

    Parameters
    ----------
    path : str or Path
        A file whose name ends in one of ``SUFFIXES``.
    table : pyarrow.Table, DataFrame or ndarray
        The table.
    text : pyarrow.Table, optional
        The text of the cells in the CSV file the table came from, kept where it was seen.
    missing : ndarray of bool of shape (n, p), optional
        The cells that were missing there; goes with ``text``.
    delimiter : str, optional
        What separates the cells of a CSV file; by default a tab for ``.tsv``, else a comma.
    """
    path = Path(path)
    suffix = file_suffix(path)
    if (text is None) != (missing is None):
        raise SettingError("Got only one of text and missing. Expected both or none.")
    as_text = is_text(path)
    arrow = _to_arrow(table, keep_index=not as_text)
    if as_text and text is not None and missing is not None:
        arrow = completed_text(arrow, text, np.asarray(missing, dtype=bool))
    delimiter = delimiter or ("\t" if suffix.startswith(".tsv") else ",")
    with replacing(path) as sink:
        _writer(suffix, delimiter)(arrow, sink)


def draws_table(tables: Sequence[Any]) -> Any:
    """Stack completed tables into a long one, whose first column counts the draws from 1.

    Parameters
    ----------
    tables : sequence of pyarrow.Table or DataFrame
        Completions of one table.

    Returns
    -------
    same as the tables
        All rows. The first column is named ``draw``, or ``.draw`` if there is a column of
        that name.

    Examples
    --------
    >>> import pandas as pd
    >>> draws_table([pd.DataFrame({"x": [1.0]}), pd.DataFrame({"x": [2.0]})])
       draw    x
    0     1  1.0
    0     2  2.0
    """
    if len(tables) == 0:
        raise ValueError("Got no tables. Expected at least one draw.")
    first = tables[0]
    if nwd.is_pyarrow_table(first):
        return _long_arrow(tables)
    if nwd.is_pandas_dataframe(first):
        return _long_pandas(tables)
    if nwd.is_polars_dataframe(first):
        return _long_polars(tables)
    raise SettingError(
        f"Got tables of type {type(first).__name__}. Expected pandas, polars or pyarrow ones; "
        "stack arrays with np.stack."
    )


def count_draws(table: pa.Table, number: int) -> pa.Table:
    """Some rows of one draw behind the column that counts draws; see :func:`draws_table`.

    Parameters
    ----------
    table : pyarrow.Table
        Completed rows.
    number : int
        Which draw it is, from 1.

    Returns
    -------
    pyarrow.Table
    """
    counts = pa.array(np.full(table.num_rows, number, np.int64))
    return table.add_column(0, draw_name(table.column_names), counts)


def _read(
    path: str | Path,
    na_values: Sequence[str],
    encoding: str,
    delimiter: str | None,
    keep_text: bool,
) -> Source:
    path = Path(path)
    suffix = file_suffix(path)
    if suffix in (".csv", ".tsv"):
        _check_size(path, path.stat().st_size)
    data = path.read_bytes()
    if not data:
        raise FileFormatError(f"{path} is empty. Expected a table with at least one row.")
    if is_text(path):
        data = _unzipped(data, path) if suffix.endswith(".gz") else data
        delimiter = delimiter or ("\t" if suffix.startswith(".tsv") else None)
        return parse_csv(data, str(path), encoding, delimiter, na_values, keep_text)
    table = _read_binary(data, path, suffix)
    if 0 in table.shape:
        what = "rows" if table.num_columns else "columns"
        raise FileFormatError(f"{path} has no {what}. Expected at least one row and one column.")
    return Source(table)


def _read_binary(data: bytes, path: Path, suffix: str) -> pa.Table:
    try:
        table = _decoded(pa.BufferReader(data), data[:6], suffix)
        # Arrow takes lengths in a file for true until it is asked to look.
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged(path, suffix, error) from error
    return table


def damaged(path: Path, suffix: str, error: Exception) -> FileFormatError:
    """What is said of a file of Arrow or Parquet that cannot be read."""
    return FileFormatError(
        f"{path} is not a {suffix[1:]} file, or a damaged one ({error}). Expected what its name "
        "says: write it again, or rename it."
    )


def _decoded(source: pa.BufferReader, head: bytes, suffix: str) -> pa.Table:
    if suffix == ".parquet":
        return parquet.ParquetFile(source).read()
    if head == b"ARROW1" or suffix == ".feather":
        return feather.read_table(source)
    return pa.ipc.open_stream(source).read_all()


def _unzipped(data: bytes, path: Path) -> bytes:
    try:
        # Bounded: a few megabytes may unpack to more than any memory.
        with gzip.open(io.BytesIO(data)) as file:
            text = bytearray()
            while len(text) <= MOST_TEXT and (piece := file.read(2**20)):
                text += piece
    except (OSError, EOFError, zlib.error) as error:
        raise damaged_gzip(path, error) from error
    _check_size(path, len(text))
    return bytes(text)


def _check_size(path: Path, n_bytes: int) -> None:
    if n_bytes > MOST_TEXT:
        raise FileFormatError(
            f"{path} holds more than {MOST_TEXT / 2**30:.3g} GiB of text, which is not read at "
            "once. Use `halfseen apply` or `predict`, which read large files in parts, a part of "
            "its rows, or Parquet."
        )


def damaged_gzip(path: Path, error: Exception) -> FileFormatError:
    """What is said of a packed file that cannot be unpacked."""
    return FileFormatError(
        f"{path} is not a gzip file, or a damaged one ({error}). Expected what its name says: "
        "pack it again. Rename it if it is plain text."
    )


def is_text(path: Path) -> bool:
    """Whether a name tells that a table is text: CSV or TSV, packed or not."""
    return file_suffix(path).startswith((".csv", ".tsv"))


def file_suffix(path: Path) -> str:
    """What a name ends in, of ``SUFFIXES``; other names are refused."""
    name = path.name.lower()
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix):
            return suffix
    raise SettingError(
        f"Got the file name {path.name!r}. Expected it to end in one of {SUFFIXES}."
    )


def _to_arrow(table: Any, keep_index: bool) -> pa.Table:
    if nwd.is_pyarrow_table(table):
        return table
    if nwd.is_pandas_dataframe(table):
        # None keeps an index unless it is the plain count of rows.
        return pa.Table.from_pandas(table, preserve_index=None if keep_index else False)
    if nwd.is_polars_dataframe(table):
        return table.to_arrow()
    columns = np.asarray(table).T
    return pa.table(
        [pa.array(column) for column in columns], [f"x{j}" for j in range(len(columns))]
    )


def _writer(suffix: str, delimiter: str) -> Callable[[pa.Table, IO[bytes]], Any]:
    if suffix == ".parquet":
        return parquet.write_table
    if suffix in (".feather", ".arrow"):
        return feather.write_feather
    if suffix.endswith(".gz"):
        return lambda table, sink: _write_zipped(table, sink, delimiter)
    return lambda table, sink: write_csv(table, sink, delimiter)


def _write_zipped(table: pa.Table, sink: IO[bytes], delimiter: str) -> None:
    # Without name and time the same table makes the same bytes.
    with gzip.GzipFile(filename="", mode="wb", fileobj=sink, mtime=0) as zipped:
        write_csv(table, zipped, delimiter)  # type: ignore[arg-type]


def draw_name(names: Sequence[Any]) -> str:
    """Name of the column that counts draws, beside these.

    Raises
    ------
    ColumnError
        When both names are taken.
    """
    for name in ("draw", ".draw"):
        if name not in names:
            return name
    raise ColumnError("Got columns named both 'draw' and '.draw'. Rename one of them.")


def _long_arrow(tables: Sequence[Any]) -> pa.Table:
    counted = [count_draws(table, number) for number, table in enumerate(tables, 1)]
    # Drawn categories can widen a dictionary, so types may differ between draws.
    return pa.concat_tables(counted, promote_options="permissive")


def _long_pandas(tables: Sequence[Any]) -> Any:
    import pandas as pd

    joined = pd.concat(tables)
    draw = np.repeat(np.arange(1, len(tables) + 1), [len(table) for table in tables])
    joined.insert(0, draw_name(joined.columns), draw)
    return joined


def _long_polars(tables: Sequence[Any]) -> Any:
    import polars as pl

    draw = np.repeat(np.arange(1, len(tables) + 1), [len(table) for table in tables])
    joined = pl.concat(tables, how="vertical_relaxed")
    return joined.insert_column(0, pl.Series(draw_name(joined.columns), draw))
