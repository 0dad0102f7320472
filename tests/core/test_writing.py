"""Files are replaced at once or not at all."""

import errno
import os
import stat

import pytest

from halfseen.core import writing
from halfseen.core.writing import replacing


def write(path, text):
    with replacing(path) as sink:
        sink.write(text)


def test_a_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "a.txt"
    write(path, b"old")

    def fails():
        with replacing(path) as sink:
            sink.write(b"half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_modes_and_links_are_kept(tmp_path):
    path, link = tmp_path / "a.txt", tmp_path / "link.txt"
    write(path, b"old")
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    path.chmod(0o640)
    link.symlink_to(path)
    write(link, b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_errors_name_the_target(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write(path, b"old")

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writing.os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write(path, b"new")
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    monkeypatch.undo()
    with pytest.raises(FileNotFoundError) as caught:
        write(tmp_path / "none" / "a.txt", b"new")
    assert caught.value.filename == str(tmp_path / "none" / "a.txt")
    with pytest.raises(OSError, match="was not written") as caught, replacing(path):
        raise OSError("The library said so.")
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1
