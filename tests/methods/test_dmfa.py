"""DMFA: laws of a Gaussian table with holes are recovered; images; files; settings."""

import numpy as np
import pytest
import torch

from halfseen.errors import SettingError
from halfseen.mechanisms import SelfMasking, SquareMask
from halfseen.methods import load, method_by_name
from halfseen.methods.dmfa import DMFADensity, DMFAImputer
from halfseen.training.deck import Deck

P = 5
SCALE, SHIFT = np.array([1.0, 10.0, 0.1, 3.0, 1.0]), np.array([0.0, 50.0, -1.0, 0.0, 7.0])


def gaussian_table(n, seed=0, rate=0.3):
    """Rows of correlated numbers in units of their own, holes, mean and covariance."""
    rng = np.random.default_rng(seed)
    loadings = np.random.default_rng(7).normal(size=(P, 2))
    noise = np.array([0.3, 0.5, 0.4, 0.6, 0.8])
    X = rng.normal(size=(n, 2)) @ loadings.T + np.sqrt(noise) * rng.normal(size=(n, P))
    covariance = loadings @ loadings.T + np.diag(noise)
    X, covariance = X * SCALE + SHIFT, covariance * np.outer(SCALE, SCALE)
    return X, rng.random(X.shape) < rate, covariance


def truth(row, missing, covariance):
    """Mean and covariance of the missing cells given the others."""
    o, m = ~missing, missing
    gain = np.linalg.solve(covariance[np.ix_(o, o)], covariance[np.ix_(o, m)]).T
    mean = SHIFT[m] + gain @ (row - SHIFT)[o]
    return mean, covariance[np.ix_(m, m)] - gain @ covariance[np.ix_(o, m)]


def errors(law, X, holes, covariance):
    """Squared error of means, and that of covariances, in units of the true ones."""
    mean_error, cov_error = [], []
    for i in range(len(X)):
        m = holes[i]
        if m.sum() < 2:
            continue
        mean, cov = truth(X[i], m, covariance)
        inverse = np.diag(1 / np.sqrt(np.diag(cov)))
        mean_error.append((inverse @ (law.mean[i, m] - mean)) ** 2)
        factor = law.covariance_factor[i, m]
        found = factor @ factor.T + np.diag(law.covariance_diagonal[i, m])
        cov_error.append(np.linalg.norm(inverse @ (found - cov) @ inverse) ** 2 / m.sum())
    return np.concatenate(mean_error).mean(), np.mean(cov_error)


@pytest.fixture(scope="module")
def fitted():
    X, holes, _ = gaussian_table(1500)
    settings = {"hidden": (32, 32), "rank": 2, "n_members": 1, "n_components": 1}
    return DMFADensity(**settings, max_steps=900, random_state=0).fit(np.where(holes, np.nan, X))


def test_means_and_covariances_of_a_gaussian_table_with_holes_are_recovered(fitted):
    """Errors are 0.01 and 0.04.

    Once missing cells are scored as if they were 0, those of means are 0.14; with the factors
    dropped from the loss, or shown cells scored as well, those of covariances are 0.13 and 0.17.
    """
    X, holes, covariance = gaussian_table(400, seed=1)
    law = fitted.conditional(np.where(holes, np.nan, X))
    mean_error, cov_error = errors(law, X, holes, covariance)
    assert mean_error < 0.05
    assert cov_error < 0.1


def test_the_density_is_close_to_the_true_one(fitted):
    X, holes, covariance = gaussian_table(400, seed=2)
    law = fitted.conditional(np.where(holes, np.nan, X))
    found, best = law.log_prob(X), np.zeros(len(X))
    for i, m in enumerate(holes):
        if m.any():
            mean, cov = truth(X[i], m, covariance)
            mean, cov = torch.as_tensor(mean), torch.as_tensor(cov)
            dense = torch.distributions.MultivariateNormal(mean, cov)
            best[i] = dense.log_prob(torch.as_tensor(X[i, m]))
    gap = (best - found).sum() / holes.sum()
    assert -0.01 < gap < 0.05


