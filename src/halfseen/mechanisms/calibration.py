"""Find the parameters with which a mechanism makes a wanted share of holes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from halfseen.errors import SettingError

__all__ = ["DEFAULT_RATE", "Calibrates", "bisect", "check_rate", "seen_share"]

DEFAULT_RATE = 0.3
# A probability this far into either tail is 0 or 1 for both links.
TAIL = 40.0


@runtime_checkable
class Calibrates(Protocol):
    """A mechanism that can be told which share of cells to remove."""

    def calibrate(
        self,
        features: Tensor,
        rate: float | None,
        generator: torch.Generator,
        observed: Tensor | None = None,
    ) -> None:
        """Set the parameters so that each column that can lose cells loses the share ``rate``.

        Parameters
        ----------
        features : Tensor of shape (..., n, F)
            The rows, numeric columns standardised; cells that are missing already hold zeros.
        rate : float or None
            Wanted share of missing cells; None for the mechanism's own, else 0.3.
        generator : torch.Generator
            For random choices.
        observed : bool Tensor of shape (..., n, p), optional
            Cells that count; by default all of them.
        """


def check_rate(rate: float | None) -> float:
    """A share of missing cells, strictly between 0 and 1; None is 0.3.

    Examples
    --------
    >>> check_rate(0.4), check_rate(None)
    (0.4, 0.3)
    """
    if rate is None:
        return DEFAULT_RATE
    number = isinstance(rate, (int, float)) or hasattr(rate, "__float__")
    if isinstance(rate, bool) or not number or not 0 < float(rate) < 1:
        raise SettingError(
            f"Got rate={rate!r}. Expected a number strictly between 0 and 1: "
            "the share of cells that go missing."
        )
    return float(rate)


def seen_share(probability: Tensor, observed: Tensor | None) -> Tensor:
    """Average over rows (the axis before the last) of the cells that count."""
    if observed is None:
        return probability.mean(-2)
    weight = observed.to(probability.dtype)
    return (probability * weight).sum(-2) / weight.sum(-2).clamp_min(1.0)


def bisect(
    probability: Callable[[Tensor], Tensor],
    score: Tensor,
    rate: float,
    observed: Tensor | None = None,
    steps: int = 34,
) -> Tensor:
    """Shift every column's scores so that the expected share of missing cells is ``rate``.

    Parameters
    ----------
    probability : callable
        From scores to probabilities of a missing cell: increasing, and symmetric about 0.
    score : Tensor of shape (..., n, p)
        What the probability depends on.
    rate : float
        Wanted share.
    observed : bool Tensor of shape (n, p), optional
        Cells that count.
    steps : int, default=34
        Halvings of the bracket.

    Returns
    -------
    Tensor of shape (..., p)
        Shifts t with mean over rows of probability(score + t) equal to ``rate``.

    Examples
    --------
    >>> score = torch.linspace(-1, 1, 101, dtype=torch.float64)[:, None]
    >>> shift = bisect(torch.sigmoid, score, 0.2)
    >>> round(float(torch.sigmoid(score + shift).mean()), 6)
    0.2
    """
    high = score.abs().amax(-2) + TAIL
    low = -high
    for _ in range(steps):
        middle = (low + high) / 2
        too_many = seen_share(probability(score + middle.unsqueeze(-2)), observed) > rate
        low, high = torch.where(too_many, low, middle), torch.where(too_many, middle, high)
    return (low + high) / 2


def shuffled_levels(present: Tensor, generator: torch.Generator) -> list[int]:
    """Places of the categories that occur, in random order."""
    order = torch.randperm(len(present), generator=generator).tolist()
    return [level for level in order if present[level]]
