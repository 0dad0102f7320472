"""Bernoulli pixels against enumeration of their two values."""

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli

from halfseen.core.noise import Noise, new_generator
from halfseen.core.spec import Column, DataSpec
from halfseen.errors import ColumnError
from halfseen.terms.pixels import BernoulliHead, BernoulliLaw, check_shares

VALUES = torch.tensor([0.0, 1.0])


@pytest.fixture
def law():
    logits = 2 * torch.randn(2, 3, 4, 5, generator=new_generator(0), dtype=torch.float64)
    return BernoulliLaw(logits)


def enumerated(law):
    """Probabilities of both values, (..., 2)."""
    return torch.stack([law.log_prob(value.double()) for value in VALUES], -1).exp()


def test_probabilities_are_those_of_a_coin(law):
    p = enumerated(law)
    torch.testing.assert_close(p.sum(-1), torch.ones_like(p[..., 0]))
    reference = Bernoulli(logits=law.logits)
    for i, value in enumerate(VALUES):
        expected = reference.log_prob(value.double().expand(law.logits.shape))
        torch.testing.assert_close(p[..., i].log(), expected)
    torch.testing.assert_close(law.mean(), (p * VALUES).sum(-1))
    torch.testing.assert_close(law.mean(torch.cos), (p * torch.cos(VALUES)).sum(-1))


def test_a_grey_level_is_scored_by_its_mean_over_ones_and_zeros(law):
    grey = torch.rand(4, 5, generator=new_generator(1), dtype=torch.float64)
    log_p = enumerated(law).log()
    expected = (1 - grey) * log_p[..., 0] + grey * log_p[..., 1]
    torch.testing.assert_close(law.log_prob(grey), expected)


def test_far_logits_stay_finite():
    far = BernoulliLaw(torch.tensor([[-200.0, 200.0]]))
    scores = far.log_prob(torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(scores, torch.tensor([[-200.0, -200.0]]))


def test_nodes_integrate_and_temperature_divides_logits(law):
    values, log_p = law.nodes()
    torch.testing.assert_close(log_p.exp(), enumerated(law))
    assert set(values.unique().tolist()) == {0.0, 1.0}
    softer = law.tempered(torch.tensor(2.0, dtype=torch.float64))
    p = enumerated(law) ** 0.5
    torch.testing.assert_close(enumerated(softer), p / p.sum(-1, keepdim=True))
    torch.testing.assert_close(law.select([3, 1]).mean(), law.mean()[..., [3, 1]])


def test_draws_are_ones_and_zeros_with_the_right_frequency():
    logits = torch.tensor([-1.0, 0.0, 3.0]).expand(1, 20_000, 1, 3).requires_grad_()
    draws = BernoulliLaw(logits).draw(Noise(new_generator(0), (1, 20_000, 1)))
    assert not draws.requires_grad
    assert set(draws.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(
        draws.mean((0, 1, 2)), torch.sigmoid(logits[0, 0, 0].detach()), atol=0.015, rtol=0
    )


@pytest.mark.parametrize("sampler", ["mean", "straight-through", "relaxed"])
def test_soft_values_carry_a_gradient(sampler):
    logits = torch.zeros(1, 2000, 1, 2, requires_grad=True)
    law, noise = BernoulliLaw(logits), Noise(new_generator(0), (1, 2000, 1))
    x = law.draw(noise)
    soft = law.soft(x, sampler, noise)
    assert ((soft >= 0) & (soft <= 1)).all()
    if sampler == "straight-through":
        torch.testing.assert_close(soft, x)
    soft.sum().backward()
    if sampler != "relaxed":
        torch.testing.assert_close(logits.grad, torch.full_like(logits, 0.25))
    assert (logits.grad >= 0).all()
    assert logits.grad.mean() > 0.1
    torch.testing.assert_close(soft.mean(), torch.tensor(0.5), atol=0.03, rtol=0)
    torch.testing.assert_close(law.log_choice(x), law.log_prob(x))


def test_the_head_has_a_logit_per_column():
    head = BernoulliHead(DataSpec.continuous(4), [1, 3])
    raw = torch.tensor([[[[0.3, -0.4]]]])
    assert head.n_raw == 2
    torch.testing.assert_close(head.law(raw).logits, raw)


def test_only_numbers_between_zero_and_one_are_shares():
    spec = DataSpec((Column("kind", "nominal", n_levels=4), Column("ink", "continuous")))
    check_shares(spec, np.array([[3.0, 0.0], [np.nan, 1.0], [2.0, np.nan]]))
    for wrong in (-0.1, 255.0):
        with pytest.raises(ColumnError, match=rf"'ink' holds {wrong:g}.*divide by"):
            check_shares(spec, np.array([[0.0, 0.5], [0.0, wrong]]))
