"""What is in a table, column by column, before any model sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen.core.spec import Column
from halfseen.errors import ColumnError, SettingError
from halfseen.tables.containers import open_table
from halfseen.tables.kinds import Refusal, infer_column, refusal
from halfseen.tables.raw import Level, Raw
from halfseen.tables.settings import Setting, check_kinds

__all__ = ["ColumnSummary", "describe"]


@dataclass(frozen=True)
class ColumnSummary:
    """One column of a table, for people.

    Parameters
    ----------
    name : str
        Its name.
    kind : str
        Its kind, or why it has none: ``date``, ``text``, ``empty``, ``infinite``, ``mixed``,
        ``large``, ``sparse``, ``other``, ``repeated``, ``refused``.
    dtype : str
        The container's name of its type.
    n_missing : int
        Number of missing cells.
    share_missing : float
        Their share of all cells.
    n_distinct : int or None
        Number of distinct seen values, None where they were not counted.
    values : str
        Range and mean of numbers, or the first levels.
    remedy : str
        What to do before the column can be used; empty if it can.
    """

    name: str
    kind: str
    dtype: str
    n_missing: int
    share_missing: float
    n_distinct: int | None
    values: str
    remedy: str = ""


def describe(table: Any, kinds: Mapping[str, Any] | None = None) -> list[ColumnSummary]:
    """Summarise every column of a table, the awkward ones too.

    Parameters
    ----------
    table : DataFrame, pyarrow.Table or array-like of shape (n, p)
        The table.
    kinds : mapping, optional
        Kinds that the user knows better.

    Returns
    -------
    list of ColumnSummary
        One a column, in order.

    Examples
    --------
    >>> import pandas as pd
    >>> [age] = describe(pd.DataFrame({"age": [30.5, None]}))
    >>> age.kind, age.n_missing, age.values
    ('continuous', 1, '30.5 to 30.5, mean 30.5')
    """
    container = open_table(table, strict=False)
    names = container.names
    settings, count = check_kinds(kinds, names), Counter(names)
    return [
        _summary(container.raw(j), settings.get(name), container.plain, count[name] > 1)
        for j, name in enumerate(names)
    ]


def _summary(raw: Raw, setting: Setting | None, plain: bool, repeated: bool) -> ColumnSummary:
    kind, remedy = _kind(raw, setting, plain)
    if repeated and not remedy:
        kind, remedy = "repeated", f"More than one column is named {raw.name!r}; rename them."
    n_missing, n_rows = int(raw.missing.sum()), len(raw.missing)
    return ColumnSummary(
        raw.name,
        kind,
        raw.dtype,
        n_missing,
        n_missing / n_rows if n_rows else 0.0,
        _n_distinct(raw),
        _values(raw),
        remedy,
    )


def _kind(raw: Raw, setting: Setting | None, plain: bool) -> tuple[str, str]:
    refused = refusal(raw, keep_text=setting is not None)
    if refused is None:
        found = _infer(raw, setting, plain)
        if isinstance(found, Column):
            return found.kind, ""
        refused = found
    return refused.kind, refused.message


def _infer(raw: Raw, setting: Setting | None, plain: bool) -> Column | Refusal:
    try:
        return infer_column(raw, setting, plain)[0]
    except (ColumnError, SettingError) as error:
        return Refusal("refused", str(error))


def _n_distinct(raw: Raw) -> int | None:
    if raw.numbers is None and raw.codes is None:
        return None
    return len(raw.seen_labels())


def _values(raw: Raw) -> str:
    if raw.n_seen == 0:
        return ""
    if raw.codes is not None:
        return _few(raw.seen_labels())
    if raw.numbers is None:
        return raw.detail
    seen = raw.seen_numbers()
    with np.errstate(all="ignore"):
        return f"{seen.min():g} to {seen.max():g}, mean {seen.mean():g}"


def _few(labels: list[Level], most: int = 5) -> str:
    shown = ", ".join(str(label)[:40] for label in labels[:most])
    return f"{shown}, ... ({len(labels)})" if len(labels) > most else shown
