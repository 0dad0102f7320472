"""What is no table, or none that can be read, and how it becomes one."""

from __future__ import annotations

from os import PathLike
from typing import Any

import narwhals.dependencies as nwd
import numpy as np
from scipy import sparse

from halfseen.errors import TableError

__all__ = ["TableTypeError", "refuse_array", "refuse_stranger", "to_array"]

_RESHAPE = (
    "Reshape your data either using array.reshape(-1, 1) if your data has a single feature "
    "or array.reshape(1, -1) if it contains a single sample."
)
_TABLES = "a pandas or polars DataFrame, a pyarrow.Table or an array of shape (n, p)"
# Tables of columns that NumPy would make arrays of, so that names and types were lost.
_COLUMNS = {
    "RecordBatch": "pa.Table.from_batches([batch])",
    "RecordBatchReader": "reader.read_all()",
    "Dataset": "dataset.to_table()",
}


class TableTypeError(TableError, TypeError):
    """A table is of a type that cannot be read; the message says how to change it."""


def refuse_stranger(table: Any) -> None:
    """Say how what NumPy would misread becomes a table.

    Examples
    --------
    >>> import pandas as pd
    >>> refuse_stranger(pd.Series([1.0, None]))
    Traceback (most recent call last):
        ...
    halfseen.errors.TableError: Expected 2D array, got 1D array instead: a Series. Reshape your ...
    """
    kind = type(table).__name__
    if sparse.issparse(table):
        raise TableTypeError(
            "Sparse data was passed for X, but dense data is required. "
            "Use '.toarray()' to convert to a dense numpy array."
        )
    if isinstance(table, np.ma.MaskedArray):
        raise TableTypeError(
            "Got a masked array. Expected NaN in missing cells: pass array.filled(np.nan)."
        )
    if isinstance(table, (str, bytes, PathLike)):
        raise TableError(
            f"Got {str(table)[:200]!r}. Expected {_TABLES}: read the file first, with "
            "halfseen.tables.read_table."
        )
    if nwd.is_pandas_series(table) or nwd.is_polars_series(table):
        raise TableError(
            f"Expected 2D array, got 1D array instead: a {kind}. Reshape your data with "
            "series.to_frame()."
        )
    if nwd.is_pyarrow_chunked_array(table):
        raise TableError(
            f"Expected 2D array, got 1D array instead: a {kind}. Reshape your data with "
            "pa.table({'name': column})."
        )
    _refuse_columns(table)


def _refuse_columns(table: Any) -> None:
    ancestors = [ancestor.__name__ for ancestor in type(table).__mro__]
    remedy = next((_COLUMNS[name] for name in ancestors if name in _COLUMNS), None)
    if remedy is None and (
        hasattr(table, "__arrow_c_stream__") or hasattr(table, "__dataframe__")
    ):
        remedy = "pa.table(data)"
    if remedy is not None:
        raise TableTypeError(f"Got a {ancestors[0]}. Expected {_TABLES}: pass {remedy}.")


def to_array(table: Any) -> np.ndarray:
    """What NumPy makes of a table; rows of different lengths are refused.

    Lists that mix text and numbers become arrays of objects, so that numbers stay numbers.

    Examples
    --------
    >>> to_array([[1.5, "a"]])
    array([[1.5, 'a']], dtype=object)
    """
    try:
        array = np.asarray(table)
        if array.dtype.kind == "U" and not isinstance(table, np.ndarray):
            array = np.asarray(table, dtype=object)
    except ValueError as error:
        raise TableError(_uneven(table)) from error
    return array


def refuse_array(array: np.ndarray, table: Any) -> None:
    """Refuse arrays that do not have two axes of real numbers, text or objects.

    Parameters
    ----------
    array : ndarray
        What NumPy made of a table.
    table : object
        The table itself, for the message.
    """
    if array.dtype.names is not None:
        raise TableError(
            f"Got an array of records with the fields {list(array.dtype.names)[:10]}. Expected "
            f"{_TABLES}: pass pandas.DataFrame(array)."
        )
    if array.dtype.kind == "c":
        raise TableError(
            f"Complex data not supported: got {array.dtype}. Expected real numbers: pass real "
            "and imaginary parts as columns of their own."
        )
    if array.ndim == 2:
        return
    if array.ndim > 2:
        raise TableError(
            f"Found array with dim {array.ndim}. Expected <= 2. Reshape it to one row per sample."
        )
    raise TableError(_axes(array, table))


def _axes(array: np.ndarray, table: Any) -> str:
    """Why an array of less than two axes is no table."""
    if array.ndim == 1:
        start = "Expected 2D array, got 1D array instead"
        if array.dtype.kind == "O" and any(isinstance(row, dict) for row in array[:1]):
            return f"{start}: a list of dictionaries. Pass pandas.DataFrame(rows)."
        return f"{start}: {array.dtype} of shape {array.shape}. {_RESHAPE}"
    if array.dtype.kind == "O":
        kind = "None" if table is None else f"a {type(table).__name__}"
        return f"Got {kind}, which is no table. Expected {_TABLES}."
    return f"Expected 2D array, got scalar array instead: {array}. {_RESHAPE}"


def _uneven(table: Any) -> str:
    """Why NumPy can make no array of a table."""
    try:
        lengths = [len(row) for row in table]
    except TypeError:
        return f"Got a {type(table).__name__}, which is no table. Expected {_TABLES}."
    odd = next((i for i, length in enumerate(lengths) if length != lengths[0]), None)
    if odd is None or not isinstance(table, (list, tuple)):
        return f"Got a {type(table).__name__}, which is no table. Expected {_TABLES}."
    return (
        f"Got rows of different lengths: row 0 has {lengths[0]} cells, row {odd} has "
        f"{lengths[odd]}. Expected as many in every row: fill up with None."
    )
