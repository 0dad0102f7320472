"""Stacked networks are loops over members; input layers see only what is shown."""

import pytest
import torch
from torch.nn import functional

from halfseen.core.spec import Column, DataSpec
from halfseen.errors import SettingError
from halfseen.nn.inputs import INPUTS, make_input
from halfseen.nn.stacked import ACTIVATIONS, StackedLinear, StackedMLP

SPEC = DataSpec(
    (Column("a", "continuous"), Column("b", "nominal", n_levels=3), Column("c", "count"))
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("lead", [(1, 6), (4, 6), (4, 1)])
def test_linear_maps_are_a_loop_over_members(members, lead):
    layer = StackedLinear(members, 5, 2, generator())
    x = torch.randn(members, *lead, 5, generator=generator(1))
    loop = [functional.linear(x[m], layer.weight[m].T, layer.bias[m, 0]) for m in range(members)]
    torch.testing.assert_close(layer(x), torch.stack(loop))


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("n_out", [2, 100])
@pytest.mark.parametrize("ordered", [True, False])
def test_large_products_are_equal_with_and_without_a_gradient(members, n_out, ordered):
    layer = StackedLinear(members, 64, n_out, generator())
    x = torch.randn(members, 50, 200, 64, generator=generator(1))
    x = x if ordered else x.transpose(1, 2)
    with torch.no_grad():
        fast = layer(x)
    taught = layer(x)
    taught.sum().backward()
    assert layer.weight.grad is not None
    exact = torch.einsum("mkbi,mio->mkbo", x.double(), layer.weight.double())
    exact = exact + layer.bias[:, None].double()
    for found in (fast, taught):
        torch.testing.assert_close(found.double(), exact, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("residual", [True, False])
def test_networks_are_a_loop_over_members(activation, residual):
    mlp = StackedMLP(3, 4, [6, 6, 5], generator(), activation=activation, residual=residual)
    x = torch.randn(3, 2, 7, 4, generator=generator(1))
    reference = getattr(functional, activation, torch.tanh)
    loop = []
    for m in range(3):
        h = x[m]
        for layer in mlp.layers:
            new = reference(functional.linear(h, layer.weight[m].T, layer.bias[m, 0]))
            h = h + new if residual and new.shape == h.shape else new
        loop.append(h)
    torch.testing.assert_close(mlp(x), torch.stack(loop), atol=1e-6, rtol=1e-5)
    assert mlp.n_out == 5


def test_members_do_not_touch_each_other():
    mlp = StackedMLP(2, 3, [4], generator())
    mlp(torch.ones(2, 1, 5, 3))[0].sum().backward()
    for layer in mlp.layers:
        assert (layer.weight.grad[1] == 0).all()
        assert (layer.weight.grad[0] != 0).any()


def test_no_hidden_layer_is_the_identity():
    x = torch.randn(1, 1, 5, 3, generator=generator())
    torch.testing.assert_close(StackedMLP(1, 3, [], generator())(x), x)


def test_he_starts_have_the_variance_of_the_rectifier():
    layer = StackedLinear(2, 50, 400, torch.Generator().manual_seed(0), "he")
    assert layer.weight.var().item() == pytest.approx(2 / 50, rel=0.02)
    assert not layer.bias.any()


def test_initial_values_come_from_the_generator_alone():
    one, two = (StackedLinear(2, 3, 4, generator(5)).weight for _ in range(2))
    torch.testing.assert_close(one, two, rtol=0, atol=0)
    assert one.abs().max() <= 1 / 3**0.5
    assert (StackedLinear(1, 3, 4, generator(), "glorot").bias == 0).all()
    assert StackedLinear(1, 3, 4, generator(), "glorot").weight.abs().max() <= (6 / 7) ** 0.5


@pytest.mark.parametrize("name", sorted(INPUTS))
@pytest.mark.parametrize("members", [1, 3])
def test_inputs_see_only_what_is_shown(name, members):
    layer = make_input(name, SPEC, members, generator())
    x = torch.tensor([[0.3, 2.0, -1.0], [0.1, 0.0, 4.0]])
    shown = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    other = torch.where(shown > 0, x, torch.tensor([9.0, 1.0, -7.0]))
    out = layer(x, shown)
    assert out.shape == (members, 1, 2, layer.n_out)
    torch.testing.assert_close(out, layer(other, shown))
    assert not torch.allclose(out, layer(x, torch.ones_like(shown)))
    per_member = shown.expand(members, 1, 2, 3)
    torch.testing.assert_close(layer(x, per_member), out)


def test_a_seen_zero_and_a_hole_differ_where_the_mask_is_shown():
    x = torch.zeros(1, 3)
    one, two = torch.ones(1, 3), torch.zeros(1, 3)
    layer = make_input("mask", SPEC, 1, generator())
    assert not torch.allclose(layer(x, one), layer(x, two))


def test_the_set_encoder_does_not_know_the_order_of_columns():
    spec = DataSpec.continuous(3)
    layer = make_input("set", spec, 1, generator())
    x, shown = torch.tensor([[0.3, 2.0, -1.0]]), torch.tensor([[1.0, 1.0, 0.0]])
    out = layer(x, shown)
    order = [2, 0, 1]
    with torch.no_grad():
        layer.embedding.copy_(layer.embedding[:, :, :, order])
    torch.testing.assert_close(layer(x[:, order], shown[:, order]), out)


def test_unknown_names_are_refused():
    with pytest.raises(SettingError, match="Got encoder_input='mean'"):
        make_input("mean", SPEC, 1, generator())
    with pytest.raises(SettingError, match="Got activation='sin'"):
        StackedMLP(1, 2, [3], generator(), activation="sin")
