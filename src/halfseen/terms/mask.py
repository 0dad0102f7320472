"""The mask term p(m | z): which cells, or which modalities, are seen, decoded from z."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from halfseen.core.batch import Batch
from halfseen.core.noise import Noise
from halfseen.nn.stacked import StackedNetwork
from halfseen.nn.unimodal import BlockMask
from halfseen.terms.completion import Completion, Term

__all__ = ["MaskTerm"]

# Ends of the shift of a logit, and halvings of what is between them.
FARTHEST, HALVINGS = 40.0, 40


class MaskTerm(Term):
    """Independent Bernoulli masks given z, per cell or per modality.

    Parameters
    ----------
    network : StackedNetwork
        From z (M, K, B, d) to logits (M, K, B, G), or (M, K, B, p) without ``blocks``.
    blocks : BlockMask or None
        Given where modalities are seen or absent as a whole.
    """

    def __init__(self, network: StackedNetwork, blocks: BlockMask | None) -> None:
        super().__init__()
        self.network, self.blocks = network, blocks

    def forward(self, completion: Completion, batch: Batch) -> Tensor:
        """Log p(m | z), shape (M, K, B)."""
        seen = batch.s if self.blocks is None else self.blocks(batch.s)
        logits = self.network(completion.z)
        log_p = -functional.binary_cross_entropy_with_logits(
            logits, seen.expand_as(logits), reduction="none"
        )
        return log_p.sum(-1)

    def probabilities(self, z: Tensor) -> Tensor:
        """Probabilities that cells or modalities are seen, (M, K, B, G or p)."""
        return torch.sigmoid(self.network(z))

    def draw(self, z: Tensor, noise: Noise) -> Tensor:
        """Masks of cells (M, K, B, p) given z."""
        probability = self.probabilities(z)
        seen = (noise.uniform(probability.shape[-1]) < probability).to(z.dtype)
        return seen if self.blocks is None else self.blocks.cells(seen)

    @torch.no_grad()
    def match(self, rates: Tensor, z: Tensor) -> None:
        """Shift the last biases until the probabilities have given means.

        Parameters
        ----------
        rates : Tensor of shape (G,) or (p,)
            The means; biases of those that are 0 or 1 stay.
        z : Tensor of shape (M, 1, B, d)
            Latents, over which the means are taken.
        """
        logits = self.network(z)[:, 0]
        low = torch.full_like(logits[:, :1], -FARTHEST)
        high = -low
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            above = torch.sigmoid(logits + middle).mean(1, keepdim=True) > rates
            low, high = torch.where(above, low, middle), torch.where(above, middle, high)
        # What is always seen, or never, has no finite bias: it stays as it was learned.
        shift = torch.where((rates > 0) & (rates < 1), (low + high) / 2, 0.0)
        self.network.out.bias.add_(shift)
