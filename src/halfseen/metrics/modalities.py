"""Errors over whole modalities that were absent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from halfseen.errors import SettingError

__all__ = ["mse_by_modality", "rows_by_company"]


def mse_by_modality(
    x_true: Mapping[str, Any], x_hat: Mapping[str, Any], s: Mapping[str, Any]
) -> dict[str, dict[str, float]]:
    """Mean squared error of each modality over the rows in which it was absent.

    Parameters
    ----------
    x_true, x_hat : mapping of str to array-like of shape (n, ...)
        The truth, and the completed rows, of the modalities that are scored.
    s : mapping of str to array-like of shape (n,)
        1 where a modality was seen, 0 where it was absent. Modalities that are not scored, such
        as texts, belong here too: they are company.

    Returns
    -------
    dict of str to dict of str to float
        For "all" absent ones, and for those in rows where another modality was seen
        ("other_seen") or none was ("none_seen"): the error by modality, a mean over its numbers
        and those rows, and their sum as "combined". NaN where there are no such rows.

    Raises
    ------
    SettingError
        When names, shapes or masks do not fit together, or an absent number is not finite.

    Notes
    -----
    A row without any seen modality has nothing to be completed from: its best answer is the
    mean. With two modalities and half of them missing these are half of the absent ones.

    Examples
    --------
    >>> truth = {"a": [[1.0], [2.0]], "b": [[0.0], [4.0]]}
    >>> zeros = {"a": [[0.0], [0.0]], "b": [[0.0], [0.0]]}
    >>> found = mse_by_modality(truth, zeros, {"a": [1, 0], "b": [0, 0]})
    >>> found["all"]
    {'a': 4.0, 'b': 8.0, 'combined': 12.0}
    >>> found["other_seen"]["b"]
    0.0
    """
    masks = {name: np.asarray(seen) != 0 for name, seen in s.items()}
    _check_names(x_true, x_hat, masks)
    found: dict[str, dict[str, float]] = {"all": {}, "other_seen": {}, "none_seen": {}}
    for name in x_true:
        square = _square(name, x_true[name], x_hat[name], masks[name])
        for part, rows in rows_by_company(name, masks).items():
            found[part][name] = float(square[rows].mean()) if rows.any() else float("nan")
    return {part: values | {"combined": sum(values.values())} for part, values in found.items()}


def rows_by_company(name: str, s: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Rows in which a modality was absent: all of them, and by whether another one was seen.

    Parameters
    ----------
    name : str
        The modality.
    s : mapping of str to array-like of shape (n,)
        1 where a modality was seen, 0 where it was absent.

    Returns
    -------
    dict of str to ndarray of bool of shape (n,)
        "all", "other_seen" and "none_seen".

    Examples
    --------
    >>> rows_by_company("a", {"a": [0, 0, 1], "b": [1, 0, 1]})["other_seen"]
    array([ True, False, False])
    """
    absent = np.asarray(s[name]) == 0
    company = np.any([np.asarray(seen) != 0 for other, seen in s.items() if other != name], axis=0)
    return {"all": absent, "other_seen": absent & company, "none_seen": absent & ~company}


def _check_names(
    x_true: Mapping[str, Any], x_hat: Mapping[str, Any], masks: Mapping[str, np.ndarray]
) -> None:
    absent = [name for name in x_true if name not in x_hat or name not in masks]
    if absent or not x_true:
        raise SettingError(
            f"Got modalities {list(x_true)} in x_true, {list(x_hat)} in x_hat and {list(masks)} "
            "in s. Expected one modality at least, and all of x_true in the others."
        )
    shapes = {name: seen.shape for name, seen in masks.items()}
    if len(set(shapes.values())) != 1 or any(len(shape) != 1 for shape in shapes.values()):
        raise SettingError(f"Got masks of shapes {shapes}. Expected one shape (n,) for all.")


def _square(name: str, x_true: Any, x_hat: Any, seen: np.ndarray) -> np.ndarray:
    """Mean squared error of each row, 0 where the modality was seen."""
    truth, answer = np.asarray(x_true), np.asarray(x_hat)
    if truth.shape != answer.shape or truth.shape[:1] != seen.shape or truth.ndim < 2:
        raise SettingError(
            f"Got {name!r} of shape {truth.shape} in x_true and {answer.shape} in x_hat, and a "
            f"mask of shape {seen.shape}. Expected one shape (n, ...) and n rows."
        )
    square = np.zeros(len(seen))
    for i in np.flatnonzero(~seen):
        square[i] = np.mean((truth[i].astype(float) - answer[i].astype(float)) ** 2)
    if not np.isfinite(square).all():
        raise SettingError(
            f"Got absent numbers of {name!r} that are not finite. Expected numbers: mark rows of "
            "unknown truth as seen (s = 1) to leave them out."
        )
    return square
