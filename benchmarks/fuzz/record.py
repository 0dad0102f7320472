"""Append what a fuzzer ran and found to the results: a line per run.

python benchmarks/fuzz/record.py loader LOG --found 5 --left 0 --note "what it was"
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from halfseen.experiments.runner import append_line, machine, versions

RESULTS = Path(__file__).parents[1] / "results" / "fuzz.jsonl"


def main() -> None:
    """Read a log of atheris, and write its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=["loader", "tables", "values"])
    parser.add_argument("log", type=Path)
    parser.add_argument("--found", type=int, required=True)
    parser.add_argument("--left", type=int, required=True)
    parser.add_argument("--note", default="")
    given = parser.parse_args()
    text = given.log.read_text(encoding="utf-8", errors="replace")
    seconds = re.findall(r"runs in (\d+) second", text)
    rate = int(re.findall(r"average_exec_per_sec:\s+(\d+)", text)[-1])
    runs = int(re.findall(r"executed_units:\s+(\d+)", text)[-1])
    record = {
        "target": given.target,
        "fuzzer": "atheris 3.0.0",
        "seed": int(re.findall(r"Seed: (\d+)", text)[-1]),
        "executions": runs,
        "seconds": int(seconds[-1]) if seconds else round(runs / max(rate, 1)),
        "edges_covered": int(re.findall(r"cov: (\d+)", text)[-1]),
        "features": int(re.findall(r"ft: (\d+)", text)[-1]),
        "found": given.found,
        "left": given.left,
        "note": given.note,
    }
    append_line(RESULTS, record | {"machine": machine(), "versions": versions()})


if __name__ == "__main__":
    main()
