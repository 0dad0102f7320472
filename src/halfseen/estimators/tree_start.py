"""Where the training of a tree of mixtures begins: components, and channels of its nodes.

A tree that starts anywhere learns slowly which channels belong together. Clusters of rows, node
by node, say it at once: the weights of a level start at how often the clusters of a node meet
those of its children.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from halfseen.core.batch import Rows
from halfseen.core.clusters import nearest, seen_clusters
from halfseen.nn.mixture_tree import MixingLevel
from halfseen.terms.leaves import ColumnLeaves, Leaves, PatchLeaves
from halfseen.terms.observation import AtomHead, CategoricalHead, GridHead, Head
from halfseen.terms.tree_model import TreeModel

__all__ = ["start_leaves", "start_tree"]

# Rows, and patches of images, that are clustered.
MOST_ROWS, MOST_PATCHES, FLOATS = 4096, 2**15, 2**25
# Rows' worth of the weights that children have whatever their parent is.
EVENNESS = 1.0
# Initial scale of numbers, and the share of a component's category that is its own.
SPREAD, OWN = 0.5, 0.5


def some_rows(model: TreeModel, rows: Rows, generator: torch.Generator) -> Rows:
    """Rows at random, as many as can be clustered at once."""
    most = max(256, min(MOST_ROWS, FLOATS // model.width))
    return rows.part(_permutation(len(rows), generator)[:most])


@torch.no_grad()
def start_leaves(leaves: Leaves, rows: Rows, generator: torch.Generator) -> None:
    """Components at quantiles of columns, or at clusters of patches.

    Parameters
    ----------
    leaves : Leaves
        Their parameters are changed.
    rows : Rows
        In model units.
    generator : torch.Generator
        On the device of the rows.
    """
    if isinstance(leaves, PatchLeaves):
        for mu, raw_scale in zip(leaves.mu, leaves.raw_scale, strict=True):
            mean, scale = _patch_components(leaves, rows, generator)
            mu.copy_(mean)
            raw_scale.copy_(torch.log(torch.expm1((scale - leaves.floor).clamp_min(1e-2))))
        return
    assert isinstance(leaves, ColumnLeaves)
    for member in leaves.raw[:, :, 0]:
        parts = [_raw_start(head, rows, leaves.n_components, generator) for head in leaves.heads]
        member.copy_(torch.cat(parts, -1))


def _raw_start(
    head: Head | torch.nn.Module, rows: Rows, n_components: int, generator: torch.Generator
) -> Tensor:
    """Raw outputs (C, n_raw) of a head: each component near a quantile of what is seen."""
    assert isinstance(head, Head)
    u = torch.rand(n_components, len(head.columns), generator=generator, device=rows.x.device)
    place = (torch.arange(n_components, device=u.device)[:, None] + u) / n_components
    values = torch.empty_like(u)
    for i, j in enumerate(head.columns):
        seen = rows.x[rows.s[:, j] > 0, j].sort().values
        if len(seen):
            values[:, i] = seen[(place[:, i] * len(seen)).long().clamp(max=len(seen) - 1)]
    if isinstance(head, (CategoricalHead, GridHead)):
        return _category_start(head, rows, values)
    scale = torch.full_like(values, SPREAD).expm1().log()
    if isinstance(head, AtomHead):
        at_atom = torch.where((values - head.atom).abs() < 1e-5, 1.0, -1.0)
        return torch.cat([values, scale, at_atom], -1)
    return torch.cat([values, scale], -1)


def _category_start(head: CategoricalHead | GridHead, rows: Rows, values: Tensor) -> Tensor:
    """Log-probabilities (C, n_raw): a share for a category of the component's own."""
    parts = []
    for i, j in enumerate(head.columns):
        if isinstance(head, GridHead):
            levels = head.values[i, torch.isfinite(head.padding[i])]
        else:
            levels = torch.arange(int(torch.isfinite(head.padding[i]).sum()), device=values.device)
        hits = (rows.x[:, j, None] - levels).abs().argmin(-1)
        count = functional.one_hot(hits, len(levels)).to(values) * rows.s[:, j, None]
        common = (count.sum(0) + 1) / (count.sum() + len(levels))
        own = functional.one_hot((values[:, i, None] - levels).abs().argmin(-1), len(levels))
        parts.append(torch.log((1 - OWN) * common + OWN * own))
    return torch.cat(parts, -1)


