"""Copies of a module's parameters: the best so far, member by member, and the last good one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["BestState", "MovingAverage"]


class BestState:
    """Keeps a copy of the parameters of a module.

    Members are independent starts along the leading axis of a parameter, so each of them has
    its own best step; parameters without that axis follow the mean score.

    Parameters
    ----------
    module : Module
        Whose parameters are copied.
    n_members : int
        Size of the leading axis of member parameters.
    """

    def __init__(self, module: nn.Module, n_members: int) -> None:
        self.module, self.n_members = module, n_members
        self.copies: list[Tensor] | None = None
        self.scores: Tensor | None = None
        self.mean = -torch.inf
        self.stale = 0

    def keep(self) -> None:
        """Copy everything."""
        self.copies = [p.detach().clone() for p in self.module.parameters()]

    def offer(self, score: Tensor) -> bool:
        """Copy the members whose score is the best so far; whether any was."""
        score = torch.where(torch.isnan(score), torch.full_like(score, -torch.inf), score)
        if self.copies is None or self.scores is None:
            self.keep()
            self.scores, self.mean = score, float(score.mean())
            return True
        better = score > self.scores
        overall = float(score.mean()) > self.mean
        self.mean = max(self.mean, float(score.mean()))
        for p, copy in zip(self.module.parameters(), self.copies, strict=True):
            if self.n_members > 1 and better.dim() and p.shape[:1] == better.shape:
                copy[better] = p.detach()[better]
            elif overall:
                copy.copy_(p.detach())
        self.scores = torch.maximum(score, self.scores)
        improved = bool(better.any())
        self.stale = 0 if improved else self.stale + 1
        return improved

    def is_finite(self) -> bool:
        """Whether the module's parameters are all finite now."""
        return all(bool(torch.isfinite(p).all()) for p in self.module.parameters())

    def restore(self) -> None:
        """Put the copies back."""
        if self.copies is None:
            return
        with torch.no_grad():
            for p, copy in zip(self.module.parameters(), self.copies, strict=True):
                p.copy_(copy)


class MovingAverage:
    """Exponential moving average of a module's parameters, with a short memory at first."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.parameters, self.decay = list(module.parameters()), decay
        self.reset()

    def reset(self) -> None:
        """Start again from the parameters as they are."""
        self.averages = [p.detach().clone() for p in self.parameters]
        self.steps = 0

    @torch.no_grad()
    def update(self) -> None:
        """Add the parameters as they are."""
        self.steps += 1
        decay = min(self.decay, self.steps / (9 + self.steps))
        current = [p.detach() for p in self.parameters]
        torch._foreach_lerp_(self.averages, current, 1 - decay)

    @torch.no_grad()
    def restore(self) -> None:
        """Put the averages in place of the parameters."""
        for p, average in zip(self.parameters, self.averages, strict=True):
            p.copy_(average)
