"""The checks, one function per promise; each takes an unfitted estimator and raises on failure.

A check that does not apply to an estimator raises :class:`unittest.SkipTest`, which pytest and
unittest both read as a skip.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from halfseen.errors import UnseenCategoryWarning
from halfseen.testing.killed import fits_after_kills, same_state
from halfseen.testing.parts import fresh, global_state, needs_setting, needs_verb
from halfseen.testing.processes import fresh_answer, memory_growth
from halfseen.testing.tables import as_floats, same_bits, some_frame, some_table

__all__ = ["CHECKS", "SLOW_CHECKS"]

Check = Callable[[Any], None]


def _assert_completes(X: np.ndarray, filled: Any) -> None:
    """Seen cells as they were, to the bit; finite numbers elsewhere."""
    assert isinstance(filled, np.ndarray), f"Got {type(filled)} for an array."
    assert filled.shape == X.shape
    assert filled.dtype == X.dtype, f"Got {filled.dtype} for {X.dtype}."
    seen = ~np.isnan(X)
    assert same_bits(filled[seen], X[seen]), "Seen cells were changed."
    assert np.isfinite(filled).all(), "A cell is not finite."


# ---- cells --------------------------------------------------------------------------------


def check_seen_cells_keep_their_bits(estimator: Any) -> None:
    """Seen cells of float64 and float32 arrays keep their bits, and no NaN is left."""
    for dtype in (np.float64, np.float32):
        X = some_table().astype(dtype)
        X[3, 0] = -0.0
        X[4, 0] = np.float32(0.1)
        _assert_completes(X, fresh(estimator).fit(X).transform(X))


def check_frames_keep_types_and_cells(estimator: Any) -> None:
    """A mixed pandas frame keeps columns, index, types, categories, order and seen cells."""
    frame = some_frame()
    before = frame.copy(deep=True)
    filled = fresh(estimator).fit(frame).transform(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert list(filled.columns) == list(frame.columns)
    assert filled.index.equals(frame.index)
    assert filled.index.name == frame.index.name
    assert list(filled.dtypes) == list(frame.dtypes)
    assert filled["size"].cat.ordered
    assert not filled.isna().any().any(), "A cell is still missing."
    for name in frame.columns:
        seen = frame[name].notna()
        assert list(filled.loc[seen, name]) == list(frame.loc[seen, name]), name
    assert set(filled["city"]) <= {"Rome", "Oslo", "Bern"}


def check_input_is_left_alone(estimator: Any) -> None:
    """Neither fit nor transform changes the table that it is given."""
    X = some_table()
    before = X.copy()
    filled = fresh(estimator).fit(X).transform(X)
    assert same_bits(X, before), "The given table was changed."
    assert not np.shares_memory(filled, X)


def check_complete_rows_are_returned(estimator: Any) -> None:
    """A table without holes comes back as it is, after fits with and without holes."""
    X = some_table()
    complete = np.where(np.isnan(X), 1.5, X)
    for trained_on in (X, complete):
        filled = fresh(estimator).fit(trained_on).transform(complete)
        assert same_bits(filled, complete)


def check_containers_come_back(estimator: Any) -> None:
    """Numpy, pandas, polars and pyarrow tables come back as what they were, equal in content."""
    import pyarrow as pa

    X = some_table()
    names = [f"x{j}" for j in range(X.shape[1])]
    frame = pd.DataFrame(X, columns=names)
    fitted = fresh(estimator).fit(frame)
    expected = fitted.transform(frame)
    assert isinstance(expected, pd.DataFrame)
    tables: list[Any] = [pa.Table.from_pandas(frame, preserve_index=False)]
    try:
        import polars as pl
    except ImportError:
        pass
    else:
        columns = {name: frame[name].to_numpy() for name in names}
        tables.append(pl.DataFrame(columns).fill_nan(None))
    for table in tables:
        filled = fitted.transform(table)
        assert type(filled) is type(table)
        np.testing.assert_allclose(as_floats(filled), as_floats(expected), rtol=1e-6)
    _assert_completes(X, fresh(estimator).fit(X).transform(X))


# ---- rows ---------------------------------------------------------------------------------


def check_rows_do_not_depend_on_neighbours(estimator: Any) -> None:
    """A row's answer is the same alone, in any order, and among other rows."""
    X = some_table()
    fitted = fresh(estimator).fit(X)
    filled = fitted.transform(X)
    for i in range(0, len(X), 7):
        np.testing.assert_allclose(fitted.transform(X[i : i + 1])[0], filled[i], rtol=1e-4)
    order = np.random.default_rng(1).permutation(len(X))
    np.testing.assert_allclose(fitted.transform(X[order]), filled[order], rtol=1e-4)
    if hasattr(fitted, "score_samples"):
        scores = fitted.score_samples(X)
        np.testing.assert_allclose(fitted.score_samples(X[order]), scores[order], rtol=1e-4)
        np.testing.assert_allclose(fitted.score_samples(X[3:4]), scores[3:4], rtol=1e-4)


