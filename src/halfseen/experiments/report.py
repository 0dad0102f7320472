"""Print what was found beside what was published."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from halfseen.experiments.design import Experiment, Metric

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
        One line a protocol, units, metric, row and table: ``label``, ``published``, ``value``
        (the mean), ``error`` (its standard error, NaN for one run), ``difference``, ``agrees``
        and ``runs``. Lines are in the order of the experiment; a metric that no run of a row
        has is left out.
    """
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for record in records:
        key = tuple(record[name] for name in ("protocol", "units", "row", "table", "quick"))
        groups.setdefault(key, []).append(record)
    lines = [
        _line(experiment, metric, group)
        for metric in experiment.metrics
        for group in groups.values()
        if _is_told(experiment, metric, group)
    ]
    order = [row.key for row in experiment.rows]
    tables, names = list(experiment.tables), [metric.name for metric in experiment.metrics]
    lines.sort(
        key=lambda x: (names.index(x["metric"]), order.index(x["row"]), tables.index(x["table"]))
    )
    return pd.DataFrame(lines)


def _is_told(experiment: Experiment, metric: Metric, group: list[dict[str, Any]]) -> bool:
    """Whether a row has a metric; the main one also where all runs failed, or know no names."""
    if any(metric.name in _values(record) for record in group):
        return True
    return metric == experiment.metrics[0] and not any(_values(record) for record in group)


def _values(record: dict[str, Any]) -> dict[str, float]:
    return record.get("metrics", {})


def _line(experiment: Experiment, metric: Metric, records: list[dict[str, Any]]) -> dict[str, Any]:
    first = records[0]
    row = experiment.row(first["row"])
    # Records from before there were several metrics have the main one alone.
    spare = "value" if metric == experiment.metrics[0] else ""
    values = [_values(record).get(metric.name, record.get(spare, np.nan)) for record in records]
    value, n = float(np.mean(values)), len(values)
    published = experiment.published(first, metric.name)
    return {
        "protocol": first["protocol"],
        "units": first["units"],
        "metric": metric.name,
        "row": row.key,
        "label": row.quick[0] if first["quick"] and row.quick else row.label,
        "table": first["table"],
        "published": published,
        "value": value,
        "error": float(np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else np.nan,
        "difference": value - published,
        "agrees": bool(abs(value - published) <= metric.tolerance),
        "runs": n,
    }


def report(
    experiment: Experiment, records: Iterable[dict[str, Any]], console: Console | None = None
) -> None:
    """Print a table for each setting and metric: a grid on a terminal, lines on a pipe.

    Below are the runs that failed, for which a table has no number.
    """
    records = list(records)
    found = summary(experiment, records)
    console = console or Console()
    if found.empty:
        console.print("Nothing was asked for.")
        return
    metrics = {metric.name: metric for metric in experiment.metrics}
    for (protocol, units, name), part in found.groupby(
        ["protocol", "units", "metric"], sort=False
    ):
        title = f"{experiment.title} ({protocol}, {units}): {metrics[name].label}"
        if console.is_terminal:
            console.print(_grid(title, experiment, metrics[name], part))
            continue
        print(f"# {title}", file=console.file)
        print(_plain(part), file=console.file)
    for record in records:
        if "error" in record:
            where = ", ".join(str(record[name]) for name in ("row", "table", "seed"))
            print(f"# failed: {where}: {record['error']}", file=console.file)


def _plain(part: pd.DataFrame) -> str:
    columns = ["label", "table", "published", "value", "error", "difference", "runs"]
    if part["published"].isna().all():
        columns = [name for name in columns if name not in ("published", "difference")]
    return part[columns].to_string(index=False, float_format="%.3f", na_rep="-")


def _grid(title: str, experiment: Experiment, metric: Metric, part: pd.DataFrame) -> Table:
    caption = "mean ± standard error"
    if part["published"].notna().any():
        caption += (
            f"; below it the published value and the difference, red beyond {metric.tolerance:g}"
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
