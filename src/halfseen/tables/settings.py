"""What a user says about columns: checked against their names, read from a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from halfseen.core.spec import CATEGORICAL, KINDS
from halfseen.errors import FileFormatError, SettingError
from halfseen.tables.raw import Level

__all__ = ["Setting", "check_kinds", "read_kinds"]

_KEYS = ("kind", "levels", "lower", "upper")


@dataclass(frozen=True)
class Setting:
    """What is known, or was said, of one column.

    Parameters
    ----------
    kind : str
        One of ``halfseen.core.spec.KINDS``.
    levels : tuple of str, bool, int or float, optional
        Categories of a categorical column, in order.
    lower, upper : float, optional
        Bounds of a bounded column.
    """

    kind: str
    levels: tuple[Level, ...] | None = None
    lower: float | None = None
    upper: float | None = None


def check_kinds(kinds: Mapping[str, Any] | None, names: Iterable[str]) -> dict[str, Setting]:
    """Check a mapping from column names to kinds.

    Parameters
    ----------
    kinds : mapping or None
        From a column's name to a kind, or to a mapping with the key ``kind`` and, where
        they apply, ``levels``, ``lower`` and ``upper``.
    names : iterable of str
        Names of the table's columns.

    Returns
    -------
    dict of str to Setting
        The settings of the columns that are named.

    Examples
    --------
    >>> check_kinds({"age": "count"}, ["age", "sex"])
    {'age': Setting(kind='count', levels=None, lower=None, upper=None)}
    """
    names = list(names)
    if kinds is not None and not isinstance(kinds, Mapping):
        raise SettingError(
            f"Got kinds of type {type(kinds).__name__}. Expected a mapping from column names "
            "to kinds, such as {'age': 'count'}."
        )
    settings = {}
    for name, given in (kinds or {}).items():
        if str(name) not in names:
            raise SettingError(
                f"Got a kind for column {name!r}, which the table does not have. "
                f"Expected one of {_short(names)}.{_hint(str(name), names)}"
            )
        settings[str(name)] = _check_one(str(name), given)
    return settings


def read_kinds(path: str | Path) -> dict[str, Any]:
    """Read kinds of columns from a TOML file.

    Parameters
    ----------
    path : str or Path
        A file with one entry a column: ``age = "count"``, or a table ``[grade]`` with the
        keys ``kind``, ``levels``, ``lower`` and ``upper``.

    Returns
    -------
    dict
        What ``kinds=`` takes.
    """
    path = Path(path)
    try:
        kinds = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise FileFormatError(
            f'{path} is not a TOML file ({error}). Expected lines such as: age = "count".'
        ) from error
    for name, given in kinds.items():
        _check_one(name, given)
    return kinds


def _check_one(name: str, given: Any) -> Setting:
    parts: Any = {"kind": given} if isinstance(given, str) else given
    if not isinstance(parts, Mapping):
        raise SettingError(
            f"Got {given!r} for column {name!r}. Expected a kind, one of {KINDS}, or a mapping "
            f"with the keys {_KEYS}."
        )
    unknown = [key for key in parts if key not in _KEYS]
    if unknown:
        raise SettingError(
            f"Got the key {unknown[0]!r} for column {name!r}. Expected some of {_KEYS}."
            f"{_hint(str(unknown[0]), _KEYS)}"
        )
    kind = parts.get("kind", "")
    if kind not in KINDS:
        raise SettingError(
            f"Got kind={kind!r} for column {name!r}. Expected one of {KINDS}."
            f"{_hint(str(kind), KINDS)}"
        )
    bounds = _check_bounds(name, kind, parts)
    return Setting(kind, _check_levels(name, kind, parts.get("levels")), *bounds)


def _check_levels(name: str, kind: str, levels: Any) -> tuple[Level, ...] | None:
    if levels is None:
        return None
    if kind not in CATEGORICAL:
        raise SettingError(
            f"Got levels for column {name!r} of kind {kind!r}. Expected them only for "
            f"{CATEGORICAL}: drop them or change the kind."
        )
    fits = isinstance(levels, (list, tuple)) and all(
        isinstance(level, (str, bool, int, float)) for level in levels
    )
    if not fits or not levels or len(set(levels)) < len(levels):
        raise SettingError(
            f"Got levels={levels!r} for column {name!r}. Expected a list of distinct texts or "
            "numbers."
        )
    if kind == "binary" and len(levels) != 2:
        raise SettingError(
            f"Got {len(levels)} levels for the binary column {name!r}. Expected 2: list two, "
            "or declare it nominal."
        )
    return tuple(levels)


def _check_bounds(name: str, kind: str, parts: Mapping[str, Any]) -> tuple[Any, Any]:
    lower, upper = parts.get("lower"), parts.get("upper")
    if kind != "bounded":
        if lower is not None or upper is not None:
            raise SettingError(
                f"Got bounds for column {name!r} of kind {kind!r}. Expected them only for "
                "'bounded': drop them or change the kind."
            )
        return None, None
    numeric = all(isinstance(b, (int, float)) and abs(b) < float("inf") for b in (lower, upper))
    if not numeric or not lower < upper:  # type: ignore[operator]
        raise SettingError(
            f"Got lower={lower!r} and upper={upper!r} for the bounded column {name!r}. Expected "
            "two numbers with lower < upper."
        )
    return float(lower), float(upper)  # type: ignore[arg-type]


def _hint(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def _short(names: list[str], most: int = 10) -> str:
    shown = ", ".join(map(repr, names[:most]))
    return f"{shown}, ... ({len(names)} columns)" if len(names) > most else shown
