"""A density of rows with holes: leaves under a tree of mixtures, and members beside each other."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from halfseen.core.batch import Batch
from halfseen.core.noise import Noise
from halfseen.core.units import Units
from halfseen.nn.mixture_tree import MixtureTree
from halfseen.terms.leaves import Leaves

__all__ = ["TreeModel"]


class TreeModel(nn.Module):
    """Exact densities, means and draws of rows given whatever is seen of them.

    Members are one more mixture, with equal weights: a row counts each of them by how well it
    explains what is seen.

    Parameters
    ----------
    leaves : Leaves
        Laws of cells given a component.
    tree : MixtureTree
        Law of the components.
    """

    def __init__(self, leaves: Leaves, tree: MixtureTree) -> None:
        super().__init__()
        self.leaves, self.tree = leaves, tree

    @property
    def width(self) -> int:
        """Numbers in the largest activation of one row, over all members."""
        return max(self.leaves.width, self.tree.width)

    def forward(self, batch: Batch) -> Tensor:
        """Log-density of the seen cells under each member, (M, B)."""
        return self.tree(self.leaves(batch.x, batch.s))

    def log_prob(self, batch: Batch) -> Tensor:
        """Log-density of the seen cells, (B,); 0 where nothing is seen."""
        log_p = self(batch)
        return torch.logsumexp(log_p, 0) - math.log(len(log_p))

    def mean(self, batch: Batch, units: Units) -> Tensor:
        """Mean features given the seen cells (B, F), in the units of ``Units.natural``."""
        log_p, chances = self.tree.posterior(self.leaves(batch.x, batch.s))
        means = self.leaves.mean(chances, units)
        return (torch.softmax(log_p, 0)[..., None] * means).sum(0)

    def draw(self, batch: Batch, noise: Noise) -> Tensor:
        """Cells given the seen ones (R, B, p), in model units; those seen are drawn anew.

        Parameters
        ----------
        batch : Batch
            Rows.
        noise : Noise
            Of shape (1, R, B).
        """
        return self.leaves.draw(*self._components(batch, noise), noise)

    def centers(self, batch: Batch, noise: Noise, units: Units) -> Tensor:
        """As :meth:`draw`, with the means of the components that are drawn.

        Features (R, B, F) in the units of ``Units.natural``.
        """
        return self.leaves.centers(*self._components(batch, noise), units)

    def _components(self, batch: Batch, noise: Noise) -> tuple[Tensor, Tensor]:
        return self.tree.draw(self.leaves(batch.x, batch.s), noise)
