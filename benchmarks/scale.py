"""Fit at defaults on a large table: time and peak memory, one JSON line.

Run as ``python benchmarks/scale.py --rows 20000 --columns 20``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np

from halfseen.experiments.runner import machine, versions
from halfseen.methods.miwae import MIWAEImputer
from halfseen.methods.not_miwae import NotMIWAEImputer

# Importance samples of a quick answer, beside the default.
FEW = 100
METHODS = {"miwae": MIWAEImputer, "not-miwae": NotMIWAEImputer}


def make_table(n_rows: int, n_columns: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A nonlinear table of rank five, and the same with 30 % of its cells missing."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n_rows, 5))
    signal = np.tanh(z @ rng.normal(size=(5, n_columns))) + 0.3 * z @ rng.normal(
        size=(5, n_columns)
    )
    table = signal + 0.2 * rng.normal(size=signal.shape)
    return table, np.where(rng.random(table.shape) < 0.3, np.nan, table)


def _rmse(errors: np.ndarray, gone: np.ndarray) -> float:
    return float(np.sqrt((errors[gone] ** 2).mean()))


def main() -> None:
    """Measure one method in this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", choices=METHODS, default="miwae")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results/scale.jsonl")
    options = parser.parse_args()
    truth, table = make_table(options.rows, options.columns, 0)
    start = time.perf_counter()
    imputer = METHODS[options.method](random_state=0).fit(table)
    fit_seconds = time.perf_counter() - start
    few, gone = truth[:1000], np.isnan(table[:1000])
    scale, mean = np.nanstd(table, 0), np.nanmean(table, 0)
    answers = {}
    for n_importance in (imputer.n_importance_predict, FEW):
        imputer.set_params(n_importance_predict=n_importance)
        start = time.perf_counter()
        filled = imputer.transform(table[:1000])
        answers[n_importance] = {
            "seconds_1000_rows": round(time.perf_counter() - start, 2),
            "rmse": round(_rmse((filled - few) / scale, gone), 4),
        }
    record = {
        "method": options.method,
        "rows": options.rows,
        "columns": options.columns,
        "fit_seconds": round(fit_seconds, 2),
        "answers": answers,
        "rmse_of_means": round(_rmse((mean - few) / scale, gone), 4),
        "steps": imputer.n_iter_,
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 3),
        "load": round(os.getloadavg()[0], 2),
        "versions": versions(),
        "machine": machine(),
    }
    line = json.dumps(record)
    sys.stdout.write(line + "\n")
    with options.out.open("a") as sink:
        sink.write(line + "\n")


if __name__ == "__main__":
    main()
