"""Fits that keep a checkpoint: which fit it belongs to, and where it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from halfseen.core.version import VERSION
from halfseen.errors import SettingError
from halfseen.tables.choice import codec_for
from halfseen.training.checkpoint import Checkpoint, keeping

__all__ = ["EVERY", "check_ended", "fingerprint", "resuming"]

# Seconds of work that may be lost.
EVERY = 60.0


@contextmanager
def resuming(
    estimator: Any, X: Any, y: np.ndarray | None, checkpoint: str | Path | None, every: float
) -> Iterator[None]:
    """Let what is fitted inside keep its state in a folder, and go on from what is there.

    Parameters
    ----------
    estimator : estimator
        That is fitted.
    X : table of shape (n, p)
        Its data.
    y : array of shape (n,) or None
        Labels.
    checkpoint : str, Path or None
        The folder; None begins no checkpoint: a fit around this one keeps its stages.
    every : float
        Seconds of work that may be lost.

    Raises
    ------
    SettingError
        When the seed is not a number, or the folder holds another fit.
    """
    if checkpoint is None:
        yield
        return
    _check_seed(estimator)
    if not isinstance(checkpoint, (str, Path)) or not str(checkpoint):
        raise SettingError(f"Got checkpoint={checkpoint!r}. Expected the name of a folder.")
    with keeping(Checkpoint(Path(checkpoint), fingerprint(estimator, X, y), every)):
        yield


def check_ended(estimator: Any, what: str) -> None:
    """End the whole fit if a part of it, without which there is no model, was interrupted.

    Parameters
    ----------
    estimator : estimator
        Of the part.
    what : str
        What the part was for.

    Raises
    ------
    KeyboardInterrupt
        If it was.
    """
    if getattr(estimator, "stopped_", "") == "interrupted":
        raise KeyboardInterrupt(f"Training of {what} was interrupted: there is no model yet.")


def _check_seed(estimator: Any) -> None:
    seed = getattr(estimator, "random_state", 0)
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool):
        raise SettingError(
            f"Got checkpoint=... and random_state={seed!r}. Expected a whole number as "
            "random_state: a fit that goes on must draw the same numbers as the one before."
        )


def fingerprint(estimator: Any, X: Any, y: np.ndarray | None) -> str:
    """What tells a fit from others: version, method, settings, columns, cells and labels.

    Of a module that the user wrote it knows what torch prints of it and its parameters, and not
    other attributes.
    """
    codec = codec_for(X).fit(X, estimator.kinds, estimator.keep_empty_features)
    params = estimator.get_params(deep=True)
    said = {name: _said(value) for name, value in sorted(params.items()) if name != "verbose"}
    facts = [VERSION, type(estimator).__name__, said, codec.to_json()]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=_said).encode())
    digest.update(np.ascontiguousarray(codec.encode(X).values).tobytes())
    if y is not None:
        digest.update(np.ascontiguousarray(y).tobytes())
    return digest.hexdigest()


def _said(value: Any) -> Any:
    """A setting in words that are the same in another process, and tell it from others."""
    if isinstance(value, nn.Module):
        learns = [name for name, parameter in value.named_parameters() if parameter.requires_grad]
        return [repr(value), learns, _said(dict(value.state_dict()))]
    if isinstance(value, (np.ndarray, Tensor)):
        kind = [str(value.dtype), list(value.shape)]
        return [*kind, hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()]
    if isinstance(value, BaseEstimator):
        return _estimator_said(value)
    if isinstance(value, Mapping):
        return [[_said(key), _said(item)] for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [_said(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, value))
    if isinstance(value, (str, Path)) and Path(value).suffix and Path(value).is_file():
        return hashlib.sha256(Path(value).read_bytes()).hexdigest()
    text = repr(value)
    return type(value).__qualname__ if " at 0x" in text else text


def _estimator_said(estimator: BaseEstimator) -> Any:
    """A class, whose settings a deep look lists; and what it has learned, if it is fitted."""
    said: list[Any] = [type(estimator).__name__]
    if hasattr(estimator, "codec_"):
        facts, tensors = estimator._state()
        # How long its steps took is no part of it.
        facts = {name: fact for name, fact in facts.items() if name != "history"}
        parts = {name: _said(part) for name, part in estimator._parts().items()}
        said += [estimator.codec_.to_json(), facts, _said(tensors), parts]
    return said
