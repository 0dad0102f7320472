"""Photographs of which most is missing: Figure 9 of the MisGAN paper, things and faces.

The paper's numbers are in figures alone, so none stands beside ours. It has 50 000 pictures of
CIFAR-10 and 202 599 of CelebA, 64 x 64; here are the subsets that :func:`halfseen.datasets.
load_images` reads. The Frechet distance goes by the features of a classifier of these pictures
(FID-c), and by those of Inception beside it where ``HALFSEEN_INCEPTION`` names its weights, see
:mod:`halfseen.experiments.picture_features`.

The full budget is the paper's and is meant for a GPU. The short one has fewer pictures and fully
connected networks, which get about the same seconds for MisGAN as for GAIN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from halfseen.datasets import load_images
from halfseen.experiments.design import Experiment, Metric, Row, best_device
from halfseen.experiments.misgan_images import (
    ImageTask,
    Made,
    draw_masks,
    from_imputer,
    image_scores,
)
from halfseen.experiments.misgan_mnist import MISGAN_MNIST
from halfseen.experiments.picture_features import classifier_features, user_inception
from halfseen.methods.misgan import MisGAN

__all__ = ["MISGAN_CELEBA", "MISGAN_CIFAR", "make_pictures", "picture_scores"]

FULL, SHORT = "all pictures", "3 000 pictures, short budget"
COUNTS = {FULL: None, SHORT: 3_000}
PROTOCOLS = tuple(f"{law}-0.{tenth}" for law in ("block", "dropout") for tenth in range(1, 10))
WIDTH = 512
# Steps with which the rows that learn take about the same time.
SHORT_SETTINGS: dict[str, dict[str, Any]] = {
    "fc": {"max_steps": 1_200},
    "conv": {"max_steps": 1_200, "batch_size": 64},
    "gain": {"max_steps": 10_000, "hidden": (WIDTH, WIDTH), "critic_hidden": (WIDTH, WIDTH)},
}
# 1000 epochs of 50 000 pictures in rounds of 5 batches. The paper does not say how large these
# are for CIFAR-10; digits have 64. For faces :meth:`MisGAN.published` knows.
CIFAR: dict[str, dict[str, Any]] = {"conv": {"batch_size": 64, "max_steps": 156_200}}
SETTINGS: dict[tuple[str, str], Mapping[str, dict[str, Any]]] = {("cifar10_10k", FULL): CIFAR}


def make_pictures(
    table: str, protocol: str, units: str, seed: int, data: str | Path | None = None
) -> ImageTask:
    """Photographs with holes.

    Parameters
    ----------
    table : {"cifar10_10k", "celeba_32", "celeba_64"}
        Which pictures.
    protocol : str
        Which holes, see :func:`halfseen.experiments.misgan_images.draw_masks`.
    units : {"all pictures", "3 000 pictures, short budget"}
        How many, and how long models are trained.
    seed : int
        Not used: holes are the same for all.
    data : str or Path, optional
        Folder of the pictures.

    Returns
    -------
    ImageTask
    """
    truth = load_images(table, data).x_train[: COUNTS[units]]
    holed = np.where(draw_masks(protocol, truth), truth, np.float32(np.nan))
    settings = SHORT_SETTINGS if units == SHORT else SETTINGS.get((table, units), {})
    return ImageTask(truth, holed, classifier_features(table, data), dict(settings))


def picture_scores(task: ImageTask, made: Made) -> dict[str, float]:
    """Errors and FID-c, and FID where the user has Inception."""
    distances = ("fid", "fid_generated")
    found = image_scores(task, made)
    ours = {f"{name}_c": found.pop(name) for name in distances if name in found}
    inception = user_inception()
    if inception is None:
        return ours | found
    theirs = image_scores(replace(task, features=inception), made)
    return ours | found | {name: theirs[name] for name in distances if name in theirs}


def _convolutional(task: ImageTask, seed: int) -> Made:
    words = {"decision": "mean", **task.settings.get("conv", {}), **_common(seed)}
    model = MisGAN.published("pictures", **words).fit(task.holed)
    return from_imputer(model, task, seed, masks=True)


def _connected(task: ImageTask, seed: int) -> Made:
    model = MisGAN(**task.settings.get("fc", {}), **_common(seed)).fit(task.holed)
    return from_imputer(model, task, seed, masks=True)


def _common(seed: int) -> dict[str, Any]:
    return {"device": best_device(), "random_state": seed}


def _as_for_digits(key: str, **changes: Any) -> Row:
    """A row of the digits; what was published of it there is not of pictures."""
    return replace(MISGAN_MNIST.row(key), published={}, **changes)


_GAIN = _as_for_digits("gain")

ROWS = (
    *(_as_for_digits(key) for key in ("zero", "mean", "mf")),
    replace(_GAIN, quick=(f"GAIN, {WIDTH} hidden units", _GAIN.run)),
    Row("misgan-fc", "MisGAN, fully connected, our settings", _connected),
    Row(
        "misgan",
        "MisGAN as published, convolutions and U-Net",
        _convolutional,
        in_quick=False,
    ),
)

METRICS = (
    Metric("fid_c", "FID-c of completed pictures, one draw; features of our classifier"),
    Metric("fid", "FID of completed pictures, one draw; torchvision's Inception"),
    Metric("rmse", "RMSE of missing pixels, one draw"),
    Metric("rmse_mean", "RMSE of missing pixels, mean of draws"),
    Metric("fid_generated_c", "FID-c of generated pictures; features of our classifier"),
    Metric("fid_generated", "FID of generated pictures; torchvision's Inception"),
    Metric("mask_rate", "share of missing pixels in generated masks"),
    Metric("mask_rate_miss", "largest miss of a pixel's rate in generated masks"),
)


def _experiment(name: str, title: str, tables: tuple[str, ...]) -> Experiment:
    return Experiment(
        name=name,
        title=f"{title} of which most is missing, pixels in [0, 1]",
        tables=tables,
        rows=ROWS,
        metrics=METRICS,
        settings=tuple((protocol, FULL) for protocol in PROTOCOLS),
        quick_settings=tuple((protocol, SHORT) for protocol in PROTOCOLS),
        make=make_pictures,
        score=picture_scores,
        quick_tables=tables[:1],
        quick_protocols=("block-0.9", "dropout-0.9"),
        n_seeds=1,
        quick_seeds=1,
        shares=True,
    )


MISGAN_CIFAR = _experiment("misgan-cifar", "Pictures of things", ("cifar10_10k",))
MISGAN_CELEBA = _experiment("misgan-celeba", "Faces", ("celeba_32", "celeba_64"))
