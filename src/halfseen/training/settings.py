"""What the shared settings of training may be: every method that has one refuses the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from numbers import Integral, Real
from typing import Any

import numpy as np

from halfseen.errors import SettingError

__all__ = ["SCHEDULES", "check_training", "is_count"]

SCHEDULES = ("one-cycle", "cosine", "constant")

Check = Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def is_count(value: Any) -> bool:
    """Whether this is a positive whole number."""
    return _is_whole(value) and int(value) >= 1


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_truth(value: Any) -> bool:
    return isinstance(value, (bool, np.bool_))


def _is_share(value: Any) -> bool:
    """A number from 0 to below 1."""
    return _is_number(value) and 0 <= value < 1


def _is_above_zero(value: Any) -> bool:
    return _is_number(value) and value > 0


def _are_widths(value: Any) -> bool:
    # As wide as a row: a word of the methods whose networks may be so.
    if value is None or (isinstance(value, str) and value == "row"):
        return True
    return isinstance(value, (Sequence, np.ndarray)) and all(map(is_count, value))


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _truth_or(word: str) -> tuple[Check, str]:
    def check(value: Any) -> bool:
        return _is_truth(value) or (isinstance(value, str) and value == word)

    return check, f"{TRUTH}, or {word!r}"


COUNT, SHARE = "a positive whole number", "a number from 0 to below 1"
RATE, WIDTHS = "a number above 0, such as 1e-3", "a sequence of positive whole numbers, or None"
TRUTH = "True or False"
# Settings that are so, or not. A word would be taken for True, "no" as well.
TRUTHS = (
    *("add_indicator", "binarize", "calibrate", "clip", "collapse", "decode_with_mask"),
    *("encoder_linear", "imputer_sees_mask", "keep_empty_features", "mask_given_data"),
    *("match_rates", "memory", "normalize", "released", "residual", "search", "skewed"),
    *("train_components", "unimodal"),
)

# Each setting by name, with what it may be and how messages say so.
ALLOWED: dict[str, tuple[Check, str]] = {
    "n_members": (_or_none(is_count), f"{COUNT}, or None where the method can choose"),
    "n_bins": (lambda value: _is_whole(value) and value >= 0, "a whole number of at least 0"),
    "max_steps": (_or_none(is_count), f"{COUNT}, or None to choose by the number of rows"),
    "batch_size": (is_count, COUNT),
    "patience": (_or_none(is_count), f"{COUNT}, or None never to stop early"),
    "time_budget": (
        _or_none(lambda value: _is_number(value) and value >= 0),
        "a number of seconds, 0 or more, or None for no limit",
    ),
    "schedule": (lambda value: value in SCHEDULES, f"one of {SCHEDULES}"),
    "lr": (lambda value: _is_above_zero(value) and value < inf, RATE),
    "imputer_lr": (lambda value: _is_above_zero(value) and value < inf, RATE),
    "clip_norm": (_or_none(_is_above_zero), "a number above 0, or None to clip no gradient"),
    "weight_decay": (lambda value: _is_number(value) and 0 <= value < inf, "0 or a number above"),
    "beta2": (_is_share, SHARE),
    "betas": (lambda value: len(value) == 2 and all(map(_is_share, value)), f"two: each {SHARE}"),
    "average": (_is_share, f"{SHARE}, 0 for no average"),
    "dropout": (_is_share, SHARE),
    "validation_fraction": (_is_share, f"{SHARE}: a share of the rows"),
    **dict.fromkeys(
        ("hidden", "decoder_hidden", "critic_hidden", "imputer_hidden", "mask_hidden"),
        (_are_widths, WIDTHS),
    ),
    **dict.fromkeys(TRUTHS, (_is_truth, TRUTH)),
    **dict.fromkeys(
        ("importance_weights", "one_sided"), (_or_none(_is_truth), f"{TRUTH}, or None to choose")
    ),
    "standardize": _truth_or("selection"),
    "tied": _truth_or("auto"),
}


def check_training(settings: Mapping[str, Any]) -> None:
    """Refuse settings of training that no optimiser, or no network, can use.

    Parameters
    ----------
    settings : mapping of str to object
        Of an estimator, by name; those that are none of training are not looked at.

    Raises
    ------
    SettingError
        Of the first one that cannot be.

    Examples
    --------
    >>> check_training({"lr": 1e-3, "clip_norm": None, "kinds": None})
    >>> check_training({"lr": -1})
    Traceback (most recent call last):
        ...
    halfseen.errors.SettingError: Got lr=-1. Expected a number above 0, such as 1e-3.
    """
    for name, value in settings.items():
        if name not in ALLOWED:
            continue
        check, expected = ALLOWED[name]
        if not _holds(check, value):
            raise SettingError(f"Got {name}={value!r}. Expected {expected}.")


def _holds(check: Check, value: Any) -> bool:
    try:
        return bool(check(value))
    except (TypeError, ValueError):
        # A word where a number belongs, or an array where one value does.
        return False
