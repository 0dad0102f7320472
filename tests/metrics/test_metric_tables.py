"""Distances between two samples: of tables whose columns are in another order, of huge numbers."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from halfseen.errors import SettingError
from halfseen.metrics import (
    energy_distance,
    fid,
    kid,
    moments,
    sliced_wasserstein,
    two_sample_test,
)

DISTANCES = {
    "fid": fid,
    "kid": lambda x, y: kid(x, y, subset_size=30, n_subsets=20),
    "sliced_wasserstein": sliced_wasserstein,
    "energy_distance": energy_distance,
    "two_sample_test": lambda x, y: two_sample_test(x, y).accuracy,
}
DOCUMENTED = [fid, kid, energy_distance, two_sample_test]
every_distance = pytest.mark.parametrize("distance", DISTANCES.values(), ids=DISTANCES)


def tables():
    """Two samples of one law whose columns are far apart."""
    rng = np.random.default_rng(0)
    return tuple(
        pd.DataFrame({"x": rng.normal(size=60), "y": 50 + rng.normal(size=60)}) for _ in range(2)
    )


@every_distance
@pytest.mark.parametrize("make", [lambda t: t, pl.from_pandas, pa.Table.from_pandas])
def test_columns_go_by_their_names(distance, make):
    one, other = tables()
    wanted = distance(one.to_numpy(), other.to_numpy())
    assert distance(one, other) == wanted
    assert distance(one, make(other[["y", "x"]])) == pytest.approx(wanted, rel=1e-9)
    assert distance(make(one[["y", "x"]]), other[["y", "x"]]) == pytest.approx(wanted, rel=0.3)


@every_distance
def test_other_names_are_refused(distance):
    one, other = tables()
    for wrong in (other.rename(columns={"y": "z"}), other[["x"]], other.assign(z=1.0)):
        with pytest.raises(SettingError, match=r"the columns \['x', 'y'\] and"):
            distance(one, wrong)
    # What has no names goes by position, as in fit.
    assert distance(one, other.to_numpy()) == distance(one, other)
    assert distance(one, other.set_axis([0, 1], axis=1)) == distance(one, other)


@every_distance
def test_names_that_are_no_text_say_nothing(distance):
    """As the docstrings have it: columns that are numbered stand where they stand."""
    one, other = tables()
    numbered = distance(one.set_axis([0, 1], axis=1), other.set_axis([1, 0], axis=1))
    assert numbered == distance(one, other)
    assert distance(one.set_axis(["x", 0], axis=1), other.set_axis([0, "x"], axis=1)) == numbered
    assert all("where all are text" in (f.__doc__ or "") for f in DOCUMENTED)


def test_moments_remember_names():
    one, other = tables()
    wanted = fid(one, other)
    assert fid(moments(one), other[["y", "x"]]) == pytest.approx(wanted)
    assert fid(other[["y", "x"]], moments(one)) == pytest.approx(wanted)
    assert fid(moments(one), moments(other)) == pytest.approx(wanted)
    with pytest.raises(SettingError, match="the same names"):
        fid(moments(one), other.rename(columns={"y": "z"}))


@every_distance
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.full((5, 2), np.nan), "not finite"),
        (np.full((5, 2), np.inf), "not finite"),
        (np.empty((0, 2)), "row"),
        (np.full((5, 2), "a"), "no number"),
    ],
    ids=["NaN", "infinite", "empty", "text"],
)
def test_what_has_no_distance_is_refused(distance, wrong, message):
    right = np.random.default_rng(0).normal(size=(5, 2))
    for pair in ((right, wrong), (wrong, right)):
        with pytest.raises(SettingError, match=message):
            distance(*pair)


@pytest.mark.parametrize("name", ["fid", "kid", "two_sample_test"])
def test_numbers_without_powers_are_refused(name):
    one, other = (table.to_numpy() for table in tables())
    for pair in ((one * 1e200, other), (one, -other * 1e200)):
        with pytest.raises(SettingError, match=r"e\+20\d in .*by the same scale"):
            DISTANCES[name](*pair)


@pytest.mark.parametrize("distance", [sliced_wasserstein, energy_distance])
def test_distances_that_grow_with_their_samples_have_no_limit(distance):
    one, other = (table.to_numpy() for table in tables())
    found = distance(one * 2.0**1000, other * 2.0**1000)
    assert found == distance(one, other) * 2.0**1000
    with pytest.raises(SettingError, match="no float"):
        distance([[1.7e308], [1.7e308]], [[-1.7e308], [-1.7e308]])


def test_single_precision_is_scaled_too():
    one, other = (torch.tensor(table.to_numpy(), dtype=torch.float32) for table in tables())
    assert sliced_wasserstein(one * 2.0**100, other * 2.0**100) == pytest.approx(
        sliced_wasserstein(one, other) * 2.0**100
    )


def test_as_large_as_it_goes():
    one, other = (table.to_numpy() / 60 for table in tables())
    assert fid(one * 2.0**330, other * 2.0**330) == pytest.approx(fid(one, other) * 2.0**660)
    large = 2.0**76
    assert np.isfinite(kid(one * large, other * large, subset_size=30, n_subsets=5))
