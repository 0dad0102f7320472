"""One fitted estimator in many threads: the answers of one, and nothing in it changed."""

from __future__ import annotations

import hashlib
import pickle
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import torch

__all__ = ["answers_of", "answers_of_threads", "fingerprint"]

VERBS = (
    "transform",
    "sample",
    "quantile",
    "score_samples",
    "diagnostics",
    "generate",
    "predict_proba",
    "predict",
    "predict_interval",
)
SETTINGS: dict[str, dict[str, Any]] = {"sample": {"n_draws": 2}, "quantile": {"q": 0.8}}


def answers_of(fitted: Any, table: Any) -> dict[str, bytes]:
    """Every answer of a fitted estimator for a table, as bytes.

    Parameters
    ----------
    fitted : estimator
        Fitted.
    table : DataFrame or array of shape (n, p)
        Of the columns of fit.

    Returns
    -------
    dict of str to bytes
        By verb; equal where answers are equal to the bit.

    Examples
    --------
    >>> from halfseen import MeanImputer
    >>> table = np.array([[1.0, 2.0], [np.nan, 3.0]])
    >>> sorted(answers_of(MeanImputer().fit(table), table))
    ['sample', 'transform']
    """
    out = {}
    for verb in VERBS:
        method = getattr(fitted, verb, None)
        if method is None or (verb == "generate" and not _generates(fitted)):
            continue
        given = method(3) if verb == "generate" else method(table, **SETTINGS.get(verb, {}))
        out[verb] = _bytes(given)
    return out


def answers_of_threads(fitted: Any, table: Any, n_threads: int) -> list[dict[str, bytes]]:
    """What every one of some threads is answered that ask one estimator at once.

    Parameters
    ----------
    fitted : estimator
        Fitted.
    table : DataFrame or array of shape (n, p)
        Of the columns of fit.
    n_threads : int
        They begin together.

    Returns
    -------
    list of dict of str to bytes
        As :func:`answers_of` says it, one a thread.
    """
    together = threading.Barrier(n_threads)

    def ask(_: int) -> dict[str, bytes]:
        together.wait(60)
        return answers_of(fitted, table)

    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(ask, range(n_threads)))


def fingerprint(thing: Any) -> str:
    """A hash of all that an estimator holds: attributes, arrays, tensors, modes of modules.

    Parameters
    ----------
    thing : object
        Objects are read through their ``__dict__``.

    Returns
    -------
    str
        Equal before and after if nothing has changed.

    Examples
    --------
    >>> from halfseen import MeanImputer
    >>> model = MeanImputer().fit([[1.0], [2.0]])
    >>> before = fingerprint(model)
    >>> model.statistics_[...] = 7.0
    >>> fingerprint(model) == before
    False
    """
    digest = hashlib.sha256()
    _feed(digest.update, thing, set())
    return digest.hexdigest()


def _feed(update: Any, thing: Any, known: set[int]) -> None:
    """Add a thing and what it holds, each object once."""
    update(type(thing).__qualname__.encode())
    plain = _plain(thing)
    if plain is not None:
        update(plain)
    elif id(thing) not in known:
        known.add(id(thing))
        for part in _parts_of(thing):
            _feed(update, part, known)


def _plain(thing: Any) -> bytes | None:
    """The bytes of a thing that holds no others."""
    if isinstance(thing, torch.Tensor):
        facts = f"{thing.requires_grad} {tuple(thing.shape)}".encode()
        return facts + thing.detach().cpu().contiguous().numpy().tobytes()
    if isinstance(thing, np.ndarray) and thing.dtype != object:
        return thing.tobytes()
    if isinstance(thing, torch.Generator):
        return thing.get_state().numpy().tobytes()
    if callable(thing) and not isinstance(thing, torch.nn.Module):
        return getattr(thing, "__qualname__", "").encode()
    holds = isinstance(thing, (Mapping, list, tuple, set, np.ndarray)) or hasattr(
        thing, "__dict__"
    )
    return None if holds else repr(thing).encode()


def _parts_of(thing: Any) -> Iterable[Any]:
    """What a thing holds, in an order that is the same at every call."""
    if isinstance(thing, Mapping):
        return chain.from_iterable(thing.items())
    if isinstance(thing, np.ndarray):
        return thing.ravel().tolist()
    if isinstance(thing, (list, tuple)):
        return thing
    if isinstance(thing, set):
        return sorted(thing, key=repr)
    return chain.from_iterable(vars(thing).items())


def _generates(fitted: Any) -> bool:
    """Whether new rows can be asked for: an autoencoder without a prior has none."""
    return fitted.card.name != "ae"


def _bytes(answer: Any) -> bytes:
    if isinstance(answer, list):
        return b"".join(_bytes(part) for part in answer)
    if isinstance(answer, pd.DataFrame):
        return pickle.dumps([answer[name].tolist() for name in answer])
    if isinstance(answer, np.ndarray) and answer.dtype != object:
        return answer.tobytes()
    return pickle.dumps(answer)
