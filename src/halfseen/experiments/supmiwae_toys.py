"""Four tasks in the plane whose second feature is half missing.

The toys of the code that goes with "How to deal with missing data in supervised deep learning?"
(Ipsen, Mattei and Frellsen, ICLR 2022). In the burger, whose second feature tells the class, no
constant put into a hole gives the right probabilities; there the exact answer is a row too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline

from halfseen.datasets import burger_posterior, make_toy
from halfseen.experiments.design import Experiment, Metric, Row
from halfseen.experiments.supervised import (
    TABLE_GENERATORS,
    Budget,
    Split,
    filled,
    mice,
    probabilities,
    sup,
)
from halfseen.methods.filled import FilledClassifier
from halfseen.methods.sup_miwae import SupMIWAEClassifier

__all__ = ["SUPMIWAE_TOYS", "make_split", "toy_scores"]

N_ROWS, N_TEST, RATE = 5_000, 1_000, 0.5
# A head of the published size; 1 000 of the 4 000 rows choose its best state, as published.
HEAD: dict[str, Any] = {"hidden": (50, 50, 50), "validation_fraction": 0.25}
BUDGETS = {"full budget": Budget(), "short budget": Budget(1_500, 1_000, 300)}


def make_split(
    table: str, protocol: str, units: str, seed: int, data: str | Path | None = None
) -> Split:
    """A toy of 5000 rows, of which 1000 are predicted; half of the second feature is missing.

    Parameters
    ----------
    table : {"circles", "moons", "pinwheel", "burger"}
        Which one.
    protocol : {"mcar-0.5"}
        Holes completely at random.
    units : {"full budget", "short budget"}
        Training steps.
    seed : int
        Of rows and holes.
    data : ignored

    Returns
    -------
    Split
    """
    x, y = make_toy(table, N_ROWS, seed)
    holed = x.copy()
    holed[np.random.default_rng([seed, 1]).random(N_ROWS) < RATE, 1] = np.nan
    n = N_ROWS - N_TEST
    return Split(
        holed[:n], y[:n], holed[n:], y[n:], x[:n], x[n:], TABLE_GENERATORS, BUDGETS[units]
    )


def toy_scores(task: Split, proba: np.ndarray) -> dict[str, float]:
    """Mean log p(y | x) and accuracy on test rows with a hole, and on those without."""
    code = np.searchsorted(np.unique(task.y_train), task.y_test)
    tiny = np.finfo(np.float32).tiny
    log_p = np.log(np.maximum(proba[np.arange(len(code)), code], tiny))
    right, gone = proba.argmax(1) == code, np.isnan(task.x_test).any(1)
    return {
        "log_p_holes": float(log_p[gone].mean()),
        "log_p_whole": float(log_p[~gone].mean()),
        "accuracy_holes": float(right[gone].mean()),
        "accuracy_whole": float(right[~gone].mean()),
    }


def _filled(fill: str) -> Any:
    return filled(FilledClassifier, fill, **HEAD)


def _mice_head(task: Split, seed: int) -> Any:
    return make_pipeline(mice(seed), _filled("zero")(task, seed))


def _latent(strategy: str) -> Any:
    return probabilities(sup(SupMIWAEClassifier, "miwae", strategy=strategy, **HEAD))


def _bayes(task: Split, seed: int) -> np.ndarray:
    second = burger_posterior(task.x_test)
    return np.column_stack([1 - second, second])


ROWS = (
    Row("zero", "zero", probabilities(_filled("zero"))),
    Row("mean", "mean", probabilities(_filled("mean"))),
    Row("constant", "learned constants", probabilities(_filled("constant"))),
    Row("channels", "channels: cells, constants, mask", probabilities(_filled("channels"))),
    Row("set", "set encoder", probabilities(_filled("set"))),
    Row("mice", "MICE, one completion, same head", probabilities(_mice_head)),
    Row("m3", "M3: one single completion", _latent("single")),
    Row("m2", "M2: supMIWAE, generator frozen", _latent("frozen")),
    Row("m1", "M1: supMIWAE, joint", _latent("joint")),
    Row(
        "hgb",
        "histogram gradient boosting with NaN",
        probabilities(lambda task, seed: HistGradientBoostingClassifier(random_state=seed)),
    ),
    Row("bayes", "exact p(y | x)", _bayes, tables=("burger",)),
)

SUPMIWAE_TOYS = Experiment(
    name="supmiwae-toys",
    title="Toys in the plane, second feature half missing",
    tables=("circles", "moons", "pinwheel", "burger"),
    rows=ROWS,
    metrics=(
        Metric("log_p_holes", "mean log p(y | x), rows with a hole"),
        Metric("log_p_whole", "mean log p(y | x), rows without"),
        Metric("accuracy_holes", "accuracy, rows with a hole"),
        Metric("accuracy_whole", "accuracy, rows without"),
    ),
    settings=(("mcar-0.5", "full budget"),),
    quick_settings=(("mcar-0.5", "short budget"),),
    make=make_split,
    score=toy_scores,
    random_masks=("mcar-0.5",),
    shares=True,
)
