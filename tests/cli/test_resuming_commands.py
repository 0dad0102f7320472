"""Commands that were killed, disks that are full: what was kept, and one line that says so."""

import os
import resource
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file
from test_failures import assert_refused, run

from halfseen.testing.killed import Killed, killed_after
from halfseen.training.deck import Deck

METHODS = {
    "fit": ("--method", "miwae", "--max-steps", 30, "--set", "hidden=[8]"),
    "train": ("--target", "c", "--max-steps", 30, "--set", "generator.hidden=[8]"),
}


@pytest.fixture
def numbers(tmp_path):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(80, 2)).round(3).astype(str)
    rows[rng.random(rows.shape) < 0.2] = ""
    path = tmp_path / "in.csv"
    lines = [f"{a},{b},{i % 2}" for i, (a, b) in enumerate(rows)]
    path.write_text("\n".join(["a,b,c", *lines]) + "\n", encoding="utf-8")
    return path


def words(command, table, model, *more):
    every = ("--checkpoint-every", 0)
    return (command, table, "--save", model, *METHODS[command], *every, *more)


@pytest.mark.parametrize("command", METHODS)
def test_a_killed_command_goes_on(numbers, tmp_path, command):
    whole, model = tmp_path / "whole.halfseen", tmp_path / "m.halfseen"
    assert run(*words(command, numbers, whole)).exit_code == 0
    assert not (tmp_path / "whole.halfseen.checkpoint").exists()
    with killed_after(20), pytest.raises(Killed):
        run(*words(command, numbers, model))
    folder = tmp_path / "m.halfseen.checkpoint"
    assert folder.is_dir()
    assert not model.exists()
    # Without a word about it, what was kept is not thrown away.
    assert_refused(run(*words(command, numbers, model)), "did not end", "--resume", "--force")
    assert_refused(run(*words(command, numbers, model, "--resume", "--seed", 1)), "another fit")
    result = run(*words(command, numbers, model, "--resume"))
    assert result.exit_code == 0, result.stderr
    assert not folder.exists()
    expected, found = load_file(whole), load_file(model)
    assert all(np.array_equal(expected[name], found[name]) for name in expected)


def test_resume_replaces_no_model_but_its_own(numbers, tmp_path):
    """A folder alone, or that of something else, is no reason to replace a model."""
    model, folder = tmp_path / "m.halfseen", tmp_path / "m.halfseen.checkpoint"
    assert run(*words("fit", numbers, model)).exit_code == 0
    before = model.read_bytes()
    folder.mkdir()
    (folder / "a.txt").write_text("mine", encoding="utf-8")
    result = run(*words("fit", numbers, model, "--resume", "--set", "lr=0.01"))
    assert_refused(result, "exists. Pass --force")
    assert model.read_bytes() == before


def test_an_interrupted_fit_says_how_to_go_on(numbers, tmp_path, monkeypatch):
    model, calls, deal = tmp_path / "m.halfseen", [0], Deck.deal

    def interrupted(self):
        calls[0] += 1
        if calls[0] == 20:
            raise KeyboardInterrupt
        return deal(self)

    monkeypatch.setattr(Deck, "deal", interrupted)
    result = run(*words("fit", numbers, model))
    assert result.exit_code == 0
    first, second = result.stderr.splitlines()
    assert "best state so far is kept" in first
    assert "m.halfseen.checkpoint stays, and --resume goes on" in second
    assert model.exists()
    assert_refused(run(*words("fit", numbers, model)), "did not end", "best state of then")
    assert run(*words("fit", numbers, model, "--resume")).exit_code == 0
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["in.csv", "m.halfseen"]


def test_an_interrupt_before_there_is_a_model_ends_the_command(numbers, tmp_path, monkeypatch):
    """The network that completes rows is no model of a target."""
    calls, deal = [0], Deck.deal

    def interrupted(self):
        calls[0] += 1
        if calls[0] == 20:
            raise KeyboardInterrupt
        return deal(self)

    monkeypatch.setattr(Deck, "deal", interrupted)
    result = run(*words("train", numbers, tmp_path / "m.halfseen"))
    assert result.exit_code == 130
    assert not (tmp_path / "m.halfseen").exists()
    assert calls[0] == 20
    monkeypatch.undo()
    assert run(*words("train", numbers, tmp_path / "m.halfseen", "--resume")).exit_code == 0


def test_force_begins_anew_and_resume_alone_begins(numbers, tmp_path):
    model = tmp_path / "m.halfseen"
    with killed_after(5), pytest.raises(Killed):
        run(*words("fit", numbers, model, "--checkpoint", tmp_path / "mine"))
    (tmp_path / "mine" / "notes.txt").write_text("mine", encoding="utf-8")
    more = ("--checkpoint", tmp_path / "mine", "--force", "--set", "lr=0.01")
    assert run(*words("fit", numbers, model, *more)).exit_code == 0
    # What is not of a checkpoint is not touched.
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]
    result = run(*words("fit", numbers, tmp_path / "other.halfseen", "--resume"))
    assert result.exit_code == 0
    assert "no state of a fit" in result.stderr