def check_samples_do_not_depend_on_neighbours(estimator: Any) -> None:
    """A row's draws are the same alone and among other rows."""
    needs_verb(estimator, "sample")
    X = some_table()
    fitted = fresh(estimator).fit(X)
    whole = fitted.sample(X, n_draws=3, random_state=5)
    for i in (0, 11, 29):
        alone = fitted.sample(X[i : i + 1], n_draws=3, random_state=5)
        for one, all_rows in zip(alone, whole, strict=True):
            np.testing.assert_allclose(one[0], all_rows[i], rtol=1e-4)


def check_empty_rows(estimator: Any) -> None:
    """Rows without any seen cell are welcome in fit and in transform."""
    X = some_table()
    X[5] = np.nan
    fitted = fresh(estimator).fit(X)
    _assert_completes(X, fitted.transform(X))
    _assert_completes(X[5:6], fitted.transform(X[5:6]))


def check_single_row(estimator: Any) -> None:
    """A table of one row can be fitted and completed."""
    X = np.array([[1.0, 2.0, 3.0]])
    fitted = fresh(estimator).fit(X)
    holed = np.array([[np.nan, 2.0, 3.0]])
    _assert_completes(holed, fitted.transform(holed))


# ---- columns ------------------------------------------------------------------------------


def check_empty_column(estimator: Any) -> None:
    """A column without a seen cell is refused by name, or kept when that is asked for."""
    frame = pd.DataFrame(some_table(), columns=["age", "height", "income", "score"])
    frame["income"] = np.nan
    message = "nothing: a column without a seen cell was accepted"
    try:
        fresh(estimator).fit(frame)
    except ValueError as error:
        message = str(error)
    assert "income" in message, f"Expected an error that names the column; got {message}."
    needs_setting(estimator, "keep_empty_features")
    fitted = fresh(estimator, keep_empty_features=True).fit(frame)
    filled = fitted.transform(frame)
    assert list(filled.columns) == list(frame.columns)
    assert np.isfinite(filled.to_numpy()).all()


def check_constant_column(estimator: Any) -> None:
    """A column that never varies is filled with its value."""
    X = some_table()
    X[:, 2] = np.where(np.isnan(X[:, 2]), np.nan, 7.25)
    filled = fresh(estimator).fit(X).transform(X)
    _assert_completes(X, filled)
    assert (filled[:, 2] == 7.25).all()


def check_single_column(estimator: Any) -> None:
    """A table of one column can be fitted and completed."""
    X = some_table()[:, :1]
    X[::5] = np.nan
    _assert_completes(X, fresh(estimator).fit(X).transform(X))


def check_holes_only_in_transform(estimator: Any) -> None:
    """Columns that were complete in fit may have holes later; answers stay near what was seen."""
    X = some_table(200)
    rng = np.random.default_rng(2)
    # One column has holes in fit, by its own value; the others have none.
    complete = np.where(np.isnan(X), rng.normal(size=X.shape) + np.arange(4), X)
    trained_on = complete.copy()
    trained_on[trained_on[:, 0] > np.quantile(trained_on[:, 0], 0.6), 0] = np.nan
    fitted = fresh(estimator).fit(trained_on)
    later = complete[:30].copy()
    later[:, 3] = np.nan
    filled = fitted.transform(later)
    _assert_completes(later, filled)
    low, high = complete[:, 3].min(), complete[:, 3].max()
    center = filled[:, 3].mean()
    assert low <= center <= high, f"Answers are around {center:g}, seen were {low:g} to {high:g}."


def check_unseen_category(estimator: Any) -> None:
    """A category that fit has not seen is kept, with a warning."""
    frame = some_frame()
    fitted = fresh(estimator).fit(frame)
    later = frame.head(6).copy()
    later.iloc[0, list(frame.columns).index("city")] = "Atlantis"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        filled = fitted.transform(later)
    assert any(issubclass(w.category, UnseenCategoryWarning) for w in caught), "No warning."
    assert filled["city"].iloc[0] == "Atlantis"
    assert not filled.isna().any().any()


def check_units_do_not_matter(estimator: Any) -> None:
    """Answers follow a change of units: of a x + b it is a times the answer plus b."""
    X = some_table(80)
    a, b = 512.0, -1000.0
    plain = fresh(estimator).fit(X).transform(X)
    changed = fresh(estimator).fit(a * X + b).transform(a * X + b)
    spread = np.nanstd(X)
    np.testing.assert_allclose((changed - b) / a, plain, atol=0.02 * spread, rtol=0)


# ---- randomness ---------------------------------------------------------------------------


def check_same_seed_same_answer(estimator: Any) -> None:
    """Two fits with a seed agree to the bit, and so do two calls of one fitted estimator."""
    X = some_table()
    one, two = fresh(estimator).fit(X), fresh(estimator).fit(X)
    first = one.transform(X)
    assert same_bits(first, one.transform(X)), "Two calls differ."
    assert same_bits(first, two.transform(X)), "Two fits with one seed differ."
    if hasattr(one, "sample"):
        pairs = zip(one.sample(X, n_draws=2), two.sample(X, n_draws=2), strict=True)
        assert all(same_bits(a, b) for a, b in pairs), "Draws of two fits with one seed differ."
    _assert_completes(X, fresh(estimator, seed=1).fit(X).transform(X))


