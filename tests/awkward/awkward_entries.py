"""Every public entry, as a function of one table that raises where something is wrong."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from awkward_cases import Case, numbers
from awkward_compare import assert_completed, assert_same, missing_cells
from awkward_labels import Labels, Later, fitted_on
from sklearn.exceptions import DataConversionWarning

from halfseen import FilledClassifier, FilledRegressor, MeanImputer, MIWAEImputer, ampute, load
from halfseen.errors import HalfseenError, HalfseenWarning
from halfseen.estimators.evaluation import evaluate
from halfseen.tables import describe

__all__ = ["Outcome", "label_outcomes", "later_outcomes", "outcomes"]

TINY = {"hidden": (8,), "max_steps": 3, "n_members": 1, "n_importance": 2}
MIWAE = {**TINY, "n_importance_predict": 8, "random_state": 0}
HEAD = {"hidden": (8,), "max_steps": 3, "random_state": 0}
Entry = Callable[[], None]


@dataclass(frozen=True)
class Outcome:
    """What became of one input at one entry.

    Parameters
    ----------
    entry : str
        Such as "mean.transform".
    error : str
        Class of the error, empty if it worked.
    message : str
        Its text.
    wrong : str
        Why this is not what was expected; empty if it is.
    """

    entry: str
    error: str = ""
    message: str = ""
    wrong: str = ""


def outcomes(case: Case, networks: bool = True) -> Iterator[Outcome]:
    """Run a case through every entry.

    Parameters
    ----------
    case : Case
        The input.
    networks : bool
        Whether methods with networks are run too.
    """
    groups = [_describe, _ampute, _evaluate, partial(_imputer, MeanImputer, "mean", {})]
    if networks:
        groups += [
            partial(_imputer, MIWAEImputer, "miwae", MIWAE),
            partial(_labelled, FilledClassifier, "classifier"),
            partial(_labelled, FilledRegressor, "regressor"),
        ]
    for group in groups:
        for name, entry in group(case).items():
            yield judge(case, name, entry)


def judge(case: Any, name: str, entry: Entry) -> Outcome:
    """Run one entry, and compare what happens with what the case expects."""
    words = case.words(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", HalfseenWarning)
        # Of scikit-learn, which demands it where y has a second axis.
        warnings.simplefilter("ignore", DataConversionWarning)
        try:
            entry()
        except Exception as error:
            return _refused(name, error, words)
    wrong = f"worked, but should say {words}" if words else ""
    return Outcome(name, wrong=wrong)


def _refused(name: str, error: Exception, words: tuple[str, ...]) -> Outcome:
    kind, message = type(error).__name__, str(error)
    wrong = ""
    if not isinstance(error, HalfseenError):
        wrong = f"{kind} is not an error of the package: {message[:300]}"
    elif not words:
        wrong = f"should work, but {kind}: {message[:300]}"
    else:
        absent = [word for word in words if word not in message]
        wrong = f"{kind} lacks {absent}: {message[:300]}" if absent else ""
    return Outcome(name, kind, message, wrong)


def _unchanged(case: Case, table: Any) -> None:
    """The input is as a fresh one."""
    fresh = case.make()
    if hasattr(table, "__next__") or isinstance(table, list):
        return
    assert_same(
        fresh,
        table if not isinstance(table, np.ndarray) else np.array(table),
        ~missing_cells(fresh),
    )
    np.testing.assert_array_equal(missing_cells(table), missing_cells(fresh))


class _Lazy:
    """A table and an estimator that is fitted to it once, when it is first needed."""

    def __init__(self, case: Case, make: Callable[[], Any]) -> None:
        self.case, self.make = case, make
        self.found: Any = None

    def __call__(self) -> tuple[Any, Any]:
        if self.found is None:
            table = self.case.make()
            self.found = table, self.make(table)
        return self.found


def _imputer(
    method: type, label: str, settings: Mapping[str, Any], case: Case
) -> dict[str, Entry]:
    lazy = _Lazy(case, lambda table: method(**settings, **case.settings).fit(table))

    def transform() -> None:
        table, fitted = lazy()
        answer = fitted.transform(table)
        assert_completed(table, answer)
        _unchanged(case, table)

    def sample() -> None:
        table, fitted = lazy()
        for draw in fitted.sample(table, n_draws=2):
            assert_completed(table, draw)

    def saved() -> None:
        table, fitted = lazy()
        with tempfile.TemporaryDirectory() as folder:
            fitted.save(Path(folder) / "m.halfseen")
            answer = load(Path(folder) / "m.halfseen").transform(table)
        assert_completed(table, answer)
        expected = fitted.transform(table)
        assert_same(expected, answer, np.ones(missing_cells(answer).shape, dtype=bool))

    def quantile() -> None:
        table, fitted = lazy()
        assert_completed(table, fitted.quantile(table, 0.9))

    def scores() -> None:
        table, fitted = lazy()
        found = fitted.score_samples(table)
        assert found.shape == (len(missing_cells(table)),)
        assert np.isfinite(found).all(), "a score is not finite"

    def diagnostics() -> None:
        table, fitted = lazy()
        found = fitted.diagnostics(table)
        np.testing.assert_array_equal(found["n_missing"], missing_cells(table).sum(1))
        if isinstance(table, pd.DataFrame):
            pd.testing.assert_index_equal(found.index, table.index)

    entries = {"transform": transform, "sample": sample, "save, load": saved}
    if hasattr(method, "score_samples"):
        entries |= {"quantile": quantile, "score_samples": scores, "diagnostics": diagnostics}
    return {f"{label}.{name}": entry for name, entry in entries.items()}


def _labelled(method: type, label: str, case: Case) -> dict[str, Entry]:
    def fit(table: Any) -> Any:
        n = _n_rows(table)
        y = np.arange(n) % 2 if label == "classifier" else np.arange(n) * 0.5
        return method(**HEAD, **case.settings).fit(table, y)

    lazy = _Lazy(case, fit)

    def predict() -> None:
        table, fitted = lazy()
        answers = np.asarray(fitted.predict(table), dtype=float)
        assert answers.shape == (_n_rows(table),)
        assert np.isfinite(answers).all(), "a prediction is not finite"
        _unchanged(case, table)

    def saved() -> None:
        table, fitted = lazy()
        with tempfile.TemporaryDirectory() as folder:
            fitted.save(Path(folder) / "m.halfseen")
            again = load(Path(folder) / "m.halfseen")
        np.testing.assert_array_equal(again.predict(table), fitted.predict(table))

    return {f"{label}.predict": predict, f"{label}.save, load": saved}


def _n_rows(table: Any) -> int:
    if type(table) is dict:
        return len(next(iter(table.values())))
    shape = getattr(table, "shape", None)
    if shape:
        return int(shape[0])
    return len(table) if isinstance(table, (list, pa.RecordBatch, pa.ChunkedArray)) else 1


def _describe(case: Case) -> dict[str, Entry]:
    def entry() -> None:
        table = case.make()
        summaries = describe(table, case.settings.get("kinds"))
        if hasattr(table, "shape") and len(summaries):
            assert [s.n_missing for s in summaries] == missing_cells(table).sum(0).tolist()
        if case.refused and case.refused[0].startswith("'") and "describe" not in case.but:
            remedies = [s.remedy for s in summaries if s.remedy]
            absent = [word for word in case.refused if not any(word in r for r in remedies)]
            assert not absent, f"remedies lack {absent}: {remedies[:2]}"
        _unchanged(case, table)

    return {"describe": entry}


def _ampute(case: Case) -> dict[str, Entry]:
    def entry() -> None:
        for mechanism in ("mcar", "self-masking"):
            table = case.make()
            holed, mask = ampute(table, mechanism, rate=0.3, random_state=0, return_mask=True)
            seen = (
                np.column_stack([m.reshape(len(m), -1) for m in mask.values()])
                if (isinstance(mask, dict))
                else mask
            )
            assert (seen <= ~missing_cells(table)).all(), "a hole is called seen"
            np.testing.assert_array_equal(missing_cells(holed), ~seen)
            assert_same(table, holed, seen, types=False)
            _unchanged(case, table)

    return {"ampute": entry}


def _evaluate(case: Case) -> dict[str, Entry]:
    def entry() -> None:
        table = case.make()
        scores = evaluate(MeanImputer(**case.settings), table)
        for score in scores:
            errors = np.array([score.ours, score.constant])
            assert np.isfinite(errors).all() == (score.n_hidden > 0), score
            assert np.isnan(score.iterative) == (len(scores) > 2000 or not score.n_hidden), score
        _unchanged(case, table)

    return {"evaluate": entry}


def label_outcomes(case: Labels) -> Iterator[Outcome]:
    """Run labels through a classifier and a regressor."""
    X = numbers()
    for label, method in (("classifier", FilledClassifier), ("regressor", FilledRegressor)):
        yield judge(case, f"{label}.predict", partial(_learn_labels, case, method, X))


def _learn_labels(case: Labels, method: type, X: np.ndarray) -> None:
    fitted = method(**HEAD).fit(X, case.make())
    answers = fitted.predict(X)
    with tempfile.TemporaryDirectory() as folder:
        fitted.save(Path(folder) / "m.halfseen")
        again = load(Path(folder) / "m.halfseen")
    np.testing.assert_array_equal(again.predict(X), answers)
    if method is FilledRegressor:
        assert np.isfinite(np.asarray(answers, dtype=float)).all(), "a prediction is not finite"
        return
    known = fitted.classes_.tolist()
    assert set(answers.tolist()) <= set(known)
    if case.known is not None:
        assert known == list(case.known), f"the classes are {known}"
        assert [type(k) for k in known] == [type(k) for k in case.known]


def later_outcomes(case: Later, networks: bool = True) -> Iterator[Outcome]:
    """Complete a table by models that were fitted to another one."""
    methods: list[tuple[str, Any]] = [("mean", MeanImputer())]
    if networks:
        methods.append(("miwae", MIWAEImputer(**MIWAE)))
    for label, method in methods:
        fitted = method.fit(fitted_on())

        def entry(fitted: Any = fitted) -> None:
            table = case.make()
            assert_completed(table, fitted.transform(table))
            _unchanged(case, table)

        yield judge(case, f"{label}.transform", entry)
