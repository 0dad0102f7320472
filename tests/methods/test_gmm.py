"""Mixtures of Gaussians and the single Gaussian on tables with holes."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from halfseen import load
from halfseen.errors import SettingError, TrainingWarning
from halfseen.methods.gmm import GaussianImputer, GMMDensity, GMMImputer
from halfseen.methods.mfa import MFAImputer

METHODS = [GMMImputer, GMMDensity, GaussianImputer]
EXACT = {"prior_rows": 0.0, "noise_floor": 1e-3, "tol": 1e-13, "max_iter": 5000}


def table(n=150, missing=0.3, seed=0):
    """Two groups of correlated cells in units of their own, whole and with holes."""
    rng = np.random.default_rng(seed)
    own = rng.integers(2, size=n)[:, None]
    X = 6 * own + rng.normal(size=(n, 3)) @ rng.normal(size=(3, 3))
    X = X * [1.0, 100.0, 0.1] + [0.0, 5000.0, 2.0]
    return X, np.where(rng.random(X.shape) < missing, np.nan, X)


def dense(model, c=0):
    """Mean and covariance of a component in the units of the table."""
    law, units = model.model_.law, model.units_
    factor = law.factor[c].numpy() * units.scale[:, None]
    mean = law.mean[c].numpy() * units.scale + units.shift
    return mean, factor @ factor.T + np.diag(law.variance[c].numpy() * units.scale**2)


def test_the_gaussian_of_two_columns_with_one_complete_is_that_of_anderson():
    """Where the second column alone has holes the likelihood is maximal in closed form (1957)."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=100)
    y = 2 * x + rng.normal(size=100)
    y[x > 0.3] = np.nan
    seen = ~np.isnan(y)
    slope = np.cov(x[seen], y[seen], bias=True)[0, 1] / x[seen].var()
    rest = (y - y[seen].mean() - slope * (x - x[seen].mean()))[seen].var()
    mean = y[seen].mean() + slope * (x.mean() - x[seen].mean())
    model = GaussianImputer(**EXACT, random_state=0).fit(np.c_[x, y])
    found_mean, found = dense(model)
    np.testing.assert_allclose(found_mean, [x.mean(), mean], atol=1e-4)
    expected = [[x.var(), slope * x.var()], [slope * x.var(), rest + slope**2 * x.var()]]
    np.testing.assert_allclose(found, expected, atol=2e-4)
    filled = model.transform(np.c_[x, y])
    np.testing.assert_allclose(filled[~seen, 1], (mean + slope * (x - x.mean()))[~seen], atol=1e-3)


def test_answers_of_one_gaussian_are_its_conditional_means():
    _, holed = table()
    model = GaussianImputer(random_state=0).fit(holed)
    mean, covariance = dense(model)
    filled, law = model.transform(holed), model.conditional(holed)
    for i, row in enumerate(holed):
        o, h = np.flatnonzero(~np.isnan(row)), np.flatnonzero(np.isnan(row))
        gain = covariance[np.ix_(h, o)] @ np.linalg.inv(covariance[np.ix_(o, o)])
        np.testing.assert_allclose(filled[i, h], mean[h] + gain @ (row - mean)[o], rtol=1e-8)
        factor = law.covariance_factor[i, h]
        found = factor @ factor.T + np.diag(law.covariance_diagonal[i, h])
        given = covariance[np.ix_(h, h)] - gain @ covariance[np.ix_(o, h)]
        np.testing.assert_allclose(found, given, rtol=1e-6, atol=1e-8)
        if len(h):
            entropy = multivariate_normal(np.zeros(len(h)), given).entropy()
            assert law.entropy()[i] == pytest.approx(entropy, abs=1e-8)


@pytest.mark.parametrize("covariance", ["full", "diagonal", "spherical"])
def test_on_complete_rows_it_is_as_good_as_scikit_learns(covariance):
    X, _ = table(missing=0.0)
    Z = (X - X.mean(0)) / X.std(0)
    kind = {"full": "full", "diagonal": "diag", "spherical": "spherical"}[covariance]
    other = GaussianMixture(2, covariance_type=kind, n_init=5, tol=1e-8, max_iter=2000)
    theirs = other.set_params(reg_covar=1e-9, random_state=0).fit(Z).score(Z)
    settings = {"n_components": 2, "n_starts": 1, "covariance": covariance, "random_state": 0}
    model = GMMDensity(**settings, **EXACT)
    ours = model.fit(X).score(X) + np.log(X.std(0)).sum()
    assert ours == pytest.approx(theirs, abs=1e-4)


