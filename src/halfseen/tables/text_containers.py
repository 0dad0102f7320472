"""Lists, arrays and Series of texts: read, made anew, and copied with some texts replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import narwhals.dependencies as nwd
import numpy as np

from halfseen.errors import ColumnError

__all__ = ["blank_texts", "is_absent", "record_texts", "replace_texts", "text_cells"]


def is_absent(cell: Any) -> bool:
    """Whether a cell is None, NaN or pandas' NA."""
    import pandas as pd

    return cell is None or cell is pd.NA or (isinstance(cell, float) and cell != cell)


def text_cells(name: str, texts: Any) -> list[Any]:
    """The texts as a list of str, lists of str and None."""
    if isinstance(texts, str) or getattr(texts, "ndim", 1) != 1 or not hasattr(texts, "__len__"):
        raise ColumnError(
            f"Got {type(texts).__name__} for the texts {name!r}. Expected a list, array or "
            "Series of str, one a row, None where a text is absent."
        )
    cells = [None if is_absent(cell) else cell for cell in _listed(texts)]
    for cell in cells:
        words = isinstance(cell, (list, tuple)) and all(isinstance(word, str) for word in cell)
        if not (cell is None or isinstance(cell, str) or words):
            raise ColumnError(
                f"Got {cell!r} among the texts {name!r}. Expected str, or lists of str, and None "
                "where a text is absent."
            )
    return cells


def _listed(texts: Any) -> list[Any]:
    if isinstance(texts, (list, tuple)):
        return list(texts)
    return texts.to_list() if nwd.is_polars_series(texts) else texts.tolist()


def record_texts(texts: Any, cells: list[Any]) -> dict[str, Any]:
    """What a container of texts is, as plain values."""
    lists = any(isinstance(cell, (list, tuple)) for cell in cells)
    # Only Series of pandas have types to keep: an array of fixed width has no room for None.
    dtype = str(texts.dtype) if nwd.is_pandas_series(texts) else "object"
    return {"kind": _kind(texts), "dtype": dtype, "tokens": lists}


def _kind(texts: Any) -> str:
    if nwd.is_pandas_series(texts):
        return "pandas"
    if nwd.is_polars_series(texts):
        return "polars"
    if isinstance(texts, np.ndarray):
        return "array"
    return "tuple" if isinstance(texts, tuple) else "list"


def blank_texts(container: Mapping[str, Any], n: int) -> Any:
    """``n`` absent texts in a container that :func:`record_texts` described."""
    if container["kind"] == "pandas":
        import pandas as pd

        return pd.Series([None] * n, dtype=container["dtype"])
    if container["kind"] == "polars":
        import polars as pl

        return pl.Series(
            [None] * n, dtype=pl.List(pl.String) if container["tokens"] else pl.String
        )
    if container["kind"] == "array":
        return np.full(n, None, dtype=object)
    return (None,) * n if container["kind"] == "tuple" else [None] * n


def replace_texts(texts: Any, written: Mapping[int, Any]) -> Any:
    """Copy of a container with some of its cells replaced."""
    cells = _listed(texts)
    for place, text in written.items():
        cells[place] = text
    if isinstance(texts, (list, tuple)):
        return type(texts)(cells)
    if nwd.is_polars_series(texts):
        return type(texts)(texts.name, cells, dtype=texts.dtype)
    array = np.empty(len(cells), dtype=object)
    for place, cell in enumerate(cells):
        array[place] = cell
    if nwd.is_pandas_series(texts):
        return type(texts)(array, index=texts.index, name=texts.name, dtype=texts.dtype)
    return array if written or array.dtype == texts.dtype else texts.copy()
