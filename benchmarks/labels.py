"""Markdown of the experiments with labels, faces and modalities, from committed results."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from halfseen.experiments import all_experiments
from halfseen.experiments.report import summary
from halfseen.experiments.runner import read_lines

RESULTS = Path(__file__).resolve().parent / "results"
SHORT = ("supnotmiwae-covertype", "supnotmiwae-wine", "supmiwae-mnist")
NAMES = (*SHORT, "supmiwae-toys", "notmiwae-celeba")
INTRODUCTION = """\
Labels learned and predicted with holes in the rows, by short budgets that are equal for all rows
of a table (`halfseen reproduce NAME --quick`). Means over seeds ± standard error, and the
published value in brackets where there is one."""

MODALITIES = ("vsae-uci", "vsae-mnist-pairs", "vsae-image-text", "vsae-mosi")
SHORT_MODALITIES = MODALITIES[:2]
ABOUT_MODALITIES = """\
Modalities of which half are absent (`halfseen reproduce NAME --quick`): the models of the VSAE
paper in its own settings, and "ours", the same methods at our defaults; 1 500 steps for tables
and 2 500 for pictures, for all alike. Published values, in brackets, are of longer runs over all
rows and of single decodings; CVAE that sees the data and VAEAC learn from complete rows there,
and in these rows too."""

ADVERSARIES = ("misgan-mnist", "gain-uci", "misgan-cifar", "misgan-celeba")
SHORT_ADVERSARIES = ADVERSARIES[:2]
ABOUT_ADVERSARIES = """\
Adversarial models and their rivals (`halfseen reproduce NAME --quick`; GAIN's tables with its
published 10 000 steps). Distances of digits are by our own LeNet and can be compared within a
table only; published errors, in brackets, are of the full budget."""

PATCHES = ("dmfa-mnist", "dmfa-fashion", "dmfa-celeba")
SHORT_PATCHES = PATCHES[:2]
ABOUT_PATCHES = """\
Laws of a missing patch (`halfseen reproduce NAME --quick`): mixtures of factor analysers (MFA)
with the conditional law of the public baseline and with the exact one, the paper's networks, ours.
Log-densities of pixels that are always black are worth what the smallest variance allows, which is
said with each. Published values, in brackets, are of the full budget; their NLL has no floor to
speak of and is 1 nat too high."""


def labels(
    names: tuple[str, ...] = NAMES, *, main: bool = False, introduction: str = INTRODUCTION
) -> str:
    """Those of the experiments that have results; ``main`` leaves out lesser metrics."""
    parts = [introduction]
    for name in names:
        records = [r for r in read_lines(RESULTS / f"{name}.jsonl") if "error" not in r]
        if records:
            parts += _experiment(name, records, main)
    return "\n\n".join(parts)


def _experiment(name: str, records: list[dict], main: bool) -> list[str]:
    experiment = all_experiments()[name]
    found = summary(experiment, records)
    titles = {metric.name: metric.label.replace("|", "\\|") for metric in experiment.metrics}
    found["label"] = found["label"].str.replace("|", "\\|", regex=False)
    if found["protocol"].nunique() > 1:
        found["table"] = found["table"] + ", " + found["protocol"]
    parts = [f"**{experiment.title}** (`{name}`; {found['units'].iloc[0]})"]
    if found["table"].nunique() == 1:
        if main:
            found = found[found["metric"].isin([m.name for m in experiment.metrics[:4]])]
        return [*parts, _by_metric(found, titles)]
    for metric, part in found.groupby("metric", sort=False):
        if main and metric != experiment.metrics[0].name:
            break
        parts.append(_by_table(part, titles[str(metric)]))
    return parts


def _by_metric(found: pd.DataFrame, titles: dict[str, str]) -> str:
    """One table: rows by metrics."""
    metrics = list(dict.fromkeys(found["metric"]))
    lines = ["| method | seeds | " + " | ".join(titles[m] for m in metrics) + " |"]
    lines.append("|---|---|" + "---|" * len(metrics))
    for label, part in found.groupby("label", sort=False):
        by = part.set_index("metric")
        cells = [_cell(by.loc[m]) if m in by.index else "-" for m in metrics]
        lines.append(f"| {label} | {by['runs'].max()} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _by_table(found: pd.DataFrame, title: str) -> str:
    """Rows by tables, for one metric."""
    tables = list(dict.fromkeys(sorted(found["table"])))
    lines = [f"| {title} | seeds | " + " | ".join(tables) + " |"]
    lines.append("|---|---|" + "---|" * len(tables))
    for label, part in found.groupby("label", sort=False):
        by = part.set_index("table")
        cells = [_cell(by.loc[t]) if t in by.index else "-" for t in tables]
        lines.append(f"| {label} | {by['runs'].max()} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(line: pd.Series) -> str:
    published = "" if math.isnan(line["published"]) else f" ({line['published']:.3f})"
    error = "" if math.isnan(line["error"]) else f" ± {line['error']:.3f}"
    return f"{line['value']:.3f}{error}{published}"


if __name__ == "__main__":
    print(labels())
