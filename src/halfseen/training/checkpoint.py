"""What a fit has done so far, kept in a folder, so that a killed one goes on.

A fit is a function of its data, its settings and its seed. What it does between its long loops
is done again in no time; a loop is a *stage*, numbered in the order of the calls. Its state is
written when as much work as may be lost was done; its outcome waits in memory until something is
written. Stages find the folder by themselves: whoever fits says ``with keeping(checkpoint)``, and
nothing in between has to know.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from halfseen.core.writing import replacing
from halfseen.errors import FileFormatError, SettingError, TrainingWarning

__all__ = [
    "Checkpoint",
    "Kept",
    "Stage",
    "is_useless",
    "keeping",
    "next_stage",
    "remove_checkpoint",
    "stage_files",
]

FORMAT = 1
STAGES, OWNER, COMPLETE = "stage-*.safetensors", "fingerprint", "complete"
LEFT_OVER = (".stage-*.tmp", f".{OWNER}.*.tmp")


@dataclass(frozen=True)
class Kept:
    """The state of a stage.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        Numbers.
    facts : mapping
        Whatever else, as JSON holds it.
    done : bool
        Whether the stage has come to its end.
    """

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]
    done: bool = False


@dataclass
class Checkpoint:
    """A folder of stages that belong to one fit.

    It holds numbers and JSON, nothing that could run.

    Parameters
    ----------
    folder : Path
        Made if it is not there; its parent must be.
    fingerprint : str
        Tells this fit from others, by its data, settings, seed and version.
    every : float
        Seconds of work that may be lost; 0 keeps every step.

    Raises
    ------
    SettingError
        When the folder holds another fit, or is none.
    """

    folder: Path
    fingerprint: str
    every: float
    waiting: dict[int, Kept] = field(default_factory=dict, init=False)
    n_stages: int = field(default=0, init=False)
    closed: bool = field(default=False, init=False)
    failed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.every, (int, float)) or not 0 <= self.every < float("inf"):
            raise SettingError(
                f"Got checkpoint_every={self.every!r}. Expected a number of seconds, such as 60."
            )
        self.last = time.perf_counter()
        if self.folder.exists() and not self.folder.is_dir():
            raise SettingError(f"{self.folder} is a file. Expected a folder for the checkpoint.")
        owner = self.folder / OWNER
        owners = {_read(path)[0].get("fingerprint") for path in stage_files(self.folder)[:1]}
        owners |= {owner.read_text(encoding="utf-8")} if owner.exists() else set()
        if owners - {self.fingerprint}:
            raise SettingError(
                f"{self.folder} holds the checkpoint of another fit: of other data, settings, "
                "seed or version of halfseen. Name another folder, or remove this one."
            )
        try:
            self.folder.mkdir(exist_ok=True)
            with replacing(owner) as sink:
                sink.write(self.fingerprint.encode())
        except OSError as error:
            raise SettingError(
                f"Nothing can be kept in {self.folder} ({error.strerror}). Expected a folder that "
                "can be written to, or one to be made in a folder that is there."
            ) from error

    def next_stage(self) -> Stage:
        """The stage that begins now."""
        stage = Stage(self, self.n_stages)
        self.n_stages += 1
        return stage

    def due(self) -> bool:
        """Whether as much work as may be lost was done since the last writing."""
        return not self.closed and time.perf_counter() - self.last >= self.every

    def close(self) -> None:
        """Keep nothing more: what follows is not what an uninterrupted fit would do."""
        self.waiting.clear()
        self.closed = True

    def flush(self) -> None:
        """Write what waits, early stages first; a disk that is full does not end a fit."""
        try:
            for number in sorted(self.waiting):
                self._write(number, self.waiting[number])
                del self.waiting[number]
        except OSError as error:
            if not self.failed:
                warnings.warn(
                    f"The checkpoint could not be written ({error}). Training goes on without; "
                    f"make room, or let {self.folder} be written to.",
                    TrainingWarning,
                    stacklevel=2,
                )
            self.failed = True
        self.last = time.perf_counter()

    def finish(self) -> None:
        """Write what waits, and that the fit is over."""
        if self.closed:
            return
        self.flush()
        with suppress(OSError):
            if stage_files(self.folder):
                (self.folder / COMPLETE).touch()
                _remove_left_over(self.folder)
            else:
                remove_checkpoint(self.folder)

    def path(self, number: int) -> Path:
        """The file of a stage."""
        return self.folder / f"stage-{number:05d}.safetensors"

    def load(self, number: int) -> Kept | None:
        """What is kept of a stage."""
        path = self.path(number)
        if not path.exists():
            return None
        header, tensors = _read(path)
        if header.get("fingerprint") != self.fingerprint:
            return None
        return Kept(tensors, header["facts"], header["done"])

    def _write(self, number: int, kept: Kept) -> None:
        from safetensors.torch import save

        header = {"format": FORMAT, "fingerprint": self.fingerprint, "done": kept.done}
        text = json.dumps({**header, "facts": kept.facts})
        tensors = {k: v.detach().cpu().contiguous() for k, v in kept.tensors.items()}
        with replacing(self.path(number)) as sink:
            sink.write(save(tensors, metadata={"checkpoint": text}))


@dataclass(frozen=True)
class Stage:
    """One loop of a fit; without a checkpoint it keeps nothing.

    Parameters
    ----------
    checkpoint : Checkpoint or None
        Where to.
    number : int
        Its place among the loops of the fit.
    """

    checkpoint: Checkpoint | None
    number: int = 0

    def load(self) -> Kept | None:
        """Where a killed fit had come to."""
        return None if self.checkpoint is None else self.checkpoint.load(self.number)

    def due(self) -> bool:
        """Whether it is time to keep the state."""
        return self.checkpoint is not None and self.checkpoint.due()

    def keep(self, kept: Kept) -> None:
        """Keep the state: at once if it is due, an outcome otherwise when it next is."""
        if self.checkpoint is None or self.checkpoint.closed:
            return
        # What waits must not change with the model.
        still = {name: tensor.detach().clone() for name, tensor in kept.tensors.items()}
        self.checkpoint.waiting[self.number] = replace(kept, tensors=still)
        if self.checkpoint.due():
            self.checkpoint.flush()

    def interrupted(self) -> None:
        """Say that this stage ended before its end."""
        if self.checkpoint is not None:
            self.checkpoint.close()


def stage_files(folder: Path) -> list[Path]:
    """Files of a checkpoint, in order."""
    return sorted(folder.glob(STAGES))


def is_useless(folder: Path) -> bool:
    """Whether there is nothing to go on from: a fit came to its end, or kept nothing."""
    return not stage_files(folder) or (folder / COMPLETE).exists()


def remove_checkpoint(folder: Path) -> None:
    """Remove a checkpoint, and its folder unless something else is in it."""
    _remove_left_over(folder)
    for path in [*stage_files(folder), folder / COMPLETE, folder / OWNER]:
        path.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def _remove_left_over(folder: Path) -> None:
    """Halves of files, by fits that were killed while they wrote."""
    for pattern in LEFT_OVER:
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


_current: ContextVar[Checkpoint | None] = ContextVar("checkpoint", default=None)


@contextmanager
def keeping(checkpoint: Checkpoint | None) -> Iterator[None]:
    """Let the stages of what is fitted inside keep their states."""
    token = _current.set(checkpoint)
    try:
        yield
        if checkpoint is not None:
            checkpoint.finish()
    finally:
        _current.reset(token)


def next_stage() -> Stage:
    """The stage that begins now, of the fit that runs."""
    checkpoint = _current.get()
    return Stage(None) if checkpoint is None else checkpoint.next_stage()


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and tensors, each in memory of its own."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as source:
            header = json.loads((source.metadata() or {})["checkpoint"])
            tensors = {name: source.get_tensor(name).clone() for name in source.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError) as error:
        raise FileFormatError(
            f"{path} is no part of a checkpoint ({error}). Remove it, or name another folder."
        ) from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise FileFormatError(
            f"{path} is not of format {FORMAT}, which this version reads. Name another folder."
        )
    return header, tensors
