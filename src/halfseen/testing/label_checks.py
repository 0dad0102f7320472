"""The checks of classifiers and regressors that are given rows with holes.

As in :mod:`halfseen.testing.checks`, each takes an unfitted estimator and raises on failure.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import SkipTest

import numpy as np
import pandas as pd
import torch
from sklearn.base import is_classifier

from halfseen.testing.killed import fits_after_kills, same_state
from halfseen.testing.parts import fresh, global_state, needs_setting, needs_verb
from halfseen.testing.processes import fresh_answer, memory_growth
from halfseen.testing.tables import same_bits, some_frame, some_labels, some_table

__all__ = ["LABEL_CHECKS", "SLOW_LABEL_CHECKS"]

Check = Callable[[Any], None]

# For what does not depend on how well a model is trained.
BRIEF = {"max_steps": 2}


def _brief(estimator: Any) -> Any:
    """An unfitted copy that trains for two steps, if it counts steps."""
    return fresh(estimator, **{k: v for k, v in BRIEF.items() if k in estimator.get_params()})


def _labels(estimator: Any, X: np.ndarray) -> np.ndarray:
    return some_labels(X, is_classifier(estimator))


def _verb(estimator: Any) -> str:
    return "predict_proba" if is_classifier(estimator) else "predict"


def _answer(fitted: Any, X: Any) -> np.ndarray:
    """Probabilities of classes, or predicted numbers."""
    return np.asarray(getattr(fitted, _verb(fitted))(X))


def _assert_answers(fitted: Any, X: Any) -> None:
    """One finite answer a row; probabilities sum to 1, and the likeliest class is predicted."""
    answer, predicted = _answer(fitted, X), np.asarray(fitted.predict(X))
    n = len(X)
    assert np.isfinite(answer).all(), "An answer is not finite."
    assert predicted.shape == (n,)
    if not is_classifier(fitted):
        return
    assert answer.shape == (n, len(fitted.classes_))
    assert (answer >= 0).all()
    np.testing.assert_allclose(answer.sum(1), 1.0, rtol=1e-6)
    assert (np.asarray(fitted.classes_)[answer.argmax(1)] == predicted).all()


# ---- rows ---------------------------------------------------------------------------------


def check_labels_of_holed_rows(estimator: Any) -> None:
    """Answers are finite, better than a constant, and the same for float32 rows."""
    X = some_table(120)
    y = _labels(estimator, X)
    fitted = fresh(estimator).fit(X, y)
    _assert_answers(fitted, X)
    assert fitted.score(X, y) > (0.6 if is_classifier(fitted) else 0.2), "Nothing was learned."
    narrow = X.astype(np.float32)
    np.testing.assert_allclose(_answer(fitted, narrow), _answer(fitted, X), rtol=1e-3)


def check_label_rows_do_not_depend_on_neighbours(estimator: Any) -> None:
    """A row's answer is the same alone, in any order, and among other rows or its equals."""
    X = some_table()
    fitted = fresh(estimator).fit(X, _labels(estimator, X))
    whole = _answer(fitted, X)
    for i in range(0, len(X), 7):
        np.testing.assert_allclose(_answer(fitted, X[i : i + 1])[0], whole[i], rtol=1e-4)
    order = np.random.default_rng(1).permutation(len(X))
    np.testing.assert_allclose(_answer(fitted, X[order]), whole[order], rtol=1e-4)
    holed = X[np.isnan(X).any(1)][:1]
    verbs = [_answer] if is_classifier(fitted) else [_answer, type(fitted).predict_interval]
    for verb in verbs:
        one, *others = np.asarray(verb(fitted, np.repeat(holed, 3, 0)))
        np.testing.assert_allclose(others, np.stack([one] * 2), rtol=1e-4)


def check_labels_of_empty_rows(estimator: Any) -> None:
    """Rows without any seen cell are welcome in fit and in predict."""
    X = some_table()
    y = _labels(estimator, X)
    X[5] = np.nan
    fitted = _brief(estimator).fit(X, y)
    _assert_answers(fitted, X)
    _assert_answers(fitted, X[5:6])


def check_label_holes_only_in_predict(estimator: Any) -> None:
    """Columns that were complete in fit may have holes later."""
    X = some_table()
    complete = np.where(np.isnan(X), 1.5, X)
    fitted = _brief(estimator).fit(complete, _labels(estimator, X))
    _assert_answers(fitted, X)


def check_label_of_a_single_row(estimator: Any) -> None:
    """One row, whose columns therefore never vary, can be fitted and predicted."""
    y = np.array(["only"]) if is_classifier(estimator) else np.array([3.0])
    fitted = _brief(estimator).fit(np.array([[1.0, 2.0, 3.0]]), y)
    _assert_answers(fitted, np.array([[np.nan, 2.0, 3.0]]))


# ---- tables -------------------------------------------------------------------------------


