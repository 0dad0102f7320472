"""The rivals behind one signature: a table with holes in, a completed table and draws out."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["FALLBACKS", "METHODS", "Method"]

Kinds = dict[str, str]
Result = tuple[pd.DataFrame, list[pd.DataFrame] | None]
Method = Callable[[pd.DataFrame, Kinds, int], Result]

N_DRAWS_MICEFOREST = 10
N_DRAWS_GCIMPUTE = 20
FOREST_MAX_ITER = 10


@dataclass(frozen=True)
class OneHot:
    """Standardised numbers and one-hot levels, there and back.

    Parameters
    ----------
    frame : DataFrame
        The table with holes; its observed cells give means, scales and levels.
    drop_first : bool
        Leave out each column's first level, for methods that regress one column on the others:
        a full set of levels sums to 1, so each would be regressed on its own siblings, which
        are missing in the same rows, and would never leave its first guess.
    """

    frame: pd.DataFrame
    drop_first: bool = False

    def encode(self) -> np.ndarray:
        """Return the table as floats; a missing category is NaN in all of its columns."""
        return np.column_stack([self._encode_column(self.frame[c]) for c in self.frame])

    def decode(self, x: np.ndarray) -> pd.DataFrame:
        """Return `x` as a completed table: largest level wins, observed cells as they were."""
        start, out = 0, {}
        for name in self.frame:
            column = self.frame[name]
            width = len(column.cat.categories) - self.drop_first if _is_categorical(column) else 1
            out[name] = self._decode_column(column, x[:, start : start + width])
            start += width
        return pd.DataFrame(out)

    def _encode_column(self, column: pd.Series) -> np.ndarray:
        if not _is_categorical(column):
            return ((column - column.mean()) / (column.std(ddof=0) or 1.0)).to_numpy()[:, None]
        codes = column.cat.codes.to_numpy()
        levels = np.eye(len(column.cat.categories))[codes]
        levels[codes < 0] = np.nan
        return levels[:, int(self.drop_first) :]

    def _decode_column(self, column: pd.Series, block: np.ndarray) -> pd.Series:
        if _is_categorical(column):
            first = [1.0 - block.sum(axis=1)] if self.drop_first else []
            return _fill_codes(column, np.column_stack([*first, block]).argmax(axis=1))
        values = block[:, 0] * (column.std(ddof=0) or 1.0) + column.mean()
        return column.where(column.notna(), values)


def _is_categorical(column: pd.Series) -> bool:
    return isinstance(column.dtype, pd.CategoricalDtype)


def _fill_codes(column: pd.Series, codes: np.ndarray) -> pd.Series:
    """Fill a categorical column's holes with levels given by number."""
    old = column.cat.codes.to_numpy()
    filled = np.where(old < 0, codes, old)
    return pd.Series(pd.Categorical.from_codes(filled, dtype=column.dtype))


def _codes(frame: pd.DataFrame) -> np.ndarray:
    """Return the table as floats with level numbers, NaN where missing."""
    columns = []
    for name in frame:
        column = frame[name]
        if _is_categorical(column):
            columns.append(column.cat.codes.astype(float).where(column.notna()))
        else:
            columns.append(column)
    return np.column_stack(columns)


def _from_codes(frame: pd.DataFrame, x: np.ndarray) -> pd.DataFrame:
    """Return `frame` with its holes filled from `x`, which is coded as `_codes` does."""
    out = {}
    for j, name in enumerate(frame):
        column = frame[name]
        if _is_categorical(column):
            top = len(column.cat.categories) - 1
            out[name] = _fill_codes(column, np.clip(np.rint(x[:, j]), 0, top).astype(int))
        else:
            out[name] = column.where(column.notna(), x[:, j])
    return pd.DataFrame(out)


def mean_mode(frame: pd.DataFrame, kinds: Kinds, seed: int) -> Result:
    """Fill with the mean of a numeric column and the mode of another."""
    del kinds, seed
    out = {}
    for name in frame:
        column = frame[name]
        value = column.mode().iloc[0] if _is_categorical(column) else column.mean()
        out[name] = column.fillna(value)
    return pd.DataFrame(out), None


