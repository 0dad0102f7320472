"""How many components, and of which rank: by cells that a mixture did not see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from halfseen.core.factor_mixture import FactorMixture
from halfseen.core.features import Features
from halfseen.core.low_rank_normal import LOG_2PI
from halfseen.core.memory import floats_at_once
from halfseen.estimators.low_rank_choice import hold_out

__all__ = ["LADDER", "Candidate", "Shape", "choose_shape"]

# Numbers of components that are tried.
LADDER = (1, 2, 4, 8, 16, 32)

# How many shapes without a gain end a walk, and what a larger one must gain.
CHANCES, WORTH = 2, 0.002
# Cells, seen or not, by which shapes are chosen, and numbers of their laws at a time.
CHOICE_CELLS, CHUNK_FLOATS = 2**16, 2**23
# What a mixture is likely to be too sure of itself by.
TEMPERATURES = tuple(1 + 0.05 * step for step in range(21))


class Shape(NamedTuple):
    """Components C and rank l of a mixture."""

    n_components: int
    rank: int


@dataclass(frozen=True)
class Candidate:
    """One shape, and what it is worth.

    Parameters
    ----------
    shape : Shape
        Components and rank.
    error : float
        Root mean square error of held-out cells.
    log_prob : float
        Mean log-density of the held-out cells of a row together, per cell.
    temperature : float
        By what the spread of every cell's law is to be multiplied, so that held-out cells are
        most probable.
    """

    shape: Shape
    error: float
    log_prob: float
    temperature: float

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        numbers = {"error": self.error, "log_prob": self.log_prob, "temperature": self.temperature}
        return {**self.shape._asdict(), **numbers}


def choose_shape(
    fit: Callable[[Tensor, Tensor, Shape], FactorMixture],
    x: Tensor,
    s: Tensor,
    expand: Features,
    cells: Tensor,
    walks: Sequence[Sequence[Shape]],
    share: float,
    generator: torch.Generator,
) -> list[Candidate]:
    """Try shapes, walk by walk, from small ones to large ones.

    Parameters
    ----------
    fit : callable
        From features, mask and shape to a mixture.
    x, s : Tensor of shape (n, F)
        Features, 0 where missing, and the mask.
    expand : Features
        From columns to features.
    cells : Tensor of shape (n, p)
        The mask of the columns.
    walks : sequence of sequences of Shape
        Each ends when larger shapes stop gaining.
    share : float
        Of the seen cells, to be held out.
    generator : torch.Generator
        For the choice of these, and of rows where there are too many.

    Returns
    -------
    list of Candidate
        In the order in which they were tried; empty where there is nothing to hold out.
    """
    some = torch.randperm(len(x), generator=generator)[: max(1, CHOICE_CELLS // x.shape[1])]
    x, s, cells = x[some.to(x.device)], s[some.to(x.device)], cells[some.to(x.device)]
    masks = hold_out(cells, expand, share, generator)
    tried: list[Candidate] = []
    for walk in walks if masks else []:
        best, patience = float("inf"), CHANCES
        for shape in walk:
            if any(candidate.shape == shape for candidate in tried):
                continue
            here = [_score(fit(x * (s - h), s - h, shape), x, s - h, h) for h in masks]
            error, log_prob, *scores = (sum(part) / len(here) for part in zip(*here, strict=True))
            temperature = TEMPERATURES[max(range(len(scores)), key=scores.__getitem__)]
            tried.append(Candidate(shape, error, log_prob, temperature))
            patience = CHANCES if error < (1 - WORTH) * best else patience - 1
            best = min(best, error)
            if patience == 0:
                break
    return tried


def _score(mixture: FactorMixture, x: Tensor, s: Tensor, hidden: Tensor) -> list[float]:
    """Error, log-density, and that of single cells at every temperature."""
    total = torch.zeros(2 + len(TEMPERATURES), dtype=x.dtype, device=x.device)
    width = mixture.n_components * x.shape[1] * (mixture.rank + 2)
    size = max(1, floats_at_once(CHUNK_FLOATS) // width)
    for start in range(0, len(x), size):
        part = slice(start, start + size)
        total += _sums(mixture, x[part], s[part], hidden[part])
    square, *logs = (total / hidden.sum()).tolist()
    return [square**0.5, *logs]


def _sums(mixture: FactorMixture, x: Tensor, s: Tensor, hidden: Tensor) -> Tensor:
    posterior = mixture.posterior(x * s, s)
    gap = hidden * (mixture.mean(posterior) - x)
    both = mixture.log_prob(x, s + hidden) - posterior.log_prob
    law = mixture.conditional(posterior)
    log_weights = law.log_weights[..., None]
    spread, apart = law.law.marginal_variance.sqrt(), x[:, None] - law.law.mean
    cells = [
        torch.logsumexp(
            log_weights - 0.5 * (apart / (t * spread)).square() - (t * spread).log(), 1
        )
        for t in TEMPERATURES
    ]
    singles = [(hidden * (cell - 0.5 * LOG_2PI)).sum() for cell in cells]
    return torch.stack([gap.square().sum(), both.sum(), *singles])
