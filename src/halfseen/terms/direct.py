"""A head straight behind an input layer: no latent variable, no completions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from halfseen.core.batch import Batch
from halfseen.terms.label import LabelLaw, beside

__all__ = ["DirectModel"]


class DirectModel(nn.Module):
    """log p(y | x_obs, s) of a network behind an input layer for incomplete rows.

    Parameters
    ----------
    inputs : Module
        Cells and mask (B, p) to vectors (M, 1, B, n).
    network : Module
        The head: (M, 1, B, n) to (M, 1, B, n_raw).
    law : LabelLaw
        What its outputs mean.
    """

    def __init__(self, inputs: nn.Module, network: nn.Module, law: LabelLaw) -> None:
        super().__init__()
        self.inputs, self.network, self.law = inputs, network, law

    def forward(self, batch: Batch) -> Tensor:
        """Raw outputs (M, 1, B, n_raw)."""
        return self.network(beside(self.inputs(batch.x, batch.shown), batch.extra))

    def log_label(self, batch: Batch) -> Tensor:
        """Log p(y | x_obs, s) of labelled rows, as often as they count: shape (M, B)."""
        assert batch.y is not None
        assert batch.labelled is not None
        log_p = self.law.log_prob(self(batch), batch.y)[:, 0] * self.law.count(batch.y)
        return torch.where(batch.labelled > 0, log_p, torch.zeros_like(log_p))

    def answer(self, batch: Batch) -> Tensor:
        """What the law says of each row, shape (M, B, n_answers)."""
        return self.law.answer(self(batch))[:, 0]
