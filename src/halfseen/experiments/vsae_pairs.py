"""Pairs of pictures of which either may be absent: Tables 2, 6, 7, 8 of the VSAE paper.

Digits are paired as (0, 9), (1, 8), (2, 7), (3, 6), (4, 5); garments of Fashion-MNIST likewise,
which the paper does not have. A digit beside a house number of the same digit needs the files of
SVHN, which are not downloaded: see :func:`halfseen.datasets.load_mnist_svhn`.

With half of the pictures absent, a row in two of those that lack one lacks both: nothing can be
known of it, and the mean is its best answer. The main error is over the others. The paper's
numbers are over all rows; a perfect sampler has twice the error of the conditional mean, so the
mean of several decodings is told beside that of one.

The paper trains for 1000 epochs. On "all pairs" the models in its settings take 15 000 steps of 64
rows, about 41 epochs of digits or 40 of garments, and keep their best state by rows held back.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from halfseen.datasets import load_digit_pairs, load_mnist_svhn
from halfseen.experiments.design import Experiment, Metric, Row, best_device
from halfseen.experiments.vsae_modalities import (
    ModalTask,
    Rows,
    class_means,
    errors_of,
    fill,
    make_modal_task,
    means,
    model_rows,
    neighbours,
)
from halfseen.experiments.vsae_models import Outcome, decoded
from halfseen.experiments.vsae_published import GENERATED_RATES, PAIRS, PAIRS_BY_SIDE
from halfseen.methods.miwae import MIWAEImputer
from halfseen.metrics import mse_by_modality

__all__ = ["VSAE_PAIRS", "make_pairs", "pair_scores"]

TABLES = ("mnist", "fashion_mnist", "mnist_svhn")
FULL, SHORT = "all pairs", "6 000 training pairs, short budget"
COUNTS: dict[str, tuple[int | None, int | None]] = {FULL: (None, None), SHORT: (6_000, 2_000)}
SETTINGS: dict[str, dict[str, Any]] = {FULL: {}, SHORT: {"max_steps": 2_500}}
# What MIWAE, which the paper does not have here, gets besides.
MIWAE: dict[str, Any] = {
    "observation": "bernoulli",
    "hidden": (200, 200),
    "n_latent": 32,
    "n_members": 1,
    "n_importance": 5,
    "n_importance_predict": 100,
}


def make_pairs(
    table: str, protocol: str, units: str, seed: int, data: str | Path | None = None
) -> ModalTask:
    """Pairs of pictures, some absent.

    Parameters
    ----------
    table : {"mnist", "fashion_mnist", "mnist_svhn"}
        Which pictures.
    protocol : {"mcar-0.3", "mcar-0.5", "mcar-0.7"}
        Probability of a picture to be absent.
    units : {"all pairs", "6 000 training pairs, short budget"}
        How many, and how long models are trained.
    seed : int
        Of the pairing, the split and the holes.
    data : str or Path, optional
        Folder of the pictures.

    Returns
    -------
    ModalTask
    """
    n_train, n_test = COUNTS[units]
    words: dict[str, Any] = {"n_train": n_train, "n_test": n_test, "random_state": seed}
    if table == "mnist_svhn":
        pairs = load_mnist_svhn(data, **words)
    else:
        pairs = load_digit_pairs(data, dataset=table, **words)
    return make_modal_task(pairs, float(protocol[len("mcar-") :]), seed, SETTINGS[units])


def _errors(task: ModalTask, rows: Rows) -> dict[str, float]:
    found = mse_by_modality(task.truth, rows, task.s_test)
    first, second = task.truth
    return {
        "combined_other_seen": found["other_seen"]["combined"],
        "combined_none_seen": found["none_seen"]["combined"],
        "combined": found["all"]["combined"],
        "first": found["all"][first],
        "second": found["all"][second],
    }


def pair_scores(task: ModalTask, answer: Outcome) -> dict[str, float]:
    """Squared errors of absent pictures, means over pixels: of each side, and their sums."""
    return errors_of(task, answer, _errors)


def _zero(task: ModalTask, seed: int) -> Outcome:
    nothing = {name: np.zeros_like(rows) for name, rows in task.test.items()}
    return Outcome(fill(task.test, nothing, task.s_test))


def _miwae(task: ModalTask, seed: int) -> Outcome:
    """Both pictures as the channels of one."""
    settings = {**MIWAE, **task.settings}
    imputer = MIWAEImputer(**settings, device=best_device(), random_state=seed)
    imputer.fit(np.concatenate(list(task.learn.values()), 1))
    holed = np.concatenate(list(task.test.values()), 1)
    filled, single = (
        {name: x[:, i : i + 1] for i, name in enumerate(task.test)}
        for x in (imputer.transform(holed), decoded(imputer, holed, 1))
    )
    return Outcome(filled, single)


def published(key: str) -> dict[str, Mapping[str, float]]:
    """Tables 2, 6, 7 and 8 by metric: over all rows, whatever the number of decodings."""
    first, second = PAIRS_BY_SIDE[key]
    by_metric = {"combined": PAIRS[key], "first": first, "second": second}
    return {f"{name}{end}": v for name, v in by_metric.items() for end in ("", "_single")}


ROWS = (
    Row("zero", "zero", _zero),
    Row("mean", "mean picture", means),
    Row("class-mean", "oracle: mean picture of the true class", class_means),
    Row("knn", "KNN, 20 neighbours", neighbours),
    Row("miwae", "ours: MIWAE", _miwae, tables=("mnist", "fashion_mnist")),
    *model_rows("images", published),
)

_ERRORS = {
    "combined_other_seen": "sum of both sides' MSE, rows with one side seen",
    "combined": "sum of both sides' MSE",
    "combined_none_seen": "sum of both sides' MSE, rows with nothing seen",
    "first": "MSE of the first picture",
    "second": "MSE of the second picture",
}

VSAE_PAIRS = Experiment(
    name="vsae-mnist-pairs",
    title="Absent pictures of pairs, pixels in [0, 1]",
    tables=TABLES,
    rows=ROWS,
    metrics=(
        *(Metric(key, f"{label}; mean decoding", 0.005) for key, label in _ERRORS.items()),
        *(
            Metric(f"{key}_single", f"{label}; one decoding", 0.005)
            for key, label in _ERRORS.items()
        ),
        Metric("mask_rate", "share of absent pictures in generated masks", 0.02),
    ),
    settings=tuple((protocol, FULL) for protocol in GENERATED_RATES),
    quick_settings=tuple((protocol, SHORT) for protocol in GENERATED_RATES),
    make=make_pairs,
    score=pair_scores,
    usual_tables=("mnist", "fashion_mnist"),
    quick_protocols=("mcar-0.5",),
    random_masks=tuple(GENERATED_RATES),
    n_seeds=3,
    quick_seeds=1,
)
