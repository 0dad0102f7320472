"""Checks of settings that adversarial models alone have: words, sizes, weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

from halfseen.errors import SettingError
from halfseen.training.settings import is_count

__all__ = [
    "check_numbers",
    "check_sizes",
    "check_width_words",
    "check_words",
    "rounds_of_fit",
]

# No fit had more rounds, whatever a file says: they would take weeks.
MOST_ROUNDS = 10**9

#: Ranges of numbers by what messages call them.
RANGES = {
    "a positive number": lambda value: 0 < value < math.inf,
    "a number of 0 or more": lambda value: 0 <= value < math.inf,
    "a number from 0 to 1": lambda value: 0 <= value <= 1,
    "a finite number": math.isfinite,
}


def check_words(settings: Any, allowed: Mapping[str, Sequence[str]]) -> None:
    """Settings that are one of some words.

    Parameters
    ----------
    settings : estimator
        Whose attributes are looked at.
    allowed : mapping of str to sequence of str
        The words of each setting.

    Raises
    ------
    SettingError
        When one is something else; so do all functions here.
    """
    for name, words in allowed.items():
        value = getattr(settings, name)
        if not isinstance(value, str) or value not in words:
            raise SettingError(f"Got {name}={value!r}. Expected one of {tuple(words)}.")


def check_sizes(settings: Any, names: Iterable[str], *, optional: Iterable[str] = ()) -> None:
    """Settings that are positive whole numbers; those of ``optional`` may be None."""
    for name in (*names, *optional):
        value = getattr(settings, name)
        if value is None and name in optional:
            continue
        if not is_count(value):
            raise SettingError(f"Got {name}={value!r}. Expected a positive whole number.")


def check_numbers(settings: Any, ranges: Mapping[str, Sequence[str]]) -> None:
    """Settings that are numbers, by one of ``RANGES``."""
    for expected, names in ranges.items():
        for name in names:
            value = getattr(settings, name)
            number = isinstance(value, Real) and not isinstance(value, bool)
            if not number or not RANGES[expected](float(value)):
                raise SettingError(f"Got {name}={value!r}. Expected {expected}.")


def check_width_words(settings: Any, names: Iterable[str], word: str | None) -> None:
    """Hidden widths that are left open, which ``word`` alone may say."""
    for name in names:
        value = getattr(settings, name)
        if (value is None or isinstance(value, str)) and value != word:
            raise SettingError(
                f"Got {name}={value!r}. Expected widths of layers such as (128, 128), or {word!r}."
            )


def rounds_of_fit(n_iter: int) -> int:
    """The rounds that a fit had, if that is a number to go by where none is said."""
    if not 1 <= n_iter <= MOST_ROUNDS:
        raise SettingError(
            f"Got max_steps=None after a fit of {n_iter} rounds. Expected 1 to {MOST_ROUNDS}: "
            "say how many, as in adapt(masks, max_steps=1000)."
        )
    return n_iter
