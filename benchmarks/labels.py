"""Markdown of the experiments with labels, faces and modalities, from committed results."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path

import pandas as pd

from halfseen.experiments import all_experiments
from halfseen.experiments.design import Cell
from halfseen.experiments.report import summary
from halfseen.experiments.runner import read_lines

RESULTS = Path(__file__).resolve().parent / "results"
SHORT = ("supnotmiwae-covertype", "supnotmiwae-wine", "supmiwae-mnist")
NAMES = (*SHORT, "supmiwae-toys", "notmiwae-celeba")
INTRODUCTION = """\
Labels learned and predicted with holes in the rows, by short budgets that are equal for all rows
of a table (`halfseen reproduce NAME --quick`). Means over seeds ± standard error, and the
published value in brackets where there is one; [n] is the number of seeds of a cell that has
fewer than its line says, and is not to be compared closely with others."""

MODALITIES = ("vsae-uci", "vsae-mnist-pairs", "vsae-image-text", "vsae-mosi")
SHORT_MODALITIES = MODALITIES[:2]
ABOUT_MODALITIES = """\
Modalities of which half are absent (`halfseen reproduce NAME --quick`): the models of the VSAE
paper in its own settings, and "ours", the same methods at our defaults; 1 500 steps for tables
and 2 500 for pictures, for all alike. Published values, in brackets, are of longer runs over all
rows and of single decodings; CVAE that sees the data and VAEAC learn from complete rows there,
and in these rows too. [n] is the number of seeds of a cell that has fewer than its line says."""

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

READING_LABELS = """\
What the tables say. Digits: with half of the pixels missing, and with 70 %, both M1 and M2 are
ahead of M3 and M3 of every constant, in accuracy and in log-loss. With 90 % the single completion
stays ahead (.708), before heads that see means of pixels (.700 and .696), M1 and M2 (.681) and
zeros (.659): there the order of the paper does not hold in the short budget, and heads over
samples say too little, with calibration errors of .05 to .07. The full budget has not been run.

Forest cover: no network is ahead of gradient boosting that takes NaN (.802); boosting on draws of
our not-MIWAE is (.796), by three standard errors of five paired seeds. Among networks,
sup-not-MIWAE over a frozen generator (.829) is ahead of two stages (.844) and of filled rows
(.841) with the same bins and mask; with the published linear heads it is 1.18, two stages 1.24
and supMIWAE 1.43. Burger (three seeds, rows with a hole): M1 (-.643) and M2 (-.646) are ahead of
MICE (-.654), means and zeros (-.660) and M3 (-.664); learned constants and channels (-.641), with
which a head can say that nothing is known, are at the exact answer (-.640). Red wine:
sup-not-MIWAE is ahead of two stages over ten paired seeds, by .0036 +- .0007 with linear heads
and by .0012 +- .0018 with MLPs. Faces: what our mechanism learns completes clipped pixels better
than all rows but the constant in the middle of the clipped range (.099 against .083), which knows
the bar and the range."""

READING_MODALITIES = """\
What the tables say. On categories the family at our defaults is ahead of the most frequent one, on
Mushroom and Phishing of 10 neighbours and of the paper's numbers, too; on the 101 animals of Zoo
what learns from incomplete rows is at .17 and above, neighbours too, and only VAEAC that learned
from complete rows is under the paper's best (.128 and .168). VSAE in its published settings learns
no more than the mode in the short budget. On Yeast nothing is much ahead of the mean: completely
at random it scores .476 here, our best .461 and the paper's best .447, which we do not reach. A
mixture of Gaussians in closed form, which knows no modalities and is fitted in seconds (Yeast,
Zoo) or minutes (Mushroom), is on Mushroom, Phishing, Zoo and Yeast within .01 of the best of those
that learn from incomplete rows. With 30 and 70 % missing (Figure 2, one seed) the order of the
models is about the same; with 70 % all are nearer to the mean or the mode. On the 214 rows of
Glass our VSAE (.727) and the mixture (.728; mean .855, standard errors of .1) are ahead of what
learns from incomplete rows; VAE and VAEAC, which have no early stop, end far behind the mean with
one of three seeds (1.31 and 1.21).

Pairs and texts: what sees the other side says more of it than the mean picture, at our defaults by
10 % of the squared error on digits and by 20 % on garments, and so do neighbours; but VAEAC at our
defaults, which meets two seen pictures in a quarter of its rows and hides one of them in a third
of these, does not on digits, and its pictures beside texts of garments are behind the mean. In the
published settings the models that learn from complete pairs do, and the others hardly, within the
short budget. On MOSI no model is ahead of the mean in the short budget. Generated masks of our
VSAE have the right share of missing modalities within .02 on all of these tables, pairs and
utterances. The full budgets have not been run, nor SVHN, whose files are not at hand."""

READING_ADVERSARIES = """\
What the tables say. Digits: where a block or a quadrant is seen, MisGAN's completions are closer
to digits than those of GAIN, factorisation, means and zeros (25 against 43 and more), and ConvAC's
are closer still (11); the squared error orders them otherwise. Where single pixels are seen its
completions are behind those of factorisation and GAIN (90 against 42 and 72), though its generator
makes closer digits (29): there the imputer has not learned enough in the short budget.
Photographs, in the short budget of 3 000 pictures and fully connected networks: MisGAN is ahead of
GAIN, zeros and means where a block is seen, but factorisation is ahead of it (172 and 117 against
225 and 193); where single pixels are seen means are (323 and 240 against 408 and 358). The paper's
convolutions and its budget want a GPU and have not been run."""

READING_PATCHES = """\
What the tables say. The full budgets, which want a GPU, have not been run: published values are
beside short runs, scored on 1 000 test pictures in place of 10 000. The faces at hand are 9 000 to
learn from and 1 000 others, of which 300 are scored; the paper scores the validation pictures of
all of CelebA, and its mixture has three times the components of ours, so that its values there
are no aim.

