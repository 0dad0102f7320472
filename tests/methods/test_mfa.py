"""Mixtures of factor analysers on tables: units, kinds, files, choices, and the released laws."""

import copy

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp, softmax

from halfseen import load
from halfseen.errors import SettingError
from halfseen.methods.gmm import GaussianImputer
from halfseen.methods.mfa import MFADensity, MFAImputer

NAMES = ["age", "pay", "debt", "weight"]
SCALE, SHIFT = np.array([1.0, 500.0, 0.05, 30.0]), np.array([40.0, 3e4, -1.0, 0.0])
SMALL = {"n_components": 2, "rank": 2, "n_starts": 1, "random_state": 0}


def table(n=120, missing=0.4, seed=0, groups=3, apart=3.0, noise=0.4):
    """Groups of correlated cells in units of their own, whole and with holes."""
    rng = np.random.default_rng(seed)
    center = apart * rng.normal(size=(groups, 4))[rng.integers(groups, size=n)]
    x = center + 0.5 * rng.normal(size=(n, 1)) + noise * rng.normal(size=(n, 4))
    X = x * SCALE + SHIFT
    holes = rng.random(X.shape) < missing
    holes[0], holes[1], holes[2] = True, False, [True, False, True, True]
    return X, np.where(holes, np.nan, X)


@pytest.fixture(scope="module")
def fitted():
    return MFADensity(**SMALL).fit(pd.DataFrame(table()[1], columns=NAMES))


def dense(density):
    """Log weights, means and covariances of the components in the units of the table."""
    law, units = density.model_.law, density.units_
    means = law.mean.numpy() * units.scale + units.shift
    factors = law.factor.numpy() * units.scale[:, None]
    noise = law.variance.numpy() * units.scale**2
    covariances = [a @ a.T + np.diag(d) for a, d in zip(factors, noise, strict=True)]
    return density.model_.log_weights.numpy(), means, np.array(covariances)


def normal(x, mean, covariance):
    """Log-density; 0 of no cell."""
    distance = (x - mean) @ np.linalg.solve(covariance, x - mean)
    return -0.5 * (distance + np.linalg.slogdet(2 * np.pi * covariance)[1])


def log_density(log_weights, means, covariances, x, at):
    parts = [
        normal(x[at], m[at], v[np.ix_(at, at)]) for m, v in zip(means, covariances, strict=True)
    ]
    return log_weights + np.array(parts)


# ---- the law in the units of the table ----------------------------------------------------


def test_the_conditional_law_is_that_of_dense_algebra_in_the_tables_units(fitted):
    X, holed = table()
    X, holed = X[:25], holed[:25]
    frame = pd.DataFrame(holed, columns=NAMES)
    law = fitted.conditional(frame)
    scores, marginal = law.log_prob(X), law.marginal(["weight", "age"])
    log_weights, means, covariances = dense(fitted)
    assert law.names == tuple(NAMES)
    for i, row in enumerate(holed):
        o, h = np.flatnonzero(~np.isnan(row)), np.flatnonzero(np.isnan(row))
        joint = log_density(log_weights, means, covariances, row, o)
        weights = softmax(joint)
        gains = [v[np.ix_(h, o)] @ np.linalg.inv(v[np.ix_(o, o)]) for v in covariances]
        given = np.array([m[h] + g @ (row - m)[o] for m, g in zip(means, gains, strict=True)])
        spread = [
            v[np.ix_(h, h)] - g @ v[np.ix_(o, h)] for v, g in zip(covariances, gains, strict=True)
        ]
        center = weights @ given
        total = sum(
            w * (v + np.outer(m - center, m - center))
            for w, v, m in zip(weights, spread, given, strict=True)
        )
        np.testing.assert_allclose(law.mean[i, h], center, rtol=1e-8)
        np.testing.assert_array_equal(law.mean[i, o], row[o])
        factor = law.covariance_factor[i, h]
        found = factor @ factor.T + np.diag(law.covariance_diagonal[i, h])
        np.testing.assert_allclose(
            found / np.outer(SCALE[h], SCALE[h]), total / np.outer(SCALE[h], SCALE[h]), atol=1e-8
        )
        both = log_density(log_weights, means, covariances, X[i], np.arange(4))
        expected = logsumexp(both) - logsumexp(joint)
        assert scores[i] == pytest.approx(expected, abs=1e-8)
        assert fitted.score_samples(frame)[i] == pytest.approx(logsumexp(joint), abs=1e-8)
    np.testing.assert_array_equal(marginal.mean, law.mean[:, [3, 0]])


