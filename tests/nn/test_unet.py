"""The U-Net is pix2pix's, and takes pictures of any size."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parameters_to_vector

from halfseen.errors import SettingError
from halfseen.nn.unet import UNet

SIZES = [(28, 28), (32, 32), (64, 64), (7, 5), (1, 9), (2, 2)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def rows(size, n_channels, n_rows=3, n_members=2, seed=1):
    shape = (n_members, n_rows, n_channels * math.prod(size))
    return torch.randn(shape, generator=generator(seed))


@pytest.mark.parametrize("size", SIZES)
def test_any_size_comes_out_as_it_went_in(size):
    network = UNet(2, 3, 2, size, generator(), channels=2)
    assert network(rows(size, 3)).shape == (2, 3, 2 * math.prod(size))


@pytest.mark.parametrize(
    ("size", "depth", "levels"),
    [((28, 28), 5, 5), ((64, 64), 5, 5), ((64, 64), 3, 3), ((8, 8), 5, 3), ((2, 2), 5, 1)],
)
def test_depth_ends_at_one_pixel(size, depth, levels):
    network = UNet(1, 1, 1, size, generator(), channels=2, depth=depth)
    assert len(network.copies[0].down) == len(network.copies[0].up) == levels


def test_the_published_network_has_the_published_number_of_parameters():
    down = 3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512 * 512
    up = 512 * 512 + 1024 * 256 + 512 * 128 + 256 * 64 + 128 * 3
    norms = 2 * (128 + 256 + 512) + 2 * (512 + 256 + 128 + 64)
    network = UNet(1, 3, 3, (64, 64), generator())
    found = sum(parameter.numel() for parameter in network.parameters())
    assert found == 16 * (down + up) + norms + 3 == 16_659_075


def of_kind(level, kind):
    return [layer for layer in level.modules() if isinstance(layer, kind)]


def normed(level, h, norms):
    """Batch normalisation by torch, with a level's scale and shift, if it has any."""
    for mine in [layer for layer in level if hasattr(layer, "variance")]:
        norm = norms.setdefault(id(mine), nn.BatchNorm2d(h.shape[1]).train(mine.training))
        with torch.no_grad():
            norm.weight.copy_(mine.weight)
            norm.bias.copy_(mine.bias)
        h = norm.train(mine.training)(h)
    return h


def reference(member, x, norms, level=0):
    """One level and all inside it, as nested as pix2pix has it."""
    down, up = member.down[level], member.up[level]
    height, width = x.shape[-2:]
    h = x if level == 0 else functional.leaky_relu(x, 0.2)
    # One pixel more at an odd end, so that nothing is left over.
    h = functional.pad(h, (1, 1 + width % 2, 1, 1 + height % 2))
    (conv,), (back,) = of_kind(down, nn.Conv2d), of_kind(up, nn.ConvTranspose2d)
    assert conv.bias is None
    assert (back.bias is None) == (level > 0)
    h = normed(down, functional.conv2d(h, conv.weight, stride=2), norms)
    if level < len(member.down) - 1:
        h = reference(member, h, norms, level + 1)
    h = functional.conv_transpose2d(h.relu(), back.weight, back.bias, stride=2, padding=1)
    h = normed(up, h[..., :height, :width], norms)
    return h if level == 0 else torch.cat([x, h], 1)


@pytest.mark.parametrize("size", [(32, 32), (28, 28), (7, 5)])
def test_it_is_the_nested_network(size):
    network = UNet(2, 2, 1, size, generator(), channels=3)
    counts = [[len(of_kind(level, nn.Conv2d)) for level in m.down] for m in network.copies]
    assert all(count == 1 for member in counts for count in member)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator(7)))
    norms = {}
    for step in range(2):
        x = rows(size, 2, seed=10 + step)
        expected = [
            reference(member, x[m].view(-1, 2, *size), norms).flatten(1)
            for m, member in enumerate(network.copies)
        ]
        torch.testing.assert_close(network(x), torch.stack(expected), rtol=1e-4, atol=1e-5)
    # All levels but the outermost one on the way back; all between the ends on the way in.
    levels = len(network.copies[0].down)
    assert len(norms) == 2 * (2 * levels - 3)
    network.eval()
    expected = [
        reference(member, x[m].view(-1, 2, *size), norms).flatten(1)
        for m, member in enumerate(network.copies)
    ]
    torch.testing.assert_close(network(x), torch.stack(expected), rtol=1e-4, atol=1e-5)


def test_a_rows_answer_does_not_depend_on_its_neighbours():
    network, x = UNet(2, 1, 1, (7, 5), generator(), channels=3), rows((7, 5), 1, n_rows=6)
    trained = network(x)
    assert not torch.allclose(network(x[:, :2]), trained[:, :2])
    network.eval()
    torch.testing.assert_close(network(x)[:, 2:3], network(x[:, 2:3]))


@pytest.mark.parametrize("size", [(7, 5), (2, 2)])
def test_a_batch_of_one_row_does_not_break_training(size):
    network = UNet(2, 1, 1, size, generator(), channels=3)
    network(rows(size, 1, n_rows=4))
    network(rows(size, 1, n_rows=1, seed=2)).square().sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in network.parameters())
    assert all(torch.isfinite(buffer).all() for buffer in network.buffers())


def test_gradients_reach_every_parameter_of_their_member_only():
    network = UNet(2, 2, 1, (14, 14), generator(), channels=3)
    network(rows((14, 14), 2))[0].square().sum().backward()
    first, second = network.copies
    assert all((parameter.grad != 0).any() for parameter in first.parameters())
    assert all((parameter.grad == 0).all() for parameter in second.parameters())


def test_a_seed_says_it_all_and_the_first_member_starts_as_one_alone():
    before = torch.get_rng_state()
    one, same, other = (UNet(2, 1, 1, (8, 8), generator(s), channels=3) for s in (3, 3, 4))
    vectors = [parameters_to_vector(network.parameters()) for network in (one, same, other)]
    assert torch.equal(vectors[0], vectors[1])
    assert not torch.equal(vectors[0], vectors[2])
    alone = UNet(1, 1, 1, (8, 8), generator(3), channels=3).copies[0].state_dict()
    for name, tensor in one.copies[0].state_dict().items():
        assert torch.equal(tensor, alone[name])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("size", "settings"), [((1, 1), {}), ((8, 8), {"depth": 0}), ((8, 8), {"channels": 0})]
)
def test_nothing_to_halve_is_refused(size, settings):
    with pytest.raises(SettingError, match="Expected two pixels at least"):
        UNet(1, 1, 1, size, generator(), **settings)
