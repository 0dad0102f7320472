"""Draws of cells from laws of features: numbers as they fall, one category of each column."""

from __future__ import annotations

import torch
from torch import Tensor

from halfseen.core.factor_mixture import LowRankMixture
from halfseen.core.features import Features
from halfseen.core.noise import Noise

__all__ = ["draw_cells"]

# Smallest chance of a category: what a Gaussian says of an indicator may be less than 0.
LEAST = 1e-6


@torch.no_grad()
def draw_cells(
    mixture: LowRankMixture, expand: Features, source: Noise, *, noise: bool = True
) -> Tensor:
    """Cells in model units.

    Given the factors cells are independent. What the law then says of the indicators of a
    category are its chances.

    Parameters
    ----------
    mixture : LowRankMixture
        Of the features of n rows.
    expand : Features
        From columns to features.
    source : Noise
        Of shape (1, R, n).
    noise : bool, default=True
        Whether cells are drawn given the factors, or are the most probable ones.

    Returns
    -------
    Tensor of shape (R, n, p)
    """
    own = mixture.pick(source).map(lambda part: part[0])
    z = source.normal(own.rank)[0].to(own.mean)
    cells = own.mean + (own.factor @ z[..., None])[..., 0]
    if not noise:
        return expand.contract(cells)
    n_features = cells.shape[-1]
    step = own.variance.sqrt() * source.normal(n_features)[0].to(cells)
    if not len(expand.categorical):
        return cells + step
    # The largest of log-chances with Gumbel noise is a draw.
    gumbel = -torch.log(-torch.log(source.uniform(n_features)[0].to(cells)))
    chances = cells.clamp_min(LEAST).log() + gumbel
    numeric = torch.zeros(n_features, dtype=torch.bool, device=cells.device)
    numeric[expand.numeric_at] = True
    return expand.contract(torch.where(numeric, cells + step, chances))