def test_answers_are_conditional_means_and_draws_lie_around_them(fitted):
    _, holed = table()
    frame = pd.DataFrame(holed, columns=NAMES)
    law = fitted.conditional(frame)
    np.testing.assert_allclose(fitted.transform(frame), law.mean, rtol=1e-10)
    frame, holed, law = frame.head(20), holed[:20], fitted.conditional(frame.head(20))
    draws = np.stack([draw.to_numpy() for draw in fitted.sample(frame, 800, random_state=1)])
    holes = np.isnan(holed)
    gap = (draws.mean(0) - law.mean)[holes] / np.sqrt(law.variance[holes])
    assert np.abs(gap).max() < 0.15
    ratio = draws.std(0)[holes] / np.sqrt(law.variance[holes])
    assert np.abs(np.log(ratio)).max() < 0.2
    # Cells of a row are drawn together.
    first = np.corrcoef(draws[:, 0].T)
    factor = law.covariance_factor[0]
    covariance = factor @ factor.T + np.diag(law.covariance_diagonal[0])
    scale = np.sqrt(np.diag(covariance))
    assert np.abs(first - covariance / np.outer(scale, scale)).max() < 0.12
    middle = fitted.quantile(frame, 0.5).to_numpy()
    np.testing.assert_allclose(middle[holes], law.quantile(0.5)[holes], rtol=1e-10)


def test_rows_do_not_depend_on_their_neighbours(fitted):
    _, holed = table()
    frame = pd.DataFrame(holed, columns=NAMES)
    law, filled = fitted.conditional(frame), fitted.transform(frame)
    for i in (0, 1, 2, 50):
        own = frame.iloc[i : i + 1]
        alone = fitted.conditional(own)
        np.testing.assert_allclose(alone.mean[0], law.mean[i], rtol=1e-12)
        np.testing.assert_allclose(alone.variance[0], law.variance[i], rtol=1e-9)
        np.testing.assert_allclose(fitted.transform(own).iloc[0], filled.iloc[i], rtol=1e-12)


def test_generated_rows_have_the_moments_of_the_model(fitted):
    rows = fitted.generate(4000, random_state=0).to_numpy()
    log_weights, means, covariances = dense(fitted)
    weights = np.exp(log_weights)
    center = weights @ means
    second = np.einsum("c,cij->ij", weights, covariances)
    second += (means - center).T @ np.diag(weights) @ (means - center)
    scale = np.sqrt(np.diag(second))
    assert np.abs((rows.mean(0) - center) / scale).max() < 0.06
    assert np.abs((np.cov(rows.T) - second) / np.outer(scale, scale)).max() < 0.08
    with pytest.raises(SettingError, match="no law of the mask"):
        fitted.generate(2, return_mask=True)


def test_images_keep_their_shape():
    rng = np.random.default_rng(0)
    images = rng.random((40, 1, 1, 1)) + 0.1 * rng.random((40, 1, 3, 4))
    images[:, 0, 0, 0] = 0.0  # a pixel that never varies is one of them
    holed = images.copy()
    holed[:20, 0, :2, 1:3] = np.nan
    density = MFADensity(n_components=2, rank=1, max_iter=10, random_state=0).fit(holed)
    law = density.conditional(holed[:5])
    for part in (law.mean, law.variance, law.covariance_diagonal, law.missing):
        assert part.shape == (5, 1, 3, 4)
    assert law.covariance_factor.shape == (5, 1, 3, 4, 4)
    assert law.sample(3, random_state=0).shape == (3, 5, 1, 3, 4)
    np.testing.assert_allclose(density.transform(holed[:5]), law.mean)
    np.testing.assert_array_equal(law.missing, np.isnan(holed[:5]))
    assert (law.log_prob(images[:5]) > law.log_prob(images[5:10])).mean() > 0.5
    assert density.shape_ == (2, 1)


# ---- fitting ------------------------------------------------------------------------------


def test_components_are_chosen_where_rows_come_in_clusters():
    X, holed = table(150, missing=0.3, apart=5.0, seed=4)
    holes = np.isnan(holed)
    chosen = MFAImputer(random_state=0).fit(holed)
    one = GaussianImputer(random_state=0).fit(holed)

    def error(imputer):
        return np.sqrt((((imputer.transform(holed) - X) / X.std(0))[3:][holes[3:]] ** 2).mean())

    assert chosen.shape_.n_components >= 3
    assert error(chosen) < 0.7 * error(one)
    tried = {(c["n_components"], c["rank"]): c["error"] for c in chosen.choice_}
    assert tried[tuple(chosen.shape_)] == min(tried.values())
    assert tried[1, 1] > 1.2 * min(tried.values())


