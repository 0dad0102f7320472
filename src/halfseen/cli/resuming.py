"""Fits of commands that were killed, and go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from halfseen.cli.messages import note
from halfseen.errors import SettingError

__all__ = ["checkpoint_folder", "checkpointed"]


def checkpoint_folder(save: Path, given: Path | None) -> Path:
    """Where the state of training is kept until the model is written.

    Examples
    --------
    >>> checkpoint_folder(Path("m.halfseen"), None).name
    'm.halfseen.checkpoint'
    """
    return save.with_name(f"{save.name}.checkpoint") if given is None else given


@contextmanager
def checkpointed(folder: Path, *, resume: bool, force: bool) -> Iterator[None]:
    """Refuse to lose what a killed run kept, and remove it once it is of no use.

    Parameters
    ----------
    folder : Path
        Of the checkpoint.
    resume : bool
        Whether the fit goes on from there.
    force : bool
        Whether it may be removed to begin anew.

    Raises
    ------
    SettingError
        When there is one and neither is asked for.
    """
    from halfseen.training.checkpoint import is_complete, remove_checkpoint, stage_files

    found = bool(stage_files(folder))
    if found and not resume:
        if not force:
            raise SettingError(
                f"{folder} holds the state of a fit that did not end. Pass --resume to go on from "
                "it, or --force to begin anew."
            )
        remove_checkpoint(folder)
    if resume:
        note(f"Going on from {folder}." if found else f"Nothing in {folder}: beginning anew.")
    yield
    if is_complete(folder):
        remove_checkpoint(folder)
    else:
        note(f"The state of training stays in {folder}: --resume goes on from there.")
