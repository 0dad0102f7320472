"""Pictures with a patch missing, and scores of the law that a model says of it.

Przewiezlikowski, Smieja and Struski, "Estimating conditional density of missing values using deep
Gaussian mixture model" (ICONIP 2020). Models learn from training pictures and are asked about
patches of test pictures, of the size that the paper trains on and of two others.

Log-densities of pixels that are always black have no bound: each is told with the smallest
variance that a pixel's noise may have. The paper's are 1 nat too high, as its code adds 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import trim_mean

from halfseen.core.noise import seed_from
from halfseen.datasets import load_images
from halfseen.estimators.conditional import Conditional
from halfseen.experiments.design import Metric
from halfseen.mechanisms.images import SquareMask

__all__ = [
    "FULL",
    "METRICS",
    "SHORT",
    "SHORT_FACES",
    "PatchTask",
    "Says",
    "make_patches",
    "patch_scores",
]

FULL, SHORT = "all pictures", "10 000 pictures, short budget"
# The file at hand has 9 000 faces to learn from; one has four times the pixels of a digit, and
# mixtures of them have twice the components.
SHORT_FACES = "9 000 pictures, 300 to be asked about, short budget"
N_TRAIN = {FULL: None, SHORT: 10_000, SHORT_FACES: 9_000}
N_TEST = {FULL: 10_000, SHORT: 1_000, SHORT_FACES: 300}
# Sides of patches: that of the paper, a smaller and a larger one.
SIZES = {"mnist": (14, 10, 18), "fashion_mnist": (14, 10, 18), "celeba_32": (16, 12, 20)}
# Smallest variances of a pixel in [0, 1] under which log-densities are told.
FLOOR, OTHER_FLOORS = 1e-4, (1e-6, 1e-10)
# Distance of neighbouring grey values, draws behind a discrete probability, and pictures for it.
STEP, N_DRAWS, N_DISCRETE = 1 / 255, 20, 200
CHUNK = 40

#: From pictures (n, c, h, w) with NaN in the patch to the law of the patch.
Says = Callable[[np.ndarray], Conditional]


@dataclass(frozen=True, eq=False)
class PatchTask:
    """Pictures to learn from, and patches to be asked about.

    Parameters
    ----------
    train, holed : array of shape (n, c, h, w)
        Complete pictures in [0, 1], and the same with half of their pixels missing.
    truth : array of shape (m, c, h, w)
        Test pictures.
    tests : dict of int to array of shape (m, c, h, w)
        The same with NaN in a patch, by its side; that of the paper first.
    short : bool
        Whether budgets are short.
    kept : dict
        What rows share: fitted models.
    """

    train: np.ndarray
    holed: np.ndarray
    truth: np.ndarray
    tests: dict[int, np.ndarray]
    short: bool
    kept: dict[Any, Any] = field(default_factory=dict)

    @property
    def side(self) -> int:
        """Side of the patch that the paper trains on."""
        return next(iter(self.tests))


def make_patches(
    table: str, protocol: str, units: str, seed: int, data: str | Path | None = None
) -> PatchTask:
    """Pictures and patches.

    Parameters
    ----------
    table : {"mnist", "fashion_mnist", "celeba_32"}
        Which pictures.
    protocol : {"patches"}
        Squares anywhere, all places equally likely, all channels.
    units : str
        ``FULL``, ``SHORT`` or ``SHORT_FACES``: how many, and how long models are trained.
    seed : int
        Of nothing: patches are the same for all.
    data : str or Path, optional
        Folder of the pictures.
    """
    images = load_images(table, data)
    train = np.asarray(images.x_train[: N_TRAIN[units]], dtype=np.float32)
    truth = np.asarray(images.x_test[: N_TEST[units]], dtype=np.float32)
    tests = {}
    for side in SIZES[table]:
        generator = torch.Generator().manual_seed(seed_from(side))
        seen = SquareMask(side).sample(torch.as_tensor(truth), generator).numpy() > 0.5
        tests[side] = np.where(seen, truth, np.float32(np.nan))
    gone = np.random.default_rng(0).random((len(train), 1, *train.shape[2:])) < 0.5
    holed = np.where(gone, np.float32(np.nan), train)
    return PatchTask(train, holed, truth, tests, units != FULL)


def patch_scores(task: PatchTask, says: Says) -> dict[str, float]:
    """Errors and log-densities over the patches of test pictures."""
    found: dict[str, float] = {}
    for side, holed in task.tests.items():
        parts = [_score(task, says, holed, at) for at in range(0, len(holed), CHUNK)]
        every = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        mark = "" if side == task.side else _mark(task, side)
        found[f"sse{mark}"] = float(every["sse"].mean())
        found[f"nll{mark}"] = float(every["nll"].mean())
        if mark:
            continue
        pixels = side * side * task.truth.shape[1]
        found["rmse"] = float(np.sqrt(every["sse"].mean() / pixels))
        found["nll_median"] = float(np.median(every["nll"]))
        found["nll_trimmed"] = float(trim_mean(every["nll"], 0.1))
        for floor in OTHER_FLOORS:
            found[f"nll_{floor:.0e}"] = float(every[f"nll_{floor:.0e}"].mean())
        found["discrete"] = _discrete(task, says, holed)
    return found


def _mark(task: PatchTask, side: int) -> str:
    return "_smaller" if side < task.side else "_larger"


def _score(task: PatchTask, says: Says, holed: np.ndarray, at: int) -> dict[str, np.ndarray]:
    """Scores of some pictures, one number each."""
    part, truth = holed[at : at + CHUNK], task.truth[at : at + CHUNK].astype(float)
    law = says(part)
    gap = np.where(np.isnan(part), law.mean - truth, 0.0)
    scores = {"sse": (gap**2).sum((1, 2, 3)), "nll": -law.floored(FLOOR).log_prob(truth)}
    for floor in OTHER_FLOORS:
        scores[f"nll_{floor:.0e}"] = -law.floored(floor).log_prob(truth)
    return scores


def _discrete(task: PatchTask, says: Says, holed: np.ndarray) -> float:
    """Bits per pixel of the 256 grey values, no fewer than those of the best code."""
    total, pixels = 0.0, 0
    for at in range(0, min(N_DISCRETE, len(holed)), CHUNK):
        part, truth = holed[at : at + CHUNK], task.truth[at : at + CHUNK].astype(float)
        # A law narrower than a step is no worse for it here, and needs no floor but a number.
        law = says(part).floored(1e-10)
        total -= law.discretized_log_prob(truth, STEP, (0.0, 1.0), N_DRAWS).sum()
        pixels += int(np.isnan(part).sum())
    return float(total / pixels / np.log(2))


METRICS = (
    Metric("sse", "sum of squares per picture", 0.5),
    Metric("nll", f"NLL, nats per picture, variance of a pixel at least {FLOOR:.0e}", 20.0),
    Metric("nll_median", f"median NLL, variance at least {FLOOR:.0e}"),
    Metric("nll_trimmed", f"NLL without a tenth at both ends, variance at least {FLOOR:.0e}"),
    *(Metric(f"nll_{floor:.0e}", f"NLL, variance at least {floor:.0e}") for floor in OTHER_FLOORS),
    Metric("discrete", "bits per pixel of the 256 grey values"),
    Metric("rmse", "RMSE per pixel"),
    Metric("sse_smaller", "sum of squares, smaller patches"),
    Metric("nll_smaller", f"NLL, smaller patches, variance at least {FLOOR:.0e}"),
    Metric("sse_larger", "sum of squares, larger patches"),
    Metric("nll_larger", f"NLL, larger patches, variance at least {FLOOR:.0e}"),
)
