"""Digits of which most is missing: Figures 3 to 11 of the MisGAN paper.

The paper's distances are in figures, and in units of a network that was not released; ours are
those of :func:`halfseen.metrics.lenet_features`. So rows are to be compared with each other, and
numbers of the paper stand beside them where its text has some: two distances of generated digits
under quadrants, three errors under blocks of 90 %.

The full budget is the paper's and is meant for a GPU, which is used where there is one. The short
one has fewer digits and steps; the rows that learn get about the same seconds there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from halfseen.datasets import load_images
from halfseen.experiments.design import Experiment, Metric, Row, Run, best_device
from halfseen.experiments.misgan_images import (
    ImageTask,
    Made,
    draw_masks,
    from_imputer,
    image_scores,
)
from halfseen.methods.ambient_gan import AmbientGAN
from halfseen.methods.convac import ConvAC
from halfseen.methods.gain import GAINImputer
from halfseen.methods.matrix_factorization import MatrixFactorizationImputer
from halfseen.methods.misgan import MisGAN
from halfseen.metrics import lenet_features

__all__ = ["MISGAN_MNIST", "make_digits"]

FULL, SHORT = "60 000 digits", "10 000 digits, short budget"
COUNTS = {FULL: None, SHORT: 10_000}
RATES = tuple(f"0.{tenth}" for tenth in range(1, 10))
PROTOCOLS = (
    *(f"block-{rate}" for rate in RATES),
    *(f"dropout-{rate}" for rate in RATES),
    "rectangles",
    "quadrants",
)
# Steps with which the rows take about the same time on two cores.
SHORT_STEPS: dict[str, dict[str, Any]] = {
    "misgan": {"max_steps": 5_000},
    "standalone": {"max_steps": 4_000, "imputer_steps": 4_000},
    "generator": {"max_steps": 6_000},
    "gain": {"max_steps": 8_000},
    "convac": {"max_steps": 500},
}


def make_digits(
    table: str, protocol: str, units: str, seed: int, data: str | Path | None = None
) -> ImageTask:
    """Digits with holes.

    Parameters
    ----------
    table : {"mnist"}
        Which pictures.
    protocol : str
        Which holes, see :func:`halfseen.experiments.misgan_images.draw_masks`.
    units : {"60 000 digits", "10 000 digits, short budget"}
        How many, and how long models are trained.
    seed : int
        Not used: holes are the same for all.
    data : str or Path, optional
        Folder of the pictures.

    Returns
    -------
    ImageTask
    """
    truth = np.asarray(load_images(table, data).x_train[: COUNTS[units]], dtype=np.float32)
    holed = np.where(draw_masks(protocol, truth), truth, np.float32(np.nan))
    return ImageTask(truth, holed, lenet_features(), SHORT_STEPS if units == SHORT else {})


def _filled(value: float | None) -> Run:
    """A constant, or the mean of the seen values of each pixel."""

    def run(task: ImageTask, seed: int) -> Made:
        seen = ~np.isnan(task.holed)
        total, count = np.where(seen, task.holed, 0).sum(0), seen.sum(0)
        grey = np.where(seen, task.holed, 0).sum() / seen.sum()
        mean = np.where(count > 0, total / np.maximum(count, 1), grey)
        filled = np.where(seen, task.holed, mean if value is None else value)
        return Made(filled.astype(np.float32), filled.astype(np.float32))

    return run


def _factorised(task: ImageTask, seed: int) -> Made:
    imputer = MatrixFactorizationImputer(random_state=seed).fit(task.holed)
    filled = np.asarray(imputer.transform(task.holed))
    return Made(filled, filled)


def _misgan(budget: str, **changes: Any) -> Run:
    def run(task: ImageTask, seed: int) -> Made:
        # Published is one draw, which has a metric of its own.
        words = {"decision": "mean", **_common(task, budget, seed), **changes}
        make = MisGAN if task.settings else MisGAN.published
        return _made(make(**words).fit(task.holed), task, seed)

    return run


def _adapted(task: ImageTask, seed: int) -> Made:
    """An imputer from a generator alone, for the masks of the task (Eq. 11)."""
    words = {"decision": "mean", **_common(task, "standalone", seed), "imputer": "none"}
    make = MisGAN if task.settings else MisGAN.published
    model = make(**words).fit(task.holed)
    steps = task.settings.get("standalone", {}).get("imputer_steps")
    return _made(model.adapt(~np.isnan(task.holed), max_steps=steps), task, seed)


def _ambient(**changes: Any) -> Run:
    def run(task: ImageTask, seed: int) -> Made:
        words = {**_common(task, "generator", seed), "imputer": "none", **changes}
        make = AmbientGAN if task.settings else AmbientGAN.published
        return _made(make(**words).fit(task.holed), task, seed)

    return run


def _gain(task: ImageTask, seed: int) -> Made:
    imputer = GAINImputer.published(**_common(task, "gain", seed)).fit(task.holed)
    return from_imputer(imputer, task, seed)


def _convac(task: ImageTask, seed: int) -> Made:
    make = ConvAC if task.settings else ConvAC.published
    return from_imputer(make(**_common(task, "convac", seed)).fit(task.holed), task, seed)


def _common(task: ImageTask, budget: str, seed: int) -> dict[str, Any]:
    return {**task.settings.get(budget, {}), "device": best_device(), "random_state": seed}


def _made(model: Any, task: ImageTask, seed: int) -> Made:
    """What a model makes: completed digits only where it has an imputer."""
    if model.imputer != "none":
        return from_imputer(model, task, seed, masks=True)
    n = len(task.truth)
    generated, masks = model.generate(n, return_mask=True, random_state=seed)
    return Made(generated=np.asarray(generated), masks=masks.reshape(task.truth.shape))


_BLOCK = "mnist, block-0.9"
_QUARTERS = "mnist, quadrants"

ROWS = (
    Row("zero", "zero", _filled(0.0), random=False),
    Row("mean", "mean of each pixel", _filled(None), random=False),
    Row("mf", "matrix factorisation", _factorised, published={"rmse": {_BLOCK: 0.2686}}),
    Row("gain", "GAIN as published", _gain, published={"rmse": {_BLOCK: 0.2953}}),
    Row("convac", "ConvAC", _convac),
    Row("ambient-known", "AmbientGAN, masks' law known", _ambient()),
    Row("ambient-learned", "AmbientGAN, masks learned", _ambient(masks="learned")),
    Row(
        "misgan-fc-generator",
        "FC-MisGAN, no imputer",
        _misgan("generator", imputer="none"),
        published={"fid_generated": {_QUARTERS: 20.6}},
    ),
    Row("misgan-fc", "FC-MisGAN, joint imputer", _misgan("misgan")),
    Row(
        "misgan-fc-standalone",
        "FC-MisGAN, standalone imputer",
        _misgan("standalone", imputer="standalone"),
    ),
    Row("misgan-fc-adapted", "FC-MisGAN, imputer without data (Eq. 11)", _adapted, in_quick=False),
    Row(
        "misgan-fc-released",
        "FC-MisGAN, joint imputer, beta as released",
        _misgan("misgan", beta_mode="released"),
        in_quick=False,
    ),
    Row(
        "misgan-conv-generator",
        "Conv-MisGAN, no imputer",
        _misgan("generator", imputer="none", network="conv"),
        published={"fid_generated": {_QUARTERS: 10.8}},
        in_quick=False,
    ),
    Row(
        "misgan-conv",
        "Conv-MisGAN, joint imputer",
        _misgan("misgan", network="conv"),
        published={"rmse": {_BLOCK: 0.3214}},
        in_quick=False,
    ),
)

METRICS = (
    Metric("fid", "Frechet distance of completed pictures, one draw", 1.0),
    Metric("rmse", "RMSE of missing pixels, one draw", 0.02),
    Metric("rmse_mean", "RMSE of missing pixels, mean of draws", 0.02),
    Metric("fid_generated", "Frechet distance of generated pictures", 1.0),
    Metric("mask_rate", "share of missing pixels in generated masks", 0.02),
    Metric("mask_rate_miss", "largest miss of a pixel's rate in generated masks"),
)

MISGAN_MNIST = Experiment(
    name="misgan-mnist",
    title="Digits of which most is missing, pixels in [0, 1], distances by our LeNet",
    tables=("mnist", "fashion_mnist"),
    rows=ROWS,
    metrics=METRICS,
    settings=tuple((protocol, FULL) for protocol in PROTOCOLS),
    quick_settings=tuple((protocol, SHORT) for protocol in PROTOCOLS),
    make=make_digits,
    score=image_scores,
    usual_tables=("mnist",),
    quick_protocols=("block-0.9", "quadrants"),
    n_seeds=1,
    quick_seeds=1,
)
