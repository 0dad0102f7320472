"""Run the cells of an experiment into a file of JSON lines, going on where a run stopped."""

from __future__ import annotations

import json
import os
import platform
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from halfseen.experiments.design import Cell, Experiment

__all__ = ["append_line", "machine", "read_lines", "run_cells", "versions"]

Record = dict[str, Any]


def run_cells(
    experiment: Experiment,
    cells: Sequence[Cell],
    path: Path,
    data: str | Path | None = None,
    n_jobs: int = 1,
) -> list[Record]:
    """Run those cells that the file does not have, and return the records of all.

    Parameters
    ----------
    experiment : Experiment
        What is run.
    cells : sequence of Cell
        Which cells.
    path : Path
        File of JSON lines, appended to.
    data : str or Path, optional
        Folder of the tables.
    n_jobs : int, default=1
        Processes.

    Returns
    -------
    list of dict
        One record a cell: ``metrics`` by name, and the main one, where the row has it, again as
        ``value``. A run that failed has an ``error`` and is tried again next time. What several
        rows share, such as a generator, is in the seconds of the first that needed it.
    """
    done = {_key(record): record for record in read_lines(path) if "error" not in record}
    todo = [cell for cell in cells if cell.key() not in done]
    path.parent.mkdir(parents=True, exist_ok=True)
    for record in _run_all(experiment, todo, path, data, n_jobs):
        done[_key(record)] = record
    return [done[cell.key()] for cell in cells]


def _run_all(
    experiment: Experiment,
    cells: Sequence[Cell],
    path: Path,
    data: str | Path | None,
    n_jobs: int,
) -> list[Record]:
    """Run cells of one task after each other: the task is made once."""
    parts = _of_one_task(cells)
    if n_jobs == 1 or len(cells) < 2:
        return [record for part in parts for record in _run_part(experiment, part, path, data)]
    from joblib import Parallel, delayed

    parts = [some for part in parts for some in _apart(experiment, part)]
    # The long ones first, so that no process is left with one of them at the end.
    parts.sort(key=len, reverse=True)
    jobs = (delayed(_run_alone)(experiment, part, path, data) for part in parts)
    done = Parallel(n_jobs=n_jobs, batch_size=1)(jobs)
    return [record for part in done for record in part]


def _of_one_task(cells: Sequence[Cell]) -> list[list[Cell]]:
    parts: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in cells:
        parts.setdefault(cell.task(), []).append(cell)
    return list(parts.values())


def _apart(experiment: Experiment, part: list[Cell]) -> list[list[Cell]]:
    """Cells of one task that need not run in one process."""
    alone = [c for c in part if not experiment.shares or experiment.row(c.row).alone]
    together = [cell for cell in part if cell not in alone]
    return [part for part in (together, *([cell] for cell in alone)) if part]


def _run_alone(
    experiment: Experiment, part: list[Cell], path: Path, data: str | Path | None
) -> list[Record]:
    """In a process of several: barriers of two threads on a busy core cost more than they give."""
    torch.set_num_threads(1)
    return _run_part(experiment, part, path, data)


def _run_part(
    experiment: Experiment, part: list[Cell], path: Path, data: str | Path | None
) -> list[Record]:
    # A missing table is the caller's affair, unlike a method that fails.
    first = part[0]
    task = experiment.make(first.table, first.protocol, first.units, first.seed, data)
    return [_run_one(experiment, cell, task, path) for cell in part]


def _run_one(experiment: Experiment, cell: Cell, task: Any, path: Path) -> Record:
    row = experiment.row(cell.row)
    run = row.quick[1] if cell.quick and row.quick else row.run
    record, wall, cpu = asdict(cell), time.perf_counter(), time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = run(task, cell.seed)
        record["seconds"] = round(time.perf_counter() - wall, 3)
        record["cpu_seconds"] = round(time.process_time() - cpu, 3)
        metrics = {name: float(value) for name, value in experiment.score(task, answer).items()}
        main = experiment.metrics[0].name
        record |= {"value": metrics[main]} if main in metrics else {}
        record["metrics"] = metrics
    except Exception as error:  # One failing method must not stop the others.
        record["error"] = f"{type(error).__name__}: {error}"[:500]
    record |= {"versions": versions(), "machine": machine()}
    append_line(path, record)
    return record


def _key(record: Record) -> tuple[Any, ...]:
    return tuple(record.get(field.name) for field in fields(Cell))


def read_lines(path: Path) -> list[Record]:
    """Records of a file of JSON lines, none if there is no file.

    Examples
    --------
    >>> read_lines(Path("no such file"))
    []
    """
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def append_line(path: Path, record: Record) -> None:
    """Add one line in one write, so that a stopped run leaves no half line."""
    line = json.dumps(record) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, line.encode("utf-8"))
    finally:
        os.close(descriptor)


def versions() -> dict[str, str]:
    """Versions of what a number depends on."""
    out = {"python": platform.python_version()}
    for name in ("halfseen", "torch", "numpy", "scikit-learn"):
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            out[name] = "source"
    return out


def machine() -> dict[str, Any]:
    """Processor, cores and threads."""
    return {"cpu": _cpu_model(), "cores": os.cpu_count(), "threads": torch.get_num_threads()}


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()
