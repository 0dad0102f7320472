"""The commands ampute, describe and methods."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from halfseen.cli import options as opt
from halfseen.cli.messages import for_commands, note

__all__ = ["ampute", "describe", "methods"]


def ampute(
    table: Annotated[Path, typer.Argument(metavar="IN", help="A table.")],
    output: opt.Output,
    mechanism: Annotated[
        str,
        typer.Option(
            metavar="LAW", help="mcar, mar, self-masking, self-masking-hard or mnar-logistic."
        ),
    ] = "mcar",
    rate: Annotated[
        float | None, typer.Option(help="Share of the cells of a column that goes missing.")
    ] = None,
    columns: Annotated[
        str, typer.Option(metavar="A,B", help="Where holes are made; by default everywhere.")
    ] = "",
    direction: Annotated[
        str, typer.Option(help="Which values self-masking removes: high or low.")
    ] = "high",
    mask: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write which cells are seen (1) or not (0) too."),
    ] = None,
    seed: opt.Seed = 0,
    force: opt.Force = False,
    ignore: opt.Ignore = "",
) -> None:
    """Make holes in the table IN, by a mechanism, and write it to OUT."""
    from halfseen.cli.files import Job, check_targets, names_of, split_suffix
    from halfseen.estimators.amputation import ampute as make_holes
    from halfseen.tables import write_table

    targets = [output] if mask is None else [output, mask]
    for target in targets:
        split_suffix(target)
    check_targets([table], targets, force)
    job = Job.read(table, ignore)
    chosen = names_of(columns, job.table.column_names) or None
    holed, seen = make_holes(
        job.table,
        mechanism,
        rate=rate,
        columns=chosen,
        direction=direction,
        random_state=seed,
        return_mask=True,
    )
    before = job.missing
    after = before.copy()
    after[:, [name not in job.ignored for name in job.source.table.column_names]] = ~seen
    job.write(output, holed, after & ~before)
    if mask is not None:
        import pyarrow as pa

        names = holed.column_names
        write_table(mask, pa.table([pa.array(s.astype("int8")) for s in seen.T], names=names))
    note(f"Removed {int((after & ~before).sum())} cells: {output}")


def describe(
    table: opt.Input,
    columns: opt.Columns = None,
) -> None:
    """Show what is in the table IN, column by column, and what stands in a model's way."""
    from halfseen.cli.rendering import new_console, show_table
    from halfseen.tables import describe as summarise
    from halfseen.tables import read_kinds, read_table

    kinds = None if columns is None else read_kinds(columns)
    summaries = summarise(read_table(table), kinds)
    console = new_console()
    headers = ["column", "kind", "type", "missing", "share", "distinct", "values"]
    rows = [
        [
            s.name,
            s.kind,
            s.dtype,
            str(s.n_missing),
            f"{s.share_missing:.1%}",
            "" if s.n_distinct is None else str(s.n_distinct),
            s.values,
        ]
        for s in summaries
    ]
    if not console.is_terminal:
        headers.append("remedy")
        rows = [[*row, for_commands(s.remedy)] for row, s in zip(rows, summaries, strict=True)]
    show_table(console, headers, rows, numeric=(3, 4, 5))
    for s in summaries:
        if s.remedy:
            note(for_commands(s.remedy))


def methods() -> None:
    """List the methods that --method takes."""
    from halfseen.cli.rendering import new_console, show_table
    from halfseen.methods import all_methods

    rows = []
    for name, method in all_methods().items():
        card = method.card  # type: ignore[attr-defined]
        rows.append([card.name, card.task, card.mechanism, card.summary, card.paper, name])
    headers = ["method", "task", "holes", "what it is", "paper", "class"]
    show_table(new_console(), headers, sorted(rows, key=lambda row: (row[1] != "imputation", row)))
