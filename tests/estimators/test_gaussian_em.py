"""EM for full covariances: the exact objective rises, slopes vanish, scikit-learn agrees."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from halfseen.estimators import gaussian_em
from halfseen.estimators.factor_em import FactorEM, Prior, climb
from halfseen.estimators.factor_start import feature_moments, start_mixture
from halfseen.estimators.gaussian_em import GaussianEM, covariances, from_covariances

F = 4


def simulated(n=80, missing=0.5, seed=0, groups=2):
    """Groups of correlated cells with holes; one row shows nothing."""
    rng = np.random.default_rng(seed)
    center = 3 * rng.normal(size=(groups, F))[rng.integers(groups, size=n)]
    x = center + rng.normal(size=(n, F)) @ rng.normal(size=(F, F))
    s = (rng.random((n, F)) >= missing).astype(float)
    s[0] = 0 if missing else 1
    x = torch.as_tensor(x - (x * s).sum(0) / s.sum(0))
    return x * torch.as_tensor(s), torch.as_tensor(s)


def steps(x, s, prior_rows=0.0, floor=1e-4):
    mean, variance = feature_moments(x, s)
    prior = Prior(prior_rows, mean, variance)
    return GaussianEM(x, s, torch.full((F,), floor, dtype=x.dtype), prior)


def start(step, n_components, kind="clusters"):
    generator = torch.Generator().manual_seed(0)
    begun = start_mixture(step.x, step.s, n_components, F - 1, step.floor, generator, kind)
    return step.fitting(begun)


def dense_objective(step, mixture):
    """Log-density of what is seen by dense matrices, and of the rows in thought."""
    x, s, total = step.x.numpy(), step.s.numpy(), 0.0
    log_weights, means = mixture.log_weights.numpy(), mixture.law.mean.numpy()
    matrices = covariances(mixture).numpy()
    for row, seen in zip(x, s > 0, strict=True):
        if seen.any():
            parts = [
                multivariate_normal(m[seen], v[np.ix_(seen, seen)]).logpdf(row[seen])
                for m, v in zip(means, matrices, strict=True)
            ]
            total += logsumexp(log_weights + parts)
    mean, spread = step.prior.mean.numpy(), step.prior.variance.numpy()
    for weight, m, v in zip(log_weights, means, matrices, strict=True):
        moment = np.diag(spread) + np.outer(m - mean, m - mean)
        density = np.linalg.slogdet(v)[1] + np.trace(np.linalg.solve(v, moment))
        total += step.prior.rows * (weight - 0.5 * density)
    return total


@pytest.mark.parametrize("prior_rows", [0.0, 0.7])
@pytest.mark.parametrize("n_components", [1, 3])
@pytest.mark.parametrize("kind", ["clusters", "random"])
@pytest.mark.parametrize("floor", [1e-3, 0.8])
def test_every_step_raises_the_exact_objective(prior_rows, n_components, kind, floor):
    step = steps(*simulated(), prior_rows, floor)
    mixture, path = start(step, n_components, kind), []
    for number in range(40):
        following, value = step(mixture)
        if number % 13 == 0:
            assert value == pytest.approx(dense_objective(step, mixture), abs=1e-8)
        assert float(following.log_weights.exp().sum()) == pytest.approx(1.0)
        mixture, path = following, [*path, value]
    assert (np.diff(path) >= -1e-9).all()
    assert path[-1] > path[0] + 1
    assert torch.linalg.eigvalsh(covariances(mixture)).min() >= floor - 1e-9


@pytest.mark.parametrize("prior_rows", [0.0, 1.5])
def test_at_the_end_the_slope_of_the_dense_likelihood_is_zero(prior_rows):
    x, s = simulated(200, missing=0.3)
    step = steps(x, s, prior_rows)
    mixture, path = climb(step, start(step, 2), 1.0, max_iter=1000, tol=1e-11)
    assert path.converged
    following, _ = step(mixture)
    np.testing.assert_allclose(covariances(following), covariances(mixture), atol=1e-4)
    mean = mixture.law.mean.clone().requires_grad_()
    roots = torch.linalg.cholesky(covariances(mixture)).requires_grad_()
    logits = mixture.log_weights.clone().requires_grad_()
    log_weights, matrices = logits.log_softmax(-1), roots @ roots.mT
    total = 0.0
    for row, seen in zip(x, s > 0, strict=True):
        parts = [
            torch.distributions.MultivariateNormal(m[seen], v[seen][:, seen]).log_prob(row[seen])
            for m, v in zip(mean, matrices, strict=True)
            if seen.any()
        ]
        total = total + (torch.logsumexp(log_weights + torch.stack(parts), 0) if parts else 0.0)
    for weight, m, v in zip(log_weights, mean, matrices, strict=True):
        gap = m - step.prior.mean
        moment = torch.diag(step.prior.variance) + torch.outer(gap, gap)
        density = torch.logdet(v) + torch.trace(torch.linalg.solve(v, moment))
        total = total + prior_rows * (weight - 0.5 * density)
    for slope in torch.autograd.grad(total, (mean, roots, logits)):
        assert slope.abs().max() < 1e-3


@pytest.mark.parametrize("covariance", ["full", "diag", "spherical"])
def test_complete_rows_agree_with_scikit_learn(covariance):
    """Begun at our answer it stays there, and gives every row the same density."""
    x, s = simulated(300, missing=0.0, groups=3)
    step = steps(x, s, floor=1e-6)
    if covariance != "full":
        noise = "diagonal" if covariance == "diag" else "isotropic"
        step = FactorEM(x, s, step.floor, noise, step.prior)
    generator = torch.Generator().manual_seed(0)
    rank = F - 1 if covariance == "full" else 0
    begun = start_mixture(x, s, 3, rank, step.floor, generator)
    mixture, _ = climb(step, step.fitting(begun), 1.0, max_iter=3000, tol=1e-12)
    matrices = covariances(mixture).numpy()
    precision = {
        "full": np.linalg.inv(matrices),
        "diag": 1 / mixture.law.variance.numpy(),
        "spherical": 1 / mixture.law.variance[:, 0].numpy(),
    }[covariance]
    other = GaussianMixture(
        3,
        covariance_type=covariance,
        reg_covar=0.0,
        max_iter=3,
        tol=0.0,
        weights_init=mixture.log_weights.exp().numpy(),
        means_init=mixture.law.mean.numpy(),
        precisions_init=precision,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        other.fit(x.numpy())
    np.testing.assert_allclose(mixture.log_prob(x, s), other.score_samples(x.numpy()), atol=1e-4)
    np.testing.assert_allclose(mixture.law.mean, other.means_, atol=1e-3)
    np.testing.assert_allclose(mixture.log_weights.exp(), other.weights_, atol=1e-4)
    found = precision if covariance != "full" else matrices
    theirs = other.precisions_ if covariance != "full" else other.covariances_
    np.testing.assert_allclose(found, theirs, rtol=1e-3, atol=1e-3)


def test_one_gaussian_of_complete_rows_is_that_of_their_moments():
    x, s = simulated(missing=0.0)
    step = steps(x, s)
    mixture, _ = step(start(step, 1))
    np.testing.assert_allclose(mixture.law.mean[0], x.mean(0), atol=1e-12)
    np.testing.assert_allclose(covariances(mixture)[0], np.cov(x.numpy().T, bias=True), atol=1e-10)


def test_covariances_are_kept_and_floors_raise_the_small_ones():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(2, F, F))
    given = torch.as_tensor(root @ root.transpose(0, 2, 1))
    mean, floor = torch.zeros(2, F).double(), torch.tensor([0.1, 0.4, 0.2, 0.3]).double() ** 2
    weights = torch.tensor([0.5, 0.5]).double().log()
    kept = from_covariances(weights, mean, given + torch.diag(floor), floor)
    np.testing.assert_allclose(covariances(kept), given + torch.diag(floor), atol=1e-10)
    flat = torch.as_tensor(np.diag([1.0, 1e-9, 2.0, 1.0]))[None].expand(2, -1, -1)
    raised = covariances(from_covariances(weights, mean, flat, floor))
    expected = np.diag([1.0, 0.16, 2.0, 1.0])
    np.testing.assert_allclose(raised[0], expected, atol=1e-10)
    least = torch.linalg.eigvalsh(covariances(from_covariances(weights, mean, 0 * flat, floor)))
    np.testing.assert_allclose(least[0], np.sort(floor), atol=1e-12)


def test_a_missing_cell_is_not_a_zero_and_chunks_add_up(monkeypatch):
    x, s = simulated()
    step = steps(x, s, prior_rows=0.3)
    mixture = start(step, 3)
    one, value = step(mixture)
    two, _ = replace(step, x=torch.where(s > 0, x, 50.0))(mixture)
    np.testing.assert_allclose(covariances(one), covariances(two), atol=1e-12)
    monkeypatch.setattr(gaussian_em, "CHUNK_FLOATS", 7 * 3 * F**2)
    three, same = step(mixture)
    assert same == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(covariances(one), covariances(three), atol=1e-10)


def test_a_component_without_rows_begins_again_from_the_table():
    x, s = simulated()
    shows = s.sum(1) > 0  # what shows nothing belongs to all components
    x, s = x[shows], s[shows]
    step = steps(x, s)
    mixture = start(step, 2)
    far = replace(mixture.law, mean=mixture.law.mean + torch.tensor([[0.0], [1e4]]))
    following, _ = step(replace(mixture, law=far))
    np.testing.assert_allclose(following.law.mean[1], step.prior.mean, atol=1e-9)
    np.testing.assert_allclose(
        covariances(following)[1], torch.diag(step.prior.variance), atol=1e-9
    )
    assert following.log_weights.isfinite().all()
