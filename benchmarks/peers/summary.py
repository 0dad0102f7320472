"""Print the means over seeds of a results file, a table of methods for each metric."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from protocol import METHODS_KEY, TABLES, rank_methods

METRICS = ("rmse", "error_rate", "crps", "coverage90", "width90", "cpu_seconds", "score")


def main() -> None:
    """Read the file and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="JSON lines file")
    results = read(parser.parse_args().results)
    for mechanism, rows in results.groupby("mechanism", sort=False):
        for metric in METRICS:
            print(f"\n{mechanism}: {metric}")
            print(means(rows, metric).round(3).to_string(na_rep="-"))
    if results["error"].notna().any():
        failed = results.loc[results["error"].notna(), [*METHODS_KEY, "error"]]
        print("\nfailed\n" + failed.to_string(index=False))


def read(path: Path) -> pd.DataFrame:
    """Return the last line of each run, with the rank of its method as `score`."""
    results = pd.read_json(path, lines=True).drop_duplicates(list(METHODS_KEY), keep="last")
    if "error" not in results:
        results["error"] = None
    return rank_methods(results.reset_index(drop=True))


def means(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return tables by methods, the mean over the seeds that did not fail."""
    order = [t for t in TABLES if t in set(rows["table"])]
    cells = rows.pivot_table(metric, "table", "method", aggfunc="mean", sort=False)
    return cells.reindex(order).dropna(how="all")


if __name__ == "__main__":
    main()
