"""The command reproduce."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["reproduce"]


def reproduce(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="An experiment; without one they are listed.")
    ] = "",
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer seeds, and shorter recipes that say so.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="JSON lines; what is in it is not run again. [results/NAME.jsonl]"
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the tables. [$HALFSEEN_DATA]")
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="How many seeds.")] = None,
    rows: Annotated[
        str, typer.Option(metavar="A,B", help="Some of the methods, by their keys.")
    ] = "",
    tables: Annotated[str, typer.Option(metavar="A,B", help="Some of the tables.")] = "",
    protocols: Annotated[
        str, typer.Option(metavar="A,B", help="Some of the ways that cells are hidden.")
    ] = "",
    jobs: Annotated[int, typer.Option(min=1, help="Processes at once.")] = 1,
) -> None:
    """Run an experiment of a paper, and set its results beside the published ones."""
    from halfseen.experiments import run

    if not name:
        _list()
        return
    run(
        name,
        quick=quick,
        out=out,
        data=data,
        seeds=seeds,
        rows=_names(rows),
        tables=_names(tables),
        protocols=_names(protocols),
        n_jobs=jobs,
    )


def _names(given: str) -> list[str] | None:
    return [name for name in given.split(",") if name] or None


def _list() -> None:
    from halfseen.cli.rendering import new_console, show_table
    from halfseen.experiments import all_experiments

    lines = [
        [name, experiment.title, ",".join(row.key for row in experiment.rows),
         ",".join(experiment.tables)]
        for name, experiment in sorted(all_experiments().items())
    ]  # fmt: skip
    show_table(new_console(), ["experiment", "what it is", "rows", "tables"], lines)
