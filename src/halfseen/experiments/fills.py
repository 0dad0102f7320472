"""Ways to complete a task: baselines, oracles, and the package's own estimators."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen.experiments.design import Fill, Task

__all__ = ["knn", "mean", "mice", "missforest", "ours", "true_mean_of_missing", "zero"]


def zero(task: Task, seed: int) -> np.ndarray:
    """Zeros; in units of complete data this is the true mean."""
    return np.nan_to_num(task.values, nan=0.0)


def mean(task: Task, seed: int) -> np.ndarray:
    """Means of the seen cells."""
    return np.where(np.isnan(task.values), np.nanmean(task.values, axis=0), task.values)


def true_mean_of_missing(task: Task, seed: int) -> np.ndarray:
    """The best constant of each column, which only the truth knows: an oracle."""
    gone = np.isnan(task.values)
    count = np.maximum(gone.sum(0), 1)
    best = np.where(gone, task.truth, 0.0).sum(0) / count
    return np.where(gone, best, task.values)


def knn(task: Task, seed: int) -> np.ndarray:
    """Mean of 5 neighbours, in units of the seen cells."""
    from sklearn.impute import KNNImputer

    shift, scale = np.nanmean(task.values, axis=0), np.nanstd(task.values, axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    return KNNImputer(n_neighbors=5).fit_transform((task.values - shift) / scale) * scale + shift


def mice(task: Task, seed: int) -> np.ndarray:
    """Chained Bayesian ridge regressions, the settings of the published table."""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    return IterativeImputer(max_iter=10, random_state=seed).fit_transform(task.values)


def missforest(trees: int = 100, rounds: int = 10) -> Fill:
    """Chained random forests, the settings of the published table."""

    def fill(task: Task, seed: int) -> np.ndarray:
        from sklearn.ensemble import RandomForestRegressor
        from sklearn.experimental import enable_iterative_imputer  # noqa: F401
        from sklearn.impute import IterativeImputer

        forest = RandomForestRegressor(trees, n_jobs=1, random_state=seed)
        chained = IterativeImputer(forest, max_iter=rounds, random_state=seed)
        return chained.fit_transform(task.values)

    return fill


def ours(make: Any, **settings: Any) -> Fill:
    """An estimator of the package, its scaler off where the task is in standard units."""

    def fill(task: Task, seed: int) -> np.ndarray:
        scaler = {} if task.own_scaler else {"standardize": False}
        return make(**settings, **scaler, random_state=seed).fit_transform(task.values)

    return fill
