"""Linear and one-layer mechanisms: shapes, members, seeds, gradients, settings."""

import pytest
import torch

from halfseen.core.spec import Column, DataSpec
from halfseen.mechanisms import LinearMechanism, MLPMechanism

SPEC = DataSpec((Column("a", "continuous"), Column("b", "nominal", n_levels=3)))
KINDS = [LinearMechanism, lambda: MLPMechanism(hidden=6)]


def bound(make, seed=0, n_members=3, incomplete=(True, True)):
    mechanism = make()
    generator = torch.Generator().manual_seed(seed)
    mechanism.bind(SPEC, torch.tensor(incomplete), n_members, generator)
    return mechanism


@pytest.mark.parametrize("make", KINDS)
def test_members_are_independent_and_start_small(make):
    mechanism = bound(make)
    features = torch.randn(3, 5, 7, 4, generator=torch.Generator().manual_seed(1))
    logits = mechanism.logits(features)
    assert logits.shape == (3, 5, 7, 2)
    assert 0 < logits.abs().max() < 1
    shared = features[:1].expand(3, -1, -1, -1)
    assert not torch.allclose(mechanism.logits(shared)[0], mechanism.logits(shared)[1])
    one = features.clone()
    one[1] += 1
    changed = (mechanism.logits(one) != logits).flatten(1).any(1)
    assert changed.tolist() == [False, True, False]
    assert all(parameter.shape[0] == 3 for parameter in mechanism.parameters())


@pytest.mark.parametrize("make", KINDS)
def test_columns_that_are_never_missing_carry_no_factor(make):
    mechanism = bound(make, incomplete=(True, False))
    features = torch.randn(3, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    s = torch.ones(4, 2)
    other = s.clone()
    other[:, 1] = 0
    assert torch.equal(mechanism.log_prob(s, features), mechanism.log_prob(other, features))
    assert (mechanism.sample(features, torch.Generator())[..., 1] == 1).all()


@pytest.mark.parametrize("make", KINDS)
def test_a_fit_finds_which_values_go_missing(make):
    generator = torch.Generator().manual_seed(0)
    x = torch.zeros(500, 4)
    x[:, 0] = torch.randn(500, generator=generator)
    s = torch.ones(500, 2)
    s[:, 0] = (torch.rand(500, generator=generator) < torch.sigmoid(-3 * x[:, 0])).float()
    mechanism = bound(make, n_members=2, incomplete=(True, False))
    optimiser = torch.optim.Adam(mechanism.parameters(), lr=0.05)
    for _ in range(200):
        optimiser.zero_grad()
        loss = -mechanism.log_prob(s, x.expand(2, 1, -1, -1)).mean()
        loss.backward()
        optimiser.step()
    effect = mechanism.summary(SPEC)
    assert effect.index.tolist() == ["a"]
    assert 1.5 < effect.loc["a", "a"] < 5


def test_settings_make_the_same_again():
    assert MLPMechanism(**MLPMechanism(hidden=9).settings()).hidden == 9
    assert LinearMechanism().settings() == {}


@pytest.mark.parametrize("make", KINDS)
def test_seeded(make):
    first, second, other = bound(make), bound(make), bound(make, seed=1)
    name = next(iter(dict(first.named_parameters())))
    assert torch.equal(first.get_parameter(name), second.get_parameter(name))
    assert not torch.equal(first.get_parameter(name), other.get_parameter(name))
