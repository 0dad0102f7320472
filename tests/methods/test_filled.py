"""What the simple strategies put where a cell is missing, and what their training sees."""

import numpy as np
import pandas as pd
import pytest

from halfseen import FilledClassifier, FilledRegressor, MeanImputer, load
from halfseen.errors import ColumnError


def filled(model, X):
    """What the head is shown, in the table's units: (n, p)."""
    batch = model._encoded_rows(X).take(slice(None))
    return model.units_.to_data(model.model_.inputs(batch.x, batch.s)[0, 0].double().numpy())


def test_a_missing_pixel_takes_its_own_mean():
    rng = np.random.default_rng(0)
    x = rng.random((100, 1, 2, 2)).astype(np.float32) * 0.1
    x[:, 0, 0, 0] += 5
    x[rng.random(x.shape) < 0.3] = np.nan
    model = FilledClassifier(max_steps=1, hidden=(2,)).fit(x, np.arange(100) % 2)
    holes = np.isnan(x).reshape(100, 4)
    expected = MeanImputer().fit(x).transform(x).reshape(100, 4)
    np.testing.assert_allclose(filled(model, x)[holes], expected[holes], rtol=1e-5)


def test_a_pixel_that_no_image_shows_takes_the_mean_of_all():
    x = np.array([1.0, 6.0, np.nan, 3.0, 8.0, np.nan] * 10).reshape(20, 1, 1, 3)
    model = FilledClassifier(max_steps=1, hidden=(2,)).fit(x, np.arange(20) % 2)
    blank = np.full((1, 1, 1, 3), np.nan)
    np.testing.assert_allclose(filled(model, blank), [[2.0, 7.0, 4.5]], rtol=1e-6)


BOUNDED = {"kind": "bounded", "lower": 0, "upper": 200}


@pytest.mark.parametrize("kind", ["count", "positive", BOUNDED, "continuous"], ids=str)
def test_a_column_takes_its_mean_in_the_units_of_the_table(kind):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": np.floor(rng.exponential(12, 200)) + 1, "b": rng.normal(size=200)})
    frame.loc[::3, "a"] = np.nan
    model = FilledClassifier(max_steps=1, hidden=(2,), kinds={"a": kind})
    model.fit(frame, np.arange(200) % 2)
    np.testing.assert_allclose(filled(model, frame)[::3, 0], frame["a"].mean(), rtol=1e-5)


@pytest.mark.parametrize(("fill", "expected"), [("mean", [0.2, 0.5, 0.3]), ("zero", [0, 0, 0])])
def test_a_category_takes_the_shares_of_its_levels(fill, expected):
    levels = [*"aa", *"bbbbb", *"ccc"]
    frame = pd.DataFrame({"a": [*levels, None, None], "b": np.arange(12) % 2})
    model = FilledClassifier(fill=fill, max_steps=1, hidden=(2,)).fit(frame, np.arange(12) % 2)
    batch = model._rows(np.array([[np.nan, np.nan]])).take(slice(None))
    found = model.model_.inputs(batch.x, batch.s)[0, 0, 0].numpy()
    np.testing.assert_allclose(found[:3], expected, rtol=1e-6)


@pytest.mark.parametrize("method", [FilledClassifier, FilledRegressor])
def test_coins_are_drawn_of_shares_only(method):
    rng = np.random.default_rng(0)
    table = rng.random((40, 2))
    y = np.arange(40) % 2
    model = method(binarize=True, max_steps=2, hidden=(2,), random_state=0)
    with pytest.raises(ColumnError, match=r"'x1' holds 2\..*, and binarize=True.*binarize=False"):
        model.fit(np.add(table, [0, 2]), y)
    model.fit(table, y)
    with pytest.raises(ColumnError, match="'x0' holds -1"):
        model.predict(np.array([[-1.0, np.nan]]))


def test_a_model_of_coins_is_saved(tmp_path):
    rng = np.random.default_rng(0)
    table = rng.random((70, 2))
    table[rng.random(table.shape) < 0.3] = np.nan
    model = FilledClassifier(binarize=True, max_steps=5, random_state=0)
    model.fit(table, np.arange(70) % 2).save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.binarize
    np.testing.assert_array_equal(again.predict_proba(table), model.predict_proba(table))
    holes = np.isnan(table)
    means = np.broadcast_to(np.nanmean(table, 0), table.shape)
    np.testing.assert_allclose(filled(again, table)[holes], means[holes], rtol=1e-5)