On digits the exact law takes the NLL of the public baseline from 70 to 33 nats, on garments from
-108 to -94: its errors do not explain the distance to networks. A noise of each pixel explains
more of it: -176 and -211 nats at nearly the same sum of squares, less than the paper's networks
get in the short budget (-99 and -134). A network that trains on patches of one size is ahead of
ours at that size and below it, and behind at larger ones. Our networks have a floor of their own,
so that all floors of the table give them one NLL. Bits per pixel rest on 200 pictures and 20
draws."""

# Of a table; what was asked for beyond the usual then stands in tables of its own.
MOST_COLUMNS = 8


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


ABOUT_TIMES = """\
How long `halfseen reproduce NAME --quick` takes: processor minutes of its runs by the committed
results, one thread each; with `--jobs 2` about half of them by the clock. Runs that failed or have
not been made are not counted. The longest run is what no second process shortens."""


def quick_times() -> str:
    """Processor minutes of quick runs, by experiment."""
    lines = ["| experiment | runs | measured | minutes | longest |", "|---|---|---|---|---|"]
    for name, experiment in sorted(all_experiments().items()):
        cells = {cell.key() for cell in experiment.cells(quick=True)}
        seconds = {
            tuple(record[field.name] for field in fields(Cell)): record["cpu_seconds"]
            for record in read_lines(RESULTS / f"{name}.jsonl")
            if "cpu_seconds" in record
        }
        spent = [seconds[key] / 60 for key in cells & set(seconds)]
        if spent:
            numbers = f"{len(cells)} | {len(spent)} | {sum(spent):.0f} | {max(spent):.0f}"
            lines.append(f"| {name} | {numbers} |")
    return ABOUT_TIMES + "\n\n" + "\n".join(lines)


def _experiment(name: str, records: list[dict], main: bool) -> list[str]:
    experiment = all_experiments()[name]
    found = summary(experiment, records)
    titles = {metric.name: metric.label.replace("|", "\\|") for metric in experiment.metrics}
    found["label"] = found["label"].str.replace("|", "\\|", regex=False)
    found["whole"] = found["table"]
    if found["protocol"].nunique() > 1:
        found["table"] = found["table"] + ", " + found["protocol"]
    parts = [f"**{experiment.title}** (`{name}`; {found['units'].iloc[0]})"]
    if found["table"].nunique() == 1:
        if main:
            found = found[found["metric"].isin([m.name for m in experiment.metrics[:4]])]
        return [*parts, _by_metric(found, titles)]
    usual = {f"{c.table}, {c.protocol}" for c in experiment.cells(quick=True)}
    wide = found["table"].nunique() > MOST_COLUMNS
    for metric, part in found.groupby("metric", sort=False):
        if main and metric != experiment.metrics[0].name:
            break
        title, asked = titles[str(metric)], ~part["table"].isin(usual) & wide
        parts.append(_by_table(part[~asked], title))
        if asked.any() and not main and metric in [m.name for m in experiment.metrics[:2]]:
            parts += _by_protocol(part[part["whole"].isin(part[asked]["whole"])], title)
    return parts


def _by_metric(found: pd.DataFrame, titles: dict[str, str]) -> str:
    """One table: rows by metrics."""
    metrics = list(dict.fromkeys(found["metric"]))
    lines = ["| method | seeds | " + " | ".join(titles[m] for m in metrics) + " |"]
    lines.append("|---|---|" + "---|" * len(metrics))
    for label, part in found.groupby("label", sort=False):
        lines.append(_line(str(label), part.set_index("metric"), metrics))
    return "\n".join(lines)


def _by_protocol(found: pd.DataFrame, title: str) -> list[str]:
    """Rows by protocols, a table for each data set that was asked for under further ones."""
    parts = []
    for name, part in found.groupby("whole", sort=False):
        short = part.assign(table=part["protocol"])
        parts.append(_by_table(short, f"{name}: {title}"))
    return parts


def _by_table(found: pd.DataFrame, title: str) -> str:
    """Rows by tables, for one metric."""
    tables = list(dict.fromkeys(sorted(found["table"])))
    lines = [f"| {title} | seeds | " + " | ".join(tables) + " |"]
    lines.append("|---|---|" + "---|" * len(tables))
    for label, part in found.groupby("label", sort=False):
        lines.append(_line(str(label), part.set_index("table"), tables))
    return "\n".join(lines)


def _line(label: str, by: pd.DataFrame, names: list[str]) -> str:
    """A row of a table; cells of fewer seeds than the others say how many they have."""
    most, cells = by["runs"].max(), []
    for name in names:
        found = name in by.index
        fewer = found and by.loc[name, "runs"] < most
        text = _cell(by.loc[name]) if found else "-"
        cells.append(f"{text} [{by.loc[name, 'runs']}]" if fewer else text)
    return f"| {label} | {most} | " + " | ".join(cells) + " |"


def _cell(line: pd.Series) -> str:
    published = "" if math.isnan(line["published"]) else f" ({line['published']:.3f})"
    error = "" if math.isnan(line["error"]) else f" ± {line['error']:.3f}"
    return f"{line['value']:.3f}{error}{published}"


if __name__ == "__main__":
    print(labels())
