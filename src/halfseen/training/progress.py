"""A progress bar on a terminal, silence elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from halfseen.training.loop import Watcher, _quiet

__all__ = ["progress"]


@contextmanager
def progress(label: str, verbose: bool) -> Iterator[Watcher]:
    """A watcher that draws a bar on standard error while training runs.

    Parameters
    ----------
    label : str
        What is being fitted.
    verbose : bool
        Whether to show anything; nothing is shown when standard error is no terminal.
    """
    if not verbose or not sys.stderr.isatty():
        yield _quiet
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} steps"),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None, note="")

        def watch(step: int, total: int, row: dict[str, Any]) -> None:
            note = f"held-out bound {row['monitor']:.3f}" if "monitor" in row else ""
            bar.update(task, completed=step, total=total, note=note)

        yield watch
