"""A table of awkward inputs through every public entry: it works, or says what to do.

Works means: seen cells to the bit, types, names, index and container as they were, no hole left,
nothing infinite, and the input as it was. Refused means: an error of the package whose message
holds the words that the case asks for, which are the column and the remedy.
"""

import time

import numpy as np
import pandas as pd
import polars as pl
import pytest
from awkward_arrays import ARRAYS, LISTS, TENSORS, wide
from awkward_cases import Case, numbers
from awkward_compare import assert_completed
from awkward_entries import judge, label_outcomes, later_outcomes, outcomes
from awkward_labels import LABELS, LATER
from awkward_pandas import PANDAS
from awkward_polars_arrow import ARROW, POLARS

from halfseen import MeanImputer, ampute
from halfseen.estimators.evaluation import evaluate
from halfseen.tables import describe

TABLES = [*ARRAYS, *LISTS, *TENSORS, *PANDAS, *POLARS, *ARROW]
SMALL = [case for case in TABLES if not case.huge]
HUGE = [case for case in TABLES if case.huge]


def assert_none_wrong(found):
    wrong = [f"{outcome.entry}: {outcome.wrong}" for outcome in found if outcome.wrong]
    assert not wrong, "\n".join(wrong)


def test_there_are_hundreds_of_inputs_with_names_of_their_own():
    assert len({str(case) for case in TABLES}) == len(TABLES) > 280
    assert len({case.name for case in LABELS}) == len(LABELS) > 50
    assert len({case.name for case in LATER}) == len(LATER) > 25


# Every third input meets networks here, and all of them in the longer form.
@pytest.mark.parametrize(("place", "case"), list(enumerate(SMALL)), ids=map(str, SMALL))
def test_tables(place, case):
    assert_none_wrong(outcomes(case, networks=place % 3 == 0))


@pytest.mark.slow
@pytest.mark.parametrize("case", SMALL, ids=str)
def test_tables_with_networks(case):
    assert_none_wrong(outcomes(case))


@pytest.mark.slow
@pytest.mark.parametrize("case", HUGE, ids=str)
def test_huge_tables(case):
    assert_none_wrong(outcomes(case))


@pytest.mark.parametrize("case", LABELS, ids=str)
def test_labels(case):
    assert_none_wrong(label_outcomes(case))


@pytest.mark.parametrize("case", LATER, ids=str)
def test_tables_that_change_after_the_fit(case):
    assert_none_wrong(later_outcomes(case, networks=False))


@pytest.mark.slow
@pytest.mark.parametrize("case", LATER, ids=str)
def test_tables_that_change_after_the_fit_of_a_network(case):
    assert_none_wrong(later_outcomes(case))


# ---- the check itself can fail --------------------------------------------------------------


def broken(change):
    """A completed frame, spoiled."""
    table = pd.DataFrame(numbers(), columns=list("abc"), index=range(5, 17))
    filled = MeanImputer().fit_transform(table)
    return table, change(filled)


def nudged(frame):
    frame.iloc[11, 0] = np.nextafter(frame.iloc[11, 0], 9)
    return frame


@pytest.mark.parametrize(
    "change",
    [
        nudged,
        lambda frame: frame.astype("float32"),
        lambda frame: frame.reset_index(drop=True),
        lambda frame: frame.rename(columns={"a": "A"}),
        lambda frame: frame.to_numpy(),
        lambda frame: frame.replace(frame.iloc[0, 0], np.nan),
        lambda frame: frame.replace(frame.iloc[0, 0], np.inf),
        lambda frame: pl.from_pandas(frame),
    ],
)
def test_what_is_not_sacred_is_seen(change):
    table, filled = broken(change)
    with pytest.raises(AssertionError):
        assert_completed(table, filled)


def test_errors_that_are_not_ours_or_say_too_little_are_wrong():
    case = Case("array", "any", numbers, ("'x1'", "drop it"))

    def foreign():
        raise ValueError("'x1': drop it")

    def ours():
        MeanImputer().fit(np.full((3, 2), np.inf))

    assert "not an error of the package" in judge(case, "mean", foreign).wrong
    assert "lacks" in judge(case, "mean", ours).wrong
    assert "worked" in judge(case, "mean", lambda: None).wrong
    assert "should work" in judge(Case("array", "fine", numbers), "mean", ours).wrong


# ---- what was wrong -------------------------------------------------------------------------


def test_amputed_huge_integers_keep_their_digits():
    table = 2**62 + np.arange(24).reshape(12, 2)
    holed, seen = ampute(table, rate=0.5, random_state=0, return_mask=True)
    assert holed.dtype == object
    assert holed[seen].tolist() == table[seen].tolist()
    assert ampute(table - 2**62, rate=0.5, random_state=0).dtype == float


def test_evaluation_of_thousands_of_columns_does_without_the_slow_rival():
    few = evaluate(MeanImputer(), numbers(20, 60))
    many = evaluate(MeanImputer(), numbers(20, 2001))
    assert np.isfinite([score.iterative for score in few]).all()
    assert np.isnan([score.iterative for score in many]).all()
    assert np.isfinite([score.ours for score in many]).all()


def test_ten_thousand_columns_take_seconds():
    table, start = wide(), time.process_time()
    assert_completed(table, MeanImputer().fit_transform(table))
    assert len(describe(table)) == 10_000
    # About one second; what is quadratic in columns takes minutes.
    assert time.process_time() - start < 20


@pytest.mark.parametrize("unit", [1e-300, 1.0, 1e300])
def test_evaluation_does_not_depend_on_units(unit):
    plain, scaled = (evaluate(MeanImputer(), numbers() * u) for u in (1.0, unit))
    for one, other in zip(plain, scaled, strict=True):
        np.testing.assert_allclose(other.errors, one.errors, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_answers_stay_in_the_range_of_narrow_floats(dtype):
    most = np.finfo(dtype).max
    table = np.array([[most, 1.0], [most, 2.0], [np.nan, 3.0]], dtype=dtype)
    filled = MeanImputer().fit(np.array([[1e300, 1.0], [1e299, 2.0]])).transform(table)
    assert filled[2, 0] == most
