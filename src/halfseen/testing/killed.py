"""Fits that are killed, and go on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from halfseen.training.checkpoint import Checkpoint

__all__ = ["Killed", "fits_after_kills", "killed_after", "same_state"]

#: Places at which a fit is killed, as shares of what it writes.
PLACES = (0.0, 0.45, 0.9)


class Killed(BaseException):
    """The end of a fit that nothing inside it can stop."""


@contextmanager
def killed_after(n_writings: float) -> Iterator[list[int]]:
    """Kill what writes to a checkpoint for the n-th time; a list counts the writings.

    Parameters
    ----------
    n_writings : float
        After how many; infinity counts and kills nothing.
    """
    count, write = [0], Checkpoint.flush

    def flush(self: Checkpoint) -> None:
        write(self)
        count[0] += 1
        if count[0] >= n_writings:
            raise Killed

    with patch.object(Checkpoint, "flush", flush):
        yield count


def fits_after_kills(fit: Callable[[Path], Any]) -> Iterator[tuple[str, Any]]:
    """Fits that were killed in some place and went on, with words that say where.

    Parameters
    ----------
    fit : callable
        From the folder of a checkpoint, which it writes at every step, to what is fitted.
    """
    with tempfile.TemporaryDirectory() as name, killed_after(float("inf")) as count:
        yield "not killed", fit(Path(name) / "whole")
    for place in PLACES:
        with tempfile.TemporaryDirectory() as name:
            folder, n_writings = Path(name) / "killed", 1 + int(place * (count[0] - 1))
            with killed_after(n_writings), suppress(Killed):
                fit(folder)
            yield f"killed at {n_writings} of {count[0]}", fit(folder)


def same_state(first: Any, second: Any) -> bool:
    """Whether two fitted estimators hold the same tensors, to the bit.

    Examples
    --------
    >>> from halfseen import MeanImputer
    >>> from halfseen.testing.tables import some_table
    >>> same_state(MeanImputer().fit(some_table()), MeanImputer().fit(some_table()))
    True
    """
    one, other = _tensors(first), _tensors(second)
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def _tensors(estimator: Any) -> dict[str, torch.Tensor]:
    found = dict(estimator._state()[1])
    for name, part in estimator._parts().items():
        found |= {f"{name}/{key}": tensor for key, tensor in _tensors(part).items()}
    return found
