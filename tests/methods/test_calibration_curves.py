"""scikit-learn's curves of calibration take our classifiers on a table with holes."""

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibrationDisplay, calibration_curve

from halfseen import FilledClassifier, SupMIWAEClassifier
from halfseen.testing import small_estimator

N_BINS = 4


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=120), "b": rng.choice(["u", "v"], 120)})
    table["y"] = np.where(table["a"] + rng.normal(size=120) > 0, "yes", "no")
    table.loc[::3, "a"] = np.nan
    table.loc[1::4, "b"] = None
    return table


@pytest.fixture(scope="module", params=[FilledClassifier, SupMIWAEClassifier])
def model(request, frame):
    model = small_estimator(request.param, random_state=0)
    return model.fit(frame[["a", "b"]], frame["y"])


def by_hand(model, frame):
    """Share of "yes", and mean probability of it, in each bin of probabilities that has rows."""
    p = model.predict_proba(frame[["a", "b"]])[:, list(model.classes_).index("yes")]
    bins = np.minimum((p * N_BINS).astype(int), N_BINS - 1)
    yes = (frame["y"] == "yes").to_numpy()
    found = np.unique(bins)
    assert len(found) > 1
    return np.array([[yes[bins == i].mean(), p[bins == i].mean()] for i in found]).T


def test_a_curve_of_probabilities(model, frame):
    p = model.predict_proba(frame[["a", "b"]])[:, 1]
    found = calibration_curve(frame["y"], p, n_bins=N_BINS, pos_label="yes")
    np.testing.assert_allclose(found, by_hand(model, frame))


def test_a_display_of_the_estimator(model, frame):
    figure = pytest.importorskip("matplotlib.figure").Figure()
    display = CalibrationDisplay.from_estimator(
        model, frame[["a", "b"]], frame["y"], n_bins=N_BINS, pos_label="yes", ax=figure.subplots()
    )
    np.testing.assert_allclose([display.prob_true, display.prob_pred], by_hand(model, frame))
    assert display.estimator_name == type(model).__name__