@pytest.mark.parametrize("covariance", ["full", "diagonal", "spherical"])
def test_gradients_reach_the_likelihood_of_em(covariance):
    """From the same rows at random, where one step of EM is far from the last."""
    _, holed = table()
    shared = {"n_components": 2, "n_starts": 1, "covariance": covariance, "random_state": 0}
    shared |= {"prior_rows": 0.0, "noise_floor": 0.05, "start": "random"}
    em = GMMDensity(**shared, max_iter=500, tol=1e-8).fit(holed)
    model = GMMDensity(**shared, solver="gradient", max_steps=250, lr=0.1).fit(holed)
    begun = GMMDensity(**shared, max_iter=1).fit(holed)
    assert em.score(holed) > begun.score(holed) + 1
    assert model.score(holed) == pytest.approx(em.score(holed), abs=0.01)
    assert model.model_.law.factor.shape == em.model_.law.factor.shape
    assert not model.model_.law.mean.requires_grad
    assert (em.converged_, model.converged_) == (True, False)


def test_gradients_add_the_rows_in_thought_that_em_adds():
    _, holed = table()
    shared = {"n_components": 2, "n_starts": 1, "prior_rows": 10.0, "random_state": 0}
    em = GMMDensity(**shared, max_iter=500, tol=1e-8).fit(holed)
    model = GMMDensity(**shared, solver="gradient", max_steps=250, lr=0.1).fit(holed)
    free = GMMDensity(**{**shared, "prior_rows": 0.0}).fit(holed)
    sizes = [
        sorted(np.linalg.slogdet(dense(m, c)[1])[1] for c in range(2)) for m in (em, model, free)
    ]
    np.testing.assert_allclose(sizes[1], sizes[0], atol=0.01)
    assert (np.subtract(sizes[0], sizes[2]) > 2).all()


def test_one_gaussian_by_gradient_in_batches():
    _, holed = table()
    em = GaussianImputer(max_iter=500, tol=1e-9, random_state=0).fit(holed)
    model = GaussianImputer(solver="gradient", max_steps=300, batch_size=50, random_state=0)
    gap = (model.fit(holed).transform(holed) - em.transform(holed)) / np.nanstd(holed, 0)
    assert np.abs(gap).max() < 0.05


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"solver": "adam"}, "solver='adam'"),
        ({"solver": "gradient", "max_steps": 0}, "max_steps=0"),
        ({"solver": "gradient", "batch_size": 0}, "batch_size=0"),
        ({"solver": "gradient", "lr": 0.0}, r"lr=0\.0"),
    ],
)
def test_solvers_that_are_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        GMMDensity(n_components=1, **settings).fit(table()[1])


def test_shapes_follow_from_the_kind_of_covariance():
    _, holed = table()
    settings = {"n_components": 2, "n_starts": 1, "random_state": 0}
    full = GMMDensity(**settings).fit(holed).model_.law
    diagonal = GMMDensity(**settings, covariance="diagonal").fit(holed).model_.law
    spherical = GMMDensity(**settings, covariance="spherical").fit(holed).model_.law
    assert full.factor.shape == (2, 3, 2)
    assert diagonal.factor.shape == spherical.factor.shape == (2, 3, 0)
    assert (diagonal.variance[:, :1] != diagonal.variance[:, 1:]).any()
    assert (spherical.variance == spherical.variance[:, :1]).all()


def test_more_components_are_chosen_where_they_are_worth_it():
    rng = np.random.default_rng(0)
    X = 5 * rng.normal(size=(3, 4))[rng.integers(3, size=150)] + 0.4 * rng.normal(size=(150, 4))
    holed = np.where(rng.random(X.shape) < 0.2, np.nan, X)
    model = GMMImputer(random_state=0).fit(holed)
    assert model.shape_.n_components >= 2
    errors = {c["n_components"]: c["error"] for c in model.choice_}
    assert errors[model.shape_.n_components] == min(errors.values())
    assert errors[1] > 1.3 * min(errors.values())
    assert (model.shape_.rank, model.model_.n_components) == (3, 4 * model.shape_.n_components)


