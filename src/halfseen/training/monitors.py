"""Scores on data that training does not see: what "best" and "early" mean."""

from __future__ import annotations

import torch
from torch import Tensor

from halfseen.core.batch import Batch
from halfseen.core.noise import Noise, new_generator
from halfseen.objectives.importance import importance_bound
from halfseen.terms.latent import LatentModel

__all__ = ["held_out_bound", "held_out_cells"]


@torch.no_grad()
def held_out_cells(
    model: LatentModel, batch: Batch, hidden: Tensor, n_importance: int, seed: int, members: int
) -> Tensor:
    """Mean log-probability of hidden cells given the rest of their rows.

    Parameters
    ----------
    batch : Batch
        Rows whose mask ``s`` leaves the hidden cells out, while ``x`` holds their values.
    hidden : Tensor of shape (B, p) or (M, 1, B, p)
        The cells to predict.

    Returns
    -------
    Tensor of shape (M,)
    """
    noise = Noise(new_generator(seed, 2, batch.x.device), (members, n_importance, 1))
    weighted = model(batch, noise)
    log_w = torch.log_softmax(weighted.log_w, 1)
    cells = weighted.completion.laws.cell_log_prob(batch.x)
    predictive = torch.logsumexp(log_w[..., None] + cells, 1)
    mask = hidden if hidden.dim() == 2 else hidden[:, 0]
    score = torch.where(mask > 0, predictive, torch.zeros_like(predictive)).sum((1, 2))
    return score / mask.expand_as(predictive).sum((1, 2)).clamp_min(1.0)


@torch.no_grad()
def held_out_bound(
    model: LatentModel, batch: Batch, n_importance: int, seed: int, members: int
) -> Tensor:
    """Mean importance-weighted bound of rows that training does not see, shape (M,)."""
    noise = Noise(new_generator(seed, 2, batch.x.device), (members, n_importance, 1))
    return importance_bound(model(model.whole(batch), noise).log_w).mean(-1)
