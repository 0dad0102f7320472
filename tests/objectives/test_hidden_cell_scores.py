"""Scores of hidden cells against dense algebra, counting and quadrature."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal

from halfseen.core.factor_mixture import LowRankMixture
from halfseen.core.low_rank_normal import LowRankNormal
from halfseen.core.noise import Noise, new_generator
from halfseen.objectives.conditional import HiddenCells, Steps, log_mass

M, B, C, F, RANK = 2, 5, 3, 7, 2


def a_mixture(seed=0, n_components=C, rank=RANK):
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *size: torch.randn(*size, generator=generator, dtype=torch.float64)  # noqa: E731
    law = LowRankNormal(
        draw(M, B, n_components, F),
        draw(M, B, n_components, F, rank),
        0.3 + draw(M, B, n_components, F).square(),
    )
    return LowRankMixture(torch.log_softmax(draw(M, B, n_components), -1), law)


def masks(seed=1):
    """Hidden cells: of other numbers in each row, one row without any."""
    hidden = (torch.rand(M, B, F, generator=torch.Generator().manual_seed(seed)) < 0.5).double()
    hidden[:, 0], hidden[:, 1] = 0.0, 1.0
    hidden[0, 0, 3] = 1.0
    return hidden


def rows(seed=2):
    return torch.randn(B, F, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def noise(n_components=C):
    return Noise(new_generator(0), (M, B, n_components))


def dense_log_prob(mixture, x, hidden):
    out = torch.zeros(M, B, dtype=torch.float64)
    for m, i in np.ndindex(M, B):
        at = torch.nonzero(hidden[m, i])[:, 0]
        parts = []
        for c in range(mixture.log_weights.shape[-1]):
            law = mixture.law.map(lambda part, c=c, m=m, i=i: part[m, i, c])
            covariance = law.factor @ law.factor.T + torch.diag(law.variance)
            dense = MultivariateNormal(law.mean[at], covariance[at][:, at]) if len(at) else None
            log_p = dense.log_prob(x[i, at]) if dense else torch.tensor(0.0)
            parts.append(mixture.log_weights[m, i, c] + log_p)
        out[m, i] = torch.logsumexp(torch.stack(parts), 0)
    return out


@pytest.mark.parametrize("per", ["cell", "row"])
def test_the_loss_is_that_of_dense_gaussians_of_the_hidden_cells(per):
    mixture, x, hidden = a_mixture(), rows(), masks()
    dense = dense_log_prob(mixture, x, hidden)
    objective = HiddenCells(per=per)
    torch.testing.assert_close(objective.log_prob(mixture, x, hidden, noise()), dense)
    mean = (mixture.log_weights.exp()[..., None] * mixture.law.mean).sum(2)
    square = ((x - mean) ** 2 * hidden).sum(-1)
    count = hidden.sum(-1) if per == "row" else hidden.sum(-1).mean(-1, keepdim=True)
    weight = 1 / count.clamp_min(1.0)
    losses = objective(mixture, x, hidden, noise(), mse_weight=0.7)
    torch.testing.assert_close(losses["hidden"], -(weight * dense).sum() / B)
    torch.testing.assert_close(losses["square"], 0.7 * (weight * square).sum() / B)
    assert set(objective(mixture, x, hidden, noise())) == {"hidden"}


@pytest.mark.parametrize("likelihood", ["density", "dequantized", "discretized"])
def test_cells_that_are_not_hidden_have_no_gradient(likelihood):
    """Neither what a row holds there nor what the network says there counts, to the last bit."""
    mixture, hidden = a_mixture(), masks()
    x = rows().requires_grad_()
    law = mixture.law.map(lambda part: part.clone().requires_grad_())
    objective = HiddenCells(likelihood, Steps(0.2, -9.0, 9.0))
    losses = objective(LowRankMixture(mixture.log_weights, law), x, hidden, noise(), 1.0)
    torch.stack(list(losses.values())).sum().backward()
    nowhere = hidden.amax(0) == 0
    assert (x.grad[nowhere] == 0).all()
    assert (x.grad[~nowhere] != 0).any()
    away = hidden[:, :, None].expand(M, B, C, F) == 0
    for part in (law.mean, law.factor, law.variance):
        assert (part.grad[away] == 0).all()
        assert (part.grad[~away] != 0).all()


def test_gradients_agree_with_differences():
    mixture, x, hidden = a_mixture(rank=1), rows(), masks()
    steps = Steps(0.3, -9.0, 9.0)
    z = torch.randn(M, B, C, 1, generator=torch.Generator().manual_seed(5), dtype=torch.float64)

    def loss(mean, factor, variance):
        law = LowRankNormal(mean, factor, variance)
        return log_mass(law, x[:, None], hidden[:, :, None], steps, z).sum()

    law = mixture.law.map(lambda part: part.clone().requires_grad_())
    assert torch.autograd.gradcheck(loss, (law.mean, law.factor, law.variance))


def quadrature(law, x, s, steps, n_nodes=20001, reach=9.0):
    """Log-probability of the steps of one row under one factor, by brute force."""
    z = torch.linspace(-reach, reach, n_nodes, dtype=torch.float64)
    center = law.mean + law.factor[:, 0] * z[:, None]
    low, high = steps.edges(x)
    scale = law.variance.sqrt()
    mass = torch.special.ndtr((high - center) / scale) - torch.special.ndtr((low - center) / scale)
    log_p = (mass.clamp_min(1e-300).log() * s).sum(-1) - z.square() / 2 - math.log(2 * math.pi) / 2
    return torch.logsumexp(log_p, 0) + torch.log(z[1] - z[0])


@pytest.mark.parametrize("width", [0.05, 0.5])
def test_the_bound_on_steps_is_below_the_integral_and_close(width):
    """Its mean over draws is a bound, the mean of its exponential is the probability."""
    x, hidden = rows().round(decimals=1), masks()
    steps = Steps(width, float(x.min()), float(x.max()))
    law = a_mixture(n_components=1, rank=1).law
    n = 4000
    z = torch.randn(n, M, B, 1, 1, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    log_w = torch.stack([log_mass(law, x[:, None], hidden[:, :, None], steps, one) for one in z])
    log_w = log_w[..., 0]
    for m, i in np.ndindex(M, B):
        one = law.map(lambda part, m=m, i=i: part[m, i, 0])
        truth = float(quadrature(one, x[i], hidden[m, i], steps))
        bound, error = float(log_w[:, m, i].mean()), float(log_w[:, m, i].std()) / math.sqrt(n)
        assert bound <= truth + 4 * error + 1e-9
        assert bound >= truth - 0.1
        mean = float(torch.logsumexp(log_w[:, m, i], 0)) - math.log(n)
        assert mean == pytest.approx(truth, abs=6 * error + 1e-6)


def test_cells_at_the_ends_have_the_whole_tail():
    law = LowRankNormal(torch.zeros(3), torch.zeros(3, 1), torch.ones(3)).map(torch.Tensor.double)
    x, s = torch.tensor([0.0, 0.5, 1.0]).double(), torch.ones(3).double()
    z = torch.zeros(1, dtype=torch.float64)
    log_p = log_mass(law, x, s, Steps(0.5, 0.0, 1.0), z)
    cdf = torch.special.ndtr(torch.tensor([0.25, 0.75]).double())
    expected = cdf[0].log() + (cdf[1] - cdf[0]).log() + (1 - cdf[1]).log()
    torch.testing.assert_close(log_p, expected)


def test_dequantized_noise_is_one_step_wide_and_that_of_all_components():
    """With one distant mean the log-density is linear in the noise, whose moments show."""
    law = LowRankNormal(
        torch.full((1, 1, 2, 1), -1e4), torch.zeros(1, 1, 2, 1, 1), torch.ones(1, 1, 2, 1)
    ).map(torch.Tensor.double)
    mixture = LowRankMixture(torch.full((1, 1, 2), 0.5).log(), law)
    x, hidden = torch.zeros(1, 1), torch.ones(1, 1, 1)
    objective = HiddenCells("dequantized", Steps(0.1, 0.0, 1.0))
    source = Noise(new_generator(0), (1, 1, 2))
    log_p = torch.cat([objective.log_prob(mixture, x, hidden, source) for _ in range(3000)])
    u = (torch.sqrt(-2 * (log_p + math.log(2 * math.pi) / 2)) - 1e4) / 0.1
    assert float(u.abs().max()) <= 0.5 + 1e-6
    assert float(u.mean()) == pytest.approx(0.0, abs=0.02)
    assert float(u.var()) == pytest.approx(1 / 12, rel=0.05)
