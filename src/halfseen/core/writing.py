"""Files that are written at once or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

__all__ = ["replacing"]


@contextmanager
def replacing(path: str | Path) -> Iterator[IO[bytes]]:
    """A sink beside the target, which it replaces once everything is written.

    Whatever fails, a file that was there stays as it was, and nothing is left beside it.

    Parameters
    ----------
    path : str or Path
        The target; a link is followed.

    Raises
    ------
    OSError
        Of the kind that the system raised, with the name of the target.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "answer.txt"
    >>> with replacing(target) as sink:
    ...     _ = sink.write(b"42")
    >>> target.read_text(), len(list(target.parent.iterdir()))
    ('42', 1)
    """
    target = Path(path).resolve()
    # Names have an end, too.
    temporary = target.with_name(f".{target.name[:100]}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        with temporary.open("xb") as sink:
            if target.exists():
                shutil.copymode(target, temporary)
            yield sink
            sink.flush()
            os.fsync(sink.fileno())
        temporary.replace(target)
        _keep_name(target.parent)
    except OSError as error:
        if error.filename not in (None, str(temporary), temporary):
            # Of another file, which the caller read meanwhile.
            raise
        raise _named(error, Path(path)) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _keep_name(folder: Path) -> None:
    """Write down the folder itself, so that a new name outlives a failure of power."""
    # Not every system lets a folder be opened.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _named(error: OSError, path: Path) -> OSError:
    """The same error about the target, and not about the file beside it."""
    if error.errno is None:
        return OSError(f"{path} was not written ({error}); what was there is unchanged.")
    reason = f"{error.strerror or error}; it was not written, and what was there is unchanged"
    return OSError(error.errno, reason, str(path))
