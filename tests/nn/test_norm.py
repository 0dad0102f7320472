"""Stacked batch normalisation is torch's, member by member."""

import pytest
import torch
from torch import nn

from halfseen.nn.norm import StackedBatchNorm
from halfseen.nn.stacked import StackedMLP


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def moments_and_weights(norm):
    """Give scale and shift other values than 1 and 0."""
    with torch.no_grad():
        norm.weight.copy_(torch.rand(norm.weight.shape, generator=generator(1)) + 0.5)
        norm.bias.copy_(torch.randn(norm.bias.shape, generator=generator(2)))
    return norm


def references(norm, members, units):
    """One of torch's layers per member with the same values."""
    layers = []
    for m in range(members):
        layer = nn.BatchNorm1d(units)
        with torch.no_grad():
            layer.weight.copy_(norm.weight[m, 0, 0])
            layer.bias.copy_(norm.bias[m, 0, 0])
        layers.append(layer)
    return layers


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("samples", [1, 4])
def test_it_is_torchs_layer_while_training_and_afterwards(members, samples):
    units = 5
    norm = moments_and_weights(StackedBatchNorm(members, units))
    torchs = references(norm, members, units)
    for step in range(4):
        shape = (members, samples, 6 + step, units)
        x = 3 * torch.randn(shape, generator=generator(10 + step)) + 2
        mine, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
        found = norm(mine)
        expected = torch.stack(
            [
                layer(rows.flatten(0, 1)).view_as(rows)
                for layer, rows in zip(torchs, theirs, strict=True)
            ]
        )
        torch.testing.assert_close(found, expected)
        target = torch.randn(shape, generator=generator(20 + step))
        norm.zero_grad()
        (found * target).sum().backward()
        for layer in torchs:
            layer.zero_grad()
        (expected * target).sum().backward()
        torch.testing.assert_close(mine.grad, theirs.grad, atol=1e-5, rtol=1e-4)
        for m, layer in enumerate(torchs):
            torch.testing.assert_close(norm.weight.grad[m, 0, 0], layer.weight.grad)
            torch.testing.assert_close(norm.bias.grad[m, 0, 0], layer.bias.grad)
            torch.testing.assert_close(norm.mean[m, 0, 0], layer.running_mean)
            torch.testing.assert_close(norm.variance[m, 0, 0], layer.running_var)
    norm.eval()
    rows = torch.randn(members, 2, 3, units, generator=generator(30))
    for m, layer in enumerate(torchs):
        layer.eval()
        torch.testing.assert_close(norm(rows)[m], layer(rows[m].flatten(0, 1)).view_as(rows[m]))


def test_a_batch_of_one_row_is_survived():
    """torch's layer refuses one; here it meets the running moments, and leaves them alone."""
    norm = moments_and_weights(StackedBatchNorm(2, 3))
    norm(torch.randn(2, 1, 8, 3, generator=generator(3)))
    before = norm.mean.clone(), norm.variance.clone()
    row = torch.randn(2, 1, 1, 3, generator=generator(4), requires_grad=True)
    alone = norm(row)
    assert torch.equal(norm.mean, before[0])
    assert torch.equal(norm.variance, before[1])
    torch.testing.assert_close(alone, norm.eval()(row))
    alone.sum().backward()
    assert torch.isfinite(row.grad).all()
    assert row.grad.abs().min() > 0


def test_members_do_not_touch_each_other():
    norm = StackedBatchNorm(2, 3)
    x = torch.randn(2, 1, 8, 3, generator=generator(5))
    y = x.clone()
    y[1] = 100 * y[1] + 7
    one = norm(x)
    means = norm.mean.clone()
    other = StackedBatchNorm(2, 3)
    two = other(y)
    torch.testing.assert_close(one[0], two[0])
    torch.testing.assert_close(means[0], other.mean[0])
    assert (means[1] - other.mean[1]).abs().max() > 0.5


def test_only_the_first_layer_of_a_network_has_it():
    mlp = StackedMLP(2, 4, (6, 6), generator(), normalize=True)
    norms = [m for m in mlp.modules() if isinstance(m, StackedBatchNorm)]
    assert [norm.weight.shape[-1] for norm in norms] == [6]
    x = torch.randn(2, 1, 9, 4, generator=generator(6))
    h = mlp.activation(StackedBatchNorm(2, 6)(mlp.layers[0](x)))
    torch.testing.assert_close(mlp(x), mlp.activation(mlp.layers[1](h)))
