"""One column as it was read from any container: numbers or coded labels, and its holes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Literal

import numpy as np

__all__ = ["Level", "Raw", "Tag", "round_clip", "to_decimals", "to_floats"]

Tag = Literal[
    "boolean",
    "integer",
    "float",
    "text",
    "category",
    "date",
    "null",
    "mixed",
    "large",
    "sparse",
    "other",
]
Level = str | bool | int | float

# np.timedelta64 is a subclass of np.integer, so dates are asked for first.
_FAMILIES: tuple[tuple[Tag, tuple[type, ...]], ...] = (
    ("date", (dt.date, dt.time, dt.timedelta, np.datetime64, np.timedelta64)),
    ("boolean", (bool, np.bool_)),
    ("integer", (int, np.integer)),
    ("float", (float, np.floating, Decimal)),
    ("text", (str,)),
)


@dataclass(frozen=True, eq=False)
class Raw:
    """A column read from a table, whatever the container.

    Parameters
    ----------
    name : str
        Name of the column.
    dtype : str
        The container's own name of the type, for messages.
    tag : str
        What the cells are: ``boolean``, ``integer``, ``float``, ``text``, ``category``, or
        one that cannot be modelled: ``date``, ``null``, ``mixed``, ``large``,
        ``sparse``, ``other``.
    missing : ndarray of bool of shape (n,)
        Where the container holds a null or NaN.
    numbers : ndarray of float64 of shape (n,), optional
        Cells of a boolean or numeric column, NaN where missing.
    codes : ndarray of int of shape (n,), optional
        Places in ``labels`` of the cells of a boolean, text or category column, -1 where
        missing.
    labels : tuple
        Distinct labels; for categories all declared ones, in their declared order.
    sorted_labels : bool
        Whether the order of ``labels`` was declared, so that it must not be changed.
    ordered : bool
        Whether the container says that the categories are ordered.
    detail : str
        What the cells of an unusable column hold, for messages.
    """

    name: str
    dtype: str
    tag: Tag
    missing: np.ndarray
    numbers: np.ndarray | None = None
    codes: np.ndarray | None = None
    labels: tuple[Level, ...] = ()
    sorted_labels: bool = False
    ordered: bool = False
    detail: str = ""

    @classmethod
    def of_numbers(cls, name: str, dtype: str, tag: Tag, numbers: np.ndarray) -> Raw:
        """A numeric column from float64 cells with NaN where missing."""
        return cls(name, dtype, tag, np.isnan(numbers), numbers=numbers)

    @classmethod
    def of_booleans(cls, name: str, dtype: str, numbers: np.ndarray) -> Raw:
        """A column of truth values from 0.0, 1.0 and NaN."""
        missing = np.isnan(numbers)
        codes = np.where(missing, -1, np.nan_to_num(numbers)).astype(np.intp)
        return cls(
            name, dtype, "boolean", missing, numbers, codes, (False, True), sorted_labels=True
        )

    @classmethod
    def of_labels(
        cls,
        name: str,
        dtype: str,
        codes: np.ndarray,
        labels: Sequence[Any],
        tag: Tag = "text",
        sorted_labels: bool = False,
        ordered: bool = False,
    ) -> Raw:
        """A column of labels from codes, -1 where missing; equal labels become one."""
        place = {label: code for code, label in enumerate(dict.fromkeys(map(plain, labels)))}
        if len(place) < len(labels):
            # The last place answers for code -1, a missing cell.
            codes = np.array([*(place[plain(label)] for label in labels), -1])[codes]
        codes = np.asarray(codes, dtype=np.intp)
        return cls(
            name,
            dtype,
            tag,
            codes < 0,
            codes=codes,
            labels=tuple(place),
            sorted_labels=sorted_labels,
            ordered=ordered,
        )

    @classmethod
    def unusable(cls, name: str, dtype: str, tag: Tag, missing: np.ndarray, detail: str) -> Raw:
        """A column that no model can take."""
        return cls(name, dtype, tag, missing, detail=detail)

    @classmethod
    def of_objects(cls, name: str, dtype: str, cells: np.ndarray) -> Raw:
        """A column of Python objects: the type of the cells decides."""
        import pandas as pd

        missing = np.asarray(pd.isna(cells), dtype=bool)
        types = set(map(type, cells[~missing]))
        tag = _common_tag({_family(cell_type) for cell_type in types})
        if tag in ("boolean", "integer", "float"):
            numbers = np.full(len(cells), np.nan)
            try:
                numbers[~missing] = cells[~missing].astype(np.float64)
            except OverflowError:
                return cls.unusable(name, dtype, "large", missing, "")
            if tag == "boolean":
                return cls.of_booleans(name, dtype, numbers)
            return cls.of_numbers(name, dtype, tag, numbers)
        if tag == "text":
            codes, labels = pd.factorize(cells)
            return cls.of_labels(name, dtype, codes, labels.tolist())
        detail = " and ".join(sorted(cell_type.__name__ for cell_type in types))
        return cls.unusable(name, dtype, tag, missing, detail)

    @property
    def n_seen(self) -> int:
        """Number of cells that are not missing."""
        return int(np.count_nonzero(~self.missing))

    def seen_numbers(self) -> np.ndarray:
        """The numbers that are not missing."""
        return np.empty(0) if self.numbers is None else self.numbers[~self.missing]

    def coded(self) -> tuple[np.ndarray, tuple[Level, ...]]:
        """Codes of the cells (-1 where missing) and the labels they index."""
        if self.codes is not None:
            return self.codes, self.labels
        codes = np.full(len(self.missing), -1, dtype=np.intp)
        uniques, codes[~self.missing] = np.unique(self.seen_numbers(), return_inverse=True)
        if self.tag == "integer":
            return codes, tuple(int(value) for value in uniques)
        return codes, tuple(uniques.tolist())

    def seen_labels(self) -> list[Level]:
        """Labels with at least one cell, in declared order if there is one, else sorted."""
        codes, labels = self.coded()
        seen = [labels[code] for code in np.unique(codes[codes >= 0])]
        return seen if self.sorted_labels else sorted(seen)


def plain(label: Any) -> Level:
    """Reduce a label to a type that JSON keeps; others (intervals, dates) by their text."""
    label = label.item() if isinstance(label, np.generic) else label
    if isinstance(label, str):
        return str(label)
    return label if isinstance(label, (bool, int, float)) else str(label)


def round_clip(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Round half to even and clip into the range of an integer type.

    Examples
    --------
    >>> round_clip(np.array([0.5, 1.5, -3.0, 300.0]), np.dtype("uint8"))
    array([  0,   2,   0, 255], dtype=uint8)
    """
    limits, whole = np.iinfo(dtype), np.rint(np.asarray(values, dtype=np.float64))
    # float64(2**63 - 1) is 2**63, which does not fit: so no np.clip before the cast.
    low, high = whole <= limits.min, whole >= float(limits.max)
    out = np.where(low, limits.min, np.where(high, limits.max, 0)).astype(dtype)
    inside = ~(low | high)
    out[inside] = whole[inside].astype(dtype)
    return out


