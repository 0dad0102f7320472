"""The command reproduce."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["reproduce"]


def reproduce(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="An experiment; without one they are listed.")
    ] = "",
) -> None:
    """Run an experiment of a paper, and set its results beside the published ones."""
    raise NotImplementedError
