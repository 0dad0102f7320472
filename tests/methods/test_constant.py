"""Constants: exact values, kinds, support, files."""

import numpy as np
import pandas as pd
import pytest

import halfseen
from halfseen.methods.constant import MeanImputer, MedianImputer, ModeImputer, ZeroImputer

ALL = (MeanImputer, MedianImputer, ModeImputer, ZeroImputer)


def mixed() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "height": [1.5, np.nan, 1.7, 1.5, 2.2],
            "visits": pd.array([40, 41, None, 77, 50], dtype="Int64"),
            "city": ["Rome", None, "Oslo", "Rome", "Bern"],
            "grade": pd.Categorical(
                ["low", "high", None, "high", "mid"], ["low", "mid", "high"], ordered=True
            ),
            "only": [3.0, 3.0, np.nan, 3.0, 3.0],
        }
    )


@pytest.mark.parametrize(
    ("method", "height", "visits"),
    [
        (MeanImputer, 6.9 / 4, 52),
        (MedianImputer, 1.6, 46),
        (ModeImputer, 1.5, 40),
        (ZeroImputer, 0.0, 0),
    ],
)
def test_values_of_a_mixed_table(method, height, visits):
    table = mixed()
    filled = method().fit_transform(table)
    assert filled.loc[1, "height"] == pytest.approx(height)
    assert filled.loc[2, "visits"] == visits
    assert filled.loc[1, "city"] == "Rome"
    assert filled.loc[2, "grade"] == "high"
    assert filled.loc[2, "only"] == 3.0
    assert not filled.isna().any().any()
    assert list(filled.dtypes) == list(table.dtypes)
    seen = table.notna()
    pd.testing.assert_frame_equal(filled.where(seen), table.where(seen))


@pytest.mark.parametrize("method", ALL)
def test_saved_answers_are_bit_equal(method, tmp_path):
    table = mixed()
    imputer = method().fit(table)
    imputer.save(tmp_path / "m.halfseen")
    again = halfseen.load(tmp_path / "m.halfseen")
    np.testing.assert_array_equal(again.statistics_, imputer.statistics_)
    assert again.statistics_.dtype == np.float64
    pd.testing.assert_frame_equal(again.transform(table), imputer.transform(table))


def test_zero_stays_in_the_support():
    table = pd.DataFrame({"mass": [2.0, 5.0, np.nan], "share": [20.0, np.nan, 60.0]})
    kinds = {"mass": "positive", "share": {"kind": "bounded", "lower": 10, "upper": 100}}
    filled = ZeroImputer(kinds=kinds).fit_transform(table)
    assert filled.loc[2, "mass"] == 2.0
    assert filled.loc[1, "share"] == 10.0


def test_mode_takes_the_smallest_of_those_that_tie():
    x = np.array([[3.0, 1.0], [1.0, 2.0], [3.0, 9.0], [1.0, np.nan], [np.nan, np.nan]])
    np.testing.assert_array_equal(ModeImputer().fit(x).statistics_, [1.0, 1.0])


def test_huge_values_do_not_overflow():
    x = np.array([[1.5e308], [0.5e308], [np.nan]])
    assert MeanImputer().fit_transform(x)[2, 0] == 1e308
    assert MedianImputer().fit_transform(x)[2, 0] == 1e308


@pytest.mark.parametrize("method", ALL)
def test_samples_are_identical_copies(method):
    x = np.array([[1.0, 2.0], [np.nan, 4.0], [5.0, 7.0]])
    draws = method().fit(x).sample(x, n_draws=3, random_state=1)
    assert len(draws) == 3
    assert draws[0] is not draws[1]
    np.testing.assert_array_equal(draws[0], draws[2])
    with pytest.raises(ValueError, match="n_draws=0"):
        method().fit(x).sample(x, n_draws=0)


@pytest.mark.parametrize("method", ALL)
def test_columns_without_values_are_refused_or_kept(method):
    x = np.array([[1.0, np.nan], [2.0, np.nan]])
    with pytest.raises(ValueError, match="no observed value"):
        method().fit(x)
    assert method(keep_empty_features=True).fit_transform(x)[0, 1] == 0.0
