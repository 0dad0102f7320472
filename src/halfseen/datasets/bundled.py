"""Tables that come along with the package; ``data/SOURCE.md`` says where they are from."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pandas as pd

from halfseen.errors import SettingError

__all__ = ["load_horse_colic", "path_of"]

_DATA = Path(__file__).resolve().parent / "data"


def path_of(name: str) -> Path:
    """Where a bundled file lies.

    Parameters
    ----------
    name : str
        "horse_colic" (the table), or a file name such as "horse_colic.toml" (its kinds).

    Returns
    -------
    Path

    Examples
    --------
    >>> path_of("horse_colic").name
    'horse_colic.csv'
    """
    path = _DATA / (name if "." in name else f"{name}.csv")
    if not path.is_file():
        known = sorted(p.stem for p in _DATA.glob("*.csv"))
        raise SettingError(f"Got {name!r}. Expected one of {known}, or the name of their files.")
    return path


def load_horse_colic() -> pd.DataFrame:
    """Load 300 horses with colic: numbers, words and ordered grades, 23 % of cells missing.

    Returns
    -------
    pandas.DataFrame of shape (300, 23)
        Seven numeric columns, eight ordered ones, eight of words. Cells are really missing; no
        truth is known.

    Notes
    -----
    UCI Horse Colic by M. McLeish and M. Cecile, CC BY 4.0; changes are listed in
    ``data/SOURCE.md``. ``total_protein`` holds two units, as published.

    Examples
    --------
    >>> table = load_horse_colic()
    >>> table.shape, int(table.isna().sum().sum())
    ((300, 23), 1607)
    >>> table["abdominal_distension"].cat.categories.tolist()
    ['no', 'slight', 'moderate', 'severe']
    """
    table = pd.read_csv(path_of("horse_colic"))
    kinds = tomllib.loads(path_of("horse_colic.toml").read_text(encoding="utf-8"))
    for column in table.columns:
        if column in kinds:
            table[column] = pd.Categorical(table[column], kinds[column]["levels"], ordered=True)
        elif not pd.api.types.is_numeric_dtype(table[column]):
            table[column] = pd.Categorical(table[column])
        elif (table[column].dropna() % 1 == 0).all():
            table[column] = table[column].astype("Int64")
    return table
