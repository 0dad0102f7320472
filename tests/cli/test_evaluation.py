"""Scores on hidden cells against answers that are known."""

import numpy as np
import pandas as pd
import pytest

from halfseen import MeanImputer, MIWAEImputer, VAEImputer
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


def some_modalities(table):
    rng = np.random.default_rng(0)
    x = table["double"].to_numpy()
    note = np.where(x > 0, "up and away", "down").tolist()
    note[3] = None
    return {
        "lab": table.drop(columns="double"),
        "double": table["double"],
        "picture": (x[:, None, None, None] + rng.normal(size=(300, 1, 2, 2))).astype(np.float32),
        "note": note,
    }


@pytest.mark.parametrize("by", ["cell", "block"])
def test_modalities_are_hidden_by_cells_or_as_a_whole(table, by, monkeypatch):
    data, given = some_modalities(table), {}
    fit = MeanImputer.fit
    monkeypatch.setattr(
        MeanImputer, "fit", lambda self, X, **more: given.update(X) or fit(self, X, **more)
    )
    scores = {score.name: score for score in evaluate(MeanImputer(), data, by=by)}
    assert list(scores)[:4] == ["lab.x", "lab.sign", "lab.third", "lab.same"]
    assert [scores[name].n_hidden for name in ("double", "note[0]", "note[2]")] == [30, 30, 30]
    assert scores["lab.same"].n_hidden == 0
    for score in scores.values():
        assert score.ours == pytest.approx(score.constant, rel=1e-6, nan_ok=True)
    lost = given["lab"].isna() & table.drop(columns="double").notna()
    gone = np.isnan(given["picture"]).reshape(300, 4)
    if by == "block":
        assert lost.drop(columns="x").nunique(axis=1).eq(1).all()
        assert lost["sign"].sum() == 30
        assert (gone.all(1) == gone.any(1)).all()
        assert gone.any(1).sum() == 30
    else:
        assert lost.sum().tolist() == [26, 30, 30, 0]
        assert gone.sum(0).tolist() == [30] * 4
        assert (gone.all(1) != gone.any(1)).any()
    assert sum(text is None for text in given["note"]) == 31


def test_groups_of_columns_and_pictures(table):
    rng = np.random.default_rng(0)
    images = np.full((50, 1, 1, 2), 0.5) + rng.normal(size=(50, 1, 1, 1))
    images[:, 0, 0, 0] = np.nan
    empty, pixel = evaluate(MeanImputer(), images)
    assert (empty.n_hidden, pixel.n_hidden) == (0, 5)
    settings = {"hidden": (8,), "max_steps": 3, "n_importance_predict": 10, "n_members": 1}
    grouped = VAEImputer(blocks={"pair": ["double", "sign"]}, **settings)
    by_name = {score.name: score.n_hidden for score in evaluate(grouped, table, by="block")}
    assert by_name == {"x": 26, "double": 30, "sign": 30, "third": 30, "same": 0}
    with pytest.raises(SettingError, match="Expected 'cell' or 'block'"):
        evaluate(MeanImputer(), table, by="row")
