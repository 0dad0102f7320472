"""Encoders of modalities: one batched product against a loop of small networks.

Times a training step of VSAE on a table of 20 columns, each of which is a modality, and the
encoders alone. The reference is the same model whose encoders are an ``nn.Sequential`` per member
and modality with the same parameters; that both give the same codes is checked first. Prints and
appends to a file of JSON lines.

    OMP_NUM_THREADS=1 python benchmarks/unimodal.py
"""

from __future__ import annotations

import argparse
import copy
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from halfseen import VSAEImputer
from halfseen.core.batch import Batch
from halfseen.core.noise import Noise, new_generator
from halfseen.experiments.runner import append_line, machine, versions
from halfseen.nn.norm import StackedBatchNorm
from halfseen.nn.stacked import StackedLinear
from halfseen.nn.unimodal import UnimodalEncoders
from halfseen.terms.latent import LatentModel

N_ROWS, N_COLUMNS, MISSING = 2000, 20, 0.5
ACTIVATIONS = {"silu": nn.SiLU, "leaky_relu": nn.LeakyReLU}
Record = dict[str, Any]


class Residual(nn.Module):
    """A network that adds its input."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


class Loop(nn.Module):
    """A network per member and modality, called one after the other."""

    def __init__(self, encoders: UnimodalEncoders, activation: str) -> None:
        super().__init__()
        (group,) = encoders.groups
        self.n_members, self.n_blocks = group.n_members, group.n_copies
        count = self.n_members * self.n_blocks
        make = ACTIVATIONS[activation]
        self.networks = nn.ModuleList(_network(group, i, make) for i in range(count))

    def forward(self, x: Tensor, shown: Tensor) -> Tensor:
        """Rows and masks (B, p) to codes (M, 1, B, p, n_out)."""
        cells = x * shown
        codes = [
            network(cells[:, i % self.n_blocks, None]) for i, network in enumerate(self.networks)
        ]
        together = torch.stack(codes, 1)
        return together.unflatten(1, (self.n_members, -1)).transpose(0, 1)[:, None]


def _network(group: Any, place: int, activation: Callable[[], nn.Module]) -> nn.Sequential:
    """One modality's encoder, as one would write it for itself."""
    parts: list[nn.Module] = []
    for layer, norm in zip(group.body.layers, group.body.norms, strict=True):
        _, n_in, n_out = layer.weight.shape
        step: list[nn.Module] = [_linear(layer, place)]
        if isinstance(norm, StackedBatchNorm):
            step.append(_batch_norm(norm, place))
        inner = nn.Sequential(*step, activation())
        parts.append(Residual(inner) if group.body.residual and n_in == n_out else inner)
    return nn.Sequential(*parts, _linear(group.out, place))


def _linear(layer: StackedLinear, place: int) -> nn.Linear:
    _, n_in, n_out = layer.weight.shape
    one = nn.Linear(n_in, n_out)
    with torch.no_grad():
        one.weight.copy_(layer.weight[place].T)
        one.bias.copy_(layer.bias[place, 0])
    return one


def _batch_norm(norm: StackedBatchNorm, place: int) -> nn.BatchNorm1d:
    one = nn.BatchNorm1d(norm.weight.shape[-1])
    with torch.no_grad():
        one.weight.copy_(norm.weight[place, 0, 0])
        one.bias.copy_(norm.bias[place, 0, 0])
    return one


def main() -> None:
    """Measure, print and append."""
    args = _arguments()
    torch.set_num_threads(args.threads)
    common = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "clock": _clock().__name__,
        "seed": args.seed,
        # Other work on the machine: above the number of processors, times are too long.
        "load": round(os.getloadavg()[0], 1),
        "versions": versions(),
        "machine": machine(),
    }
    designs = {
        "published": VSAEImputer.published(max_steps=1, random_state=args.seed),
        "defaults": VSAEImputer(max_steps=1, random_state=args.seed),
        "defaults, one member": VSAEImputer(n_members=1, max_steps=1, random_state=args.seed),
    }
    for name, imputer in designs.items():
        for record in compare(name, imputer, args):
            append_line(args.out, record | common)
            print(
                f"{record['what']}: loop {record['loop']:.0f} us, "
                f"batched {record['batched']:.0f} us, ratio {record['ratio']:.2f}",
                flush=True,
            )


