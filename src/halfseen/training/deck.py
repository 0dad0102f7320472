"""Rows in batches: one shuffled pass after the other, from where it stopped if need be."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["Deck"]


class Deck:
    """Deals rows in batches of one size; each pass has every row at most once.

    Parameters
    ----------
    rows : Tensor of shape (n,)
        Indices of the rows that are dealt.
    batch_size : int
        Rows of a batch, or all of them if they are fewer.
    generator : torch.Generator
        Shuffles the rows, and is the source of whatever else a step draws.

    Attributes
    ----------
    n_dealt : int
        Batches so far.

    Examples
    --------
    >>> deck = Deck(torch.arange(4), 2, torch.Generator().manual_seed(0))
    >>> sorted(torch.cat([deck.deal(), deck.deal()]).tolist())
    [0, 1, 2, 3]
    """

    def __init__(self, rows: Tensor, batch_size: int, generator: torch.Generator) -> None:
        self.rows, self.generator = rows, generator
        self.batch_size = min(batch_size, len(rows))
        self.left = rows[:0]
        self.n_dealt = 0

    def __len__(self) -> int:
        return len(self.rows)

    def deal(self) -> Tensor:
        """Indices of the next batch; what a pass leaves over is shuffled in again."""
        if len(self.left) < self.batch_size:
            n, device = len(self.rows), self.rows.device
            self.left = self.rows[torch.randperm(n, generator=self.generator, device=device)]
        batch, self.left = self.left[: self.batch_size], self.left[self.batch_size :]
        self.n_dealt += 1
        return batch

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that the batches to come depend on."""
        return {
            "left": self.left,
            "n_dealt": torch.tensor(self.n_dealt),
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a :meth:`state_dict`."""
        self.left = state["left"].to(self.rows.device)
        self.n_dealt = int(state["n_dealt"])
        self.generator.set_state(state["generator"])
