"""The floor under the noise of a density, as users are told it."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from halfseen import GaussianCopulaImputer, GaussianImputer, GMMDensity, MFADensity, load
from halfseen.methods import all_methods


@pytest.mark.parametrize("method", [MFADensity, GMMDensity, GaussianImputer])
def test_every_density_tells_its_own_floor_in_squared_units_of_the_table(method, tmp_path):
    """Columns that follow from each other leave noise at the floor alone."""
    x = np.random.default_rng(0).normal(size=(60, 1)) * [1.0, 3.0, 10.0] + [0.0, 5.0, 0.0]
    settings = {"n_components": 1, "noise_floor": 0.2, "prior_rows": 0.0, "random_state": 0}
    if method is MFADensity:
        settings["rank"] = 1
    fitted = method(**settings).fit(x)
    floor = (0.2 * x.std(0)) ** 2
    np.testing.assert_allclose(fitted.noise_floor_variance_, floor)
    law = fitted.conditional(np.full((1, 3), np.nan))
    np.testing.assert_allclose(law.covariance_diagonal[0], floor, rtol=0.02)
    fitted.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.noise_floor_variance_, fitted.noise_floor_variance_)


def test_floors_of_what_has_none():
    assert MFADensity().fit(np.ones((5, 2))).noise_floor_variance_.shape == (0,)
    with pytest.raises(NotFittedError):
        _ = MFADensity().noise_floor_variance_
    scores = GaussianCopulaImputer(noise_floor=0.1).fit(
        np.random.default_rng(0).normal(size=(9, 2))
    )
    np.testing.assert_allclose(scores.noise_floor_variance_, 0.01)


def test_whose_floors_are_told():
    """Those that the changelog names, and no others."""
    methods = all_methods().values()
    told = {method.__name__ for method in methods if hasattr(method, "noise_floor_variance_")}
    kinds = ("Density", "Imputer")
    families = {f"{name}{kind}" for name in ("MFA", "GMM", "DMFA") for kind in kinds}
    assert told == families | {"GaussianImputer", "GaussianCopulaImputer"}
