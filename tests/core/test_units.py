"""Changes of units: there and back for every map, and the slope that a density needs."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from halfseen.core.spec import Column, DataSpec
from halfseen.core.units import Units
from halfseen.errors import ColumnError

KINDS = ["continuous", "skewed", "positive", "bounded", "count"]


def a_column(kind, scale, seed):
    rng = np.random.default_rng(seed)
    cells = {
        "continuous": lambda: rng.normal(3, 1, 60),
        "skewed": lambda: rng.lognormal(0, 1.5, 60) - 0.5,
        "positive": lambda: rng.lognormal(0, 1, 60),
        "bounded": lambda: rng.beta(2, 3, 60),
        "count": lambda: rng.poisson(4, 60) / scale,
    }[kind]() * scale
    limits = {"lower": 0.0, "upper": scale} if kind == "bounded" else {}
    spec = DataSpec((Column("v", "continuous" if kind == "skewed" else kind, **limits),))
    return spec, cells[:, None]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, deadline=None)
@given(exponent=st.integers(-6, 6), seed=st.integers(0, 1000))
def test_there_and_back(kind, exponent, seed):
    spec, values = a_column(kind, 10.0**exponent, seed)
    holed = values.copy()
    holed[::7] = np.nan
    units = Units.fit(spec, holed, skewed=True)
    back = units.to_data(units.to_model(values))
    np.testing.assert_allclose(back, values, rtol=1e-7, atol=1e-9 * np.abs(values).max())
    x = units.to_model(holed)
    assert np.isnan(x[::7]).all()
    assert np.nanmean(x) == pytest.approx(0, abs=1e-6)
    assert np.nanstd(x) == pytest.approx(1, abs=1e-6)
    again = Units.from_json(spec, units.to_json())
    np.testing.assert_array_equal(again.to_model(values), units.to_model(values))


@pytest.mark.parametrize("kind", KINDS)
def test_maps_rise_and_natural_units_finish_to_data(kind):
    spec, values = a_column(kind, 10.0, 3)
    units = Units.fit(spec, values, skewed=True)
    grid = np.linspace(values.min(), values.max(), 200)[:, None]
    assert (np.diff(units.to_model(grid)[:, 0]) > 0).all()
    x = torch.from_numpy(units.to_model(values))
    finished = units.finish(units.natural(x, [0]).numpy())
    np.testing.assert_allclose(finished, values, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("kind", ["continuous", "skewed", "positive", "bounded"])
def test_the_jacobian_is_the_slope(kind):
    spec, values = a_column(kind, 5.0, 2)
    units = Units.fit(spec, values, skewed=True)
    inner = np.sort(values, 0)[5:-5]
    h = 1e-5
    slope = (units.to_model(inner + h) - units.to_model(inner - h)) / (2 * h)
    np.testing.assert_allclose(units.log_jacobian(inner), np.log(slope), atol=1e-5)


def test_skewed_columns_get_a_power_and_others_do_not():
    spec, values = a_column("skewed", 1.0, 0)
    assert Units.fit(spec, values, skewed=True).curved == [0]
    assert Units.fit(spec, values, skewed=False).curved == []
    spec, values = a_column("continuous", 1.0, 0)
    assert Units.fit(spec, values, skewed=True).curved == []


def test_counts_and_categories_have_no_jacobian():
    spec = DataSpec((Column("n", "count"), Column("c", "nominal", n_levels=3)))
    values = np.array([[0.0, 1.0], [4.0, 2.0], [9.0, 0.0]])
    units = Units.fit(spec, values)
    assert (units.log_jacobian(values) == 0).all()
    np.testing.assert_array_equal(units.to_model(values)[:, 1], values[:, 1])


def test_huge_and_tiny_columns_neither_overflow_nor_vanish():
    values = np.c_[[1e308, -1e308, 1e308], [1e-300, 3e-300, 2e-300]]
    units = Units.fit(DataSpec.continuous(2), values)
    x = units.to_model(values)
    assert np.isfinite(x).all()
    np.testing.assert_allclose(x[:, 1].std(), 1, rtol=1e-6)


def test_a_negative_value_in_a_positive_column_is_refused_by_name():
    spec = DataSpec((Column("dose", "positive"),))
    with pytest.raises(ColumnError, match="'dose' is declared 'positive' but holds -1"):
        Units.fit(spec, np.array([[-1.0], [2.0]]))


def test_extrapolation_stays_finite():
    for kind in KINDS:
        spec, values = a_column(kind, 1.0, 1)
        units = Units.fit(spec, values, skewed=True)
        far = units.to_data(np.array([[-1e4], [1e4]]))
        assert np.isfinite(far).all()
        if kind == "bounded":
            assert far.min() >= 0
            assert far.max() <= 1


def test_a_scale_without_a_half():
    """The smallest float halves to 0, by which far cells were divided once."""
    smallest = np.finfo(float).smallest_subnormal
    spec = DataSpec((Column("x", "continuous"),))
    units = Units(spec, np.zeros(1), np.array([smallest]), np.zeros(1, int), np.zeros((1, 2)))
    with np.errstate(all="raise", under="ignore"):
        assert units.to_model(np.array([[1e300], [-1e300], [0.0]]))[:, 0].tolist() == [
            1e30,
            -1e30,
            0,
        ]
