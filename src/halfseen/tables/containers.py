"""What every container of a table can do: name its columns, read one, replace some cells."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import narwhals.dependencies as nwd
import numpy as np
from scipy import sparse

from halfseen.errors import ColumnError, SettingError, TableError
from halfseen.tables.raw import Level, Raw
from halfseen.tables.strangers import refuse_array, refuse_stranger, to_array

__all__ = [
    "CellTypeError",
    "Container",
    "Fill",
    "blank_table",
    "exact_table",
    "holds_modalities",
    "is_tensor",
    "open_table",
    "refuse_lazy",
]


class CellTypeError(ColumnError, TypeError):
    """A cell holds an object that is neither a string nor a number."""


@dataclass(frozen=True, eq=False)
class Fill:
    """Values for some of the cells of one column.

    Parameters
    ----------
    where : ndarray of bool of shape (n,)
        The cells to replace.
    values : ndarray of float64 or list of labels
        One value for each of them, in order.
    """

    where: np.ndarray
    values: np.ndarray | list[Level]

    @property
    def places(self) -> np.ndarray:
        """Indices of the cells to replace."""
        return np.flatnonzero(self.where)

    @property
    def numbers(self) -> np.ndarray:
        """Values as float64."""
        return np.asarray(self.values, dtype=np.float64)

    @property
    def objects(self) -> list[Any]:
        """Values as Python objects."""
        return self.values if isinstance(self.values, list) else self.values.tolist()

    @property
    def is_text(self) -> bool:
        """Whether the values are text, which columns of numbers that are all missing lack."""
        return isinstance(self.values, list) and all(isinstance(v, str) for v in self.values)

    @property
    def texts(self) -> list[str]:
        """Values as text."""
        return [str(value) for value in self.objects]


class Container(ABC):
    """A table of some library, seen as a list of columns.

    Parameters
    ----------
    table : object
        The table itself; it is never changed.
    """

    plain = False
    """Whether columns have no types of their own (arrays of numbers)."""

    def __init__(self, table: Any) -> None:
        self.table = table
        self._raws: dict[int, Raw] = {}

    @property
    @abstractmethod
    def labels(self) -> list[Any]:
        """Column labels as the container holds them."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""

    @abstractmethod
    def read(self, place: int) -> Raw:
        """Read one column."""

    def raw(self, place: int) -> Raw:
        """One column, read once."""
        if place not in self._raws:
            self._raws[place] = self.read(place)
        return self._raws[place]

    @abstractmethod
    def record(self) -> dict[str, Any]:
        """What the container is, as plain values: enough for :meth:`blank`."""

    @staticmethod
    @abstractmethod
    def blank(record: Mapping[str, Any], n: int) -> Any:
        """A table of ``n`` rows without a single cell, of the kind that ``record`` describes.

        Columns whose type cannot hold a missing cell have the nearest type that can.
        """

    @staticmethod
    @abstractmethod
    def exact(table: Any, record: Mapping[str, Any]) -> Any:
        """A filled table with the very types that :meth:`blank` could not use."""

    @abstractmethod
    def replace(self, fills: dict[int, Fill]) -> Any:
        """Copy of the table in which some cells of some columns are replaced."""

    @property
    def names(self) -> list[str]:
        """Column names as text."""
        return [str(label) for label in self.labels]

    @property
    def feature_names(self) -> list[str] | None:
        """Column names if all of them are text, as scikit-learn has it."""
        labels = self.labels
        return labels if all(isinstance(label, str) for label in labels) else None


def open_table(table: Any, strict: bool = True) -> Container:
    """See a table of any known library as a list of columns.

    Parameters
    ----------
    table : DataFrame, pyarrow.Table or array-like of shape (n, p)
        A pandas or polars frame, a pyarrow table, or anything that NumPy makes an array of.
    strict : bool
        Whether to refuse empty tables and repeated names.

    Returns
    -------
    Container
        The columns.
    """
    container = _wrap(table)
    if strict:
        _check_shape(container.shape)
        _check_unique(container.names)
    return container


def blank_table(record: Mapping[str, Any], n: int) -> Any:
    """A table of ``n`` rows without a single cell, of the kind that ``record`` describes."""
    return _class(record["container"]).blank(record, n)


def exact_table(table: Any, record: Mapping[str, Any]) -> Any:
    """A filled table with the very types that a blank one could not use."""
    return _class(record["container"]).exact(table, record)


def _class(name: str) -> type[Container]:
    """The containers by name: their libraries are imported when they are needed."""
    module, kind = _CLASSES[name]
    return getattr(import_module(f"halfseen.tables.{module}"), kind)


_CLASSES = {
    "pandas": ("pandas_frames", "PandasFrame"),
    "polars": ("polars_frames", "PolarsFrame"),
    "arrow": ("arrow_tables", "ArrowTable"),
    "array": ("arrays", "Array"),
    "tensor": ("tensors", "TensorTable"),
}


def holds_modalities(data: Any) -> bool:
    """Whether data are a mapping of modalities; some sparse matrices are dictionaries, too."""
    return isinstance(data, Mapping) and not sparse.issparse(data)


def _wrap(table: Any) -> Container:
    refuse_lazy(table)
    if holds_modalities(table):
        raise ColumnError(
            f"Got a mapping with the keys {list(table)[:5]}. Expected one table: a "
            "mapping holds several modalities."
        )
    if nwd.is_pandas_dataframe(table):
        return _class("pandas")(table)
    if nwd.is_polars_dataframe(table):
        return _class("polars")(table)
    if nwd.is_pyarrow_table(table):
        return _class("arrow")(table)
    refuse_stranger(table)
    if is_tensor(table):
        return _class("tensor")(table)
    array = to_array(table)
    refuse_array(array, table)
    return _class("array")(array)


def is_tensor(table: Any) -> bool:
    """Whether this is a tensor of torch, which is imported by nobody but its users."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(table, torch.Tensor)


def refuse_lazy(table: Any) -> None:
    """Say how a table that is not in memory is loaded."""
    if nwd.is_narwhals_dataframe(table) or nwd.is_narwhals_lazyframe(table):
        raise SettingError("Got a narwhals frame. Expected a native one: pass table.to_native().")
    lazy = (nwd.is_polars_lazyframe, nwd.is_dask_dataframe, nwd.is_duckdb_relation)
    if any(is_lazy(table) for is_lazy in lazy):
        raise SettingError(
            f"Got a lazy table ({type(table).__name__}). Expected one that is in memory: "
            "pass table.collect() (dask: compute(), duckdb: arrow())."
        )


def _check_shape(shape: tuple[int, int]) -> None:
    for size, what in zip(shape, ("sample", "feature"), strict=True):
        if size == 0:
            raise TableError(
                f"Found array with 0 {what}(s) (shape={shape}) while a minimum of 1 is required. "
                "Pass a table with at least one row and one column."
            )


def _check_unique(names: list[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ColumnError(
            f"Got more than one column named {', '.join(map(repr, repeated))}. "
            "Expected distinct names: rename or drop the others."
        )
