"""Fits of commands that were killed, and go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from halfseen.cli.messages import note, warn
from halfseen.errors import SettingError

__all__ = ["checkpoint_folder", "checkpointed", "may_replace"]


def checkpoint_folder(save: Path, given: Path | None) -> Path:
    """Where the state of training is kept until the model is written.

    Examples
    --------
    >>> checkpoint_folder(Path("m.halfseen"), None).name
    'm.halfseen.checkpoint'
    """
    return save.with_name(f"{save.name}.checkpoint") if given is None else given


def may_replace(save: Path, folder: Path, *, resume: bool, force: bool) -> bool:
    """Whether a model that is there may be replaced: if told so, or by the end of its own fit.

    Raises
    ------
    SettingError
        When a fit that did not end is in the folder, and it is not said what is to become of it.
    """
    from halfseen.training.checkpoint import stage_files

    found = bool(stage_files(folder))
    if found and not resume and not force:
        there = f" {save} has the best state of then." if save.exists() else ""
        raise SettingError(
            f"{folder} holds the state of a fit that did not end.{there} Pass --resume to go on "
            "from it, or --force to begin anew."
        )
    return force or (found and resume)


@contextmanager
def checkpointed(folder: Path, *, resume: bool, force: bool) -> Iterator[None]:
    """Begin anew or go on from what a killed run kept, and remove it once it is of no use.

    Parameters
    ----------
    folder : Path
        Of the checkpoint.
    resume : bool
        Whether the fit goes on from there.
    force : bool
        Whether it may be removed to begin anew.
    """
    from halfseen.training.checkpoint import is_useless, remove_checkpoint, stage_files

    found = bool(stage_files(folder))
    if not (found and resume):
        # A fit that kept nothing may have left its name.
        remove_checkpoint(folder)
    if resume and found:
        note(f"Going on from {folder}.")
    elif resume:
        warn(f"There is no state of a fit in {folder}: beginning anew.")
    yield
    if is_useless(folder):
        remove_checkpoint(folder)
    else:
        warn(f"The fit did not end: {folder} stays, and --resume goes on from there.")
