"""Print what was found beside what was published."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from halfseen.experiments.design import Experiment

__all__ = ["report", "summary"]


def summary(experiment: Experiment, records: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Means over seeds beside published values.

    Parameters
    ----------
    experiment : Experiment
        What was run.
    records : iterable of dict
        Its records.

    Returns
    -------
    pandas.DataFrame
        One line a protocol, units, row and table: ``label``, ``published``, ``value`` (the
        mean), ``error`` (its standard error, NaN for one run), ``difference``, ``agrees`` and
        ``runs``. Lines are in the order of the experiment.
    """
    groups: dict[tuple[Any, ...], list[float]] = {}
    for record in records:
        key = tuple(record[name] for name in ("protocol", "units", "row", "table", "quick"))
        groups.setdefault(key, []).append(record.get("value", np.nan))
    lines = [_line(experiment, key, values) for key, values in groups.items()]
    order = [row.key for row in experiment.rows]
    tables = list(experiment.tables)
    lines.sort(key=lambda x: (order.index(x["row"]), tables.index(x["table"])))
    return pd.DataFrame(lines)


def _line(experiment: Experiment, key: tuple[Any, ...], values: list[float]) -> dict[str, Any]:
    protocol, units, row_key, table, quick = key
    row = experiment.row(row_key)
    same = (protocol, units) == experiment.published_under
    published = row.published.get(table, np.nan) if same else np.nan
    value, n = float(np.mean(values)), len(values)
    difference = value - published
    return {
        "protocol": protocol,
        "units": units,
        "row": row_key,
        "label": row.quick[0] if quick and row.quick else row.label,
        "table": table,
        "published": published,
        "value": value,
        "error": float(np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else np.nan,
        "difference": difference,
        "agrees": bool(abs(difference) <= experiment.tolerance),
        "runs": n,
    }


def report(
    experiment: Experiment, records: Iterable[dict[str, Any]], console: Console | None = None
) -> None:
    """Print a table for each setting: a grid on a terminal, one line a cell on a pipe."""
    found = summary(experiment, records)
    console = console or Console()
    if found.empty:
        console.print("Nothing was asked for.")
        return
    for (protocol, units), part in found.groupby(["protocol", "units"], sort=False):
        title = f"{experiment.title}; protocol {protocol}, {units} units"
        if console.is_terminal:
            console.print(_grid(title, experiment, part))
            continue
        print(f"# {title}", file=console.file)
        print(_plain(part), file=console.file)


def _plain(part: pd.DataFrame) -> str:
    columns = ["label", "table", "published", "value", "error", "difference", "runs"]
    return part[columns].to_string(index=False, float_format="%.3f", na_rep="-")


def _grid(title: str, experiment: Experiment, part: pd.DataFrame) -> Table:
    caption = (
        "mean ± standard error; below it the published value and the difference, "
        f"red beyond {experiment.tolerance:g}"
    )
    names = [name for name in experiment.tables if (part["table"] == name).any()]
    grid = Table(title=title, caption=caption)
    grid.add_column("method")
    for name in names:
        grid.add_column(name, justify="right")
    for label, line in part.groupby("label", sort=False):
        by_table = line.set_index("table")
        texts = [_text(by_table.loc[name]) if name in by_table.index else "" for name in names]
        grid.add_row(str(label), *texts)
    return grid


def _text(cell: Any) -> str:
    spread = "" if np.isnan(cell["error"]) else f" ±{cell['error']:.3f}"
    text = f"{cell['value']:.3f}{spread}"
    if np.isnan(cell["published"]):
        return text
    style = "green" if cell["agrees"] else "red"
    return f"{text}\n{cell['published']:.2f} [{style}]{cell['difference']:+.3f}[/{style}]"
