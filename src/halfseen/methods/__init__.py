"""Methods, one file each: a new file is found by the package, the checks and the command."""

from __future__ import annotations

import importlib
import pkgutil
from inspect import signature
from pathlib import Path
from typing import Any

from halfseen.estimators.base import TableEstimator
from halfseen.estimators.persistence import read_model

__all__ = ["all_methods", "find_generator", "load", "method_by_name"]


def all_methods(task: str | None = None) -> dict[str, type]:
    """Every estimator of the package by its class name, found by walking this room.

    Parameters
    ----------
    task : {"imputation", "density", "classification", "regression"}, optional
        Only those for this task.
    """
    found: dict[str, type] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for name in getattr(module, "__all__", []):
            item = getattr(module, name)
            if (
                isinstance(item, type)
                and issubclass(item, TableEstimator)
                and "card" in vars(item)
            ):
                found[name] = item
    chosen = {n: m for n, m in found.items() if task in (None, m.card.task)}  # type: ignore[attr-defined]
    return dict(sorted(chosen.items()))


def method_by_name(name: str, task: str = "imputation") -> type:
    """The estimator for a task with a card of this name, such as ``"not-miwae"``."""
    from halfseen.core.words import closest
    from halfseen.errors import SettingError

    cards = {method.card.name: method for method in all_methods(task).values()}  # type: ignore[attr-defined]
    if name not in cards:
        raise SettingError(
            f"Got method {name!r}. Expected one of {sorted(cards)}.{closest(name, cards)}"
        )
    return cards[name]


def load(path: str | Path, **overrides: Any) -> Any:
    """Read a fitted estimator from a file that ``save`` wrote; no code in it is run.

    Parameters
    ----------
    path : str or Path
        The file.
    **overrides
        Constructor arguments that a file cannot hold, such as a mechanism of your own; those of
        an estimator inside as ``generator__mechanism``.

    Returns
    -------
    estimator
        Its answers are bit-equal to those of the estimator that was saved.

    Raises
    ------
    FileFormatError
        When the file is not one of ours.
    """
    return read_model(Path(path), all_methods(), overrides)


def find_generator(name: str, settings: Any) -> Any:
    """What completes rows for a classifier or regressor.

    Parameters
    ----------
    name : str
        Path of a saved imputer, or the name on the card of a method, which is made unfitted.
    settings : estimator
        Whose kinds, device and so on it takes.
    """
    if Path(name).is_file():
        return load(name)
    method = method_by_name(name)
    # Whoever asked refuses a method that it cannot use, which may have other settings.
    takes = signature(method).parameters
    shared = ("kinds", "keep_empty_features", "device", "verbose")
    return method(**{key: getattr(settings, key) for key in shared if key in takes})
