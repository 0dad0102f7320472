"""Planted mechanisms come back, and knowing why cells are missing pays where it should."""

import numpy as np
import pytest

from halfseen import MeanImputer, MIWAEImputer, NotMIWAEImputer

pytestmark = pytest.mark.slow

THRESHOLD = 0.4
SETTINGS = {"max_steps": 1500, "hidden": (64,), "n_importance_predict": 500}


def complete(seed, n=1500, p=6, d=2, noise=0.5):
    """A linear-Gaussian table with unit variances and no mean."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) @ rng.normal(size=(d, p)) + noise * rng.normal(size=(n, p))
    return (x - x.mean(0)) / x.std(0), rng


def self_masked(x, rng, columns, sign=1.0, slope=8.0, place=THRESHOLD):
    """Cells of some columns are missing softly above (or below) a place."""
    out = x.copy()
    for j in columns:
        p = 1 / (1 + np.exp(-slope * sign * (x[:, j] - sign * place)))
        out[rng.random(len(x)) < p, j] = np.nan
    return out


def error(imputer, x, holed):
    holes = np.isnan(holed)
    return float(np.sqrt(((imputer.fit(holed).transform(holed) - x)[holes] ** 2).mean()))


@pytest.mark.parametrize(("seed", "sign"), [(0, 1.0), (1, -1.0)])
def test_sign_and_place_come_back_without_being_told(seed, sign):
    x, rng = complete(seed)
    holed = self_masked(x, rng, [0, 1, 2], sign)
    imputer = NotMIWAEImputer(direction="unknown", **SETTINGS, random_state=0).fit(holed)
    mechanism = imputer.model_.mechanism.mechanism
    slopes = mechanism.slopes()[:, :3].numpy()
    assert (np.sign(slopes) == sign).all(), slopes
    place = mechanism.location[:, :3].numpy().mean(0)
    places = place * imputer.units_.scale[:3] + imputer.units_.shift[:3]
    np.testing.assert_allclose(places, sign * THRESHOLD, atol=0.3)


@pytest.mark.parametrize("seed", [0, 1])
def test_it_beats_miwae_where_cells_mask_themselves(seed):
    x, rng = complete(seed)
    holed = self_masked(x, rng, [0, 1, 2])
    ours = error(NotMIWAEImputer(direction="high", **SETTINGS, random_state=0), x, holed)
    plain = error(MIWAEImputer(**SETTINGS, random_state=0), x, holed)
    mean = error(MeanImputer(), x, holed)
    # An answer that forgets the mechanism reaches about half of the plain error.
    assert ours < 0.46 * plain, (ours, plain, mean)
    assert plain < mean


@pytest.mark.parametrize("seed", [0])
def test_it_is_about_equal_where_cells_are_missing_at_random(seed):
    x, rng = complete(seed)
    holed = np.where(rng.random(x.shape) < 0.3, np.nan, x)
    ours = error(NotMIWAEImputer(direction="unknown", **SETTINGS, random_state=0), x, holed)
    plain = error(MIWAEImputer(**SETTINGS, random_state=0), x, holed)
    assert ours < 1.2 * plain
    assert plain < 0.75 * error(MeanImputer(), x, holed)


def test_a_threshold_at_the_mean_moves_answers_above_what_was_seen():
    """The mean of the missing part is mu + 0.798 sigma."""
    x, _ = complete(3)
    holed = x.copy()
    holed[x[:, 0] > 0, 0] = np.nan
    imputer = NotMIWAEImputer(direction="high", **SETTINGS, random_state=0).fit(holed)
    answers = imputer.transform(holed)[np.isnan(holed[:, 0]), 0]
    assert answers.mean() == pytest.approx(0.798, abs=0.1)
