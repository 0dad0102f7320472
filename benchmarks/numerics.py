"""Hard numbers over every method and twenty seeds: how many fits, what was refused, what failed.

Run as ``python benchmarks/numerics.py``; ``--seeds 2`` is short. Every fit answers its own table
and rows as far from it as floats go. A line is appended to
``results/numerics.jsonl``. A failure is an answer that is not finite, a seen cell that changed,
or an error that is not one of the package.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import torch

import halfseen
from halfseen.errors import AnswerQualityWarning, TrainingWarning, UnseenCategoryWarning
from halfseen.experiments.runner import machine, versions
from halfseen.testing import small_estimator
from halfseen.testing.finite import finite_answers
from halfseen.testing.hard_tables import HARD_TABLES, far_rows, hard_table

OWN = (AnswerQualityWarning, TrainingWarning, UnseenCategoryWarning)


def main() -> None:
    """Count over methods, tables and seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    torch.set_num_threads(1)
    start = time.perf_counter()
    record: dict[str, Any] = count(range(options.first, options.first + options.seeds))
    record |= {
        "seconds": round(time.perf_counter() - start),
        "versions": versions(),
        "machine": machine(),
    }
    line = json.dumps(record)
    sys.stdout.write(line + "\n")
    with (options.out / "numerics.jsonl").open("a") as sink:
        sink.write(line + "\n")
    sys.exit(bool(record["failed"]))


def count(seeds: range) -> dict[str, Any]:
    """Fits, and what became of them."""
    methods, counts, warned = halfseen.all_methods(), Counter[str](), Counter[str]()
    refused: list[str] = []
    failed: list[str] = []
    for name, method in methods.items():
        for table in HARD_TABLES:
            for seed in seeds:
                rows, where = hard_table(table, seed), f"{name}, {table}, seed {seed}"
                counts["fits"] += 1
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    try:
                        estimator = small_estimator(method)
                        found = finite_answers(estimator, rows, seed, later=far_rows(rows))
                    except Exception as error:
                        failed.append(f"{where}: {error!r}"[:300])
                        continue
                # An autoencoder without a prior generates nothing, whatever the numbers.
                verbs = sorted(set(found) - ({"generate"} if method.card.name == "ae" else set()))
                refused += [f"{where}: {verb}" for verb in verbs]
                warned.update({w.category.__name__ for w in caught})
                others = [w for w in caught if not issubclass(w.category, OWN)]
                failed += [f"{where}: {w.message}"[:300] for w in others]
    return {
        "methods": len(methods),
        "tables": len(HARD_TABLES),
        "seeds": [seeds.start, seeds.stop - 1],
        **counts,
        "refused": len(refused),
        "failed": len(failed),
        "failures": failed[:20],
        "refusals": refused[:20],
        "fits_with_warning": dict(warned),
    }


if __name__ == "__main__":
    main()
