"""Densities of missing patches: Table 1 of the DMFA paper, with corrected baselines beside it.

The public baseline has two errors (see :mod:`halfseen.core.released_mixture`): its rows stand
beside the same mixture with exact conditional laws. Two rows learn from pictures of which half of
the pixels are missing, which the paper leaves to future work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from halfseen.experiments.design import Experiment, Row, Run, best_device
from halfseen.experiments.dmfa_task import (
    FULL,
    METRICS,
    SHORT,
    SHORT_FACES,
    PatchTask,
    Says,
    make_patches,
    patch_scores,
)
from halfseen.mechanisms.images import SquareMask
from halfseen.methods.dmfa import DMFADensity
from halfseen.methods.mfa import MFADensity

__all__ = ["DMFA_CELEBA", "DMFA_FASHION", "DMFA_MNIST"]

Make = Callable[[PatchTask, int], Any]
# Published values, NLL then sum of squares; those of the NLL are 1 nat too high.
MFA = {"mnist": (58.10, 18.59), "fashion_mnist": (-85.15, 6.12), "celeba_32": (-882.54, 9.82)}
DENSE = {
    "mnist": (-244.81, 12.96),
    "fashion_mnist": (-252.49, 6.03),
    "celeba_32": (-1222.85, 7.73),
}
CONV = {"celeba_32": (-1325.13, 4.14)}
# Short budgets: of mixtures, of those over faces, of ours, and of the paper's networks.
SHORT_BUDGETS: dict[str, dict[str, Any]] = {
    "mixture": {},
    "faces": {"n_components": 100, "max_iter": 15},
    "network": {"max_steps": 2_500},
    "paper": {"max_steps": 1_500, "batch_size": 64, "lr": 4e-4},
}
FULL_STEPS = 60_000
# Rows of one fit.
BASELINE = ("mfa-released", "mfa")


def _published(table: dict[str, tuple[float, float]]) -> dict[str, dict[str, float]]:
    return {
        "nll_1e-10": {name: nll for name, (nll, _) in table.items()},
        "sse": {name: sse for name, (_, sse) in table.items()},
    }


def _says(make: Make, *, holed: bool = False) -> Run:
    """A row that fits a model of its own."""

    def run(task: PatchTask, seed: int) -> Says:
        model = make(task, seed)
        return model.fit(task.holed if holed else task.train).conditional

    return run


def _mixture(**changes: Any) -> Make:
    def make(task: PatchTask, seed: int) -> MFADensity:
        colour = task.train.shape[1] == 3
        budget: dict[str, Any] = {}
        if task.short:
            budget = SHORT_BUDGETS["faces" if colour else "mixture"]
        words = {**budget, "device": best_device(), "random_state": seed, **changes}
        return MFADensity.published("faces" if colour else "digits", **words)

    return make


def _baseline(*, released: bool) -> Run:
    """The public baseline's mixture, with its conditional law or the exact one.

    Its steps are exact in both rows. The baseline's are not, but beside densities of hundreds of
    pixels weights hardly count (docs/choices.md, "Closed forms").
    """

    def run(task: PatchTask, seed: int) -> Says:
        if ("baseline", seed) not in task.kept:
            task.kept["baseline", seed] = _mixture()(task, seed).fit(task.train)
        model = task.kept["baseline", seed]

        def says(pictures: np.ndarray) -> Any:
            return model.set_params(released=released).conditional(pictures)

        return says

    return run


def _network(task: PatchTask, seed: int, **changes: Any) -> DMFADensity:
    """Ours: patches and cells of any size are hidden in training."""
    budget = SHORT_BUDGETS["network"] if task.short else {"max_steps": FULL_STEPS}
    return DMFADensity(**{**budget, "device": best_device(), "random_state": seed, **changes})


def _one_size(task: PatchTask, seed: int) -> DMFADensity:
    """The same network, trained on patches of the paper's size alone."""
    return _network(task, seed, hide=SquareMask(task.side))


