"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

__all__ = [
    "Checkpoint",
    "CheckpointEvery",
    "Columns",
    "Direction",
    "Draws",
    "Force",
    "Ignore",
    "Input",
    "KeepEmpty",
    "Long",
    "MaxMemory",
    "MaxSteps",
    "Mechanism",
    "Method",
    "Output",
    "Resume",
    "Seed",
    "Set",
    "TimeBudget",
]

Input: TypeAlias = Annotated[
    Path, typer.Argument(metavar="IN", help="Table with holes in: CSV, TSV, Parquet or Feather.")
]
Output: TypeAlias = Annotated[
    Path, typer.Option("--output", "-o", metavar="OUT", help="Table to write, in any format.")
]
Method: TypeAlias = Annotated[
    str, typer.Option(metavar="NAME", help="One of those that `halfseen methods` lists.")
]
Mechanism: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="LAW",
        help="Why cells are missing, for not-miwae: self-masking, linear or mlp.",
        rich_help_panel="Model",
    ),
]
Direction: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[COL=]high|low|unknown",
        help="Which values of a self-masking column go missing; may be repeated by column.",
        rich_help_panel="Model",
    ),
]
Columns: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--columns",
        "--kinds",
        metavar="TOML",
        help='Kinds of columns, where the inferred ones are wrong: lines like age = "count".',
        rich_help_panel="Columns",
    ),
]
Ignore: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="A,B",
        help="Columns that are kept as they are and not looked at, such as identifiers. Names "
        "that hold a comma stand in quotes.",
        rich_help_panel="Columns",
    ),
]
KeepEmpty: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--keep-empty",
        help="Fill columns without any value with a constant, instead of refusing them.",
        rich_help_panel="Columns",
    ),
]
Seed: TypeAlias = Annotated[int, typer.Option(min=0, help="Same seed, same answer.")]
MaxSteps: TypeAlias = Annotated[
    int | None, typer.Option(min=1, help="Training steps.", rich_help_panel="Model")
]
TimeBudget: TypeAlias = Annotated[
    float | None,
    typer.Option(min=0, metavar="SECONDS", help="When training stops.", rich_help_panel="Model"),
]
Set: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Any other setting of the method, such as hidden=[64,64] or "
        """'blocks={"lab":["iron","salt"]}'; may be repeated.""",
        rich_help_panel="Model",
    ),
]
Draws: TypeAlias = Annotated[
    int,
    typer.Option(
        min=0,
        metavar="M",
        help="Write M completions instead of one, to OUT-01, OUT-02, ...; large files, which are "
        "worked on in parts, have other draws than the same rows in a small one.",
    ),
]
Long: TypeAlias = Annotated[
    bool, typer.Option("--long", help="Write draws to one file, with a column that counts them.")
]
Resume: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on where a run of the same command was killed.",
        rich_help_panel="Long fits",
    ),
]
Checkpoint: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Where the state of training is kept meanwhile; by default MODEL.checkpoint.",
        rich_help_panel="Long fits",
    ),
]
CheckpointEvery: TypeAlias = Annotated[
    float,
    typer.Option(
        min=0, metavar="SECONDS", help="Work that may be lost.", rich_help_panel="Long fits"
    ),
]


def _limit(context: typer.Context, value: str | None) -> str | None:
    """Keep the limit for as long as the command runs."""
    from halfseen.core.memory import limit_memory

    if value is not None:
        context.with_resource(limit_memory(value))
    return value


MaxMemory: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        callback=_limit,
        help="Work in parts that take no more, such as 500MB, beside the program itself.",
    ),
]
Force: TypeAlias = Annotated[bool, typer.Option("--force", "-f", help="Replace files that exist.")]
