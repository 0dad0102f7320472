"""Every awkward input through every public entry, as a report: what works, what is refused how.

Prints the table, writes docs/awkward.md, and appends the counts to a file of JSON lines. Exits
with 1 if anything is not as it is declared: an answer that changed a seen cell, an error that is
not the package's or does not name the column and the remedy, an input that works against the
declaration.

    OMP_NUM_THREADS=1 python benchmarks/awkward.py [--quick | --skip-huge] [--only WORD]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from halfseen.experiments.runner import append_line, machine, versions

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "awkward"))

TABLE_GROUPS = ("describe", "ampute", "evaluate", "mean", "miwae", "classifier", "regressor")
LABEL_GROUPS = ("classifier", "regressor")
LATER_GROUPS = ("mean", "miwae")
FILE_GROUPS = ("describe", "impute", "ampute", "fit, apply", "train, predict")


@dataclass
class Row:
    """What became of one input.

    Parameters
    ----------
    kind, name : str
        The input.
    outcomes : list of Outcome
        One an entry.
    seconds : float
        For all of them.
    """

    kind: str
    name: str
    outcomes: list[Any] = field(default_factory=list)
    seconds: float = 0.0

    def cell(self, group: str) -> str:
        """What a group of entries did: "ok", or the classes of errors."""
        some = [o for o in self.outcomes if o.entry == group or o.entry.startswith(f"{group}.")]
        if any(outcome.wrong for outcome in some):
            return "WRONG"
        words = dict.fromkeys(outcome.error or "ok" for outcome in some)
        return " / ".join(words) if words else "-"

    @property
    def remedy(self) -> str:
        """What the first error says."""
        said = [o.message for o in self.outcomes if o.error]
        text = " ".join(said[0].split()) if said else ""
        return text.removeprefix("halfseen: error: ")


def main() -> None:
    """Run, print, write."""
    args = _arguments()
    torch.set_num_threads(1)
    start, clock = time.perf_counter(), time.process_time()
    parts = {
        "Tables": (TABLE_GROUPS, list(_tables(args))),
        "Labels": (LABEL_GROUPS, list(_labels(args))),
        "Tables after the fit": (LATER_GROUPS, list(_later(args))),
        "Files": (FILE_GROUPS, list(_files(args))),
    }
    counts = {title: _count(rows) for title, (_, rows) in parts.items()}
    console = Console(width=200 if not sys.stdout.isatty() else None)
    for title, (groups, rows) in parts.items():
        console.print(_shown(title, groups, rows))
    for title, count in counts.items():
        console.print(f"{title}: {_said(count)}")
    wrong = [
        (row, o) for _, rows in parts.values() for row in rows for o in row.outcomes if o.wrong
    ]
    for row, outcome in wrong:
        console.print(f"WRONG {row.kind}: {row.name}, {outcome.entry}: {outcome.wrong}")
    if not args.quick and not args.only:
        record = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - start, 1),
            "cpu_seconds": round(time.process_time() - clock, 1),
            "load": round(os.getloadavg()[0], 1),
            "seed": 0,
            "huge": not args.skip_huge,
            "slowest": _slowest(parts),
            "versions": versions() | _libraries(),
            "machine": machine(),
        }
        append_line(args.out, {"counts": counts} | record)
        args.docs.write_text(_document(parts, counts), encoding="utf-8")
    raise SystemExit(bool(wrong))


def _tables(args: argparse.Namespace) -> Iterator[Row]:
    from awkward_arrays import ARRAYS, LISTS, TENSORS
    from awkward_entries import outcomes
    from awkward_pandas import PANDAS
    from awkward_polars_arrow import ARROW, POLARS

    for case in _chosen([*ARRAYS, *LISTS, *TENSORS, *PANDAS, *POLARS, *ARROW], args):
        if not (case.huge and (args.quick or args.skip_huge)):
            yield _timed(case.kind, case.name, outcomes(case, networks=not args.quick))


def _labels(args: argparse.Namespace) -> Iterator[Row]:
    from awkward_entries import label_outcomes
    from awkward_labels import LABELS

    for case in _chosen(LABELS, args):
        yield _timed("labels", case.name, label_outcomes(case))


def _later(args: argparse.Namespace) -> Iterator[Row]:
    from awkward_entries import later_outcomes
    from awkward_labels import LATER

    for case in _chosen(LATER, args):
        yield _timed("later", case.name, later_outcomes(case, networks=not args.quick))


def _files(args: argparse.Namespace) -> Iterator[Row]:
    from awkward_commands import file_outcomes
    from awkward_files import FILES

    for case in _chosen(FILES, args):
        yield _timed("file", case.name, file_outcomes(case))


def _chosen(cases: Sequence[Any], args: argparse.Namespace) -> list[Any]:
    return [case for case in cases if not args.only or args.only in str(case)]


def _timed(kind: str, name: str, outcomes: Iterator[Any]) -> Row:
    start = time.perf_counter()
    found = list(outcomes)
    return Row(kind, name, found, time.perf_counter() - start)


def _count(rows: Sequence[Row]) -> dict[str, int]:
    """Inputs; and runs of an input at an entry that worked, were refused clearly, were wrong."""
    every = [outcome for row in rows for outcome in row.outcomes]
    kinds = Counter(
        "wrong" if o.wrong else "refused clearly" if o.error else "worked" for o in every
    )
    names = ("worked", "refused clearly", "wrong")
    return {"inputs": len(rows), "runs": len(every)} | {name: kinds[name] for name in names}


def _said(count: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in count.items())


def _slowest(parts: dict[str, Any], most: int = 5) -> dict[str, float]:
    rows = sorted((row for _, some in parts.values() for row in some), key=lambda r: -r.seconds)
    return {f"{row.kind}: {row.name}": round(row.seconds, 1) for row in rows[:most]}


def _libraries() -> dict[str, str]:
    """Versions of the libraries whose tables these are."""
    return {name: version(name) for name in ("pandas", "polars", "pyarrow", "narwhals")}


def _shown(title: str, groups: Sequence[str], rows: Sequence[Row]) -> Table:
    table = Table(title=title, title_justify="left")
    for header in ("kind", "input", *groups, "s"):
        table.add_column(header, overflow="fold")
    for row in rows:
        cells = [row.cell(group) for group in groups]
        styled = [f"[red]{cell}[/red]" if "WRONG" in cell else cell for cell in cells]
        table.add_row(row.kind, row.name, *styled, f"{row.seconds:.2f}")
    return table


def _document(parts: dict[str, Any], counts: dict[str, dict[str, int]]) -> str:
    """The report as markdown."""
    lines = [_INTRODUCTION]
    heads = ["", *next(iter(counts.values()))]
    figures = [[title, *map(str, count.values())] for title, count in counts.items()]
    sums = [sum(count[name] for count in counts.values()) for name in heads[1:]]
    lines += [_markdown(heads, [*figures, ["all", *map(str, sums)]])]
    for title, (groups, rows) in parts.items():
        lines.append(f"\n## {title}\n\n{_NOTES[title]}\n\n")
        body = [
            [row.kind, row.name, *(row.cell(group) for group in groups), _short(row.remedy)]
            for row in rows
        ]
        lines.append(_markdown(["kind", "input", *groups, "what the error says"], body))
    return "".join(lines)


_INTRODUCTION = """# Awkward inputs

