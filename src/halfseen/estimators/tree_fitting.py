"""Train a tree of mixtures by the exact likelihood of the cells that are seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from halfseen.core.batch import Batch, Rows
from halfseen.core.memory import floats_at_once
from halfseen.core.noise import new_generator
from halfseen.terms.tree_model import TreeModel
from halfseen.training.deck import Deck
from halfseen.training.loop import History, Phase, TrainConfig, Watcher, train

__all__ = ["CHUNK_FLOATS", "TreeFit", "row_parts"]

# Floats of one activation, by which rows are answered in parts; and rows of the monitor.
CHUNK_FLOATS, MONITOR_ROWS = 2**22, 2000
# Fewest rows of which some are held out.
ENOUGH = 50


def row_parts(rows: Rows, width: int) -> Iterator[Batch]:
    """The rows in batches whose activations of ``width`` floats a row stay small."""
    size = max(1, floats_at_once(CHUNK_FLOATS) // width)
    for start in range(0, len(rows), size):
        yield rows.take(slice(start, start + size))


@dataclass
class TreeFit:
    """Everything that one fit of a tree of mixtures needs.

    Parameters
    ----------
    model : TreeModel
        With ``n_members`` members.
    rows : Rows
        The table on the device.
    n_members, batch_size : int
        M and B.
    validation_fraction : float
        Share of the rows that training does not see; their likelihood is the monitor.
    train_components : bool
        Whether the laws at the leaves move, or the weights of the tree alone.
    beta2 : float
        Decay of Adam's second moment.
    seed : int
        Of batches and of held-out rows.
    """

    model: TreeModel
    rows: Rows
    n_members: int
    batch_size: int
    validation_fraction: float
    train_components: bool
    beta2: float
    seed: int

    def run(self, config: TrainConfig, watcher: Watcher) -> History:
        """Train, and restore the best state."""
        n, device = len(self.rows), self.rows.x.device
        generator = new_generator(self.seed, 3, device)
        order = torch.randperm(n, generator=generator, device=device)
        n_held = round(self.validation_fraction * n) if n >= ENOUGH else 0
        self.held = order[:n_held][:MONITOR_ROWS]
        self.deck = Deck(order[n_held:], self.batch_size, generator)
        phase = Phase("model", self._parameters(), self._loss, betas=(0.9, self.beta2))
        monitor = self._monitor if n_held else None
        return train(self.model, [phase], config, monitor, self.n_members, watcher, [self.deck])

    def _parameters(self) -> list[nn.Parameter]:
        learns = self.model if self.train_components else self.model.tree
        return list(learns.parameters())

    def _loss(self) -> dict[str, Tensor]:
        """Minus the mean log-likelihood of a batch, summed over members."""
        return {"likelihood": -self.model(self.rows.take(self.deck.deal())).mean(-1).sum()}

    @torch.no_grad()
    def _monitor(self) -> Tensor:
        """Mean log-likelihood of held-out rows under each member, (M,)."""
        parts = row_parts(self.rows.part(self.held), self.model.width)
        return torch.cat([self.model(batch) for batch in parts], -1).mean(-1)