def test_bits_of_missing_cells_change_nothing():
    """Training neither shows nor scores them: whatever lies below a hole, the fit is the same."""
    X, holes, _ = gaussian_table(80)
    settings = {"hidden": (8,), "rank": 1, "n_members": 2, "max_steps": 20, "random_state": 0}
    imputer = DMFAImputer(**settings).fit(np.where(holes, np.nan, X))
    rows = imputer._rows(np.where(holes, np.nan, X))
    fit = imputer._fit(rows, imputer._spec)
    losses = []
    for below in (0.0, 1e3):
        x = torch.where(rows.s > 0, rows.x, torch.full_like(rows.x, below))
        fit.rows = type(rows)(x, rows.s)
        fit.generator = torch.Generator().manual_seed(0)
        fit.deck, fit.mse_calls = Deck(torch.arange(len(x)), len(x), fit.generator), 1
        losses.append({name: float(loss) for name, loss in fit._loss().items()})
    assert losses[0] == losses[1]
    assert set(losses[0]) == {"hidden", "square"}


def test_squared_errors_count_in_the_first_share_of_the_steps():
    X, holes, _ = gaussian_table(80)
    settings = {"hidden": (8,), "n_members": 1, "max_steps": 20, "mse_share": 0.5}
    imputer = DMFAImputer(**settings, random_state=0).fit(np.where(holes, np.nan, X))
    with_square = ["model.square" in row for row in imputer.history_]
    assert with_square == [True] * 5 + [False] * 5


def test_members_and_components_are_one_mixture():
    X, holes, _ = gaussian_table(60)
    settings = {"hidden": (8,), "rank": 2, "n_members": 3, "n_components": 2, "max_steps": 10}
    imputer = DMFADensity(**settings, random_state=0).fit(np.where(holes, np.nan, X))
    law = imputer.conditional(X[:4])
    assert law.weights.shape == (4, 6)
    np.testing.assert_allclose(law.weights.reshape(4, 3, 2).sum(2), 1 / 3, atol=1e-6)
    by_member = imputer.model_(*imputer._features(imputer._rows(X[:4])))
    merged = imputer._mixture(imputer._rows(X[:4]))
    torch.testing.assert_close(merged.law.mean[:, 4:], by_member.law.mean[2])


def test_held_out_rows_mend_the_width_of_laws():
    """After very many steps on few rows: seen ones are known by heart, new ones are not."""
    X, holes, _ = gaussian_table(120)
    settings = {"hidden": (64, 64), "n_members": 1, "max_steps": 300, "n_components": 1}
    table, (Y, gone, _) = np.where(holes, np.nan, X), gaussian_table(300, seed=3)
    plain, mended = (
        DMFADensity(**settings, calibrate=calibrate, validation_fraction=0.2, random_state=0).fit(
            table
        )
        for calibrate in (False, True)
    )
    assert float(plain.model_.temperature) == 1.0
    assert float(mended.model_.temperature) > 1.1
    new = np.where(gone, np.nan, Y)
    np.testing.assert_allclose(mended.transform(new), plain.transform(new), rtol=1e-5)
    before, after = (one.conditional(new).log_prob(Y).mean() for one in (plain, mended))
    assert after > before + 0.05


def images(n=60, seed=0):
    """Pictures of one bright stripe, as multiples of 1/255."""
    rng = np.random.default_rng(seed)
    x = np.zeros((n, 1, 9, 8), dtype="float32")
    x[np.arange(n), 0, rng.integers(9, size=n)] = 0.8
    return (
        np.round(np.clip(x + 0.1 * rng.normal(size=x.shape), 0, 1) * 255).astype("float32") / 255
    )


@pytest.mark.parametrize("network", ["auto", "mlp", "dense", "full-conv"])
@pytest.mark.parametrize("own_holes", [False, True])
def test_images_come_back_completed(network, own_holes, tmp_path):
    X = images()
    if own_holes:
        X[::2, :, 2:6, 2:5] = np.nan
    tiny = {"hidden": (8,), "last_channels": 2, "max_steps": 5, "rank": 2, "n_components": 1}
    imputer = DMFADensity(network=network, **tiny, random_state=0).fit(X)
    H = images(6, seed=1)
    H[:, :, 3:7, 2:8] = np.nan
    filled = imputer.transform(H)
    assert filled.dtype == H.dtype
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[~np.isnan(H)], H[~np.isnan(H)])
    law = imputer.conditional(H)
    assert law.mean.shape == H.shape
    assert law.covariance_factor.shape == (*H.shape, 2)
    imputer.save(tmp_path / "m.halfseen")
    np.testing.assert_array_equal(load(tmp_path / "m.halfseen").transform(H), filled)
    assert imputer.generate(3).shape == (3, 1, 9, 8)


