"""Networks of conditional laws: shapes, members, reach, and heads."""

import math

import pytest
import torch

from halfseen.errors import SettingError
from halfseen.nn.conditional_heads import bounded_head, free_head
from halfseen.nn.conditional_networks import ConditionalMLP, RawShape
from halfseen.nn.conditional_pictures import DensePictures, FullyConvPictures
from halfseen.nn.conditional_shared import SharedPictures

PICTURE = (2, 9, 6)
F = math.prod(PICTURE)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def a_network(name, n_members=2, n_components=2, n_parts=2, n_raw=4):
    shape = RawShape(n_components, n_raw, F)
    sizes = n_members, n_parts, shape
    if name == "mlp":
        return ConditionalMLP(*sizes, (16, 16), generator())
    if name == "dense":
        return DensePictures(*sizes, PICTURE, generator(), last_channels=3)
    if name == "full-conv":
        return FullyConvPictures(*sizes, PICTURE, generator(), channels=4)
    return SharedPictures(*sizes, PICTURE, generator(), channels=(4, 8), n_code=16)


NAMES = ("mlp", "dense", "full-conv", "shared")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n_parts", [2, 3])
def test_networks_answer_for_every_cell_of_every_member(name, n_parts):
    network = a_network(name, n_parts=n_parts).eval()
    parts = [torch.randn(2, 5, F, generator=generator(1)) for _ in range(n_parts)]
    raw, logits = network(parts)
    assert raw.shape == (2, 5, 2, 4, F)
    assert logits.shape == (2, 5, 2)
    assert (raw[0] != raw[1]).any()
    same = [part[:1].expand(2, 5, F) for part in parts]
    one, _ = network(same)
    assert (one[0] - one[1]).abs().max() > 1e-3, "Members begin alike."


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_answered_one_by_one(name):
    network = a_network(name).eval()
    parts = [torch.randn(2, 5, F, generator=generator(1)) for _ in range(2)]
    raw, logits = network(parts)
    alone = network([part[:, 3:4] for part in parts])
    torch.testing.assert_close(alone[0], raw[:, 3:4], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(alone[1], logits[:, 3:4], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_answers_lie_at_the_cell_that_they_are_about(name):
    """Component by component, number by number; channels before rows before columns.

    What a network says of one pixel, by itself, is learned there and nowhere else.
    """
    network = a_network(name, n_members=1).eval()
    parts = [torch.randn(1, 3, F, generator=generator(1)) for _ in range(2)]
    before = network(parts)[0].detach()
    out = {"mlp": lambda n: n.out.bias[0, 0], "dense": lambda n: n.copies[0][-1].bias}
    if name == "shared":
        bias = network.copies[0].place
    elif name in out:
        bias = out[name](network)
    else:
        pytest.skip("pixels share every number of it")
    at = torch.zeros(2, 4, *PICTURE)
    at[1, 2, 1, 8, 3] = 1.0
    with torch.no_grad():
        bias[: at.numel()] += at.flatten()
    gap = network(parts)[0] - before
    torch.testing.assert_close(gap, at.flatten(2).expand(1, 3, 2, 4, F), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["mlp", "dense", "shared"])
def test_every_pixel_sees_the_whole_picture(name):
    network = a_network(name, n_members=1)
    x = torch.randn(1, 1, F, generator=generator(1), requires_grad=True)
    raw, _ = network([x, torch.ones(1, 1, F)])
    raw[0, 0, 0, 0, -1].backward()
    assert (x.grad != 0).float().mean() > 0.9


def test_the_fully_convolutional_network_has_no_dense_layer():
    """So that it has as many parameters for pictures of any size, and sees no far away pixel."""
    count = lambda net: sum(p.numel() for p in net.parameters())  # noqa: E731
    sizes = [(1, 16, 16), (1, 31, 24)]
    nets = [
        FullyConvPictures(1, 2, RawShape(1, 6, math.prod(p)), p, generator(), depth=2, block=1)
        for p in sizes
    ]
    assert count(nets[0]) == count(nets[1])
    deep = FullyConvPictures(1, 2, RawShape(1, 6, 1024), (1, 32, 32), generator())
    assert count(deep) > 4 * count(nets[0])


def test_the_dense_network_is_as_large_as_the_papers():
    """With 32 channels in place of 1, 28 x 28 x 32 x 6 x 784 = 118 million parameters."""
    network = DensePictures(1, 2, RawShape(1, 6, 784), (1, 28, 28), generator(), last_channels=1)
    trunk = 2 * 16 * 25 + 16 + 16 * 32 * 25 + 32 + 32 * 64 * 25 + 64
    last = 64 * 9 + 1 + (784 + 1) * (6 * 784 + 1)
    assert sum(p.numel() for p in network.parameters()) == trunk + last


def test_a_width_of_zero_is_refused():
    with pytest.raises(SettingError, match="positive widths"):
        SharedPictures(1, 2, RawShape(1, 3, F), PICTURE, generator(), channels=())


def test_heads_turn_raw_numbers_into_laws():
    raw = torch.randn(3, 5, 4, generator=generator(), dtype=torch.float64) * 20
    floor = torch.tensor([0.0, 0.1, 0.5, 2.0], dtype=torch.float64)
    law = bounded_head(raw, floor)
    torch.testing.assert_close(law.mean, raw[:, 0])
    torch.testing.assert_close(law.factor, 0.5 * torch.sigmoid(raw[:, 2:]).mT - 0.25)
    torch.testing.assert_close(law.variance, torch.sigmoid(raw[:, 1]) + floor**2)
    law = free_head(raw, floor)
    torch.testing.assert_close(law.mean, raw[:, 0])
    assert law.factor.abs().max() > 0.25
    assert (law.variance >= floor**2).all()
    flat = free_head(torch.zeros(1, 2, 4, dtype=torch.float64), 0 * floor)
    torch.testing.assert_close(flat.variance, torch.ones(1, 4, dtype=torch.float64))
    wild = free_head(torch.full((1, 3, 4), 1e9), floor.float())
    assert torch.isfinite(wild.variance).all()
