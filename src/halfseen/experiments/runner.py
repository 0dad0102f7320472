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
        One record a cell; a run that failed has an ``error`` and is tried again next time.
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
    if n_jobs == 1 or len(cells) < 2:
        return [_run_one(experiment, cell, path, data) for cell in cells]
    from joblib import Parallel, delayed

    jobs = (delayed(_run_alone)(experiment, cell, path, data) for cell in cells)
    return list(Parallel(n_jobs=n_jobs, batch_size=1)(jobs))


def _run_alone(experiment: Experiment, cell: Cell, path: Path, data: str | Path | None) -> Record:
    """In a process of several: barriers of two threads on a busy core cost more than they give."""
    torch.set_num_threads(1)
    return _run_one(experiment, cell, path, data)


def _run_one(experiment: Experiment, cell: Cell, path: Path, data: str | Path | None) -> Record:
    # A missing table is the caller's affair, unlike a method that fails.
    task = experiment.make(cell.table, cell.protocol, cell.units, cell.seed, data)
    row = experiment.row(cell.row)
    fill = row.quick[1] if cell.quick and row.quick else row.fill
    record, wall, cpu = asdict(cell), time.perf_counter(), time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            filled = fill(task, cell.seed)
        record["seconds"] = round(time.perf_counter() - wall, 3)
        record["cpu_seconds"] = round(time.process_time() - cpu, 3)
        record["value"] = experiment.score(task, filled)
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
