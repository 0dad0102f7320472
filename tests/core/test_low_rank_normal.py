"""Gaussians of low rank on masks against dense algebra, row by row, in float64."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from halfseen.core.low_rank_normal import LowRankNormal
from halfseen.core.noise import Noise

N, F = 7, 6


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def case(rank, seed=0):
    """A law per row, cells, and masks of different sizes: nothing, everything, and between."""
    rng = np.random.default_rng(seed)
    law = LowRankNormal(
        torch.as_tensor(rng.normal(size=(N, F))),
        torch.as_tensor(rng.normal(size=(N, F, rank))),
        torch.as_tensor(rng.uniform(0.05, 2.0, size=(N, F))),
    )
    s = (rng.random((N, F)) < 0.5).astype(float)
    s[0], s[1], s[2], s[3] = 0, 1, np.eye(F)[4], 1 - np.eye(F)[0]
    return law, torch.as_tensor(rng.normal(size=(N, F))), torch.as_tensor(s)


def dense(law, i):
    """Mean and covariance of row i."""
    factor = law.factor[i].numpy()
    return law.mean[i].numpy(), factor @ factor.T + np.diag(law.variance[i].numpy())


@pytest.mark.parametrize("rank", [0, 1, 3, 9])
def test_log_density_of_the_cells_in_a_mask(rank):
    law, x, s = case(rank)
    found = law.log_prob(x, s)
    assert found.shape == (N,)
    assert found[0] == 0.0
    for i in range(1, N):
        (mean, covariance), at = dense(law, i), np.flatnonzero(s[i])
        expected = multivariate_normal(mean[at], covariance[np.ix_(at, at)])
        assert float(found[i]) == pytest.approx(expected.logpdf(x[i, at]), abs=1e-10)
        assert float(law.entropy(s)[i]) == pytest.approx(expected.entropy(), abs=1e-10)
    assert law.entropy(s)[0] == 0.0


@pytest.mark.parametrize("rank", [0, 2, 9])
def test_the_law_of_cells_given_others(rank):
    """Of hidden cells it is the conditional one; of seen ones that of a second copy."""
    law, x, s = case(rank)
    given = law.given(x, s)
    for i in range(N):
        mean, covariance = dense(law, i)
        o = np.flatnonzero(s[i])
        common = covariance - np.diag(law.variance[i].numpy())
        gain = common[:, o] @ np.linalg.inv(covariance[np.ix_(o, o)])
        found_mean, found = dense(given, i)
        np.testing.assert_allclose(found_mean, mean + gain @ (x[i].numpy() - mean)[o], atol=1e-10)
        np.testing.assert_allclose(found, covariance - gain @ common[o], atol=1e-10)
        np.testing.assert_allclose(given.marginal_variance[i], np.diag(found), atol=1e-12)


def test_cells_outside_the_mask_are_not_looked_at():
    law, x, s = case(2)
    other = torch.where(s > 0, x, 1e6)
    assert torch.equal(law.log_prob(x, s), law.log_prob(other, s))
    assert torch.equal(law.given(x, s).mean, law.given(other, s).mean)


def test_rows_do_not_depend_on_their_neighbours():
    law, x, s = case(3)
    together = law.log_prob(x, s)
    for i in range(N):
        alone = law.map(lambda part, i=i: part[i : i + 1]).log_prob(x[i : i + 1], s[i : i + 1])
        assert float(alone) == pytest.approx(float(together[i]), rel=1e-12)


def test_factors_are_those_of_bayes_rule():
    law, x, s = case(2)
    factors = law.factors(x, s)
    for i in range(N):
        o = np.flatnonzero(s[i])
        loadings, noise = law.factor[i].numpy()[o], law.variance[i].numpy()[o]
        covariance = np.linalg.inv(np.eye(2) + loadings.T @ np.diag(1 / noise) @ loadings)
        rest = (x[i] - law.mean[i]).numpy()[o] / noise
        np.testing.assert_allclose(factors.mean[i], covariance @ loadings.T @ rest, atol=1e-12)
        found = torch.cholesky_inverse(factors.cholesky[i])
        np.testing.assert_allclose(found, covariance, atol=1e-12)


def test_draws_of_factors_have_their_law_and_know_its_density():
    law, x, s = case(2)
    factors = law.factors(x, s)
    noise = torch.randn(20_000, N, 2, generator=generator(), dtype=torch.float64)
    z = factors.draw(noise)
    for i in range(N):
        covariance = torch.cholesky_inverse(factors.cholesky[i]).numpy()
        assert (z[:, i].mean(0) - factors.mean[i]).abs().max() < 0.03
        np.testing.assert_allclose(np.cov(z[:, i].T), covariance, atol=0.03)
        own = multivariate_normal(factors.mean[i].numpy(), covariance).logpdf(z[:5, i])
        prior = multivariate_normal(np.zeros(2)).logpdf(z[:5, i])
        np.testing.assert_allclose(factors.log_ratio(z, noise)[:5, i], prior - own, atol=1e-10)


def test_draws_have_the_moments_of_the_law():
    law, _, _ = case(2)
    many = LowRankNormal(*(part.expand(20_000, *part.shape) for part in vars(law).values()))
    x = many.draw(Noise(generator(), (20_000, N)))
    for i in range(N):
        mean, covariance = dense(law, i)
        scale = np.sqrt(np.diag(covariance))
        assert np.abs((x[:, i].mean(0).numpy() - mean) / scale).max() < 0.04
        gap = (np.cov(x[:, i].numpy().T) - covariance) / np.outer(scale, scale)
        assert np.abs(gap).max() < 0.06


def test_units_and_selections():
    law, x, s = case(2)
    shift, scale = torch.arange(F).double(), torch.linspace(0.5, 3, F).double()
    moved = law.rescaled(shift, scale)
    gained = law.log_prob(x, s) - (s * scale.log()).sum(-1)
    np.testing.assert_allclose(moved.log_prob(x * scale + shift, s), gained, atol=1e-10)
    at = [4, 1]
    mean, covariance = dense(law, 5)
    found_mean, found = dense(law.cells(at), 5)
    np.testing.assert_allclose(found_mean, mean[at])
    np.testing.assert_allclose(found, covariance[np.ix_(at, at)])
    np.testing.assert_allclose(dense(law.widened(1.5), 5)[1], 1.5 * covariance)


def test_gradients_agree_with_differences():
    law, x, s = case(2)
    parts = tuple(part.clone().requires_grad_() for part in vars(law).values())

    def log_prob(mean, factor, variance, x):
        return LowRankNormal(mean, factor, variance).log_prob(x, s)

    assert torch.autograd.gradcheck(log_prob, (*parts, x.clone().requires_grad_()))
    mean, factor, variance = parts
    own = LowRankNormal(mean, factor, variance).log_prob(x, s).sum()
    for slope in torch.autograd.grad(own, (mean, variance)):
        assert (slope[s == 0] == 0).all()


def test_nothing_cancels_where_a_row_lies_on_a_strong_factor():
    """|r|^2 - r'W L^-1 W'r is off by 1.5 here: numbers of 1e16 that differ by about 1."""
    factor = torch.full((1, 4, 1), 1e5, dtype=torch.float64)
    law = LowRankNormal(torch.zeros(1, 4).double(), factor, torch.full((1, 4), 1e-6).double())
    x = torch.tensor([[1e5, 1e5 + 1e-3, 1e5, 1e5 - 1e-3]], dtype=torch.float64)
    # Along the factor N(0, 4e10 + 1e-6); across it a distance of 2 in units of the noise.
    along = -0.5 * (1 + np.log(4e10))
    expected = along - 0.5 * (2 + 3 * np.log(1e-6)) - 2 * np.log(2 * np.pi)
    assert float(law.log_prob(x, torch.ones_like(x))) == pytest.approx(expected, abs=1e-5)