def knn(frame: pd.DataFrame, kinds: Kinds, seed: int) -> Result:
    """Fill with the mean of 5 neighbours, over standardised numbers and one-hot levels."""
    from sklearn.impute import KNNImputer

    del kinds, seed
    coder = OneHot(frame)
    return coder.decode(KNNImputer(n_neighbors=5).fit_transform(coder.encode())), None


def iterative(frame: pd.DataFrame, kinds: Kinds, seed: int) -> Result:
    """Fill by chained Bayesian ridge regressions, over standardised numbers and 0/1 levels."""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    del kinds
    coder = OneHot(frame, drop_first=True)
    imputer = IterativeImputer(max_iter=10, random_state=seed)
    return coder.decode(imputer.fit_transform(coder.encode())), None


def missforest(frame: pd.DataFrame, kinds: Kinds, seed: int) -> Result:
    """Fill by chained random forests, as Stekhoven and Buehlmann (2012) describe.

    Their defaults: 100 trees, sqrt(p) candidate columns a split, leaves of about 5 rows for
    numbers and 1 for levels, columns in ascending order of holes, and the table of the round
    before the first in which the change of no kind of column shrank.
    """
    missing = frame.isna().to_numpy()
    x = _codes(mean_mode(frame, kinds, seed)[0])
    numeric = np.array([kinds[c] == "numeric" for c in frame])
    order = [j for j in np.argsort(missing.sum(axis=0), kind="stable") if missing[:, j].any()]
    before = [np.inf, np.inf]
    for step in range(FOREST_MAX_ITER):
        old = x.copy()
        for j in order:
            x[missing[:, j], j] = _forest_column(x, j, missing[:, j], frame, kinds, seed + step)
        change = _forest_change(x, old, missing, numeric)
        if not any(new < last for new, last in zip(change, before, strict=True)):
            return _from_codes(frame, old), None
        before = change
    return _from_codes(frame, x), None


def _forest_column(
    x: np.ndarray, j: int, holes: np.ndarray, frame: pd.DataFrame, kinds: Kinds, seed: int
) -> np.ndarray:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    inputs = np.column_stack([_forest_input(x, i, frame, kinds) for i in _others(x, j)])
    options = {"n_estimators": 100, "max_features": "sqrt", "random_state": seed, "n_jobs": 1}
    if kinds[frame.columns[j]] == "numeric":
        forest = RandomForestRegressor(min_samples_split=6, **options)
    else:
        forest = RandomForestClassifier(**options)
    forest.fit(inputs[~holes], x[~holes, j])
    return forest.predict(inputs[holes])


def _others(x: np.ndarray, j: int) -> list[int]:
    return [i for i in range(x.shape[1]) if i != j]


def _forest_input(x: np.ndarray, i: int, frame: pd.DataFrame, kinds: Kinds) -> np.ndarray:
    column = frame.iloc[:, i]
    if kinds[frame.columns[i]] != "nominal" or len(column.cat.categories) <= 2:
        return x[:, [i]]
    return np.eye(len(column.cat.categories))[x[:, i].astype(int)]


def _forest_change(
    x: np.ndarray, old: np.ndarray, missing: np.ndarray, numeric: np.ndarray
) -> list[float]:
    """Return the relative change of the numbers and the share of changed levels (NaN if none)."""
    numbers = ((x - old)[:, numeric] ** 2).sum() / max((x[:, numeric] ** 2).sum(), 1e-300)
    n_holes = missing[:, ~numeric].sum()
    levels = (x != old)[:, ~numeric].sum() / n_holes if n_holes else np.nan
    return [float(numbers) if missing[:, numeric].any() else np.nan, float(levels)]


def miceforest(frame: pd.DataFrame, kinds: Kinds, seed: int) -> Result:
    """Fill with 10 data sets of 5 rounds of miceforest; the point is their mean or mode."""
    del kinds
    return _miceforest(frame, seed)


def miceforest_fast(frame: pd.DataFrame, kinds: Kinds, seed: int) -> Result:
    """Fill as `miceforest` does, but draw levels from the predicted probabilities."""
    strategy = {c: "normal" if kinds[c] == "numeric" else "fast" for c in frame}
    return _miceforest(frame, seed, mean_match_strategy=strategy)


def miceforest_unmatched(frame: pd.DataFrame, kinds: Kinds, seed: int) -> Result:
    """Fill as `miceforest` does, but take the likeliest level instead of a matched one."""
    candidates = {c: 5 if kinds[c] == "numeric" else 0 for c in frame}
    return _miceforest(frame, seed, mean_match_candidates=candidates)


