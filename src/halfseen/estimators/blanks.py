"""Data in which some cells, chosen beforehand, are missing; in the same container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import narwhals.dependencies as nwd
import numpy as np
import torch
from torch import Tensor

from halfseen.tables.blocks import BlockCodec
from halfseen.tables.text import TextCodec
from halfseen.tables.text_containers import replace_texts

__all__ = ["blank", "blank_modalities", "split_mask"]


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
    return _blank_array(table, holes)


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
        Of shape (n, d) for tables and arrays, (n, c, h, w) for images, and (n,) for texts and
        modalities of one cell a row.
    """
    out = {}
    for name, part in codec.parts.items():
        some = mask[:, codec.places(name)]
        if part.spec.shape is not None:
            some = some.reshape(-1, *part.spec.shape)
        out[name] = some[:, 0] if codec.is_single(name) else some
    return out


def _blank_pictures(pictures: Any, holes: np.ndarray) -> Any:
    if isinstance(pictures, Tensor):
        where = torch.from_numpy(holes).to(pictures.device)
        return pictures.detach().masked_fill(where, torch.nan)
    out = np.array(pictures, copy=True)
    out[holes] = np.nan
    return out


def _blank_pandas(table: Any, holes: np.ndarray, places: list[int]) -> Any:
    import pandas as pd

    from halfseen.tables.pandas_frames import nullable

    out = table.copy()
    for place in places:
        column = out.iloc[:, place]
        if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iub":
            column = column.astype(nullable(column.dtype.name))
        cells = column.array.copy()
        own = not isinstance(cells.dtype, np.dtype)
        cells[holes[:, place]] = getattr(cells.dtype, "na_value", np.nan) if own else np.nan
        # With the type said, as pandas 3 would make text of an array of objects.
        out.isetitem(place, pd.Series(cells, index=out.index, dtype=cells.dtype))
    return out


def _blank_polars(table: Any, holes: np.ndarray, places: list[int]) -> Any:
    import polars as pl

    names = table.columns
    return table.with_columns(
        pl.when(pl.Series(~holes[:, place])).then(pl.col(names[place])).alias(names[place])
        for place in places
    )


def _blank_arrow(table: Any, holes: np.ndarray, places: list[int]) -> Any:
    import pyarrow as pa

    rows = np.arange(len(holes))
    for place in places:
        # Taking a null index gives a null, in columns of any type.
        column = table.column(place).take(pa.array(rows, mask=holes[:, place]))
        field = table.schema.field(place).with_nullable(True)
        table = table.set_column(place, field, column)
    return table


def _blank_array(table: Any, holes: np.ndarray) -> np.ndarray:
    from halfseen.tables.arrays import as_array

    array = as_array(table)
    kind = array.dtype.kind
    wide = {"i": np.float64, "u": np.float64, "b": np.float64, "U": object}.get(kind, array.dtype)
    out = array.astype(wide)
    out[holes] = np.nan
    return out
