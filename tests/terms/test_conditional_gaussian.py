"""The linear guess and the merging of members against dense algebra."""

import numpy as np
import torch

from halfseen.core.low_rank_normal import LowRankNormal
from halfseen.estimators.conditional_start import pairwise_gaussian
from halfseen.nn.conditional_heads import free_head
from halfseen.nn.conditional_networks import ConditionalMLP, RawShape
from halfseen.terms.conditional_gaussian import ConditionalGaussian, LinearGuess

M, B, F, RANK = 2, 6, 5, 3


def draws(*size, seed=0):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def a_start():
    return LowRankNormal(draws(F, seed=1), draws(F, RANK, seed=2), 0.2 + draws(F, seed=3).square())


def masks(seed=4):
    s = (torch.rand(M, B, F, generator=torch.Generator().manual_seed(seed)) < 0.5).double()
    s[:, 0], s[:, 1] = 0.0, 1.0
    return s


def test_the_guess_is_the_conditional_mean_of_a_gaussian():
    start, s = a_start(), masks()
    guess = LinearGuess(start, M)
    with torch.no_grad():
        guess.mean[1] += 1.0
        guess.factor[1] *= 0.5
    x = draws(M, B, F, seed=5) * s
    found = guess(x, s).detach()
    for m, i in np.ndindex(M, B):
        mean, factor = guess.mean[m].detach(), guess.factor[m].detach()
        covariance = factor @ factor.T + torch.diag(start.variance)
        o = s[m, i] > 0
        gain = covariance[:, o] @ torch.linalg.inv(covariance[o][:, o])
        expected = mean + gain @ (x[m, i] - mean)[o]
        torch.testing.assert_close(found[m, i, ~o], expected[~o])


def a_model(guess=None):
    network = ConditionalMLP(M, 2 if guess is None else 3, RawShape(2, RANK + 2, F), (8,), gen())
    floor = torch.full((F,), 0.3)
    return ConditionalGaussian(network.double(), free_head, floor.double(), M, guess)


def gen():
    return torch.Generator().manual_seed(0)


def test_cells_that_are_not_shown_are_not_looked_at():
    model, s = a_model(LinearGuess(a_start(), M)), masks()
    x = draws(B, F, seed=5)
    at = torch.where(s.amax(0) > 0, x, 1e6)
    one, other = model(x, s).law, model(at, s).law
    assert torch.equal(one.mean, other.mean)
    assert torch.equal(one.factor, other.factor)
    assert torch.equal(one.variance, other.variance)


def test_means_are_added_to_the_guess():
    guess = LinearGuess(a_start(), M)
    model, s, x = a_model(guess), masks(), draws(B, F, seed=5)
    raw, _ = model.network([x * s, s, guess(x * s, s) * (1 - s)])
    expected = raw[..., 0, :] + guess(x * s, s)[:, :, None]
    torch.testing.assert_close(model(x, s).law.mean, expected)


def test_members_of_equal_weight_make_one_mixture():
    model, x = a_model(), draws(B, F, seed=5)
    s = masks()[0]
    log_p = model(x, s)
    by_member = torch.stack(
        [
            torch.logsumexp(
                log_p.log_weights[m] + log_p.law.log_prob(x[:, None], 1 - s[:, None])[m], -1
            )
            for m in range(M)
        ]
    )
    merged = model.mixture(x, s)
    assert merged.log_weights.shape == (B, 2 * M)
    expected = torch.logsumexp(by_member, 0) - np.log(M)
    torch.testing.assert_close(merged.log_prob(x, 1 - s), expected)


def test_a_temperature_scales_covariances_down_to_the_floor():
    model, x, s = a_model(), draws(B, F, seed=5), masks()
    before = model(x, s).law
    model.temperature.fill_(2.0)
    after = model(x, s).law
    dense = lambda law: law.factor @ law.factor.mT + torch.diag_embed(law.variance)  # noqa: E731
    torch.testing.assert_close(dense(after), 2 * dense(before))
    torch.testing.assert_close(after.mean, before.mean)
    model.temperature.fill_(1e-9)
    torch.testing.assert_close(model(x, s).law.variance, torch.full_like(before.variance, 0.09))


def test_moments_of_pairs_begin_at_the_covariance():
    rng = np.random.default_rng(0)
    loadings = rng.normal(size=(F, 2))
    truth = loadings @ loadings.T + 0.5 * np.eye(F)
    x = torch.as_tensor(rng.multivariate_normal(np.arange(F), truth, size=20_000))
    s = (torch.rand(x.shape, generator=gen()) < 0.7).double()
    for rank in (2, F):
        law = pairwise_gaussian(torch.where(s > 0, x, 1e3) * s, s, rank)
        found = law.factor @ law.factor.T + torch.diag(law.variance)
        assert law.factor.shape == (F, rank)
        np.testing.assert_allclose(law.mean, np.arange(F), atol=0.1)
        np.testing.assert_allclose(found, truth, atol=0.25)


def test_moments_of_few_rows_are_a_law():
    s = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    law = pairwise_gaussian(torch.ones(2, 3) * s, s, 3)
    assert all(bool(torch.isfinite(part).all()) for part in vars(law).values())
    assert (law.variance > 0).all()
