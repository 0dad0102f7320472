"""The ten tables, the amputation and the metrics that every method is measured with.

Needs numpy and pandas (2 or 3, with a parquet engine) alone, so that the library and its rivals,
which live in different environments, hide the same cells and count the same errors.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

__all__ = [
    "MECHANISMS",
    "METHODS_KEY",
    "TABLES",
    "Kind",
    "Table",
    "ampute",
    "default_data_dir",
    "evaluate",
    "hidden_mask",
    "load_table",
    "mask_digest",
    "rank_methods",
]

Kind = Literal["numeric", "ordered", "nominal"]
Kinds = dict[str, Kind]

MECHANISMS = ("mcar", "mar")
METHODS_KEY = ("table", "mechanism", "seed", "method")
MAR_SLOPE = 2.0


@dataclass(frozen=True)
class Table:
    """How one stored table becomes a benchmark table.

    Parameters
    ----------
    drop : tuple of str
        Columns left out (the target, mostly).
    nominal, ordered : tuple of str
        Categorical columns; the sorted order of the levels is the order of an ordered column.
    all_nominal : bool
        Take every column as nominal.
    """

    drop: tuple[str, ...] = ()
    nominal: tuple[str, ...] = ()
    ordered: tuple[str, ...] = ()
    all_nominal: bool = False

    def kind(self, column: str) -> Kind:
        """Return the kind of a column."""
        if column in self.ordered:
            return "ordered"
        return "nominal" if self.all_nominal or column in self.nominal else "numeric"


TABLES: dict[str, Table] = {
    "banknote": Table(drop=("class",)),
    "concrete": Table(),
    "glass": Table(drop=("type",)),
    "wine_red": Table(drop=("quality",)),
    "breast_cancer_diagnostic": Table(drop=("diagnosis",)),
    "yeast": Table(drop=("class",)),
    "airfoil": Table(),
    "mice_boys": Table(nominal=("reg",), ordered=("gen", "phb")),
    "house_votes_84": Table(all_nominal=True),
    "zoo": Table(all_nominal=True),
}


def default_data_dir() -> Path:
    """Return the shared data folder: ``HALFSEEN_DATA``, or ``shared`` beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    return Path(os.environ.get("HALFSEEN_DATA", beside))


def load_table(name: str, data_dir: str | Path | None = None) -> tuple[pd.DataFrame, Kinds]:
    """Read one benchmark table.

    Parameters
    ----------
    name : str
        A key of ``TABLES``.
    data_dir : str or Path, optional
        The shared data folder; ``default_data_dir()`` unless given.

    Returns
    -------
    df : DataFrame
        Numeric columns as float64, the others as categoricals of strings; real holes are NaN.
    kinds : dict of str to {"numeric", "ordered", "nominal"}
        The kind of each column.
    """
    table = TABLES[name]
    raw = pd.read_parquet(_table_file(name, data_dir)).drop(columns=list(table.drop))
    kinds: Kinds = {column: table.kind(column) for column in raw.columns}
    return pd.DataFrame({c: _typed(raw[c], kind) for c, kind in kinds.items()}), kinds


def _table_file(name: str, data_dir: str | Path | None) -> Path:
    root = Path(data_dir) if data_dir is not None else default_data_dir()
    tried = [root / folder / f"{name}.parquet" for folder in ("data/tables", "tables", ".")]
    for path in tried:
        if path.exists():
            return path
    raise FileNotFoundError(
        f"No {name}.parquet below {root}; expected {tried[0]}. Set HALFSEEN_DATA or pass data_dir."
    )


def _typed(column: pd.Series, kind: Kind) -> pd.Series:
    seen = column.notna().to_numpy()
    if kind == "numeric":
        values = np.full(len(column), np.nan)
        values[seen] = column[seen].to_numpy(dtype=float)
        return pd.Series(values)
    cells = [str(v) if ok else None for v, ok in zip(column.tolist(), seen, strict=True)]
    levels = sorted({cell for cell in cells if cell is not None})
    return pd.Series(pd.Categorical(cells, categories=levels, ordered=kind == "ordered"))


