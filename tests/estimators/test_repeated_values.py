"""Columns in which values come back: their densities are those of a law."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import cauchy

from halfseen.core.spec import Column, DataSpec
from halfseen.core.units import Units
from halfseen.estimators.repeats import UNSEEN, Repeats, log_units
from halfseen.methods.convac import ConvAC
from halfseen.methods.miwae import MIWAEImputer

SMALL = {"max_steps": 60, "hidden": (16,), "n_importance_predict": 300}
MODELS = [ConvAC(max_steps=100, random_state=0), MIWAEImputer(**SMALL, random_state=0)]
NAMES = [type(model).__name__ for model in MODELS]


def beside_noise(column, name="k"):
    noise = np.random.default_rng(1).normal(size=len(column))
    noise[::7] = np.nan
    return pd.DataFrame({name: np.asarray(column, dtype=float), "noise": noise})


def probabilities(model, values):
    """Of values of the first column, where nothing else is seen."""
    return np.exp(model.score_samples(pd.DataFrame({"k": values, "noise": np.nan})))


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_counts_with_many_zeros_have_a_law(model):
    rng = np.random.default_rng(0)
    count = np.where(rng.random(600) < 0.3, 0, rng.negative_binomial(1, 0.1, 600))
    model.fit(beside_noise(count))
    assert list(model.repeats_.atom) == [0]
    assert model.units_.spec.columns[0].kind == "count"
    found = probabilities(model, np.arange(4000.0))
    # MIWAE's are bounds from below.
    assert found.sum() == pytest.approx(1, abs=0.1)
    assert found[10] == pytest.approx((count == 10).mean(), abs=0.02)


@pytest.mark.parametrize("kind", ["count", "continuous"])
@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_counts_that_fit_has_not_seen_are_hardly_likely(model, kind):
    count = np.random.default_rng(0).poisson(3, 500)
    model.set_params(kinds={"k": kind}).fit(beside_noise(count))
    assert list(model.repeats_.grid) == [0]
    found = probabilities(model, np.arange(4000.0))
    assert found.sum() == pytest.approx(1, abs=0.02)
    assert found[count.max() + 1 :].sum() < 1e-4


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_ratings_off_the_scale_are_told_from_those_on_it(model):
    rating = np.random.default_rng(0).integers(1, 6, 500)
    model.set_params(kinds=None).fit(beside_noise(rating))
    on, half, next_, far = probabilities(model, [5.0, 4.6, 6.0, 999.0])
    assert on > 0.1 > 1e3 * half
    assert half > next_ > 1e3 * far > 0
    filled = model.transform(pd.DataFrame({"k": [999.0, 4.6], "noise": np.nan}))
    assert filled["k"].tolist() == [999.0, 4.6]


def test_what_cells_gain_against_the_laws_themselves():
    spec = DataSpec((Column("a", "continuous"), Column("b", "count"), Column("c", "count")))
    values = np.array([[1.0, 0, 2], [2.5, 3, np.nan], [np.nan, 5, 40], [7.0, 0, 0]])
    values = np.concatenate([values] * 5)
    units = Units.fit(spec, values)
    x = units.to_model(values)
    grid = {0: sorted({float(v) for v in x[[0, 3], 0]})}
    repeats = Repeats(grid=grid, atom={1: float(x[0, 1])}, exact={0: [1.0, 7.0], 1: [0.0]})
    off = np.log(UNSEEN) + cauchy(4, 3).logpdf(2.5)
    slope = units.log_jacobian(values, counts=True)[:, 1]
    expected = [0, off + slope[1], slope[2], 0]
    np.testing.assert_allclose(log_units(units, repeats, values)[:4], expected, rtol=1e-6)
