"""Run halfseen on the ten-table comparison of ``protocol.py``; runs in the file are skipped.

python benchmarks/compare.py --n-jobs 2
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from halfseen import (
    DMFAImputer,
    GaussianCopulaImputer,
    GaussianImputer,
    GMMImputer,
    MeanImputer,
    MFAImputer,
    MIWAEImputer,
)
from halfseen.experiments.runner import append_line, machine, read_lines, versions
from protocol import (
    MECHANISMS,
    METHODS_KEY,
    TABLES,
    Kinds,
    ampute,
    default_data_dir,
    evaluate,
    load_table,
    mask_digest,
)

N_DRAWS = 150
Key = tuple[str, str, int, str]
Record = dict[str, Any]
Answer = tuple[pd.DataFrame, list[pd.DataFrame] | None]
Method = Callable[[pd.DataFrame, Kinds, int], Answer]


def ours(method: type) -> Method:
    """A method with its defaults: the mean and 150 draws."""

    def fill(frame: pd.DataFrame, kinds: Kinds, seed: int) -> Answer:
        imputer = method(kinds=_said(kinds), random_state=seed).fit(frame)
        return imputer.transform(frame), imputer.sample(frame, N_DRAWS)

    return fill


def mean(frame: pd.DataFrame, kinds: Kinds, seed: int) -> Answer:
    """Mean and mode; must equal the rivals' own baseline."""
    return MeanImputer(kinds=_said(kinds)).fit_transform(frame), None


def _said(kinds: Kinds) -> dict[str, str]:
    return {c: "continuous" if kind == "numeric" else kind for c, kind in kinds.items()}


METHODS: dict[str, Method] = {
    "halfseen-mean": mean,
    "halfseen-miwae": ours(MIWAEImputer),
    "halfseen-gaussian": ours(GaussianImputer),
    "halfseen-copula": ours(GaussianCopulaImputer),
    "halfseen-gmm": ours(GMMImputer),
    "halfseen-mfa": ours(MFAImputer),
    "halfseen-dmfa": ours(DMFAImputer),
}


def main() -> None:
    """Run what is asked for and not yet there."""
    args = _arguments()
    done = {_key(record) for record in read_lines(args.out) if "error" not in record}
    rounds = product(args.seeds, args.mechanisms, args.tables, args.methods)
    wanted = [(table, mechanism, seed, method) for seed, mechanism, table, method in rounds]
    todo = [key for key in wanted if key not in done]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    if args.n_jobs == 1:
        for key in todo:
            run(key, args.data, args.out, args.threads)
        return
    from joblib import Parallel, delayed

    Parallel(n_jobs=args.n_jobs, batch_size=1)(
        delayed(run)(key, args.data, args.out, args.threads) for key in todo
    )


def run(key: Key, data: Path, out: Path, threads: int) -> None:
    """Hide, fill, score and add to the file; a failure is reported in the record."""
    torch.set_num_threads(threads)
    table, mechanism, seed, name = key
    truth, kinds = load_table(table, data)
    holed, hidden = ampute(truth, mechanism, seed=seed)
    record: Record = dict(zip(METHODS_KEY, key, strict=True)) | {"mask": mask_digest(hidden)}
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            point, draws = METHODS[name](holed, kinds, seed)
        times = {
            "seconds": round(time.perf_counter() - wall, 3),
            "cpu_seconds": round(time.process_time() - cpu, 3),
        }
        record |= evaluate(truth, hidden, kinds, point, draws) | times
    except Exception as error:  # One failing table must not stop the others.
        record["error"] = f"{type(error).__name__}: {error}"[:500]
    facts = machine()
    facts["omp_num_threads"] = str(facts.pop("threads"))
    append_line(out, record | {"versions": versions(), "machine": facts})
    shown = {k: record.get(k) for k in (*METHODS_KEY, "rmse", "error_rate", "seconds", "error")}
    print({k: v for k, v in shown.items() if v is not None}, flush=True)


def _key(record: Record) -> tuple[Any, ...]:
    return tuple(record[name] for name in METHODS_KEY)


def _arguments() -> argparse.Namespace:
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=default_data_dir(), help="shared folder")
    parser.add_argument("--out", type=Path, default=here / "results" / "ours.jsonl")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--mechanisms", nargs="+", choices=MECHANISMS, default=MECHANISMS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--n-jobs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS", 1)))
    return parser.parse_args()


if __name__ == "__main__":
    main()
