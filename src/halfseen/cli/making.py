"""From options to an estimator."""

from __future__ import annotations

import inspect
import json
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from halfseen.errors import SettingError

__all__ = ["make_estimator", "parse_direction", "parse_settings"]


def make_estimator(
    method: str,
    *,
    seed: int,
    columns: Path | Mapping[str, Any] | None = None,
    keep_empty: bool = False,
    settings: Mapping[str, Any],
    more: Sequence[str] | None = None,
    task: str = "imputation",
) -> Any:
    """Make the estimator that a command asks for.

    Parameters
    ----------
    method : str
        Name on its card.
    seed : int
        For methods that have one.
    columns : Path or mapping, optional
        Kinds of columns, or the file that holds them.
    keep_empty : bool
        Whether columns without values are kept.
    settings : mapping
        Settings by name; those that are None were not given.
    more : sequence of str, optional
        Settings as ``name=value``.
    task : {"imputation", "classification", "regression"}
        What it is for.
    """
    from halfseen.methods import method_by_name
    from halfseen.tables import read_kinds

    cls = method_by_name(method, task)
    known = set(inspect.signature(cls).parameters)
    given = {name: value for name, value in settings.items() if value is not None}
    given |= parse_settings(more or ())
    for name in given:
        _check_known(method, name, known)
    always = {
        "random_state": seed,
        "verbose": True,
        "kinds": read_kinds(columns) if isinstance(columns, Path) else columns,
        "keep_empty_features": keep_empty,
    }
    return cls(**{name: value for name, value in always.items() if name in known} | given)


def _check_known(method: str, name: str, known: set[str]) -> None:
    if name in known:
        return
    from halfseen.core.words import closest

    hint = closest(name, known)
    if name in ("mechanism", "direction"):
        hint = " Add --method not-miwae."
    raise SettingError(f"Method {method!r} has no setting {name!r}.{hint}")


def parse_direction(given: Sequence[str] | None) -> str | dict[str, str] | None:
    """One direction for all columns, or one for each that is named.

    Examples
    --------
    >>> parse_direction(["high"])
    'high'
    >>> parse_direction(["income=high", "age=low"])
    {'income': 'high', 'age': 'low'}
    """
    if not given:
        return None
    named = [item.rpartition("=") for item in given]
    if len(given) == 1 and not named[0][1]:
        return given[0]
    if any(not mark for _, mark, _ in named):
        raise SettingError(
            f"Got --direction {' and '.join(given)}. Expected one for all columns, or "
            "COLUMN=high for each."
        )
    return {name: direction for name, _, direction in named}


def parse_settings(given: Sequence[str]) -> dict[str, Any]:
    """Settings from ``name=value``: numbers, true, false, none, [lists], {objects} or text.

    Lists and objects are those of JSON, or of TOML.

    Examples
    --------
    >>> parse_settings(["hidden=[64, 64]", "lr=0.01", "decision=median", "patience=none"])
    {'hidden': [64, 64], 'lr': 0.01, 'decision': 'median', 'patience': None}
    >>> parse_settings(['blocks={"lab": ["iron", "salt"]}'])
    {'blocks': {'lab': ['iron', 'salt']}}
    """
    settings = {}
    for item in given:
        name, mark, value = item.partition("=")
        if not mark or not name:
            raise SettingError(f"Got --set {item}. Expected NAME=VALUE.")
        settings[name.strip()] = _value(item, value.strip())
    return settings


def _value(item: str, text: str) -> Any:
    if text.lower() == "none":
        return None
    nested = text[:1] in ("{", "[")
    for read in (json.loads, _toml) if nested else (_toml,):
        with suppress(ValueError, RecursionError):
            return read(text)
    if nested:
        raise SettingError(
            f"Got --set {item[:80]}, which is no list or object. Expected JSON, as in "
            """--set 'blocks={"lab": ["iron", "salt"]}'."""
        )
    return text


def _toml(text: str) -> Any:
    return tomllib.loads(f"value = {text}")["value"]
