"""Errors of absent modalities by hand, and the published scales on the shared tables."""

import numpy as np
import pytest

from halfseen import metrics
from halfseen.datasets import load_uci
from halfseen.errors import SettingError


def test_errors_by_modality_and_company_against_loops():
    rng = np.random.default_rng(0)
    n, shapes = 60, {"a": (2, 3), "b": (4,)}
    truth = {name: rng.normal(size=(n, *shape)) for name, shape in shapes.items()}
    guess = {name: rng.normal(size=(n, *shape)) for name, shape in shapes.items()}
    s = {name: rng.integers(0, 2, n) for name in ("a", "b", "text")}
    found = metrics.mse_by_modality(truth, guess, s)
    for name in shapes:
        errors = {"all": [], "other_seen": [], "none_seen": []}
        for i in range(n):
            if s[name][i] == 1:
                continue
            error = np.mean((truth[name][i] - guess[name][i]) ** 2)
            others = [s[other][i] for other in s if other != name]
            errors["all"].append(error)
            errors["other_seen" if any(others) else "none_seen"].append(error)
        for part, values in errors.items():
            assert found[part][name] == pytest.approx(np.mean(values))
    for values in found.values():
        assert values["combined"] == pytest.approx(values["a"] + values["b"])


def test_seen_modalities_do_not_count_and_missing_kinds_of_rows_are_nan():
    truth = {"a": np.ones((2, 3)), "b": np.zeros((2, 3))}
    wild = {"a": np.array([[np.nan] * 3, [3.0] * 3]), "b": np.array([[5.0] * 3, [np.inf] * 3])}
    found = metrics.mse_by_modality(truth, wild, {"a": [1, 0], "b": [0, 1]})
    assert found["all"] == found["other_seen"] == {"a": 4.0, "b": 25.0, "combined": 29.0}
    assert np.isnan(list(found["none_seen"].values())).all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x_hat": {"b": np.zeros((2, 1))}}, r"all of x_true"),
        ({"x_true": {}}, "one modality at least"),
        ({"s": {"a": [[0], [1]]}}, "masks of shapes"),
        ({"s": {"a": [0, 1], "b": [0, 1, 1]}}, "masks of shapes"),
        ({"x_hat": {"a": np.zeros((2, 2))}}, "one shape"),
        ({"s": {"a": [0, 1, 1]}}, "and n rows"),
        ({"x_hat": {"a": [[np.nan], [0.0]]}}, "not finite"),
    ],
)
def test_what_does_not_fit_is_refused(changed, message):
    words = {
        "x_true": {"a": np.zeros((2, 1))},
        "x_hat": {"a": np.ones((2, 1))},
        "s": {"a": [0, 1]},
    }
    with pytest.raises(SettingError, match=message):
        metrics.mse_by_modality(**(words | changed))


def masks(shape, n=20):
    return [np.random.default_rng(seed).random(shape) < 0.5 for seed in range(n)]


def test_the_mean_of_yeast_has_the_published_scale(shared_data):
    """0.472 under one mask where columns share a deviation, 1.00 where each has its own."""
    x = load_uci("yeast", shared_data).drop(columns="class").to_numpy(dtype=float)
    means, nothing = np.broadcast_to(x.mean(0), x.shape), np.zeros(x.shape)
    scaled = (x - x.min(0)) / np.ptp(x, axis=0)
    exact = scaled.std(0).mean() / scaled.std()
    assert exact == pytest.approx(0.4738, abs=1e-4)
    assert metrics.nrmse_pooled(x, means, nothing) == pytest.approx(exact)
    assert metrics.nrmse_by_feature(x, means, nothing) == pytest.approx(1.0)
    pooled, by_feature = [], []
    for s in masks(x.shape):
        seen = np.where(s, x, np.nan)
        filled = np.where(s, x, np.nanmean(seen, axis=0))
        pooled.append(metrics.nrmse_pooled(x, filled, s))
        by_feature.append(metrics.nrmse_by_feature(x, filled, s))
    # The deviation over masks is 0.009 and 0.022.
    assert np.mean(pooled) == pytest.approx(0.472, abs=0.006)
    assert np.mean(by_feature) == pytest.approx(1.00, abs=0.015)


def test_the_mode_of_mushrooms_has_the_published_scale(shared_data):
    """0.42, with 22 columns and with the class as one more."""
    table = load_uci("mushroom", shared_data)
    for frame in (table, table.drop(columns="class")):
        found = []
        for s in masks(frame.shape, 2):
            modes = frame.where(s).mode().iloc[0]
            filled = np.where(s, frame.to_numpy(dtype=object), modes.to_numpy(dtype=object))
            found.append(metrics.pfc(frame, filled, s))
        assert np.mean(found) == pytest.approx(0.42, abs=0.005)
