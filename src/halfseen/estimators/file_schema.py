"""What the header of a model says, checked before anything is made of it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch

from halfseen.core.stored import member
from halfseen.errors import FileFormatError, SettingError
from halfseen.training.settings import check_training

__all__ = ["check_header", "check_params", "check_settings", "count_columns"]

KEYS = {"method": str, "params": dict, "codec": dict, "facts": dict, "parts": dict}
#: What an estimator can hold fitted estimators as: ``name_`` becomes an attribute.
PARTS = ("generator",)
MAX_INSIDE = 3
#: What a stranger's file may ask for behind an answer: more would take hours, or all memory.
MOST = {"n_importance_predict": 10**7, "n_draws_predict": 10**4, "n_passes": 1000}
#: The same of models that learn once more without data, by ``adapt``.
MOST_ADAPTING = {"batch_size": 10**5}


def check_header(header: Mapping[str, Any], inside: int = 0) -> None:
    """The header of an estimator, and of those inside it.

    Parameters
    ----------
    header : mapping
        Parsed JSON.
    inside : int
        In how many estimators this one is.

    Raises
    ------
    FileFormatError
        When a key is missing or unknown, or a value is of another type.
    """
    known = set(KEYS) | ({"format"} if not inside else set())
    if set(header) - known:
        raise FileFormatError(
            f"The file says {sorted(set(header) - known)[:5]} of its estimator. Expected "
            f"{sorted(KEYS)}."
        )
    for name, kind in KEYS.items():
        value = member(header, name)
        if not isinstance(value, kind):
            raise FileFormatError(
                f"The file's {name!r} is of type {type(value).__name__}. Expected "
                f"{kind.__name__}: it was not written by save()."
            )
    for name, part in header["parts"].items():
        if name not in PARTS or inside == MAX_INSIDE or not isinstance(part, dict):
            raise FileFormatError(
                f"The file holds a part {name[:40]!r} in {inside} others. Expected some of "
                f"{PARTS}, in {MAX_INSIDE} others at most."
            )
        check_header(part, inside + 1)


def count_columns(codec: Mapping[str, Any]) -> int:
    """How many columns of tables a codec describes, one by one.

    Parameters
    ----------
    codec : mapping
        As a file has it, not checked.
    """
    blocks = codec.get("blocks")
    listed = blocks if isinstance(blocks, list) else []
    parts = [block.get("codec") for block in listed if isinstance(block, dict)]
    found = [part.get("columns") for part in [codec, *parts] if isinstance(part, dict)]
    return sum(len(columns) for columns in found if isinstance(columns, list))


def check_params(method: type, params: Mapping[str, Any]) -> None:
    """Settings that a method has.

    Parameters
    ----------
    method : class
        Which is to be made.
    params : mapping
        Its settings.

    Raises
    ------
    FileFormatError
        When it has no such setting.
    """
    known = inspect.signature(method).parameters
    unknown = sorted(set(params) - set(known))
    if unknown:
        raise FileFormatError(
            f"The file has settings {unknown[:5]}, which {method.__name__} of this version does "
            "not have. Use the version of halfseen that wrote it, or fit again."
        )


def check_settings(estimator: Any) -> None:
    """Settings that only fit looks at otherwise.

    Parameters
    ----------
    estimator : estimator
        Made from the settings of a file.

    Raises
    ------
    SettingError
        When a setting has a value that cannot be used.
    """
    _check_device(estimator)
    known = inspect.signature(type(estimator)).parameters
    bounds = MOST | (MOST_ADAPTING if hasattr(estimator, "adapt") else {})
    for name in bounds.keys() & known.keys():
        value, most = getattr(estimator, name), bounds[name]
        left_open = value is None and known[name].default is None
        if not left_open and (type(value) is not int or not 1 <= value <= most):
            raise SettingError(
                f"The file asks for {name}={str(value)[:40]}. Expected a whole number from 1 to "
                f"{most}, so that an answer takes no ages: pass it, as in load(path, {name}=10)."
            )
    check_training(estimator.get_params(deep=False))
    for name in ("_check_settings", "_check_training"):
        check = getattr(estimator, name, None)
        if check is not None:
            check()


def _check_device(estimator: Any) -> None:
    """A device that this machine has."""
    said = getattr(estimator, "device", "cpu")
    try:
        kind = torch.device(said).type
        torch.empty(0, device=said)
    except (RuntimeError, AssertionError, TypeError, ValueError, NotImplementedError) as error:
        raise SettingError(
            f"The model was fitted on {str(said)[:40]!r}, which this machine does not have "
            f"({str(error).splitlines()[0][:100]}). Pass another: load(path, device='cpu')."
        ) from error
    if kind == "meta":
        raise SettingError("The file asks for the device 'meta'. Expected one with memory.")
