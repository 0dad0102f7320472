"""Losses of adversarial models against numbers computed by hand."""

import math

import pytest
import torch

from halfseen.nn.critics import Critic, MLPCritic
from halfseen.objectives.adversarial import (
    cell_critic_loss,
    cell_generator_loss,
    critic_losses,
    generator_loss,
    masked,
)


class Slope(Critic):
    """D(x) = 3 x_0 + 4 x_1 for the first member, half of that for the second."""

    def forward(self, x):
        weights = torch.tensor([[[3.0], [4.0]], [[1.5], [2.0]]], dtype=x.dtype)
        return (x @ weights[: len(x)])[..., 0]


class Bowl(Critic):
    """D(x) = |x|^2 / 2, whose gradient at x is x."""

    def forward(self, x):
        return x.square().sum(-1) / 2


def rows(*values):
    return torch.tensor([values])


def somewhere(members, n):
    """Shares between fake and real rows."""
    return torch.rand(members, n, 1, generator=torch.Generator().manual_seed(0))


def test_the_operator_hides_what_is_missing():
    x = torch.tensor([[0.2, -0.7], [1.0, 5.0]])
    s = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert masked(x, s, 0.0).tolist() == torch.tensor([[0.2, 0.0], [0.0, 5.0]]).tolist()
    assert masked(x, s, -1.0).tolist() == torch.tensor([[0.2, -1.0], [-1.0, 5.0]]).tolist()


def test_a_relaxed_mask_lies_in_between_and_is_learned_through():
    x, s = torch.tensor([2.0, 2.0]), torch.tensor([0.25, 1.0], requires_grad=True)
    hidden = masked(x, s, 0.4)
    assert hidden.tolist() == pytest.approx([0.8, 2.0])
    (slope,) = torch.autograd.grad(hidden.sum(), s)
    # d/ds (x s + tau (1 - s)) = x - tau.
    assert slope.tolist() == pytest.approx([1.6, 1.6])


def test_masks_of_one_table_meet_rows_of_every_member():
    assert masked(torch.ones(3, 5, 2), torch.zeros(5, 2), 7.0).tolist() == [[[7.0] * 2] * 5] * 3


def test_gap_and_penalty_of_a_linear_critic():
    real, fake = rows([1.0, 1.0], [0.0, 2.0]), rows([0.0, 0.0], [1.0, 0.0])
    gap, penalty = critic_losses(Slope(), real, fake, somewhere(1, 2), 10.0)
    # D of fakes is 0 and 3, of real rows 7 and 8; the gradient is (3, 4), of length 5.
    assert float(gap) == pytest.approx(1.5 - 7.5)
    assert penalty.item() == pytest.approx(10 * 16)


def test_members_are_summed_and_rows_averaged():
    real, fake = rows([1.0, 1.0], [0.0, 2.0]), rows([0.0, 0.0], [1.0, 0.0])
    two = [t.expand(2, -1, -1) for t in (real, fake)]
    gap, penalty = critic_losses(Slope(), *two, somewhere(2, 2), 10.0)
    assert float(gap) == pytest.approx(-6 - 3)
    assert penalty.item() == pytest.approx(10 * 4**2 + 10 * 1.5**2)


@pytest.mark.parametrize(
    ("share", "length"), [(1.0, 4.0), (0.0, 0.5), (0.5, math.hypot(2.0, 0.25)), (0.25, None)]
)
def test_the_penalty_is_taken_between_real_and_fake(share, length):
    real, fake = rows([4.0, 0.0]), rows([0.0, 0.5])
    if length is None:
        # A quarter of the way from the fake row to the real one: (1, 0.375).
        length = math.hypot(1.0, 0.375)
    _, penalty = critic_losses(Bowl(), real, fake, torch.full((1, 1, 1), share), 2.0)
    assert penalty.item() == pytest.approx(2 * (length - 1) ** 2)


@pytest.mark.parametrize(("share", "excess"), [(1.0, 3.0), (0.0, 0.0)])
def test_a_penalty_of_one_side_lets_short_gradients_be(share, excess):
    """They are of length 4 at the real row, and 0.5 at the fake one."""
    real, fake = rows([4.0, 0.0]), rows([0.0, 0.5])
    shares = torch.full((1, 1, 1), share)
    _, penalty = critic_losses(Bowl(), real, fake, shares, 2.0, one_sided=True)
    assert penalty.item() == pytest.approx(2 * excess**2)


def turned_round(one_sided):
    """What a critic of one number says after its fakes have jumped across the real rows."""
    generator = torch.Generator().manual_seed(0)
    critic = MLPCritic(1, 1, (16, 16), generator)
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-2, betas=(0.5, 0.9))
    for fakes in (-1.0, 1.0):
        for _ in range(150):
            real, fake = torch.zeros(1, 64, 1), torch.full((1, 64, 1), fakes)
            share = torch.rand(1, 64, 1, generator=generator)
            losses = critic_losses(critic, real, fake, share, 10.0, one_sided=one_sided)
            optimizer.zero_grad()
            torch.stack(losses).sum().backward()
            optimizer.step()
    return losses[0].item()


def test_with_one_side_a_critic_of_one_column_turns_round():
    # The distance is 1. With both sides the critic is wrong for good: it likes the fakes.
    assert turned_round(one_sided=True) == pytest.approx(-1.0, abs=0.1)
    assert turned_round(one_sided=False) > 0.5


def test_a_gradient_of_length_one_costs_nothing():
    unit = rows([0.6, 0.8])
    _, penalty = critic_losses(Bowl(), unit, unit, somewhere(1, 1), 10.0)
    assert penalty.item() == pytest.approx(0.0, abs=1e-12)


def test_the_generator_wants_high_scores():
    fake = rows([1.0, 1.0], [0.0, 2.0]).requires_grad_()
    loss = generator_loss(Slope(), fake)
    assert loss.item() == pytest.approx(-7.5)
    (slope,) = torch.autograd.grad(loss, fake)
    assert slope.tolist() == [[[-1.5, -2.0], [-1.5, -2.0]]]
    assert generator_loss(Slope(), fake.expand(2, -1, -1)).item() == pytest.approx(-11.25)


def test_losses_per_cell():
    probability = torch.tensor([[[0.5, 0.25], [0.8, 0.5]]])
    s = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    critic = -(math.log(0.5) + math.log(0.75) + math.log(0.8) + math.log(0.5)) / 4
    assert float(cell_critic_loss(probability, s)) == pytest.approx(critic)
    assert float(cell_critic_loss(probability.expand(3, 2, 2), s)) == pytest.approx(3 * critic)
    # Over all cells, missing or not, as released.
    generator = -(math.log(0.25) + math.log(0.5)) / 4
    assert float(cell_generator_loss(probability, s)) == pytest.approx(generator)


def test_certain_critics_of_cells_stay_finite():
    sure = torch.tensor([[[0.0, 1.0]]], requires_grad=True)
    s = torch.tensor([[1.0, 0.0]])
    wrong = cell_critic_loss(sure, s)
    assert wrong.item() == pytest.approx(-math.log(1e-8), rel=1e-3)
    (slope,) = torch.autograd.grad(wrong + cell_generator_loss(sure, s), sure)
    assert torch.isfinite(slope).all()