def _paper(**changes: Any) -> Make:
    """The paper's networks and settings; smaller and shorter where the budget is short."""

    def make(task: PatchTask, seed: int) -> DMFADensity:
        words: dict[str, Any] = {"device": best_device(), "random_state": seed}
        if task.short:
            words |= SHORT_BUDGETS["paper"]
        faces = task.train.shape[1] == 3
        return DMFADensity.published("faces" if faces else "digits", **{**words, **changes})

    return make


def _dense(task: PatchTask, seed: int) -> DMFADensity:
    return _paper(**({"last_channels": 4} if task.short else {}))(task, seed)


def _full_conv(task: PatchTask, seed: int) -> DMFADensity:
    changes = {"network": "full-conv", "mse_weight": 1.0, "mse_share": 0.2, "noise_floor": 1e-3}
    return _paper(**changes)(task, seed)


def _rows(faces: bool) -> tuple[Row, ...]:
    def mixture(key: str, label: str, run: Run, **words: Any) -> Row:
        """A mixture; over faces it is smaller and shorter where the budget is short."""
        size = ("{n_components} components, {max_iter} steps").format(**SHORT_BUDGETS["faces"])
        return Row(key, label, run, quick=(f"{label}, {size}", run) if faces else None, **words)

    independent = _mixture(n_components=1, rank=0, noise="diagonal", start="clusters")
    return (
        Row("mean", "mean and variance of each pixel", _says(independent), random=False),
        Row("gaussian", "one Gaussian of rank 50", _says(
            _mixture(n_components=1, rank=50, noise="diagonal", start="clusters"))),
        mixture("mfa-released", "MFA as released", _baseline(released=True),
            published=_published(MFA)),
        mixture("mfa", "MFA, the same with the exact law", _baseline(released=False)),
        mixture("mfa-diagonal", "MFA, noise of each pixel", _says(_mixture(noise="diagonal"))),
        mixture("mfa-incomplete", "MFA, noise of each pixel, half of the pixels missing in "
            "training", _says(_mixture(noise="diagonal", prior_rows=0.3), holed=True)),
        Row("dmfa-dense", "DMFA as published", _says(_dense),
            quick=("DMFA as published, 4 last channels, 1 500 steps of 64, rate 4e-4",
                   _says(_dense)),
            published=_published(DENSE)),
        Row("dmfa-full-conv", "DMFA as published, fully convolutional", _says(_full_conv),
            quick=("DMFA as published, fully convolutional, 1 500 steps of 64, rate 4e-4",
                   _says(_full_conv)),
            published=_published(CONV)),
        Row("dmfa-one-size", "ours: DMFA, trained on one size of patches",
            _says(_one_size)),
        Row("dmfa", "ours: DMFA", _says(_network)),
        Row("dmfa-incomplete", "ours: DMFA, half of the pixels missing in training",
            _says(_network, holed=True)),
    )  # fmt: skip


def _experiment(name: str, what: str, table: str) -> Experiment:
    faces = table == "celeba_32"
    return Experiment(
        name=name,
        title=f"Law of a missing patch of {what}, pixels in [0, 1]",
        tables=(table,),
        rows=tuple(replace(row, alone=row.key not in BASELINE) for row in _rows(faces)),
        metrics=METRICS,
        settings=(("patches", FULL),),
        quick_settings=(("patches", SHORT_FACES if faces else SHORT),),
        make=make_patches,
        score=patch_scores,
        n_seeds=3,
        quick_seeds=1,
        shares=True,
    )


DMFA_MNIST = _experiment("dmfa-mnist", "digits", "mnist")
DMFA_FASHION = _experiment("dmfa-fashion", "garments", "fashion_mnist")
DMFA_CELEBA = _experiment("dmfa-celeba", "faces of 32 x 32", "celeba_32")
