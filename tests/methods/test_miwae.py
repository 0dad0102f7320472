"""MIWAE as an imputer: it learns, scores in data units, and its settings mean what they say."""

import numpy as np
import pandas as pd
import pytest

from halfseen import MeanImputer, MIWAEImputer
from halfseen.errors import SettingError
from halfseen.testing.tables import some_frame, some_table

TINY = MIWAEImputer.card.check_params


def a_plane(n=400, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 1))
    truth = z @ np.array([[1.0, -1.5, 0.7, 2.0]]) + 0.3 * rng.normal(size=(n, 4)) + [3, 0, -2, 10]
    holes = rng.random(truth.shape) < 0.3
    return truth, np.where(holes, np.nan, truth), holes


def error(imputer, truth, table, holes):
    filled = imputer.fit(table).transform(table)
    return float(np.sqrt(((filled - truth)[holes] ** 2).mean()))


@pytest.fixture(scope="module")
def fitted():
    truth, table, holes = a_plane()
    imputer = MIWAEImputer(max_steps=500, hidden=(32,), n_importance_predict=200, random_state=0)
    return imputer.fit(table), truth, table, holes


def test_it_learns_a_plane(fitted):
    imputer, truth, table, holes = fitted
    ours = float(np.sqrt(((imputer.transform(table) - truth)[holes] ** 2).mean()))
    assert ours < 0.55 * error(MeanImputer(), truth, table, holes)
    history = [row["model.bound"] for row in imputer.history_]
    assert history[-1] < history[0]


def test_draws_cover_the_truth(fitted):
    imputer, truth, table, holes = fitted
    draws = np.stack(imputer.sample(table, n_draws=100))[:, holes]
    low, high = np.quantile(draws, [0.05, 0.95], axis=0)
    inside = ((truth[holes] >= low) & (truth[holes] <= high)).mean()
    assert 0.8 < inside < 0.99


def test_scores_are_in_data_units(fitted):
    imputer, truth, table, _ = fitted
    near = imputer.score_samples(truth).mean()
    far = imputer.score_samples(truth + 30).mean()
    assert far < near - 10
    # Ten times the units: the density of four cells falls by 10**4.
    again = MIWAEImputer(**imputer.get_params()).fit(table * 10)
    gap = imputer.score_samples(table) - again.score_samples(table * 10)
    seen = (~np.isnan(table)).sum(1)
    np.testing.assert_allclose(gap, seen * np.log(10), atol=0.4)


def test_quantiles_are_ordered(fitted):
    imputer, _, table, holes = fitted
    low, middle, high = (imputer.quantile(table, q) for q in (0.1, 0.5, 0.9))
    assert (low[holes] <= middle[holes]).all()
    assert (middle[holes] <= high[holes]).all()
    np.testing.assert_array_equal(low[~holes], table[~holes])
    with pytest.raises(SettingError, match=r"Got q=1\.5"):
        imputer.quantile(table, 1.5)


def test_diagnostics(fitted):
    imputer, _, table, _ = fitted
    found = imputer.diagnostics(pd.DataFrame(table))
    assert list(found["n_missing"]) == list(np.isnan(table).sum(1))
    assert (found["ess"] >= 1).all()
    assert found["outside"].between(0, 1).all()


@pytest.mark.parametrize("decision", ["mean", "median", "mode"])
def test_decisions_on_a_mixed_frame(decision):
    frame = some_frame()
    filled = MIWAEImputer(**TINY, decision=decision, random_state=0).fit(frame).transform(frame)
    assert not filled.isna().any().any()
    assert list(filled.dtypes) == list(frame.dtypes)


@pytest.mark.parametrize(
    "setting",
    [
        {"decoder": "flat"},
        {"decision": "best"},
        {"encoder_input": "none"},
        {"gradient": "reinforce"},
        {"repeats": "some"},
        {"hide_rate": 2.0},
        {"activation": "sine"},
    ],
)
def test_wrong_settings_are_named(setting):
    (name,) = setting
    word = name.removeprefix("hide_")
    with pytest.raises(SettingError, match=f"Got {word}="):
        MIWAEImputer(**{**TINY, **setting}).fit(some_table())


@pytest.mark.parametrize(
    "setting",
    [
        {"decoder": "linear"},
        {"decoder": "deep", "residual": False},
        {"encoder_input": "set"},
        {"encoder_input": "constant"},
        {"observation": "student"},
        {"noise": "column"},
        {"gradient": "dreg"},
        {"gradient": "total"},
        {"validation": "cells", "patience": 1},
        {"validation": "rows", "average": 0.0},
        {"hide_pattern": "copy"},
        {"skewed": True},
        {"standardize": False},
        {"hidden": ()},
    ],
    ids=str,
)
def test_every_setting_runs(setting):
    X = some_table(60)
    filled = MIWAEImputer(**{**TINY, **setting}, random_state=0).fit(X).transform(X)
    assert np.isfinite(filled).all()


def test_kinds_of_columns():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "visits": rng.poisson(2, 80).astype(float),
            "dose": rng.lognormal(size=80),
            "share": rng.beta(2, 2, 80),
            "rain": np.maximum(rng.normal(size=80), 0),
        }
    )
    for name in frame:
        frame.loc[rng.choice(80, 15, replace=False), name] = np.nan
    kinds = {"dose": "positive", "share": {"kind": "bounded", "lower": 0, "upper": 1}}
    imputer = MIWAEImputer(**TINY, kinds=kinds, random_state=0).fit(frame)
    for filled in [imputer.transform(frame), *imputer.sample(frame, n_draws=3)]:
        assert np.isfinite(filled.to_numpy()).all()
        assert (filled["dose"] >= 0).all()
        assert filled["share"].between(0, 1).all()
        assert (filled["visits"] % 1 == 0).all()
