"""Fully connected networks that say the law of a row's cells from those that are shown.

A network reads some parts of a row, each of F numbers, and answers ``n_raw`` numbers per cell,
which a head turns into mean, factors and noise, and one logit for each of C components.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from halfseen.nn.stacked import StackedLinear, StackedMLP

__all__ = ["ConditionalMLP", "ConditionalNetwork", "RawShape"]


@dataclass(frozen=True)
class RawShape:
    """What a network answers about a row.

    Parameters
    ----------
    n_components : int
        Gaussians C.
    n_raw : int
        Numbers per cell and component.
    n_features : int
        Cells F.
    """

    n_components: int
    n_raw: int
    n_features: int

    @property
    def size(self) -> int:
        """Numbers in one answer, the logits of components left out."""
        return self.n_components * self.n_raw * self.n_features

    def split(self, raw: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Raw numbers (M, B, size) as (M, B, C, n_raw, F), and the logits."""
        grid = (self.n_components, self.n_raw, self.n_features)
        return raw.reshape(*raw.shape[:-1], *grid), logits


class ConditionalNetwork(nn.Module, ABC):
    """Base of the networks that answer raw numbers about every cell of a row.

    Attributes
    ----------
    shape : RawShape
        What they answer.
    """

    shape: RawShape

    @abstractmethod
    def forward(self, parts: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Raw numbers (M, B, C, n_raw, F) and logits (M, B, C) from parts (M, B, F)."""


class ConditionalMLP(ConditionalNetwork):
    """A multilayer perceptron per member, whose last hidden layer gives all raw numbers.

    Parameters
    ----------
    n_members, n_parts : int
        M, and how many parts of F numbers a row has: the cells, their mask, and so on.
    shape : RawShape
        What comes out.
    hidden : sequence of int
        Widths of the hidden layers.
    generator : torch.Generator
        For the initial values.
    activation : str, default="silu"
        One of ``ACTIVATIONS``.
    dropout : float, default=0
        Share of hidden units that are left out while training.

    Examples
    --------
    >>> shape = RawShape(n_components=1, n_raw=4, n_features=5)
    >>> network = ConditionalMLP(3, 2, shape, (16, 16), torch.Generator().manual_seed(0))
    >>> raw, logits = network([torch.zeros(3, 7, 5), torch.ones(3, 7, 5)])
    >>> raw.shape, logits.shape
    (torch.Size([3, 7, 1, 4, 5]), torch.Size([3, 7, 1]))
    """

    def __init__(
        self,
        n_members: int,
        n_parts: int,
        shape: RawShape,
        hidden: Sequence[int],
        generator: torch.Generator,
        *,
        activation: str = "silu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.body = StackedMLP(
            n_members,
            n_parts * shape.n_features,
            hidden,
            generator,
            activation=activation,
            residual=True,
            dropout=dropout,
        )
        self.out = StackedLinear(n_members, self.body.n_out, shape.size, generator)
        self.logits = StackedLinear(n_members, self.body.n_out, shape.n_components, generator)

    def forward(self, parts: list[Tensor]) -> tuple[Tensor, Tensor]:
        """See :class:`ConditionalNetwork`."""
        h = self.body(torch.cat(parts, -1))
        return self.shape.split(self.out(h), self.logits(h))
