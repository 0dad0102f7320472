"""The Gaussian copula: ranks, margins, and what it does not say."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from halfseen import ExpectedClassifier, GaussianCopulaImputer, load
from halfseen.errors import SettingError
from halfseen.estimators.normal_scores import NormalScores


def bent(n=600, seed=0):
    """Two columns with a Gaussian dependence of .9 behind an exponential and a cubic margin."""
    rng = np.random.default_rng(seed)
    z = rng.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], n)
    table = np.c_[np.exp(z[:, 0]), z[:, 1] ** 3]
    holed = table.copy()
    holed[rng.random(n) < 0.3, 1] = np.nan
    return table, holed


def test_scores_are_those_of_ranks():
    values = np.array([5.0, 1.0, 1.0, 9.0, np.nan])
    scores = NormalScores.fit(values)
    ranks = stats.rankdata(values[:4]) / 5
    np.testing.assert_allclose(scores.forward(values)[:4], stats.norm.ppf(ranks))
    assert np.isnan(scores.forward(values)[4])
    np.testing.assert_allclose(scores.inverse(scores.forward(values))[:4], values[:4])
    # Beyond what was seen there is nothing.
    assert scores.inverse(np.array([-9.0, 9.0])).tolist() == [1.0, 9.0]


def test_steps_come_as_often_as_values_did():
    scores = NormalScores.fit(np.repeat([1.0, 2.0, 7.0], [50, 30, 20]))
    drawn = scores.step(stats.norm.ppf((np.arange(1000) + 0.5) / 1000))
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == [1.0, 2.0, 7.0]
    np.testing.assert_allclose(counts, [500, 300, 200], atol=1)


def test_means_and_modes_are_integrals_of_the_map():
    rng = np.random.default_rng(0)
    scores = NormalScores.fit(rng.exponential(size=300))
    center, scale = np.array([-0.4, 1.0]), np.array([0.3, 0.7])
    draws = center[:, None] + scale[:, None] * stats.norm.ppf((np.arange(4000) + 0.5) / 4000)
    np.testing.assert_allclose(
        scores.mean(center, scale), scores.inverse(draws).mean(1), rtol=0.01
    )
    levels = NormalScores.fit(np.repeat([0.0, 1.0, 2.0], [20, 50, 30]))
    found = levels.mode(np.array([-2.0, 0.0, 2.0]), np.full(3, 0.5))
    assert found.tolist() == [0.0, 1.0, 2.0]


def test_dependence_is_found_whatever_the_margins():
    table, holed = bent()
    imputer = GaussianCopulaImputer(random_state=0).fit(holed)
    law = imputer.model_.law
    covariance = (law.factor[0] @ law.factor[0].T).numpy() + np.diag(law.variance[0].numpy())
    correlation = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert correlation == pytest.approx(0.9, abs=0.03)
    hidden = np.isnan(holed[:, 1])
    error = np.sqrt(np.mean((imputer.transform(holed) - table)[hidden, 1] ** 2))
    assert error < 0.7 * table[hidden, 1].std()
    # A monotone change of units changes nothing but units.
    other = GaussianCopulaImputer(random_state=0).fit(np.c_[np.log(holed[:, 0]), holed[:, 1]])
    np.testing.assert_allclose(
        other.transform(np.c_[np.log(holed[:, 0]), holed[:, 1]])[:, 1],
        imputer.transform(holed)[:, 1],
        rtol=1e-6,
    )


def test_draws_are_values_that_were_seen_and_files_keep_the_maps(tmp_path):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "n": rng.normal(size=120).round(1),
            "grade": pd.Categorical.from_codes(
                rng.integers(3, size=120), ["low", "mid", "high"], ordered=True
            ),
            "yes": rng.random(120) < 0.4,
            "city": rng.choice(["Rome", "Oslo", "Bern"], 120),
        }
    )
    holed = frame.mask(rng.random(frame.shape) < 0.2)
    imputer = GaussianCopulaImputer(random_state=0).fit(holed)
    for draw in imputer.sample(holed, 3):
        assert set(draw["n"]) <= set(frame["n"])
        assert not draw.isna().any().any()
    imputer.save(tmp_path / "copula.halfseen")
    again = load(tmp_path / "copula.halfseen")
    pd.testing.assert_frame_equal(again.transform(holed), imputer.transform(holed))
    # Categories take the most probable one, whatever the quantile.
    low, high = (imputer.quantile(holed, q) for q in (0.01, 0.99))
    for column in ("grade", "yes", "city"):
        pd.testing.assert_series_equal(low[column], high[column])
    missing = holed["n"].isna()
    assert (low["n"] <= high["n"])[missing].all()


def test_a_pixel_that_no_image_shows_takes_the_mean_of_all():
    images = np.random.default_rng(0).random((20, 1, 3, 3))
    images[:, 0, 1, 1] = np.nan
    images[::3, 0, 0, 0] = np.nan
    imputer = GaussianCopulaImputer(random_state=0).fit(images)
    mean = np.nanmean(images)
    for filled in (imputer.transform(images), *imputer.sample(images, 2)):
        assert np.isfinite(filled).all()
        np.testing.assert_allclose(filled[:, 0, 1, 1], mean)


def test_a_floor_that_is_lost_to_rounding_is_refused():
    with pytest.raises(SettingError, match=r"noise_floor=1e-09 .*at least 1e-06"):
        GaussianCopulaImputer(noise_floor=1e-9).fit(bent(30)[1])


def test_what_it_does_not_say():
    table, holed = bent(100)
    imputer = GaussianCopulaImputer(random_state=0).fit(holed)
    with pytest.raises(SettingError, match="use GMMDensity"):
        imputer.conditional(holed)
    with pytest.raises(SettingError, match="law is of ranks"):
        ExpectedClassifier(generator="gaussian-copula").fit(holed, table[:, 0] > 1)
    # The density is that of scores: it does not know the units.
    first = imputer.score(holed)
    again = GaussianCopulaImputer(random_state=0).fit(1e6 * holed).score(1e6 * holed)
    assert first == pytest.approx(again)
