"""Data in which some cells, chosen beforehand, are missing; in the same container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import narwhals.dependencies as nwd
import numpy as np
import torch
from torch import Tensor

from halfseen.errors import TableError
from halfseen.tables.blocks import BlockCodec
from halfseen.tables.strangers import to_array
from halfseen.tables.text import TextCodec
from halfseen.tables.text_containers import replace_texts

__all__ = ["blank", "blank_modalities", "split_mask"]

#: Whole numbers up to here are float64s.
LARGEST_WHOLE = 2**53


def blank(table: Any, holes: np.ndarray) -> Any:
    """Copy of a table, or of pictures, without some of its cells.

    Parameters
    ----------
    table : DataFrame, pyarrow.Table or array of shape (n, p), or pictures (n, c, h, w)
        It is not changed.
    holes : bool array of shape (n, p) or (n, c, h, w)
        The cells to remove.

    Examples
    --------
    >>> blank(np.array([[1, 2]]), np.array([[False, True]]))
    array([[ 1., nan]])
    """
    if holes.ndim == 4:
        return _blank_pictures(table, holes)
    places = np.flatnonzero(holes.any(0)).tolist()
    if nwd.is_pandas_dataframe(table):
        return _blank_pandas(table, holes, places)
    if nwd.is_polars_dataframe(table):
        return _blank_polars(table, holes, places)
    if nwd.is_pyarrow_table(table):
        return _blank_arrow(table, holes, places)
    return _blank_tensor(table, holes) if isinstance(table, Tensor) else _blank_array(table, holes)


def blank_modalities(
    codec: BlockCodec, data: Mapping[str, Any], holes: np.ndarray
) -> dict[str, Any]:
    """Copy of several modalities without some of their cells.

    Parameters
    ----------
    codec : BlockCodec
        Fitted to the data.
    data : mapping of str to modality
        It is not changed. Integers and truth values become types that have missing cells,
        rows of a list that lose all their cells become None, and so do texts.
    holes : bool array of shape (n, p)
        The cells to remove; all of a text or none.
    """
    out = {}
    for name, block in data.items():
        part, some = codec.parts[name], holes[:, codec.places(name)]
        if isinstance(part, TextCodec):
            out[name] = replace_texts(block, dict.fromkeys(np.flatnonzero(some.any(1)).tolist()))
            continue
        form, shape = codec.form(name, block), part.spec.shape
        some = some if shape is None else some.reshape(-1, *shape)
        out[name] = form.close(blank(form.open(block), some), block)
    return out


def split_mask(codec: BlockCodec, mask: np.ndarray) -> dict[str, np.ndarray]:
    """The mask of each modality from that of all columns (n, p).

    Returns
    -------
    dict of str to bool array
        Of shape (n, d) for tables and arrays, (n, steps, d) for steps of features, (n, c, h, w)
        for images, and (n,) for texts and modalities of one cell a row.
    """
    out = {}
    for name in codec.parts:
        some = mask[:, codec.places(name)]
        shape = codec.row_shape(name)
        if shape is not None:
            some = some.reshape(-1, *shape)
        out[name] = some[:, 0] if codec.is_single(name) else some
    return out


def _blank_pictures(pictures: Any, holes: np.ndarray) -> Any:
    if isinstance(pictures, Tensor):
        return _blank_tensor(pictures, holes)
    out = np.array(pictures, copy=True)
    out[holes] = np.nan
    return out


def _blank_pandas(table: Any, holes: np.ndarray, places: list[int]) -> Any:
    import pandas as pd

    out = table.copy()
    for place in places:
        cells = _blank_series(out.iloc[:, place], holes[:, place])
        # With the type said, as pandas 3 would make text of an array of objects.
        out.isetitem(place, pd.Series(cells, index=out.index, dtype=cells.dtype))
    return out


def _blank_series(column: Any, holes: np.ndarray) -> Any:
    """Cells of a pandas column, missing where ``holes``."""
    import pandas as pd

    from halfseen.tables.pandas_frames import chunks, nullable

    if isinstance(column.dtype, pd.ArrowDtype):
        # Of dictionaries pandas would lose the holes that are there already.
        return pd.arrays.ArrowExtensionArray(_blank_column(chunks(column), holes))
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iub":
        column = column.astype(nullable(column.dtype.name))
    cells = column.array.copy()
    own = not isinstance(cells.dtype, np.dtype)
    cells[holes] = getattr(cells.dtype, "na_value", np.nan) if own else np.nan
    return cells


def _blank_polars(table: Any, holes: np.ndarray, places: list[int]) -> Any:
    import polars as pl

    names = table.columns
    return table.with_columns(
        pl.when(pl.Series(~holes[:, place])).then(pl.col(names[place])).alias(names[place])
        for place in places
    )


def _blank_arrow(table: Any, holes: np.ndarray, places: list[int]) -> Any:
    import pyarrow as pa

    columns, fields = table.columns, list(table.schema)
    for place in places:
        columns[place] = _blank_column(columns[place], holes[:, place])
        fields[place] = fields[place].with_nullable(True)
    return pa.table(columns, schema=pa.schema(fields, table.schema.metadata))


def _blank_column(column: Any, holes: np.ndarray) -> Any:
    """An Arrow column with null where ``holes``."""
    import pyarrow as pa

    if pa.types.is_string_view(column.type):
        # Hardly anything is done with views in Arrow yet.
        pairs = zip(column.to_pylist(), holes.tolist(), strict=True)
        cells = [None if hole else cell for cell, hole in pairs]
        return pa.chunked_array([pa.array(cells, type=column.type)])
    # Taking a null index gives a null, in columns of any other type.
    return column.take(pa.array(np.arange(len(holes)), mask=holes))


def _blank_array(table: Any, holes: np.ndarray) -> np.ndarray:
    array = to_array(table)
    kind = array.dtype.kind
    exact = kind not in "iu" or max(int(array.max()), -int(array.min())) <= LARGEST_WHOLE
    wide = np.float64 if exact else object
    out = array.astype(
        {"i": wide, "u": wide, "b": wide, "U": object, "T": object}.get(kind, array.dtype)
    )
    out[holes] = np.nan
    return out


def _blank_tensor(tensor: Tensor, holes: np.ndarray) -> Tensor:
    plain = tensor.detach()
    if not plain.is_floating_point():
        whole = plain.to(torch.float64)
        if not torch.equal(whole.to(plain.dtype), plain):
            raise TableError(
                f"Got a tensor of {plain.dtype} beyond 2**53. Expected integers that float64 "
                "holds, as integers have no NaN: pass a DataFrame."
            )
        plain = whole
    return plain.masked_fill(torch.from_numpy(holes).to(plain.device), torch.nan)
