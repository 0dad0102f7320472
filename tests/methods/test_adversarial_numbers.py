"""Hard numbers in, finite answers out: every method, every hard table, and rows far from both."""

import warnings

import numpy as np
import pandas as pd
import pytest

import halfseen
from halfseen.errors import AnswerQualityWarning, TrainingWarning, UnseenCategoryWarning
from halfseen.testing import small_estimator
from halfseen.testing.finite import finite_answers
from halfseen.testing.hard_tables import HARD_TABLES, far_rows, hard_table
from halfseen.testing.tables import some_frame

METHODS = halfseen.all_methods()
SEEDS = range(20)
#: What is refused, whatever the numbers.
REFUSED = {"AEImputer": {"generate"}}
OWN_WARNINGS = (AnswerQualityWarning, TrainingWarning, UnseenCategoryWarning)


def check(name, table, seed, later=None):
    """Finite answers, nothing refused that is not always, and no warnings of other packages."""
    with warnings.catch_warnings():
        for kind in OWN_WARNINGS:
            warnings.simplefilter("ignore", kind)
        refused = finite_answers(small_estimator(METHODS[name]), table, seed, later=later)
    assert set(refused) == REFUSED.get(name, set()), refused


@pytest.mark.parametrize("name", METHODS)
def test_hard_tables(name):
    """Of each table one seed, and rows as far from it as floats go."""
    for seed, table in enumerate(HARD_TABLES):
        rows = hard_table(table, seed)
        check(name, rows, seed, far_rows(rows))


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", METHODS)
def test_hard_tables_with_every_seed(name, seed):
    for table in HARD_TABLES:
        rows = hard_table(table, seed)
        check(name, rows, seed, far_rows(rows))


@pytest.mark.parametrize("name", ["MIWAEImputer", "GMMImputer", "DMFAImputer"])
@pytest.mark.parametrize(
    "settings",
    [
        {"decision": "median"},
        {"decision": "mode"},
        {"skewed": True},
        {"kinds": {"x0": "positive"}},
        {"kinds": {"x0": {"kind": "bounded", "lower": 0.0, "upper": 1e29}}},
    ],
    ids=["median", "mode", "skewed", "positive", "bounded"],
)
def test_settings_that_bend_and_choose(name, settings):
    method = METHODS[name]
    settings = {k: v for k, v in settings.items() if k in method().get_params()}
    if not settings:
        pytest.skip("The method has no such setting.")
    scale = 1e28 if "kinds" in settings else 1e300
    table = hard_table("Cauchy", 3).abs().clip(upper=9.0) * scale
    with warnings.catch_warnings():
        for kind in OWN_WARNINGS:
            warnings.simplefilter("ignore", kind)
        estimator = small_estimator(method, **settings)
        assert not finite_answers(estimator, table, 0)
        refused = finite_answers(estimator, table, 0, later=far_rows(table))
    # What lies outside of a column's kind is named.
    assert all("'x0'" in reason for reason in refused.values()), refused
    assert bool(refused) == ("kinds" in settings)


@pytest.mark.parametrize("name", ["MIWAEImputer", "DMFAImputer"])
def test_columns_too_large_to_be_left_as_they_are_are_named(name):
    estimator = small_estimator(METHODS[name], standardize=False)
    found = finite_answers(estimator, hard_table("1e30"), 0)
    assert "'x0'" in found["fit"]
    assert "standardised" in found["fit"]


def test_answers_that_are_not_finite_are_found():
    class Wrong(halfseen.MeanImputer):
        answer = np.inf

        def transform(self, X):
            return X.fillna(self.answer)

    with pytest.raises(AssertionError, match="infinite"):
        finite_answers(Wrong(), hard_table("Cauchy"))
    Wrong.answer = np.nan
    with pytest.raises(AssertionError, match="NaN"):
        finite_answers(Wrong(), hard_table("Cauchy"))


def test_seen_cells_that_change_are_found():
    class Wrong(halfseen.MeanImputer):
        def transform(self, X):
            out = super().transform(X)
            out.iloc[1, out.columns.get_loc("x0")] = 0.5
            return out

    with pytest.raises(AssertionError, match="changed seen cells of 'x0'"):
        finite_answers(Wrong(), hard_table("Cauchy"))


def test_reasons_of_the_package_are_told_and_other_errors_raised():
    frame = pd.DataFrame({"age": [1.0, 2.0], "empty": [np.nan, np.nan]})
    assert "empty" in finite_answers(halfseen.MeanImputer(), frame)["fit"]

    class Wrong(halfseen.MeanImputer):
        def sample(self, X, n_draws=2):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        finite_answers(Wrong(), some_frame())


def test_hard_tables_are_what_they_are_called():
    assert hard_table("99.9 % missing").isna().to_numpy().mean() == pytest.approx(0.999)
    assert hard_table("outlier").max().max() == 1e12
    assert int(hard_table("single seen value")["x1"].notna().sum()) == 1
    assert hard_table("integers near 2**53")["code"].max() > 2**53
    assert hard_table("category in every row")["name"].dropna().is_unique
    limits = hard_table("limits of floats")
    assert limits["x0"].abs().max() > 1e308
    assert 0 < limits["x3"].abs().max() < 1e-307
    for name in HARD_TABLES:
        one, again = hard_table(name, 2), hard_table(name, 2)
        pd.testing.assert_frame_equal(one, again)
        assert one.notna().any().all(), "Every column has a seen cell."
        assert one.isna().any().any()
