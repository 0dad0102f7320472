"""Mixtures of factor analysers against dense algebra, on rows with masks of their own."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp, softmax
from scipy.stats import multivariate_normal

from halfseen.core.factor_mixture import FactorMixture
from halfseen.core.low_rank_normal import LowRankNormal
from halfseen.core.noise import Noise

N, C, F = 8, 3, 5


def case(rank=2, seed=0):
    """A mixture with uneven weights, rows, and masks: nothing, everything, and between."""
    rng = np.random.default_rng(seed)
    law = LowRankNormal(
        torch.as_tensor(2 * rng.normal(size=(C, F))),
        torch.as_tensor(rng.normal(size=(C, F, rank))),
        torch.as_tensor(rng.uniform(0.1, 1.5, size=(C, F))),
    )
    mixture = FactorMixture(torch.tensor([0.7, 0.25, 0.05], dtype=torch.float64).log(), law)
    s = (rng.random((N, F)) < 0.5).astype(float)
    s[0], s[1], s[2] = 0, 1, np.eye(F)[3]
    return mixture, torch.as_tensor(2 * rng.normal(size=(N, F))), torch.as_tensor(s)


def dense(law, *index):
    factor = law.factor[index].numpy()
    return law.mean[index].numpy(), factor @ factor.T + np.diag(law.variance[index].numpy())


def exact(mixture, x, s):
    """Per component: log weight plus log-density of what is seen, conditional mean, covariance."""
    o, h = np.flatnonzero(s), np.flatnonzero(1 - s)
    log_joint, means, covariances = [], [], []
    for c in range(C):
        mean, covariance = dense(mixture.law, c)
        seen = multivariate_normal(mean[o], covariance[np.ix_(o, o)]).logpdf(x[o]) if len(o) else 0
        log_joint.append(float(mixture.log_weights[c]) + seen)
        gain = covariance[np.ix_(h, o)] @ np.linalg.inv(covariance[np.ix_(o, o)])
        means.append(mean[h] + gain @ (x - mean)[o])
        covariances.append(covariance[np.ix_(h, h)] - gain @ covariance[np.ix_(o, h)])
    return np.array(log_joint), np.array(means), np.array(covariances), h


@pytest.mark.parametrize("rank", [0, 1, 2, 7])
def test_everything_about_a_row_given_its_seen_cells(rank):
    mixture, x, s = case(rank)
    posterior = mixture.posterior(x, s)
    given, mean = mixture.conditional(posterior), mixture.mean(posterior)
    for i in range(N):
        log_joint, means, covariances, h = exact(mixture, x[i].numpy(), s[i].numpy())
        weights = softmax(log_joint)
        np.testing.assert_allclose(posterior.log_joint[i], log_joint, atol=1e-10)
        assert float(mixture.log_prob(x, s)[i]) == pytest.approx(logsumexp(log_joint), abs=1e-10)
        np.testing.assert_allclose(posterior.weights[i], weights, atol=1e-12)
        np.testing.assert_allclose(mean[i, h], weights @ means, atol=1e-10)
        # Components of the conditional law come by weight.
        order = np.argsort(-weights)
        np.testing.assert_allclose(given.log_weights[i].exp(), weights[order], atol=1e-12)
        for place, c in enumerate(order):
            found_mean, found = dense(given.law, i, place)
            np.testing.assert_allclose(found_mean[h], means[c], atol=1e-10)
            np.testing.assert_allclose(found[np.ix_(h, h)], covariances[c], atol=1e-10)


def test_where_nothing_is_seen_the_law_is_the_prior():
    mixture, x, _ = case()
    posterior = mixture.posterior(x, torch.zeros(N, F).double())
    np.testing.assert_allclose(posterior.log_prob, 0, atol=1e-12)
    np.testing.assert_allclose(posterior.weights[3], [0.7, 0.25, 0.05])
    np.testing.assert_allclose(mixture.mean(posterior)[3], posterior.weights[3] @ mixture.law.mean)


def test_cells_outside_the_mask_are_not_looked_at():
    mixture, x, s = case()
    other = torch.where(s > 0, x, 1e6)
    one, two = mixture.posterior(x, s), mixture.posterior(other, s)
    assert torch.equal(one.log_joint, two.log_joint)
    assert torch.equal(one.factors.mean, two.factors.mean)


def test_the_density_of_hidden_cells_is_that_of_all_over_that_of_the_seen():
    mixture, x, s = case()
    law = mixture.conditional(mixture.posterior(x, s))
    ratio = mixture.log_prob(x, torch.ones_like(s)) - mixture.log_prob(x, s)
    np.testing.assert_allclose(law.log_prob(x, 1 - s), ratio, atol=1e-10)
    some = (1 - s) * torch.tensor([1.0, 0, 1, 0, 1]).double()
    ratio = mixture.log_prob(x, s + some) - mixture.log_prob(x, s)
    np.testing.assert_allclose(law.log_prob(x, some), ratio, atol=1e-10)


def test_the_most_probable_components_are_kept():
    mixture, x, s = case()
    posterior = mixture.posterior(x, s)
    full, kept = mixture.conditional(posterior), mixture.conditional(posterior, most=2)
    assert kept.law.mean.shape == (N, 2, F)
    np.testing.assert_allclose(kept.log_weights.exp().sum(1), 1.0)
    assert torch.equal(kept.law.mean, full.law.mean[:, :2])
    ratio = full.log_weights[:, 0] - full.log_weights[:, 1]
    np.testing.assert_allclose(kept.log_weights[:, 0] - kept.log_weights[:, 1], ratio)


def test_rows_do_not_depend_on_their_neighbours():
    mixture, x, s = case()
    together = mixture.log_prob(x, s)
    for i in range(N):
        alone = mixture.log_prob(x[i : i + 1], s[i : i + 1])
        assert float(alone) == pytest.approx(float(together[i]), rel=1e-12, abs=1e-12)


def test_joined_mixtures_count_equally():
    (one, x, s), (two, _, _) = case(seed=0), case(seed=1)
    joined = FactorMixture.join([one, two])
    densities = torch.stack([one.log_prob(x, s), two.log_prob(x, s)])
    np.testing.assert_allclose(
        joined.log_prob(x, s), densities.logsumexp(0) - np.log(2), atol=1e-12
    )


def test_draws_have_the_moments_of_the_mixture():
    mixture, x, s = case()
    law = mixture.conditional(mixture.posterior(x, s))
    draws = law.draw(Noise(torch.Generator().manual_seed(0), (40_000, N)))
    assert draws.shape == (40_000, N, F)
    for i in range(N):
        weights = law.log_weights[i].exp().numpy()
        parts = [dense(law.law, i, c) for c in range(C)]
        mean = sum(w * m for w, (m, _) in zip(weights, parts, strict=True))
        second = sum(w * (v + np.outer(m, m)) for w, (m, v) in zip(weights, parts, strict=True))
        covariance = second - np.outer(mean, mean)
        scale = np.sqrt(np.diag(covariance))
        assert np.abs((draws[:, i].mean(0).numpy() - mean) / scale).max() < 0.03
        gap = (np.cov(draws[:, i].numpy().T) - covariance) / np.outer(scale, scale)
        assert np.abs(gap).max() < 0.05


def test_components_are_drawn_as_often_as_they_weigh():
    mixture, x, _ = case()
    law = mixture.conditional(mixture.posterior(x, torch.zeros(N, F).double()))
    picked = law.pick(Noise(torch.Generator().manual_seed(0), (40_000, N))).mean[:, 0, 0]
    shares = [(picked == law.law.mean[0, c, 0]).double().mean() for c in range(C)]
    np.testing.assert_allclose(shares, [0.7, 0.25, 0.05], atol=0.01)


def test_gradients_agree_with_differences():
    mixture, x, s = case(rank=1)
    parts = (mixture.log_weights, *vars(mixture.law).values())

    def log_prob(log_weights, mean, factor, variance):
        law = LowRankNormal(mean, factor, variance)
        return FactorMixture(log_weights, law).log_prob(x[:4], s[:4])

    parts = tuple(part.clone().requires_grad_() for part in parts)
    assert torch.autograd.gradcheck(log_prob, parts)
