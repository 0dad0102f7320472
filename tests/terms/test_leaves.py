"""Leaves of patches: sums of squares against the same model in float64."""

import copy
import math

import pytest
import torch

from halfseen.estimators.tree_design import patch_places
from halfseen.terms.leaves import PatchLeaves


def near_components(floor, n=64, n_components=8):
    """Leaves whose scales are at the floor, and rows that lie near their means, with holes."""
    generator = torch.Generator().manual_seed(0)
    leaves = PatchLeaves(patch_places((1, 8, 8), 2)[0], 1, n_components, floor)
    leaves.mu.data = torch.randn(leaves.mu.shape, generator=generator)
    leaves.raw_scale.data -= 12.0
    chosen = torch.randint(n_components, (n, leaves.n_leaves), generator=generator)
    cells = leaves.mu.detach()[0, 0].T[chosen]
    cells = cells + floor * torch.randn(cells.shape, generator=generator)
    x = cells.flatten(1)[:, leaves.pixel]
    return leaves, x, (torch.rand(x.shape, generator=generator) < 0.7).float()


def scores(leaves, x, s):
    """Log-density of each row (B,), patches independent."""
    return torch.logsumexp(leaves(x, s), -1).sum((0, 1))


@pytest.mark.parametrize(
    ("floor", "most"), [(0.1, 1e-2), (0.02, 1e-3), (1e-3, 1e-3), (1e-5, 1e-2)]
)
def test_small_floors_keep_their_digits(floor, most):
    leaves, x, s = near_components(floor)
    exact = copy.deepcopy(leaves).double()
    found, right = scores(leaves, x, s), scores(exact, x.double(), s.double())
    assert found.dtype == torch.float32
    assert (found - right).abs().max() < most
    found.sum().backward()
    right.sum().backward()
    for name, parameter in exact.named_parameters():
        slope = leaves.get_parameter(name).grad
        assert slope.dtype == torch.float32
        assert (slope - parameter.grad).norm() < most * parameter.grad.norm()


def test_floors_of_images_stay_in_the_precision_of_the_rows():
    """What is computed for the floor that images get by themselves has not changed."""
    leaves, x, s = near_components(0.1)
    cells, seen = leaves.cells(x, s)
    precision, mu = leaves.sigma**-2, leaves.mu
    constant = 0.5 * precision.log() - 0.5 * precision * mu * mu - math.log(2 * math.pi) / 2
    table = torch.cat([-0.5 * precision, precision * mu, constant], -2)
    rows = torch.cat([seen * cells * cells, seen * cells, seen], -1)
    torch.testing.assert_close(leaves(x, s), rows @ table, rtol=1e-6, atol=1e-5)
