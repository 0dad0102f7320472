"""The one training loop: phases in, the best state and a history out.

Methods never contain a loop. A likelihood model has one phase; adversarial models have several.
There is a single call of ``backward`` in the package, and it is here.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from halfseen.core.memory import reserving
from halfseen.errors import TrainingError, TrainingWarning
from halfseen.training.checkpoint import Stage, next_stage
from halfseen.training.resuming import Source, outcome, put_back, snapshot
from halfseen.training.state import BestState, MovingAverage

__all__ = ["INTERRUPTED", "History", "Phase", "Run", "TrainConfig", "Watcher", "train"]

Losses = dict[str, Tensor]
INTERRUPTED = "Training was interrupted; the best state so far is kept."


@dataclass
class Phase:
    """One kind of step: which parameters move, and by which losses.

    Parameters
    ----------
    name : str
        For messages and the history.
    parameters : list of Parameter
        What this phase updates.
    loss : callable
        Draws its own batch and noise and returns named losses; their sum is minimised.
    steps : int, default=1
        Steps per round: a critic may take five where the generator takes one.
    lr : float or None
        Learning rate; None takes that of the :class:`TrainConfig`.
    betas : pair of float
        Adam's moment decays.
    weight_decay : float
        Decoupled weight decay.
    undecayed : list of Parameter
        Those of the parameters that it leaves alone.
    """

    name: str
    parameters: list[nn.Parameter]
    loss: Callable[[], Losses]
    steps: int = 1
    lr: float | None = None
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    undecayed: list[nn.Parameter] = field(default_factory=list)

    def groups(self) -> list[dict[str, Any]]:
        """Parameters by their weight decay, as an optimiser takes them."""
        bare = {id(p) for p in self.undecayed}
        decayed = [p for p in self.parameters if id(p) not in bare]
        groups = [(self.undecayed, 0.0), (decayed, self.weight_decay)]
        return [{"params": some, "weight_decay": decay} for some, decay in groups if some]


@dataclass
class TrainConfig:
    """How long and how fast.

    Parameters
    ----------
    max_steps : int
        Rounds over the phases.
    lr : float
        Peak learning rate.
    schedule : {"one-cycle", "cosine", "constant"}
        One-cycle warms up over the first tenth, then falls along a cosine.
    check_every : int
        Rounds between checks: losses finite, monitor, best state, progress.
    patience : int or None
        Checks without a better monitor before stopping; None never stops early.
    time_budget : float or None
        Seconds after which training stops: the clock is read after every round.
    clip_norm : float or None
        Largest norm of a gradient.
    max_recoveries : int
        How often a non-finite loss is survived by going back at a lower rate.
    average : float
        Decay of an exponential moving average of the parameters, which is what the monitor
        scores and what is kept at the end; 0 keeps the parameters themselves.
    restore_best : bool
        Whether the best state by the monitor is restored; otherwise the last one stays.
    """

    max_steps: int
    lr: float = 1e-3
    schedule: Literal["one-cycle", "cosine", "constant"] = "one-cycle"
    check_every: int = 100
    patience: int | None = None
    time_budget: float | None = None
    clip_norm: float | None = None
    max_recoveries: int = 5
    average: float = 0.0
    restore_best: bool = True


@dataclass
class History:
    """What happened: one row per check, and why training ended.

    Attributes
    ----------
    rows : list of dict
        Step, seconds, learning rate, mean of every named loss, monitor.
    stopped : str
        "steps", "patience", "time" or "interrupted".
    recoveries : list of dict
        Where a loss was not finite: step, phase, term, new learning rate.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    stopped: str = "steps"
    recoveries: list[dict[str, Any]] = field(default_factory=list)


class Watcher(Protocol):
    """Something that is told how training goes."""

    def __call__(self, step: int, total: int, row: dict[str, Any]) -> None:
        """Called at every check."""


def _quiet(step: int, total: int, row: dict[str, Any]) -> None:
    """Say nothing."""


