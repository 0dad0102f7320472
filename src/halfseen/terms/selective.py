"""The selective proposal: each modality's latent comes from itself, or from what else is seen.

Equation 4 of "Learning from Partially-Observed Multimodal Data with Variational Autoencoders"
(VSAE): q(z_i | x, m) is q(z_i | x_i) where modality i is seen, and q(z_i | x_obs, m) elsewhere.
"""

from __future__ import annotations

import torch
from torch import nn

from halfseen.core.batch import Batch
from halfseen.nn.unimodal import BlockMask, UnimodalEncoders
from halfseen.terms.proposal import GaussianProposal, ProposalLaw

__all__ = ["SelectiveProposal"]


class SelectiveProposal(nn.Module):
    """One latent per modality, by the modality's own encoder or by one for all that is seen.

    Parameters
    ----------
    unimodal : UnimodalEncoders
        With 2 c outputs per modality: means, then log variances.
    multimodal : GaussianProposal
        Of the G c latents of all modalities.
    seen : BlockMask
        Which modalities are seen.
    """

    def __init__(
        self, unimodal: UnimodalEncoders, multimodal: GaussianProposal, seen: BlockMask
    ) -> None:
        super().__init__()
        self.unimodal, self.multimodal, self.seen = unimodal, multimodal, seen

    def forward(self, batch: Batch) -> ProposalLaw:
        """The proposal (M, 1, B, G c) of every row."""
        mean, raw = self.unimodal(batch.x, batch.shown).chunk(2, -1)
        rest = self.multimodal(batch)
        seen = self.seen(batch.shown)[..., None] > 0
        scale = 0.5 * raw.clamp(-10.0, 10.0)
        return ProposalLaw(
            torch.where(seen, mean, rest.mean.view_as(mean)).flatten(-2),
            torch.where(seen, scale, rest.log_scale.view_as(scale)).flatten(-2),
        )
