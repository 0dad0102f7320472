"""Networks on expected activations: generators, files, complete rows, and where filling fails."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import norm
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss
from torch import nn

from halfseen import MIWAEImputer, load
from halfseen.errors import SettingError
from halfseen.methods.copula import GaussianCopulaImputer
from halfseen.methods.dmfa import DMFADensity, DMFAImputer
from halfseen.methods.expected import ExpectedClassifier, ExpectedRegressor, expected_layer
from halfseen.methods.filled import FilledClassifier
from halfseen.methods.gmm import GaussianImputer, GMMDensity, GMMImputer
from halfseen.methods.mfa import MFADensity, MFAImputer
from halfseen.nn.heads import PiecewiseLinear
from halfseen.testing import small_estimator
from halfseen.testing.tables import same_bits, some_frame, some_labels, some_table


@pytest.fixture(scope="module")
def X():
    return some_table(80)


@pytest.fixture(scope="module")
def y(X):
    return some_labels(X, classes=True)


@pytest.fixture(scope="module")
def imputer(X):
    return small_estimator(MFAImputer, random_state=0).fit(X)


@pytest.fixture(scope="module")
def says(X):
    """A network that says laws, two members of two components, with hidden units to leave out."""
    return small_estimator(DMFADensity, dropout=0.5, random_state=0).fit(X)


def small(**settings):
    return small_estimator(ExpectedClassifier, random_state=0, **settings)


# ---- generators ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", [GMMImputer, GMMDensity, GaussianImputer, DMFAImputer])
def test_any_law_in_closed_form_will_do(X, y, method):
    generator = small_estimator(method)
    answer = small(generator=generator).fit(X, y).predict_proba(X)
    assert np.isfinite(answer).all()
    assert not hasattr(generator, "codec_")


def test_fitted_frozen_and_saved_generators(X, y, imputer, tmp_path):
    before = imputer.transform(X)
    imputer.save(tmp_path / "generator")
    answers = [
        small(generator=given).fit(X, y).predict_proba(X)
        for given in (imputer, FrozenEstimator(imputer), tmp_path / "generator")
    ]
    assert same_bits(answers[0], answers[1])
    assert same_bits(answers[0], answers[2])
    assert same_bits(imputer.transform(X), before)


def test_labels_do_not_teach_a_network_that_says_laws(X, y, says):
    before = says.transform(X)
    model = small(generator=says).fit(X, y)
    assert same_bits(model.impute(X), before)
    law = model._law_of(model._encoded_rows(X))
    np.testing.assert_allclose(
        says.units_.finish(says.units_.natural(law.average, list(range(X.shape[1]))).numpy()),
        says.conditional(X).mean,
        rtol=1e-4,
        atol=1e-4,
    )


def test_methods_with_a_law_are_found_by_name(X, y):
    model = small(generator="gaussian").fit(X, y)
    assert isinstance(model.generator_, GaussianImputer)
    assert model.generator_.random_state == model.seed_


@pytest.mark.parametrize("given", ["miwae", MIWAEImputer(), 3])
def test_others_are_refused(X, y, given):
    with pytest.raises(SettingError, match="Expected 'mfa', 'gmm'"):
        small(generator=given).fit(X, y)


@pytest.mark.parametrize(
    "setting", [{"n_units": 0}, {"n_kept": 0}, {"n_members": 0}, {"head": "conv"}]
)
def test_settings_that_make_no_sense_are_refused(X, y, setting):
    with pytest.raises(SettingError, match=f"Got {next(iter(setting))}="):
        small(**setting).fit(X, y)


# ---- answers ------------------------------------------------------------------------------


@pytest.mark.parametrize("n_bins", [0, 4])
def test_complete_rows_meet_a_plain_network(X, y, imputer, n_bins):
    model = small(generator=imputer, n_bins=n_bins, hidden=(8,)).fit(X, y)
    complete = np.where(np.isnan(X), 0.3, X)
    x = torch.as_tensor(imputer.units_.to_model(complete), dtype=torch.float32)
    cells = x
    if n_bins:
        cells = PiecewiseLinear(torch.as_tensor(model.edges_).float(), range(x.shape[1]))(x)
    first = model.model_.inputs.linear
    both = x.expand(model.n_members_, *x.shape)
    hidden = torch.relu(torch.baddbmm(first.bias, both, first.weight))
    hidden = torch.cat([hidden, cells.expand(model.n_members_, *cells.shape)], -1)
    raw = model.model_.network(hidden[:, None])
    plain = model.model_.law.answer(raw)[:, 0].mean(0)
    np.testing.assert_allclose(model.predict_proba(complete), plain, rtol=1e-4, atol=1e-6)


def test_laws_that_do_not_fit_are_made_anew(X, y, imputer, monkeypatch):
    kept = small(generator=imputer).fit(X, y).predict_proba(X)
    monkeypatch.setattr("halfseen.estimators.expected_labelled.KEPT_FLOATS", 100)
    made = small(generator=imputer).fit(X, y)
    assert made._encoded_rows(X).law is None
    np.testing.assert_allclose(made.predict_proba(X), kept, rtol=1e-3, atol=1e-4)


def test_all_components_or_the_most_probable_ones(X, y):
    generator = small_estimator(GMMImputer, n_components=3, random_state=0).fit(X)
    sizes = [
        small(generator=generator, n_kept=kept).fit(X, y)._encoded_rows(X).law.weights.shape[1]
        for kept in (None, 2)
    ]
    assert sizes == [3, 2]


def test_mixed_tables_bins_and_indicators(tmp_path):
    frame, y = some_frame(), some_labels(some_table(), classes=True)
    model = small(n_bins=3, add_indicator=True, n_members=1).fit(frame, y)
    answer = model.predict_proba(frame)
    np.testing.assert_allclose(answer.sum(1), 1.0)
    model.save(tmp_path / "model")
    assert same_bits(load(tmp_path / "model").predict_proba(frame), answer)
    n_numbers = sum(not column.categorical for column in model._spec.columns)
    n_features = model._spec.n_features + 3 * n_numbers + len(model.indicated_)
    assert model._encoded_rows(frame).extra.shape == (len(frame), n_features)


def test_a_network_of_the_user(X, y):
    with torch.random.fork_rng():
        network = nn.Sequential(nn.Linear(16 + X.shape[1], 8), nn.ReLU(), nn.Linear(8, 2))
    model = small(head=network).fit(X, y)
    assert model.predict_proba(X).shape == (len(X), 2)


def test_pictures():
    rng = np.random.default_rng(0)
    pictures = rng.random((60, 1, 3, 3))
    y = np.where(pictures.mean((1, 2, 3)) > 0.5, "light", "dark")
    pictures[rng.random(pictures.shape) < 0.3] = np.nan
    answer = small().fit(pictures, y).predict_proba(pictures)
    assert answer.shape == (60, 2)


def test_numbers_have_intervals(X, tmp_path):
    numbers = some_labels(X, classes=False)
    model = small_estimator(ExpectedRegressor, random_state=0, n_bins=4).fit(X, numbers)
    ends = model.predict_interval(X)
    assert (ends[:, 0] < ends[:, 1]).all()
    model.save(tmp_path / "model")
    assert same_bits(load(tmp_path / "model").predict_interval(X), ends)


def sizes_and_holes(n, seed):
    """Is a hidden z large, in either direction? Four columns show it, half of their cells."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    X = z[:, None] + 0.3 * rng.normal(size=(n, 4))
    y = (np.abs(z) > 0.8).astype(int)
    X[rng.random(X.shape) < 0.6] = np.nan
    return X, y


