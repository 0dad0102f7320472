"""Encoders per modality are a loop over small networks, whatever the modalities look like."""

import math

import pytest
import torch
from torch.nn import functional

from halfseen.core.spec import Block, Column, DataSpec
from halfseen.nn.stacked import StackedMLP
from halfseen.nn.unimodal import EMBEDDING, BlockMask, UnimodalEncoders

N_OUT, HIDDEN = 3, (7, 5)
MEMBERS = [1, 2]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def some_spec():
    """A number, a category, a mixed block out of order, an image, a wide block, a text."""
    columns = [Column("alone", "continuous"), Column("class", "nominal", n_levels=5)]
    columns += [Column(f"lab{j}", "continuous") for j in range(3)]
    columns += [Column("grade", "ordered", n_levels=4)]
    columns += [Column(f"pixel{j}", "continuous") for j in range(12)]
    columns += [Column(f"wide{j}", "count") for j in range(40)]
    columns += [Column(f"word{j}", "nominal", n_levels=6 + (j == 1)) for j in range(3)]
    columns += [Column("last", "binary", n_levels=2)]
    blocks = (
        Block("lab", (4, 2, 5)),
        Block("image", tuple(range(6, 18)), (1, 3, 4)),
        Block("wide", tuple(range(18, 58))),
        Block("text", (58, 59, 60), tokens=True),
    )
    return DataSpec(tuple(columns), blocks=blocks)


def some_rows(spec, n=9):
    """Cells and masks: blocks that are whole, in part, and not there at all."""
    x = torch.zeros(n, spec.n_columns)
    for j, column in enumerate(spec.columns):
        high = column.n_levels or 5
        drawn = torch.randint(high, (n,), generator=generator(j)).float()
        x[:, j] = drawn if column.categorical else drawn + torch.rand(n, generator=generator(j))
    s = (torch.rand(n, spec.n_columns, generator=generator(99)) < 0.5).float()
    s[0], s[1] = 1.0, 0.0
    return x * s, s


def one_by_one(encoders, spec, x, s, member, *, activation=functional.silu):
    """The same codes by one network per modality, from slices of the parameters."""
    codes = {}
    for group in encoders.groups:
        blocks = [codes_of for codes_of in _places(encoders, group)]
        for slot, place in enumerate(blocks):
            block = spec.modalities[place]
            copy = member * len(blocks) + slot
            if block.tokens:
                row = _words(group, block, x, s, member)
            else:
                row = _padded(group, block, spec, x, s)
            for layer in group.body.layers:
                weight, bias = layer.weight[copy], layer.bias[copy, 0]
                row = activation(functional.linear(row, weight.T, bias))
            codes[place] = functional.linear(
                row, group.out.weight[copy].T, group.out.bias[copy, 0]
            )
    return torch.stack([codes[place] for place in range(len(spec.modalities))], 1)


def _places(encoders, group):
    """Places of the modalities that a group encodes, by the order of the outputs."""
    order = [encoders.back.index(i) for i in range(len(encoders.back))]
    start = 0
    for other in encoders.groups:
        if other is group:
            return order[start : start + group.n_copies]
        start += other.n_copies
    raise AssertionError


def _padded(group, block, spec, x, s):
    """Own cells, one-hot, zeros where unseen; the mask of each number if the block has several."""
    values, masks = [], []
    for j in block.columns:
        column = spec.columns[j]
        cell = x[:, j : j + 1]
        if column.categorical:
            cell = functional.one_hot(x[:, j].long(), column.width).float()
        values.append(cell * s[:, j : j + 1])
        masks.append(s[:, j : j + 1].expand_as(cell))
    value, mask = torch.cat(values, 1), torch.cat(masks, 1)
    room = group.place.shape[1] - value.shape[1]
    parts = [functional.pad(value, (0, room))]
    return torch.cat(parts + [functional.pad(mask, (0, room))] * group.partial, 1)


def _words(group, block, x, s, member):
    tokens = group.tokens
    parts = [
        (tokens.words[member, x[:, j].long()] + tokens.places[member, place]) * s[:, j : j + 1]
        for place, j in enumerate(block.columns)
    ]
    return torch.cat(parts, 1)


@pytest.mark.parametrize("members", MEMBERS)
def test_they_are_a_loop_over_modalities(members):
    spec = some_spec()
    encoders = UnimodalEncoders(spec, members, N_OUT, HIDDEN, generator(), activation="silu")
    assert len(encoders.groups) == 3, "Narrow ones together, the wide one, the text."
    x, s = some_rows(spec)
    found = encoders(x, s)
    assert found.shape == (members, 1, len(x), len(spec.modalities), N_OUT)
    for member in range(members):
        torch.testing.assert_close(found[member, 0], one_by_one(encoders, spec, x, s, member))


def test_each_member_may_be_shown_other_cells():
    spec = some_spec()
    encoders = UnimodalEncoders(spec, 2, N_OUT, HIDDEN, generator(), activation="silu")
    x, s = some_rows(spec)
    both = torch.stack([s, s.flip(0)])[:, None]
    found = encoders(x, both)
    for member in range(2):
        shown = both[member, 0]
        torch.testing.assert_close(found[member, 0], one_by_one(encoders, spec, x, shown, member))


