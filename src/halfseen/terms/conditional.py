"""Arbitrary conditioning: a prior that has seen some cells, a proposal that has seen more.

Ivanov, Figurnov and Vetrov, "Variational Autoencoder with Arbitrary Conditioning" (ICLR 2019):
p(x_hidden | x_shown) with prior p(z | x_shown), proposal q(z | x_shown, x_hidden) and decoder
p(x_hidden | z, x_shown). Where nothing is hidden there is nothing to infer: q is the prior.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from halfseen.core.batch import Batch
from halfseen.terms.proposal import GaussianProposal, ProposalLaw

__all__ = ["MaskedProposal", "SeenEncoder"]


class SeenEncoder(GaussianProposal):
    """An encoder that reads all seen cells, and which of them are shown to the prior."""

    def row(self, batch: Batch) -> Tensor:
        """What the encoder reads, shape (M, 1, B, inputs.n_out)."""
        both = self.inputs(batch.x, batch.s.expand_as(batch.shown))
        shown = batch.shown.expand(both.shape[0], 1, *batch.shown.shape[-2:])
        return torch.cat([both, shown], -1)


class MaskedProposal(nn.Module):
    """q(z | x, hidden), which is the prior in rows that hide nothing.

    Parameters
    ----------
    prior : GaussianProposal
        p(z | x_shown). It belongs to the model, which holds it as its prior.
    encoder : SeenEncoder
        q(z | x_seen, shown).
    """

    def __init__(self, prior: nn.Module, encoder: nn.Module) -> None:
        super().__init__()
        # In a tuple, so that the prior's parameters are not counted twice.
        self.prior, self.encoder = (prior,), encoder

    def forward(self, batch: Batch) -> ProposalLaw:
        """The proposal (M, 1, B, d) of every row."""
        prior: ProposalLaw = self.prior[0](batch)
        hides = (batch.s - batch.shown).any(-1, keepdim=True)
        if not hides.any():
            return prior
        law = self.encoder(batch)
        return ProposalLaw(
            torch.where(hides, law.mean, prior.mean),
            torch.where(hides, law.log_scale, prior.log_scale),
        )
