"""Some rows of a text file at a time: quoted cells may hold line feeds, and do not end rows."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO

from halfseen.tables.csvtext import find_delimiter
from halfseen.tables.io import damaged_gzip

__all__ = ["text_blocks"]

MARK, BLANK = b"\xef\xbb\xbf", b"\r\n"
# By what the delimiter is found out.
HEAD_BYTES = 2**16


def text_blocks(path: Path, delimiter: str | None, size: int) -> Iterator[tuple[bytes, str]]:
    """Blocks of text, each with the header and some whole rows.

    Parameters
    ----------
    path : Path
        A CSV or TSV file, packed by gzip if its name says so.
    delimiter : str or None
        What separates cells; None finds it out from the first lines.
    size : int
        Bytes to read at a time.

    Yields
    ------
    block : bytes
    delimiter : str

    Raises
    ------
    FileFormatError
        When a packed file is damaged.
    """
    header = left = b""
    with _opened(path) as file:
        left = _start(file, path, max(size, HEAD_BYTES if delimiter is None else 1))
        if not left:
            return
        delimiter = delimiter or find_delimiter(left[:HEAD_BYTES].decode(errors="replace"))
        more = left
        while more:
            first, last = _ends(left, delimiter.encode())
            if last and (header or first < last):
                yield header + left[:last], delimiter
                header, left = header or left[:first], left[last:]
            # Twice as much each time, so that a row without an end is not read again and again.
            more = _read(file, path, max(size, len(left)))
            left += more
    if left.strip(BLANK) or not header:
        yield header + left, delimiter


def _start(file: IO[bytes], path: Path, size: int) -> bytes:
    """The first bytes, without a mark of their order and without empty lines."""
    start = _read(file, path, size).removeprefix(MARK).lstrip(BLANK)
    while not start and (more := _read(file, path, size)):
        start = more.lstrip(BLANK)
    return start


def _opened(path: Path) -> IO[bytes]:
    if path.name.lower().endswith(".gz"):
        return gzip.open(path, "rb")  # type: ignore[return-value]
    return path.open("rb")


def _read(file: IO[bytes], path: Path, size: int) -> bytes:
    try:
        return file.read(size)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise damaged_gzip(path, error) from error


def _ends(text: bytes, delimiter: bytes) -> tuple[int, int]:
    """Where the first and the last whole row end; 0 where none does."""
    if b'"' not in text:
        return text.find(b"\n") + 1, text.rfind(b"\n") + 1
    first = last = 0
    match = _row(delimiter).match
    while found := match(text, last):
        last = found.end()
        first = first or last
    return first, last


@lru_cache
def _row(delimiter: bytes) -> re.Pattern[bytes]:
    """A row: a quote opens a cell at its start alone, elsewhere it is a letter."""
    d = re.escape(delimiter)
    quoted = rb'"(?:[^"]++|"")*+"[^%b\r\n]*+' % d
    plain = rb'(?!")[^%b\r\n]*+' % d
    cell = rb"(?>%b|%b)" % (quoted, plain)
    return re.compile(rb"%b(?>[%b\r]%b)*+\n" % (cell, d, cell))
