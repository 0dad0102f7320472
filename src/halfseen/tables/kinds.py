"""From the cells of a column to its kind.

================================================  ==========================================
cells                                             kind
================================================  ==========================================
truth values                                      binary
text, categories                                  binary with 2 seen values, else nominal
ordered categories (pandas, Arrow)                ordered
numbers, exactly {0, 1} seen                      binary
whole numbers >= 0, at least 3 distinct values,   count
median <= 20 and skewness > 1
other numbers                                     continuous
arrays of numbers                                 continuous, whatever the values
================================================  ==========================================

``positive`` and ``bounded`` come only from the user. Whole numbers are treated alike whether
their type is integer or float, because pandas turns integers with holes into floats.
Integers beyond 2**53 lose their last digits in the model's float64; seen cells do not, as
they never leave their container.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen.core.spec import CATEGORICAL, Column
from halfseen.errors import ColumnError, SettingError
from halfseen.tables.containers import CellTypeError, open_table
from halfseen.tables.raw import Level, Raw
from halfseen.tables.settings import Setting, check_kinds, read_kinds

__all__ = [
    "Refusal",
    "check_support",
    "infer_column",
    "infer_kinds",
    "is_free_text",
    "read_kinds",
    "refusal",
]

MOST_LEVELS = 1000
FEW_LEVELS = 50
_NUMBER = re.compile(
    r"[-+]?(\d*|\d{1,3}([. ']\d{3})+)(,\d+)?"  # 1234,5 and 1.234,5
    r"|[-+]?\d{1,3}(,\d{3})*(\.\d*)?"  # 1,234.5
    r"|[-+]?\d*\.?\d*([eE][-+]?\d+)?"
)
TEXT_OF_NOTHING = "missing"


@dataclass(frozen=True)
class Refusal:
    """Why a column cannot be used.

    Parameters
    ----------
    kind : str
        A word for what the column is: date, text, empty, infinite, mixed, large,
        sparse, other.
    message : str
        What it holds and what to do.
    """

    kind: str
    message: str

    def error(self) -> ColumnError:
        """The error to raise."""
        return (CellTypeError if self.kind == "other" else ColumnError)(self.message)


def infer_kinds(table: Any, kinds: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Kind of every column of a table.

    Parameters
    ----------
    table : DataFrame, pyarrow.Table or array-like of shape (n, p)
        The table.
    kinds : mapping, optional
        Kinds that the user knows better, see :func:`halfseen.tables.read_kinds`.

    Returns
    -------
    dict of str to str
        From name to kind.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"age": [31.5, None, 40.0], "sex": ["f", "m", None]})
    >>> infer_kinds(table)
    {'age': 'continuous', 'sex': 'binary'}
    """
    container = open_table(table)
    settings = check_kinds(kinds, container.names)
    kind_of: dict[str, str] = {}
    for place, name in enumerate(container.names):
        column, _ = infer_column(container.raw(place), settings.get(name), container.plain)
        kind_of[name] = column.kind
    return kind_of


def infer_column(
    raw: Raw, setting: Setting | None = None, plain: bool = False, keep_empty: bool = False
) -> tuple[Column, list[Level]]:
    """Decide how a model sees a column.

    Parameters
    ----------
    raw : Raw
        The column.
    setting : Setting, optional
        What the user said of it.
    plain : bool
        Whether it comes from an array of numbers, whose columns are all continuous.
    keep_empty : bool
        Whether a column without any seen cell is kept, as a constant.

    Returns
    -------
    column : Column
        The column as the model sees it.
    levels : list
        Categories of a categorical column, else empty.
    """
    refused = refusal(raw, keep_empty, keep_text=setting is not None)
    if refused is not None:
        raise refused.error()
    if raw.n_seen == 0:
        return _empty_column(raw, setting)
    setting = setting or Setting(_guess(raw, plain))
    if setting.kind in CATEGORICAL:
        return _categorical_column(raw, setting)
    return _numeric_column(raw, setting, plain), []


