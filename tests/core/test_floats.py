"""Numbers near one keep their digits, and units hold at both ends of the range of floats."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from halfseen.core.floats import near_one
from halfseen.core.spec import DataSpec
from halfseen.core.units import FURTHEST, Units
from halfseen.errors import ColumnError


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_a_power_of_two_changes_no_digit(scale):
    values = np.random.default_rng(0).normal(size=50) * scale
    unit, exponent = near_one(values)
    assert 0.5 <= np.abs(unit).max() < 1
    assert_array_equal(np.ldexp(unit, exponent), values)


def test_columns_have_powers_of_their_own():
    values = np.array([[1e300, 3.0, 0.0], [np.nan, -5.0, 0.0]])
    unit, exponent = near_one(values, axis=0)
    assert_array_equal(np.ldexp(unit, exponent), values)
    assert exponent[1] == 3
    assert (np.nanmax(np.abs(unit), 0)[:2] >= 0.5).all()


@pytest.mark.parametrize("scale", [1e-310, 1e-150, 1.0, 1e150, 1.7e308])
@pytest.mark.parametrize("skewed", [False, True])
def test_units_standardise_at_any_scale(scale, skewed):
    """Against the same column around one: its model units do not depend on its scale."""
    plain = np.random.default_rng(1).uniform(-1, 1, size=(60, 1))
    plain[:2, 0] = -1.0, 1.0
    column = plain * scale
    spec = DataSpec.continuous(1)
    units = Units.fit(spec, column, skewed=skewed)
    x = units.to_model(column)
    # Numbers below the smallest normal one have few digits.
    expected = Units.fit(spec, plain, skewed=skewed).to_model(plain)
    np.testing.assert_allclose(x, expected, rtol=1e-2 if scale < 1e-300 else 1e-9)
    np.testing.assert_allclose(units.finish(x), column, rtol=1e-9, atol=1e-12 * scale)


def test_skewed_units_do_not_depend_on_the_scale():
    plain = np.random.default_rng(1).lognormal(sigma=2.0, size=(60, 1))
    spec = DataSpec.continuous(1)
    for scale in (2.0**-900, 2.0**900):
        units = Units.fit(spec, plain * scale, skewed=True)
        expected = Units.fit(spec, plain, skewed=True)
        assert list(units.curved) == list(expected.curved) == [0]
        assert_array_equal(units.to_model(plain * scale), expected.to_model(plain))


@pytest.mark.parametrize("skewed", [False, True])
def test_cells_that_are_out_of_reach_are_read_as_very_far(skewed):
    """Neither infinite in model units, nor in density, nor on the way back."""
    column = np.random.default_rng(1).lognormal(sigma=2.0, size=(60, 1)) * 1e-150
    units = Units.fit(DataSpec.continuous(1), column, skewed=skewed)
    far = np.array([[1e300], [-1e300], [5e-324], [np.nan]])
    x = units.to_model(far)
    assert np.isnan(x[3, 0])
    assert (np.abs(x[:3]) <= FURTHEST).all()
    assert x[0, 0] > x[2, 0] > x[1, 0]
    assert np.isfinite(units.log_jacobian(np.nan_to_num(far))).all()
    assert np.isfinite(Units.fit(DataSpec.continuous(1), far).finish(np.full((1, 1), 1e30))).all()


def test_numbers_too_large_to_be_left_as_they_are_are_refused():
    with pytest.raises(ColumnError, match=r"holds 1e\+30, and standardize=False"):
        Units.fit(DataSpec.continuous(1), np.array([[1e30], [0.0]]), standardize=False)
