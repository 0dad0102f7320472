"""What all heads share: bins of numbers, and settings that are refused before any training."""

import numpy as np
import pandas as pd
import pytest

from halfseen import FilledClassifier, MIWAEImputer, SupMIWAEClassifier
from halfseen.errors import SettingError
from halfseen.testing import small_estimator
from halfseen.testing.tables import some_labels, some_table

METHODS = (FilledClassifier, SupMIWAEClassifier)


@pytest.fixture(scope="module")
def X():
    return some_table(80)


@pytest.fixture(scope="module")
def y(X):
    return some_labels(X, classes=True)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["words", "one value", "images"])
def test_bins_where_there_is_no_number_to_put_in_them(y, method, kind):
    rng = np.random.default_rng(0)
    gone = rng.random(len(y)) < 0.3
    made = {
        "words": pd.DataFrame({"c": rng.choice(["u", "v", "w"], len(y))}),
        "one value": pd.DataFrame({"c": np.where(gone, np.nan, 1.0)}),
        "images": rng.random((len(y), 1, 3, 3)) * np.where(np.arange(3) == 1, np.nan, 1.0),
    }
    model = small_estimator(method, n_bins=3, add_indicator=kind == "one value", random_state=0)
    assert model.fit(made[kind], y).predict_proba(made[kind]).shape == (len(y), 2)


def test_a_column_that_only_the_generator_saw(X, y):
    imputer = small_estimator(MIWAEImputer, random_state=0).fit(X)
    hidden = X.copy()
    hidden[:, 1] = np.nan
    model = SupMIWAEClassifier(generator=imputer, n_bins=3, max_steps=5, n_importance_predict=10)
    assert np.isfinite(model.fit(hidden, y).predict_proba(X)).all()


def test_bins_have_equal_shares_of_the_seen_cells(X, y):
    model = small_estimator(FilledClassifier, n_bins=4, random_state=0).fit(X, y)
    x = model.units_.to_model(X)
    expected = np.nanquantile(x, np.linspace(0, 1, 5), axis=0).T
    np.testing.assert_allclose(model.edges_, expected, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"schedule": "cosin"}, "schedule='cosin'"),
        ({"validation_fraction": 1.0}, "validation_fraction=1.0"),
        ({"validation_fraction": -0.1}, "validation_fraction=-0.1"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"n_bins": -1}, "n_bins=-1"),
        ({"patience": 3, "validation_fraction": 0.0}, "patience=3"),
    ],
)
def test_settings_that_are_refused(X, y, method, settings, part):
    with pytest.raises(SettingError, match=part):
        method(**settings).fit(X, y)
