"""The mask term p(m | z): which cells, or which modalities, are seen, decoded from z."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from halfseen.core.batch import Batch
from halfseen.core.noise import Noise
from halfseen.nn.unimodal import BlockMask
from halfseen.terms.completion import Completion, Term

__all__ = ["MaskTerm"]


class MaskTerm(Term):
    """Independent Bernoulli masks given z, per cell or per modality.

    Parameters
    ----------
    network : Module
        From z (M, K, B, d) to logits (M, K, B, G), or (M, K, B, p) without ``blocks``.
    blocks : BlockMask or None
        Given where modalities are seen or absent as a whole.
    """

    def __init__(self, network: nn.Module, blocks: BlockMask | None) -> None:
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
