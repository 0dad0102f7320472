"""Where a mixture of factor analysers begins: at clusters of rows, or anywhere."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from halfseen.core.clusters import nearest, seen_clusters
from halfseen.core.factor_mixture import FactorMixture
from halfseen.core.low_rank_normal import LowRankNormal

__all__ = ["feature_moments", "start_mixture"]

# Rows by which clusters are found: as many for each number of a component, and at least these.
ROWS_EACH, ROWS = 10, 5000
# Share of the variance that factors have at first where they begin anywhere.
SHARE = 0.1


def feature_moments(x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance (F,) of what is seen of each feature; those of all where nothing is."""
    count = s.sum(0)
    mean = (x * s).sum(0) / count.clamp_min(1.0)
    variance = ((x - mean).square() * s).sum(0) / count.clamp_min(1.0)
    some = count > 0
    return mean, torch.where(some, variance, variance[some].mean() if some.any() else 1.0)


def start_mixture(
    x: Tensor,
    s: Tensor,
    n_components: int,
    rank: int,
    floor: Tensor,
    generator: torch.Generator,
    start: Literal["clusters", "random"] = "clusters",
) -> FactorMixture:
    """A mixture from which EM can go on.

    Parameters
    ----------
    x, s : Tensor of shape (n, F)
        Features, finite everywhere, and masks.
    n_components, rank : int
        C and l.
    floor : Tensor of shape (F,)
        Smallest variance of the noise.
    generator : torch.Generator
        Source of choices.
    start : {"clusters", "random"}
        Clusters of rows with their principal components, or rows drawn at random, all with the
        table's variances.
    """
    mean, variance = feature_moments(x, s)
    n_rows = max(ROWS, ROWS_EACH * (rank + 1) * n_components)
    some = torch.randperm(len(x), generator=generator, device=x.device)[:n_rows]
    x, s = x[some], s[some]
    filled = torch.where(s > 0, x, mean)
    if start == "random":
        weights = torch.full((n_components,), 1 / n_components, dtype=x.dtype, device=x.device)
        size = (n_components, x.shape[1], rank)
        step = torch.randn(size, generator=generator, dtype=x.dtype, device=x.device)
        factor = step * (SHARE * variance[:, None] / max(rank, 1)).sqrt()
        # Their order is random already; two components of one row would stay alike for ever.
        at = torch.arange(n_components, device=x.device) % len(x)
        spread = variance.expand(n_components, -1)
        law = LowRankNormal(filled[at], factor, torch.maximum(spread, floor))
        return FactorMixture(weights.log(), law)
    centers = seen_clusters(x[None], s[None], n_components, generator)
    own = nearest(x[None], s[None], centers)[0]
    parts = [
        _principal(filled[own == c], s[own == c], centers[0, c], variance, rank, generator)
        for c in range(n_components)
    ]
    counts = torch.bincount(own, minlength=n_components).to(x) + 1.0
    law = LowRankNormal(
        centers[0],
        torch.stack([factor for factor, _ in parts]),
        torch.stack([torch.maximum(noise, floor) for _, noise in parts]),
    )
    return FactorMixture((counts / counts.sum()).log(), law)


def _principal(
    rows: Tensor,
    s: Tensor,
    center: Tensor,
    variance: Tensor,
    rank: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Loadings (F, l) and noise (F,) of one cluster, as if one more row had the table's spread."""
    n = len(rows)
    rest = s * (rows - center)
    factor = (
        torch.randn(rest.shape[1], rank, generator=generator, dtype=rest.dtype, device=rest.device)
        * (1e-2 * variance[:, None]).sqrt()
    )
    total = (rest.square().sum(0) + variance) / (s.sum(0) + 1.0)
    kept = min(rank, n - 1, rest.shape[1])
    if kept > 0:
        _, value, axes = torch.linalg.svd(rest, full_matrices=False)
        factor[:, :kept] += axes[:kept].T * (value[:kept] / n**0.5)
    return factor, (total - factor.square().sum(-1)).clamp_min(0.05 * total)
