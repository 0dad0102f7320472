"""Imputation of six UCI tables under self-masking: Table 1 of the not-MIWAE paper.

Ipsen, Mattei and Frellsen, "not-MIWAE: Deep Generative Modelling with Missing not at Random
Data" (ICLR 2021). Protocols: "hard" is theirs, "logistic-half" and "logistic-all" are softer.

Two conventions of units. In "published" ones a table is standardised by its complete data before
cells are hidden, so that 0 is the true mean; methods get it like that and do not scale again. In
"original" ones everything, scales included, is learned from seen cells. The error is in units of
complete data in both.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from halfseen.datasets import load_uci
from halfseen.errors import SettingError
from halfseen.estimators.amputation import ampute
from halfseen.experiments import fills
from halfseen.experiments.design import Experiment, Fill, Metric, Row, Task
from halfseen.methods.miwae import MIWAEImputer
from halfseen.methods.not_miwae import NotMIWAEImputer
from halfseen.metrics import rmse

__all__ = ["NOTMIWAE_UCI", "make_task"]

# Left out of each table. The paper does not say; the rows of the baselines match these choices.
DROPPED = {
    "banknote": ("class",),
    "concrete": (),
    "wine_red": ("quality",),
    "wine_white": ("quality",),
    "yeast": ("nuc", "class"),
    "breast_cancer_diagnostic": ("diagnosis",),
}
SLOPE = 2.0
QUICK_STEPS = 5_000


def make_task(
    table: str, protocol: str, units: str, seed: int, data: str | Path | None = None
) -> Task:
    """A table with holes.

    Parameters
    ----------
    table : str
        A UCI table.
    protocol : {"hard", "logistic-half", "logistic-all"}
        In the first half of the columns cells above the mean are hidden; or cells are hidden
        with probability sigmoid(2 x), in the first half or in all columns.
    units : {"published", "original"}
        See the module.
    seed : int
        Of the holes; "hard" has no randomness.
    data : str or Path, optional
        Folder of the tables.

    Returns
    -------
    Task
    """
    frame = load_uci(table, data).drop(columns=list(DROPPED[table]))
    raw = frame.to_numpy(dtype=float)
    shift, scale = raw.mean(0), raw.std(0)
    standard = (raw - shift) / scale
    seen = _seen(standard, protocol, seed)
    if units == "published":
        p = raw.shape[1]
        values = np.where(seen, standard, np.nan)
        return Task(values, standard, np.zeros(p), np.ones(p), own_scaler=False)
    if units != "original":
        raise SettingError(f"Got units={units!r}. Expected 'published' or 'original'.")
    return Task(np.where(seen, raw, np.nan), raw, shift, scale, own_scaler=True)


def _seen(standard: np.ndarray, protocol: str, seed: int) -> np.ndarray:
    half = list(range(standard.shape[1] // 2))
    if protocol == "hard":
        return ampute(standard, "self-masking-hard", columns=half, return_mask=True)[1]
    if protocol not in ("logistic-half", "logistic-all"):
        raise SettingError(
            f"Got protocol={protocol!r}. Expected 'hard', 'logistic-half' or 'logistic-all'."
        )
    gone = np.random.default_rng(seed).random(standard.shape) < _sigmoid(SLOPE * standard)
    if protocol == "logistic-half":
        gone[:, standard.shape[1] // 2 :] = False
    return ~gone


def _sigmoid(t: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * t))


def _score(task: Task, filled: np.ndarray) -> dict[str, float]:
    return {"rmse": rmse(task.standard(task.truth), task.standard(filled), task.s)}


def _published(*values: float) -> dict[str, dict[str, float]]:
    return {"rmse": dict(zip(DROPPED, values, strict=True))}


def _released(make: type, **settings: object) -> Fill:
    return fills.ours(make.released, **settings)  # type: ignore[attr-defined]


_SHORT = {"max_steps": QUICK_STEPS, "n_importance_predict": 1_000}
_KNOWN = {"mechanism": "self-masking", "direction": "high"}
_UNKNOWN = {"mechanism": "self-masking", "direction": "unknown"}

ROWS = (
    Row("zero", "zero (published units: true mean)", fills.zero, random=False),
    Row(
        "oracle",
        "oracle: true mean of the missing part",
        fills.true_mean_of_missing,
        random=False,
    ),
    Row(
        "mean",
        "mean",
        fills.mean,
        published=_published(1.73, 1.85, 1.83, 1.74, 1.69, 1.82),
        random=False,
    ),
    Row("knn", "KNN, 5 neighbours", fills.knn, random=False),
    Row(
        "mice",
        "MICE",
        fills.mice,
        published=_published(1.41, 1.70, 1.68, 1.41, 1.72, 1.17),
        random=False,
    ),
    Row(
        "missforest",
        "missForest",
        fills.missforest(),
        quick=("missForest, 20 trees, 3 rounds", fills.missforest(20, 3)),
        published=_published(1.28, 1.76, 1.64, 1.63, 1.66, 1.57),
    ),
    Row(
        "miwae-released",
        "MIWAE, released recipe",
        _released(MIWAEImputer),
        quick=("MIWAE, released, 5 000 steps", _released(MIWAEImputer, **_SHORT)),
        published=_published(1.19, 1.66, 1.62, 1.55, 1.72, 1.20),
    ),
    Row(
        "not-miwae-released",
        "not-MIWAE known sign, released recipe",
        _released(NotMIWAEImputer, **_KNOWN),
        quick=(
            "not-MIWAE known sign, released, 5 000 steps",
            _released(NotMIWAEImputer, **_KNOWN, **_SHORT),
        ),
        published=_published(0.74, 1.12, 1.07, 1.04, 1.38, 0.76),
    ),
    Row(
        "miwae",
        "ours: MIWAE",
        fills.ours(MIWAEImputer),
        quick=("ours: MIWAE, 2 000 steps", fills.ours(MIWAEImputer, max_steps=2_000)),
    ),
    Row("not-miwae-known", "ours: not-MIWAE, known sign", fills.ours(NotMIWAEImputer, **_KNOWN)),
    Row(
        "not-miwae-unknown",
        "ours: not-MIWAE, unknown sign",
        fills.ours(NotMIWAEImputer, **_UNKNOWN),
    ),
)

_UNITS = ("published", "original")

NOTMIWAE_UCI = Experiment(
    name="notmiwae-uci",
    title="RMSE of missing cells, six UCI tables under self-masking",
    tables=tuple(DROPPED),
    rows=ROWS,
    metrics=(Metric("rmse", "RMSE in standard deviations of the complete columns"),),
    settings=tuple((p, u) for p in ("hard", "logistic-half", "logistic-all") for u in _UNITS),
    quick_settings=(("hard", "published"), ("hard", "original")),
    make=make_task,
    score=_score,
    published_under=("hard", "published"),
    random_masks=("logistic-half", "logistic-all"),
)
