"""From settings to a tree of mixtures over the columns of a table, or the patches of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from halfseen.core.clusters import pair_order
from halfseen.core.features import Features
from halfseen.core.spec import DataSpec
from halfseen.core.units import Units
from halfseen.estimators.assemble import Design, make_heads
from halfseen.estimators.repeats import Repeats
from halfseen.nn.mixture_tree import MixtureTree, grid_order
from halfseen.terms.leaves import ColumnLeaves, Leaves, PatchLeaves
from halfseen.terms.tree_model import TreeModel

__all__ = ["TreeDesign", "column_order", "make_tree", "patch_places"]

# Fewest rows that show both of two columns for their correlation to count.
FEW = 10


@dataclass(frozen=True)
class TreeDesign:
    """Sizes of a tree of mixtures.

    Parameters
    ----------
    n_members, n_components : int
        M, and the components of a leaf.
    channels : sequence of int
        Channels of the nodes, level by level above the leaves; the last counts for all further
        levels.
    patch : int
        Height and width of a patch.
    tied : bool
        Whether patches share components, and the nodes above them weights.
    """

    n_members: int
    n_components: int
    channels: Sequence[int]
    patch: int
    tied: bool


def make_tree(
    design: TreeDesign,
    spec: DataSpec,
    units: Units,
    floor: np.ndarray,
    repeats: Repeats,
    order: Sequence[int],
    generator: torch.Generator,
) -> TreeModel:
    """Build leaves and tree; the components at the leaves are all the same.

    Parameters
    ----------
    design : TreeDesign
        Sizes.
    spec, units
        Columns and their units.
    floor : array of shape (p,)
        Smallest noise scale of each numeric column, in model units.
    repeats : Repeats
        Columns that get probabilities for values that come back.
    order : sequence of int
        The columns in the order of leaves; not used for images.
    generator : torch.Generator
        For the initial weights of the tree.
    """
    if spec.shape is not None:
        leaves, groups = _patches(design, spec, float(floor[0]))
    else:
        leaves = _columns(design, spec, units, floor, repeats, order)
        groups = pairs_of(spec.n_columns)
    channels = [*design.channels, *[design.channels[-1]] * len(groups)][: len(groups)]
    sizes = (design.n_members, leaves.n_leaves, leaves.n_components)
    tied = design.tied and spec.shape is not None
    return TreeModel(leaves, MixtureTree(*sizes, groups, channels, generator, tied=tied))


def _patches(design: TreeDesign, spec: DataSpec, floor: float) -> tuple[Leaves, list[int]]:
    assert spec.shape is not None
    place, groups = patch_places(spec.shape, design.patch)
    sizes = (design.n_members, design.n_components)
    return PatchLeaves(place, *sizes, floor, tied=design.tied), groups


def _columns(
    design: TreeDesign,
    spec: DataSpec,
    units: Units,
    floor: np.ndarray,
    repeats: Repeats,
    order: Sequence[int],
) -> ColumnLeaves:
    # Components know no order of categories: mixed, they give any probabilities.
    plain = replace(
        spec,
        columns=tuple(replace(c, kind="nominal") if c.categorical else c for c in spec.columns),
    )
    latent = Design(n_latent=1, n_members=design.n_members, noise="row")
    floors = torch.as_tensor(floor, dtype=torch.float32)
    heads = make_heads(latent, plain, units, floors, repeats)
    return ColumnLeaves(plain, heads, design.n_members, design.n_components, order)


def pairs_of(n_leaves: int) -> list[int]:
    """Sizes of groups, level by level, when nodes are paired until one is left.

    Examples
    --------
    >>> pairs_of(5), pairs_of(1)
    ([2, 2, 2], [])
    """
    return [2] * (n_leaves - 1).bit_length()


def patch_places(shape: tuple[int, int, int], size: int) -> tuple[Tensor, list[int]]:
    """Pixels of the patches of an image, patch by patch, neighbours together at every scale.

    Parameters
    ----------
    shape : tuple of int
        Channels, height and width.
    size : int
        Height and width of a patch. The image lies in the middle of a grid of patches whose
        sides are powers of two.

    Returns
    -------
    place : Tensor of long of shape (G, D)
        Pixels of each patch with all their channels; -1 beyond the edge.
    groups : list of int
        Patches, then nodes, of one parent.

    Examples
    --------
    >>> place, groups = patch_places((1, 2, 3), 2)
    >>> place.tolist(), groups
    ([[0, 1, 3, 4], [2, -1, 5, -1]], [2])
    """
    channels, *sides = shape
    height, width = (1 << (-(-side // size) - 1).bit_length() for side in sides)
    grid = torch.full((channels, height * size, width * size), -1)
    top, left = (height * size - sides[0]) // 2, (width * size - sides[1]) // 2
    pixels = torch.arange(channels * sides[0] * sides[1]).view(shape)
    grid[:, top : top + sides[0], left : left + sides[1]] = pixels
    patches = grid.view(channels, height, size, width, size).permute(1, 3, 0, 2, 4)
    order, groups = grid_order(height, width)
    return patches.reshape(height * width, -1)[order], groups


def column_order(spec: DataSpec, values: np.ndarray) -> list[int]:
    """The columns in an order in which those that say most of each other are neighbours.

    Parameters
    ----------
    spec : DataSpec
        The p columns.
    values : array of shape (n, p)
        Model units, NaN where missing.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(50, 2))
    >>> column_order(DataSpec.continuous(4), x[:, [0, 1, 0, 1]])
    [0, 2, 1, 3]
    """
    seen = ~np.isnan(values)
    expand = Features(spec)
    features = expand(torch.from_numpy(np.where(seen, values, 0.0))).numpy()
    shown = expand.mask(torch.from_numpy(seen)).numpy().astype(float)
    count = shown.sum(0).clip(1)
    center = (features * shown).sum(0) / count
    apart = (features - center) * shown
    apart /= np.sqrt((apart**2).sum(0) / count).clip(1e-12)
    together = shown.T @ shown
    correlation = np.abs(apart.T @ apart) / together.clip(1)
    correlation[together < FEW] = 0.0
    starts = spec.offsets[:-1]
    widest = np.maximum.reduceat(np.maximum.reduceat(correlation, starts, 0), starts, 1)
    return pair_order(widest)