def test_filling_with_the_mean_is_beaten_where_it_misleads():
    X, y = sizes_and_holes(600, 0)
    X_new, y_new = sizes_and_holes(2000, 1)
    shared = {"max_steps": 300, "n_members": 1, "random_state": 0}
    expected = ExpectedClassifier(generator="gaussian", n_units=64, hidden=(64,), **shared)
    mean = FilledClassifier(fill="mean", hidden=(64, 64), **shared)
    losses = [log_loss(y_new, m.fit(X, y).predict_proba(X_new)) for m in (expected, mean)]
    assert losses[0] < losses[1] - 0.04, losses


def far_rows(n, seed):
    """Is a row far from the middle? Half of its cells are missing: what they add must count."""
    rng = np.random.default_rng(seed)
    X = 0.5 * rng.normal(size=(n, 1)) + np.sqrt(0.75) * rng.normal(size=(n, 6))
    y = (np.square(X).sum(1) > 6).astype(int)
    X[rng.random(X.shape) < 0.5] = np.nan
    return X, y


def test_the_spread_of_holes_tells_more_than_their_mean():
    X, y = far_rows(1000, 0)
    X_new, y_new = far_rows(2000, 1)
    shared = {"max_steps": 400, "n_members": 1, "random_state": 0}
    expected = ExpectedClassifier(generator="gaussian", n_units=64, hidden=(64,), **shared)
    loss = log_loss(y_new, expected.fit(X, y).predict_proba(X_new))
    imputer = GaussianImputer().fit(X)
    plain = FilledClassifier(hidden=(64, 64), activation="relu", **shared)
    plain.fit(imputer.transform(X), y)
    others = log_loss(y_new, plain.predict_proba(imputer.transform(X_new)))
    assert loss < others - 0.02, (loss, others)


