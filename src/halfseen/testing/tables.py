"""Small tables with holes, the same at every call, and ways to compare tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["as_floats", "same_bits", "some_frame", "some_labels", "some_table"]


def some_table(n: int = 40, p: int = 4, seed: int = 0, missing: float = 0.25) -> np.ndarray:
    """Correlated numbers with holes, every row and every column with a seen cell.

    Examples
    --------
    >>> table = some_table()
    >>> table.shape, bool(np.isnan(table).any())
    ((40, 4), True)
    """
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 1))
    table = z * rng.uniform(0.5, 1.5, size=p) + 0.5 * rng.normal(size=(n, p)) + np.arange(p)
    holes = rng.random((n, p)) < missing
    holes[np.arange(n), rng.integers(p, size=n)] = False
    holes[0, :] = np.arange(p) % 2 == 1
    return np.where(holes, np.nan, table)


def some_frame(n: int = 40, seed: int = 0) -> pd.DataFrame:
    """A mixed table: floats of two widths, integers, text, categories, truth values; with holes.

    Examples
    --------
    >>> [str(dtype) for dtype in some_frame().dtypes][:3]
    ['float64', 'float32', 'Int64']
    """
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    size = np.digitize(z, [-0.5, 0.5])
    words = np.array(["small", "medium", "large"])
    frame = pd.DataFrame(
        {
            "height": 170 + 8 * z + rng.normal(size=n),
            "weight": (70 + 9 * z + rng.normal(size=n)).astype(np.float32),
            "code": pd.array(2**60 + np.rint(40 * z).astype(np.int64), dtype="Int64"),
            "city": pd.Series(rng.choice(["Rome", "Oslo", "Bern"], n), dtype=object),
            "size": pd.Categorical(words[size], categories=list(words), ordered=True),
            "group": pd.Categorical(rng.choice(["b", "a"], n)),
            "flag": pd.array(z > 0, dtype="boolean"),
        },
        index=pd.Index(np.arange(n)[::-1] * 3, name="person"),
    )
    for place in range(frame.shape[1]):
        frame.iloc[rng.choice(n, n // 5, replace=False), place] = None
    return frame


def some_labels(X: np.ndarray, classes: bool) -> np.ndarray:
    """Labels of rows (n, p) that follow from what is seen of them: text, or numbers.

    Examples
    --------
    >>> some_labels(np.array([[1.0, np.nan], [-3.0, 1.0]]), classes=True).tolist()
    ['high', 'low']
    """
    center = np.where(np.isnan(X), 0.0, X - np.arange(X.shape[1])).mean(1)
    return np.where(center > 0, "high", "low") if classes else 100.0 + 10.0 * center


def same_bits(one: Any, other: Any) -> bool:
    """Whether two float arrays hold the same bits, signs of zero and NaN included.

    Examples
    --------
    >>> same_bits(np.array([0.0]), np.array([-0.0]))
    False
    """
    one, other = np.ascontiguousarray(one), np.ascontiguousarray(other)
    same_kind = one.dtype == other.dtype and one.shape == other.shape
    return same_kind and one.tobytes() == other.tobytes()


def as_floats(table: Any) -> np.ndarray:
    """Values of a table of numbers as a float64 array."""
    if hasattr(table, "to_pandas"):
        table = table.to_pandas()
    return np.asarray(table, dtype=float)
