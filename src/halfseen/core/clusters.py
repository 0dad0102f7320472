"""What is alike: clusters of rows with holes, and an order of columns in which pairs are close."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["nearest", "pair_order", "seen_clusters"]


def seen_clusters(
    x: Tensor, s: Tensor, n_clusters: int, generator: torch.Generator, n_rounds: int = 10
) -> Tensor:
    """Centers of clusters, by distances over seen cells.

    Parameters
    ----------
    x, s : Tensor of shape (H, n, D)
        Cells, finite everywhere, and masks: rows of H groups, which are clustered apart.
    n_clusters : int
        K.
    generator : torch.Generator
        For the first centers: rows far from those before them (Arthur and Vassilvitskii 2007).
    n_rounds : int, default=10
        Rounds of k-means.

    Returns
    -------
    Tensor of shape (H, K, D)
        A center counts the mean of all rows as one more row, so that cells that no row of a
        cluster shows are there, too.

    Examples
    --------
    >>> x = torch.tensor([[[0.0], [0.2], [9.0], [9.2]]])
    >>> centers = seen_clusters(x, torch.ones_like(x), 2, torch.Generator().manual_seed(0))
    >>> nearest(x, torch.ones_like(x), centers)[0].diff().tolist() in ([0, 1, 0], [0, -1, 0])
    True
    """
    x = x * s
    mean = x.sum(1, keepdim=True) / s.sum(1, keepdim=True).clamp_min(1.0)
    centers = _far_rows(x, s, mean, n_clusters, generator)
    for _ in range(n_rounds):
        member = torch.nn.functional.one_hot(nearest(x, s, centers), n_clusters).to(x)
        total, count = (torch.matmul(member.transpose(1, 2), part) for part in (x, s))
        centers = (total + mean) / (count + 1.0)
    return centers


def nearest(x: Tensor, s: Tensor, centers: Tensor) -> Tensor:
    """Place of the nearest center of every row (H, n), over seen cells.

    Parameters
    ----------
    x, s : Tensor of shape (H, n, D)
        As in :func:`seen_clusters`.
    centers : Tensor of shape (H or 1, K, D)
        From there.
    """
    points = centers.transpose(1, 2)
    return (torch.matmul(s, points * points) - 2 * torch.matmul(x * s, points)).argmin(-1)


def pair_order(similarity: np.ndarray) -> list[int]:
    """An order of things in which neighbours are alike: pairs, then pairs of pairs, and so on.

    Parameters
    ----------
    similarity : array of shape (p, p)
        Symmetric; that of two groups is the mean over their members.

    Returns
    -------
    list of int
        Halved in pairs from the left it gives the groups; whatever is left over, at any scale,
        is last.

    Examples
    --------
    >>> alike = np.array([[1.0, 0.1, 0.9], [0.1, 1.0, 0.2], [0.9, 0.2, 1.0]])
    >>> pair_order(alike)
    [0, 2, 1]
    """
    groups, short = [[j] for j in range(len(similarity))], False
    while len(groups) > 1:
        n = len(groups)
        # A group that lacks members of its scale stays last, alone while their number is odd.
        pairs = _greedy_pairs(similarity, n - 1 if short and n % 2 else n)
        if short and n % 2 == 0:
            pairs.sort(key=lambda pair: n - 1 in pair)
        merged = [*pairs, *([i] for i in range(n) if all(i not in pair for pair in pairs))]
        short = short or n % 2 == 1
        share = np.zeros((len(merged), n))
        for place, members in enumerate(merged):
            share[place, members] = [len(groups[i]) for i in members]
        share /= share.sum(1, keepdims=True)
        similarity = share @ similarity @ share.T
        groups = [[j for i in members for j in groups[i]] for members in merged]
    return groups[0] if groups else []


def _greedy_pairs(similarity: np.ndarray, n: int) -> list[list[int]]:
    """Disjoint pairs of the first n things, the most alike first."""
    first, second = np.triu_indices(n, 1)
    pairs: list[list[int]] = []
    free = np.ones(n, dtype=bool)
    for at in np.argsort(-similarity[first, second], kind="stable"):
        i, j = int(first[at]), int(second[at])
        if free[i] and free[j]:
            free[[i, j]] = False
            pairs.append([i, j])
            if len(pairs) == n // 2:
                break
    return pairs


def _far_rows(
    x: Tensor, s: Tensor, mean: Tensor, n_clusters: int, generator: torch.Generator
) -> Tensor:
    """Rows, one after the other, drawn by their squared distance to the nearest one so far."""
    filled = torch.where(s > 0, x, mean)
    centers = [mean.squeeze(1)]
    gap = torch.full(x.shape[:2], torch.inf, device=x.device, dtype=x.dtype)
    for _ in range(n_clusters):
        gap = torch.minimum(gap, (s * (x - centers[-1][:, None]) ** 2).sum(-1))
        at = torch.multinomial(gap + 1e-12, 1, generator=generator)
        centers.append(filled.gather(1, at[..., None].expand(-1, -1, x.shape[-1]))[:, 0])
    return torch.stack(centers[1:], 1)
