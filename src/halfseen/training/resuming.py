"""The state of a training run as plain tensors and JSON, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from halfseen.training.checkpoint import Kept

if TYPE_CHECKING:
    from halfseen.training.loop import Run

__all__ = ["GlobalRandomness", "Source", "outcome", "own_randomness", "put_back", "snapshot"]


class Source(Protocol):
    """What losses draw their batches and their noise from."""

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that draws to come depend on."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from there."""


class GlobalRandomness:
    """Torch's own generator, for layers that draw from nothing else, such as dropout."""

    def state_dict(self) -> dict[str, Tensor]:
        """Where it stands."""
        return {"state": torch.get_rng_state()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from there."""
        torch.set_rng_state(state["state"])


@contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Layers such as dropout draw from torch's global state: lend it a seed and give it back."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def snapshot(run: Run, step: int, seconds: float) -> Kept:
    """Everything that the steps to come depend on.

    Parameters
    ----------
    run : Run
        Between two steps.
    step : int
        Steps that were taken.
    seconds : float
        Time that they took.
    """
    groups = {
        **_ended(run),
        "best": run.best.state_dict(),
        "good": run.good.state_dict(),
        "sums": {str(i): value for i, value in enumerate(run.sums.values())},
    }
    if run.average is not None:
        groups["average"] = run.average.state_dict()
    for i, optimizer in enumerate(run.optimizers):
        moments = optimizer.state_dict()["state"]
        groups[f"optimizer.{i}"] = {
            f"{at}.{name}": value for at, row in moments.items() for name, value in row.items()
        }
    facts = {
        "step": step,
        "seconds": seconds,
        "slowdown": run.slowdown,
        "count": run.count,
        "sums": [list(key) for key in run.sums],
        "history": asdict(run.history),
    }
    return Kept(_flat(groups), facts)


def outcome(run: Run) -> Kept:
    """What a run that is over leaves behind."""
    return Kept(_flat(_ended(run)), {"history": asdict(run.history)}, done=True)


def put_back(run: Run, kept: Kept) -> None:
    """Bring a fresh run to where another one was."""
    tensors, facts = kept.tensors, kept.facts
    with torch.no_grad():
        for name, tensor in _named(run.module).items():
            tensor.copy_(tensors[f"module/{name}"])
    for i, source in enumerate(run.sources):
        source.load_state_dict(_group(tensors, f"source.{i}"))
    for name, value in facts["history"].items():
        setattr(run.history, name, value)
    if kept.done:
        return
    run.best.load_state_dict(_group(tensors, "best"))
    run.good.load_state_dict(_group(tensors, "good"))
    if run.average is not None:
        run.average.load_state_dict(_group(tensors, "average"))
    for i, optimizer in enumerate(run.optimizers):
        _load_moments(optimizer, _group(tensors, f"optimizer.{i}"))
    device = run.learned[0][0].device if run.learned else torch.device("cpu")
    sums = _group(tensors, "sums")
    run.sums = {tuple(key): sums[str(i)].to(device) for i, key in enumerate(facts["sums"])}
    run.slowdown, run.count = facts["slowdown"], facts["count"]
    run.step_at, run.seconds = facts["step"], facts["seconds"]


def _load_moments(optimizer: torch.optim.Optimizer, moments: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in moments.items():
        at, name = key.split(".", 1)
        state.setdefault(int(at), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _ended(run: Run) -> dict[str, Mapping[str, Tensor]]:
    """Parameters, buffers, and where the sources of randomness stand."""
    groups: dict[str, Mapping[str, Tensor]] = {"module": _named(run.module)}
    return groups | {f"source.{i}": source.state_dict() for i, source in enumerate(run.sources)}


def _named(module: nn.Module) -> dict[str, Tensor]:
    return dict(chain(module.named_parameters(), module.named_buffers()))


def _flat(groups: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {f"{group}/{name}": part[name] for group, part in groups.items() for name in part}


def _group(tensors: Mapping[str, Tensor], group: str) -> dict[str, Tensor]:
    start = f"{group}/"
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
