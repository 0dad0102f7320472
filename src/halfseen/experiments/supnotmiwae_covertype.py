"""Classes of forest cover from columns that hide their high values.

The supervised half of "sup-not-MIWAE", by the recipe of its released notebook: every cell is seen
with probability sigmoid(-3 x + b), x standardised by the complete training rows and b chosen for
a total rate of 30 %, on training and test rows apart. Methods get the holed table in original
units and standardise by what they see.

The usual table is the balanced subset of 15 120 rows: another task than the published 20 000
rows of the unbalanced file, so that nothing published stands beside it. ``--tables full`` draws
the published rows. The published heads were all linear, trained for 100 epochs; published values
stand beside rows with such heads only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from halfseen.datasets import load_covertype
from halfseen.experiments.design import Experiment, Row, Run
from halfseen.experiments.supervised import (
    CLASS_METRICS,
    TABLE_GENERATORS,
    Budget,
    Split,
    class_scores,
    expected,
    filled,
    hide_high,
    mice,
    probabilities,
    sup,
)
from halfseen.methods.completed import CompletedClassifier
from halfseen.methods.expected import ExpectedClassifier
from halfseen.methods.filled import FilledClassifier
from halfseen.methods.sup_miwae import SupMIWAEClassifier
from halfseen.methods.sup_not_miwae import SupNotMIWAEClassifier

__all__ = ["SUPNOTMIWAE_COVERTYPE", "make_split"]

BUDGETS = {"full budget": Budget(), "short budget": Budget(2_000, 3_000, 200, n_members=1)}
# Heads that see numbers in bins, and which cells are missing: what trees do by themselves. Nearly
# all binary columns show one value only, so that there a hole is all that tells of the others.
BINS: dict[str, Any] = {
    "n_bins": 32,
    "add_indicator": True,
    "hidden": (256, 256),
    "dropout": 0.5,
    "weight_decay": 0.1,
}
SAMPLED = BINS | {"n_importance": 4}


def make_split(
    table: str, protocol: str, units: str, seed: int, data: str | Path | None = None
) -> Split:
    """Forest cover with holes, 70 % to learn from and 30 % to predict.

    Parameters
    ----------
    table : {"subset", "full"}
        15 120 balanced rows from a local file, or 20 000 rows drawn from OpenML's table.
    protocol : {"mnar"}
        High values of all columns are hidden.
    units : {"full budget", "short budget"}
        Training steps.
    seed : int
        Of the split and of the holes.
    data : str or Path, optional
        Folder of the tables.

    Returns
    -------
    Split
    """
    frame = load_covertype(data, full=table == "full")
    x, y = frame.iloc[:, :-1].astype(float), frame.iloc[:, -1].to_numpy()
    train, test, y_train, y_test = train_test_split(
        x, y, test_size=0.3, stratify=y, random_state=seed
    )
    shift, scale = train.mean(), train.std(ddof=0).replace(0.0, 1.0)
    rng = np.random.default_rng(seed)
    holed = [_holed(part, shift, scale, rng) for part in (train, test)]
    return Split(
        holed[0], y_train, holed[1], y_test, train, test, TABLE_GENERATORS, BUDGETS[units]
    )


def _holed(
    part: pd.DataFrame, shift: pd.Series, scale: pd.Series, rng: np.random.Generator
) -> pd.DataFrame:
    return part.mask(hide_high(((part - shift) / scale).to_numpy(), rng))


def _regression_after(*steps: Any) -> Any:
    return make_pipeline(*steps, StandardScaler(), LogisticRegression(max_iter=1_000))


def _mice_lr(**settings: Any) -> Any:
    return probabilities(lambda task, seed: _regression_after(mice(seed, **settings)))


def _boosting(task: Split, seed: int) -> Any:
    return HistGradientBoostingClassifier(random_state=seed)


def _slow_boosting(task: Split, seed: int) -> Any:
    return HistGradientBoostingClassifier(learning_rate=0.05, max_iter=300, random_state=seed)


def _completed(task: Split, seed: int) -> CompletedClassifier:
    return CompletedClassifier(
        estimator=_slow_boosting(task, seed),
        generator=task.generator("not-miwae", seed),
        random_state=seed,
    )


def _latent(method: type, generator: str, **settings: Any) -> Run:
    return probabilities(sup(method, generator, **settings))


def _expected(**settings: Any) -> Run:
    return probabilities(expected(ExpectedClassifier, "mfa", **settings))


def _published(accuracy: float, auc: float) -> dict[str, dict[str, float]]:
    return {"accuracy": {"full": accuracy}, "auc": {"full": auc}}


ROWS = (
    Row("prior", "class shares", probabilities(lambda task, seed: DummyClassifier())),
    Row(
        "zero-lr",
        "zero fill + logistic regression",
        probabilities(
            lambda task, seed: _regression_after(
                SimpleImputer(strategy="constant", fill_value=0.0)
            )
        ),
    ),
    Row(
        "mean-lr",
        "mean + logistic regression",
        probabilities(lambda task, seed: _regression_after(SimpleImputer())),
        published=_published(0.5405, 0.7927),
    ),
    Row(
        "mice-lr",
        "MICE + logistic regression",
        _mice_lr(max_iter=10),
        quick=(
            "MICE, 3 rounds on 10 features each, + logistic regression",
            _mice_lr(max_iter=3, n_nearest_features=10),
        ),
        published=_published(0.5425, 0.7842),
    ),
    Row(
        "two-stage",
        "two stages: not-MIWAE, then MLP",
        _latent(SupNotMIWAEClassifier, "not-miwae", strategy="single"),
    ),
    Row(
        "two-stage-linear",
        "two stages: not-MIWAE, then softmax regression",
        _latent(SupNotMIWAEClassifier, "not-miwae", strategy="single", head="linear"),
        published=_published(0.5445, 0.7844),
    ),
    Row("zero-mlp", "zero fill + MLP", probabilities(filled(FilledClassifier, "zero"))),
    Row("mean-mlp", "mean + MLP", probabilities(filled(FilledClassifier, "mean"))),
    Row("hgb", "histogram gradient boosting with NaN", probabilities(_boosting)),
    Row("hgb-slow", "the same, 300 rounds at rate 0.05", probabilities(_slow_boosting)),
    Row(
        "completed",
        "boosting, 300 rounds at rate 0.05, on 10 draws of not-MIWAE",
        probabilities(_completed),
    ),
    Row(
        "channels",
        "channels: cells, constants, mask",
        probabilities(filled(FilledClassifier, "channels")),
    ),
    Row("expected", "expected activations, 8 factor analysers", _expected()),
    Row(
        "expected-mask",
        "expected activations and mask",
        _expected(add_indicator=True),
    ),
    Row(
        "sup-miwae",
        "supMIWAE, joint",
        _latent(SupMIWAEClassifier, "miwae"),
    ),
    Row(
        "sup-miwae-linear",
        "supMIWAE, joint, linear head",
        _latent(SupMIWAEClassifier, "miwae", head="linear"),
        published=_published(0.5970, 0.8666),
    ),
    Row(
        "sup-miwae-frozen",
        "supMIWAE, generator frozen",
        _latent(SupMIWAEClassifier, "miwae", strategy="frozen"),
    ),
    Row(
        "sup-not-miwae",
        "sup-not-MIWAE, joint",
        _latent(SupNotMIWAEClassifier, "not-miwae"),
    ),
    Row(
        "sup-not-miwae-linear",
        "sup-not-MIWAE, joint, linear head",
        _latent(SupNotMIWAEClassifier, "not-miwae", head="linear"),
        published=_published(0.5690, 0.7998),
    ),
    Row(
        "sup-not-miwae-frozen",
        "sup-not-MIWAE, generator frozen",
        _latent(SupNotMIWAEClassifier, "not-miwae", strategy="frozen"),
    ),
    Row(
        "oracle",
        "oracle: MLP on complete rows",
        probabilities(filled(FilledClassifier, "zero"), complete=True),
    ),
    Row(
        "oracle-linear",
        "oracle: softmax regression on complete rows",
        probabilities(filled(FilledClassifier, "zero", head="linear"), complete=True),
        published=_published(0.7123, 0.9306),
    ),
    Row(
        "oracle-hgb",
        "oracle: gradient boosting on complete rows",
        probabilities(_boosting, complete=True),
    ),
    Row(
        "two-stage-bins",
        "two stages, bins and mask",
        _latent(SupNotMIWAEClassifier, "not-miwae", strategy="single", **BINS),
    ),
    Row(
        "channels-bins",
        "channels, bins",
        probabilities(filled(FilledClassifier, "channels", **BINS)),
    ),
    Row("expected-bins", "expected activations, bins and mask", _expected(**BINS)),
    Row(
        "sup-miwae-bins",
        "supMIWAE, joint, bins and mask",
        _latent(SupMIWAEClassifier, "miwae", **SAMPLED),
    ),
    Row(
        "sup-not-miwae-bins",
        "sup-not-MIWAE, joint, bins and mask",
        _latent(SupNotMIWAEClassifier, "not-miwae", **SAMPLED),
    ),
    Row(
        "sup-not-miwae-frozen-bins",
        "sup-not-MIWAE, generator frozen, bins and mask",
        _latent(SupNotMIWAEClassifier, "not-miwae", strategy="frozen", **SAMPLED),
    ),
    Row(
        "oracle-bins",
        "oracle: MLP with bins on complete rows",
        probabilities(filled(FilledClassifier, "zero", **BINS), complete=True),
    ),
)

SUPNOTMIWAE_COVERTYPE = Experiment(
    name="supnotmiwae-covertype",
    title="Forest cover (local balanced subset: 15 120 rows), 30 % missing not at random",
    tables=("subset", "full"),
    rows=ROWS,
    metrics=CLASS_METRICS,
    settings=(("mnar", "full budget"),),
    quick_settings=(("mnar", "short budget"),),
    make=make_split,
    score=class_scores,
    usual_tables=("subset",),
    random_masks=("mnar",),
    shares=True,
)
