"""Columns to features and back, and rows that never hold NaN."""

import numpy as np
import pytest
import torch

from halfseen.core.batch import Rows
from halfseen.core.features import Features
from halfseen.core.spec import Column, DataSpec
from halfseen.core.words import closest
from halfseen.errors import SettingError

SPEC = DataSpec(
    (
        Column("a", "nominal", n_levels=3),
        Column("b", "continuous"),
        Column("c", "binary", n_levels=1),
        Column("d", "count"),
    )
)


def test_expand_and_contract():
    expand = Features(SPEC)
    x = torch.tensor([[2.0, 0.5, 0.0, 4.0], [0.0, -1.0, 1.0, 0.0]])
    features = expand(x)
    assert features.shape == (2, SPEC.n_features) == (2, 7)
    torch.testing.assert_close(features[0], torch.tensor([0.0, 0, 1, 0.5, 1, 0, 4]))
    torch.testing.assert_close(expand.contract(features), x)
    mask = expand.mask(torch.tensor([[0.0, 1.0, 0.0, 1.0]]))
    torch.testing.assert_close(mask, torch.tensor([[0.0, 0, 0, 1, 0, 0, 1]]))


def test_specifications_travel_as_json():
    assert DataSpec.from_json(SPEC.to_json()) == SPEC
    assert SPEC.subset([1, 3]).names == ["b", "d"]
    assert SPEC.where("binary", "nominal") == [0, 2]
    with pytest.raises(SettingError, match="Got kind='dense' for column 'x'"):
        Column("x", "dense")


def test_rows_hold_no_nan_and_no_infinity():
    rows = Rows.from_values(np.array([[np.nan, 1e300], [2.0, -1e300]]))
    assert torch.isfinite(rows.x).all()
    assert torch.isfinite(rows.x**2).all()
    torch.testing.assert_close(rows.s, torch.tensor([[0.0, 1.0], [1.0, 1.0]]))
    batch = rows.take(torch.tensor([1]))
    assert len(batch) == 1
    assert batch.shown is batch.s


def test_hints():
    assert closest("meen", ["mean", "zero"]) == " Did you mean 'mean'?"
    assert closest("qqq", ["mean", "zero"]) == ""