def check_labels_of_frames(estimator: Any) -> None:
    """A mixed frame with text, categories and missing labels is read, and not changed."""
    frame = some_frame()
    y = pd.Series(_labels(estimator, some_table()), index=frame.index, name="label")
    frame.iloc[4] = None
    before = frame.copy(deep=True)
    fitted = _brief(estimator).fit(frame, y)
    _assert_answers(fitted, frame)
    pd.testing.assert_frame_equal(frame, before)
    assert list(fitted.feature_names_in_) == list(frame.columns)


def check_label_containers(estimator: Any) -> None:
    """Polars and pyarrow tables and columns of labels give the answers of pandas ones."""
    import pyarrow as pa

    X = some_table()
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
    y = _labels(estimator, X)
    expected = _answer(_brief(estimator).fit(frame, pd.Series(y)), frame)
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    pairs: list[tuple[Any, Any]] = [(arrow, pa.array(y.tolist()))]
    try:
        import polars as pl
    except ImportError:
        pass
    else:
        columns = {name: frame[name].to_numpy() for name in frame}
        pairs.append((pl.DataFrame(columns).fill_nan(None), pl.Series(y.tolist())))
    for table, labels in pairs:
        fitted = _brief(estimator).fit(table, labels)
        np.testing.assert_allclose(_answer(fitted, table), expected, rtol=1e-4)


# ---- labels -------------------------------------------------------------------------------


def check_unlabelled_rows(estimator: Any) -> None:
    """Labels may be missing, as NaN or None; a table without any label is refused."""
    X = some_table()
    y = _labels(estimator, X)
    missing = None if is_classifier(estimator) else np.nan
    some = np.array(y, dtype=object if is_classifier(estimator) else float)
    some[::3] = missing
    fitted = _brief(estimator).fit(X, some)
    _assert_answers(fitted, X)
    if is_classifier(fitted):
        assert set(fitted.predict(X)) <= set(y)
    message = "nothing: labels that are all missing were accepted"
    try:
        _brief(estimator).fit(X, np.full(len(X), np.nan))
    except ValueError as error:
        message = str(error)
    assert "y" in message.split(), f"Expected an error that speaks of y; got {message}."


def check_types_of_labels(estimator: Any) -> None:
    """Classes of text, numbers and truth values come back in their type."""
    if not is_classifier(estimator):
        raise SkipTest("Numbers are predicted as floats.")
    X = some_table()
    high = some_labels(X, classes=True) == "high"
    for low, top in (("no", "yes"), (3, 7), (0.0, 1.0), (False, True)):
        y = np.where(high, top, low)
        fitted = _brief(estimator).fit(X, y)
        found = fitted.predict(X)
        assert found.dtype.kind == y.dtype.kind, f"Got {found.dtype} for {y.dtype}."
        assert fitted.classes_.tolist() == [low, top]


def check_class_weight(estimator: Any) -> None:
    """A class that counts more is predicted with higher probability."""
    if not is_classifier(estimator):
        raise SkipTest("Regressors have no classes.")
    needs_setting(estimator, "class_weight")
    X = some_table(100)
    rng = np.random.default_rng(0)
    y = np.where(rng.random(len(X)) < 0.2, "rare", "usual")
    shares = []
    for weight in ({"rare": 0.05, "usual": 1.0}, None, "balanced"):
        fitted = fresh(estimator, class_weight=weight).fit(X, y)
        shares.append(fitted.predict_proba(X)[:, 0].mean())
    assert shares == sorted(shares), f"Mean probabilities of the rare class are {shares}."
    assert shares[2] > shares[0] + 0.1, f"Mean probabilities of the rare class are {shares}."


def check_intervals(estimator: Any) -> None:
    """Wider coverage, wider intervals, around the median; standard deviations are positive."""
    needs_verb(estimator, "predict_interval")
    X = some_table()
    fitted = fresh(estimator).fit(X, _labels(estimator, X))
    narrow, wide = fitted.predict_interval(X, 0.5), fitted.predict_interval(X, 0.95)
    middle = fitted.predict_quantile(X, 0.5)
    assert (wide[:, 0] < narrow[:, 0]).all()
    assert (narrow[:, 0] < middle).all()
    assert (middle < narrow[:, 1]).all()
    assert (narrow[:, 1] < wide[:, 1]).all()
    _, spread = fitted.predict(X, return_std=True)
    assert (spread > 0).all()
    np.testing.assert_allclose(fitted.predict_interval(X[3:4], 0.5)[0], narrow[3], rtol=1e-3)


def check_labels_help_imputing(estimator: Any) -> None:
    """Completion with and without labels keeps seen cells and leaves no hole."""
    needs_verb(estimator, "impute")
    X = some_table()
    y = _labels(estimator, X)
    fitted = _brief(estimator).fit(X, y)
    seen = ~np.isnan(X)
    for labels in (None, y):
        filled = fitted.impute(X, labels)
        assert same_bits(filled[seen], X[seen]), "Seen cells were changed."
        assert np.isfinite(filled).all()


