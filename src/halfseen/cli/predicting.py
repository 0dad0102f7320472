"""The commands train and predict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from halfseen.cli import options as opt
from halfseen.cli.messages import note

if TYPE_CHECKING:
    from halfseen.cli.targets import Labelled

__all__ = ["predict", "train"]


def train(
    table: opt.Input,
    target: Annotated[
        str, typer.Option(metavar="COL", help="Column to predict; rows without it help too.")
    ],
    save: Annotated[
        Path, typer.Option(metavar="MODEL", help="File to write, usually MODEL.halfseen.")
    ],
    method: Annotated[
        str, typer.Option(metavar="NAME", help="sup-miwae, sup-not-miwae or filled.")
    ] = "sup-miwae",
    task: Annotated[
        str,
        typer.Option(
            metavar="classification|regression|auto",
            help="auto: classes where COL holds text, truth values or at most 10 whole numbers.",
        ),
    ] = "auto",
    evaluate: Annotated[
        bool,
        typer.Option(
            "--evaluate",
            help="First hold out a fifth of the rows with COL, predict them, and compare with the "
            "most frequent class or the mean, and with gradient boosting.",
        ),
    ] = False,
    seed: opt.Seed = 0,
    force: opt.Force = False,
    max_memory: opt.MaxMemory = None,
    max_steps: opt.MaxSteps = None,
    set_: opt.Set = None,
    columns: opt.Columns = None,
    ignore: opt.Ignore = "",
    keep_empty: opt.KeepEmpty = False,
    resume: opt.Resume = False,
    checkpoint: opt.Checkpoint = None,
    checkpoint_every: opt.CheckpointEvery = 60.0,
) -> None:
    """Learn to predict a column of the table IN, and write the model to a file.

    --max-steps counts the steps of each stage: what completes rows, then what predicts.
    Settings of the first stage are --set generator.NAME=VALUE, such as
    generator.direction=high. After a crash, the same command with --resume goes on.
    """
    from halfseen.cli.files import Job, check_targets
    from halfseen.cli.resuming import checkpoint_folder, checkpointed, may_replace
    from halfseen.cli.targets import split_target

    folder = checkpoint_folder(save, checkpoint)
    check_targets([table], [save], may_replace(save, folder, resume=resume, force=force))
    labelled = split_target(Job.read(table, ignore), target, task, columns)
    estimator = _make(method, labelled, seed, keep_empty, max_steps, set_)
    note(f"Column {target!r}: {labelled.task}, {labelled.n_known} rows have it.")
    scores = _evaluate(estimator, labelled, seed) if evaluate else None
    note(f"Fitting {method} to all rows.")
    with checkpointed(folder, resume=resume, force=force):
        fit = {"checkpoint": folder, "checkpoint_every": checkpoint_every}
        estimator.fit(labelled.table, labelled.y, **fit).save(save)
    if scores is not None:
        _show(method, scores)
    note(f"The model is in {save}.")


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model from `train`.")],
    table: Annotated[
        Path, typer.Argument(metavar="NEW", help="A table with the columns of the training.")
    ],
    output: opt.Output,
    interval: Annotated[
        float, typer.Option(help="Share of the numbers that lie between lower and upper.")
    ] = 0.9,
    force: opt.Force = False,
    max_memory: opt.MaxMemory = None,
) -> None:
    """Predict for the rows of the table NEW.

    OUT has a row for each: the columns of NEW that the model does not look at, such as
    identifiers, then `prediction`, and `probability_...` of each class or `lower` and `upper`.
    """
    from halfseen.cli.files import Job, check_targets, split_suffix
    from halfseen.cli.targets import predictions
    from halfseen.errors import SettingError
    from halfseen.methods import load
    from halfseen.tables import write_table
    from halfseen.tables.streams import is_large

    split_suffix(output)
    if not 0 < interval < 1:
        raise SettingError(f"Got --interval {interval}. Expected a number between 0 and 1.")
    check_targets([model, table], [output], force)
    estimator = load(model)
    if estimator.card.task not in ("classification", "regression"):
        raise SettingError(f"{model} completes tables and predicts nothing. Use `halfseen apply`.")
    if is_large(table, [output]):
        n_rows = _predict_parts(estimator, table, interval, output)
    else:
        out, delimiter = predictions(estimator, Job.read(table), interval, output)
        write_table(output, out, delimiter=delimiter)
        n_rows = out.num_rows
    note(f"Predicted {n_rows} rows: {output}")


def _predict_parts(estimator: Any, path: Path, interval: float, output: Path) -> int:
    """Read, predict and write some rows at a time; how many there were."""
    from contextlib import ExitStack

    from halfseen.cli.files import Job
    from halfseen.cli.targets import predictions
    from halfseen.tables.streams import PartWriter

    n_rows, writer = 0, None
    with ExitStack() as stack:
        for job in Job.parts(path):
            out, delimiter = predictions(estimator, job, interval, output)
            if writer is None:
                writer = stack.enter_context(PartWriter(output, delimiter))
            writer.write(out)
            n_rows += out.num_rows
            note(f"{n_rows} rows done.")
    return n_rows


def _make(
    method: str,
    labelled: Labelled,
    seed: int,
    keep_empty: bool,
    max_steps: int | None,
    more: list[str] | None,
) -> Any:
    """The estimator, with its generator where it has one."""
    from halfseen.cli.making import make_estimator
    from halfseen.errors import SettingError
    from halfseen.methods import method_by_name

    first = [item for item in more or () if item.startswith("generator.")]
    settings: dict[str, Any] = {"max_steps": max_steps}
    shared: dict[str, Any] = {
        "seed": seed, "columns": labelled.kinds, "keep_empty": keep_empty
    }  # fmt: skip
    known = method_by_name(method, labelled.task)
    if not known.card.saves:  # type: ignore[attr-defined]
        raise SettingError(
            f"Method {method!r} cannot be kept in a file. Choose another one for `train`, or use "
            f"{known.__name__} from Python."
        )
    generator = getattr(known, "default_generator", None)
    named = any(item.partition("=")[0].strip() == "generator" for item in more or ())
    if (generator and not named) or first:
        stage = [item.removeprefix("generator.") for item in first]
        settings["generator"] = make_estimator(
            generator or "miwae", settings={"max_steps": max_steps}, more=stage, **shared
        )
    rest = [item for item in more or () if item not in first]
    return make_estimator(method, settings=settings, more=rest, task=labelled.task, **shared)


def _evaluate(estimator: Any, labelled: Labelled, seed: int) -> Any:
    from halfseen.cli.comparing import compare

    note("Two fits: first without a fifth of the rows, to predict these.")
    return compare(estimator, labelled, seed)


def _show(method: str, scores: Any) -> None:
    from halfseen.cli.rendering import new_console, show_table

    names = list(scores["model"])
    rows = [
        [method if row == "model" else row]
        + [f"{values[name]:.3f}" if name in values else "-" for name in names]
        for row, values in scores.items()
    ]
    title = "Scores on rows that were held out"
    numeric = range(1, len(names) + 1)
    show_table(new_console(), ["method", *names], rows, title=title, numeric=numeric)
