"""Values that come from a file of a model: each is what it should be, or an error says which.

Files come from strangers. What reads one asks here for numbers of a given shape instead of
trusting that they are there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from halfseen.errors import FileFormatError

__all__ = ["entries", "flags", "member", "number", "numbers", "pair", "strings", "whole"]

#: More columns, members or categories than this are no model that fits into a file.
MOST = 2**20


def _refuse(name: str, value: Any, expected: str) -> FileFormatError:
    said = repr(value)
    said = said if len(said) <= 60 else f"{said[:57]}..."
    return FileFormatError(
        f"The file's {name!r} is {said}. Expected {expected}: the file is damaged, or was not "
        "written by save()."
    )


def member(state: Any, name: str) -> Any:
    """An entry of a mapping.

    Parameters
    ----------
    state : mapping
        What the file holds.
    name : str
        The key.

    Raises
    ------
    FileFormatError
        When there is no such entry.
    """
    if not isinstance(state, Mapping):
        raise _refuse(name, state, "a mapping that holds it")
    if name not in state:
        raise FileFormatError(
            f"The file has no {name!r}, only {sorted(map(str, state))[:20]}. Expected a file "
            "written by save()."
        )
    return state[name]


def whole(state: Any, name: str, least: int = 0, most: int = MOST) -> int:
    """A whole number between bounds.

    Examples
    --------
    >>> whole({"n_members": 3}, "n_members", 1)
    3
    """
    value = member(state, name)
    if type(value) is not int or not least <= value <= most:
        raise _refuse(name, value, f"a whole number from {least} to {most}")
    return value


def number(state: Any, name: str, *, positive: bool = False) -> float:
    """A finite number."""
    value = member(state, name)
    good = type(value) in (int, float) and abs(value) <= np.finfo(float).max
    if not good or (positive and value <= 0):
        raise _refuse(name, value, "a finite number" + (" above 0" if positive else ""))
    return float(value)


def numbers(state: Any, name: str, *shape: int | None, positive: bool = False) -> np.ndarray:
    """Finite numbers in nested lists.

    Parameters
    ----------
    state : mapping
        What the file holds.
    name : str
        The key.
    *shape : int or None
        Length of each axis; None is any.
    positive : bool, default=False
        Whether all are above 0.

    Returns
    -------
    array of float64

    Examples
    --------
    >>> numbers({"floor": [0.1, 0.2]}, "floor", 2)
    array([0.1, 0.2])
    """
    value = member(state, name)
    array = _array(value)
    sizes = " x ".join("any" if size is None else str(size) for size in shape) or "one"
    fits = array is not None and _fits(array, shape)
    if array is None or not fits or array.dtype.kind not in "iuf":
        raise _refuse(name, value, f"{sizes} numbers")
    out = array.astype(np.float64)
    if not out.size:
        return out.reshape([0 if size is None else size for size in shape])
    if not np.isfinite(out).all() or (positive and not (out > 0).all()):
        raise _refuse(name, value, "finite numbers" + (" above 0" if positive else ""))
    return out


def flags(state: Any, name: str, n: int) -> np.ndarray:
    """``n`` truth values."""
    value = member(state, name)
    array = _array(value)
    # An empty list has no type of its own.
    if array is None or array.shape != (n,) or (n and array.dtype.kind != "b"):
        raise _refuse(name, value, f"{n} truth values")
    return array.astype(bool)


def strings(state: Any, name: str, n: int | None = None) -> list[str]:
    """A list of text."""
    value = entries(state, name, n)
    if not all(isinstance(item, str) for item in value):
        raise _refuse(name, value, "a list of text")
    return value


def entries(state: Any, name: str, n: int | None = None) -> list[Any]:
    """A list, of ``n`` items if that is said."""
    value = member(state, name)
    if not isinstance(value, list) or (n is not None and len(value) != n):
        raise _refuse(name, value, "a list" if n is None else f"a list of {n}")
    return list(value)


def pair(state: Any, name: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends of ``n`` ranges."""
    low, high = numbers(state, name, 2, n)
    if (low > high).any():
        raise _refuse(name, member(state, name), "lower ends below upper ones")
    return low, high


def _array(value: Any) -> np.ndarray | None:
    """Nested lists as an array, or None where they are ragged or hold something else."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return None
    try:
        return np.asarray(value)
    except (ValueError, OverflowError):
        return None


def _fits(array: np.ndarray, shape: Sequence[int | None]) -> bool:
    # Without any row, lists do not say how long a row would be.
    if array.size == 0:
        return math.prod(size for size in shape if size is not None) == 0 or None in shape
    sizes = zip(array.shape, shape, strict=False)
    return array.ndim == len(shape) and all(want in (None, size) for size, want in sizes)
