"""Layers of one member are torch's, with values from a generator of one's own."""

import pytest
import torch
from torch import nn

from halfseen.nn.image_layers import BatchNorm, Crop, started, through_members
from halfseen.nn.stacked import Copies


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


LAYERS = [
    (nn.Linear, (40, 60), {}),
    (nn.Conv2d, (30, 20, 5), {}),
    (nn.ConvTranspose2d, (30, 20, 4), {"stride": 2}),
]


@pytest.mark.parametrize(("kind", "sizes", "settings"), LAYERS)
def test_initial_values_are_spread_as_torchs(kind, sizes, settings):
    before = torch.get_rng_state()
    layer = started(kind(*sizes, device="meta", **settings), generator())
    again = started(kind(*sizes, device="meta", **settings), generator())
    assert torch.equal(torch.get_rng_state(), before)
    with torch.random.fork_rng():
        torchs = kind(*sizes, **settings)
    assert torch.equal(layer.weight, again.weight)
    assert torch.equal(layer.bias, again.bias)
    assert layer.weight.shape == torchs.weight.shape
    weights, torchs_weights = layer.weight.detach(), torchs.weight.detach()
    limit = float(torchs_weights.abs().max())
    assert float(weights.abs().max()) == pytest.approx(limit, rel=0.02)
    assert float(weights.std()) == pytest.approx(float(torchs_weights.std()), rel=0.05)
    assert float(weights.mean()) == pytest.approx(0, abs=0.05 * limit)
    assert float(layer.bias.detach().abs().max()) == pytest.approx(limit, rel=0.2)


def test_a_layer_without_a_bias_stays_so():
    layer = started(nn.Linear(3, 4, bias=False, device="meta"), generator())
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    assert layer(torch.zeros(2, 3)).abs().max() == 0


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 2, 5)])
def test_batch_norm_is_torchs(shape):
    norm = BatchNorm(3, torch.device("cpu"))
    torchs = (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(3)
    with torch.no_grad():
        for layer in (norm, torchs):
            layer.weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
            layer.bias.copy_(torch.tensor([0.0, -1.0, 3.0]))
    for seed in range(3):
        x = 3 * torch.randn(shape, generator=generator(seed)) + 2
        torch.testing.assert_close(norm(x), torchs(x))
    torch.testing.assert_close(norm.mean, torchs.running_mean)
    torch.testing.assert_close(norm.variance, torchs.running_var)
    norm.eval()
    torch.testing.assert_close(norm(x), torchs.eval()(x))
    torch.testing.assert_close(norm(x)[:1], norm(x[:1]))


def test_one_value_per_channel_meets_the_running_moments():
    norm = BatchNorm(3, torch.device("cpu"))
    norm(torch.randn(8, 3, generator=generator(1)))
    before = norm.mean.clone(), norm.variance.clone()
    row = torch.randn(1, 3, generator=generator(2), requires_grad=True)
    alone = norm(row)
    assert torch.equal(norm.mean, before[0])
    assert torch.equal(norm.variance, before[1])
    alone.sum().backward()
    assert row.grad.abs().min() > 0
    torch.testing.assert_close(alone, norm.eval()(row))


def test_a_crop_keeps_the_upper_left():
    x = torch.arange(2 * 3 * 4).view(1, 2, 3, 4)
    assert torch.equal(Crop(2, 3)(x), x[:, :, :2, :3])


def test_members_answer_their_own_rows():
    copies = Copies(started(nn.Linear(2, 1, device="meta"), generator(s)) for s in range(2))
    x = torch.randn(2, 5, 2, generator=generator(3))
    torch.testing.assert_close(through_members(copies, x)[1], copies[1](x[1]))
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        through_members(copies, x[:1])