def _miceforest(frame: pd.DataFrame, seed: int, **options: object) -> Result:
    import miceforest as mf

    n = N_DRAWS_MICEFOREST
    seen = _drop_unseen_levels(frame)
    kernel = mf.ImputationKernel(seen, num_datasets=n, random_state=seed, **options)
    kernel.mice(5, num_threads=1)
    draws = [_like(kernel.complete_data(i), frame) for i in range(n)]
    return _average(draws), draws


def _drop_unseen_levels(frame: pd.DataFrame) -> pd.DataFrame:
    seen = frame.copy()
    for name in frame.select_dtypes("category"):
        seen[name] = seen[name].cat.remove_unused_categories()
    return seen


def _like(draw: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({c: draw[c].astype(frame[c].dtype) for c in frame})


def _average(draws: list[pd.DataFrame]) -> pd.DataFrame:
    out = {}
    for name in draws[0]:
        first = draws[0][name]
        if _is_categorical(first):
            codes = np.stack([d[name].cat.codes for d in draws])
            counts = (codes[..., None] == np.arange(len(first.cat.categories))).sum(axis=0)
            out[name] = pd.Categorical.from_codes(counts.argmax(axis=1), dtype=first.dtype)
        else:
            out[name] = np.mean([d[name] for d in draws], axis=0)
    return pd.DataFrame(out)


def gcimpute(frame: pd.DataFrame, kinds: Kinds, seed: int) -> Result:
    """Fill with the Gaussian copula of gcimpute, and 20 draws from it.

    Categorical columns go in as ordinal level numbers. That is right for ordered columns and
    for those of two levels; the model is not meant for nominal columns of more. The type of a
    numeric column is the package's own decision.
    """
    return _gcimpute(frame, seed, _categorical_positions(frame, kinds))


def gcimpute_ordinal(frame: pd.DataFrame, kinds: Kinds, seed: int) -> Result:
    """Fill as `gcimpute` does, with columns that it would call truncated declared ordinal.

    Version 0.0.4 gives the bulk of a truncated column empty intervals, which its own check then
    refuses; an ordinal column has the heap at its end as well, as one level of many.
    """
    from gcimpute.gaussian_copula import GaussianCopula

    types = GaussianCopula().get_vartype_indices(_codes(frame))
    truncated = [j for j, kind in enumerate(types) if kind.endswith("truncated")]
    ordinal = sorted({*truncated, *_categorical_positions(frame, kinds)})
    return _gcimpute(frame, seed, ordinal)


def _categorical_positions(frame: pd.DataFrame, kinds: Kinds) -> list[int]:
    return [j for j, c in enumerate(frame) if kinds[c] != "numeric"]


def _gcimpute(frame: pd.DataFrame, seed: int, ordinal: list[int]) -> Result:
    from gcimpute.gaussian_copula import GaussianCopula

    x = _codes(frame)
    model = GaussianCopula(training_mode="standard", random_state=seed)
    completed = model.fit_transform(x, ordinal=ordinal or None)
    sampled = model.sample_imputation(x, num=N_DRAWS_GCIMPUTE)
    draws = [_from_codes(frame, sampled[..., k]) for k in range(N_DRAWS_GCIMPUTE)]
    return _from_codes(frame, completed), draws


def _quiet(method: Method) -> Method:
    def run(frame: pd.DataFrame, kinds: Kinds, seed: int) -> Result:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return method(frame, kinds, seed)

    return run


METHODS: dict[str, Method] = {
    "mean": _quiet(mean_mode),
    "knn": _quiet(knn),
    "iterative": _quiet(iterative),
    "missforest": _quiet(missforest),
    "miceforest": _quiet(miceforest),
    "gcimpute": _quiet(gcimpute),
}

# What is run besides, under its own name, where a method fails as its package sets it.
FALLBACKS: dict[str, dict[str, Method]] = {
    "miceforest": {
        "miceforest-fast": _quiet(miceforest_fast),
        "miceforest-unmatched": _quiet(miceforest_unmatched),
    },
    "gcimpute": {"gcimpute-ordinal": _quiet(gcimpute_ordinal)},
}