def to_floats(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Numbers of a float type, clipped into its finite range; other types as they are cast.

    Examples
    --------
    >>> to_floats(np.array([0.1, 1e6]), np.dtype("float16"))
    array([1.00e-01, 6.55e+04], dtype=float16)
    """
    if dtype.kind == "f" and dtype.itemsize < 8:
        most = float(np.finfo(dtype).max)
        values = np.clip(values, -most, most)
    return np.asarray(values).astype(dtype)


def to_decimals(values: np.ndarray, precision: int, scale: int) -> list[Decimal]:
    """Round half to even and clip into the range of a decimal type.

    Examples
    --------
    >>> to_decimals(np.array([0.125, 1e9]), precision=4, scale=2)
    [Decimal('0.12'), Decimal('99.99')]
    """
    # Enough digits for any float, as quantize refuses to lose one.
    context = Context(prec=700, rounding=ROUND_HALF_EVEN)
    most, unit = Decimal(10**precision - 1).scaleb(-scale, context), Decimal(1).scaleb(-scale)
    rounded = (Decimal(value).quantize(unit, context=context) for value in values.tolist())
    return [max(-most, min(most, value)) for value in rounded]


def _family(cell_type: type) -> Tag:
    for tag, types in _FAMILIES:
        if issubclass(cell_type, types):
            return tag
    return "other"


def _common_tag(families: set[Tag]) -> Tag:
    if not families:
        return "null"
    if len(families) == 1:
        return next(iter(families))
    if families == {"integer", "float"}:
        return "float"
    return "other" if "other" in families else "mixed"
