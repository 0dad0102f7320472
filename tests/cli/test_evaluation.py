"""Scores on hidden cells against answers that are known."""

import numpy as np
import pandas as pd
import pytest

from halfseen import MeanImputer, MIWAEImputer
from halfseen.errors import SettingError
from halfseen.estimators.evaluation import averages, evaluate


@pytest.fixture
def table():
    rng = np.random.default_rng(1)
    x = rng.normal(size=300)
    frame = pd.DataFrame(
        {
            "x": x,
            "double": 2 * x,
            "sign": np.where(x > 0, "up", "down"),
            "third": pd.cut(x, [-9, -0.5, 0.5, 9], labels=["low", "mid", "high"]),
            "same": 1.0,
        }
    )
    frame.loc[::7, "x"] = None
    return frame


def test_the_mean_scores_as_the_mean(table):
    scores = evaluate(MeanImputer(), table)
    assert [score.name for score in scores] == list(table.columns)
    assert [score.n_hidden for score in scores] == [26, 30, 30, 30, 0]
    for score in scores[:4]:
        assert score.ours == score.constant
        assert score.iterative < 0.8 * score.constant
    assert np.isnan(scores[4].errors).all()
    assert scores[0].constant == pytest.approx(1, abs=0.4)


def test_a_model_beats_the_mean_and_containers_agree(table):
    imputer = MIWAEImputer(
        max_steps=150, n_members=1, hidden=(32,), n_importance_predict=100, random_state=0
    )
    scores = evaluate(imputer, table)
    assert not hasattr(imputer, "codec_")
    numbers, categories = averages(scores)
    assert numbers.ours < 0.6 * numbers.constant
    assert categories.ours < 0.6 * categories.constant


def test_containers_agree(table):
    numbers = table[["x", "double"]]
    ours = evaluate(MeanImputer(), numbers)
    for other in (numbers.to_numpy(), numbers.to_numpy().tolist()):
        assert [s.errors for s in evaluate(MeanImputer(), other)] == [s.errors for s in ours]


def test_the_table_stays_as_it_is(table):
    before = table.copy()
    evaluate(MeanImputer(), table)
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize("share", [0.0, 1.0, 0.001])
def test_shares_that_hide_nothing_or_all(table, share):
    with pytest.raises(SettingError, match="share"):
        evaluate(MeanImputer(), table, share=share)
