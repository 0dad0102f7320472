"""Critics: the gradient in closed form is that of automatic differentiation."""

from __future__ import annotations

import pytest
import torch

from halfseen.errors import SettingError
from halfseen.nn.critics import Critic, MLPCritic


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
@pytest.mark.parametrize("hidden", [(6,), (7, 5), (8, 6, 4)])
def test_closed_form_and_its_derivatives_equal_autograd(
    activation: str, hidden: tuple[int, ...]
) -> None:
    generator = torch.Generator().manual_seed(0)
    critic = MLPCritic(2, 3, hidden, generator, activation).double()
    real, fake, share = (
        torch.rand(2, 9, size, generator=generator, dtype=torch.float64) for size in (3, 3, 1)
    )
    ours = critic.compare(real, fake, share)
    slow = Critic.compare(critic, real, fake, share)
    for mine, theirs in zip(vars(ours).values(), vars(slow).values(), strict=True):
        torch.testing.assert_close(mine, theirs)
    parameters = list(critic.parameters())
    found = [
        torch.autograd.grad(
            (c.real - c.fake).sum() + ((c.slope - 1) ** 2).sum(), parameters, allow_unused=True
        )
        for c in (ours, slow)
    ]
    assert all(mine is not None for mine in found[0])
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_wide_critics_by_the_other_library_equal_autograd() -> None:
    generator = torch.Generator().manual_seed(0)
    critic = MLPCritic(1, 784, (512, 64), generator)
    rows = [torch.rand(1, 64, size, generator=generator) for size in (784, 784, 1)]
    found = []
    for c in (critic.compare(*rows), Critic.compare(critic, *rows)):
        loss = (c.fake - c.real).mean() + 10 * ((c.slope - 1) ** 2).mean()
        found.append(torch.autograd.grad(loss, list(critic.parameters())))
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)


def test_a_flat_critic_has_finite_derivatives() -> None:
    critic = MLPCritic(1, 3, (4,), torch.Generator().manual_seed(0))
    torch.nn.init.zeros_(critic.layers[1].weight)
    x = torch.rand(2, 1, 5, 3, generator=torch.Generator().manual_seed(1))
    said = critic.compare(*x, torch.full((1, 5, 1), 0.5))
    found = torch.autograd.grad(((said.slope - 1) ** 2).sum(), list(critic.parameters()))
    assert all((slope == 0).all() for slope in found)


def test_members_do_not_meet() -> None:
    generator = torch.Generator().manual_seed(0)
    critic = MLPCritic(2, 3, (4,), generator)
    x = torch.rand(2, 5, 3, generator=generator)
    (slope,) = torch.autograd.grad(critic(x)[0].sum(), critic.layers[0].weight)
    assert slope[0].abs().sum() > 0
    assert slope[1].abs().sum() == 0


def test_smooth_units_are_refused() -> None:
    with pytest.raises(SettingError, match="leaky_relu"):
        MLPCritic(1, 3, (4,), torch.Generator(), "tanh")