@pytest.mark.parametrize("likelihood", ["dequantized", "discretized"])
def test_likelihoods_of_grey_values_are_trained(likelihood):
    X = images(200)
    settings = {"hidden": (8,), "rank": 1, "max_steps": 60, "noise_floor": 1e-3, "mse_weight": 0.0}
    imputer = DMFADensity(likelihood=likelihood, **settings, random_state=0).fit(X)
    losses = [row["model.hidden"] for row in imputer.history_]
    assert losses[-1] < losses[0] - 0.2
    grid = imputer._fit(imputer._rows(X.reshape(200, -1)), imputer._spec).objective.steps
    scale, shift = imputer.units_.scale[0], imputer.units_.shift[0]
    assert grid.width * scale == pytest.approx(1 / 255)
    assert grid.low * scale + shift == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(SettingError, match="for a table"):
        DMFAImputer(likelihood=likelihood).fit(np.random.default_rng(0).normal(size=(30, 3)))


def test_the_floor_is_told_in_squared_data_units():
    X = images(60) * 3
    imputer = DMFADensity(noise_floor=0.2, max_steps=2, hidden=(4,), random_state=0).fit(X)
    floor = (0.2 * imputer.units_.scale[0]) ** 2
    np.testing.assert_allclose(imputer.noise_floor_variance_, floor)
    X[:, :, 2:4] = np.nan
    imputer.model_.temperature.fill_(0.01)
    law = imputer.conditional(X)
    assert law.covariance_diagonal[law.missing].min() == pytest.approx(floor)


def test_published_settings_are_of_digits_or_faces():
    with pytest.raises(SettingError, match="Expected 'digits' or 'faces'"):
        DMFADensity.published("birds")


def test_published_settings(tmp_path):
    digits = DMFAImputer.published()
    assert (digits.rank, digits.lr, digits.batch_size, digits.last_channels) == (4, 4e-5, 24, 32)
    assert digits.hide.size == (14, 14)
    assert digits.max_steps == 50 * 60_000 // 24
    faces = DMFAImputer.published("faces", network="full-conv", mse_share=0.2)
    assert (faces.batch_size, faces.last_channels, faces.hide.size) == (96, 24, (16, 16))
    assert faces.mse_share == 0.2
    X = images()
    small = {"hide": SquareMask(4), "last_channels": 1, "max_steps": 2, "random_state": 0}
    fitted = DMFADensity.published(**small).fit(X)
    np.testing.assert_array_equal(fitted.units_.scale, 1.0)
    X[:, :, 2:6, 2:6] = np.nan
    law = fitted.conditional(X)
    assert np.abs(law.covariance_factor).max() <= 0.25
    assert law.covariance_diagonal[law.missing].max() <= 1.0
    fitted.save(tmp_path / "m.halfseen")
    again = load(tmp_path / "m.halfseen")
    assert again.hide.size == (4, 4)
    np.testing.assert_array_equal(again.conditional(X).mean, law.mean)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 0}, "rank=0"),
        ({"network": "conv"}, "network='conv'"),
        ({"network": "shared"}, "for a table"),
        ({"hide": "patches"}, "for a table"),
        ({"hide": SquareMask(3)}, "for a table"),
        ({"hide": ()}, "hide="),
        ({"hide": "rows"}, "hide='rows'"),
        ({"hide_rate": 1.5}, "hide_rate=1.5"),
        ({"validation_fraction": 1.0}, "validation_fraction=1.0"),
        ({"max_steps": 0}, "max_steps=0"),
        ({"linear_rank": -1}, "linear_rank=-1"),
        ({"hide": SelfMasking()}, "hide=SelfMasking"),
        ({"hide": ["cells", 3]}, "hide="),
        ({"hide_rate": "half"}, "hide_rate='half'"),
        ({"mse_weight": -50}, "mse_weight=-50"),
        ({"mse_weight": np.inf}, "mse_weight=inf"),
        ({"mse_share": -0.1}, "mse_share=-0.1"),
        ({"quantum": 0}, "quantum=0"),
        ({"quantum": -1 / 255}, "quantum=-0"),
        ({"clip_norm": -1.0}, "clip_norm=-1.0"),
        ({"hidden": (0,)}, "hidden="),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message):
    X = np.random.default_rng(0).normal(size=(30, 3))
    with pytest.raises(SettingError, match=message):
        DMFAImputer(**{"max_steps": 2, **settings}).fit(X)


def test_both_are_found_by_name():
    assert method_by_name("dmfa") is DMFAImputer
    assert method_by_name("dmfa", "density") is DMFADensity
