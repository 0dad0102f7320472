"""Any table in and out: kinds of columns, encoding, files.

Files need pyarrow, arrays of numbers do not: what reads and writes is loaded when asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from halfseen.tables.codec import Encoded, TableCodec
from halfseen.tables.describe import ColumnSummary, describe
from halfseen.tables.kinds import infer_kinds, read_kinds

if TYPE_CHECKING:
    from halfseen.tables.csvtext import NA_VALUES, Source, completed_text
    from halfseen.tables.io import draws_table, read_source, read_table, write_table

__all__ = [
    "NA_VALUES",
    "ColumnSummary",
    "Encoded",
    "Source",
    "TableCodec",
    "completed_text",
    "describe",
    "draws_table",
    "infer_kinds",
    "read_kinds",
    "read_source",
    "read_table",
    "write_table",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("halfseen.tables.io"), name)
