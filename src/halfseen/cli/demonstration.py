"""The command demo."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from halfseen.cli.messages import note

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["demo", "run_demo"]

# Two fits and the rivals within a minute on a modest computer.
MAX_STEPS = 400


def demo(
    folder: Annotated[Path, typer.Option(metavar="DIR", help="Where files are written.")] = Path(
        "halfseen-demo"
    ),
    max_steps: Annotated[int, typer.Option(min=1, help="Training steps of each fit.")] = MAX_STEPS,
) -> None:
    """Complete a bundled table of 300 sick horses, and show how well that works."""
    # Steps on so small a table gain nothing from a second thread, and lose much on a busy core.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from halfseen.cli.rendering import new_console

    run_demo(new_console(), folder, max_steps)


def run_demo(
    console: Console, folder: Path, max_steps: int = MAX_STEPS, shown: Path | None = None
) -> None:
    """Evaluate and complete the bundled table.

    Parameters
    ----------
    console : Console
        Where results are shown.
    folder : Path
        Where files are written; made if it is not there.
    max_steps : int
        Training steps of each of the two fits.
    shown : Path, optional
        What to call the folder.
    """
    from halfseen.cli.files import Job
    from halfseen.cli.making import make_estimator
    from halfseen.cli.rendering import show_scores
    from halfseen.datasets import path_of
    from halfseen.estimators.evaluation import evaluate

    job = Job.read(path_of("horse_colic"))
    estimator = make_estimator(
        "miwae", seed=0, columns=path_of("horse_colic.toml"), settings={"max_steps": max_steps}
    )
    note("Two fits. First to nine tenths of the seen cells, to predict the others ...")
    scores = evaluate(estimator, job.table)
    note("... then to all of them.")
    completed = estimator.fit(job.table).transform(job.table)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "horse_colic-completed.csv"
    job.write(target, completed, job.missing)
    estimator.save(folder / "horse_colic.halfseen")
    show_scores(console, "miwae", scores)
    rows, columns = job.table.shape
    for line in (
        f"{job.missing.sum()} of the {rows * columns} cells of this table are missing; "
        "now they are filled:",
        f"  {(shown or folder) / target.name}",
        "Your own table:  halfseen impute TABLE.csv -o FILLED.csv --evaluate",
    ):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
