"""What a model needs to know of a table's columns: their kinds and their places."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import product
from typing import Any, Literal, get_args

from halfseen.errors import SettingError

__all__ = ["CATEGORICAL", "KINDS", "NUMERIC", "Column", "DataSpec", "Kind"]

Kind = Literal["continuous", "positive", "bounded", "count", "binary", "nominal", "ordered"]
KINDS: tuple[str, ...] = get_args(Kind)
NUMERIC = ("continuous", "positive", "bounded", "count")
CATEGORICAL = ("binary", "nominal", "ordered")


@dataclass(frozen=True)
class Column:
    """One column as the model sees it.

    Parameters
    ----------
    name : str
        The column's name, for messages and summaries.
    kind : str
        One of ``KINDS``.
    n_levels : int
        Number of categories of a categorical column, 0 for a numeric one. Cells of a
        categorical column hold the codes 0, ..., n_levels - 1.
    integer : bool
        Whether every observed value is a whole number; imputed values are then rounded.
    lower, upper : float or None
        Bounds of a ``bounded`` column, in data units.
    constant : float or None
        The one value (or code) of a column that never varies, or of one without any
        observed value that is kept; such a column is filled, not modelled.
    """

    name: str
    kind: Kind
    n_levels: int = 0
    integer: bool = False
    lower: float | None = None
    upper: float | None = None
    constant: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SettingError(
                f"Got kind={self.kind!r} for column {self.name!r}. Expected one of {KINDS}."
            )

    @property
    def categorical(self) -> bool:
        """Whether cells are codes of categories."""
        return self.kind in CATEGORICAL

    @property
    def width(self) -> int:
        """Number of features: one per category (at least 2), or one for a numeric column."""
        return max(self.n_levels, 2) if self.categorical else 1


@dataclass(frozen=True)
class DataSpec:
    """The columns of a table, or the pixels of images, in order.

    Parameters
    ----------
    columns : tuple of Column
        The p columns.
    shape : tuple of int or None, default=None
        Channels, height and width when the columns are the pixels of an image, in that order;
        None for a table.

    Examples
    --------
    >>> spec = DataSpec((Column("age", "continuous"), Column("sex", "binary", n_levels=2)))
    >>> spec.n_columns, spec.n_features
    (2, 3)
    >>> spec.where("binary")
    [1]
    """

    columns: tuple[Column, ...]
    shape: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        if self.shape is not None and math.prod(self.shape) != len(self.columns):
            raise SettingError(
                f"Got shape={self.shape} for {len(self.columns)} columns. Expected channels, "
                "height and width whose product is the number of columns."
            )

    @classmethod
    def continuous(cls, n_columns: int) -> DataSpec:
        """A table of ``n_columns`` continuous columns named ``x0``, ``x1``, ..."""
        return cls(tuple(Column(f"x{j}", "continuous") for j in range(n_columns)))

    @classmethod
    def pixels(cls, shape: tuple[int, int, int]) -> DataSpec:
        """The pixels of images (channels, height, width), one continuous column each.

        Examples
        --------
        >>> DataSpec.pixels((1, 2, 2)).names[-1]
        'pixel[0,1,1]'
        """
        places = product(*(range(size) for size in shape))
        names = (f"pixel[{channel},{row},{column}]" for channel, row, column in places)
        return cls(tuple(Column(name, "continuous") for name in names), shape)

    @classmethod
    def from_json(cls, columns: Iterable[dict[str, Any]]) -> DataSpec:
        """Inverse of :meth:`to_json`."""
        return cls(tuple(Column(**column) for column in columns))

    def to_json(self) -> list[dict[str, Any]]:
        """Columns of a table as plain dictionaries; those of images follow from their shape."""
        return [asdict(column) for column in self.columns]

    @property
    def n_columns(self) -> int:
        """Number of columns p."""
        return len(self.columns)

    @cached_property
    def offsets(self) -> list[int]:
        """First feature of each column, and the number of features at the end."""
        total, places = 0, []
        for column in self.columns:
            places.append(total)
            total += column.width
        return [*places, total]

    @property
    def n_features(self) -> int:
        """Width of the expanded row: one per numeric column, one per category."""
        return self.offsets[-1]

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [column.name for column in self.columns]

    def where(self, *kinds: str) -> list[int]:
        """Places of the columns of the given kinds."""
        return [j for j, column in enumerate(self.columns) if column.kind in kinds]

    def subset(self, places: Sequence[int]) -> DataSpec:
        """The specification of some of the columns; an image is one only while it is whole."""
        whole = self.shape is not None and list(places) == list(range(self.n_columns))
        return self if whole else DataSpec(tuple(self.columns[j] for j in places))
