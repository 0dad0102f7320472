"""Speed as ratios against the naive reference, measured in one run on White wine.

Prints and appends to a file of JSON lines: time per step of the same recipe, time to the bound
and to the error that the naive reference has after its steps, time of an imputation with 10 000
importance samples, and peak memory.

    python benchmarks/speed.py            100 000 naive steps
    python benchmarks/speed.py --quick     10 000 naive steps
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from halfseen import NotMIWAEImputer
from halfseen.experiments.design import Task
from halfseen.experiments.notmiwae_uci import make_task
from halfseen.experiments.runner import append_line, machine, versions
from halfseen.metrics import rmse
from naive import NaiveNotMIWAE

LADDER = (125, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000)
KNOWN = {"mechanism": "self-masking", "direction": "high", "standardize": False}
# The model of the naive reference with another optimisation: its bound is comparable.
SAME_MODEL = {"batch_size": 128, "lr": 5e-3, "schedule": "cosine", "gradient": "stl"}
N_ROWS_IMPUTED = 200
N_SAMPLES = 10_000
Record = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """What the naive reference reached, and in how many seconds."""

    seconds: float
    bound: float
    error: float


def main() -> None:
    """Measure, print and append."""
    args = _arguments()
    torch.set_num_threads(args.threads)
    task = make_task("wine_white", "hard", "published", 0, args.data)
    if args.memory:
        print(_memory_of(args.memory, task))
        return
    common = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "clock": _clock().__name__,
        "quick": args.quick,
        "seed": args.seed,
        "versions": versions(),
        "machine": machine(),
    }
    for measure in (step_time, imputation_time, peak_memory, time_to_target):
        for record in measure(task, args):
            append_line(args.out, record | common)
            print(_sentence(record), flush=True)


def step_time(task: Task, args: argparse.Namespace) -> list[Record]:
    """Microseconds per optimiser step of the same recipe, batch 16 and K 20."""
    n = 500 if args.quick else 3_000
    model = NaiveNotMIWAE(task.values.shape[1], seed=args.seed)
    naive = _seconds(lambda: model.fit(task.values, n))
    imputer = NotMIWAEImputer.released(**KNOWN, max_steps=n, random_state=args.seed)
    ours = _seconds(lambda: imputer.fit(task.values))
    return [_ratio("time per step, released recipe", naive / n * 1e6, ours / n * 1e6, "us")]


def imputation_time(task: Task, args: argparse.Namespace) -> list[Record]:
    """Seconds of completing some rows with 10 000 importance samples each."""
    rows = task.values[:N_ROWS_IMPUTED]
    model = NaiveNotMIWAE(rows.shape[1], seed=args.seed)
    model.fit(task.values, 50)
    naive = _seconds(lambda: model.impute(rows, N_SAMPLES))
    imputer = NotMIWAEImputer.released(**KNOWN, max_steps=50, random_state=args.seed)
    imputer.fit(task.values)
    ours = _seconds(lambda: imputer.transform(rows))
    what = f"imputation of {len(rows)} rows, {N_SAMPLES} samples"
    return [_ratio(what, naive, ours, "s")]


def peak_memory(task: Task, args: argparse.Namespace) -> list[Record]:
    """Peak memory of a short fit and an imputation, each in a process of its own."""
    peak = {}
    for who in ("idle", "naive", "ours"):
        command = [sys.executable, __file__, "--memory", who, "--threads", str(args.threads)]
        command += ["--data", str(args.data)] if args.data else []
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
        peak[who] = float(answer.stdout.strip().splitlines()[-1])
    record = _ratio("peak memory of fit and imputation", peak["naive"], peak["ours"], "MB")
    return [record | {"idle": peak["idle"]}]


def _memory_of(who: str, task: Task) -> float:
    """Peak resident memory of this process in MB, after having done the work."""
    rows = task.values[:N_ROWS_IMPUTED]
    if who == "naive":
        model = NaiveNotMIWAE(rows.shape[1])
        model.fit(task.values, 50)
        model.impute(rows, N_SAMPLES)
    elif who == "ours":
        NotMIWAEImputer.released(**KNOWN, max_steps=50).fit(task.values).transform(rows)
    return _peak_mb()


def _peak_mb() -> float:
    # Linux counts the parent's peak in ru_maxrss of a child; VmHWM starts afresh.
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def time_to_target(task: Task, args: argparse.Namespace) -> list[Record]:
    """Seconds of training to what the naive reference has at the end.

    The bound is held out and that of the same model family, trained with our optimisation; the
    error is that of our defaults. Each rung of a ladder of step counts is a whole fit of its own.
    """
    n = args.steps or (10_000 if args.quick else 100_000)
    fit_rows, held_out = _split(task.values, args.seed)
    target = _naive_target(task, fit_rows, held_out, n, args.seed)
    what = f"the naive reference's after {n} steps"
    bound = _climb(
        lambda steps: _released_bound(fit_rows, held_out, steps, args.seed),
        lambda reached: reached >= target.bound,
    )
    error = _climb(
        lambda steps: _default_error(task, steps, args.seed),
        lambda reached: reached <= target.error,
    )
    return [
        _ratio(f"held-out bound {what}", target.seconds, bound[0], "s")
        | {"target": target.bound, "reached": bound[1], "steps": bound[2]},
        _ratio(f"RMSE {what}", target.seconds, error[0], "s")
        | {"target": target.error, "reached": error[1], "steps": error[2]},
    ]


def _split(values: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.random.default_rng(seed).permutation(len(values))
    return values[order[500:]], values[order[:500]]


def _naive_target(
    task: Task, fit_rows: np.ndarray, held_out: np.ndarray, n: int, seed: int
) -> Target:
    """One naive fit; its error is the better of averaged decoder means and averaged samples."""
    model = NaiveNotMIWAE(task.values.shape[1], seed=seed)
    seconds = _seconds(lambda: model.fit(fit_rows, n))
    filled = [model.impute(task.values, 500, means) for means in (True, False)]
    error = min(rmse(task.truth, answer, task.s) for answer in filled)
    return Target(seconds, model.bound(held_out), error)


def _released_bound(
    fit_rows: np.ndarray, held_out: np.ndarray, steps: int, seed: int
) -> tuple[float, float]:
    settings = KNOWN | SAME_MODEL | {"n_importance_predict": 1000, "random_state": seed}
    imputer = NotMIWAEImputer.released(**settings, max_steps=steps)
    seconds = _seconds(lambda: imputer.fit(fit_rows))
    return seconds, imputer.score(held_out)


def _default_error(task: Task, steps: int, seed: int) -> tuple[float, float]:
    imputer = NotMIWAEImputer(**KNOWN, max_steps=steps, random_state=seed)
    seconds = _seconds(lambda: imputer.fit(task.values))
    return seconds, rmse(task.truth, imputer.transform(task.values), task.s)


def _climb(
    fit: Callable[[int], tuple[float, float]], good: Callable[[float], bool]
) -> tuple[float, float, int]:
    """Seconds, value and steps of the first rung that is good; infinite seconds if none is."""
    reached = float("nan")
    for steps in LADDER:
        seconds, reached = fit(steps)
        if good(reached):
            return seconds, reached, steps
    return float("inf"), reached, LADDER[-1]


def _clock() -> Callable[[], float]:
    """Processor time of one thread is free of what else runs; of several it would be a sum."""
    return time.process_time if torch.get_num_threads() == 1 else time.perf_counter


def _seconds(work: Callable[[], object]) -> float:
    clock = _clock()
    start = clock()
    work()
    return clock() - start


def _ratio(what: str, naive: float, ours: float, unit: str) -> Record:
    # JSON has no infinity: what was not reached is null.
    missed = not np.isfinite(ours)
    ratio = None if missed else naive / ours
    return {
        "what": what,
        "naive": naive,
        "ours": None if missed else ours,
        "unit": unit,
        "ratio": ratio,
    }


def _sentence(record: Record) -> str:
    extra = {
        k: v for k, v in record.items() if k not in ("what", "naive", "ours", "unit", "ratio")
    }
    tail = f"  {json.dumps(extra)}" if extra else ""
    start = f"{record['what']}: naive {record['naive']:.4g} {record['unit']}, "
    if record["ours"] is None:
        return f"{start}ours not reached{tail}"
    return f"{start}ours {record['ours']:.4g} {record['unit']}, ratio {record['ratio']:.2f}{tail}"


def _arguments() -> argparse.Namespace:
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="10 000 naive steps, fewer to time")
    parser.add_argument("--steps", type=int, help="naive steps, where others are wanted")
    parser.add_argument("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS", 1)))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, help="folder of the tables; default: HALFSEEN_DATA")
    parser.add_argument("--out", type=Path, default=here / "results" / "speed.jsonl")
    parser.add_argument("--memory", choices=("idle", "naive", "ours"), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
