"""A tree of mixtures and products over leaves, whose every marginal and conditional is exact.

Sharir, Tamari, Cohen and Shashua, "Tensorial mixture models" (2016): a convolutional arithmetic
circuit, in log space. Every node of the tree is a hidden choice among channels: given the
channel of a parent, that of each child is drawn by a mixing weight, independently of its
siblings. So a leaf that is not seen is summed out by a log-density of 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from halfseen.core.noise import Noise

__all__ = ["MixingLevel", "MixtureTree", "Upward", "grid_order"]

# Share of every mixing weight that is spread evenly: none is 0, and no logarithm infinite.
EVEN = 1e-6


def grid_order(height: int, width: int) -> tuple[list[int], list[int]]:
    """Order of the places of a grid in which neighbours follow each other at every scale.

    Parameters
    ----------
    height, width : int
        Powers of two.

    Returns
    -------
    order : list of int
        Places (row * width + column); any group of two by two, four by four and so on is a run.
    groups : list of int
        Sizes of the groups from one scale to the next: 4, or 2 where one side is 1 already.

    Examples
    --------
    >>> grid_order(2, 4)
    ([0, 1, 4, 5, 2, 3, 6, 7], [4, 2])
    """
    places = torch.arange(height * width).view(height, width, 1)
    groups = []
    while places.shape[0] * places.shape[1] > 1:
        h, w, _ = places.shape
        a, b = min(h, 2), min(w, 2)
        blocks = places.view(h // a, a, w // b, b, -1).transpose(1, 2)
        places = blocks.reshape(h // a, w // b, -1)
        groups.append(a * b)
    return places.flatten().tolist(), groups


class Upward(NamedTuple):
    """What a level saw on the way up; the way down needs it again.

    Parameters
    ----------
    scaled : Tensor of shape (M, H, a, B, C)
        Densities of the children's channels over the largest of them.
    mixed : Tensor of shape (M, H, a, B, K)
        Their mixtures, one per channel of the parent.
    """

    scaled: Tensor
    mixed: Tensor


class MixingLevel(nn.Module):
    """Mix the channels of every node, then multiply the nodes of a group: children to parents.

    Parameters
    ----------
    n_members, n_nodes : int
        M, and the children G.
    group : int
        Children a of one parent; the last parent's group is filled with nodes that are not seen.
    n_in, n_out : int
        Channels C of a child and K of a parent.
    generator : torch.Generator
        For the initial weights, which are uniform over all that sum to one.
    tied : bool, default=False
        Whether all parents share their weights; their children never do.

    Attributes
    ----------
    n_parents, width : int
        H, and the numbers in the largest activation of one row, over all members.
    """

    def __init__(
        self,
        n_members: int,
        n_nodes: int,
        group: int,
        n_in: int,
        n_out: int,
        generator: torch.Generator,
        *,
        tied: bool = False,
    ) -> None:
        super().__init__()
        self.group, self.n_parents = group, -(-n_nodes // group)
        self.n_missing = self.n_parents * group - n_nodes
        shape = (n_members, 1 if tied else self.n_parents, group, n_out, n_in)
        self.width = n_members * self.n_parents * group * max(n_in, n_out)
        u = torch.rand(shape, generator=generator, device=generator.device)
        # Exponential weights that are normalised follow the flat Dirichlet law.
        self.logits = nn.Parameter(torch.log(-torch.log(u.clamp(1e-6, 1 - 1e-6))))

    def weights(self) -> Tensor:
        """P(channel of the child | channel of the parent), (M, H or 1, a, K, C); sums to 1."""
        return torch.softmax(self.logits, -1) * (1 - EVEN) + EVEN / self.logits.shape[-1]

    def grouped(self, children: Tensor) -> Tensor:
        """Children (..., G, n, C) in groups (..., H, a, n, C), filled with zeros."""
        if self.n_missing:
            children = functional.pad(children, (0, 0, 0, 0, 0, self.n_missing))
        return children.unflatten(-3, (self.n_parents, self.group))

    def forward(self, log_p: Tensor) -> tuple[Tensor, Upward]:
        """Log-densities of children (M, G, B, C) to those of parents (M, H, B, K)."""
        children = self.grouped(log_p)
        # A constant for the gradient: it leaves and comes back.
        top = children.detach().amax(-1, keepdim=True)
        scaled = torch.exp(children - top)
        mixed = torch.matmul(scaled, self.weights().transpose(-1, -2))
        return (torch.log(mixed) + top).sum(2), Upward(scaled, mixed)

    def down(self, parents: Tensor, upward: Upward) -> Tensor:
        """Posterior of parents' channels (M, H, B, K) to that of children's (M, G, B, C)."""
        ratio = parents[:, :, None] / upward.mixed
        children = upward.scaled * torch.matmul(ratio, self.weights())
        return self._real(children.flatten(1, 2), 1)

    def draw(self, parents: Tensor, member: Tensor, upward: Upward, u: Tensor) -> Tensor:
        """Channels of parents (R, B, H) to those of children (R, B, G), drawn.

        ``member`` (R, B) says whose weights to take, ``u`` (R, B, H * a) is uniform noise.
        """
        members, n_parents, group, n_rows, n_channels = upward.scaled.shape
        weights = self.weights().expand(members, n_parents, -1, -1, -1).flatten(1, 2)
        node = torch.arange(n_parents * group, device=u.device)
        row = torch.arange(n_rows, device=u.device)[:, None]
        # (R, B, G, C): weights of the children given their parents, times what they saw.
        own = member[..., None]
        chances = weights[own, node, parents.repeat_interleave(group, -1)]
        chances *= upward.scaled.flatten(1, 2)[own, node, row]
        cumulative = chances.cumsum(-1)
        drawn = (u[..., None] * cumulative[..., -1:] > cumulative).sum(-1)
        return self._real(drawn.clamp(max=n_channels - 1), -1)

    def _real(self, children: Tensor, axis: int) -> Tensor:
        """The children without those that fill the last group."""
        return children.narrow(axis, 0, children.shape[axis] - self.n_missing)


class MixtureTree(nn.Module):
    r"""A density of leaves: mixtures of products of mixtures, up to one mixture at the root.

    .. math:: \log p^{(l+1)}_{h k} = \sum_{g \in h} \log \sum_c w^{(l)}_{g k c} \, p^{(l)}_{g c},
              \qquad \sum_c w^{(l)}_{g k c} = 1

    Parameters
    ----------
    n_members, n_leaves, n_components : int
        M, G and the channels C of a leaf.
    groups : sequence of int
        Children of one node, level by level; what is left is one node.
    channels : sequence of int
        Channels of the nodes above each level, as many as ``groups``.
    generator : torch.Generator
        For the initial weights.
    tied : bool, default=False
        Whether the nodes above the leaves share their weights, as a convolution does.

    Examples
    --------
    >>> tree = MixtureTree(1, 3, 5, (2, 2), (4, 4), torch.Generator().manual_seed(0))
    >>> tree(torch.zeros(1, 3, 7, 5)).abs().max() < 1e-5
    tensor(True)
    """

    def __init__(
        self,
        n_members: int,
        n_leaves: int,
        n_components: int,
        groups: Sequence[int],
        channels: Sequence[int],
        generator: torch.Generator,
        *,
        tied: bool = False,
    ) -> None:
        super().__init__()
        nodes, n_in = n_leaves, n_components
        self.levels = nn.ModuleList()
        for place, (group, n_out) in enumerate(zip((*groups, 1), (*channels, 1), strict=True)):
            first = tied and place == 0
            level = MixingLevel(n_members, nodes, group, n_in, n_out, generator, tied=first)
            self.levels.append(level)
            nodes, n_in = level.n_parents, n_out

    @property
    def width(self) -> int:
        """Numbers in the largest activation of one row, over all members."""
        levels: list[MixingLevel] = list(self.levels)  # type: ignore[arg-type]
        return max(level.width for level in levels)

    def forward(self, leaves: Tensor) -> Tensor:
        """Log-density (M, B) from those of the components at the leaves (M, G, B, C).

        A leaf that is not seen has zeros.
        """
        for level in self.levels:
            leaves, _ = level(leaves)
        return leaves[:, 0, :, 0]

    def posterior(self, leaves: Tensor) -> tuple[Tensor, Tensor]:
        """Log-density (M, B), and chances of components given all leaves (M, G, B, C)."""
        log_p, seen = self._upward(leaves)
        chances = torch.ones_like(log_p)
        for level, upward in zip(reversed(self.levels), reversed(seen), strict=True):
            chances = level.down(chances, upward)  # type: ignore[operator]
        return log_p[:, 0, :, 0], chances

    def draw(self, leaves: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        """Members (R, B) and components (R, B, G), drawn given all leaves.

        Members are drawn by how well they explain the leaves, as parts of one more mixture.

        Parameters
        ----------
        leaves : Tensor of shape (M, G, B, C)
            Zeros where a leaf is not seen: all zeros draw from the tree itself.
        noise : Noise
            Of shape (1, R, B).
        """
        log_p, seen = self._upward(leaves)
        cumulative = torch.softmax(log_p[:, 0, :, 0], 0).cumsum(0)
        member = (noise.uniform(1)[0, :, None, :, 0] > cumulative).sum(1)
        member = member.clamp(max=len(log_p) - 1)
        channel = torch.zeros_like(member)[..., None]
        for level, upward in zip(reversed(self.levels), reversed(seen), strict=True):
            u = noise.uniform(upward.scaled.shape[1] * upward.scaled.shape[2])[0]
            channel = level.draw(channel, member, upward, u)  # type: ignore[operator]
        return member, channel

    def _upward(self, leaves: Tensor) -> tuple[Tensor, list[Upward]]:
        """Log-density at the root (M, 1, B, 1), and what every level saw."""
        seen = []
        for level in self.levels:
            leaves, upward = level(leaves)
            seen.append(upward)
        return leaves, seen
