"""Fits that keep a checkpoint: which fit it belongs to, and where it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
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

__all__ = ["EVERY", "fingerprint", "resuming"]

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
        The folder; None keeps nothing here, whatever the fit around this one does.
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
    with keeping(Checkpoint(Path(checkpoint), fingerprint(estimator, X, y), every)):
        yield


def _check_seed(estimator: Any) -> None:
    seed = getattr(estimator, "random_state", 0)
    if not isinstance(seed, (int, np.integer)):
        raise SettingError(
            f"Got checkpoint=... and random_state={seed!r}. Expected a whole number as "
            "random_state: a fit that goes on must draw the same numbers as the one before."
        )


def fingerprint(estimator: Any, X: Any, y: np.ndarray | None) -> str:
    """What tells a fit from others: version, method, settings, columns, cells and labels."""
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
    """A setting in words that are the same in another process."""
    if isinstance(value, nn.Module):
        tensors = {name: _said(tensor) for name, tensor in value.state_dict().items()}
        return [type(value).__name__, tensors]
    if isinstance(value, (np.ndarray, Tensor)):
        return hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
    if isinstance(value, BaseEstimator):
        # Its settings are among those of a deep look.
        return type(value).__name__
    text = repr(value)
    return type(value).__name__ if " at 0x" in text else text
