"""How much may be in memory at a time: whoever works in parts asks here how large they may be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Real

from halfseen.errors import SettingError

__all__ = ["floats_at_once", "limit_memory", "pieces_at_once", "reserving", "reserving_table"]

UNITS = {"": 1, "B": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
UNITS |= {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
# Pieces of one size that live at once where a part is worked on, with gradients and without.
COPIES = 40
# Under less than this nothing would ever end.
LEAST = 10**5
# Arrays of the size of the table that a fit makes of it, and the most that one thing may take.
TABLE_COPIES, SHARE = 8, 0.75

_limit: ContextVar[int | None] = ContextVar("max_memory", default=None)


@contextmanager
def limit_memory(max_memory: float | str | None) -> Iterator[None]:
    """Let what is fitted and answered inside take no more memory than this.

    Rows and importance samples are then worked on in smaller parts, batches of training too;
    answers are the same but for rounding, unless the limit is so low that a hundred importance
    samples of one row do not fit; then, and in training, other noise is drawn.
    It holds for the processor's memory and for that of a device, in the thread that says it and
    in the workers that it uses.

    Parameters
    ----------
    max_memory : float, str or None
        Bytes, or a text such as ``"500 MB"`` or ``"2GiB"``; None is no limit. It counts what is
        taken on top of what the process has: the table, the model in training, parts of the
        work, and the law that ``conditional`` gives; not other answers.

    Raises
    ------
    SettingError
        When it is no amount of memory, and inside when a table or a model takes most of it alone.

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen import MeanImputer
    >>> with limit_memory("100 MB"):
    ...     MeanImputer().fit_transform(np.array([[1.0], [np.nan], [3.0]])).tolist()
    [[1.0], [2.0], [3.0]]
    """
    token = _limit.set(None if max_memory is None else _bytes(max_memory))
    try:
        yield
    finally:
        _limit.reset(token)


def floats_at_once(most: int = 2**62) -> int:
    """How many floats one activation may have: ``most``, or less under a limit.

    Parameters
    ----------
    most : int
        What is fastest; by default whatever there is is one piece.

    Examples
    --------
    >>> with limit_memory("16 MB"):
    ...     floats_at_once(2**20)
    100000
    """
    limit = _limit.get()
    return most if limit is None else max(1, min(most, limit // (4 * COPIES)))


def pieces_at_once(n_bytes: int) -> int:
    """How many things of a size may be kept while others are worked on: all without a limit.

    Parameters
    ----------
    n_bytes : int
        What each takes.

    Examples
    --------
    >>> with limit_memory("16 MB"):
    ...     pieces_at_once(10**6)
    12
    """
    limit = _limit.get()
    return 2**62 if limit is None else int(SHARE * limit // max(1, n_bytes))


@contextmanager
def reserving(n_bytes: int, what: str) -> Iterator[None]:
    """Leave room for something that is there while the rest is worked on in parts.

    Parameters
    ----------
    n_bytes : int
        What it takes.
    what : str
        What it is, for messages.

    Raises
    ------
    SettingError
        When it takes more than three quarters of the limit.
    """
    limit = _limit.get()
    if limit is None:
        yield
        return
    if n_bytes > SHARE * limit:
        raise SettingError(
            f"Got {what}, which takes about {n_bytes / 1e6:.3g} MB while it is worked on, where "
            f"max_memory leaves {limit / 1e6:.3g} MB for it. Expected at least "
            f"{n_bytes / SHARE / 1e6:.3g} MB; raise max_memory, or work on less at a time."
        )
    token = _limit.set(limit - n_bytes)
    try:
        yield
    finally:
        _limit.reset(token)


@contextmanager
def reserving_table(n_rows: int, n_columns: int) -> Iterator[None]:
    """Leave room for a table, and for all that is made of it while a model is fitted."""
    size = 8 * n_rows * n_columns * TABLE_COPIES
    with reserving(size, f"a table of {n_rows} rows and {n_columns} columns"):
        yield


def _bytes(max_memory: float | str) -> int:
    size = -1.0
    if isinstance(max_memory, str):
        found = re.fullmatch(r"\s*([0-9.]+(?:[eE][0-9]+)?)\s*([A-Za-z]*)\s*", max_memory)
        unit = UNITS.get(found[2].upper()) if found else None
        try:
            size = float(found[1]) * unit if found and unit else -1.0
        except ValueError:
            size = -1.0
    elif isinstance(max_memory, Real) and not isinstance(max_memory, bool):
        size = float(max_memory)
    if not LEAST <= size < float("inf"):
        raise SettingError(
            f"Got max_memory={max_memory!r}. Expected {LEAST} bytes or more, or a text such as "
            "'500 MB' or '2GiB'."
        )
    return int(size)
