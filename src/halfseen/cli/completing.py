"""The commands impute, fit and apply."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from halfseen.cli import options as opt
from halfseen.cli.messages import note

__all__ = ["apply", "fit", "impute"]


def impute(
    table: opt.Input,
    output: opt.Output,
    method: opt.Method = "miwae",
    draws: opt.Draws = 0,
    long: opt.Long = False,
    save: Annotated[
        Path | None, typer.Option(metavar="MODEL", help="Write the fitted model too.")
    ] = None,
    evaluate: Annotated[
        bool,
        typer.Option(
            "--evaluate",
            help="First hide a tenth of the seen cells, predict them, and compare with mean or "
            "mode fill and with scikit-learn's IterativeImputer.",
        ),
    ] = False,
    seed: opt.Seed = 0,
    force: opt.Force = False,
    max_memory: opt.MaxMemory = None,
    mechanism: opt.Mechanism = None,
    direction: opt.Direction = None,
    max_steps: opt.MaxSteps = None,
    time_budget: opt.TimeBudget = None,
    set_: opt.Set = None,
    columns: opt.Columns = None,
    ignore: opt.Ignore = "",
    keep_empty: opt.KeepEmpty = False,
) -> None:
    """Complete the table IN and write it to OUT; cells that are seen stay as they are."""
    from halfseen.cli.files import Job

    targets = _targets(output, draws, long)
    _check([table], targets, save, force)
    estimator = _make(
        method, seed, columns, keep_empty, mechanism, direction, max_steps, time_budget, set_
    )
    job = Job.read(table, ignore)
    scores = None
    if evaluate:
        scores = _evaluate(estimator, job, seed)
    note(f"Fitting {method} to all seen cells.")
    estimator.fit(job.table)
    _complete(estimator, job, targets, draws, long, save)
    if scores is not None:
        from halfseen.cli.rendering import new_console, show_scores

        show_scores(new_console(), method, scores)
    note(_told(job, targets))


def fit(
    table: opt.Input,
    save: Annotated[
        Path, typer.Option(metavar="MODEL", help="File to write, usually MODEL.halfseen.")
    ],
    method: opt.Method = "miwae",
    seed: opt.Seed = 0,
    force: opt.Force = False,
    max_memory: opt.MaxMemory = None,
    mechanism: opt.Mechanism = None,
    direction: opt.Direction = None,
    max_steps: opt.MaxSteps = None,
    time_budget: opt.TimeBudget = None,
    set_: opt.Set = None,
    columns: opt.Columns = None,
    ignore: opt.Ignore = "",
    keep_empty: opt.KeepEmpty = False,
    resume: opt.Resume = False,
    checkpoint: opt.Checkpoint = None,
    checkpoint_every: opt.CheckpointEvery = 60.0,
) -> None:
    """Fit a model to the table IN and write it to a file.

    The state of training is kept now and then: after a crash, the same command with --resume
    goes on from there, and ends with the model that it would have had.
    """
    from halfseen.cli.files import Job
    from halfseen.cli.resuming import checkpoint_folder, checkpointed, may_replace

    folder = checkpoint_folder(save, checkpoint)
    _check([table], [], save, may_replace(save, folder, resume=resume, force=force))
    estimator = _make(
        method, seed, columns, keep_empty, mechanism, direction, max_steps, time_budget, set_
    )
    job = Job.read(table, ignore)
    with checkpointed(folder, resume=resume, force=force):
        estimator.fit(job.table, checkpoint=folder, checkpoint_every=checkpoint_every)
        estimator.save(save)
    note(f"The model is in {save}.")


def apply(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model from --save.")],
    table: Annotated[
        Path, typer.Argument(metavar="NEW", help="A table with the columns of the fit.")
    ],
    output: opt.Output,
    draws: opt.Draws = 0,
    long: opt.Long = False,
    force: opt.Force = False,
    max_memory: opt.MaxMemory = None,
    ignore: opt.Ignore = "",
) -> None:
    """Complete the table NEW by a model that was fitted before."""
    from halfseen.cli.files import Job
    from halfseen.errors import SettingError
    from halfseen.methods import load
    from halfseen.tables.streams import is_large

    targets = _targets(output, draws, long)
    _check([model, table], targets, None, force)
    estimator = load(model)
    if estimator.card.task != "imputation":
        raise SettingError(
            f"{model} predicts a target and completes nothing. Use `halfseen predict`."
        )
    if is_large(table, targets):
        _complete_parts(estimator, table, ignore, targets, draws, long)
        return
    job = _known(estimator, Job.read(table, ignore))
    _complete(estimator, job, targets, draws, long, None)
    note(_told(job, targets))


def _complete_parts(
    estimator: Any, path: Path, ignore: str, targets: list[Path], draws: int, long: bool
) -> None:
    """Read, complete and write some rows at a time; nothing is there until all of them are."""
    from contextlib import ExitStack

    from halfseen.cli.files import Job

    n_rows, n_cells = 0, 0
    writers: list[Any] = []
    with ExitStack() as stack:
        for number, part in enumerate(Job.parts(path, ignore)):
            job = _known(estimator, part)
            writers = writers or _writers(stack, job, targets, draws, long)
            missing = job.missing
            tables = _completions(estimator, job.table, draws, number)
            for writer, completed in zip(writers, tables, strict=True):
                writer.write(job.cells(completed, targets[0], missing))
            n_rows, n_cells = n_rows + len(missing), n_cells + int(missing.sum())
            note(f"{n_rows} rows done.")
    note(_said(n_cells, targets))


def _writers(stack: Any, job: Any, targets: list[Path], draws: int, long: bool) -> list[Any]:
    """What each draw is written by."""
    from halfseen.tables.io import draw_name
    from halfseen.tables.long_files import LongWriter
    from halfseen.tables.streams import PartWriter

    delimiter = job.delimiter_for(targets[0])
    if long:
        draw_name(job.source.table.column_names)
        return list(stack.enter_context(LongWriter(targets[0], draws, delimiter)).draws)
    return [stack.enter_context(PartWriter(target, delimiter)) for target in targets]


def _known(estimator: Any, job: Any) -> Any:
    """The job, once its columns are those of the model, with words where the model has words."""
    from halfseen.cli.targets import worded

    codec = estimator.codec_
    return worded(codec, job.only(set(codec.spec.names)))


def _completions(estimator: Any, table: Any, draws: int, number: int) -> list[Any]:
    """One completion of a part of a table, or draws: those of equal rows in two parts differ."""
    if not draws:
        return [estimator.transform(table)]
    if not number:
        return list(estimator.sample(table, n_draws=draws))
    import numpy as np

    seed = np.random.SeedSequence([getattr(estimator, "seed_", 0), number])
    random_state = int(seed.generate_state(1)[0]) >> 1
    return list(estimator.sample(table, n_draws=draws, random_state=random_state))


def _targets(output: Path, draws: int, long: bool) -> list[Path]:
    """Files of completed tables."""
    from halfseen.cli.files import draw_paths, split_suffix
    from halfseen.errors import SettingError

    split_suffix(output)
    if long and not draws:
        raise SettingError("Got --long without --draws. Say how many draws, such as --draws 20.")
    return [output] if long or not draws else draw_paths(output, draws)


def _check(sources: list[Path], targets: list[Path], save: Path | None, force: bool) -> None:
    from halfseen.cli.files import check_targets

    check_targets(sources, [*targets, *([] if save is None else [save])], force)


def _make(
    method: str,
    seed: int,
    columns: Path | None,
    keep_empty: bool,
    mechanism: str | None,
    direction: list[str] | None,
    max_steps: int | None,
    time_budget: float | None,
    more: list[str] | None,
) -> Any:
    from halfseen.cli.making import make_estimator, parse_direction

    settings = {
        "mechanism": mechanism,
        "direction": parse_direction(direction),
        "max_steps": max_steps,
        "time_budget": time_budget,
    }
    return make_estimator(
        method, seed=seed, columns=columns, keep_empty=keep_empty, settings=settings, more=more
    )


def _evaluate(estimator: Any, job: Any, seed: int) -> Any:
    from halfseen.estimators.evaluation import evaluate

    note("Two fits: first to nine tenths of the seen cells, to predict the others.")
    return evaluate(estimator, job.table, random_state=seed)


def _complete(
    estimator: Any, job: Any, targets: list[Path], draws: int, long: bool, save: Path | None
) -> None:
    """Write completions, and the model if wanted, after all of them are there."""
    if draws:
        tables = estimator.sample(job.table, n_draws=draws)
    else:
        tables = [estimator.transform(job.table)]
    if save is not None:
        estimator.save(save)
    if long:
        job.write_long(targets[0], tables)
        return
    for target, completed in zip(targets, tables, strict=True):
        job.write(target, completed, job.missing)


def _told(job: Any, targets: list[Path]) -> str:
    return _said(int(job.missing.sum()), targets)


def _said(n_cells: int, targets: list[Path]) -> str:
    where = str(targets[0]) if len(targets) == 1 else f"{targets[0]} to {targets[-1].name}"
    return f"Completed {n_cells} cells: {where}"
