"""Errors and warnings as single lines on standard error."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import typer
from typer.core import TyperGroup

from halfseen.errors import HalfseenError, HalfseenWarning

__all__ = ["Commands", "for_commands", "note", "warn"]

# What messages advise in Python, said for the command line.
_WORDS = (
    ("pass keep_empty_features=True", "pass --keep-empty"),
    ("drop it", "leave it out with --ignore"),
    ("Drop it", "Leave it out with --ignore"),
    ("Name another folder, or remove this one", "Pass --force to begin anew, or --checkpoint"),
    ("with kinds=", "in a file for --columns"),
    # Commands read UTF-8 and find the delimiter themselves.
    (", or pass its encoding, such as encoding='latin-1'", ""),
    (", or pass its encoding, such as encoding='utf-16'", ""),
    (": correct it, or pass its delimiter", ": correct it"),
    ("Raise n_importance_predict", "Raise it with --set n_importance_predict=..."),
)


class Commands(TyperGroup):
    """Commands whose expected failures are one line and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command, with our warnings shown and those of other packages silent."""
        with warnings.catch_warnings():
            if not sys.warnoptions:
                warnings.simplefilter("ignore")
            warnings.simplefilter("always", HalfseenWarning)
            warnings.showwarning = _Teller()
            try:
                return super().invoke(ctx)
            except BrokenPipeError:
                raise
            except (HalfseenError, OSError, ValueError) as error:
                _say("error", _reason(error))
                raise typer.Exit(1) from None


class _Teller:
    """Shows each warning once."""

    def __init__(self) -> None:
        self.said: set[str] = set()

    def __call__(self, message: Warning | str, *rest: Any, **more: Any) -> None:
        text = str(message)
        if text not in self.said:
            self.said.add(text)
            _say("warning", text)


def note(text: str) -> None:
    """Tell how it is going, on a terminal only.

    Parameters
    ----------
    text : str
        One line.
    """
    if sys.stderr.isatty():
        typer.echo(text, err=True)


def warn(text: str) -> None:
    """Tell what needs attention, anywhere.

    Parameters
    ----------
    text : str
        One line.
    """
    _say("warning", text)


def for_commands(text: str) -> str:
    """A message on one line, with options in place of Python's arguments.

    Examples
    --------
    >>> for_commands("Column 'age' has no observed value; pass keep_empty_features=True.")
    "Column 'age' has no observed value; pass --keep-empty."
    """
    for said, meant in _WORDS:
        text = text.replace(said, meant)
    return " ".join(text.split())


def _say(what: str, text: str) -> None:
    typer.echo(f"halfseen: {what}: {for_commands(text)}", err=True)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}."
    return str(error) or type(error).__name__
