"""What generators end in: ranges, ragged categories against a loop, and masks by hand."""

import math

import numpy as np
import pytest
import torch

from halfseen.core.noise import Noise
from halfseen.core.row_noise import RowNoise, row_keys
from halfseen.core.spec import Column, DataSpec
from halfseen.errors import SettingError
from halfseen.nn.outputs import CellOutput, MaskOutput

SPEC = DataSpec(
    (
        Column("size", "continuous"),
        Column("city", "nominal", n_levels=4),
        Column("sex", "binary", n_levels=2),
        Column("age", "continuous"),
        Column("mood", "ordered", n_levels=3),
    )
)
LOW, HIGH = np.array([-1.0, 0, 0, 2.0, 0]), np.array([3.0, 3, 1, 2.5, 2])
CHOICES = {"city": (1, 5), "sex": (5, 7), "mood": (8, 11)}


class Given(Noise):
    """Noise that is known."""

    def __init__(self, u):
        self.u = u

    def uniform(self, *size):
        assert self.u.shape[-len(size) :] == size
        return self.u


def some(seed=0, rows=6, members=2):
    g = torch.Generator().manual_seed(seed)
    raw = 2 * torch.randn(members, rows, SPEC.n_features, generator=g)
    return raw, torch.rand(members, rows, 3, 4, generator=g).clamp(1e-6, 1 - 1e-6)


def by_loop(raw, u, temperature):
    """The same, one cell at a time, in Python's numbers."""
    out = raw.clone().double()
    for m in range(raw.shape[0]):
        for i in range(raw.shape[1]):
            for at, j in ((0, 0), (7, 3)):
                share = 1 / (1 + math.exp(-float(raw[m, i, at])))
                out[m, i, at] = LOW[j] + (HIGH[j] - LOW[j]) * share
            for k, (start, stop) in enumerate(CHOICES.values()):
                weights = []
                for level, at in enumerate(range(start, stop)):
                    gumbel = -math.log(-math.log(float(u[m, i, k, level])))
                    weights.append(math.exp((float(raw[m, i, at]) + gumbel) / temperature))
                for weight, at in zip(weights, range(start, stop), strict=True):
                    out[m, i, at] = weight / sum(weights)
    return out


@pytest.mark.parametrize("temperature", [0.3, 0.5, 2.0])
def test_ragged_columns_equal_a_loop(temperature):
    raw, u = some()
    output = CellOutput(SPEC, LOW, HIGH, temperature)
    torch.testing.assert_close(
        output(raw, Given(u)).double(), by_loop(raw, u, temperature), rtol=1e-4, atol=1e-6
    )


def test_soft_categories_sum_to_one_and_hard_ones_are_their_largest():
    raw, u = some(1, rows=200)
    output = CellOutput(SPEC, LOW, HIGH)
    soft, hard = output(raw, Given(u)), output(raw, Given(u), hard=True)
    for start, stop in CHOICES.values():
        total = soft[..., start:stop].sum(-1)
        torch.testing.assert_close(total, torch.ones_like(total))
        choice = hard[..., start:stop]
        assert set(choice.unique().tolist()) == {0.0, 1.0}
        assert torch.equal(choice.sum(-1), torch.ones_like(total))
        assert torch.equal(choice.argmax(-1), soft[..., start:stop].argmax(-1))
    for at in (0, 7):
        assert torch.equal(soft[..., at], hard[..., at])


def test_numbers_stay_in_their_range():
    output = CellOutput(SPEC, LOW, HIGH)
    raw, u = some()
    for big in (-1e4, 1e4):
        out = output(torch.full_like(raw, big), Given(u))
        ends = LOW if big < 0 else HIGH
        assert out[..., 0].unique().tolist() == [ends[0]]
        assert out[..., 7].unique().tolist() == [ends[3]]
        assert torch.isfinite(out).all()


def test_choices_that_are_not_drawn_are_the_most_probable():
    raw, u = some(rows=50)
    made = CellOutput(SPEC, LOW, HIGH)(raw, Given(u), hard=True, drawn=False)
    for start, stop in CHOICES.values():
        assert torch.equal(made[..., start:stop].argmax(-1), raw[..., start:stop].argmax(-1))


