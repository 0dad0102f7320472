"""The papers' tables as data: tables, mechanism, methods, metrics, published values, tolerance.

An :class:`Experiment` says what a published table holds; :func:`run` fills it in, cell by cell,
into a file of JSON lines that an interrupted run goes on with.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from halfseen.core.words import closest
from halfseen.errors import SettingError
from halfseen.experiments.design import Cell, Experiment, Row, Task
from halfseen.experiments.dmfa import DMFA_CELEBA, DMFA_FASHION, DMFA_MNIST
from halfseen.experiments.gain_uci import GAIN_UCI
from halfseen.experiments.misgan_mnist import MISGAN_MNIST
from halfseen.experiments.misgan_pictures import MISGAN_CELEBA, MISGAN_CIFAR
from halfseen.experiments.notmiwae_celeba import NOTMIWAE_CELEBA
from halfseen.experiments.notmiwae_uci import NOTMIWAE_UCI
from halfseen.experiments.report import report
from halfseen.experiments.runner import run_cells
from halfseen.experiments.supmiwae_mnist import SUPMIWAE_MNIST
from halfseen.experiments.supmiwae_toys import SUPMIWAE_TOYS
from halfseen.experiments.supnotmiwae_covertype import SUPNOTMIWAE_COVERTYPE
from halfseen.experiments.supnotmiwae_wine import SUPNOTMIWAE_WINE
from halfseen.experiments.vsae_image_text import VSAE_IMAGE_TEXT
from halfseen.experiments.vsae_mosi import VSAE_MOSI
from halfseen.experiments.vsae_pairs import VSAE_PAIRS
from halfseen.experiments.vsae_uci import VSAE_UCI

__all__ = ["Cell", "Experiment", "Row", "Task", "all_experiments", "run"]


EXPERIMENTS = (
    NOTMIWAE_UCI,
    SUPMIWAE_MNIST,
    SUPMIWAE_TOYS,
    SUPNOTMIWAE_COVERTYPE,
    SUPNOTMIWAE_WINE,
    NOTMIWAE_CELEBA,
    VSAE_UCI,
    VSAE_PAIRS,
    VSAE_IMAGE_TEXT,
    VSAE_MOSI,
    MISGAN_MNIST,
    MISGAN_CIFAR,
    MISGAN_CELEBA,
    GAIN_UCI,
    DMFA_MNIST,
    DMFA_FASHION,
    DMFA_CELEBA,
)


def all_experiments() -> dict[str, Experiment]:
    """Every experiment by its name.

    Examples
    --------
    >>> list(all_experiments())[:2]
    ['notmiwae-uci', 'supmiwae-mnist']
    """
    return {experiment.name: experiment for experiment in EXPERIMENTS}


def run(
    name: str,
    *,
    quick: bool = False,
    out: str | Path | None = None,
    data: str | Path | None = None,
    seeds: int | Sequence[int] | None = None,
    rows: Sequence[str] | None = None,
    tables: Sequence[str] | None = None,
    protocols: Sequence[str] | None = None,
    n_jobs: int = 1,
) -> None:
    """Run an experiment and print its table beside the published one.

    Parameters
    ----------
    name : str
        One of :func:`all_experiments`.
    quick : bool, default=False
        Fewer seeds and, for the slowest rows, a shorter recipe that the row's name states.
    out : str or Path, optional
        File of JSON lines; cells that are in it are not run again. By default
        ``results/<name>.jsonl``.
    data : str or Path, optional
        Folder of the tables and pictures, see :func:`halfseen.datasets.load_uci`.
    seeds : int or sequence of int, optional
        How many seeds, or which.
    rows, tables, protocols : sequence of str, optional
        Some of the experiment's rows, by key, tables, and ways that cells are hidden; by default
        all rows, and the tables and protocols that are usual for this kind of run.
    n_jobs : int, default=1
        Processes, each with one thread if there are several.
    """
    experiments = all_experiments()
    if name not in experiments:
        raise SettingError(
            f"Got experiment {name!r}. Expected one of {sorted(experiments)}."
            f"{closest(name, experiments)}"
        )
    experiment = experiments[name]
    path = Path(out) if out is not None else Path("results", f"{name}.jsonl")
    cells = experiment.cells(
        quick=quick, seeds=seeds, rows=rows, tables=tables, protocols=protocols
    )
    records = run_cells(experiment, cells, path, data, n_jobs)
    report(experiment, records)
