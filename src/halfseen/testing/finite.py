"""Whatever the numbers in a table: answers are finite, or the package says why there are none."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_regressor

from halfseen.errors import HalfseenError
from halfseen.testing.parts import fresh
from halfseen.testing.tables import some_labels

__all__ = ["finite_answers"]

# What is asked of a fitted estimator beside transform, with the arguments that keep it short.
VERBS: dict[str, dict[str, Any]] = {
    "sample": {"n_draws": 2},
    "quantile": {"q": 0.9},
    "score_samples": {},
    "diagnostics": {},
}
LABEL_VERBS = ("predict_proba", "predict", "predict_interval")


def finite_answers(
    estimator: Any, table: pd.DataFrame, seed: int = 0, *, later: pd.DataFrame | None = None
) -> dict[str, str]:
    """Fit an estimator to a table and ask it everything that it answers.

    Parameters
    ----------
    estimator : imputer, classifier or regressor
        Unfitted; it is not changed.
    table : DataFrame
        With holes.
    seed : int, default=0
        Of the estimator.
    later : DataFrame, optional
        Rows to be answered beside those of ``table``.

    Returns
    -------
    dict of str to str
        What was refused, ``fit`` or a verb, and the package's reason; empty where all was
        answered.

    Raises
    ------
    AssertionError
        When an answer holds a number that is not finite, or a seen cell has changed.

    Examples
    --------
    >>> from halfseen import MeanImputer
    >>> from halfseen.testing.hard_tables import hard_table
    >>> finite_answers(MeanImputer(), hard_table("Cauchy"))
    {}
    """
    predicts = is_classifier(estimator) or is_regressor(estimator)
    copy, refused = fresh(estimator, seed), {}
    try:
        fitted = copy.fit(table, _labels(estimator, table)) if predicts else copy.fit(table)
    except HalfseenError as error:
        return {"fit": str(error)}
    for verb in LABEL_VERBS if predicts else ("transform", *VERBS, "generate"):
        if not hasattr(fitted, verb):
            continue
        for rows in (table,) if later is None or verb == "generate" else (table, later):
            try:
                _check_answers(fitted, verb, rows)
            except HalfseenError as error:
                refused[verb] = str(error)
    return refused


def _check_answers(fitted: Any, verb: str, rows: pd.DataFrame) -> None:
    for answer in _answers(fitted, verb, rows):
        _assert_finite(verb, answer)
        if verb in ("transform", "sample", "quantile"):
            _assert_kept(verb, rows, answer)


def _labels(estimator: Any, table: pd.DataFrame) -> np.ndarray:
    """Labels on the ranks of the first column, which no scale can upset."""
    ranks = table.iloc[:, :1].rank().to_numpy(float)
    middle = np.nanmean(ranks) if len(ranks) else 0.0
    return some_labels(ranks - middle, is_classifier(estimator))


def _answers(fitted: Any, verb: str, table: pd.DataFrame) -> Iterator[Any]:
    """Answers of one verb, table by table."""
    method = getattr(fitted, verb)
    if verb == "generate":
        yield method(5)
        return
    settings = VERBS.get(verb, {})
    known = inspect.signature(method).parameters
    answer = method(table, **{k: v for k, v in settings.items() if k in known})
    yield from answer if isinstance(answer, list) else [answer]


def _assert_finite(verb: str, answer: Any) -> None:
    frame = pd.DataFrame(answer)
    missing = frame.isna().any()
    assert not missing.any(), f"{verb} left NaN in {list(frame.columns[missing])}."
    numbers = frame.select_dtypes("number").to_numpy(float)
    # A Pareto k of infinity says that there are too few samples to tell.
    free = frame.columns.isin(["pareto_k"]) if verb == "diagnostics" else []
    finite = np.isfinite(numbers).all(0)
    finite[np.flatnonzero(free)] = True
    assert finite.all(), f"{verb} gave an infinite number."


def _assert_kept(verb: str, table: pd.DataFrame, answer: pd.DataFrame) -> None:
    for name in table.columns:
        seen = table[name].notna().to_numpy()
        before, after = table[name].array[seen], answer[name].array[seen]
        assert (before == after).all(), f"{verb} changed seen cells of {name!r}."
