"""Patches of images, orders of columns, and where the training of a tree of mixtures begins."""

import numpy as np
import pytest
import torch

from halfseen.core.batch import Rows
from halfseen.core.noise import new_generator
from halfseen.core.spec import Column, DataSpec
from halfseen.core.units import Units
from halfseen.estimators.repeats import NO_REPEATS, Repeats
from halfseen.estimators.tree_design import TreeDesign, column_order, make_tree, patch_places
from halfseen.estimators.tree_start import start_leaves, start_tree


def test_patches_of_mnist_are_those_of_the_paper():
    """28 x 28 pixels, 2 pixels beyond the edge on every side: 16 x 16 patches of 2 x 2."""
    place, groups = patch_places((1, 28, 28), 2)
    assert place.shape == (256, 4)
    assert groups == [4, 4, 4, 4]
    inside = place[place >= 0]
    assert sorted(inside.tolist()) == list(range(784))
    assert (place[0] == -1).all()
    # The first group has the corner pixel in its last patch.
    assert place[:4].max(1).values.tolist() == [-1, -1, -1, 29]
    assert place[3].tolist() == [0, 1, 28, 29]


@pytest.mark.parametrize("shape", [(3, 5, 7), (1, 1, 1), (2, 9, 2), (1, 8, 8)])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_patches_hold_every_pixel_once_with_all_channels(shape, size):
    place, groups = patch_places(shape, size)
    inside = place[place >= 0]
    assert sorted(inside.tolist()) == list(range(np.prod(shape)))
    assert place.shape[1] == shape[0] * size**2
    assert int(np.prod(groups)) == len(place)
    area = shape[1] * shape[2]
    for patch in place.view(len(place), shape[0], -1):
        for channel in patch:
            gap = (channel - patch[0])[patch[0] >= 0]
            assert (gap % area == 0).all()


def test_columns_that_go_together_are_neighbours():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 2))
    code = np.digitize(z[:, 1], [-0.5, 0.5]).astype(float)
    values = np.c_[z[:, 0], code, -z[:, 0], z[:, 1]] + 0.1 * rng.normal(size=(400, 4)) * [
        1,
        0,
        1,
        1,
    ]
    values[rng.random(values.shape) < 0.3] = np.nan
    columns = [Column(f"x{j}", "continuous") for j in range(4)]
    columns[1] = Column("code", "nominal", n_levels=3)
    order = column_order(DataSpec(tuple(columns)), values)
    assert {frozenset(order[:2]), frozenset(order[2:])} == {frozenset({0, 2}), frozenset({1, 3})}


def test_columns_that_few_rows_show_together_say_little_of_each_other():
    rng = np.random.default_rng(0)
    z = rng.normal(size=200)
    values = np.c_[z, z, z, z] + np.array([0.0, 0.5, 0.0, 0.5]) * rng.normal(size=(200, 4))
    # The first and the third are equal, but two rows alone show both.
    values[:99, 0] = values[101:, 2] = np.nan
    order = column_order(DataSpec.continuous(4), values)
    assert {frozenset(order[:2]), frozenset(order[2:])} != {frozenset({0, 2}), frozenset({1, 3})}


def a_model(spec, floor=0.1, components=8, channels=(8,), repeats=NO_REPEATS, members=1, **rest):
    design = TreeDesign(members, components, channels, patch=2, tied=rest.get("tied", True))
    order = rest.get("order", list(range(spec.n_columns)))
    floors = np.full(spec.n_columns, floor)
    return make_tree(
        design, spec, Units.identity(spec), floors, repeats, order, new_generator(0)
    ).requires_grad_(False)


def test_components_start_where_cells_are():
    rng = np.random.default_rng(0)
    values = np.c_[rng.normal(5, 1, 500), rng.integers(3, size=500), rng.choice([-1, 2.0], 500)]
    values[:, 1] = np.where(rng.random(500) < 0.9, 0, values[:, 1])
    values[::3, 0] = np.nan
    columns = (
        Column("a", "continuous"),
        Column("b", "ordered", n_levels=3),
        Column("c", "continuous"),
    )
    model = a_model(DataSpec(columns), repeats=Repeats(grid={2: [-1.0, 2.0]}), members=2)
    start_leaves(model.leaves, Rows.from_values(values), new_generator(1))
    laws = model.leaves._laws(model.leaves.raw)
    law = {head.columns[0]: law for head, law in zip(laws.heads, laws.laws, strict=True)}
    edges = np.nanquantile(values[:, 0], np.arange(9) / 8)
    means = law[0].mu[:, :, 0, 0].numpy()
    assert (means > edges[:-1] - 0.05).all()
    assert (means < edges[1:] + 0.05).all()
    np.testing.assert_allclose(law[0].sigma, 0.6, atol=1e-5)
    ordered = law[1].log_p.exp()[0, :, 0, 0]
    torch.testing.assert_close(ordered.sum(-1), torch.ones(8))
    assert (ordered[:6].argmax(-1) == 0).all()
    assert set(law[2].log_p.argmax(-1).flatten().tolist()) == {0, 1}


def test_clusters_explain_rows_better_than_any_start():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(600, 1))
    values = z * np.ones(6) + 0.2 * rng.normal(size=(600, 6))
    values[rng.random(values.shape) < 0.3] = np.nan
    rows = Rows.from_values(values)
    model = a_model(DataSpec.continuous(6), components=12, channels=(12,))
    start_leaves(model.leaves, rows, new_generator(1))
    batch = rows.take(slice(None))
    before = model.log_prob(batch).mean()
    start_tree(model, rows, new_generator(2))
    assert float(model.log_prob(batch).mean()) > float(before) + 1.2


@pytest.mark.parametrize("tied", [True, False])
def test_clusters_explain_images_better_than_any_start(tied):
    rng = np.random.default_rng(0)
    bright = rng.integers(2, size=(300, 1, 2, 1, 2, 1))
    # Where all nodes share their weights, those of the first corner must not speak for all.
    bright[:, :, 0, :, 0] = 0
    images = np.broadcast_to(bright, (300, 1, 2, 4, 2, 4)).reshape(300, 64)
    values = images + 0.1 * rng.normal(size=images.shape)
    values[rng.random(values.shape) < 0.5] = np.nan
    rows = Rows.from_values(values)
    model = a_model(DataSpec.pixels((1, 8, 8)), components=4, channels=(4, 8), tied=tied)
    start_leaves(model.leaves, rows, new_generator(1))
    # Patches are dark or bright: their components are near 0 or 1.
    near = torch.minimum(model.leaves.mu.abs(), (model.leaves.mu - 1).abs())
    assert float(near.median()) < 0.15
    batch = rows.take(slice(None))
    before = model.log_prob(batch).mean()
    start_tree(model, rows, new_generator(2))
    assert float(model.log_prob(batch).mean()) > float(before) + 5
