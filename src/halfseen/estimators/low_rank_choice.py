"""Rank and ridge of a low-rank approximation, by cells that it did not see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from halfseen.core.features import Features
from halfseen.estimators.low_rank import STOPS, LowRank, descend

__all__ = ["RANKS", "RIDGES", "Candidate", "choose_low_rank", "hold_out"]

RANKS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
RIDGES = STOPS

# Held-out cells that a decision should rest on, and the most splits that are made for them.
ENOUGH_CELLS, MOST_SPLITS = 400, 5
# A larger rank must lower the error by this share, and gets this many chances.
WORTH, CHANCES = 0.002, 3

# Cells that are shown, their mask, and that of the held-out cells, (n, F) each.
Split = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Candidate:
    """One rank and one ridge, and what they are worth.

    Parameters
    ----------
    rank : int
        Number of factors.
    ridge : float
        Penalty over :func:`~halfseen.estimators.low_rank.noise_level`.
    error : float
        Root mean square error of held-out cells.
    model : LowRank
        What was fitted without them; to a fit of all cells it is a start.
    """

    rank: int
    ridge: float
    error: float
    model: LowRank = field(repr=False)


def hold_out(
    s: Tensor, expand: Features, share: float, generator: torch.Generator
) -> list[Tensor]:
    """Masks of features that are seen and then hidden; several where cells are few.

    Parameters
    ----------
    s : Tensor of shape (n, p)
        Mask of the columns' cells, 1 = seen.
    expand : Features
        From columns to features: those of one cell are hidden together.
    share : float
        Of the seen cells, in each mask.
    generator : torch.Generator
        Where the choice comes from.

    Returns
    -------
    list of Tensor of shape (n, F)
        Empty where there are too few cells to hide any.
    """
    seen = torch.nonzero(s.cpu().reshape(-1))[:, 0]
    count = int(share * len(seen))
    if count == 0:
        return []
    masks = []
    for _ in range(min(MOST_SPLITS, -(-ENOUGH_CELLS // count))):
        hidden = torch.zeros(s.numel(), dtype=s.dtype)
        hidden[seen[torch.randperm(len(seen), generator=generator)[:count]]] = 1.0
        masks.append(expand.mask(hidden.reshape(s.shape).to(s.device)))
    return masks


def choose_low_rank(
    x: Tensor,
    s: Tensor,
    hidden: Sequence[Tensor],
    ranks: Sequence[int],
    ridges: Sequence[float],
    generator: torch.Generator,
    watch: Callable[[int, int], None] | None = None,
) -> list[Candidate]:
    """Walk from small ranks to large ones, and at each from strong ridges to weak ones.

    A walk over ridges ends when errors rise; that over ranks when they hardly fall.

    Parameters
    ----------
    x, s : Tensor of shape (n, F)
        Cells, 0 where missing, and the mask, 1 = seen.
    hidden : sequence of Tensor of shape (n, F)
        Masks of the features that are held out; errors are averaged over them.
    ranks, ridges : sequence
        Ranks in rising order, and ridges in falling order.
    generator : torch.Generator
        Where the first loadings come from.
    watch : callable, optional
        Called with the number of ranks that were tried, and the most that may be.

    Returns
    -------
    list of Candidate
        In the order in which they were tried.
    """
    splits = [(x * (s - mask), s - mask, mask) for mask in hidden]
    tried: list[Candidate] = []
    best, patience = float("inf"), CHANCES
    for step, rank in enumerate(ranks):
        walk = list(_walk(x, splits, rank, ridges, generator))
        tried += walk
        here = min(candidate.error for candidate in walk)
        patience = CHANCES if here < (1 - WORTH) * best else patience - 1
        best = min(best, here)
        if watch is not None:
            watch(step + 1, len(ranks))
        if patience == 0:
            break
    return tried


def _walk(
    x: Tensor,
    splits: Sequence[Split],
    rank: int,
    ridges: Sequence[float],
    generator: torch.Generator,
) -> Iterator[Candidate]:
    """One rank under weaker and weaker ridges, until errors rise."""
    paths = [descend(shown, s, rank, ridges, generator) for shown, s, _ in splits]
    last = float("inf")
    for ridge, *models in zip(ridges, *paths, strict=True):
        errors = [_error(model, x, *split) for model, split in zip(models, splits, strict=True)]
        error = sum(errors) / len(errors)
        yield Candidate(rank, ridge, error, models[0])
        if error > last:
            return
        last = error


def _error(model: LowRank, x: Tensor, shown: Tensor, s: Tensor, hidden: Tensor) -> float:
    """Root mean square error of the held-out cells."""
    gap = hidden * (model.fitted(shown, s) - x)
    return float((gap.square().sum() / hidden.sum()).sqrt())
