"""Copies of a module's parameters: the best so far, member by member, and the last good one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

import torch
from torch import Tensor, nn

from halfseen.nn.stacked import Copies, Interleaved

__all__ = ["BestState", "MovingAverage"]


class BestState:
    """Keeps a copy of the parameters and of the floating-point buffers of a module.

    Buffers are what a layer learns without a gradient, such as the running means of a
    normalisation: they belong to the parameters of their step. Members are independent starts
    along the leading axis of a parameter, several copies each in an :class:`Interleaved`, or
    modules in a :class:`Copies`, so each of them has its own best step; everything else follows
    the mean score.

    Parameters
    ----------
    module : Module
        Whose parameters are copied.
    n_members : int
        Size of the leading axis of member parameters.

    Examples
    --------
    >>> layer = nn.BatchNorm1d(1, affine=False)
    >>> best = BestState(layer, 1)
    >>> best.offer(torch.tensor([0.0]))
    True
    >>> _ = layer(torch.ones(4, 1))
    >>> best.restore()
    >>> layer.running_mean
    tensor([0.])
    """

    def __init__(self, module: nn.Module, n_members: int) -> None:
        self.module, self.n_members = module, n_members
        self.copies: list[Tensor] | None = None
        self.scores: Tensor | None = None
        self.mean = -torch.inf
        self.stale = 0

    def keep(self) -> None:
        """Copy everything."""
        self.copies = [tensor.detach().clone() for tensor in _tensors(self.module)]

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
        owners, repeats = _owners(self.module), _repeats(self.module)
        for tensor, copy in zip(_tensors(self.module), self.copies, strict=True):
            now, member = tensor.detach(), owners.get(id(tensor))
            mine = better.repeat_interleave(repeats.get(id(tensor), 1))
            if better.dim() and member is not None:
                if better[member]:
                    copy.copy_(now)
            elif self.n_members > 1 and better.dim() and now.shape[:1] == mine.shape:
                copy[mine] = now[mine]
            elif overall:
                copy.copy_(now)
        self.scores = torch.maximum(score, self.scores)
        improved = bool(better.any())
        self.stale = 0 if improved else self.stale + 1
        return improved

    def state_dict(self) -> dict[str, Tensor]:
        """The copies and their scores."""
        if self.copies is None:
            return {}
        state = {f"copy.{i}": copy for i, copy in enumerate(self.copies)}
        state["mean"] = torch.tensor(self.mean, dtype=torch.float64)
        state["stale"] = torch.tensor(self.stale)
        return state if self.scores is None else state | {"scores": self.scores}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Inverse of :meth:`state_dict`."""
        if not state:
            return
        self.keep()
        assert self.copies is not None
        for i, copy in enumerate(self.copies):
            copy.copy_(state[f"copy.{i}"])
        self.mean, self.stale = float(state["mean"]), int(state["stale"])
        self.scores = state["scores"].to(self.copies[0].device) if "scores" in state else None

    def is_finite(self) -> bool:
        """Whether the module's parameters are all finite now."""
        return all(bool(torch.isfinite(p).all()) for p in self.module.parameters())

    def restore(self) -> None:
        """Put the copies back."""
        if self.copies is None:
            return
        with torch.no_grad():
            for tensor, copy in zip(_tensors(self.module), self.copies, strict=True):
                tensor.copy_(copy)


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    """What training may change: parameters and floating-point buffers."""
    floating = (buffer for buffer in module.buffers() if buffer.is_floating_point())
    return chain(module.parameters(), floating)


def _owners(module: nn.Module) -> dict[int, int]:
    """The member that a tensor belongs to, by the tensor's id, where members are modules."""
    return {
        id(tensor): member
        for copies in module.modules()
        if isinstance(copies, Copies)
        for member, one in enumerate(copies)
        for tensor in chain(one.parameters(), one.buffers())
    }


def _repeats(module: nn.Module) -> dict[int, int]:
    """Copies of a member along the leading axis, by the tensor's id, where there are several."""
    return {
        id(tensor): part.n_copies
        for part in module.modules()
        if isinstance(part, Interleaved)
        for tensor in chain(part.parameters(), part.buffers())
    }


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

    def state_dict(self) -> dict[str, Tensor]:
        """The averages, and of how many steps they are."""
        state = {f"average.{i}": average for i, average in enumerate(self.averages)}
        return state | {"steps": torch.tensor(self.steps)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Inverse of :meth:`state_dict`."""
        for i, average in enumerate(self.averages):
            average.copy_(state[f"average.{i}"])
        self.steps = int(state["steps"])

    @torch.no_grad()
    def restore(self) -> None:
        """Put the averages in place of the parameters."""
        for p, average in zip(self.parameters, self.averages, strict=True):
            p.copy_(average)