def check_global_state_is_left_alone(estimator: Any) -> None:
    """Global random states, torch's default dtype and its validation stay as they were."""
    X = some_table()
    before = global_state()
    fitted = fresh(estimator).fit(X)
    fitted.transform(X)
    if hasattr(fitted, "sample"):
        fitted.sample(X, n_draws=2)
    for name, value in global_state().items():
        assert value == before[name], f"{name} was changed."


def check_default_dtype_does_not_matter(estimator: Any) -> None:
    """Under a default dtype of float64 answers exist, and the default stays."""
    X = some_table()
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        filled = fresh(estimator).fit(X).transform(X)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(before)
    _assert_completes(X, filled)


# ---- draws --------------------------------------------------------------------------------


def check_samples(estimator: Any) -> None:
    """Draws keep seen cells; they differ, if the method draws, around what transform says."""
    needs_verb(estimator, "sample")
    X, n_draws = some_table(), 200
    fitted = fresh(estimator).fit(X)
    draws = fitted.sample(X, n_draws=n_draws, random_state=3)
    assert len(draws) == n_draws
    for draw in draws:
        _assert_completes(X, draw)
    again = fitted.sample(X, n_draws=n_draws, random_state=3)
    assert same_bits(again[-1], draws[-1]), "The same seed gives other draws."
    # Products of other sizes are rounded otherwise.
    fewer = fitted.sample(X, n_draws=2, random_state=3)
    np.testing.assert_allclose(fewer[0], draws[0], rtol=1e-4, atol=1e-6)
    holes = np.isnan(X)
    cells = np.stack(draws)[:, holes]
    gap = cells.mean(0) - fitted.transform(X)[holes]
    error = cells.std(0) / np.sqrt(n_draws)
    assert np.abs(gap).max() <= 6 * error.max() + 1e-6, "Draws lie elsewhere than transform."
    card = getattr(estimator, "card", None)
    if card is None or card.draws:
        assert (cells.std(0) > 0).all(), "All draws of a cell are equal."
        rows = np.corrcoef(cells[:, np.unique(np.nonzero(holes)[0], return_index=True)[1]].T)
        off = rows[np.triu_indices_from(rows, 1)]
        assert abs(off.mean()) < 0.1, "Draws of different rows err together."


def check_saved_answers_are_equal(estimator: Any) -> None:
    """A saved estimator gives the same bits in a process that has only the file."""
    needs_verb(estimator, "save")
    X = some_table()
    fitted = fresh(estimator).fit(X)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fitted.save(folder / "model.halfseen")
        answer = fresh_answer(folder / "model.halfseen", X, folder)
    assert same_bits(answer, fitted.transform(X)), "The loaded estimator answers otherwise."


def check_killed_fit_goes_on(estimator: Any) -> None:
    """A fit that was killed goes on from its checkpoint, and ends with the same bits."""
    X = some_table()
    plain = fresh(estimator).fit(X)
    needs_setting(estimator, "random_state")

    def fit(folder: Path) -> Any:
        return fresh(estimator).fit(X, checkpoint=folder, checkpoint_every=0)

    for place, fitted in fits_after_kills(fit):
        assert same_state(plain, fitted), f"Another model after a fit that was {place}."
        assert same_bits(plain.transform(X), fitted.transform(X)), f"Other answers: {place}."


def check_memory_does_not_grow(estimator: Any) -> None:
    """Peak memory does not grow with the number of importance samples."""
    needs_setting(estimator, "n_importance_predict")
    X = some_table(400)
    fitted = fresh(estimator).fit(X)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fitted.save(folder / "model.halfseen")
        verbs = ("transform", "sample", "score_samples")
        grown = memory_growth(folder / "model.halfseen", X, folder, 20_000, verbs)
    # All samples of one hidden layer at once would be 400 MiB or more.
    assert grown < 100, f"Peak memory grew by {grown:.0f} MiB."


CHECKS: tuple[Check, ...] = (
    check_seen_cells_keep_their_bits,
    check_frames_keep_types_and_cells,
    check_input_is_left_alone,
    check_complete_rows_are_returned,
    check_containers_come_back,
    check_rows_do_not_depend_on_neighbours,
    check_samples_do_not_depend_on_neighbours,
    check_empty_rows,
    check_single_row,
    check_empty_column,
    check_constant_column,
    check_single_column,
    check_holes_only_in_transform,
    check_unseen_category,
    check_units_do_not_matter,
    check_same_seed_same_answer,
    check_global_state_is_left_alone,
    check_default_dtype_does_not_matter,
    check_samples,
    check_saved_answers_are_equal,
    check_killed_fit_goes_on,
    check_memory_does_not_grow,
)

#: Checks that take seconds on a tiny estimator; pytest marks them ``slow``.
SLOW_CHECKS: frozenset[Check] = frozenset({check_memory_does_not_grow})
