"""Pictures with their label as a text, either of which may be absent: Table 10 of the VSAE paper.

The error of a picture is summed over its pixels there, unlike that of pairs; so it is here. A
quarter of the rows lacks both: the best answer for their text is wrong nine times in ten, which
is in the paper's share of wrong texts. The main errors are over rows that show the other half.

The paper trains for 1000 epochs. On "all pictures" the models in its settings take 15 000 steps of
64 rows, 20 epochs, and keep their best state by rows held back.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from halfseen.datasets import load_image_text
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
from halfseen.experiments.vsae_models import Outcome
from halfseen.experiments.vsae_published import IMAGE_TEXT
from halfseen.metrics import mse_by_modality, rows_by_company

__all__ = ["VSAE_IMAGE_TEXT", "image_text_scores", "make_image_text"]

TABLES = ("mnist", "fashion_mnist")
FULL, SHORT = "all pictures", "6 000 training pictures, short budget"
COUNTS: dict[str, tuple[int | None, int | None]] = {FULL: (None, None), SHORT: (6_000, 2_000)}
SETTINGS: dict[str, dict[str, Any]] = {FULL: {}, SHORT: {"max_steps": 2_500}}


def make_image_text(
    table: str, protocol: str, units: str, seed: int, data: str | Path | None = None
) -> ModalTask:
    """Pictures and texts, some absent.

    Parameters
    ----------
    table : {"mnist", "fashion_mnist"}
        Which pictures.
    protocol : {"mcar-0.5"}
        Probability to be absent.
    units : {"all pictures", "6 000 training pictures, short budget"}
        How many, and how long models are trained.
    seed : int
        Of the split and the holes.
    data : str or Path, optional
        Folder of the pictures.

    Returns
    -------
    ModalTask
    """
    n_train, n_test = COUNTS[units]
    rows = load_image_text(data, dataset=table, n_train=n_train, n_test=n_test, random_state=seed)
    return make_modal_task(rows, float(protocol[len("mcar-") :]), seed, SETTINGS[units])


def _errors(task: ModalTask, rows: Rows) -> dict[str, float]:
    pictures = {"image": task.truth["image"]}
    found = mse_by_modality(pictures, rows, task.s_test)
    pixels = pictures["image"][0].size
    wrong = np.array(task.truth["text"], dtype=object) != np.array(rows["text"], dtype=object)
    parts = rows_by_company("text", task.s_test)
    ends = {"other_seen": "_other_seen", "none_seen": "_none_seen", "all": ""}
    errors = {f"image{end}": pixels * found[part]["image"] for part, end in ends.items()}
    shares = {
        f"text{end}": float(wrong[parts[part]].mean()) if parts[part].any() else float("nan")
        for part, end in ends.items()
    }
    return errors | shares


def image_text_scores(task: ModalTask, answer: Outcome) -> dict[str, float]:
    """Squared errors of absent pictures, summed over pixels, and shares of wrong absent texts."""
    return errors_of(task, answer, _errors)


def published(key: str) -> dict[str, Mapping[str, float]]:
    """Table 10 by metric: over all rows, whatever the number of decodings."""
    values = IMAGE_TEXT[key]
    return {f"{name}{end}": v for name, v in values.items() for end in ("", "_single")}


ROWS = (
    Row("mean", "mean picture, commonest text", means),
    Row("class-mean", "oracle: mean picture and text of the true class", class_means),
    Row("knn", "KNN, 20 neighbours", neighbours),
    *model_rows("images", published),
)

_ERRORS = {
    "image_other_seen": "squared error of a picture, rows with a text",
    "text_other_seen": "share of wrong texts, rows with a picture",
    "image": "squared error of a picture",
    "text": "share of wrong texts",
    "image_none_seen": "squared error of a picture, rows without a text",
    "text_none_seen": "share of wrong texts, rows without a picture",
}
_TOLERANCE = {"image": 2.0, "text": 0.02}


def _metrics(end: str, words: str) -> tuple[Metric, ...]:
    return tuple(
        Metric(f"{key}{end}", f"{label}; {words}", _TOLERANCE[key.split("_")[0]])
        for key, label in _ERRORS.items()
    )


VSAE_IMAGE_TEXT = Experiment(
    name="vsae-image-text",
    title="Absent pictures and texts",
    tables=TABLES,
    rows=ROWS,
    metrics=(
        *_metrics("", "mean decoding"),
        *_metrics("_single", "one decoding"),
        Metric("mask_rate", "share of absent halves in generated masks", 0.02),
    ),
    settings=(("mcar-0.5", FULL),),
    quick_settings=(("mcar-0.5", SHORT),),
    make=make_image_text,
    score=image_text_scores,
    random_masks=("mcar-0.5",),
    n_seeds=3,
    quick_seeds=1,
)