# ---- in front of any network --------------------------------------------------------------


def test_a_layer_from_a_density(X):
    density = GMMDensity(n_components=2, n_starts=1, random_state=0).fit(X)
    layer = expected_layer(density, 6, seed=3)
    law = layer.law(torch.as_tensor(X, dtype=torch.float32))
    found = (law.average * layer.scale + layer.shift).numpy()
    np.testing.assert_allclose(found, density.conditional(X).mean, rtol=1e-3, atol=1e-3)
    assert layer(torch.as_tensor(X, dtype=torch.float32)).shape == (len(X), 6)
    assert not layer.mean.requires_grad
    assert expected_layer(density, 6, trainable=True).mean.requires_grad


def relu_means(law, layer):
    """Expected ReLUs (n, H) under ``conditional``: means of them by hand, and those of draws."""
    weight = layer.units.linear.weight[0].detach().double().numpy()
    bias = layer.units.linear.bias[0, 0].detach().double().numpy()
    shift, scale = layer.shift.double().numpy(), layer.scale.double().numpy()
    slope, hole = weight / scale[:, None], law.missing[:, None]
    part = law.mixture.law
    center = np.where(hole, part.mean, law.x[:, None])
    mean = ((center - shift) / scale) @ weight + bias
    factor = np.where(hole[..., None], part.factor, 0.0)
    noise = np.where(hole, part.variance, 0.0)
    variance = np.square(np.einsum("ncfl,fh->nclh", factor, slope)).sum(2) + noise @ slope**2
    sd = np.sqrt(variance)
    t = np.divide(mean, sd, out=np.zeros_like(mean), where=sd > 0)
    smooth = mean * norm.cdf(t) + sd * norm.pdf(t)
    closed = (law.weights[..., None] * np.where(sd > 0, smooth, np.maximum(mean, 0))).sum(1)
    drawn = np.maximum(((law.sample(2000, random_state=0) - shift) / scale) @ weight + bias, 0)
    return closed, drawn


@pytest.mark.parametrize("trainable", [False, True])
@pytest.mark.parametrize(
    "imputer",
    [
        GMMImputer(n_components=2, n_starts=1, skewed=False, random_state=0),
        MFAImputer(n_components=3, rank=1, n_starts=1, skewed=False, random_state=0),
        MFADensity(n_components=3, rank=2, n_starts=1, released=True, random_state=0),
    ],
)
def test_the_law_of_a_layer_is_that_of_conditional(X, imputer, trainable):
    X, imputer = X[:30], clone(imputer).fit(X)
    if not imputer.released:
        imputer.temperature_ = 1.8
    layer = expected_layer(imputer, 5, trainable=trainable)
    found = layer(torch.as_tensor(X, dtype=torch.float32)).detach().numpy()
    closed, drawn = relu_means(imputer.conditional(X), layer)
    np.testing.assert_allclose(found, closed, atol=2e-5)
    error = drawn.std(0) / np.sqrt(len(drawn))
    # A unit that hardly ever fires may not fire in any draw.
    assert (np.abs(found - drawn.mean(0)) < 5 * error + 2e-3).all()


def test_columns_far_from_zero_keep_their_digits(X):
    """Seconds since 1970, of which float32 knows every 128th."""
    far = X.copy()
    far[:, 0] = 5 * X[:, 0] + 1.7e9 + 60
    density = MFADensity(n_components=1, rank=1, random_state=0).fit(far)
    layer = expected_layer(density, 5)
    closed, _ = relu_means(density.conditional(far[:30]), layer)
    found = layer(torch.as_tensor(far[:30])).detach().numpy()
    np.testing.assert_allclose(found, closed, atol=1e-4)
    with pytest.raises(SettingError, match=r"Expected rows of torch\.float64"):
        layer(torch.as_tensor(far[:30], dtype=torch.float32))


