"""The tree of mixtures against sums over all hidden choices, written out."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats

from halfseen.core.noise import Noise, new_generator
from halfseen.core.row_noise import RowNoise
from halfseen.nn.mixture_tree import MixtureTree, grid_order

# Leaves, components, groups, channels, tied.
TREES = {
    "one leaf": (1, 3, (), (), False),
    "pair": (2, 3, (2,), (2,), False),
    "three of four": (3, 2, (2, 2), (3, 2), False),
    "four, tied": (4, 2, (2, 2), (2, 3), True),
    "square": (4, 3, (4,), (2,), False),
    "five of eight": (5, 2, (2, 2, 2), (2, 2, 2), False),
}


def a_tree(name, members=1, seed=0):
    leaves, components, groups, channels, tied = TREES[name]
    generator = new_generator(seed)
    return MixtureTree(
        members, leaves, components, groups, channels, generator, tied=tied
    ).double()


def some_leaves(tree_name, members=1, rows=3, seed=1):
    leaves, components = TREES[tree_name][:2]
    generator = new_generator(seed)
    x = torch.randn(members, leaves, rows, components, generator=generator, dtype=torch.float64)
    return 2 * x


def joint(tree, leaves, member, row):
    """p(components of all leaves, x) of one row, by a sum over the choices of all other nodes."""
    levels = []
    for level in tree.levels:
        weights = level.weights().detach()[member]
        levels.append(weights.expand(level.n_parents, -1, -1, -1).numpy())
    n_leaves, n_components = leaves.shape[1], leaves.shape[3]
    sizes = [n_leaves]
    sizes += [level.n_parents for level in tree.levels]
    inner = [range(level.logits.shape[-2]) for level in tree.levels]
    out = np.zeros((n_components,) * n_leaves)
    density = leaves[member, :, row].exp()
    choices = [itertools.product(c, repeat=n) for c, n in zip(inner, sizes[1:], strict=True)]
    for hidden in itertools.product(*map(list, choices)):
        for shown in itertools.product(range(n_components), repeat=n_leaves):
            nodes, p = [shown, *hidden], 1.0
            for level, weights in enumerate(levels):
                group = tree.levels[level].group
                for child in range(sizes[level]):
                    at = (child // group, child % group)
                    p *= weights[*at, nodes[level + 1][at[0]], nodes[level][child]]
            for leaf, component in enumerate(shown):
                p *= float(density[leaf, component])
            out[shown] += p
    return out


@pytest.mark.parametrize("name", TREES)
def test_density_and_posterior_are_sums_over_paths(name):
    leaves = some_leaves(name, members=2)
    tree = a_tree(name, members=2).requires_grad_(False)
    log_p, chances = tree.posterior(leaves)
    assert torch.equal(tree(leaves), log_p)
    for member, row in itertools.product(range(2), range(3)):
        p = joint(tree, leaves, member, row)
        assert float(log_p[member, row]) == pytest.approx(math.log(p.sum()), abs=1e-10)
        for leaf in range(p.ndim):
            marginal = p.sum(tuple(i for i in range(p.ndim) if i != leaf)) / p.sum()
            np.testing.assert_allclose(chances[member, leaf, row], marginal, atol=1e-10)


@pytest.mark.parametrize("name", TREES)
def test_chances_are_the_gradient_of_the_density(name):
    tree, leaves = a_tree(name), some_leaves(name).requires_grad_()
    log_p, chances = tree.posterior(leaves)
    (gradient,) = torch.autograd.grad(log_p.sum(), leaves)
    torch.testing.assert_close(chances.detach(), gradient, atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", ["three of four", "four, tied"])
def test_draws_follow_the_joint_posterior_of_the_leaves(name):
    tree, leaves, n = a_tree(name), some_leaves(name, rows=2), 20_000
    noise = RowNoise(np.array([11, 12], np.uint64), 1, n)
    _, components = tree.draw(leaves, noise)
    for row in range(2):
        p = joint(tree, leaves, 0, row)
        count = np.zeros(p.shape)
        np.add.at(count, tuple(components[:, row].numpy().T), 1)
        expected = (n * p / p.sum()).ravel()
        large = expected > 5
        assert (
            stats.chisquare(
                np.r_[count.ravel()[large], count.ravel()[~large].sum() + 1e-9],
                np.r_[expected[large], expected[~large].sum() + 1e-9],
            ).pvalue
            > 1e-3
        )


def test_members_are_drawn_by_what_they_explain():
    tree, leaves = a_tree("square", members=3), some_leaves("square", members=3, rows=2)
    member, components = tree.draw(leaves, Noise(new_generator(3), (1, 20_000, 2)))
    assert components.shape == (20_000, 2, 4)
    expected = torch.softmax(tree(leaves), 0)
    found = torch.stack([(member == m).double().mean(0) for m in range(3)])
    torch.testing.assert_close(found, expected.detach(), atol=0.012, rtol=0)
    # Components are those of the member that was drawn.
    _, chances = tree.posterior(leaves)
    for m in range(3):
        own = components[:, 0][member[:, 0] == m]
        share = torch.nn.functional.one_hot(own, 3).double().mean(0)
        torch.testing.assert_close(share, chances[m, :, 0].detach(), atol=0.03, rtol=0)


@pytest.mark.parametrize("name", TREES)
def test_leaves_that_are_not_seen_are_summed_out(name):
    tree, leaves = a_tree(name), some_leaves(name)
    assert tree(torch.zeros_like(leaves)).abs().max() < 1e-14
    assert tree.float()(torch.zeros_like(leaves).float()).abs().max() < 1e-5
    tree.double()
    one = leaves.clone()
    one[:, 1:] = 0
    # A mixture of a leaf's components by their prior chances.
    _, prior = tree.posterior(torch.zeros_like(leaves))
    expected = torch.logsumexp(prior[:, 0].log() + leaves[:, 0], -1)
    torch.testing.assert_close(tree(one), expected)


def test_weights_sum_to_one_and_none_is_zero():
    tree = a_tree("five of eight").float()
    level = tree.levels[0]
    with torch.no_grad():
        level.logits[..., 0] = 500.0
    weights = level.weights()
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
    assert weights.min() > 0
    leaves = some_leaves("five of eight").float()
    leaves[..., 0] = -1e25
    log_p = tree(leaves)
    assert torch.isfinite(log_p).all()
    (gradient,) = torch.autograd.grad(log_p.sum(), level.logits)
    assert torch.isfinite(gradient).all()


def test_float32_is_close_to_float64():
    tree = MixtureTree(1, 16, 8, (4, 4), (16, 16), new_generator(0))
    leaves = 30 * torch.randn(1, 16, 50, 8, generator=new_generator(1))
    log_p, chances = tree.posterior(leaves)
    exact, exact_chances = tree.double().posterior(leaves.double())
    torch.testing.assert_close(log_p.double(), exact, rtol=1e-6, atol=1e-4)
    torch.testing.assert_close(chances.double(), exact_chances, rtol=0, atol=2e-5)


def test_tied_nodes_answer_alike():
    tree = MixtureTree(1, 8, 3, (2, 4), (4, 2), new_generator(0), tied=True)
    assert [tuple(level.logits.shape[1:3]) for level in tree.levels] == [(1, 2), (1, 4), (1, 1)]
    parents, _ = tree.levels[0](
        torch.randn(1, 2, 5, 3, generator=new_generator(1)).repeat(1, 4, 1, 1)
    )
    assert all(torch.equal(parents[:, 0], parents[:, i]) for i in range(4))


@pytest.mark.parametrize(("height", "width"), [(4, 4), (2, 8), (1, 4), (1, 1)])
def test_groups_of_a_grid_are_blocks(height, width):
    order, groups = grid_order(height, width)
    assert sorted(order) == list(range(height * width))
    assert math.prod(groups) == height * width
    size = 1
    for scale, group in enumerate(groups, 1):
        size *= group
        for start in range(0, len(order), size):
            rows, columns = np.divmod(order[start : start + size], width)
            assert len(set(rows)) == np.ptp(rows) + 1 == min(height, 2**scale)
            assert len(set(columns)) == np.ptp(columns) + 1 == min(width, 2**scale)
