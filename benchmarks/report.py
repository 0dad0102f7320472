"""Merge result files of the comparison into markdown: mean ranks, then values table by table.

    python benchmarks/report.py            prints to standard output

Only cases (table, mechanism, seed) that every method has run are compared. Where a rival failed
as its package sets it, the better of its fallbacks stands in, marked with a star.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pandas as pd

from protocol import METHODS_KEY, TABLES, rank_methods

CASE = list(METHODS_KEY[:3])
METRICS = ("rmse", "error_rate", "crps", "coverage90")
LEFT_OUT = ("halfseen-mean",)


def main() -> None:
    """Print the report."""
    args = _arguments()
    print(report(read(args.files)), end="")


def read(files: list[Path]) -> pd.DataFrame:
    """Records of several files, the last of each run."""
    lines = [line for path in files if path.exists() for line in path.read_text().splitlines()]
    records = pd.DataFrame([json.loads(line) for line in lines if line])
    for name in (*METRICS, "seconds", "cpu_seconds", "error"):
        if name not in records:
            records[name] = None
    records = records.drop_duplicates(list(METHODS_KEY), keep="last")
    return records[~records["method"].isin(LEFT_OUT)].reset_index(drop=True)


def report(records: pd.DataFrame) -> str:
    """The whole report as markdown."""
    mains, starred = _with_fallbacks(records)
    cases = _common(mains)
    if cases.empty:
        return "No case has been run by every method.\n"
    ranked = rank_methods(cases)
    parts = [_ranks(ranked, starred)]
    for metric in METRICS:
        parts.append(_by_table(ranked, metric, starred))
    return "\n".join(part for part in parts if part)


def above_best(records: pd.DataFrame, closed: tuple[str, ...], mechanism: str = "mcar") -> str:
    """By how much the laws in closed form are above the best of our rows, table by table.

    The error of numbers and, where a table has them, that of other columns; means over seeds.
    """
    ours = records[records["method"].str.startswith("halfseen-")]
    ours = ours[ours["mechanism"] == mechanism]
    rows = []
    for metric, text in (("rmse", "RMSE"), ("error_rate", "error rate")):
        values = ours.assign(value=ours[metric].astype(float)).dropna(subset=["value"])
        grid = values.pivot_table(index="table", columns="method", values="value")
        for table, line in grid.iterrows():
            best, excess = line.min(), line / line.min() - 1
            name = f"{table}, {text}"
            told = [f"{excess[f'halfseen-{method}']:.1%}" for method in closed]
            rows.append([name, f"{best:.3f}", _ours(line.idxmin()), *told])
    return _markdown(["table", "best of ours", "by", *closed], rows)


def _ours(method: object) -> str:
    return str(method).removeprefix("halfseen-")


def _with_fallbacks(records: pd.DataFrame) -> tuple[pd.DataFrame, set[str]]:
    """Main methods with failed runs replaced by the better fallback; names that needed one."""
    methods = set(records["method"])
    base = {m: m.rsplit("-", 1)[0] for m in methods if m.rsplit("-", 1)[0] in methods - {m}}
    mains = records[~records["method"].isin(base)].copy()
    spares = records[records["method"].isin(base) & records["error"].isna()].copy()
    spares["method"] = spares["method"].map(base)
    # The error of numbers and of categories, whichever the table has.
    spares["goal"] = spares[["rmse", "error_rate"]].astype(float).mean(axis=1)
    spares = spares.sort_values("goal").drop_duplicates(list(METHODS_KEY)).drop(columns="goal")
    failed = mains["error"].notna()
    lost = mains[failed][list(METHODS_KEY)]
    found = lost.merge(spares, on=list(METHODS_KEY))
    keys = pd.MultiIndex.from_frame(found[list(METHODS_KEY)])
    replaced = failed & pd.MultiIndex.from_frame(mains[list(METHODS_KEY)]).isin(keys)
    merged = pd.concat([mains[~replaced], found], ignore_index=True)
    return merged, set(found["method"])


def _common(records: pd.DataFrame) -> pd.DataFrame:
    n_methods = records["method"].nunique()
    count = records.groupby(CASE)["method"].transform("nunique")
    return records[count == n_methods].reset_index(drop=True)


def _ranks(ranked: pd.DataFrame, starred: set[str]) -> str:
    grid = ranked.pivot_table(index="method", columns="mechanism", values="score")
    grid["all"] = ranked.groupby("method")["score"].mean()
    grid["failed"] = ranked["error"].notna().groupby(ranked["method"]).sum()
    grid["cpu s"] = ranked.groupby("method")["cpu_seconds"].median()
    grid = grid.sort_values("all")
    n = ranked.drop_duplicates(CASE).shape[0]
    rows = []
    for name, line in grid.iterrows():
        ranks = [f"{line[column]:.2f}" for column in grid.columns[:-2]]
        costs = [f"{int(line['failed'])}", f"{line['cpu s']:.3g}"]
        rows.append([_star(name, starred), *ranks, *costs])
    head = ["method", *(f"rank, {c}" for c in grid.columns[:-2]), "failed", "cpu s (median)"]
    return f"Mean rank over {n} cases (1 is best)\n\n{_markdown(head, rows)}"


def _by_table(ranked: pd.DataFrame, metric: str, starred: set[str]) -> str:
    values = ranked.assign(**{metric: ranked[metric].astype(float)})
    grid = values.pivot_table(index=["table", "mechanism"], columns="method", values=metric)
    if grid.empty:
        return ""
    order = ranked.groupby("method")["score"].mean().sort_values().index
    methods = [m for m in order if m in grid]
    rows = []
    for table, mechanism in sorted(grid.index, key=lambda x: (x[1], list(TABLES).index(x[0]))):
        line = grid.loc[(table, mechanism), methods]
        rows.append([table, mechanism, *_cells(line, metric)])
    head = ["table", "holes", *(_star(m, starred) for m in methods)]
    return f"{_TITLES[metric]}, mean over seeds\n\n{_markdown(head, rows)}"


_TITLES = {
    "rmse": "RMSE of hidden numeric cells, in standard deviations",
    "error_rate": "Error rate of hidden categorical cells",
    "crps": "CRPS of hidden numeric cells (of the point where a method has no draws)",
    "coverage90": "Coverage of 90 % intervals, where a method has draws",
}


def _cells(line: pd.Series, metric: str) -> list[str]:
    """Numbers as text, the best in bold; nearest to 0.9 is the best coverage."""
    distance = (line - 0.9).abs() if metric == "coverage90" else line
    best = distance.min()
    texts = zip(line, distance, strict=True)
    return [_bold(f"{v:.3f}", d == best) if pd.notna(v) else "" for v, d in texts]


def _bold(text: str, yes: bool) -> str:
    return f"**{text}**" if yes else text


def _star(name: str, starred: set[str]) -> str:
    return f"{name} *" if name in starred else name


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _arguments() -> argparse.Namespace:
    results = Path(__file__).resolve().parent / "results"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = [results / "peers.jsonl", results / "ours.jsonl"]
    parser.add_argument("files", nargs="*", type=Path, default=default)
    return parser.parse_args()


if __name__ == "__main__":
    main()