def in_little_room(work, size):
    """Exit code and last line of work in a process whose files may have so many bytes."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        result = work()
        os.write(write, result.stderr.encode()[-4000:])
        os._exit(result.exit_code)
    _, status = os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as said:
        return os.waitstatus_to_exitcode(status), said.read().splitlines()


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather", ".csv.gz"])
def test_no_room_for_the_output(numbers, tmp_path, suffix):
    out = tmp_path / f"out{suffix}"
    out.write_bytes(b"mine")

    def work():
        return run("impute", numbers, "-o", out, "--method", "mean", "--force")

    code, lines = in_little_room(work, 50)
    assert code == 1
    [line] = lines
    assert line.startswith(f"halfseen: error: {out}: File too large")
    assert "unchanged" in line
    assert out.read_bytes() == b"mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", out.name]


def test_no_room_for_the_model(numbers, tmp_path):
    model = tmp_path / "m.halfseen"
    model.write_bytes(b"mine")
    code, lines = in_little_room(lambda: run(*words("fit", numbers, model, "--force")), 300)
    assert code == 1
    assert "The checkpoint could not be written" in lines[0]
    assert lines[-1].startswith("halfseen: error: ")
    assert "m.halfseen" in lines[-1]
    assert model.read_bytes() == b"mine"


@pytest.fixture
def mounted(tmp_path):
    """A file system of 64 kB; read only if asked to be."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("File systems cannot be mounted here.")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_that_is_full(numbers, mounted):
    out = mounted / "out.csv"
    out.write_bytes(b"mine")
    (mounted / "filler").write_bytes(bytes(60_000))
    big = numbers.with_name("big.csv")
    header, *rows = numbers.read_text(encoding="utf-8").splitlines()
    big.write_text("\n".join([header, *rows * 50]) + "\n", encoding="utf-8")
    words = ("-o", out, "--method", "mean", "--force")
    assert_refused(run("impute", big, *words), f"{out}: No space left on device", "unchanged")
    assert out.read_bytes() == b"mine"
    assert sorted(path.name for path in mounted.iterdir()) == ["filler", "out.csv"]


def test_a_folder_that_cannot_be_written_to(numbers, mounted):
    subprocess.run(["mount", "-o", "remount,ro", mounted], check=True)
    result = run("impute", numbers, "-o", mounted / "out.csv", "--max-steps", 10**7)
    assert_refused(result, "Nothing can be written to", "Read-only file system")


def test_inputs_that_vanish(numbers, tmp_path, monkeypatch):
    """The table is read before anything else is done, and needed no more."""
    from halfseen.cli.files import Job

    out, read = tmp_path / "out.csv", Job.read.__func__

    def vanishing(cls, path, ignore=""):
        job = read(cls, path, ignore)
        Path(path).unlink()
        return job

    monkeypatch.setattr(Job, "read", classmethod(vanishing))
    assert run("impute", numbers, "-o", out, "--method", "mean").exit_code == 0
    assert_refused(run("impute", numbers, "-o", tmp_path / "b.csv"), "in.csv", "No such file")
    assert not (tmp_path / "b.csv").exists()


def test_folders_that_vanish_while_the_model_is_fitted(numbers, tmp_path, monkeypatch):
    from halfseen import MeanImputer

    folder = tmp_path / "there"
    folder.mkdir()
    fit = MeanImputer.fit

    def vanishing(self, *arguments, **keywords):
        folder.rmdir()
        return fit(self, *arguments, **keywords)

    monkeypatch.setattr(MeanImputer, "fit", vanishing)
    result = run("impute", numbers, "-o", folder / "out.csv", "--method", "mean")
    assert_refused(result, "out.csv", "No such file")


def test_a_fit_that_kept_nothing_is_in_nobodys_way(numbers, tmp_path, monkeypatch):
    """Only its name is in the folder then, and other settings may begin there at once."""
    from halfseen import MIWAEImputer

    def broken(self, x):
        raise RuntimeError

    model = tmp_path / "m.halfseen"
    with monkeypatch.context() as patch:
        patch.setattr(MIWAEImputer, "_train", broken)
        run(*words("fit", numbers, model))
    for more in ((), ("--force",), ("--resume",)):
        (tmp_path / "m.halfseen.checkpoint").mkdir(exist_ok=True)
        (tmp_path / "m.halfseen.checkpoint" / "fingerprint").write_text(
            "another", encoding="utf-8"
        )
        result = run(*words("fit", numbers, model, "--set", "lr=0.01", *more))
        assert result.exit_code == 0, result.stderr
        model.unlink()