def compare(name: str, imputer: VSAEImputer, args: argparse.Namespace) -> list[Record]:
    """Microseconds of the encoders, forth and back, and of a whole training step."""
    rng = np.random.default_rng(args.seed)
    table = rng.random((N_ROWS, 1)) + rng.random((N_ROWS, N_COLUMNS))
    table[rng.random(table.shape) < MISSING] = np.nan
    imputer.fit(table / 2)
    ours = imputer.model_.requires_grad_(True).train()
    rows = imputer._rows(table / 2)
    batch = rows.take(slice(imputer.batch_size))
    loop = copy.deepcopy(ours)
    loop.proposal.unimodal = Loop(ours.proposal.unimodal, imputer.activation)
    _check_equal(ours, loop, batch)
    encoders = _ratio(*(_alone(model.proposal.unimodal, batch) for model in (loop, ours)), args)
    steps = _ratio(*(_step(model, imputer, batch, args.seed) for model in (loop, ours)), args)
    size = {"columns": N_COLUMNS, "batch": len(batch), "members": imputer.n_members_}
    return [
        {"what": f"encoders alone, {name}", **size, **encoders},
        {"what": f"training step, {name}", **size, **steps},
    ]


def _check_equal(ours: LatentModel, loop: LatentModel, batch: Batch) -> None:
    with torch.no_grad():
        pair = [m.proposal.unimodal(batch.x, batch.shown) for m in (ours, loop)]
    torch.testing.assert_close(*pair, atol=1e-4, rtol=1e-4)


def _alone(encoders: nn.Module, batch: Batch) -> Callable[[], object]:
    def work() -> None:
        encoders.zero_grad(set_to_none=True)
        encoders(batch.x, batch.shown).square().mean().backward()

    return work


def _step(
    model: LatentModel, imputer: VSAEImputer, batch: Batch, seed: int
) -> Callable[[], object]:
    """What the package's loop does per step: objective, backward, clipping, optimiser."""
    parameters, objective = list(model.parameters()), imputer._objective()
    optimizer = torch.optim.AdamW(parameters, lr=imputer.lr, fused=True)
    generator = new_generator(seed)

    def noise(some: Batch) -> Noise:
        return Noise(generator, (imputer.n_members_, imputer.n_importance, len(some)))

    def work() -> None:
        losses = objective(model, batch, noise, 0.5)
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        if imputer.clip_norm is not None:
            nn.utils.clip_grad_norm_(parameters, imputer.clip_norm)
        optimizer.step()

    return work


def _ratio(
    loop: Callable[[], object], ours: Callable[[], object], args: argparse.Namespace
) -> Record:
    """Medians of rounds in turn, so that what else runs meets both alike."""
    seconds: dict[str, list[float]] = {"loop": [], "batched": []}
    for work in (loop, ours):
        _seconds(work, 5)
    for _ in range(args.rounds):
        seconds["loop"].append(_seconds(loop, args.steps))
        seconds["batched"].append(_seconds(ours, args.steps))
    median = {
        name: float(np.median(values)) / args.steps * 1e6 for name, values in seconds.items()
    }
    return {**median, "unit": "us", "ratio": median["loop"] / median["batched"]}


def _seconds(work: Callable[[], object], n: int) -> float:
    clock = _clock()
    start = clock()
    for _ in range(n):
        work()
    return clock() - start


def _clock() -> Callable[[], float]:
    """Processor time of one thread is free of what else runs; of several it would be a sum."""
    return time.process_time if torch.get_num_threads() == 1 else time.perf_counter


def _arguments() -> argparse.Namespace:
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20, help="steps of a round")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS", 1)))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=here / "results" / "unimodal.jsonl")
    return parser.parse_args()


if __name__ == "__main__":
    main()
