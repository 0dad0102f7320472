"""Digits with missing pixels: accuracy by missing rate, Figure 2 of the supMIWAE paper.

Ipsen, Mattei and Frellsen, "How to deal with missing data in supervised deep learning?" (ICLR
2022), which has a figure and no numbers. Pixels are ones and zeros. Training pictures are grey:
generators and heads, the oracle's too, meet new ones and zeros in every batch ("dynamic
binarisation"). Those of the pictures that are held out of a head's training, for its best state
and its temperature, are drawn once for each seed; those of the test pictures once, and holes
(completely at random) once for each rate, whatever the seed. The single completions of M3 are
those of ones and zeros drawn once, and stay what they are. Heads of M1 and M2 see sampled pixels,
as published; means of pixels, our default for images, have rows of their own.

Every row has the same convolutional head, with the same number of steps and the same batch. The
full budget is that of the paper as far as it says, and is meant for a GPU, which is used where
there is one. The short one keeps to a small generator and fewer samples; its sizes are below.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from halfseen.datasets import binarize, load_images
from halfseen.experiments.design import Experiment, Row, best_device
from halfseen.experiments.supervised import (
    CLASS_METRICS,
    Budget,
    Split,
    class_scores,
    probabilities,
)
from halfseen.methods.filled import FilledClassifier
from halfseen.methods.miwae import MIWAEImputer
from halfseen.methods.sup_miwae import SupMIWAEClassifier

__all__ = ["SUPMIWAE_MNIST", "make_split"]

RATES = ("0.1", "0.3", "0.5", "0.7", "0.9")
MASK_SEED, PIXEL_SEED = 17, 24
BATCH = 100
CHANNELS = (16, 32, 64)
HIDDEN, N_LATENT = (200, 200), 20


@dataclass(frozen=True)
class ImageBudget(Budget):
    """Sizes of a run.

    Parameters
    ----------
    n_train, n_test : int
        Pictures.
    n_importance, head_importance : int
        K while the generator is trained, and while heads are.
    validation_fraction : float
        Share of the training pictures that choose the best state of a head.
    lr : float
        Of heads.
    """

    n_train: int = 60_000
    n_test: int = 10_000
    n_importance: int = 20
    head_importance: int = 20
    validation_fraction: float = 1 / 6
    lr: float = 1e-3


SHORT = "short budget, 10 000 training pictures"
BUDGETS = {
    "full budget": ImageBudget(500_000, 25_000, 10_000),
    # A head on samples needs more steps than one on single completions to be ahead of it.
    SHORT: ImageBudget(
        4_000,
        4_500,
        200,
        n_train=10_000,
        n_test=5_000,
        n_importance=5,
        head_importance=2,
        validation_fraction=0.1,
    ),
}


def make_split(
    table: str, protocol: str, units: str, seed: int, data: str | Path | None = None
) -> Split:
    """Digits with missing pixels.

    Parameters
    ----------
    table : str
        The missing rate.
    protocol : {"mcar"}
        Pixels go missing at random, each by itself.
    units : {"full budget", "short budget, 10 000 training pictures"}
        Sizes.
    seed : int
        Of training only.
    data : str or Path, optional
        Folder of the pictures.

    Returns
    -------
    Split
        Pictures of shape (n, 1, 28, 28), NaN where missing: grey ones to learn from, ones and
        zeros to predict.
    """
    budget, digits = BUDGETS[units], load_images("mnist", data)
    train, grey_test = digits.x_train[: budget.n_train], digits.x_test[: budget.n_test]
    test = binarize(grey_test, PIXEL_SEED)
    y_train, y_test = digits.y_train[: budget.n_train], digits.y_test[: budget.n_test]
    rng = np.random.default_rng([MASK_SEED, round(100 * float(table))])
    gone = [rng.random(x.shape, np.float32) < float(table) for x in (train, test)]
    return Split(
        _holed(train, gone[0]),
        y_train,
        _holed(test, gone[1]),
        y_test,
        train,
        test,
        {"miwae": _generator},
        budget,
    )


def _holed(x: np.ndarray, gone: np.ndarray) -> np.ndarray:
    return np.where(gone, np.float32(np.nan), x)


def _generator(task: Split, seed: int) -> MIWAEImputer:
    budget: Any = task.budget
    return MIWAEImputer(
        observation="bernoulli",
        binarize=True,
        hidden=HIDDEN,
        n_latent=N_LATENT,
        n_members=1,
        n_importance=budget.n_importance,
        n_importance_predict=budget.n_predict,
        max_steps=budget.generator_steps,
        batch_size=BATCH,
        random_state=seed,
        device=best_device(),
    )


def _head(task: Split, seed: int) -> dict[str, Any]:
    """Settings that all rows share."""
    budget: Any = task.budget
    return {
        "head": "conv",
        "hidden": CHANNELS,
        "max_steps": budget.head_steps,
        "batch_size": BATCH,
        "lr": budget.lr,
        "validation_fraction": budget.validation_fraction,
        "random_state": seed,
        "device": best_device(),
    }


def _filled(fill: Any) -> Any:
    return lambda task, seed: FilledClassifier(
        fill=fill, binarize=True, n_members=1, **_head(task, seed)
    )


def _latent(strategy: str, sampler: str = "score") -> Any:
    def make(task: Split, seed: int) -> SupMIWAEClassifier:
        budget: Any = task.budget
        return SupMIWAEClassifier(
            generator=task.generator("miwae", seed),
            strategy=strategy,  # type: ignore[arg-type]
            sampler=sampler,  # type: ignore[arg-type]
            n_importance=budget.head_importance,
            n_importance_predict=budget.n_predict,
            **_head(task, seed),
        )

    return make


ROWS = (
    Row("zero", "zero", probabilities(_filled("zero")), alone=True),
    Row("mean", "mean", probabilities(_filled("mean")), alone=True),
    Row("constant", "learned constants", probabilities(_filled("constant")), alone=True),
    Row(
        "channels",
        "channels: pixels, constants, mask",
        probabilities(_filled("channels")),
        alone=True,
    ),
    Row("m3", "M3: one single completion", probabilities(_latent("single"))),
    Row("m2", "M2: supMIWAE, generator frozen", probabilities(_latent("frozen"))),
    Row(
        "m1",
        "M1: supMIWAE, joint, gradient as released",
        probabilities(_latent("joint", "dropped")),
    ),
    Row(
        "m1-score",
        "M1 with the unbiased gradient through sampled pixels",
        probabilities(_latent("joint", "score")),
        in_quick=False,
    ),
    Row(
        "m2-mean",
        "M2 whose head sees means of pixels",
        probabilities(_latent("frozen", "mean")),
        in_quick=False,
    ),
    Row(
        "m1-mean",
        "M1 whose head sees means of pixels",
        probabilities(_latent("joint", "mean")),
        in_quick=False,
    ),
    Row(
        "oracle",
        "oracle: complete pictures",
        probabilities(_filled("zero"), complete=True),
        alone=True,
    ),
)

_BY_NAME = {metric.name: metric for metric in CLASS_METRICS}

SUPMIWAE_MNIST = Experiment(
    name="supmiwae-mnist",
    title="Digits of ones and zeros, pixels missing at random, by missing rate",
    tables=RATES,
    rows=ROWS,
    metrics=tuple(_BY_NAME[name] for name in ("accuracy", "log_loss", "ece")),
    settings=(("mcar", "full budget"),),
    quick_settings=(("mcar", SHORT),),
    make=make_split,
    score=class_scores,
    quick_tables=("0.5", "0.7", "0.9"),
    quick_seeds=1,
    n_seeds=3,
    shares=True,
)
