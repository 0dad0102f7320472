"""Decision rules over streams: the same in chunks of any size, right against plain formulas."""

import numpy as np
import pytest
import torch
from scipy import stats

from halfseen.core.draws import Draws, Resample, WeightedMean, WeightSummary, half_sample_mode
from halfseen.core.masked import log_mean_exp, masked_sum
from halfseen.core.pareto import pareto_k

M, K, B, F = 2, 120, 5, 3


def a_stream(seed=0, spread=3.0):
    generator = torch.Generator().manual_seed(seed)
    log_w = spread * torch.randn(M, K, B, generator=generator).double() - 700.0
    return log_w, torch.randn(M, K, B, F, generator=generator).double()


@pytest.mark.parametrize("chunk", [1, 7, 40, K])
def test_means_do_not_depend_on_chunks(chunk):
    log_w, value = a_stream()
    rule = WeightedMean()
    for start in range(0, K, chunk):
        rule.update(log_w[:, start : start + chunk], value[:, start : start + chunk])
    w = torch.softmax(log_w, 1)[..., None]
    torch.testing.assert_close(rule.per_member(), (w * value).sum(1))
    torch.testing.assert_close(rule.result(), (w * value).sum(1).mean(0))


@pytest.mark.parametrize("chunk", [1, 7, 40, K])
def test_summaries_do_not_depend_on_chunks(chunk):
    log_w, _ = a_stream()
    whole, parts = WeightSummary(K), WeightSummary(K)
    whole.update(log_w)
    for start in range(0, K, chunk):
        parts.update(log_w[:, start : start + chunk])
    for name in ("bound", "effective_sample_size", "pareto_k"):
        torch.testing.assert_close(getattr(whole, name)(), getattr(parts, name)())
    bound = torch.logsumexp(log_w, (0, 1)) - np.log(M * K)
    torch.testing.assert_close(whole.bound(), bound)
    w = torch.softmax(log_w, 1)
    torch.testing.assert_close(whole.effective_sample_size(), (1 / (w**2).sum(1)).amin(0))


def test_equal_weights_are_the_best_there_is():
    summary = WeightSummary(K)
    summary.update(torch.full((1, K, 2), -3.0))
    torch.testing.assert_close(summary.bound(), torch.full((2,), -3.0))
    torch.testing.assert_close(summary.effective_sample_size(), torch.full((2,), float(K)))
    assert (summary.pareto_k() == 0).all()


@pytest.mark.parametrize("chunk", [1, 3, 12])
def test_resampling_is_multinomial_for_any_chunks(chunk):
    k, r = 12, 20_000
    generator = torch.Generator().manual_seed(chunk)
    log_w = torch.randn(1, k, 1, generator=generator) * 1.5
    payload = torch.arange(k, dtype=torch.float32).view(1, k, 1, 1)
    n_chunks = -(-k // chunk)
    rule = Resample([torch.rand(1, r, 1, 2, generator=generator) for _ in range(n_chunks)])
    for start in range(0, k, chunk):
        rule.update(log_w[:, start : start + chunk], payload[:, start : start + chunk])
    counts = np.bincount(rule.kept.flatten().long().numpy(), minlength=k)
    expected = r * torch.softmax(log_w, 1).flatten().double().numpy()
    assert stats.chisquare(counts, expected * counts.sum() / expected.sum()).pvalue > 1e-4


@pytest.mark.parametrize("k", [0.2, 0.5, 0.9, 1.3])
def test_pareto_k_finds_the_shape_of_a_known_tail(k):
    u = torch.rand(20_000, 8, generator=torch.Generator().manual_seed(1)).double()
    weights = 1 + ((1 - u) ** -k - 1) / k
    tail = int(3 * 20_000**0.5)
    top = weights.log().topk(tail + 1, dim=0).values
    found = pareto_k(top)
    assert float(found.mean()) == pytest.approx(k, abs=0.1)
    # A shift of all log-weights, however far, changes nothing.
    torch.testing.assert_close(pareto_k(top - 5000.0), found)


def test_pareto_k_of_light_tails_is_low_and_of_too_few_weights_infinite():
    u = torch.rand(5000, 4, generator=torch.Generator().manual_seed(1)).double()
    assert (pareto_k((1 + u).log().topk(200, dim=0).values) < 0.1).all()
    assert torch.isinf(pareto_k(torch.zeros(4, 3))).all()


def test_weighted_quantiles_and_resamples():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3000, 2, 1, generator=generator)
    # Weights turn N(0, 1) into N(1, 1).
    draws = Draws(x, x[..., 0])
    for q in (0.1, 0.5, 0.9):
        expected = torch.full((2, 1), stats.norm.ppf(q, 1), dtype=torch.float32)
        torch.testing.assert_close(draws.quantile(q), expected, atol=0.3, rtol=0)
    torch.testing.assert_close(draws.mean(), torch.ones(2, 1), atol=0.12, rtol=0)
    many = draws.resample(4000, generator)
    torch.testing.assert_close(many.mean(0), draws.mean(), atol=0.08, rtol=0)
    assert draws.summary().effective_sample_size().max() < 3000


def test_half_sample_mode():
    generator = torch.Generator().manual_seed(0)
    u = torch.randn(4000, 3, generator=generator)
    lognormal = half_sample_mode(torch.exp(u))
    torch.testing.assert_close(lognormal, torch.full((3,), np.exp(-1.0)), atol=0.25, rtol=0)
    few = half_sample_mode(torch.tensor([[0.0], [5.0], [5.1], [9.0]]))
    assert float(few) == pytest.approx(5.05)


def test_masked_sums_ignore_what_is_not_a_number():
    values = torch.tensor([[1.0, float("nan"), float("-inf")]], requires_grad=True)
    total = masked_sum(values, torch.tensor([[1.0, 0.0, 0.0]]))
    total.sum().backward()
    assert float(total.detach()) == 1.0
    torch.testing.assert_close(values.grad, torch.tensor([[1.0, 0.0, 0.0]]))
    assert float(log_mean_exp(torch.full((4,), -1e4), 0)) == pytest.approx(-1e4)
