"""Words, voices and faces of film reviewers, any of them absent: Table 11 of the VSAE paper.

The features are others than the paper's, so its numbers are of another scale, and stand beside
ours for completeness only. Columns are standardised by the complete training rows before
modalities are left out. The main error is in these units, where the mean scores about 1; columns
that do not vary in training do not count in it. The raw error is in the units of the file.

The paper trains for 1000 epochs. In the "full budget" the models in its settings take 15 000 steps
of 64 rows, about 800 epochs, and keep their best state by rows held back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from halfseen.datasets import load_mosi
from halfseen.experiments.design import Experiment, Metric, Row
from halfseen.experiments.vsae_modalities import (
    ModalTask,
    Rows,
    class_means,
    errors_of,
    make_modal_task,
    means,
    model_rows,
    neighbours,
)
from halfseen.experiments.vsae_models import Outcome, decoded
from halfseen.experiments.vsae_published import MOSI
from halfseen.methods.miwae import MIWAEImputer
from halfseen.metrics import mse_by_modality

__all__ = ["VSAE_MOSI", "make_utterances", "utterance_scores"]

MODALITIES = ("text", "audio", "video")
FULL, SHORT = "full budget", "short budget"
SETTINGS: dict[str, dict[str, Any]] = {FULL: {}, SHORT: {"max_steps": 2_000}}


def make_utterances(
    table: str, protocol: str, units: str, seed: int, data: str | Path | None = None
) -> ModalTask:
    """Utterances, some of whose modalities are absent.

    Parameters
    ----------
    table : {"cmu_mosi"}
        The corpus.
    protocol : {"mcar-0.5"}
        Probability of a modality to be absent.
    units : {"full budget", "short budget"}
        How long models are trained.
    seed : int
        Of the validation part and the holes.
    data : str or Path, optional
        Folder of the features.

    Returns
    -------
    ModalTask
    """
    rows = load_mosi(data, random_state=seed)
    learn = {name: np.concatenate([rows.train[name], rows.valid[name]]) for name in MODALITIES}
    shifts = {name: x.mean(0, dtype=float) for name, x in learn.items()}
    scales = {name: np.where(np.ptp(x, axis=0) > 0, x.std(0, dtype=float), 0.0)
              for name, x in learn.items()}  # fmt: skip
    parts = [_standard(part, shifts, scales) for part in (rows.train, rows.valid, rows.test)]
    scaled = replace(rows, train=parts[0], valid=parts[1], test=parts[2])
    task = make_modal_task(scaled, float(protocol[len("mcar-") :]), seed, SETTINGS[units])
    return replace(task, scales=scales)


def _standard(
    rows: Rows, shifts: Mapping[str, np.ndarray], scales: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    return {
        name: ((rows[name] - shifts[name]) / np.where(scale > 0, scale, 1)).astype(np.float32)
        for name, scale in scales.items()
    }


def _errors(task: ModalTask, rows: Rows) -> dict[str, float]:
    varying = [
        {name: part[name][:, scale > 0] for name, scale in task.scales.items()}
        for part in (task.truth, rows)
    ]
    found = mse_by_modality(varying[0], varying[1], task.s_test)
    unscaled = [
        {name: part[name] * np.where(scale > 0, scale, 1) for name, scale in task.scales.items()}
        for part in (task.truth, rows)
    ]
    raw = mse_by_modality(unscaled[0], unscaled[1], task.s_test)["all"]
    combined = {
        "combined_other_seen": found["other_seen"]["combined"],
        "combined": found["all"]["combined"],
    }
    by_name = {f"{name}_other_seen": found["other_seen"][name] for name in MODALITIES}
    return combined | by_name | {f"{name}_raw": raw[name] for name in MODALITIES}


def utterance_scores(task: ModalTask, answer: Outcome) -> dict[str, float]:
    """Squared errors of absent modalities, in variances of the columns and as they are."""
    return errors_of(task, answer, _errors)


def _miwae(task: ModalTask, seed: int) -> Outcome:
    """All features as the columns of one table."""
    imputer = MIWAEImputer(**task.settings, random_state=seed)
    imputer.fit(np.concatenate([task.learn[name] for name in MODALITIES], 1))
    holed = np.concatenate([task.test[name] for name in MODALITIES], 1)
    ends = np.cumsum([task.test[name].shape[1] for name in MODALITIES])[:-1]
    filled, single = (
        dict(zip(MODALITIES, np.split(x, ends, axis=1), strict=True))
        for x in (imputer.transform(holed), decoded(imputer, holed, 1))
    )
    return Outcome(filled, single)


def published(key: str) -> dict[str, Mapping[str, float]]:
    """Table 11 by metric, whatever the number of decodings."""
    values = dict(zip(MODALITIES, MOSI[key], strict=True))
    return {
        f"{name}_raw{end}": {"cmu_mosi": value}
        for name, value in values.items()
        for end in ("", "_single")
    }


ROWS = (
    Row("mean", "mean", means),
    Row("class-mean", "oracle: mean of the true sentiment", class_means),
    Row("knn", "KNN, 20 neighbours", neighbours),
    Row("miwae", "ours: MIWAE", _miwae),
    *model_rows("numeric", published),
)

_ERRORS = {
    "combined_other_seen": "sum of MSE in variances, rows with another modality seen",
    "combined": "sum of MSE in variances",
    **{f"{name}_other_seen": f"MSE of {name} in variances, another seen" for name in MODALITIES},
    **{f"{name}_raw": f"MSE of {name}; published: other features" for name in MODALITIES},
}

VSAE_MOSI = Experiment(
    name="vsae-mosi",
    title="Absent words, voices and faces of utterances",
    tables=("cmu_mosi",),
    rows=ROWS,
    metrics=(
        *(Metric(key, f"{label}; mean decoding") for key, label in _ERRORS.items()),
        *(Metric(f"{key}_single", f"{label}; one decoding") for key, label in _ERRORS.items()),
        Metric("mask_rate", "share of absent modalities in generated masks", 0.02),
    ),
    settings=(("mcar-0.5", FULL),),
    quick_settings=(("mcar-0.5", SHORT),),
    make=make_utterances,
    score=utterance_scores,
    random_masks=("mcar-0.5",),
    n_seeds=3,
    quick_seeds=1,
)
