"""Resumed fits of tables and networks so wide that products round by the order of numbers."""

import numpy as np
import pytest

from halfseen import (
    ConvAC,
    DMFAImputer,
    GaussianCopulaImputer,
    GMMImputer,
    MatrixFactorizationImputer,
    MFAImputer,
    MisGAN,
    MIWAEImputer,
    NotMIWAEImputer,
    SupMIWAEClassifier,
    VSAEImputer,
)
from halfseen.testing.killed import fits_after_kills, same_state

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4)) @ RNG.normal(size=(4, 40)) + RNG.normal(size=(300, 40))
Y = (X[:, 0] > 0).astype(int)
X[RNG.random(X.shape) < 0.3] = np.nan

METHODS = {
    "gmm": GMMImputer(n_components=3, n_starts=2, max_iter=8, tol=0.0),
    "copula": GaussianCopulaImputer(max_iter=8, tol=0.0),
    "mfa": MFAImputer(n_components=2, rank=5, n_starts=1, max_iter=8, tol=0.0),
    "als": MatrixFactorizationImputer(rank=7, ridge=0.1, max_iter=8, tol=0.0),
    "miwae": MIWAEImputer(max_steps=12, average=0.9),
    "not-miwae": NotMIWAEImputer(max_steps=8),
    "vsae": VSAEImputer(max_steps=8),
    "dmfa": DMFAImputer(max_steps=12),
    "convac": ConvAC(max_steps=12),
    "misgan": MisGAN(max_steps=4),
    "sup-miwae": SupMIWAEClassifier(generator=MIWAEImputer(max_steps=6), max_steps=6),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_wide_fit_goes_on_to_the_same_bits(name):
    from sklearn.base import clone

    made = METHODS[name].set_params(random_state=0)
    more = (Y,) if name == "sup-miwae" else ()
    plain = clone(made).fit(X, *more)

    def fit(folder):
        return clone(made).fit(X, *more, checkpoint=folder, checkpoint_every=0)

    for place, fitted in fits_after_kills(fit):
        assert same_state(plain, fitted), place
