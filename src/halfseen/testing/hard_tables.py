"""Tables whose numbers are hard to compute with, the same at every call with a seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from halfseen.testing.tables import some_table

__all__ = ["HARD_TABLES", "far_rows", "hard_table"]


def _numbers(seed: int, n: int = 24) -> np.ndarray:
    """Four correlated columns with holes."""
    return some_table(n, seed=seed)


def _frame(values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(values, columns=[f"x{j}" for j in range(values.shape[1])])


def _constant(seed: int) -> pd.DataFrame:
    """Two columns that never vary beside two that do."""
    out = _numbers(seed)
    out[:, 1] = np.where(np.isnan(out[:, 1]), np.nan, 1e-30)
    out[:, 2] = np.where(np.isnan(out[:, 2]), np.nan, -7e30)
    return _frame(out)


def _all_constant(seed: int) -> pd.DataFrame:
    """Nothing varies."""
    return _frame(np.where(np.isnan(_numbers(seed)), np.nan, 3.25))


def _collinear(seed: int) -> pd.DataFrame:
    """Columns that are copies of one, up to location and scale."""
    holes = np.isnan(_numbers(seed))
    z = np.random.default_rng([seed, 1]).normal(size=len(holes))
    out = np.stack([z, 2 * z - 5, -1e3 * z, 0.1 * z + 1e4], 1)
    return _frame(np.where(holes, np.nan, out))


def _heavy(seed: int) -> pd.DataFrame:
    """Cauchy numbers, and one column of their squares."""
    holes = np.isnan(_numbers(seed))
    out = np.random.default_rng([seed, 2]).standard_cauchy(holes.shape)
    out[:, 3] = out[:, 0] ** 2
    return _frame(np.where(holes, np.nan, out))


def _scaled(*scales: float) -> Callable[[int], pd.DataFrame]:
    """A table whose columns have scales."""

    def make(seed: int) -> pd.DataFrame:
        return _frame(_numbers(seed) * np.asarray(scales))

    make.__doc__ = f"Columns of scales {scales}."
    return make


def _limits(seed: int) -> pd.DataFrame:
    """Both ends of the range of floats, and numbers below the smallest normal one."""
    out = np.tanh(_numbers(seed))
    return _frame(out * np.array([1.7e308, 1.0, 1e-310, 5e-324]))


def _outlier(seed: int) -> pd.DataFrame:
    """One cell of 1e12 among numbers around 1."""
    out = _numbers(seed)
    out[5, 0] = 1e12
    return _frame(out)


def _nearly_empty(seed: int) -> pd.DataFrame:
    """99.9 % of the cells are missing; two are seen in each of four columns."""
    rng = np.random.default_rng([seed, 3])
    out = np.full((2000, 4), np.nan)
    for j in range(4):
        out[rng.choice(len(out), 2, replace=False), j] = rng.normal(size=2)
    return _frame(out)


def _two_rows(seed: int) -> pd.DataFrame:
    """Two rows, one hole each."""
    out = np.random.default_rng([seed, 4]).normal(size=(2, 4))
    out[0, 0] = out[1, 2] = np.nan
    return _frame(out)


def _duplicated(seed: int) -> pd.DataFrame:
    """Two rows that come back twelve times, holes included."""
    out = np.random.default_rng([seed, 5]).normal(size=(2, 4))
    out[0, 0] = np.nan
    return _frame(np.tile(out, (12, 1)))


def _large_integers(seed: int) -> pd.DataFrame:
    """Whole numbers around 2**53, where float64 loses the last one."""
    out = _frame(_numbers(seed))
    offsets = np.random.default_rng([seed, 6]).integers(-9, 10, len(out))
    codes = pd.Series(2**53 + offsets, dtype="Int64")
    codes[::4] = pd.NA
    return out.assign(code=codes)


def _single_seen(seed: int) -> pd.DataFrame:
    """A column with one seen value, and one with two seen values far apart."""
    out = _numbers(seed)
    out[1:, 1] = np.nan
    out[0, 1] = 4.0
    out[2:, 3] = np.nan
    out[:2, 3] = -1e9, 1e9
    return _frame(out)


def _rare(seed: int) -> pd.DataFrame:
    """Truth values and categories, one case of which is rare."""
    out = _frame(_numbers(seed))
    flag, city = np.full(len(out), "no", dtype=object), np.full(len(out), "Rome", dtype=object)
    flag[3], city[7], city[8] = "yes", "Oslo", "Bern"
    flag[::5] = city[1::5] = None
    binary = np.where(np.arange(len(out)) == 9, 1.0, 0.0)
    binary[::6] = np.nan
    return out.assign(flag=flag, city=city, binary=binary)


def _names(seed: int) -> pd.DataFrame:
    """A category of its own in every row."""
    out = _frame(_numbers(seed))
    words = np.array([f"row {i}" for i in range(len(out))], dtype=object)
    words[::3] = None
    return out.assign(name=pd.Categorical(words))


HARD_TABLES: dict[str, Callable[[int], pd.DataFrame]] = {
    "constant columns": _constant,
    "all constant": _all_constant,
    "collinear": _collinear,
    "Cauchy": _heavy,
    "1e30": _scaled(1e30, 1e30, 1e30, 1e30),
    "1e-30": _scaled(1e-30, 1e-30, 1e-30, 1e-30),
    "1e30 and 1e-30": _scaled(1e30, 1e-30, 1.0, 1e15),
    "1e150 and 1e-150": _scaled(1e150, 1e-150, 1.0, 1e-150),
    "1e300 and 1e-300": _scaled(1e300, 1e-300, 1.0, 1e300),
    "limits of floats": _limits,
    "outlier": _outlier,
    "99.9 % missing": _nearly_empty,
    "two rows": _two_rows,
    "duplicated rows": _duplicated,
    "integers near 2**53": _large_integers,
    "single seen value": _single_seen,
    "rare cases": _rare,
    "category in every row": _names,
}


def hard_table(name: str, seed: int = 0) -> pd.DataFrame:
    """One of the hard tables, all of which have holes.

    Parameters
    ----------
    name : str
        One of ``HARD_TABLES``.
    seed : int, default=0
        Same seed, same table.

    Returns
    -------
    DataFrame
        At most 2000 rows and 7 columns, each with a seen cell.

    Examples
    --------
    >>> table = hard_table("99.9 % missing")
    >>> table.shape, int(table.notna().to_numpy().sum())
    ((2000, 4), 8)
    """
    return HARD_TABLES[name](seed)


def far_rows(table: pd.DataFrame) -> pd.DataFrame:
    """The first rows of a table, whose seen floats are as large or small as floats can be.

    Parameters
    ----------
    table : DataFrame of shape (n, p)
        It is not changed.

    Returns
    -------
    DataFrame of shape (min(n, 12), p)
        With the holes of those rows.

    Examples
    --------
    >>> far_rows(pd.DataFrame({"x": [1.0, None, 3.0]}))["x"].tolist()
    [1e+300, nan, 5e-324]
    """
    some = table.head(12).copy()
    extremes = np.resize([1e300, -1e300, 5e-324, 0.0, -1e30, 1e12], len(some))
    for name in some.select_dtypes("float").columns:
        some[name] = np.where(some[name].isna(), np.nan, extremes)
    return some