@pytest.mark.parametrize("method", METHODS)
def test_files_answer_bit_by_bit(method, tmp_path):
    _, holed = table()
    frame = pd.DataFrame(holed, columns=["a", "b", "c"])
    frame["d"] = np.where(holed[:, 0] > 3, "high", "low")
    frame.loc[::5, "d"] = None
    fitted = method(n_components=2, random_state=0).fit(frame)
    fitted.save(tmp_path / "model.halfseen")
    loaded = load(tmp_path / "model.halfseen")
    pd.testing.assert_frame_equal(loaded.transform(frame), fitted.transform(frame))
    np.testing.assert_array_equal(loaded.score_samples(frame), fitted.score_samples(frame))
    one, two = loaded.conditional(frame), fitted.conditional(frame)
    np.testing.assert_array_equal(one.covariance_factor, two.covariance_factor)
    np.testing.assert_array_equal(one.log_prob(frame), two.log_prob(frame))
    for a, b in zip(loaded.sample(frame, 2), fitted.sample(frame, 2), strict=True):
        pd.testing.assert_frame_equal(a, b)


@pytest.mark.parametrize("method", METHODS)
def test_small_tables(method):
    one = np.array([[1.0], [2.0], [np.nan], [4.0]] * 6)
    filled = method(random_state=0).fit_transform(one)
    assert 1 < filled[2, 0] < 4
    few = np.array([[1.0, 2.0, 3.0], [np.nan, np.nan, np.nan], [2.0, np.nan, 5.0]])
    assert np.isfinite(method(random_state=0).fit_transform(few)).all()
    wide = np.random.default_rng(0).normal(size=(5, 12))
    wide[0, 0] = np.nan
    assert np.isfinite(method(random_state=0).fit_transform(wide)).all()
    # Columns of which one follows from another, and one that is constant.
    tied = np.repeat(np.random.default_rng(0).normal(size=(30, 1)), 3, 1)
    tied[:, 2], tied[3, 1] = 7.0, np.nan
    filled = method(random_state=0).fit_transform(tied)
    assert filled[3, 1] == pytest.approx(filled[3, 0], abs=0.15)
    assert (filled[:, 2] == 7.0).all()


@pytest.mark.parametrize("method", [GMMImputer, GMMDensity, MFAImputer])
def test_a_warning_says_once_that_em_has_not_converged(method):
    _, holed = table()
    shared = {"n_components": 2, "n_starts": 3, "start": "random", "random_state": 0}
    with pytest.warns(TrainingWarning, match=r"max_iter=3 steps.*tol=0\.0001 nats") as said:
        model = method(**shared, max_iter=3).fit(holed)
    assert len(said) == 1
    assert not model.converged_


def test_em_that_has_converged_a_budget_and_gradients_are_quiet(recwarn):
    _, holed = table()
    shared = {"n_components": 2, "n_starts": 2, "random_state": 0}
    assert GMMDensity(**shared).fit(holed).converged_
    assert not GMMDensity(**shared, max_iter=3, tol=0.0).fit(holed).converged_
    assert not GMMDensity(**shared, solver="gradient", max_steps=3).fit(holed).converged_
    assert not recwarn.list


def test_settings_that_are_refused():
    with pytest.raises(SettingError, match="covariance='tied'"):
        GMMImputer(covariance="tied").fit(table()[1])
    with pytest.raises(SettingError, match="noise_floor=-1"):
        GaussianImputer(noise_floor=-1).fit(table()[1])


@pytest.mark.parametrize("method", [GMMImputer, GMMDensity, GaussianImputer])
def test_full_covariances_refuse_a_floor_that_is_lost_to_rounding(method):
    """Three columns that follow from each other, where EM would lose likelihood or break."""
    x = np.random.default_rng(0).normal(size=(60, 1)) * [1.0, 3.0, -2.0]
    x[::3, 1] = np.nan
    tiny = {"n_components": 1, "prior_rows": 0.0, "max_iter": 20, "tol": 0.0, "random_state": 0}
    for solver in ("em", "gradient"):
        with pytest.raises(SettingError, match=r"noise_floor=1e-07 .*at least 1e-06.*Raise it"):
            method(noise_floor=1e-7, solver=solver, **tiny).fit(x)
    fitted = method(noise_floor=1e-6, **tiny).fit(x)
    assert (np.diff([row["objective"] for row in fitted.history_]) > -1e-4).all()
    diagonal = method(noise_floor=1e-7, covariance="diagonal", **tiny).fit(x)
    assert np.isfinite(diagonal.score_samples(x)).all()
