"""Tables for people on a terminal, tab-separated lines for programs elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from halfseen.estimators.evaluation import ColumnScore

__all__ = ["new_console", "show_scores", "show_table"]

# Errors that print alike are alike.
_DIGITS = 3


def new_console() -> Console:
    """Standard output, with whatever the terminal can do."""
    from rich.console import Console

    return Console()


def show_table(
    console: Console,
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str = "",
    numeric: Collection[int] = (),
    bold: Collection[tuple[int, int]] = (),
    last: int = 0,
) -> None:
    """Show a table.

    Parameters
    ----------
    console : Console
        Where; off a terminal the lines are plain, with tabs between cells.
    headers : sequence of str
        Names of the columns.
    rows : sequence of sequences of str
        Cells.
    title : str
        Shown on a terminal only.
    numeric : collection of int
        Places of the columns that are aligned to the right.
    bold : collection of (int, int)
        Rows and columns of the cells that stand out.
    last : int
        Number of rows at the end that a line sets apart.
    """
    if not console.is_terminal:
        for row in (headers, *rows):
            typer.echo("\t".join(" ".join(cell.split()) for cell in row), file=console.file)
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD)
    for place, header in enumerate(headers):
        shown.add_column(
            Text(header), justify="right" if place in numeric else "left", overflow="fold"
        )
    for i, row in enumerate(rows):
        if last and i == len(rows) - last:
            shown.add_section()
        cells = (Text(c, "bold" if (i, j) in bold else "") for j, c in enumerate(row))
        shown.add_row(*cells)
    console.print(shown)


def show_scores(console: Console, method: str, scores: Sequence[ColumnScore]) -> None:
    """Show what :func:`halfseen.estimators.evaluation.evaluate` found.

    Parameters
    ----------
    console : Console
        Where.
    method : str
        Name of the imputer.
    scores : sequence of ColumnScore
        One a column.
    """
    from halfseen.estimators.evaluation import averages

    means = averages(scores)
    every = [*scores, *means]
    kinds = [score.kind for score in scores] + [""] * len(means)
    rows = [
        [
            score.name,
            kind,
            str(score.n_missing),
            str(score.n_hidden),
            _unit(score),
            *_cells(score),
        ]
        for score, kind in zip(every, kinds, strict=True)
    ]
    bold = {(i, 5 + j) for i, score in enumerate(every) for j in _best(score)}
    show_table(
        console,
        ["column", "kind", "missing", "hidden", "unit", method, "mean/mode", "iterative"],
        rows,
        title="Errors on seen cells that were hidden from the fit, lower is better\n"
        "(numbers: in standard deviations of the column; categories: share that is wrong)",
        numeric=(2, 3, 5, 6, 7),
        bold=bold,
        last=len(means),
    )


def _unit(score: ColumnScore) -> str:
    return "sd" if score.measure == "error / sd" else "share"


def _cells(score: ColumnScore) -> list[str]:
    return ["-" if error != error else f"{error:.{_DIGITS}f}" for error in score.errors]


def _best(score: ColumnScore) -> list[int]:
    if not score.n_hidden:
        return []
    errors = [round(error, _DIGITS) for error in score.errors]
    return [j for j, error in enumerate(errors) if error == min(errors)]