def rate(config: TrainConfig, step: int) -> float:
    """Share of the peak learning rate at a step.

    Examples
    --------
    >>> config = TrainConfig(max_steps=100)
    >>> round(rate(config, 9), 2), round(rate(config, 99), 4) < 0.01
    (1.0, True)
    """
    if config.schedule == "constant":
        return 1.0
    warm = max(1, config.max_steps // 10) if config.schedule == "one-cycle" else 0
    if step < warm:
        return max(0.05, (step + 1) / warm)
    place = (step - warm) / max(1, config.max_steps - warm)
    return 0.5 * (1 + math.cos(math.pi * place)) * 0.999 + 0.001


def train(
    module: nn.Module,
    phases: Sequence[Phase],
    config: TrainConfig,
    monitor: Callable[[], Tensor] | None = None,
    n_members: int = 1,
    watcher: Watcher = _quiet,
    sources: Sequence[Source] = (),
) -> History:
    """Run the phases until the steps, the patience or the time are used up.

    Parameters
    ----------
    module : Module
        Holds every parameter; its best state is restored at the end.
    phases : sequence of Phase
        Run in order, every round.
    config : TrainConfig
        Steps, rates, checks.
    monitor : callable or None
        Returns a score, higher is better, shape () or (members,); members keep their own
        best state.
    n_members : int
        Size of the leading axis of member parameters.
    watcher : callable
        Told of every check.
    sources : sequence of Source
        What losses draw from: their states are kept where a fit keeps a checkpoint.

    Raises
    ------
    TrainingError
        When losses stay non-finite after ``max_recoveries`` returns to a good state.
    """
    # Gradients, two moments, and the best and the last good state.
    size = 6 * 4 * sum(p.numel() for p in module.parameters())
    with reserving(size, "a model with its gradients and copies"):
        return _train(module, phases, config, monitor, n_members, watcher, sources)


def _train(
    module: nn.Module,
    phases: Sequence[Phase],
    config: TrainConfig,
    monitor: Callable[[], Tensor] | None,
    n_members: int,
    watcher: Watcher,
    sources: Sequence[Source],
) -> History:
    run, stage = Run(module, list(phases), config, monitor, n_members, sources), next_stage()
    kept = stage.load()
    if kept is not None:
        put_back(run, kept)
        if kept.done:
            return run.history
    try:
        run.go(watcher, stage)
    except KeyboardInterrupt:
        run.history.stopped = "interrupted"
        stage.interrupted()
        warnings.warn(
            INTERRUPTED,
            TrainingWarning,
            stacklevel=2,
        )
    finally:
        run.let_all_learn()
    if run.average is not None:
        run.average.restore()
    if config.restore_best and monitor is not None:
        run.best.restore()
    stage.keep(outcome(run))
    return run.history


class Run:
    """State of one call of :func:`train`."""

    def __init__(
        self,
        module: nn.Module,
        phases: list[Phase],
        config: TrainConfig,
        monitor: Callable[[], Tensor] | None,
        n_members: int,
        sources: Sequence[Source] = (),
    ) -> None:
        self.module, self.sources = module, sources
        self.phases, self.config, self.monitor = phases, config, monitor
        self.learned = [(p, p.requires_grad) for p in module.parameters()]
        self.history = History()
        self.best = BestState(module, n_members)
        self.good = BestState(module, n_members)
        self.average = MovingAverage(module, config.average) if config.average else None
        self.slowdown = 1.0
        self.sums: dict[tuple[str, str], Tensor] = {}
        self.count = 0
        # Where a resumed run begins: steps, and the seconds that they took.
        self.step_at, self.seconds = 0, 0.0
        self.restart_optimizers()
        # The state before any step is the first to fall back on.
        self.good.keep()

    def restart_optimizers(self) -> None:
        """Forget the moments of all gradients."""
        self.optimizers = [
            torch.optim.AdamW(
                phase.groups(),
                lr=phase.lr or self.config.lr,
                betas=phase.betas,
                fused=all(p.device.type in ("cpu", "cuda") for p in phase.parameters),
            )
            for phase in self.phases
        ]

    def go(self, watcher: Watcher, stage: Stage) -> None:
        """All steps, or those that are left."""
        start = time.perf_counter() - self.seconds
        total = self.config.max_steps
        for step in range(self.step_at, total):
            self.round(step)
            seconds = time.perf_counter() - start
            late = self.config.time_budget is not None and seconds > self.config.time_budget
            checks = late or step == total - 1 or (step + 1) % self.config.check_every == 0
            if checks and self.survive(step):
                watcher(step + 1, total, self.check(step, seconds))
                if self.should_stop(late=late):
                    return
            if stage.due():
                stage.keep(snapshot(self, step + 1, time.perf_counter() - start))

    def round(self, step: int) -> None:
        """One round over the phases."""
        for phase, optimizer in zip(self.phases, self.optimizers, strict=True):
            self.only(phase)
            base = (phase.lr or self.config.lr) * self.slowdown
            for group in optimizer.param_groups:
                group["lr"] = base * rate(self.config, step)
            for _ in range(phase.steps):
                self.step(phase, optimizer)
        self.count += 1
        if self.average is not None:
            self.average.update()

    def only(self, phase: Phase) -> None:
        """Let gradients reach the parameters of one phase: those of others would be lost."""
        mine = {id(p) for p in phase.parameters}
        for p, learns in self.learned:
            p.requires_grad_(learns and id(p) in mine)

    def let_all_learn(self) -> None:
        """Let gradients reach what they reached before training."""
        for p, learns in self.learned:
            p.requires_grad_(learns)

    def step(self, phase: Phase, optimizer: torch.optim.Optimizer) -> None:
        """One step: the only call of backward in the package."""
        losses = phase.loss()
        optimizer.zero_grad(set_to_none=True)
        torch.stack([loss.reshape(()) for loss in losses.values()]).sum().backward()
        if self.config.clip_norm is not None:
            nn.utils.clip_grad_norm_(phase.parameters, self.config.clip_norm)
        optimizer.step()
        for name, loss in losses.items():
            key = (phase.name, name)
            self.sums[key] = self.sums.get(key, 0.0) + loss.detach()

    def survive(self, step: int) -> bool:
        """Whether everything is finite; if not, go back to the last good state, slower."""
        broken = [key for key, value in self.sums.items() if not torch.isfinite(value)]
        if not broken and self.good.is_finite():
            return True
        phase, term = broken[0] if broken else (self.phases[0].name, "gradient")
        old = self.config.lr * self.slowdown
        if len(self.history.recoveries) >= self.config.max_recoveries:
            raise TrainingError(
                f"Loss became non-finite in phase {phase!r} at step {step + 1} (term {term!r}) "
                f"after {self.config.max_recoveries} returns to a good state; "
                f"lower lr (now {old:g}) or set clip_norm."
            )
        self.good.restore()
        if self.average is not None:
            self.average.reset()
        self.slowdown *= 0.3
        self.restart_optimizers()
        self.sums, self.count = {}, 0
        self.history.recoveries.append(
            {"step": step + 1, "phase": phase, "term": term, "lr": old * 0.3}
        )
        warnings.warn(
            f"Loss became non-finite in phase {phase!r} at step {step + 1} (term {term!r}); "
            f"went back to the last good state with lr {old * 0.3:g} (was {old:g}).",
            TrainingWarning,
            stacklevel=4,
        )
        return False

    def check(self, step: int, seconds: float) -> dict[str, Any]:
        """Record a row and keep the state."""
        row: dict[str, Any] = {"step": step + 1, "seconds": round(seconds, 3)}
        row["lr"] = self.optimizers[0].param_groups[0]["lr"]
        for (phase, name), value in self.sums.items():
            row[f"{phase}.{name}"] = float(value) / max(1, self.count)
        self.sums, self.count = {}, 0
        self.good.keep()
        if self.monitor is not None:
            if self.average is not None:
                self.average.restore()
            score = torch.as_tensor(self.monitor()).detach()
            row["monitor"] = float(score.mean())
            row["better"] = self.best.offer(score)
            self.good.restore()
        self.history.rows.append(row)
        return row

    def should_stop(self, *, late: bool) -> bool:
        """Whether time or patience is used up."""
        if late:
            self.history.stopped = "time"
            return True
        if self.config.patience is not None and self.best.stale >= self.config.patience:
            self.history.stopped = "patience"
            return True
        return False