def test_choices_have_the_probabilities_of_a_softmax():
    """Gumbel-max: the shares of hard choices are softmax(logits), whatever the temperature."""
    n, output = 40_000, CellOutput(SPEC, LOW, HIGH, 0.2)
    raw = torch.tensor([0.0, 1.0, 0.0, -1.0, 0.5, 2.0, 0.0, 0.0, 0.0, 0.3, -2.0]).expand(1, n, 11)
    made = output(raw, Noise(torch.Generator().manual_seed(0), (1, n)), hard=True)
    for start, stop in CHOICES.values():
        expected = torch.softmax(raw[0, 0, start:stop], -1)
        error = 5 * (expected * (1 - expected) / n).sqrt()
        assert ((made[0, :, start:stop].mean(0) - expected).abs() < error).all()


def test_gradients_reach_every_logit_and_no_padding():
    raw, u = some()
    raw.requires_grad_()
    output = CellOutput(SPEC, LOW, HIGH)
    weights = torch.rand(SPEC.n_features, generator=torch.Generator().manual_seed(3))
    (slope,) = torch.autograd.grad((output(raw, Given(u)) * weights).sum(), raw)
    assert torch.isfinite(slope).all()
    assert (slope != 0).all()
    # A softmax does not see a shift of its logits.
    for start, stop in CHOICES.values():
        torch.testing.assert_close(
            slope[..., start:stop].sum(-1), torch.zeros(2, 6), atol=1e-5, rtol=0
        )


def test_the_gradient_is_that_of_the_loop():
    raw, u = (t.double() for t in some(rows=2, members=1))
    output = CellOutput(SPEC, LOW, HIGH, 0.7).double()
    slope = torch.autograd.functional.jacobian(lambda r: output(r, Given(u))[0, 0], raw)[:, 0, 0]
    step = 1e-5
    for j in range(SPEC.n_features):
        up, down = raw.clone(), raw.clone()
        up[0, 0, j] += step
        down[0, 0, j] -= step
        rise = (by_loop(up, u, 0.7) - by_loop(down, u, 0.7))[0, 0] / (2 * step)
        torch.testing.assert_close(slope[:, j], rise, rtol=1e-6, atol=1e-8)


def test_the_noise_of_rows_does():
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    noise = RowNoise(row_keys(x, np.ones_like(x), 0), 2, 5)
    raw = torch.zeros(2, 5, 4, SPEC.n_features)
    made = CellOutput(SPEC, LOW, HIGH)(raw, noise, hard=True)
    assert made.shape == raw.shape
    assert made[..., 1:5].flatten(0, 2).unique(dim=0).shape == (4, 4)


def test_numbers_alone_ask_for_no_noise():
    output = CellOutput(DataSpec.continuous(2), np.zeros(2), np.ones(2))
    assert output.unit
    assert output(torch.zeros(1, 1, 2), None).tolist() == [[[0.5, 0.5]]]


def test_temperatures_are_positive():
    with pytest.raises(SettingError, match="temperature=0"):
        CellOutput(SPEC, LOW, HIGH, 0)
    with pytest.raises(SettingError, match="mask_activation='soft'"):
        MaskOutput("soft")
    with pytest.raises(SettingError, match=r"temperature=-1\.0"):
        MaskOutput(temperature=-1.0)


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("sigmoid", lambda v: 1 / (1 + math.exp(-v / 0.66))),
        ("stretched", lambda v: min(1.0, max(0.0, 1.2 / (1 + math.exp(-v / 0.66)) - 0.1))),
        ("hard", lambda v: min(1.0, max(0.0, v / 0.66))),
    ],
)
def test_masks_by_hand(activation, expected):
    raw = [-9.0, -2.0, -0.4, 0.0, 0.2, 0.5, 1.9, 9.0]
    made = MaskOutput(activation)(torch.tensor(raw))
    assert made.tolist() == pytest.approx([expected(v) for v in raw], rel=1e-5)
    if activation != "sigmoid":
        assert {0.0, 1.0} <= set(made.tolist())
