"""What an awkward input is, and what is expected of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

N_ROWS = 12


@dataclass(frozen=True)
class Case:
    """One awkward input and what must become of it.

    Parameters
    ----------
    kind, name : str
        The library or format, and what is awkward.
    make : callable
        Makes the input; two calls give equal ones that share nothing.
    refused : tuple of str
        Words that the error must hold: the column or file, and the remedy. Empty where the
        input works.
    described : bool
        Whether ``describe`` shows a table that models refuse, with the same words as remedy.
    kept : bool
        Whether the input works once columns without a seen cell are kept.
    settings : mapping
        Settings of the estimators.
    but : mapping of str to tuple of str
        Words for entries ("mean.transform", or "mean" for all of the mean's) whose outcome is
        not that of the others; empty where it works there.
    huge : bool
        Whether it is too large for networks in the short form.
    """

    kind: str
    name: str
    make: Callable[[], Any]
    refused: tuple[str, ...] = ()
    described: bool = True
    kept: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    but: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    huge: bool = False

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"

    def words(self, entry: str) -> tuple[str, ...]:
        """What an error of an entry must hold; empty where the entry must work."""
        group = entry.partition(".")[0]
        for name in (entry, group):
            if name in self.but:
                return self.but[name]
        if entry == "describe" and self.described:
            return ()
        if entry == "ampute" and self.kept:
            return ()
        return self.refused


#: What is special of tables without rows: there is nothing wrong to describe, no label to learn.
EMPTY: dict[str, tuple[str, ...]] = {
    "describe": (),
    "classifier": ("without any label", "Expected one"),
    "regressor": ("without any number", "Expected one"),
}
#: A single row, or columns of one value: no cell can be hidden and be learned from.
TOO_FEW: Mapping[str, tuple[str, ...]] = {"evaluate": ("share", "larger table")}


def numbers(n: int = N_ROWS, p: int = 3) -> np.ndarray:
    """Correlated numbers with a hole in every column."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(n, 1)) + 0.5 * rng.normal(size=(n, p)) + np.arange(p)
    table[np.arange(p) % n, np.arange(p)] = np.nan
    return table


def spread(cells: list[Any], n: int = N_ROWS) -> list[Any]:
    """The cells, again and again, to ``n`` rows."""
    return [cells[i % len(cells)] for i in range(n)]
