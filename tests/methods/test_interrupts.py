"""Ctrl-C keeps the best model so far, and says so."""

import numpy as np
import pytest

from halfseen import GMMDensity, GMMImputer, MatrixFactorizationImputer, MIWAEImputer
from halfseen.errors import TrainingWarning
from halfseen.estimators import low_rank
from halfseen.estimators.factor_gradient import FactorModel
from halfseen.estimators.fitting import LatentFit
from halfseen.estimators.gaussian_em import GaussianEM
from halfseen.testing.tables import some_table

# A method, where one step of it is taken, and a name for it.
METHODS = {
    "miwae": (lambda: MIWAEImputer(max_steps=30, random_state=0), LatentFit, "_loss"),
    "gmm": (
        lambda: GMMImputer(n_components=3, n_starts=2, tol=0.0, random_state=0),
        GaussianEM,
        "__call__",
    ),
    "als": (lambda: MatrixFactorizationImputer(rank=2, random_state=0), low_rank, "_sweep"),
}


class Interrupts:
    """Ctrl-C in the n-th step."""

    def __init__(self, monkeypatch, place, name):
        self.n_steps, self.at, step = 0, None, getattr(place, name)

        def interrupted(*arguments):
            self.n_steps += 1
            if self.n_steps == self.at:
                raise KeyboardInterrupt
            return step(*arguments)

        monkeypatch.setattr(place, name, interrupted)

    def in_step(self, at):
        self.n_steps, self.at = 0, at


@pytest.mark.parametrize(("make", "place", "name"), METHODS.values(), ids=METHODS.keys())
def test_an_interrupted_fit_answers(monkeypatch, make, place, name):
    interrupts, X = Interrupts(monkeypatch, place, name), some_table(200)
    whole = make().fit(X).transform(X)
    interrupts.in_step(interrupts.n_steps)
    with pytest.warns(TrainingWarning, match="best state so far is kept"):
        filled = make().fit(X).transform(X)
    np.testing.assert_array_equal(filled[~np.isnan(X)], X[~np.isnan(X)])
    # All steps but one: nearly the same answers, and not those of a start.
    assert np.abs(filled - whole).max() < 0.2


@pytest.mark.parametrize(
    "estimator", [GMMImputer(random_state=0), MatrixFactorizationImputer(random_state=0)]
)
def test_an_interrupt_before_there_is_a_model_ends_the_fit(monkeypatch, estimator):
    place, name = next(
        row[1:] for row in METHODS.values() if isinstance(row[0](), type(estimator))
    )
    Interrupts(monkeypatch, place, name).in_step(3)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(some_table(200))


@pytest.mark.parametrize("n_components", [3, None], ids=["in the fit", "in the choice"])
def test_an_interrupt_ends_a_mixture_by_gradient(monkeypatch, n_components):
    """One Ctrl-C is one for all starts; before there is a model there is none to keep."""
    settings = {"n_starts": 3, "solver": "gradient", "max_steps": 40, "random_state": 0}
    interrupts = Interrupts(monkeypatch, FactorModel, "mixture")
    interrupts.in_step(30)
    density = GMMDensity(n_components=n_components, **settings)
    if n_components is None:
        with pytest.warns(TrainingWarning), pytest.raises(KeyboardInterrupt):
            density.fit(some_table(200))
        assert interrupts.n_steps == 30
        return
    with pytest.warns(TrainingWarning, match="best state so far is kept"):
        density.fit(some_table(200))
    assert (density.stopped_, density.model_.n_components) == ("interrupted", 3)
    assert {row["start"] for row in density.history_} == {0}
    assert density.n_iter_ == density.history_[-1]["step"] < 30
    assert np.isfinite(density.score_samples(some_table(20))).all()