def test_the_gradient_of_a_modality_stays_with_its_own_encoder():
    spec = some_spec()
    encoders = UnimodalEncoders(spec, 2, N_OUT, HIDDEN, generator(), activation="silu")
    x, s = some_rows(spec)
    narrow = encoders.groups[0]
    place = _places(encoders, narrow).index(2)
    encoders(x, s)[1, ..., 2, :].sum().backward()
    norms = narrow.out.weight.grad.flatten(1).norm(dim=1)
    assert torch.nonzero(norms)[:, 0].tolist() == [narrow.n_copies + place]
    assert all(p.grad is None or not p.grad.any() for p in encoders.groups[1].parameters())


def test_a_modality_is_not_touched_by_the_cells_of_others():
    spec = some_spec()
    encoders = UnimodalEncoders(spec, 1, N_OUT, HIDDEN, generator(), activation="silu")
    x, s = some_rows(spec)
    for place, block in enumerate(spec.modalities):
        others = [j for j in range(spec.n_columns) if j not in block.columns]
        changed, mask = x.clone(), s.clone()
        changed[:, others], mask[:, others] = 0.0, 1 - s[:, others]
        torch.testing.assert_close(
            encoders(changed, mask)[..., place, :], encoders(x, s)[..., place, :]
        )


def test_the_filler_of_unseen_cells_does_not_enter():
    spec = some_spec()
    encoders = UnimodalEncoders(spec, 1, N_OUT, HIDDEN, generator(), activation="silu")
    x, s = some_rows(spec)
    numbers = [j for j, column in enumerate(spec.columns) if not column.categorical]
    other = torch.where(s > 0, x, 1.0)
    other[:, numbers] = torch.where(s > 0, x, 1e6)[:, numbers]
    torch.testing.assert_close(encoders(other, s), encoders(x, s))


@pytest.mark.parametrize("init", ["torch", "glorot"])
def test_narrow_modalities_start_with_the_spread_of_their_own_width(init):
    """As if each had been made alone: the padding does not make its weights smaller."""
    hidden, out = (400,), 300
    columns = [Column("one", "continuous"), Column("ten", "nominal", n_levels=10)]
    spec = DataSpec(tuple(columns + [Column(f"b{j}", "continuous") for j in range(8)]))
    spec = spec.with_blocks({"block": [f"b{j}" for j in range(8)]})
    encoders = UnimodalEncoders(spec, 2, out, hidden, generator(), init=init)
    (group,) = encoders.groups
    assert group.body.layers[0].weight.shape == (6, 20, 400)
    for copy in range(6):
        # Columns have their value; a block also the mask of each.
        slot = copy % 3
        used, places = [(2, [0]), (20, list(range(10))), (16, list(range(8)))][slot]
        used, places = (used, [*places, *(10 + j for j in places)])
        first = group.body.layers[0].weight[copy, places]
        _check_uniform(first, _limit(init, used, hidden[0]))
        _check_uniform(group.out.weight[copy], _limit(init, hidden[0], out))
        bias = group.body.layers[0].bias[copy]
        if init == "torch":
            _check_uniform(bias, _limit(init, used, hidden[0]))
        else:
            assert not bias.any()


def _limit(init, n_in, n_out):
    return 1 / math.sqrt(n_in) if init == "torch" else math.sqrt(6 / (n_in + n_out))


def _check_uniform(values, limit):
    values = values.detach()
    assert values.abs().max() <= limit * (1 + 1e-6)
    assert float(values.std()) == pytest.approx(limit / math.sqrt(3), rel=0.12)
    assert values.abs().max() > 0.95 * limit


def test_without_hidden_layers_they_are_linear_maps():
    spec = DataSpec.continuous(3)
    encoders = UnimodalEncoders(spec, 1, N_OUT, (), generator())
    x = torch.randn(4, 3, generator=generator(1))
    (group,) = encoders.groups
    expected = x[..., None] * group.out.weight[:, 0] + group.out.bias[:, 0]
    torch.testing.assert_close(encoders(x, torch.ones(4, 3))[0, 0], expected)


def test_embeddings_have_unit_length_on_average():
    spec = some_spec()
    encoders = UnimodalEncoders(spec, 2, N_OUT, HIDDEN, generator())
    words = next(g.tokens.words for g in encoders.groups if g.tokens is not None)
    assert words.shape == (2, 7, EMBEDDING)
    assert float(words.detach().square().sum(-1).mean()) == pytest.approx(1.0, abs=0.3)


def test_a_modality_is_seen_where_any_of_its_cells_is():
    spec = some_spec()
    _, s = some_rows(spec, 30)
    mask = BlockMask(spec)
    expected = torch.stack([s[:, list(b.columns)].amax(1) for b in spec.modalities], 1)
    assert torch.equal(mask(s), expected)
    assert torch.equal(mask(torch.stack([s, 1 - s])[:, None])[0, 0], expected)
    cells = mask.cells(expected)
    for place, block in enumerate(spec.modalities):
        assert (cells[:, list(block.columns)] == expected[:, place : place + 1]).all()


def test_one_product_for_twenty_columns():
    """What makes it fast: as many operations as one network has."""
    encoders = UnimodalEncoders(DataSpec.continuous(20), 2, N_OUT, HIDDEN, generator())
    (group,) = encoders.groups
    assert isinstance(group.body, StackedMLP)
    assert group.body.layers[0].weight.shape[0] == 40