def test_a_layer_before_which_a_network_says_the_law(X, says):
    X, layer = X[:40], expected_layer(says, 5)
    found = layer(torch.as_tensor(X, dtype=torch.float32)).detach().numpy()
    law = says.conditional(X)
    closed, drawn = relu_means(law, layer)
    assert law.weights.shape == (40, 4)
    np.testing.assert_allclose(found, closed, atol=2e-5)
    error = drawn.std(0) / np.sqrt(len(drawn))
    assert (np.abs(found - drawn.mean(0)) < 5 * error + 2e-3).all()
    complete = torch.as_tensor(np.where(np.isnan(X), 0.3, X), dtype=torch.float32)
    standard = ((complete - layer.shift) / layer.scale).float()
    plain = torch.relu(layer.units.linear(standard[None]))[0]
    torch.testing.assert_close(layer(complete), plain)


@pytest.mark.parametrize("trainable", [False, True])
def test_what_says_the_law_learns_only_if_it_is_told_to(X, says, trainable):
    layer = expected_layer(says, 5, trainable=trainable)
    rows = torch.as_tensor(X[:40], dtype=torch.float32)
    before = says.transform(X)
    network = nn.Sequential(layer, nn.BatchNorm1d(5)).train()
    # What it says is not blurred by units that training leaves out.
    torch.testing.assert_close(layer(rows), layer(rows), rtol=0, atol=0)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    network(rows).pow(3).sum().backward()
    optimizer.step()
    same = [
        torch.equal(mine, theirs)
        for mine, theirs in zip(layer.network.parameters(), says.model_.parameters(), strict=True)
    ]
    assert all(same) != trainable
    assert same_bits(says.transform(X), before)


def test_layers_for_pictures_of_which_a_network_says_the_law():
    pictures = np.random.default_rng(0).random((40, 1, 4, 4))
    pictures[::2, :, 1] = np.nan
    density = small_estimator(DMFADensity, random_state=0).fit(pictures)
    layer = expected_layer(density, 6)
    rows = torch.as_tensor(pictures, dtype=torch.float32)
    law = layer.law(rows.flatten(1)).average * layer.scale + layer.shift
    np.testing.assert_allclose(
        law.reshape(pictures.shape), density.conditional(pictures).mean, atol=1e-5
    )
    assert layer(rows).shape == (40, 6)


def test_a_layer_for_pictures():
    pictures = np.random.default_rng(0).random((40, 1, 3, 3))
    pictures[::2, :, 1] = np.nan
    density = MFAImputer(n_components=1, rank=1, random_state=0).fit(pictures)
    rows = torch.as_tensor(pictures, dtype=torch.float32)
    assert expected_layer(density, 6)(rows).isfinite().all()


def test_densities_without_a_layer_say_why(X):
    frame = some_frame()
    with pytest.raises(SettingError, match="of categories"):
        expected_layer(small_estimator(GMMDensity).fit(frame), 4)
    skewed = pd.DataFrame({"a": np.exp(X[:, 1]), "b": X[:, 1]})
    bent = small_estimator(GMMImputer, kinds={"a": "positive"}).fit(skewed)
    with pytest.raises(SettingError, match="bent scale"):
        expected_layer(bent, 4)


@pytest.mark.parametrize("given", ["gmm", None, MIWAEImputer()])
def test_layers_from_what_is_no_density_are_refused(given):
    with pytest.raises(SettingError, match="no law of cells in closed form"):
        expected_layer(given, 4)


def test_layers_of_ranks_are_refused(X):
    """Their law is of normal scores: rows in the units of the table would be read as such."""
    with pytest.raises(SettingError, match=r"GaussianCopulaImputer.*no law of cells"):
        expected_layer(GaussianCopulaImputer(max_iter=5, random_state=0).fit(X), 4)


@pytest.mark.parametrize("n_units", [0, -1, 2.5, "4"])
def test_widths_of_layers_are_whole_numbers(X, n_units):
    with pytest.raises(SettingError, match="Got n_units="):
        expected_layer(small_estimator(GMMDensity).fit(X), n_units)


# ---- completed tables -----------------------------------------------------------------------


def test_tables_are_completed_by_the_generator(X, y, imputer, tmp_path):
    model = small(generator=imputer).fit(X, y)
    filled = imputer.transform(X)
    assert same_bits(model.impute(X), filled)
    # The law is the generator's, which labels do not change.
    assert same_bits(model.impute(X, y), filled)
    model.save(tmp_path / "model")
    assert same_bits(load(tmp_path / "model").impute(X), filled)
    with pytest.raises(SettingError, match="80 rows in X and 3 labels"):
        model.impute(X, y[:3])
    with pytest.raises(NotFittedError):
        small().impute(X)
    numbers = small_estimator(ExpectedRegressor, generator=imputer, random_state=0)
    assert same_bits(numbers.fit(X, np.arange(float(len(X)))).impute(X), filled)
