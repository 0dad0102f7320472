"""Batches and noise for adversarial models, from a table that lies on the device."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from halfseen.core.noise import Noise
from halfseen.training.deck import Deck

__all__ = ["Dealer", "Held"]


@dataclass
class Dealer:
    """Deals incomplete rows, masks and noise.

    Parameters
    ----------
    x : Tensor of shape (n, F)
        Features, 0 where missing.
    masks : Tensor of shape (n, U)
        Which mask units are observed.
    batch_size, n_members : int
        B and M.
    generator : torch.Generator
        Source of everything that is dealt.
    """

    x: Tensor
    masks: Tensor
    batch_size: int
    n_members: int
    generator: torch.Generator
    deck: Deck = field(init=False)

    def __post_init__(self) -> None:
        every = torch.arange(len(self.masks), device=self.masks.device)
        self.deck = Deck(every, self.batch_size, self.generator)
        self.batch_size = self.deck.batch_size

    def rows(self) -> tuple[Tensor, Tensor]:
        """The next rows (B, F) and their masks (B, U): permutations, one after the other."""
        index = self.deck.deal()
        # Several times faster than self.x[index].
        return self.x.index_select(0, index), self.masks.index_select(0, index)

    def some_masks(self) -> Tensor:
        """Masks (B, U) of rows at random."""
        at = torch.randint(
            len(self.masks), (self.batch_size,), generator=self.generator, device=self.masks.device
        )
        return self.masks[at]

    def noise(self) -> Noise:
        """A source of noise of shape (M, B, ...)."""
        return Noise(self.generator, (self.n_members, self.batch_size))


@dataclass(frozen=True)
class Held:
    """Rows that training does not see, by which it is watched.

    Parameters
    ----------
    x : Tensor of shape (h, F)
        Features, 0 where missing.
    masks : Tensor of shape (h, U)
        What was observed.
    shown : Tensor of shape (h, U)
        Less than that: what a completion is made from.
    """

    x: Tensor
    masks: Tensor
    shown: Tensor

    @classmethod
    def from_rows(cls, x: Tensor, masks: Tensor, generator: torch.Generator) -> Held:
        """Hide what the mask of another row hides, or half of the cells where that is none."""
        at = torch.randperm(len(masks), generator=generator, device=masks.device)
        other = masks[at]
        coins = torch.rand(masks.shape, generator=generator, device=masks.device)
        hides = ((1 - other) * masks).sum(1, keepdim=True) > 0
        return cls(x, masks, masks * torch.where(hides, other, (coins < 0.5).to(masks.dtype)))
