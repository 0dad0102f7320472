"""Draws of rows in parts are those of all rows at once."""

import numpy as np
import pytest

from halfseen import ConvAC, GMMImputer

METHODS = [
    ConvAC(n_components=4, channels=(4,), n_members=1, max_steps=5, random_state=0),
    GMMImputer(n_components=2, n_starts=1, max_iter=5, random_state=0),
]


@pytest.mark.parametrize("imputer", METHODS, ids=lambda imputer: type(imputer).__name__)
def test_parts_do_not_share_noise(imputer, monkeypatch):
    rng = np.random.default_rng(0)
    X = np.where(rng.random((30, 3)) < 0.4, np.nan, rng.normal(size=(30, 3)))
    whole = imputer.fit(X).sample(X, 2)
    monkeypatch.setattr(type(imputer), "_chunk_floats", 1)
    assert len(list(imputer._row_parts(imputer._rows(X), 2))) == 30
    np.testing.assert_allclose(imputer.sample(X, 2), whole, rtol=1e-4, atol=1e-5)
