"""All commands under one name; what they need is imported when they run."""

from __future__ import annotations

from typing import Annotated

import typer

from halfseen import __version__
from halfseen.cli.completing import apply, fit, impute
from halfseen.cli.demonstration import demo
from halfseen.cli.doctor import doctor
from halfseen.cli.inspecting import ampute, describe, methods
from halfseen.cli.messages import Commands
from halfseen.cli.predicting import predict, train
from halfseen.cli.reproducing import reproduce

__all__ = ["app", "main"]

app = typer.Typer(
    cls=Commands,
    name="halfseen",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_COMMANDS = (
    *(impute, fit, apply, train, predict),
    *(ampute, describe, methods, reproduce, demo, doctor),
)
for _command in _COMMANDS:
    app.command()(_command)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"halfseen {__version__}")
        raise typer.Exit


@app.callback()
def _halfseen(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Complete tables with holes in, predict from them, and learn why the holes are there.

    Files may be CSV, TSV (also gzipped), Parquet or Feather; their names say which.
    """


def main() -> None:
    """Run the command line.

    Exits with 0, with 1 when data or a setting cannot be used, with 2 when the command line
    itself cannot be read, and with 130 when interrupted.
    """
    app(prog_name="halfseen")
