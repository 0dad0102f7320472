"""polars frames as containers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from halfseen.tables.arrays import as_objects
from halfseen.tables.arrow_tables import read_arrow
from halfseen.tables.containers import Container, Fill
from halfseen.tables.raw import Raw, round_clip, to_decimals, to_floats

__all__ = ["PolarsFrame"]


class PolarsFrame(Container):
    """A polars frame; types and categories are kept."""

    @property
    def labels(self) -> list[str]:
        """Column names."""
        return self.table.columns

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return self.table.shape

    def read(self, place: int) -> Raw:
        """Read one column."""
        return _read(self.table.to_series(place))

    def record(self) -> dict[str, Any]:
        """Names and types of the columns."""
        types = [_record_type(kind) for kind in self.table.dtypes]
        return {"container": "polars", "labels": self.labels, "columns": types}

    @staticmethod
    def blank(record: Mapping[str, Any], n: int) -> pl.DataFrame:
        """A frame of nulls."""
        pairs = zip(record["labels"], record["columns"], strict=True)
        return pl.DataFrame(
            [pl.Series(name, [None] * n, _read_type(kind)) for name, kind in pairs]
        )

    @staticmethod
    def exact(table: pl.DataFrame, record: Mapping[str, Any]) -> pl.DataFrame:
        """The table itself: all types of polars have nulls."""
        return table

    def replace(self, fills: dict[int, Fill]) -> pl.DataFrame:
        """Copy of the frame in which some cells are replaced."""
        columns = [
            _filled(self.table.to_series(place), fill, self.raw(place))
            for place, fill in fills.items()
        ]
        return self.table.with_columns(columns)


def _record_type(kind: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {"dtype": kind.base_type().__name__}
    if isinstance(kind, pl.Enum):
        settings["categories"] = kind.categories.to_list()
    if isinstance(kind, pl.Decimal):
        settings |= {"precision": kind.precision, "scale": kind.scale}
    return settings


def _read_type(column: Mapping[str, Any]) -> Any:
    settings = dict(column)
    return getattr(pl, settings.pop("dtype"))(**settings)


def _read(column: pl.Series) -> Raw:
    name, kind, dtype = column.name, column.dtype, str(column.dtype)
    if kind.is_numeric():
        numbers = np.array(column.cast(pl.Float64, strict=False).to_numpy(), dtype=np.float64)
        return Raw.of_numbers(name, dtype, "integer" if kind.is_integer() else "float", numbers)
    if kind == pl.Object:
        return Raw.of_objects(name, dtype, np.array([*column.to_list(), None], dtype=object)[:-1])
    if kind.is_temporal() or kind.is_nested() or kind == pl.Binary:
        tag: Any = "date" if kind.is_temporal() else "other"
        return Raw.unusable(name, dtype, tag, column.is_null().to_numpy(), dtype)
    if isinstance(kind, (pl.Categorical, pl.Enum)):
        return _read_categories(column)
    return read_arrow(name, _arrow(column), dtype)


def _arrow(column: pl.Series) -> Any:
    import pyarrow as pa

    return pa.chunked_array([column.to_arrow()])


def _read_categories(column: pl.Series) -> Raw:
    text = read_arrow(column.name, _arrow(column.cast(pl.String)))
    codes, labels = text.coded()
    if isinstance(column.dtype, pl.Enum):
        declared = column.dtype.categories.to_list()
        places = np.array([*map(declared.index, labels), -1], dtype=np.intp)
        codes, labels = places[codes], tuple(declared)
    # Enum is the one fixed type of categories in polars: declared, yet seldom meant as a rank.
    declares = isinstance(column.dtype, pl.Enum)
    dtype = type(column.dtype).__name__
    return Raw.of_labels(column.name, dtype, codes, labels, "category", declares)


def _filled(column: pl.Series, fill: Fill, raw: Raw) -> pl.Series:
    if column.dtype == pl.Object:
        cells = np.array([*column.to_list(), None], dtype=object)[:-1]
        cells[fill.where] = as_objects(fill, raw)
        return pl.Series(column.name, cells.tolist(), dtype=pl.Object)
    number = column.dtype.is_numeric() or column.dtype == pl.Boolean
    if column.dtype == pl.Null or (fill.is_text and number):
        return pl.Series(column.name, _spread(fill, fill.objects))
    if isinstance(column.dtype, (pl.Categorical, pl.Enum)):
        texts = pl.Series(_spread(fill, fill.texts), dtype=pl.String)
        filled = column.cast(pl.String).zip_with(pl.Series(~fill.where), texts)
        return filled.cast(_wide_enough(column.dtype, fill.texts))
    values = pl.Series(_spread(fill, _values(fill, column.dtype)), dtype=column.dtype)
    return column.zip_with(pl.Series(~fill.where), values)


def _spread(fill: Fill, values: list[Any]) -> list[Any]:
    cells: list[Any] = [None] * len(fill.where)
    for place, value in zip(fill.places.tolist(), values, strict=True):
        cells[place] = value
    return cells


def _values(fill: Fill, kind: Any) -> list[Any]:
    if kind == pl.Boolean:
        return fill.numbers.astype(bool).tolist()
    if kind.is_integer():
        return round_clip(fill.numbers, _numpy_integer(kind)).tolist()
    if kind.is_decimal():
        return to_decimals(fill.numbers, kind.precision or 38, kind.scale)
    if kind.is_float():
        return to_floats(fill.numbers, np.dtype(str(kind).lower())).tolist()
    return fill.texts


def _numpy_integer(kind: Any) -> np.dtype:
    name = str(kind).lower()
    return np.dtype(name.replace("128", "64"))


def _wide_enough(kind: Any, texts: list[str]) -> Any:
    if not isinstance(kind, pl.Enum):
        return kind
    declared = kind.categories.to_list()
    absent = [text for text in dict.fromkeys(texts) if text not in set(declared)]
    return pl.Enum([*declared, *absent]) if absent else kind
