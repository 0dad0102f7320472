"""Sliced Wasserstein distance of tensors, wherever these are: for scores and for monitors."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["random_directions", "sliced_wasserstein_tensors"]


def random_directions(n_features: int, n_directions: int, generator: torch.Generator) -> Tensor:
    """Directions that are uniform on the sphere.

    Parameters
    ----------
    n_features, n_directions : int
        Dimensions p and number L.
    generator : torch.Generator
        Where they come from; its device is theirs.

    Returns
    -------
    Tensor of shape (p, L)
        Columns of length 1, float32.
    """
    gaussian = torch.randn(
        n_features, n_directions, generator=generator, device=generator.device, dtype=torch.float32
    )
    return gaussian / gaussian.norm(dim=0)


def sliced_wasserstein_tensors(x: Tensor, y: Tensor, directions: Tensor) -> Tensor:
    r"""Sliced 2-Wasserstein distance between two samples, without leaving their device.

    .. math:: \Big( \frac1L \sum_l \int_0^1
              \big( F^{-1}_{x \theta_l}(u) - F^{-1}_{y \theta_l}(u) \big)^2 du \Big)^{1/2}

    Parameters
    ----------
    x : Tensor of shape (..., n, p)
        Rows without holes; axes in front are pairs of samples that are compared one by one.
    y : Tensor of shape (..., m, p)
        Rows of another sample; m may differ from n, and the integral over both step functions
        is exact.
    directions : Tensor of shape (p, L)
        Columns of length 1, as :func:`random_directions` makes them.

    Returns
    -------
    Tensor of shape (...)

    Examples
    --------
    >>> x, y = torch.zeros(2, 1), torch.tensor([[3.0]])
    >>> sliced_wasserstein_tensors(x, y, torch.ones(1, 1)).item()
    3.0
    """
    first, second = (x @ directions).sort(-2).values, (y @ directions).sort(-2).values
    n, m = x.shape[-2], y.shape[-2]
    if n == m:
        return (first - second).square().mean((-2, -1)).sqrt()
    # Quantiles step at i / n and j / m: in whole numbers, at i m and j n of n m.
    steps = (
        torch.arange(n, device=x.device) * m,
        torch.arange(m, device=x.device) * n,
        torch.full((1,), n * m, device=x.device),
    )
    steps_at = torch.cat(steps).sort().values
    left, width = steps_at[:-1], steps_at.diff().to(x.dtype) / (n * m)
    gap = first.index_select(-2, left // m) - second.index_select(-2, left // n)
    return (width[:, None] * gap.square()).sum(-2).mean(-1).sqrt()
