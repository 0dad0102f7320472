"""The public baseline's conditional law, written again with dense matrices (PROTOCOLS 16.3)."""

import numpy as np
import torch
from scipy.special import softmax
from scipy.stats import multivariate_normal

from halfseen.core.factor_mixture import FactorMixture
from halfseen.core.low_rank_normal import LowRankNormal
from halfseen.core.released_mixture import released_conditional, released_posterior

N, C, F, RANK = 30, 3, 5, 2
WEIGHTS = np.array([0.05, 0.15, 0.8])


def case():
    """Components that overlap, so that weights decide which is the most probable."""
    rng = np.random.default_rng(0)
    law = LowRankNormal(
        torch.as_tensor(0.5 * rng.normal(size=(C, F))),
        torch.as_tensor(rng.normal(size=(C, F, RANK))),
        torch.as_tensor(rng.uniform(0.1, 1.5, size=(C, F))),
    )
    s = (rng.random((N, F)) < 0.5).astype(float)
    s[np.arange(N), rng.integers(F, size=N)] = 1
    s[0] = 0
    x = torch.as_tensor(rng.normal(size=(N, F)))
    return FactorMixture(torch.as_tensor(np.log(WEIGHTS)), law), x, torch.as_tensor(s)


def baseline(mixture, x, s):
    """Responsibilities, and mean and covariance of all cells under the one component that is kept.

    Of a row with cells o seen: the weight, not its logarithm, is added to the log-density; the
    factors' covariance is K_ = I + Y - Y (I + Y)^-1 Y with Y = A_o' D_o^-1 A_o.
    """
    o, scores = np.flatnonzero(s), []
    for c in range(C):
        A, d = mixture.law.factor[c].numpy(), mixture.law.variance[c].numpy()
        mu, covariance = mixture.law.mean[c].numpy(), A @ A.T + np.diag(d)
        seen = multivariate_normal(mu[o], covariance[np.ix_(o, o)]).logpdf(x[o]) if len(o) else 0
        scores.append(WEIGHTS[c] + seen)
    c = int(np.argmax(scores))
    A, d = mixture.law.factor[c].numpy(), mixture.law.variance[c].numpy()
    mu, one = mixture.law.mean[c].numpy(), np.eye(RANK)
    Y = A[o].T @ np.diag(1 / d[o]) @ A[o]
    wrong = one + Y - Y @ np.linalg.inv(one + Y) @ Y
    right = np.linalg.inv(one + Y)
    mean = mu + A @ right @ A[o].T @ ((x - mu)[o] / d[o])
    return softmax(scores), c, mean, A @ wrong @ A.T + np.diag(d), A @ right @ A.T + np.diag(d)


def test_released_laws_are_those_of_the_baseline():
    mixture, x, s = case()
    posterior = released_posterior(mixture, mixture.posterior(x, s))
    law = released_conditional(mixture, posterior)
    assert law.log_weights.shape == (N, 1)
    assert (law.log_weights == 0).all()
    for i in range(N):
        weights, _, mean, covariance, _ = baseline(mixture, x[i].numpy(), s[i].numpy())
        np.testing.assert_allclose(posterior.weights[i], weights, atol=1e-12)
        np.testing.assert_allclose(law.law.mean[i, 0], mean, atol=1e-12)
        factor = law.law.factor[i, 0].numpy()
        found = factor @ factor.T + np.diag(law.law.variance[i, 0])
        np.testing.assert_allclose(found, covariance, atol=1e-12)


def test_corrected_laws_are_not():
    """Weights count, all components stay, and a cell varies less once others are seen."""
    mixture, x, s = case()
    posterior = mixture.posterior(x, s)
    law, other = mixture.conditional(posterior), []
    for i in range(1, N):
        weights, c, mean, wrong, right = baseline(mixture, x[i].numpy(), s[i].numpy())
        assert np.abs(posterior.weights[i].numpy() - weights).max() > 0.01
        other.append(int(posterior.weights[i].argmax()) != c)
        place = int((law.law.mean[i] - torch.as_tensor(mean)).abs().sum(-1).argmin())
        factor = law.law.factor[i, place].numpy()
        found = factor @ factor.T + np.diag(law.law.variance[i, place])
        np.testing.assert_allclose(found, right, atol=1e-12)
        assert np.abs(found - wrong).max() > 0.1
        prior = mixture.law.marginal_variance[c].numpy()
        assert (np.diag(right) <= prior + 1e-12).all()
        assert (np.diag(wrong) >= prior - 1e-12).all()
    assert law.log_weights.shape == (N, C)
    assert sum(other) >= 5
