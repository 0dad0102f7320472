"""Stacked convolutions are grouped ones; decoders end in exactly the wanted size."""

import math

import pytest
import torch
from torch.nn import functional

from halfseen.errors import SettingError
from halfseen.nn.conv import StackedConv, StackedConvDecoder, StackedConvEncoder, StackedUpConv
from halfseen.nn.stacked import StackedMLP, StackedNetwork

SIZES = [(1, 1), (2, 3), (7, 5), (8, 8), (9, 14), (28, 28)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def alone(module, m):
    """The network of one member, with its parameters."""
    return {name: tensor[m : m + 1] for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize("size", [(6, 8), (7, 5)])
def test_members_at_once_are_grouped_convolutions(size):
    height, width = size
    down = StackedConv(3, 2, 4, generator())
    x = torch.randn(5, 3, 2, *size, generator=generator(1))
    padded = functional.pad(x.flatten(1, 2), (1, 1 + width % 2, 1, 1 + height % 2))
    weight, bias = down.weight.flatten(0, 1), down.bias.flatten()
    expected = functional.conv2d(padded, weight, bias, stride=2, groups=3)
    torch.testing.assert_close(torch.cat([down(x[:, m], m) for m in range(3)], 1), expected)
    half = expected.shape[-2:]
    assert half == (math.ceil(height / 2), math.ceil(width / 2))
    up = StackedUpConv(3, 4, 2, size, generator(2))
    y = torch.randn(5, 3, 4, *half, generator=generator(3))
    weight, bias = up.weight.flatten(0, 1), up.bias.flatten()
    expected = functional.conv_transpose2d(
        y.flatten(1, 2), weight, bias, stride=2, padding=1, groups=3
    )[..., :height, :width]
    torch.testing.assert_close(torch.cat([up(y[:, m], m) for m in range(3)], 1), expected)


@pytest.mark.parametrize("size", SIZES)
def test_networks_are_a_loop_over_members_at_any_size(size):
    area = math.prod(size)
    encoder = StackedConvEncoder(3, 2, size, (4, 6), generator(), activation="tanh")
    decoder = StackedConvDecoder(3, 5, 2, size, (4, 6), generator(), activation="silu")
    x = torch.randn(3, 1, 7, 2 * area, generator=generator(1))
    z = torch.randn(3, 4, 7, 5, generator=generator(2))
    features, images = encoder(x), decoder(z)
    assert features.shape == (3, 1, 7, encoder.n_out)
    assert images.shape == (3, 4, 7, 2 * area)
    for m in range(3):
        one = StackedConvEncoder(1, 2, size, (4, 6), generator(9), activation="tanh")
        one.load_state_dict(alone(encoder, m))
        torch.testing.assert_close(one(x[m : m + 1]), features[m : m + 1])
        one = StackedConvDecoder(1, 5, 2, size, (4, 6), generator(9), activation="silu")
        one.load_state_dict(alone(decoder, m))
        torch.testing.assert_close(one(z[m : m + 1]), images[m : m + 1])


def test_rows_and_samples_do_not_touch_each_other():
    decoder = StackedConvDecoder(2, 3, 1, (5, 6), (4,), generator())
    z = torch.randn(2, 3, 4, 3, generator=generator(1))
    changed = z.clone()
    changed[1, 2, 3] += 1
    moved = (decoder(changed) != decoder(z)).any(-1)
    assert moved[1, 2, 3]
    assert moved.sum() == 1


def test_an_image_keeps_its_order_of_channels_rows_and_columns():
    layer = StackedConvEncoder(1, 3, (4, 6), (5,), generator())
    images = torch.randn(2, 3, 4, 6, generator=generator(1))
    plain = functional.conv2d(
        images, layer.layers[0].weight[0], layer.layers[0].bias[0], stride=2, padding=1
    )
    expected = functional.gelu(plain).flatten(1)
    torch.testing.assert_close(layer(images.flatten(1)[None, None])[0, 0], expected)


def test_gradients_reach_every_parameter_of_their_member_only():
    for network, n_in in (
        (StackedConvEncoder(2, 1, (6, 6), (4, 6), generator()), 36),
        (StackedConvDecoder(2, 3, 1, (6, 6), (4, 6), generator()), 3),
    ):
        network(torch.randn(2, 3, 4, n_in, generator=generator(1)))[0].square().sum().backward()
        for parameter in network.parameters():
            assert (parameter.grad[1] == 0).all()
            assert (parameter.grad[0] != 0).any()


def test_widths_count_the_largest_activation():
    assert StackedConvEncoder(1, 2, (8, 8), (16, 32), generator()).width == 16 * 4 * 4
    assert StackedConvEncoder(1, 2, (8, 8), (4,), generator()).width == 2 * 8 * 8
    assert StackedConvDecoder(1, 3, 1, (8, 8), (16, 4), generator()).width == 16 * 4 * 4
    assert StackedConvDecoder(1, 3, 9, (8, 8), (16, 4), generator()).width == 9 * 8 * 8
    assert StackedNetwork(StackedMLP(1, 3, [7, 5], generator()), 6, generator()).width == 7


def test_initial_values_come_from_the_generator_alone():
    def first(init):
        return StackedConvDecoder(1, 3, 1, (8, 8), (8,), generator(5), init=init).layers[0]

    torch.testing.assert_close(first("torch").weight, first("torch").weight)
    # Four of sixteen taps meet an output pixel: 8 channels times 4.
    assert first("torch").weight.abs().max() <= 1 / math.sqrt(32)
    assert (first("glorot").bias == 0).all()
    with pytest.raises(SettingError, match="Got activation='relish'"):
        StackedConvEncoder(1, 1, (4, 4), (2,), generator(), activation="relish")


def test_a_pixel_varies_under_the_prior_as_one_of_a_flat_network():
    """With weights of variance 1 / inputs in the last layer and saturated features: variance 1."""
    layer = StackedUpConv(1, 6, 2000, (8, 8), generator())
    with torch.no_grad():
        noise = torch.randn(layer.weight.shape, generator=generator(3))
        layer.weight.copy_(noise / math.sqrt(layer.fan_in))
        layer.bias.zero_()
        pixels = layer(torch.ones(1, 6, 4, 4), 0)[0]
    variance = pixels[:, 1:-1, 1:-1].var(0)
    torch.testing.assert_close(variance, torch.ones_like(variance), atol=0.15, rtol=0)


def test_the_prior_weighs_the_last_layer_by_the_inputs_of_a_pixel():
    decoder = StackedConvDecoder(2, 3, 1, (8, 8), (4, 6), generator())
    *inner, last = decoder.layers
    expected = (decoder.first.weight**2).sum() + sum((c.weight**2).sum() for c in inner)
    # Every pixel inside meets 4 taps of each of 4 channels.
    assert last.weight.shape[1] == 4
    expected = expected + 16 * (last.weight**2).sum()
    torch.testing.assert_close(decoder.squared_size(), expected)
    network = StackedNetwork(StackedMLP(2, 3, [7, 5], generator()), 6, generator())
    expected = sum((layer.weight**2).sum() for layer in network.body.layers)
    expected = expected + 5 * (network.out.weight**2).sum()
    torch.testing.assert_close(network.squared_size(), expected)