Written by `benchmarks/awkward.py`; the inputs are in `tests/awkward`, each with what must become
of it. *ok*: the entry works, seen cells are the same to the bit, types, names, index and container
are as they were, no hole is left, no number is infinite, and the input is untouched. The name of
an error: the input is refused by an error of the package that names the column or the file and
says what to do. A run is one input at one entry; `wrong` counts all others.

"""
_NOTES = {
    "Tables": "*mean* and *miwae* are fit, transform, sample, and save, load, transform; *miwae* "
    "also quantile, score_samples and diagnostics. *classifier* and *regressor* are fit, predict, "
    "and save, load, predict. `describe` shows columns that models refuse, with the same remedy.",
    "Labels": "The awkward thing is y; fit, predict, and save, load, predict.",
    "Tables after the fit": "Models that were fitted to an ordinary frame meet another table.",
    "Files": "The commands; what goes wrong is one line, exit code 1, and no file touched.",
}


def _short(text: str, most: int = 160) -> str:
    plain = text.encode("ascii", "backslashreplace").decode().replace("\0", "\\0")
    cut = plain if len(plain) <= most else plain[: most - 3] + "..."
    return cut.replace("|", "\\|").replace("<", "&lt;")


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="without networks and huge tables")
    parser.add_argument("--skip-huge", action="store_true", help="with networks, minutes less")
    parser.add_argument("--only", default="", help="inputs whose name holds this word")
    results = ROOT / "benchmarks" / "results"
    parser.add_argument("--out", type=Path, default=results / "awkward.jsonl")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs" / "awkward.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