def test_history_rises_from_every_start():
    _, holed = table()
    imputer = MFAImputer(
        n_components=3, rank=1, n_starts=3, max_iter=20, random_state=0, tol=0
    ).fit(holed)
    assert imputer.model_.n_components == 9
    history = pd.DataFrame(imputer.history_)
    assert sorted(history["start"].unique()) == [0, 1, 2]
    for _, part in history.groupby("start"):
        assert (np.diff(part["objective"]) >= -1e-10).all()
    assert imputer.n_iter_ == len(history) == 60
    assert not imputer.converged_
    assert MFAImputer(**SMALL, max_iter=500, tol=1e-3).fit(holed).converged_


@pytest.mark.parametrize("noise", ["diagonal", "isotropic"])
def test_gradients_reach_about_the_likelihood_of_em(noise):
    _, holed = table(200)
    shared = {**SMALL, "rank": 1, "noise": noise, "prior_rows": 0.0, "noise_floor": 0.1}
    em = MFADensity(**shared, max_iter=300, tol=1e-6).fit(holed)
    gradient = MFADensity(**shared, solver="gradient", max_steps=400, lr=0.03).fit(holed)
    assert gradient.score(holed) == pytest.approx(em.score(holed), abs=0.08)
    short = MFADensity(**shared, max_iter=1).fit(holed)
    assert em.score(holed) > short.score(holed) + 0.1


def test_gradients_at_their_defaults_reach_the_likelihood_of_em():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 3)) @ rng.normal(size=(3, 30)) + 0.3 * rng.normal(size=(1000, 30))
    x[rng.random(x.shape) < 0.3] = np.nan
    shared = {"n_components": 1, "rank": 3, "random_state": 0}
    em = MFADensity(**shared).fit(x).score(x)
    assert MFADensity(**shared, solver="gradient").fit(x).score(x) > em - 0.1


def test_spreads_are_multiplied_by_the_temperature_that_was_chosen():
    _, holed = table(40, groups=1)
    imputer = MFAImputer(rank=1, skewed=False, random_state=0).fit(holed)
    best = min(imputer.choice_, key=lambda candidate: candidate["error"])
    assert imputer.temperature_ == best["temperature"]
    warm = imputer.conditional(holed)
    imputer.temperature_ = 2 * imputer.temperature_
    hot = imputer.conditional(holed)
    if imputer.model_.n_components == 1:
        np.testing.assert_allclose(hot.variance, 4 * warm.variance)
    np.testing.assert_allclose(hot.mean, warm.mean)
    assert MFAImputer(rank=1, calibrate=False, random_state=0).fit(holed).temperature_ == 1.0
    assert MFADensity(rank=1, random_state=0).fit(holed).temperature_ == 1.0


# ---- the released laws ----------------------------------------------------------------------


def test_released_laws_reproduce_the_errors_of_the_baseline():
    """Against the formulas of PROTOCOLS 16.3 with dense matrices; the corrected law is another."""
    X, holed = table(groups=1)
    right = MFADensity(n_components=3, rank=2, n_starts=1, random_state=0).fit(holed)
    wrong = copy.deepcopy(right).set_params(released=True)
    rows = np.arange(3, 40)
    law, exact = wrong.conditional(holed[rows]), right.conditional(holed[rows])
    scores = law.log_prob(X[rows])
    log_weights, means, covariances = dense(right)
    units, part = right.units_, right.model_.law
    assert law.weights.shape == (len(rows), 1)
    assert exact.weights.shape == (len(rows), 3)
    assert (law.covariance_factor.shape[-1], exact.covariance_factor.shape[-1]) == (2, 9)
    for place, i in enumerate(rows):
        row = holed[i]
        o, h = np.flatnonzero(~np.isnan(row)), np.flatnonzero(np.isnan(row))
        joint = log_density(log_weights, means, covariances, row, o)
        c = int(np.argmax(joint - log_weights + np.exp(log_weights)))
        A = part.factor[c].numpy() * units.scale[:, None]
        d = part.variance[c].numpy() * units.scale**2
        Y = A[o].T @ np.diag(1 / d[o]) @ A[o]
        K = np.eye(2) + Y - Y @ np.linalg.inv(np.eye(2) + Y) @ Y
        S = A[h] @ K @ A[h].T + np.diag(d[h])
        mean = means[c, h] + A[h] @ np.linalg.inv(np.eye(2) + Y) @ A[o].T @ (
            (row - means[c])[o] / d[o]
        )
        np.testing.assert_allclose(law.mean[place, h], mean, rtol=1e-8)
        assert scores[place] == pytest.approx(normal(X[i, h], mean, S), abs=1e-7)
    differ = np.isnan(holed[rows]).any(1) & ~np.isnan(holed[rows]).all(1)
    gap = np.abs(scores - exact.log_prob(X[rows]))[differ]
    assert np.median(gap) > 0.05
    np.testing.assert_allclose(wrong.transform(holed[rows]), law.mean)


