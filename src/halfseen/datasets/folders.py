"""Where local data sets lie: one folder, with rooms for tables, images and features."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["data_folder", "local_file"]


def data_folder(folder: str | Path | None = None) -> Path:
    """Folder of local data: the argument, else the environment's HALFSEEN_DATA.

    Examples
    --------
    >>> str(data_folder("data"))
    'data'
    """
    return Path(folder or os.environ.get("HALFSEEN_DATA") or Path("..", "shared", "data"))


def local_file(root: Path, room: str, *names: str) -> Path | None:
    """The first of some files that lies in a folder, or in its room; None without any.

    Parameters
    ----------
    root : Path
        As :func:`data_folder` gives it.
    room : str
        "tables", "images" or "multimodal", looked for below ``root``.
    *names : str
        Names of files; earlier ones and nearer ones win.

    Returns
    -------
    Path or None
    """
    places = [root, root / room, root / "data" / room]
    paths = [place / name for place in places for name in names]
    return next((path for path in paths if path.is_file()), None)