def _patch_components(
    leaves: PatchLeaves, rows: Rows, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Means and scales (G or 1, D, C) of clusters of patches."""
    x, s = leaves.cells(rows.x, rows.s)
    if leaves.mu.shape[1] == 1:
        shown = torch.nonzero(s.flatten(0, 1).amax(-1))[:, 0]
        some = shown[_permutation(len(shown), generator)[:MOST_PATCHES]]
        x, s = x.flatten(0, 1)[None, some], s.flatten(0, 1)[None, some]
    centers = seen_clusters(x, s, leaves.n_components, generator)
    member = functional.one_hot(nearest(x, s, centers), leaves.n_components).to(x).transpose(1, 2)
    near = centers.gather(1, nearest(x, s, centers)[..., None].expand_as(x))
    square = s * (x - near) ** 2
    # A component counts the spread of all patches as some patches more.
    typical = square.sum(1, keepdim=True) / s.sum(1, keepdim=True).clamp_min(1.0)
    total, count = torch.matmul(member, square), torch.matmul(member, s)
    variance = (total + EVENNESS * typical) / (count + EVENNESS)
    return centers.transpose(1, 2), variance.sqrt().transpose(1, 2)


@torch.no_grad()
def start_tree(model: TreeModel, rows: Rows, generator: torch.Generator) -> None:
    """Weights of every level from clusters of its nodes and of their children.

    Parameters
    ----------
    model : TreeModel
        With leaves that have begun; the weights of its tree are changed.
    rows : Rows
        In model units.
    generator : torch.Generator
        On the device of the rows.
    """
    some = some_rows(model, rows, generator)
    x, s = model.leaves.cells(some.x, some.s)
    for member, log_p in enumerate(model.leaves(some.x, some.s)):
        state = torch.softmax(log_p, -1) * s.amax(-1, keepdim=True), x, s
        for level in model.tree.levels:
            assert isinstance(level, MixingLevel)
            state = _start_level(level, member, *state, generator)


def _start_level(
    level: MixingLevel,
    member: int,
    chances: Tensor,
    x: Tensor,
    s: Tensor,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Set the weights of a level; from children's channels and cells to those of parents.

    ``chances`` (G, n, C) are 0 where a child is not seen, ``x`` and ``s`` are (G, n, D).
    """
    logits = level.logits[member]
    tied, n_out = len(logits) < level.n_parents, logits.shape[-2]
    chances, x, s = (level.grouped(part) for part in (chances, x, s))
    x, s = (part.transpose(1, 2).flatten(2) for part in (x, s))
    parents = functional.one_hot(_clusters(x, s, n_out, generator, tied=tied), n_out).to(x)
    parents = parents * s.amax(-1, keepdim=True)
    counts = torch.matmul(parents.transpose(1, 2)[:, None], chances)
    total = chances.sum(2, keepdim=True) + 1.0 / chances.shape[-1]
    if tied:
        counts, total = counts.sum(0, keepdim=True), total.sum(0, keepdim=True)
    weights = counts + EVENNESS * total / total.sum(-1, keepdim=True)
    # Clusters without rows must not stay equal for ever.
    noise = torch.randn(weights.shape, generator=generator, device=weights.device)
    logits.copy_(torch.log(weights / weights.sum(-1, keepdim=True)) + 0.01 * noise)
    return parents, x, s


def _clusters(
    x: Tensor, s: Tensor, n_clusters: int, generator: torch.Generator, *, tied: bool
) -> Tensor:
    """Clusters (H, n) of nodes (H, n, D), which nodes share if they are tied."""
    if n_clusters == 1:
        return torch.zeros(x.shape[:2], dtype=torch.long, device=x.device)
    if not tied:
        return nearest(x, s, seen_clusters(x, s, n_clusters, generator))
    shown = torch.nonzero(s.flatten(0, 1).amax(-1))[:, 0]
    some = shown[_permutation(len(shown), generator)[:MOST_PATCHES]]
    every = x.flatten(0, 1)[None, some], s.flatten(0, 1)[None, some]
    return nearest(x, s, seen_clusters(*every, n_clusters, generator))


def _permutation(n: int, generator: torch.Generator) -> Tensor:
    return torch.randperm(n, generator=generator, device=generator.device)
