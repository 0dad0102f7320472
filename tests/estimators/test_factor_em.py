"""EM for mixtures of factor analysers: the exact objective rises, and other libraries agree."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA, FactorAnalysis

from halfseen.core.factor_mixture import FactorMixture
from halfseen.core.low_rank_normal import LowRankNormal
from halfseen.estimators import factor_em
from halfseen.estimators.factor_em import FactorEM, Prior, climb
from halfseen.estimators.factor_gradient import FactorModel
from halfseen.estimators.factor_start import feature_moments, start_mixture

F = 5


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def simulated(n=60, missing=0.5, seed=0, groups=3, apart=3.0):
    """Groups of correlated cells with holes; one row shows nothing."""
    rng = np.random.default_rng(seed)
    center = apart * rng.normal(size=(groups, F))[rng.integers(groups, size=n)]
    x = center + rng.normal(size=(n, 1)) * rng.uniform(0.5, 1.5, size=F) + rng.normal(size=(n, F))
    s = (rng.random((n, F)) >= missing).astype(float)
    s[0] = 0 if missing else 1
    x = torch.as_tensor(x - (x * s).sum(0) / s.sum(0))
    return x * torch.as_tensor(s), torch.as_tensor(s)


def steps(x, s, noise="diagonal", prior_rows=0.0, floor=1e-6):
    mean, variance = feature_moments(x, s)
    floors = torch.full((F,), floor, dtype=x.dtype)
    return FactorEM(x, s, floors, noise, Prior(prior_rows, mean, variance))


def start(step, n_components, rank, kind="clusters"):
    begun = start_mixture(step.x, step.s, n_components, rank, step.floor, generator(), kind)
    return step.fitting(begun)


def dense_covariance(mixture, c=0):
    factor = mixture.law.factor[c].numpy()
    return factor @ factor.T + np.diag(mixture.law.variance[c].numpy())


def dense_objective(step, mixture):
    """Log-density of what is seen, cell by cell of dense matrices, and of the rows in thought."""
    x, s, total = step.x.numpy(), step.s.numpy(), 0.0
    log_weights, means = mixture.log_weights.numpy(), mixture.law.mean.numpy()
    covariances = [dense_covariance(mixture, c) for c in range(len(means))]
    for row, seen in zip(x, s > 0, strict=True):
        if seen.any():
            parts = [
                multivariate_normal(m[seen], v[np.ix_(seen, seen)]).logpdf(row[seen])
                for m, v in zip(means, covariances, strict=True)
            ]
            total += logsumexp(log_weights + parts)
    # Expected log-density of a row with independent cells and factors, without constants.
    mean, spread = step.prior.mean.numpy(), step.prior.variance.numpy()
    for c, m in enumerate(means):
        d, a = mixture.law.variance[c].numpy(), mixture.law.factor[c].numpy()
        moment = spread + (m - mean) ** 2 + (a**2).sum(1)
        total += step.prior.rows * (log_weights[c] - 0.5 * (np.log(d) + moment / d).sum())
    return total


@pytest.mark.parametrize("noise", ["diagonal", "isotropic"])
@pytest.mark.parametrize("prior_rows", [0.0, 0.7])
@pytest.mark.parametrize(("n_components", "rank"), [(1, 2), (3, 2), (3, 0)])
@pytest.mark.parametrize("kind", ["clusters", "random"])
def test_every_step_raises_the_exact_objective(noise, prior_rows, n_components, rank, kind):
    step = steps(*simulated(), noise, prior_rows, floor=1e-3)
    mixture, path = start(step, n_components, rank, kind), []
    for number in range(40):
        following, value = step(mixture)
        assert value == pytest.approx(step.objective(mixture), rel=1e-12)
        if number % 13 == 0:
            assert value == pytest.approx(dense_objective(step, mixture), abs=1e-8)
        assert float(following.log_weights.exp().sum()) == pytest.approx(1.0)
        mixture, path = following, [*path, value]
    assert (np.diff(path) >= -1e-9).all()
    assert path[-1] > path[0] + 1


@pytest.mark.parametrize("noise", ["diagonal", "isotropic"])
def test_steps_against_floors_that_differ_do_not_fall(noise):
    step = steps(*simulated(), noise)
    step = replace(step, floor=torch.tensor([1e-4, 0.5, 1e-4, 0.9, 1e-4]).double())
    mixture, path = start(step, 2, 2), []
    for _ in range(40):
        mixture, value = step(mixture)
        path.append(value)
        variance = mixture.law.variance
        assert (variance >= step.floor).all()
        if noise == "isotropic":
            assert (variance == variance[:, :1]).all()
    assert (np.diff(path) >= -1e-9).all()


@pytest.mark.parametrize("noise", ["diagonal", "isotropic"])
@pytest.mark.parametrize("prior_rows", [0.0, 1.5])
def test_at_the_end_a_step_stays_and_the_slope_is_zero(noise, prior_rows):
    step = steps(*simulated(300, missing=0.3, groups=2, seed=2), noise, prior_rows)
    mixture, path = climb(step, start(step, 2, 1), 1.0, max_iter=600, tol=1e-11)
    assert path.converged
    following, _ = step(mixture)
    np.testing.assert_allclose(following.law.mean, mixture.law.mean, atol=1e-4)
    np.testing.assert_allclose(dense_covariance(following), dense_covariance(mixture), atol=1e-4)
    np.testing.assert_allclose(following.log_weights, mixture.log_weights, atol=1e-4)
    shared = noise == "isotropic"
    model = FactorModel(mixture, torch.zeros(F).double(), isotropic=shared)
    made = model.mixture()
    (made.log_prob(step.x, step.s).sum() + step.prior.log_density(made)).backward()
    for parameter in model.parameters():
        assert parameter.grad.abs().max() < 1e-3


def test_complete_rows_agree_with_factor_analysis():
    x, s = simulated(n=200, missing=0.0, groups=1)
    step = steps(x, s)
    mixture, path = climb(step, start(step, 1, 1), float(s.sum()), max_iter=5000, tol=1e-14)
    assert path.converged
    other = FactorAnalysis(1, tol=1e-12, max_iter=5000, svd_method="lapack").fit(x.numpy())
    found = float(mixture.log_prob(x, s).mean())
    assert found == pytest.approx(other.score(x.numpy()), abs=1e-8)
    np.testing.assert_allclose(dense_covariance(mixture), other.get_covariance(), atol=1e-4)
    np.testing.assert_allclose(mixture.law.mean[0], other.mean_, atol=1e-6)


def test_complete_rows_agree_with_probabilistic_principal_components():
    x, s = simulated(n=200, missing=0.0)
    step = steps(x, s, "isotropic")
    mixture, _ = climb(step, start(step, 1, 2), float(s.sum()), max_iter=5000, tol=1e-14)
    # scikit-learn divides by n - 1: sqrt(n / (n - 1)) times smaller cells have our covariance.
    other = PCA(2).fit(x.numpy() * np.sqrt(199 / 200))
    np.testing.assert_allclose(dense_covariance(mixture), other.get_covariance(), atol=1e-4)
    shifted = PCA(2).fit(x.numpy())
    found = float(mixture.log_prob(x, s).mean())
    assert found == pytest.approx(shifted.score(x.numpy()), abs=1e-3)


def test_a_missing_cell_is_not_a_zero():
    """What stands in missing cells changes nothing."""
    x, s = simulated()
    mixture = start(steps(x, s), 2, 1)
    one, _ = steps(x, s)(mixture)
    step = replace(steps(x, s), x=torch.where(s > 0, x, 50.0))
    two, _ = step(mixture)
    np.testing.assert_array_equal(one.law.mean, two.law.mean)
    np.testing.assert_array_equal(one.law.variance, two.law.variance)


def test_chunks_of_rows_add_up(monkeypatch):
    x, s = simulated()
    step = steps(x, s, prior_rows=0.3)
    mixture = start(step, 3, 2)
    whole, value = step(mixture)
    monkeypatch.setattr(factor_em, "CHUNK_FLOATS", 7 * mixture.width)
    assert len(list(step.parts(mixture.width))) == 9
    parts, same = step(mixture)
    assert same == pytest.approx(value, rel=1e-12)
    for one, two in zip(vars(whole.law).values(), vars(parts.law).values(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-10)


def test_rows_in_thought_pull_towards_independent_columns():
    x, s = simulated()
    step = steps(x, s, prior_rows=1e6)
    mixture, _ = step(start(step, 2, 2))
    mean, variance = feature_moments(x, s)
    for c in range(2):
        np.testing.assert_allclose(mixture.law.mean[c], mean, atol=1e-3)
        np.testing.assert_allclose(dense_covariance(mixture, c), np.diag(variance), atol=1e-3)
    np.testing.assert_allclose(mixture.log_weights.exp(), 0.5, atol=1e-3)


def test_what_no_row_shows_stays_at_the_mean_of_the_table():
    x, s = simulated()
    x[:, 2], s[:, 2] = 0, 0
    mixture, path = climb(steps(x, s), start(steps(x, s), 3, 2), 1.0, max_iter=20, tol=0)
    assert np.isfinite(path.objective).all()
    assert (mixture.law.mean[:, 2] == 0).all()
    assert (mixture.law.factor[:, 2] == 0).all()
    assert all(part.isfinite().all() for part in vars(mixture.law).values())
    # More components than rows.
    few = steps(x[:4], s[:4])
    mixture, path = climb(few, start(few, 8, 1), 1.0, max_iter=20, tol=0)
    assert np.isfinite(path.objective).all()


def test_a_climb_ends_when_steps_gain_little_and_answers_with_its_best():
    x, s = simulated()
    step, seen = steps(x, s), []
    begun = start(step, 2, 1)
    mixture, path = climb(
        step, begun, float(s.sum()), max_iter=500, tol=1e-4, watch=lambda *now: seen.append(now)
    )
    assert path.converged
    assert np.diff(path.objective)[-1] < 1e-4
    assert (np.diff(path.objective)[:-1] >= 1e-4).all()
    assert seen == list(enumerate(path.objective, start=1))
    found = step.objective(mixture) / float(s.sum())
    assert found == pytest.approx(path.objective[-1], rel=1e-12)
    short = climb(step, begun, 1.0, max_iter=2, tol=0)[1]
    assert (len(short.objective), short.converged) == (2, False)


# ---- starts -----------------------------------------------------------------------------


def test_feature_moments_are_those_of_seen_cells():
    x, s = simulated()
    s[:, 4] = 0
    mean, variance = feature_moments(x, s)
    for j in range(4):
        seen = x[s[:, j] > 0, j].numpy()
        assert float(mean[j]) == pytest.approx(seen.mean())
        assert float(variance[j]) == pytest.approx(seen.var())
    assert (mean[4], variance[4]) == (0.0, variance[:4].mean())


def test_random_starts_are_rows_of_their_own():
    x, s = simulated(missing=0.0)
    law = start_mixture(x, s, 20, 0, torch.full((F,), 0.1), generator(), "random").law
    assert len(torch.unique(law.mean, dim=0)) == 20
    gaps = (law.mean[:, None] - x).abs().sum(-1).min(1).values
    assert (gaps == 0).all()


def test_starts_at_clusters_find_them_and_their_axes():
    rng = np.random.default_rng(0)
    own = rng.integers(3, size=300)
    axes = np.eye(F)[:3]
    x = 15 * np.eye(F)[own + 2] + 2 * rng.normal(size=(300, 1)) * axes[own]
    x += 0.1 * rng.normal(size=x.shape)
    x, s = torch.as_tensor(x), torch.ones(300, F).double()
    mixture = start_mixture(x, s, 3, 1, torch.full((F,), 1e-4), generator())
    for c in range(3):
        at = int(mixture.law.mean[c, 2:].argmax())
        axis = mixture.law.factor[c, :, 0].abs()
        assert int(axis.argmax()) == at
        assert float(axis[at]) == pytest.approx(2, rel=0.5)
        share = float(np.mean(own == at))
        assert float(mixture.log_weights[c].exp()) == pytest.approx(share, abs=0.01)


# ---- the public baseline's error --------------------------------------------------------


@pytest.mark.parametrize("rank", [0, 2])
def test_a_released_step_is_that_of_weights_in_the_place_of_their_logarithms(rank):
    """PROTOCOLS 16.3 (a): softmax(pi + log N) are the responsibilities."""
    x, s = simulated(apart=0.7)
    step = steps(x, s)
    mixture, _ = step(start(step, 3, rank))
    pi = mixture.log_weights.exp()
    following, value = replace(step, released=True)(mixture)
    law = mixture.law
    density = torch.stack(
        [FactorMixture(torch.zeros(1), law.map(lambda p, c=c: p[c : c + 1])).log_prob(x, s)
         for c in range(3)], -1
    )  # fmt: skip
    weights = torch.softmax(pi + density, -1)
    torch.testing.assert_close(following.log_weights.exp(), weights.mean(0))
    assert value == pytest.approx(float(torch.logsumexp(pi + density, -1).sum()))
    # The rest is the step of a mixture whose logarithms these are.
    other, _ = step(FactorMixture(pi, law))
    torch.testing.assert_close(following.law.mean, other.law.mean)
    torch.testing.assert_close(following.law.factor, other.law.factor)
    torch.testing.assert_close(following.law.variance, other.law.variance)
    exact, _ = step(mixture)
    assert (exact.law.mean - following.law.mean).abs().max() > 1e-3
    if rank == 0:
        shown = weights.T @ s
        torch.testing.assert_close(following.law.mean, weights.T @ (x * s) / shown)


def test_falls_of_a_released_objective_do_not_end_the_way():
    values = iter([0.0, 5.0, 4.0, 6.0, 6.0 + 1e-6, 9.0])
    mixture = start(steps(*simulated()), 1, 0)
    _, path = climb(lambda m: (m, next(values)), mixture, 1.0, max_iter=6, tol=1e-3)
    assert path.objective == [0.0, 5.0, 4.0, 6.0, 6.0 + 1e-6]
    assert path.converged


# ---- gradients --------------------------------------------------------------------------


def test_the_model_of_the_gradient_begins_at_its_start():
    x, s = simulated()
    step = steps(x, s, floor=1e-3)
    begun = start(step, 3, 2)
    model = FactorModel(begun, step.floor, isotropic=False)
    made = model.mixture()
    np.testing.assert_allclose(made.log_prob(x, s).detach(), begun.log_prob(x, s), atol=1e-9)
    shared = FactorModel(begun, torch.tensor([0.1, 0.2, 0.1, 0.1, 0.3]).double(), isotropic=True)
    variance = shared.mixture().law.variance
    assert (variance == variance[:, :1]).all()
    assert (variance > 0.3).all()


def test_unseen_indices_of_a_law_have_no_gradient():
    x, s = simulated()
    s = s.clone()
    s[:, 1] = 0
    law = start(steps(x, s), 2, 1).law
    mean = law.mean.clone().requires_grad_()
    mixture = FactorMixture(
        torch.tensor([0.5, 0.5]).double().log(), LowRankNormal(mean, law.factor, law.variance)
    )
    mixture.log_prob(x, s).sum().backward()
    assert (mean.grad[:, 1] == 0).all()
    assert (mean.grad[:, 0] != 0).all()
