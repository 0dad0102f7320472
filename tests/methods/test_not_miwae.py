"""not-MIWAE as an imputer: mechanisms, directions, files."""

import numpy as np
import pandas as pd
import pytest

import halfseen
from halfseen import NotMIWAEImputer
from halfseen.errors import SettingError
from halfseen.mechanisms import SelfMasking
from halfseen.testing.tables import same_bits, some_frame, some_table

TINY = NotMIWAEImputer.card.check_params


@pytest.mark.parametrize(
    "setting",
    [
        {"mechanism": "linear"},
        {"mechanism": "mlp"},
        {"mechanism": SelfMasking("low", slope=2.0)},
        {"link": "logistic"},
        {"link": "logistic", "collapse": False},
        {"collapse": False},
        {"direction": "unknown", "n_members": 3},
        {"slope": "auto", "standardize": "selection", "direction": "unknown"},
        {"observation": "student"},
        {"repeats": "auto"},
    ],
    ids=str,
)
def test_every_mechanism_runs_and_is_saved(setting, tmp_path):
    X = some_table(60)
    imputer = NotMIWAEImputer(**{**TINY, **setting}, random_state=0).fit(X)
    filled = imputer.transform(X)
    assert np.isfinite(filled).all()
    draws = imputer.sample(X, n_draws=2)
    assert np.isfinite(draws).all()
    imputer.save(tmp_path / "m.halfseen")
    again = halfseen.load(tmp_path / "m.halfseen")
    assert same_bits(again.transform(X), filled)
    assert same_bits(again.sample(X, n_draws=2)[1], draws[1])


def test_mixed_frames_with_repeated_values():
    frame = some_frame(60)
    rng = np.random.default_rng(0)
    frame["rain"] = np.maximum(rng.normal(size=60), 0)
    frame["grade"] = rng.integers(0, 4, 60) * 0.5
    frame["mark"] = rng.integers(0, 2, 60) * 0.5 + 0.1
    for name in ("rain", "grade", "mark"):
        frame.loc[frame.index[rng.choice(60, 12, replace=False)], name] = np.nan
    imputer = NotMIWAEImputer(**{**TINY, "repeats": "auto"}, random_state=0).fit(frame)
    assert imputer.repeats_.grid
    assert imputer.repeats_.atom
    for filled in imputer.sample(frame, n_draws=5):
        assert set(filled["grade"].round(5)) <= {0.0, 0.5, 1.0, 1.5}
        assert set(filled["mark"].round(5)) <= {0.1, 0.6}
        assert not filled.isna().any().any()


def test_direction_decides_where_answers_lie():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 1)) @ np.ones((1, 2)) + 0.8 * rng.normal(size=(300, 2))
    holes = rng.random(300) < 0.3
    x[holes, 0] = np.nan
    means = {}
    for direction in ("high", "low"):
        imputer = NotMIWAEImputer(
            **{**TINY, "max_steps": 150, "direction": {"x0": direction}}, random_state=0
        )
        filled = imputer.fit(pd.DataFrame(x, columns=["x0", "x1"])).transform(
            pd.DataFrame(x, columns=["x0", "x1"])
        )
        means[direction] = filled.loc[holes, "x0"].mean()
    assert means["high"] > means["low"] + 0.3


def test_a_mechanism_given_by_the_user_is_not_changed():
    mechanism = SelfMasking("high", slope=2.0)
    X = some_table()
    NotMIWAEImputer(**{**TINY, "mechanism": mechanism}, random_state=0).fit(X)
    assert not list(mechanism.parameters())


@pytest.mark.parametrize(
    "setting",
    [{"mechanism": "none"}, {"direction": "up"}, {"link": "log"}, {"standardize": "all"}],
)
def test_wrong_settings_are_named(setting):
    (name,) = setting
    with pytest.raises(SettingError, match=f"Got {name}="):
        NotMIWAEImputer(**{**TINY, **setting}).fit(some_table())
