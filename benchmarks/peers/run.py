"""Run the rivals on the benchmark; one JSON line a run, runs already in the file are skipped."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from importlib.metadata import version
from itertools import product
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from methods import FALLBACKS, METHODS, Method
from protocol import (
    MECHANISMS,
    METHODS_KEY,
    TABLES,
    ampute,
    default_data_dir,
    evaluate,
    load_table,
    mask_digest,
)

USES = {"miceforest": ("miceforest", "lightgbm"), "gcimpute": ("gcimpute", "scipy")}
Key = tuple[str, str, int, str]
Record = dict[str, object]


def main() -> None:
    """Run what is asked for and not yet there."""
    args = _arguments()
    # Whole rounds of one seed first, so that an interrupted file still compares all methods.
    for seed, mechanism, table, method in product(
        args.seeds, args.mechanisms, args.tables, args.methods
    ):
        record = run_once((table, mechanism, seed, method), METHODS[method], args)
        for name, fallback in FALLBACKS.get(method, {}).items() if "error" in record else ():
            run_once((table, mechanism, seed, name), fallback, args)


def run_once(key: Key, method: Method, args: argparse.Namespace) -> Record:
    """Return the record of a run: the one in the file, else that of a run made now and added."""
    done = _done(args.out)
    if key in done and not (args.retry_errors and "error" in done[key]):
        return done[key]
    record = run(key, method, args.data)
    _append(args.out, record)
    print({k: v for k, v in record.items() if k not in ("versions", "machine")}, flush=True)
    return record


def run(key: Key, method: Method, data_dir: Path) -> Record:
    """Hide, fill and score; a failure is reported in the record, not raised."""
    table, mechanism, seed, name = key
    truth, kinds = load_table(table, data_dir)
    holed, hidden = ampute(truth, mechanism, seed=seed)
    record: Record = dict(zip(METHODS_KEY, key, strict=True)) | {"mask": mask_digest(hidden)}
    np.random.seed(seed)  # noqa: NPY002  (rivals that draw from the global generator)
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        point, draws = method(holed, kinds, seed)
        times = {
            "seconds": round(time.perf_counter() - wall, 3),
            "cpu_seconds": round(time.process_time() - cpu, 3),
        }
        record |= evaluate(truth, hidden, kinds, point, draws) | times
    except Exception as error:  # A rival may fail in any way; the rest goes on.
        record["error"] = f"{type(error).__name__}: {error}"[:500]
    return record | {"versions": _versions(name), "machine": _machine()}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=default_data_dir(), help="shared folder")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines file, appended to")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--mechanisms", nargs="+", choices=MECHANISMS, default=MECHANISMS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--retry-errors", action="store_true", help="run failed ones again")
    return parser.parse_args()


def _done(path: Path) -> dict[Key, Record]:
    lines = path.read_text().splitlines() if path.exists() else []
    records = [json.loads(line) for line in lines if line]
    return {tuple(r[k] for k in METHODS_KEY): r for r in records}


def _append(path: Path, record: Record) -> None:
    """Add one line in one write, so that a stopped run leaves no half line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(record, allow_nan=False) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def _versions(method: str) -> dict[str, str]:
    names = ("numpy", "pandas", *USES.get(method.split("-")[0], ("scikit-learn",)))
    return {"python": platform.python_version()} | {name: version(name) for name in names}


def _machine() -> dict[str, object]:
    threads = os.environ.get("OMP_NUM_THREADS")
    return {"cpu": _cpu_model(), "cores": os.cpu_count(), "omp_num_threads": threads}


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


if __name__ == "__main__":
    main()