def test_released_scores_add_weights_where_their_logarithms_belong():
    _, holed = table(groups=1)
    right = MFADensity(n_components=3, rank=2, n_starts=1, random_state=0).fit(holed)
    wrong = copy.deepcopy(right).set_params(released=True)
    log_weights, means, covariances = dense(right)
    assert np.ptp(np.exp(log_weights)) > 0.05
    for i, row in enumerate(holed):
        o = np.flatnonzero(~np.isnan(row))
        joint = log_density(log_weights, means, covariances, row, o)
        expected = logsumexp(joint - log_weights + np.exp(log_weights))
        assert wrong.score_samples(holed[i : i + 1])[0] == pytest.approx(expected, abs=1e-8)
    # Too high by about log K, as PROTOCOLS 16.3 says.
    assert 0.9 < wrong.score(holed) - right.score(holed) < 2.0
    np.testing.assert_array_equal(
        wrong.generate(50, random_state=0), right.generate(50, random_state=0)
    )


@pytest.mark.parametrize("solver", ["em", "gradient"])
def test_released_fits_have_the_error_too(solver):
    """Where components overlap and one is rare, the error teaches another mixture."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4)) + 2.0 * (rng.random((300, 1)) < 0.1)
    X[rng.random(X.shape) < 0.3] = np.nan
    shared = {"n_components": 2, "rank": 1, "n_starts": 1, "solver": solver, "max_steps": 150}
    shared |= {"max_iter": 40, "lr": 0.05, "tol": 0.0, "random_state": 0}
    right, wrong = (MFADensity(**shared, released=r).fit(X) for r in (False, True))
    assert (right.model_.law.mean - wrong.model_.law.mean).abs().max() > 0.05
    if solver == "em":
        assert (right.n_iter_, wrong.n_iter_) == (40, 40)


def test_released_fits_choose_among_mixtures_of_their_own_steps():
    """As the docstring has it: other mixtures are tried, and so other numbers come out."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 4)) + 2.0 * (rng.random((120, 1)) < 0.1)
    shared = {"n_components": 3, "n_starts": 1, "max_iter": 20, "tol": 0.0, "random_state": 0}
    right, wrong = (MFADensity(**shared, released=r).fit(X) for r in (False, True))
    tried = [[row["log_prob"] for row in model.choice_] for model in (right, wrong)]
    assert min(map(len, tried)) > 1
    assert tried[0][0] != tried[1][0]
    assert "chosen among mixtures of this" in (MFAImputer.__doc__ or "")


# ---- kinds of columns, and tables that are hardly any ----------------------------------------