def hidden_mask(
    df: pd.DataFrame,
    mechanism: Literal["mcar", "mar"],
    rate: float = 0.3,
    seed: int = 0,
) -> np.ndarray:
    """Choose the cells to hide; a function of the table, the mechanism, the rate and the seed.

    ``"mcar"`` hides each observed cell with probability `rate`. ``"mar"`` keeps a random half of
    the columns (complete ones first) as drivers and hides the cells of each other column with
    probability ``sigmoid(w . z + b)``: z the standardised drivers, w twice a random unit vector
    of that column's own, b such that the mean probability over its observed cells is `rate`. No
    row and no column loses its last observed cell.

    Returns
    -------
    hidden : ndarray of bool, shape (n_rows, n_columns)
        True where an observed cell is to be hidden and scored.
    """
    rng = np.random.default_rng([seed, MECHANISMS.index(mechanism)])
    observed = df.notna().to_numpy()
    probability = np.full(observed.shape, rate)
    if mechanism == "mar":
        probability = _mar_probability(_codes(df), rate, rng)
    hidden = (rng.random(observed.shape) < probability) & observed
    hidden = _spare_rows(hidden, observed, rng)
    return _spare_rows(hidden.T, observed.T, rng).T


def ampute(
    df: pd.DataFrame,
    mechanism: Literal["mcar", "mar"],
    rate: float = 0.3,
    seed: int = 0,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the table with holes and the mask of the hidden cells; see `hidden_mask`."""
    hidden = hidden_mask(df, mechanism, rate, seed)
    holed = {c: df[c].mask(pd.Series(hidden[:, j])) for j, c in enumerate(df.columns)}
    return pd.DataFrame(holed), hidden


def _codes(df: pd.DataFrame) -> np.ndarray:
    """Return the table as floats, categories as level numbers, NaN where missing."""
    out = np.empty(df.shape)
    for j, column in enumerate(df.columns):
        series = df[column]
        if isinstance(series.dtype, pd.CategoricalDtype):
            codes = series.cat.codes.to_numpy().astype(float)
            out[:, j] = np.where(codes < 0, np.nan, codes)
        else:
            out[:, j] = series.to_numpy(dtype=float)
    return out


def _mar_probability(x: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
    n_columns = x.shape[1]
    order = rng.permutation(n_columns)
    incomplete = np.isnan(x).any(axis=0)
    order = order[np.argsort(incomplete[order], kind="stable")]
    drivers, targets = order[: n_columns // 2], order[n_columns // 2 :]
    z = np.nan_to_num(_standardise(x[:, drivers]))
    probability = np.zeros(x.shape)
    for j in targets:
        w = rng.standard_normal(len(drivers))
        score = z @ (MAR_SLOPE * w / np.linalg.norm(w))
        intercept = _intercept(score[~np.isnan(x[:, j])], rate)
        probability[:, j] = _sigmoid(score + intercept)
    return probability


def _standardise(x: np.ndarray) -> np.ndarray:
    scale = np.nanstd(x, axis=0)
    return (x - np.nanmean(x, axis=0)) / np.where(scale > 0, scale, 1.0)


def _sigmoid(t: np.ndarray) -> np.ndarray:
    return 0.5 * (1.0 + np.tanh(0.5 * t))


def _intercept(score: np.ndarray, rate: float) -> float:
    low, high = -60.0, 60.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _sigmoid(score + middle).mean() < rate else (low, middle)
    return 0.5 * (low + high)


def _spare_rows(hidden: np.ndarray, observed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give back one hidden cell, at random, to each row that would have no observed cell left."""
    hidden = hidden.copy()
    for i in np.flatnonzero(hidden.any(axis=1) & ~(observed & ~hidden).any(axis=1)):
        hidden[i, rng.choice(np.flatnonzero(hidden[i]))] = False
    return hidden


def mask_digest(hidden: np.ndarray) -> str:
    """Return a short fingerprint of a mask, to see that two environments hid the same cells."""
    return hashlib.sha256(np.packbits(hidden).tobytes()).hexdigest()[:12]


def evaluate(
    truth: pd.DataFrame,
    hidden: np.ndarray,
    kinds: Kinds,
    point: pd.DataFrame,
    draws: Sequence[pd.DataFrame] | None = None,
) -> dict[str, float | None]:
    """Score a completed table on the hidden cells.

    Parameters
    ----------
    truth : DataFrame
        The table before amputation.
    hidden : ndarray of bool
        The cells to score.
    kinds : dict
        The kind of each column.
    point : DataFrame
        The completed table.
    draws : sequence of DataFrame, optional
        Random completions; without them `crps` is that of the point, its mean absolute error.

    Returns
    -------
    metrics : dict
        ``rmse``, ``crps``, ``coverage90`` and ``width90`` pooled over hidden numeric cells in
        units of the column's standard deviation over all its really observed cells;
        ``error_rate`` pooled over hidden categorical cells; None where there are no such cells
        (or no draws); the counts of cells and draws.
    """
    numeric = [j for j, c in enumerate(truth.columns) if kinds[c] == "numeric"]
    others = [j for j in range(truth.shape[1]) if j not in numeric]
    n_numeric, n_other = (int(hidden[:, js].sum()) for js in (numeric, others))
    metrics: dict[str, float | None] = dict.fromkeys(
        ("rmse", "error_rate", "crps", "coverage90", "width90")
    )
    if n_numeric:
        target = _hidden_cells(truth, truth, hidden, numeric)
        guess = _hidden_cells(point, truth, hidden, numeric)
        metrics["rmse"] = float(np.sqrt(np.mean((guess - target) ** 2)))
        samples = [_hidden_cells(d, truth, hidden, numeric) for d in draws or [point]]
        metrics |= _draw_metrics(np.stack(samples), target)
    if n_other:
        metrics["error_rate"] = _errors(truth, point, hidden, others) / n_other
    return metrics | {"n_numeric": n_numeric, "n_other": n_other, "n_draws": len(draws or [])}


def _hidden_cells(
    df: pd.DataFrame, truth: pd.DataFrame, hidden: np.ndarray, columns: list[int]
) -> np.ndarray:
    """Return the hidden numeric cells of `df`, column after column, in the truth's units."""
    parts = []
    for j in columns:
        reference = truth.iloc[:, j].to_numpy(dtype=float)
        scale = np.nanstd(reference) or 1.0
        values = df[truth.columns[j]].to_numpy(dtype=float)[hidden[:, j]]
        parts.append((values - np.nanmean(reference)) / scale)
    cells = np.concatenate(parts)
    if not np.isfinite(cells).all():
        raise ValueError("Hidden numeric cells are not all filled with finite values.")
    return cells


def _draw_metrics(samples: np.ndarray, target: np.ndarray) -> dict[str, float | None]:
    metrics: dict[str, float | None] = {"crps": float(_crps(samples, target).mean())}
    if len(samples) > 1:
        low, high = np.quantile(samples, [0.05, 0.95], axis=0)
        metrics["coverage90"] = float(np.mean((low <= target) & (target <= high)))
        metrics["width90"] = float(np.mean(high - low))
    return metrics


def _crps(samples: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the fair CRPS of each cell; samples (m, n), target (n,)."""
    m = len(samples)
    error = np.abs(samples - target).mean(axis=0)
    if m == 1:
        return error
    # sum_{i,j} |X_i - X_j| = 2 sum_i (2 i - m - 1) X_(i), with X_(i) in ascending order.
    weights = 2.0 * np.arange(1, m + 1) - m - 1
    spread = 2.0 * weights @ np.sort(samples, axis=0)
    return error - spread / (2.0 * m * (m - 1))


def _errors(
    truth: pd.DataFrame, point: pd.DataFrame, hidden: np.ndarray, columns: list[int]
) -> int:
    wrong = 0
    for j in columns:
        column, rows = truth.columns[j], hidden[:, j]
        guess = point[column][rows].tolist()
        wrong += sum(str(a) != str(b) for a, b in zip(truth[column][rows], guess, strict=True))
    return wrong


def rank_methods(results: pd.DataFrame) -> pd.DataFrame:
    """Rank the methods within each table, mechanism and seed (1 is best).

    The rank is that of ``rmse`` on numeric tables, of ``error_rate`` on categorical ones, and
    the mean of both on mixed ones. A failed run takes the last rank.

    Parameters
    ----------
    results : DataFrame
        One row a run, with the columns of ``METHODS_KEY``, ``rmse`` and ``error_rate``.

    Returns
    -------
    results : DataFrame
        The same rows with a column ``score``.
    """
    case = [results[c] for c in METHODS_KEY[:3]]
    ranks = pd.DataFrame(index=results.index)
    for metric in ("rmse", "error_rate"):
        values = results[metric].astype(float)
        has_metric = values.notna().groupby(case).transform("any")
        rank = values.groupby(case).rank(na_option="bottom")
        ranks[metric] = rank.where(has_metric)
    return results.assign(score=ranks.mean(axis=1))