def refusal(raw: Raw, keep_empty: bool = False, keep_text: bool = False) -> Refusal | None:
    """Say why a column cannot be used, if so.

    Parameters
    ----------
    raw : Raw
        The column.
    keep_empty : bool
        Whether a column without any seen cell is fine.
    keep_text : bool
        Whether a column that looks like free text is fine.

    Returns
    -------
    Refusal or None
        The reason and the remedy, None for a column that can be used.
    """
    name = f"Column {raw.name!r}"
    if raw.tag in _UNUSABLE:
        return Refusal(raw.tag, f"{name} holds {_UNUSABLE[raw.tag].format(raw.detail)}")
    if raw.n_seen == 0 and not keep_empty:
        remedy = "drop it or pass keep_empty_features=True."
        return Refusal("empty", f"{name} has no observed value; {remedy}")
    infinite = int(np.count_nonzero(np.isinf(raw.seen_numbers())))
    if infinite:
        return Refusal(
            "infinite",
            f"{name} holds infinity (inf) in {infinite} cell(s). Expected finite values: "
            "replace it by NaN (missing) or by a finite bound.",
        )
    odd = None if keep_text else _odd_number(raw)
    if odd is not None:
        return Refusal(
            "text",
            f"{name} holds numbers as text, with commas or spaces in them ({odd!r}). Write them "
            "with a decimal point and nothing else, or declare it nominal with kinds=.",
        )
    if not keep_text and is_free_text(raw):
        return Refusal(
            "text",
            f"{name} looks like free text or an identifier ({len(raw.seen_labels())} distinct "
            f"values in {raw.n_seen} cells). Drop it, or declare it nominal with kinds=.",
        )
    return None


_UNUSABLE = {
    "date": "dates or times ({}). Convert it to a number (days since a reference date) "
    "or drop it.",
    "mixed": "a mix of types ({}). Expected one type: convert it to text or to numbers.",
    "large": "an integer that is too large for a floating point number{}. Convert it to text "
    "or to a larger unit, or drop it.",
    "sparse": "sparse cells ({}). Expected dense ones: pass table.sparse.to_dense(), or replace "
    "this column by column.sparse.to_dense().",
    "other": "{} values; every cell's argument must be a string or a real number. Convert it, "
    "split it into columns or drop it.",
}


def check_support(column: Column, raw: Raw) -> None:
    """Refuse numbers that the column's kind says are impossible."""
    seen = raw.seen_numbers()
    expected, wrong = {
        "positive": ("values > 0", seen <= 0),
        "count": ("whole numbers >= 0", (seen < 0) | (seen != np.rint(seen))),
        "bounded": (
            f"values from {column.lower} to {column.upper}",
            (seen < _or(column.lower, -np.inf)) | (seen > _or(column.upper, np.inf)),
        ),
    }.get(column.kind, ("", np.zeros(len(seen), dtype=bool)))
    if wrong.any():
        raise ColumnError(
            f"Column {raw.name!r} of kind {column.kind!r} holds {seen[wrong][0]:g}. Expected "
            f"{expected}: correct the cells or change the kind with kinds=."
        )


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _odd_number(raw: Raw) -> str | None:
    """A label like "1,5" or " 2", where all of them are numbers for people."""
    if raw.tag != "text":
        return None
    labels = [str(label) for label in raw.seen_labels()]
    odd = [label for label in labels if ("," in label or label != label.strip()) and label.strip()]
    return odd[0] if odd and all(_NUMBER.fullmatch(label.strip()) for label in labels) else None


def is_free_text(raw: Raw) -> bool:
    """Whether the cells of a column of text are nearly always different: no labels.

    Examples
    --------
    >>> cells = np.array(["t-shirt", "F"] * 30, dtype=object)
    >>> is_free_text(Raw.of_objects("size", "object", cells))
    False
    """
    if raw.tag not in ("text", "category"):
        return False
    n_distinct = len(raw.seen_labels())
    return n_distinct > MOST_LEVELS or (n_distinct > FEW_LEVELS and 2 * n_distinct > raw.n_seen)