def mixed(n=80, seed=0):
    rng = np.random.default_rng(seed)
    group = rng.integers(3, size=n)
    frame = pd.DataFrame(
        {
            "size": 5.0 * group + rng.normal(size=n),
            "price": np.exp(group + 0.3 * rng.normal(size=n)),
            "city": np.array(["Rome", "Oslo", "Bern"], dtype=object)[group],
            "always": 7.0,
        }
    )
    holed = frame.copy()
    for j in range(4):
        holed.iloc[rng.choice(n, n // 4, replace=False), j] = None
    return frame, holed


def test_bent_columns_have_means_by_quadrature_and_no_law_in_the_tables_units():
    _, holed = mixed()
    settings = {**SMALL, "kinds": {"price": "positive"}}
    imputer = MFAImputer(**settings).fit(holed)
    with pytest.raises(SettingError, match=r"\['price'\] on a bent scale.*MFADensity"):
        imputer.conditional(holed)
    some = holed[holed["price"].isna()].head(6)
    filled = imputer.transform(some)
    draws = np.stack([d["price"].to_numpy() for d in imputer.sample(some, 400, random_state=0)])
    error = draws.std(0) / np.sqrt(400)
    assert (np.abs(draws.mean(0) - filled["price"]) < 5 * error + 0.01).all()
    seen = holed["price"].dropna()
    assert draws.min() >= seen.min() - 1e-9
    assert draws.max() <= seen.max() * (1 + 1e-9)
    density = MFADensity(**settings).fit(holed)
    law = density.conditional(holed)
    np.testing.assert_allclose(law.mean[:, 1], density.transform(holed)["price"], rtol=1e-9)
    assert density.score_samples(holed).shape == (80,)


def test_densities_of_bent_columns_are_in_the_tables_units():
    """The density of one positive column integrates to one over its values."""
    rng = np.random.default_rng(0)
    X = np.exp(rng.normal(size=(200, 1)))
    imputer = MFAImputer(**SMALL, kinds={"x0": "positive"}).fit(pd.DataFrame(X, columns=["x0"]))
    grid = np.exp(np.linspace(-8, 8, 4001))
    values = np.exp(imputer.score_samples(pd.DataFrame({"x0": grid})))
    assert np.trapezoid(values, grid) == pytest.approx(1.0, abs=1e-3)


def test_categories_are_indicators_and_answers_are_the_most_probable():
    frame, holed = mixed()
    density = MFADensity(n_components=3, rank=1, n_starts=1, random_state=0).fit(holed)
    law = density.conditional(holed)
    assert law.names == ("size", "price", "city=Bern", "city=Oslo", "city=Rome")
    filled = density.transform(holed)
    holes = holed["city"].isna().to_numpy()
    assert (filled["city"][holes] == frame["city"][holes]).mean() > 0.7
    assert (filled["always"] == 7.0).all()
    for q in (0.05, 0.5, 0.95):
        pd.testing.assert_series_equal(density.quantile(holed, q)["city"], filled["city"])
    low, high = density.quantile(holed, 0.05)["size"], density.quantile(holed, 0.95)["size"]
    assert (low <= high).all()
    assert law.marginal(["city"]).names == ("city=Bern", "city=Oslo", "city=Rome")
    for draw in density.sample(holed, 5, random_state=0):
        assert set(draw["city"]) <= {"Rome", "Oslo", "Bern"}


def test_shares_of_categories_are_kept_and_quantiles_do_not_prefer_rare_ones():
    """At 0.02 the indicator of the rare level is the largest: it varies least."""
    city = np.repeat(np.array(["Rome", "Oslo", "Bern"], dtype=object), [50, 40, 10])
    frame = pd.DataFrame({"city": city, "size": np.random.default_rng(0).normal(size=100)})
    holed = pd.concat([frame, pd.DataFrame({"city": [None], "size": [np.nan]})])
    density = MFADensity(n_components=1, rank=0, random_state=0).fit(holed)
    law = density.conditional(holed.tail(1))
    np.testing.assert_allclose(np.sort(law.mean[0, :3]), [0.1, 0.4, 0.5], atol=1e-6)
    assert law.quantile(0.02)[0, :3].argmax() == law.mean[0, :3].argmin()
    assert density.quantile(holed.tail(1), 0.02)["city"].item() == "Rome"


def test_a_table_of_categories_only():
    _, holed = mixed()
    for method in (MFAImputer, MFADensity):
        fitted = method(**SMALL).fit(holed[["city"]])
        assert set(fitted.transform(holed[["city"]])["city"]) <= {"Rome", "Oslo", "Bern"}
        np.testing.assert_allclose(fitted.score_samples(holed[["city"]]), 0, atol=1e-12)
        assert set(fitted.generate(20)["city"]) <= {"Rome", "Oslo", "Bern"}


@pytest.mark.parametrize("shape", [{"n_components": 1}, {"rank": 0}, {}, {"noise": "isotropic"}])
def test_small_tables(shape):
    X = np.array([[1.0], [2.0], [np.nan], [4.0]] * 6)
    one = MFAImputer(**shape, random_state=0).fit(X)
    assert one.model_.rank == 0
    assert np.isfinite(one.transform(X)).all()
    assert 1 < one.transform(X)[2, 0] < 4
    few = np.array([[1.0, 2.0, 3.0], [np.nan, np.nan, np.nan], [2.0, np.nan, 5.0]])
    assert np.isfinite(MFAImputer(**shape, random_state=0).fit_transform(few)).all()
    wide = np.random.default_rng(0).normal(size=(5, 12))
    wide[0, 0] = np.nan
    assert np.isfinite(MFAImputer(**shape, random_state=0).fit_transform(wide)).all()


def test_tables_without_a_column_that_varies():
    X = np.array([[1.0, 2.0], [np.nan, 2.0], [1.0, np.nan]])
    imputer = MFADensity(random_state=0).fit(X)
    np.testing.assert_array_equal(imputer.transform(X), [[1, 2], [1, 2], [1, 2]])
    np.testing.assert_array_equal(imputer.sample(X, 2)[1], imputer.transform(X))
    np.testing.assert_array_equal(imputer.quantile(X, 0.2), imputer.transform(X))
    assert (imputer.score_samples(X) == 0).all()
    with pytest.raises(SettingError, match="no column varies"):
        imputer.conditional(X)


# ---- files and refusals ------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"released": True}, {"solver": "gradient"}])
@pytest.mark.parametrize("method", [MFAImputer, MFADensity])
def test_files_answer_bit_by_bit(method, settings, tmp_path):
    _, holed = mixed()
    shared = {"n_components": 2, "n_starts": 1, "max_steps": 20, "kinds": {"price": "count"}}
    holed["price"] = holed["price"].round()
    fitted = method(**shared, **settings, random_state=0).fit(holed)
    fitted.save(tmp_path / "model.halfseen")
    loaded = load(tmp_path / "model.halfseen")
    assert type(loaded) is method
    pd.testing.assert_frame_equal(
        loaded.transform(holed), fitted.transform(holed), check_exact=True
    )
    np.testing.assert_array_equal(loaded.score_samples(holed), fitted.score_samples(holed))
    pairs = zip(loaded.sample(holed, 2), fitted.sample(holed, 2), strict=True)
    for one, two in pairs:
        pd.testing.assert_frame_equal(one, two, check_exact=True)
    assert loaded.shape_ == fitted.shape_
    assert loaded.choice_ == fitted.choice_
    assert loaded.history_ == fitted.history_
    if method is MFADensity:
        one, two = loaded.conditional(holed), fitted.conditional(holed)
        np.testing.assert_array_equal(one.covariance_factor, two.covariance_factor)
        np.testing.assert_array_equal(one.log_prob(holed), two.log_prob(holed))


def test_the_papers_baseline_has_its_settings():
    baseline = MFADensity.published(released=True)
    assert (baseline.n_components, baseline.rank, baseline.noise) == (50, 6, "isotropic")
    assert (baseline.max_iter, baseline.prior_rows, baseline.released) == (30, 0.0, True)
    assert MFADensity.published("digits").get_params() == MFADensity.published().get_params()


def test_the_papers_baseline_for_faces_is_larger_and_begins_at_pictures():
    digits, faces = MFADensity.published().get_params(), MFADensity.published("faces").get_params()
    differ = {name: faces[name] for name in faces if faces[name] != digits[name]}
    assert differ == {"n_components": 300, "rank": 10, "start": "random"}
    assert MFADensity.published("faces", rank=4).rank == 4
    with pytest.raises(SettingError, match="data='celeba'"):
        MFADensity.published("celeba")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_components": 0}, "n_components=0"),
        ({"n_starts": 1.5}, "n_starts=1.5"),
        ({"max_iter": 0}, "max_iter=0"),
        ({"rank": -1}, "rank=-1"),
        ({"start": "kmeans"}, "start='kmeans'"),
        ({"noise": "full"}, "noise='full'"),
        ({"solver": "adam"}, "solver='adam'"),
        ({"prior_rows": -1}, "prior_rows=-1"),
        ({"tol": -1}, "tol=-1"),
        ({"validation_fraction": 1}, "validation_fraction=1"),
        ({"noise_floor": 0}, "noise_floor=0"),
        ({"noise_floor": "none"}, "noise_floor='none'"),
    ],
)
def test_settings_that_are_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        MFAImputer(**settings).fit(table()[1])


def test_calls_that_are_refused(fitted):
    frame = pd.DataFrame(table()[1], columns=NAMES)
    law = fitted.conditional(frame)
    with pytest.raises(SettingError, match="Got 5 true rows"):
        law.log_prob(frame.head(5))
    with pytest.raises(SettingError, match="'height' in columns"):
        law.marginal(["height"])
    with pytest.raises(SettingError, match="n_draws=0"):
        fitted.sample(frame, 0)
    with pytest.raises(SettingError, match=r"q=1\.5"):
        fitted.quantile(frame, 1.5)
