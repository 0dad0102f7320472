"""Bounds, answers and gradients against a linear-Gaussian model, where everything is known."""

import numpy as np
import pytest
import torch
from exact_models import LOG_2PI, LinearGaussian, noise, small_model

from halfseen.core.batch import Batch
from halfseen.core.spec import DataSpec
from halfseen.objectives.importance import importance_bound


def bounds(linear_gaussian, k, repeats, **settings):
    """Bounds per repeat and row, each from its own noise."""
    model, batch = linear_gaussian.model(**settings), linear_gaussian.batch
    with torch.no_grad():
        runs = [
            importance_bound(model(batch, noise(k, 4, seed)).log_w)[0] for seed in range(repeats)
        ]
    return torch.stack(runs).numpy()


def test_the_bound_rises_with_k_to_the_log_marginal(linear_gaussian):
    exact = linear_gaussian.log_marginals()
    means, errors = [], []
    for k, repeats in [(1, 2000), (5, 1000), (50, 400), (500, 100)]:
        runs = bounds(linear_gaussian, k, repeats)
        means.append(runs.mean(0))
        errors.append(runs.std(0) / np.sqrt(repeats))
    for i in range(3):
        slack = 3 * np.hypot(errors[i], errors[i + 1])
        assert (means[i + 1] >= means[i] - slack).all()
    assert (means[0] < exact - 3 * errors[0]).all(), "K = 1 should be below."
    gap = exact - means[-1]
    assert (gap > -3 * errors[-1]).all()
    assert (gap < 0.02 + 3 * errors[-1]).all()


def test_the_exact_posterior_makes_the_bound_exact_at_k_1(linear_gaussian):
    runs = bounds(linear_gaussian, 1, 3, exact=True)
    np.testing.assert_allclose(runs, np.tile(linear_gaussian.log_marginals(), (3, 1)), rtol=1e-9)


def test_answers_reach_the_conditional_mean(linear_gaussian):
    answers = linear_gaussian.answers(linear_gaussian.model(), 20_000)
    means = answers.means(linear_gaussian.rows).mean
    np.testing.assert_allclose(means.numpy(), linear_gaussian.conditional_means(), atol=0.04)
    bound = answers.diagnose(linear_gaussian.rows).bound
    np.testing.assert_allclose(bound.numpy(), linear_gaussian.log_marginals(), atol=0.04)


def test_draws_have_the_conditional_law(linear_gaussian):
    answers = linear_gaussian.answers(linear_gaussian.model(), 4000)
    draws = answers.draws(linear_gaussian.rows, 4000).values.double()
    _, log_scale = linear_gaussian.posterior()
    variance = torch.exp(2 * log_scale).flatten().numpy()[:, None]
    variance = variance * linear_gaussian.W**2 + linear_gaussian.sigma**2
    np.testing.assert_allclose(
        draws.mean(0).numpy(), linear_gaussian.conditional_means(), atol=0.09
    )
    np.testing.assert_allclose(draws.var(0).numpy(), variance, rtol=0.15)


def test_k_1_is_the_masked_evidence_bound_by_hand(linear_gaussian):
    model, batch = linear_gaussian.model(), linear_gaussian.batch
    e = noise(1, 4).normal(1)[0, 0, :, 0].numpy()
    mean, log_scale = 0.3, 0.1
    z = mean + np.exp(log_scale) * e
    log_p = -0.5 * (z**2 + LOG_2PI)
    log_q = -0.5 * (e**2 + LOG_2PI) - log_scale
    mu = z[:, None] @ linear_gaussian.W + linear_gaussian.b
    t = (linear_gaussian.x - mu) / linear_gaussian.sigma
    cells = -0.5 * (t**2 + LOG_2PI) - np.log(linear_gaussian.sigma)
    by_hand = log_p - log_q + (linear_gaussian.s * cells).sum(1)
    found = importance_bound(model(batch, noise(1, 4)).log_w)[0]
    np.testing.assert_allclose(found.detach().numpy(), by_hand, rtol=1e-7)


def grads(model):
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def gradients(gradient, k, repeats):
    """Per-repeat gradients of the bound: of the decoder, and of the proposal."""
    exact = LinearGaussian()
    model, batch = exact.model(gradient=gradient), exact.batch
    decoder, proposal = [], []
    for seed in range(repeats):
        model.zero_grad()
        importance_bound(model(batch, noise(k, 4, seed)).log_w).sum().backward()
        found = grads(model)
        proposal.append(
            torch.cat([found[f"proposal.{n}"].flatten() for n in ("mean", "log_scale")])
        )
        rest = [g.flatten() for n, g in found.items() if not n.startswith("proposal")]
        decoder.append(torch.cat(rest))
    return torch.stack(decoder), torch.stack(proposal)


@pytest.mark.parametrize(("gradient", "k"), [("stl", 1), ("dreg", 1), ("dreg", 6)])
def test_gradient_estimators_agree_in_expectation(gradient, k):
    decoder, proposal = gradients("total", k, 1200)
    other_decoder, other_proposal = gradients(gradient, k, 1200)
    torch.testing.assert_close(other_decoder, decoder)
    # The same noise went into both, so the error is that of the paired difference.
    difference = other_proposal - proposal
    error = difference.std(0) / np.sqrt(len(difference))
    assert (difference.mean(0).abs() < 4.5 * error + 1e-9).all()
    # Without the score term each single gradient is another one.
    assert not torch.allclose(other_proposal, proposal)


def test_stl_has_no_noise_at_the_exact_posterior():
    exact = LinearGaussian()
    for gradient, quiet in [("stl", True), ("dreg", True), ("total", False)]:
        model = exact.model(exact=True, gradient=gradient)
        importance_bound(model(exact.batch, noise(1, 4)).log_w).sum().backward()
        found = grads(model)
        size = max(float(found[f"proposal.{n}"].abs().max()) for n in ("mean", "log_scale"))
        assert (size < 1e-9) == quiet


@pytest.mark.parametrize("value", [1e6, -3.0])
def test_the_filler_of_missing_cells_enters_nothing_but_the_encoder(value):
    spec = DataSpec.continuous(4)
    for encoder_input in ("mask", "zero", "constant", "set"):
        model = small_model(spec, encoder_input=encoder_input)
        generator = torch.Generator().manual_seed(1)
        x = torch.randn(6, 4, generator=generator).double()
        s = (torch.rand(6, 4, generator=generator) < 0.6).double()
        plain = Batch(x * s, s, s)
        filled = Batch(torch.where(s > 0, x, torch.full_like(x, value)), s, s)
        results = []
        for batch in (plain, filled):
            model.zero_grad()
            weighted = model(batch, noise(5, 1))
            importance_bound(weighted.log_w).sum().backward()
            results.append((weighted.log_w.detach(), grads(model)))
        torch.testing.assert_close(results[0][0], results[1][0])
        torch.testing.assert_close(results[0][1], results[1][1])
        assert all(torch.isfinite(g).all() for g in results[1][1].values())
