"""Words for messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["closest"]


def closest(word: str, known: Iterable[str]) -> str:
    """A hint for a misspelled word, or nothing.

    Examples
    --------
    >>> closest("miwea", ["miwae", "mean"])
    " Did you mean 'miwae'?"
    """
    found = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {found[0]!r}?" if found else ""