def _guess(raw: Raw, plain: bool) -> str:
    if raw.numbers is None:
        binary = len(raw.seen_labels()) == 2
        return "ordered" if raw.ordered else "binary" if binary else "nominal"
    if raw.tag == "boolean":
        return "binary"
    if plain:
        return "continuous"
    distinct = np.unique(raw.seen_numbers())
    if np.array_equal(distinct, [0.0, 1.0]):
        return "binary"
    return "count" if _looks_like_count(raw.seen_numbers(), len(distinct)) else "continuous"


def _looks_like_count(seen: np.ndarray, n_distinct: int) -> bool:
    if n_distinct < 3 or seen.min() < 0 or np.median(seen) > 20 or not _whole(seen):
        return False
    centred = seen - seen.mean()
    return bool((centred**3).mean() > centred.std() ** 3)


def _whole(seen: np.ndarray) -> bool:
    return bool((seen == np.rint(seen)).all())


def _numeric_column(raw: Raw, setting: Setting, plain: bool) -> Column:
    if raw.numbers is None:
        raise ColumnError(
            f"Column {raw.name!r} was declared {setting.kind!r} but holds text ({raw.dtype}). "
            f"Expected numbers: convert it, or declare one of {CATEGORICAL}."
        )
    seen = raw.seen_numbers()
    column = Column(
        raw.name,
        setting.kind,  # type: ignore[arg-type]
        integer=raw.tag == "integer" or (not plain and _whole(seen)),
        lower=setting.lower,
        upper=setting.upper,
        constant=float(seen[0]) if (seen == seen[0]).all() else None,
    )
    check_support(column, raw)
    return column


def _categorical_column(raw: Raw, setting: Setting) -> tuple[Column, list[Level]]:
    levels = list(setting.levels or _default_levels(raw, setting.kind))
    seen = raw.seen_labels()
    strange = [label for label in seen if label not in levels]
    if strange:
        raise ColumnError(
            f"Column {raw.name!r} holds {strange[:5]}, not among its levels {levels[:20]}. "
            "Add them to the levels or correct the cells."
        )
    if setting.kind == "binary" and len(levels) > 2:
        raise ColumnError(
            f"Column {raw.name!r} was declared binary but holds {len(levels)} distinct values. "
            "Declare it nominal or ordered."
        )
    constant = float(levels.index(seen[0])) if len(seen) == 1 else None
    kind: Any = setting.kind
    return Column(raw.name, kind, n_levels=len(levels), constant=constant), levels


def _default_levels(raw: Raw, kind: str) -> tuple[Level, ...]:
    if raw.tag == "boolean":
        return raw.labels
    if kind == "ordered" and raw.numbers is None and not raw.sorted_labels:
        raise SettingError(
            f"Got kind='ordered' for column {raw.name!r} without levels, and its type "
            f"({raw.dtype}) has no order. Pass kinds={{{raw.name!r}: {{'kind': 'ordered', "
            "'levels': [...]}}}} with the lowest level first."
        )
    return tuple(raw.seen_labels())


def _empty_column(raw: Raw, setting: Setting | None) -> tuple[Column, list[Level]]:
    kind, levels = _empty_kind(raw, setting)
    if kind in CATEGORICAL:
        column = Column(raw.name, kind, n_levels=len(levels), constant=0.0)  # type: ignore[arg-type]
        return column, levels
    lower = setting.lower if setting else None
    upper = setting.upper if setting else None
    value = {"positive": 1.0, "bounded": _or(lower, 0.0)}.get(kind, 0.0)
    integer = raw.tag == "integer"
    column = Column(raw.name, kind, 0, integer, lower, upper, value)  # type: ignore[arg-type]
    return column, []


def _empty_kind(raw: Raw, setting: Setting | None) -> tuple[str, list[Level]]:
    if setting is not None and (setting.levels or setting.kind not in CATEGORICAL):
        return setting.kind, list(setting.levels or ())
    if raw.tag == "boolean":
        return "binary", [False, True]
    if raw.tag == "category" and raw.labels:
        return ("ordered" if raw.ordered else "nominal"), [raw.labels[0]]
    if raw.tag in ("text", "category") or setting is not None:
        return "nominal", [TEXT_OF_NOTHING]
    return "continuous", []
