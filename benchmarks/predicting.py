"""Time and memory of predictions with many importance samples, in processes of their own.

python benchmarks/predicting.py --rows 10000 --samples 1000 10000
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from halfseen.experiments.runner import append_line, machine, versions

COLUMNS, MISSING = 54, 0.3


def main() -> None:
    """Run each number of samples in a process of its own, and write a line for each."""
    args = _arguments()
    if args.child is not None:
        print(json.dumps(measure(args.child, args.rows)))
        return
    for k in args.samples:
        command = [sys.executable, __file__, "--child", str(k), "--rows", str(args.rows)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        record = json.loads(done.stdout) | {"versions": versions(), "machine": machine()}
        append_line(args.out, record)
        print(record, flush=True)


def measure(n_importance: int, n_rows: int) -> dict[str, Any]:
    """Predict once; training is short, as its length does not change the time of an answer."""
    from halfseen import MIWAEImputer, SupMIWAEClassifier

    warnings.simplefilter("ignore")
    X, y = _table(n_rows)
    generator = MIWAEImputer(
        n_latent=20, hidden=(128, 128), n_members=1, max_steps=50, random_state=0
    )
    model = SupMIWAEClassifier(
        generator=generator,
        strategy="frozen",
        max_steps=50,
        n_importance_predict=n_importance,
        random_state=0,
    ).fit(X[:2000], y[:2000])
    before, start, start_cpu = _peak(), time.perf_counter(), time.process_time()
    model.predict_proba(X)
    return {
        "what": "predict_proba, latent 20, encoder, decoder and head 128-128",
        "rows": n_rows,
        "columns": COLUMNS,
        "missing": MISSING,
        "n_importance": n_importance,
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_seconds": round(time.process_time() - start_cpu, 1),
        "peak_mb": round(_peak()),
        "peak_mb_after_fit": round(before),
    }


def _table(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(n, 8))
    X = z @ rng.normal(size=(8, COLUMNS)) + 0.5 * rng.normal(size=(n, COLUMNS))
    y = (X[:, :5].sum(1) > 0).astype(int)
    return np.where(rng.random(X.shape) < MISSING, np.nan, X), y


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _arguments() -> argparse.Namespace:
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--samples", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--out", type=Path, default=here / "results" / "predicting.jsonl")
    parser.add_argument("--child", type=int)
    return parser.parse_args()


if __name__ == "__main__":
    main()
