"""Whether an answer is sacred: seen cells to the bit, everything around them as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import torch

__all__ = ["assert_completed", "assert_same", "missing_cells"]


def missing_cells(table: Any) -> np.ndarray:
    """Where a table holds nothing, bool of shape (n, p), as its own library says."""
    if isinstance(table, pd.DataFrame):
        columns = [_missing_pandas(table.iloc[:, j]) for j in range(table.shape[1])]
    elif isinstance(table, pl.DataFrame):
        columns = [_missing_polars(column) for column in table.get_columns()]
    elif isinstance(table, pa.Table):
        columns = [_missing_arrow(column) for column in table.columns]
    elif isinstance(table, dict):
        columns = [pd.isna(np.array(cells, dtype=object)) for cells in table.values()]
    else:
        return pd.isna(_array(table))
    return np.column_stack(columns) if columns else np.zeros((len(table), 0), dtype=bool)


def assert_completed(table: Any, answer: Any) -> None:
    """No cell is missing, and those that were seen are as they were."""
    left = missing_cells(answer)
    assert not left.any(), f"{int(left.sum())} cells are still missing"
    assert_finite(answer)
    assert_same(table, answer, ~missing_cells(table))


def assert_finite(table: Any) -> None:
    """No number is infinite."""
    for cells in _columns(table):
        cells = cells[pd.notna(cells)]
        numeric = [c for c in cells if isinstance(c, (float, np.floating))]
        assert np.isfinite(np.asarray(numeric, dtype=float)).all(), "a number is infinite"


def assert_same(table: Any, answer: Any, seen: np.ndarray, types: bool = True) -> None:
    """The same container around the same cells where ``seen``.

    With ``types`` off, columns may have another type: whatever had to make room for holes.
    """
    if isinstance(table, pd.DataFrame):
        assert type(answer) is type(table), f"{type(answer).__name__} came back"
        _same_pandas(table, answer, types)
    elif isinstance(table, (pl.DataFrame, pa.Table, torch.Tensor, dict)):
        assert type(answer) is type(table), f"{type(answer).__name__} came back"
        _same_schema(table, answer, types)
    else:
        assert type(answer) is np.ndarray, f"{type(answer).__name__} came back"
        if isinstance(table, np.ndarray) and types:
            assert answer.dtype == table.dtype, f"{answer.dtype} for {table.dtype}"
            assert answer.flags.writeable, "the answer cannot be written"
    for j, (old, new) in enumerate(zip(_columns(table), _columns(answer), strict=True)):
        _same_cells(j, old[seen[:, j]], new[seen[:, j]], types)


def _same_pandas(table: pd.DataFrame, answer: pd.DataFrame, types: bool) -> None:
    pd.testing.assert_index_equal(answer.columns, table.columns, exact=True)
    pd.testing.assert_index_equal(answer.index, table.index, exact=True)
    assert answer.attrs == table.attrs, "attributes were lost"
    assert answer.flags.allows_duplicate_labels == table.flags.allows_duplicate_labels
    for name in table._metadata:
        assert getattr(answer, name) == getattr(table, name), f"{name} was lost"
    if types:
        pairs = zip(answer.dtypes, table.dtypes, strict=True)
        empty = missing_cells(table).all(0)
        odd = [
            f"{new} for {old}"
            for j, (new, old) in enumerate(pairs)
            if not _fits(new, old) and not empty[j]
        ]
        assert not odd, ", ".join(odd)


def _fits(new: Any, old: Any) -> bool:
    """Whether a type is the old one, but for categories at its end that this one lacked."""
    if isinstance(old, pd.CategoricalDtype) and isinstance(new, pd.CategoricalDtype):
        start = new.categories[: len(old.categories)]
        return start.equals(old.categories) and new.ordered == old.ordered
    return new == old


def _same_schema(table: Any, answer: Any, types: bool) -> None:
    if isinstance(table, pl.DataFrame):
        assert answer.columns == table.columns
        odd = [
            f"{new} for {old}"
            for j, (new, old) in enumerate(zip(answer.dtypes, table.dtypes, strict=True))
            # A column without a seen cell may have a type that cannot hold what belongs there.
            if new != old and not missing_cells(table)[:, j].all()
        ]
        assert not odd, ", ".join(odd)
    elif isinstance(table, pa.Table):
        assert answer.column_names == table.column_names
        assert answer.schema.metadata == table.schema.metadata
        for j, (new, old) in enumerate(zip(answer.schema, table.schema, strict=True)):
            assert new.metadata == old.metadata
            loose = missing_cells(table)[:, j].all()
            assert loose or new.type == old.type, f"{new.type} for {old.type}"
            assert not types or new.nullable == old.nullable
    elif isinstance(table, torch.Tensor):
        assert not types or answer.dtype == table.dtype, f"{answer.dtype} for {table.dtype}"
        assert answer.device == table.device
    else:
        assert list(answer) == list(table)


def _columns(table: Any) -> list[np.ndarray]:
    """Cells of each column, in a NumPy type that loses nothing."""
    if isinstance(table, pd.DataFrame):
        return [_cells(table.iloc[:, j]) for j in range(table.shape[1])]
    if isinstance(table, pl.DataFrame):
        return [_objects(column.to_list()) for column in table.get_columns()]
    if isinstance(table, pa.Table):
        return [_objects(column.to_pylist()) for column in table.columns]
    if isinstance(table, dict):
        return [_objects(list(cells)) for cells in table.values()]
    array = _array(table)
    return [array[:, j] for j in range(array.shape[1])]


def _same_cells(place: int, old: np.ndarray, new: np.ndarray, types: bool) -> None:
    if len(old) and old.dtype != object and types:
        assert new.dtype == old.dtype
        assert _bits(new) == _bits(old), f"seen cells of column {place} changed"
        return
    for one, other in zip(old.tolist(), new.tolist(), strict=True):
        alike = one is other or (type(one) is type(other) and repr(one) == repr(other))
        if not types and not alike:
            alike = one == other
        assert alike, f"column {place}: {one!r} became {other!r}"


def _bits(cells: np.ndarray) -> Any:
    """All that is meant of the memory of cells: text has an address, long doubles have gaps."""
    if cells.dtype.kind == "T" or cells.dtype == np.longdouble:
        return [(cell, np.signbit(cell) if cells.dtype.kind == "f" else 0) for cell in cells]
    return cells.tobytes()


def _cells(column: pd.Series) -> np.ndarray:
    if isinstance(column.dtype, np.dtype):
        return column.to_numpy()
    if isinstance(column.dtype, pd.CategoricalDtype):
        # A column of intervals would turn into floats where one is missing.
        labels = [*column.cat.categories, None]
        return _objects([labels[code] for code in column.cat.codes])
    return _objects(column.tolist())


def _objects(cells: list[Any]) -> np.ndarray:
    out = np.empty(len(cells), dtype=object)
    out[:] = cells
    return out


def _array(table: Any) -> np.ndarray:
    if isinstance(table, torch.Tensor):
        table = table.detach()
        return (table.float() if table.dtype is torch.bfloat16 else table).numpy()
    if isinstance(table, np.ndarray):
        return np.asarray(table)
    array = np.asarray(table)
    return np.asarray(table, dtype=object) if array.dtype.kind == "U" else array


def _missing_pandas(column: pd.Series) -> np.ndarray:
    out = column.isna().to_numpy(dtype=bool)
    if not pd.api.types.is_float_dtype(column.dtype):
        return out
    # NaN beside NA is not missing to pandas, but it is to everybody else.
    return out | np.array([cell != cell for cell in column.fillna(0).tolist()], dtype=bool)


def _missing_polars(column: pl.Series) -> np.ndarray:
    out = column.is_null()
    return (out | column.is_nan().fill_null(False) if column.dtype.is_float() else out).to_numpy()


def _missing_arrow(column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_dictionary(column.type):
        return np.array([cell is None for cell in column.to_pylist()], dtype=bool)
    floating = pa.types.is_floating(column.type)
    return pc.is_null(column, nan_is_null=floating).to_numpy().astype(bool)
