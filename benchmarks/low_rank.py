"""Low-rank Gaussians against dense algebra, and EM for a mixture of factor analysers at full size.

First: log-density and gradient of 256 rows of 784 columns at rank 4, with masks of their own,
against one dense Cholesky factor per row; medians of repetitions, and the memory that each adds.
Then: 30 steps of EM for 50 components of rank 6 on 60 000 rows of 784 columns, half of them
missing (MNIST where the folder of the data has it, random numbers otherwise). Prints and appends
to a file of JSON lines.

    OMP_NUM_THREADS=2 python benchmarks/low_rank.py
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from halfseen.core.low_rank_normal import LowRankNormal
from halfseen.datasets import load_images
from halfseen.estimators.factor_em import FactorEM, Prior
from halfseen.estimators.factor_start import feature_moments, start_mixture
from halfseen.experiments.runner import append_line, machine, versions

N_ROWS, N_COLUMNS, RANK = 256, 784, 4
EM_ROWS, EM_COMPONENTS, EM_RANK, EM_STEPS = 60_000, 50, 6, 30
Record = dict[str, Any]


def main() -> None:
    """Measure both, print and append."""
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the pictures")
    parser.add_argument("--out", type=Path, default=here / "results" / "low_rank.jsonl")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rows", type=int, default=EM_ROWS, help="rows of EM")
    parser.add_argument("--parts", nargs="+", choices=("density", "em"), default=("density", "em"))
    args = parser.parse_args()
    jobs: dict[str, Callable[[], Record]] = {
        "density": lambda: density(args.repeats),
        "em": lambda: em(args.rows, args.data),
    }
    for part in args.parts:
        record = {"part": part, **jobs[part](), "versions": versions(), "machine": machine()}
        append_line(args.out, record)
        print(json.dumps(record), flush=True)


def density(repeats: int) -> Record:
    """Seconds and bytes of a log-density and its gradient, both ways."""
    generator = torch.Generator().manual_seed(0)
    size = (N_ROWS, N_COLUMNS)
    x = torch.randn(size, generator=generator)
    s = (torch.rand(size, generator=generator) < 0.5).float()
    parameters = (
        torch.randn(size, generator=generator),
        0.2 * torch.randn(*size, RANK, generator=generator),
        0.1 + torch.rand(size, generator=generator),
    )
    ways = {"low_rank": _low_rank, "dense": _dense}
    answers = {name: way(x, s, *_fresh(parameters)) for name, way in ways.items()}
    apart = (answers["low_rank"] - answers["dense"]).abs().max() / answers["dense"].abs().max()
    record: Record = {"rows": N_ROWS, "columns": N_COLUMNS, "rank": RANK}
    record["largest_relative_difference"] = float(apart)
    for name, way in ways.items():
        seconds = [_timed(way, x, s, _fresh(parameters)) for _ in range(repeats)]
        record[f"{name}_seconds"] = statistics.median(seconds)
        record[f"{name}_megabytes"] = _megabytes(way, x, s, _fresh(parameters))
    record["times_as_fast"] = record["dense_seconds"] / record["low_rank_seconds"]
    return record


def _fresh(parameters: tuple[Tensor, ...]) -> list[Tensor]:
    return [parameter.clone().requires_grad_() for parameter in parameters]


def _low_rank(x: Tensor, s: Tensor, mean: Tensor, factor: Tensor, variance: Tensor) -> Tensor:
    return LowRankNormal(mean, factor, variance).log_prob(x, s)


def _dense(x: Tensor, s: Tensor, mean: Tensor, factor: Tensor, variance: Tensor) -> Tensor:
    """Row by row, the cells of the mask alone: what most code does."""
    out = []
    for i in range(len(x)):
        seen = s[i] > 0
        loadings = factor[i, seen]
        covariance = loadings @ loadings.T + torch.diag(variance[i, seen])
        law = torch.distributions.MultivariateNormal(mean[i, seen], covariance)
        out.append(law.log_prob(x[i, seen]))
    return torch.stack(out)


def _timed(way: Callable[..., Tensor], x: Tensor, s: Tensor, parameters: list[Tensor]) -> float:
    start = time.perf_counter()
    way(x, s, *parameters).sum().backward()
    return time.perf_counter() - start


def _megabytes(
    way: Callable[..., Tensor], x: Tensor, s: Tensor, parameters: list[Tensor]
) -> float:
    """The most that tensors take at a time, by allocations and releases in their order."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as run:
        way(x, s, *parameters).sum().backward()
    level = most = 0
    for event in run.profiler.kineto_results.events():
        if event.name() == "[memory]":
            level += event.nbytes()
            most = max(most, level)
    return most / 2**20


def em(n_rows: int, data: Path | None) -> Record:
    """Seconds of the start and of the steps, and the likelihood on the way."""
    x, what = _pictures(n_rows, data)
    generator = torch.Generator().manual_seed(0)
    s = (torch.rand(x.shape, generator=generator) < 0.5).double()
    mean, variance = feature_moments(x, s)
    x = (x - mean) * s
    floor = torch.full_like(mean, 1e-4)
    prior = Prior(0.3, torch.zeros_like(mean), variance)
    steps = FactorEM(x, s, floor, "diagonal", prior)
    start = time.perf_counter()
    mixture = start_mixture(x, s, EM_COMPONENTS, EM_RANK, floor, generator)
    begun = time.perf_counter()
    objective = []
    for _ in range(EM_STEPS):
        mixture, value = steps(mixture)
        objective.append(value / float(s.sum()))
    ended = time.perf_counter()
    if np.diff(objective).min() < -1e-9:
        raise SystemExit(f"A step lowered the objective: {objective}")
    return {
        "table": what,
        "rows": n_rows,
        "columns": x.shape[1],
        "components": EM_COMPONENTS,
        "rank": EM_RANK,
        "steps": EM_STEPS,
        "start_seconds": begun - start,
        "seconds": ended - begun,
        "objective": [round(value, 5) for value in objective],
    }


def _pictures(n_rows: int, data: Path | None) -> tuple[Tensor, str]:
    try:
        pictures = load_images("mnist", data).x_train[:n_rows]
        return torch.as_tensor(pictures.reshape(n_rows, -1)).double(), "mnist"
    except FileNotFoundError:
        generator = torch.Generator().manual_seed(1)
        return torch.rand(n_rows, N_COLUMNS, generator=generator).double(), "random numbers"


if __name__ == "__main__":
    main()
