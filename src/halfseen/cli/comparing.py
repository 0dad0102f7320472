"""How well a target is predicted: on held-out rows, beside a constant and gradient boosting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from halfseen.cli.targets import Labelled
from halfseen.errors import SettingError

if TYPE_CHECKING:
    from halfseen.tables.codec import TableCodec

__all__ = ["compare"]

SHARE, FEWEST, COVERAGE = 0.2, 20, 0.9
# Categories that gradient boosting can split by.
MOST_LEVELS = 255

Scores = dict[str, dict[str, float]]


def compare(estimator: Any, labelled: Labelled, seed: int) -> Scores:
    """Scores on a fifth of the rows that have a label, by row and measure.

    Parameters
    ----------
    estimator : classifier or regressor
        A copy of it is fitted to the other rows, those without a label too.
    labelled : Labelled
        All rows.
    seed : int
        Of the rows that are held out, and of gradient boosting.

    Returns
    -------
    dict of str to dict of str to float
        ``model``; ``most frequent`` (with the shares of the classes) or ``mean``; ``gradient
        boosting``, with NaN where a cell is missing. Classes are scored by accuracy, log-loss
        and expected calibration error, numbers by RMSE and the coverage of 90 % intervals.
    """
    from sklearn.base import clone

    from halfseen.tables.codec import TableCodec

    if labelled.n_known < FEWEST:
        raise SettingError(
            f"Got {labelled.n_known} rows with {labelled.y.name!r}. Expected at least {FEWEST} "
            "for --evaluate."
        )
    held = _held_out(labelled, seed)
    train = labelled.take(np.flatnonzero(~held))
    test = labelled.take(np.flatnonzero(held))
    codec = TableCodec().fit(labelled.table, labelled.kinds, keep_empty_features=True)
    model = _with_kinds(clone(estimator), codec, labelled.kinds or {})
    model.fit(train.table, train.y)
    matrix = codec.encode(labelled.table).values
    categorical = [c.categorical and c.width <= MOST_LEVELS for c in codec.spec.columns]
    known = ~held & labelled.known
    parts = matrix[known], labelled.y[known], matrix[held]
    if labelled.task == "classification":
        return _classes(model, test, parts, categorical, seed)
    return _numbers(model, test, parts, categorical, seed)


def _held_out(labelled: Labelled, seed: int) -> np.ndarray:
    """Rows that are held out: of each class alike, where there are enough of it."""
    rng = np.random.default_rng(seed)
    held = np.zeros(len(labelled.y), dtype=bool)
    groups = [np.flatnonzero(labelled.known)]
    if labelled.task == "classification":
        groups = [
            np.flatnonzero((labelled.y == label).to_numpy()) for label in _classes_of(labelled)
        ]
    for rows in groups:
        count = min(int(SHARE * len(rows) + rng.random()), len(rows) - 1)
        held[rng.permutation(rows)[:count]] = True
    if not held.any():
        raise SettingError(
            f"Got too few rows of each class of {labelled.y.name!r} to hold some out. Expected "
            "a few tens for --evaluate."
        )
    return held


def _classes_of(labelled: Labelled) -> list[Any]:
    return list(dict.fromkeys(labelled.y[labelled.known]))


def _with_kinds(model: Any, codec: TableCodec, said: Mapping[str, Any]) -> Any:
    """The estimator told which columns hold numbers: in fewer rows they may look otherwise."""
    numbers = {c.name: c.kind for c in codec.spec.columns if c.kind in ("count", "continuous")}
    names = [n for n in model.get_params() if n == "kinds" or n.endswith("__kinds")]
    kinds = {**numbers, **said}
    return model.set_params(**{name: kinds for name in names}) if names else model


Parts = tuple[np.ndarray, Any, np.ndarray]


def _classes(
    model: Any, test: Labelled, parts: Parts, categorical: list[bool], seed: int
) -> Scores:
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import HistGradientBoostingClassifier

    x, labels, x_test = parts
    classes = model.classes_
    code = {label: i for i, label in enumerate(classes.tolist())}
    y = np.array([code[label] for label in labels])
    truth = np.array([code.get(label, -1) for label in test.y])
    prior = DummyClassifier().fit(x, y)
    scores = {
        "model": model.predict_proba(test.table),
        "most frequent": prior.predict_proba(x_test),
    }
    if len(classes) > 1:
        boosting = HistGradientBoostingClassifier(
            categorical_features=categorical, random_state=seed
        )
        scores["gradient boosting"] = boosting.fit(x, y).predict_proba(x_test)
    return {name: _class_scores(truth, proba) for name, proba in scores.items()}


def _class_scores(truth: np.ndarray, proba: np.ndarray) -> dict[str, float]:
    """Scores of codes; -1, a class that no training row had, is always wrong."""
    from halfseen.metrics import expected_calibration_error

    padded = np.column_stack([proba, np.zeros(len(proba))])
    own = padded[np.arange(len(truth)), truth]
    classes = [*range(proba.shape[1]), -1]
    return {
        "accuracy": float((proba.argmax(1) == truth).mean()),
        "log-loss": float(-np.log(np.maximum(own, np.finfo(np.float32).eps)).mean()),
        "calibration error": expected_calibration_error(truth, padded, classes=classes),
    }


def _numbers(
    model: Any, test: Labelled, parts: Parts, categorical: list[bool], seed: int
) -> Scores:
    from sklearn.ensemble import HistGradientBoostingRegressor

    x, labels, x_test = parts
    y, truth = labels.to_numpy(dtype=float), test.y.to_numpy(dtype=float)
    boosting = HistGradientBoostingRegressor(categorical_features=categorical, random_state=seed)
    low, high = model.predict_interval(test.table, COVERAGE).T
    covered = float(((low <= truth) & (truth <= high)).mean())
    coverage = f"coverage of {COVERAGE:.0%}"
    return {
        "model": {"RMSE": _rmse(truth, model.predict(test.table)), coverage: covered},
        "mean": {"RMSE": _rmse(truth, np.full(len(truth), y.mean()))},
        "gradient boosting": {"RMSE": _rmse(truth, boosting.fit(x, y).predict(x_test))},
    }


def _rmse(truth: np.ndarray, predicted: np.ndarray) -> float:
    return float(np.sqrt(((truth - predicted) ** 2).mean()))
