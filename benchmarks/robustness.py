"""Write docs/robustness.md from what was tried: kills, hostile files, awkward tables, numbers.

python benchmarks/robustness.py
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OUT = HERE.parent / "docs" / "robustness.md"

INTRODUCTION = """# When things go wrong

Written by `benchmarks/robustness.py` from `benchmarks/results`. Each of these is a test of
`make test` in a bounded form; `make test-slow` has longer forms of kills, tables and numbers, and
the fuzzers are run by hand.
"""

KILLED = """## Killed processes

`benchmarks/killed.py` kills the command by SIGKILL after random times. Every life of
`halfseen fit` or `train` goes on with `--resume`, until a model comes out, which is
compared, bit by bit, with that of a run that was never stopped. *Seconds lost* are those
between the last writing and the kill. `impute` is killed too: OUT must be the old file or
the new one. Other work ran on the machine, which lengthens steps and writings. A first run
found that mixtures of wide tables went on to other bits (1 of 11 models); these are the
figures since."""

FILES = """## Files from strangers

Coverage-guided fuzzing (`benchmarks/fuzz`) of the reader of models and of the readers of
tables. *Found* are inputs that ended otherwise than by one clear error within a second; all
are mended, and most are tests now. `tests/estimators/test_hostile_models.py` has more than a
hundred hostile files by name. [files.md](files.md) describes the format."""

TABLES = """## Awkward tables

Every input goes through every public entry and either works, with seen cells the same to
the bit, or is refused by an error that names the column or the file and says what to do.
[awkward.md](awkward.md) lists them one by one."""

NUMBERS = """## Hard numbers

Constant, collinear and heavy-tailed columns, scales from the smallest floats to the
largest, outliers, nearly empty tables and tables of two rows, over every method
(`benchmarks/numerics.py`). *Failed* are answers that are not finite, seen cells that
changed, and errors that are not of the package; *refused* are answers that an error of the
package explains."""


def main() -> None:
    """Write the page."""
    parts = [
        INTRODUCTION,
        KILLED,
        killed(),
        FILES,
        fuzzed(),
        TABLES,
        awkward(),
        NUMBERS,
        numbers(),
    ]
    OUT.write_text("\n".join(f"{part.strip()}\n" for part in parts), encoding="utf-8")


def killed() -> str:
    """Kills and models."""
    rows, written = [], []
    for record in _read("killed"):
        if "method" not in record:
            states = [str(record[key]) for key in ("kills", "old", "new", "partial")]
            written.append(states)
            continue
        counts = (record[key] for key in ("kills", "models", "lost models"))
        lost = (record["median seconds lost"], record["most seconds lost"])
        rows.append([record["method"], *map(str, (*counts, record["checkpoint_every"], *lost))])
    heads = ["method", "kills", "models", "models lost", "interval, s", "median s lost", "most"]
    first = _table(heads, rows)
    return (
        f"{first}\n{_table(['impute, killed', 'old file', 'new file', 'partial file'], written)}"
    )


def fuzzed() -> str:
    """Executions and what they found."""
    keys = ("target", "executions", "seconds", "edges_covered", "found", "left", "note")
    fuzzers = [record for record in _read("fuzz") if record["target"] != "places"]
    rows = [[str(record.get(key, "")) for key in keys] for record in fuzzers]
    heads = ["target", "executions", "seconds", "edges covered", "found", "left", "what it was"]
    keys = ("tried", "refused", "loaded", "without_an_answer", "left", "seconds")
    places = [record for record in _read("fuzz") if record["target"] == "places"]
    shown = [", ".join(record["models"]) for record in places]
    counts = [[str(record[key]) for key in keys] for record in places]
    names = [
        "wrong values at every place of",
        "files",
        "refused",
        "loaded",
        "answered by an error",
    ]
    table = _table(
        [*names, "left", "seconds"],
        [[models, *row] for models, row in zip(shown, counts, strict=True)],
    )
    return f"{_table(heads, rows)}\n{table}"


def awkward() -> str:
    """Inputs and outcomes of the last run."""
    counts = _read("awkward")[-1]["counts"]
    heads = ["", "inputs", "runs", "worked", "refused clearly", "wrong"]
    return _table(
        heads, [[kind, *(str(row[key]) for key in heads[1:])] for kind, row in counts.items()]
    )


def numbers() -> str:
    """Fits and outcomes."""
    keys = ("methods", "tables", "seeds", "fits", "refused", "failed")
    rows = []
    for record in _read("numerics"):
        first, last = record["seeds"]
        values = {**record, "seeds": last - first + 1}
        rows.append([str(values.get(key, 0)) for key in keys])
    return _table(keys, rows)


def _read(name: str) -> list[dict[str, Any]]:
    path = HERE / "results" / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


if __name__ == "__main__":
    main()