# ---- randomness and tools -----------------------------------------------------------------


def check_label_same_seed_same_answer(estimator: Any) -> None:
    """Two fits with a seed agree to the bit, and so do two calls; data are left alone."""
    X = some_table()
    y = _labels(estimator, X)
    before, labels = X.copy(), y.copy()
    one, two = fresh(estimator).fit(X, y), fresh(estimator).fit(X, y)
    first = _answer(one, X)
    assert same_bits(first, _answer(one, X)), "Two calls differ."
    assert same_bits(first, _answer(two, X)), "Two fits with one seed differ."
    assert same_bits(X, before), "The given table was changed."
    assert (y == labels).all(), "The given labels were changed."


def check_label_global_state_is_left_alone(estimator: Any) -> None:
    """Global random states, torch's default dtype and its validation stay as they were."""
    X = some_table()
    before = global_state()
    _answer(_brief(estimator).fit(X, _labels(estimator, X)), X)
    for name, value in global_state().items():
        assert value == before[name], f"{name} was changed."


def check_label_default_dtype_does_not_matter(estimator: Any) -> None:
    """Under a default dtype of float64 answers exist, and the default stays."""
    X = some_table()
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        fitted = _brief(estimator).fit(X, _labels(estimator, X))
        _assert_answers(fitted, X)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(before)


def check_scikit_learn_tools(estimator: Any) -> None:
    """Pipelines, cross-validation, grid search and calibration take the estimator."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X = some_table()
    y = _labels(estimator, X)
    line = make_pipeline(StandardScaler(), _brief(estimator))
    assert np.isfinite(cross_val_score(line, X, y, cv=2)).all()
    setting = next(iter({"lr", "alpha", "max_iter"} & set(estimator.get_params())), None)
    if setting is not None:
        values = [estimator.get_params()[setting]] * 2
        search = GridSearchCV(_brief(estimator), {setting: values}, cv=2).fit(X, y)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    if is_classifier(estimator):
        calibrated = CalibratedClassifierCV(_brief(estimator), cv=2).fit(X, y)
        _assert_answers(calibrated, X)


def check_saved_labels_are_equal(estimator: Any) -> None:
    """A saved estimator gives the same bits in a process that has only the file."""
    needs_verb(estimator, "save")
    X = some_table()
    fitted = fresh(estimator).fit(X, _labels(estimator, X))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fitted.save(folder / "model.halfseen")
        answer = fresh_answer(folder / "model.halfseen", X, folder, _verb(fitted))
    assert same_bits(answer, _answer(fitted, X)), "The loaded estimator answers otherwise."


def check_killed_label_fit_goes_on(estimator: Any) -> None:
    """A fit that was killed goes on from its checkpoint, and ends with the same bits."""
    X = some_table()
    plain = _brief(estimator).fit(X, _labels(estimator, X))

    def fit(folder: Path) -> Any:
        fitted = _brief(estimator)
        return fitted.fit(X, _labels(estimator, X), checkpoint=folder, checkpoint_every=0)

    for place, fitted in fits_after_kills(fit):
        assert same_state(plain, fitted), f"Another model after a fit that was {place}."
        assert same_bits(_answer(plain, X), _answer(fitted, X)), f"Other answers: {place}."


def check_label_memory_does_not_grow(estimator: Any) -> None:
    """Peak memory does not grow with the number of importance samples."""
    needs_setting(estimator, "n_importance_predict")
    X = some_table(400)
    fitted = _brief(estimator).fit(X, _labels(estimator, X))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fitted.save(folder / "model.halfseen")
        grown = memory_growth(
            folder / "model.halfseen", X, folder, 20_000, (_verb(fitted), "predict")
        )
    # All samples of one hidden layer at once would be 400 MiB or more.
    assert grown < 100, f"Peak memory grew by {grown:.0f} MiB."


LABEL_CHECKS: tuple[Check, ...] = (
    check_labels_of_holed_rows,
    check_label_rows_do_not_depend_on_neighbours,
    check_labels_of_empty_rows,
    check_label_holes_only_in_predict,
    check_label_of_a_single_row,
    check_labels_of_frames,
    check_label_containers,
    check_unlabelled_rows,
    check_types_of_labels,
    check_class_weight,
    check_intervals,
    check_labels_help_imputing,
    check_label_same_seed_same_answer,
    check_label_global_state_is_left_alone,
    check_label_default_dtype_does_not_matter,
    check_scikit_learn_tools,
    check_saved_labels_are_equal,
    check_killed_label_fit_goes_on,
    check_label_memory_does_not_grow,
)

#: Checks that take seconds on a tiny estimator; pytest marks them ``slow``.
SLOW_LABEL_CHECKS: frozenset[Check] = frozenset({check_label_memory_does_not_grow})
