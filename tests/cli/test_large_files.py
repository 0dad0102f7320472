"""Large files are completed in parts: the same answers, in memory that does not grow."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from test_failures import assert_refused, run

from halfseen.tables import draws_table, read_table, streams

RNG = np.random.default_rng(0)


def table_of(n, p=4):
    x = RNG.normal(size=(n, 1)) + 0.5 * RNG.normal(size=(n, p))
    cells = {f"x{j}": pa.array(x[:, j], mask=RNG.random(n) < 0.2) for j in range(p)}
    words = np.where(x[:, 0] > 0, "high", "low")
    cells["word"] = pa.array(words, mask=RNG.random(n) < 0.2)
    return pa.table(cells | {"id": pa.array(range(n))})


def write(path, table):
    from halfseen.tables import write_table

    write_table(path, table)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    path = write(folder / "in.csv", table_of(300))
    words = ("--max-steps", 40, "--set", "hidden=[8]", "--ignore", "id")
    assert run("fit", path, "--save", folder / "m.halfseen", *words).exit_code == 0
    return folder / "m.halfseen"


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet", ".feather"])
def test_parts_have_the_answers_of_the_whole(tmp_path, monkeypatch, model, suffix):
    # The first part of a text is of 65 536 bytes at least.
    new = write(tmp_path / f"new{suffix}", table_of(1500 if ".csv" in suffix else 700))
    words = ("apply", model, new, "--ignore", "id", "-o")
    assert run(*words, tmp_path / f"whole{suffix}").exit_code == 0
    for name, value in {"MOST_CELLS": 1, "PART_CELLS": 600, "PART_BYTES": 1}.items():
        monkeypatch.setattr(streams, name, value)
    assert run(*words, tmp_path / f"parts{suffix}").exit_code == 0
    whole, parts = (read_table(tmp_path / f"{name}{suffix}") for name in ("whole", "parts"))
    assert parts.schema == whole.schema
    for name in whole.column_names:
        one, other = whole.column(name).to_pandas(), parts.column(name).to_pandas()
        if name in ("word", "id"):
            assert (one == other).all()
        else:
            # The last bit of a sum depends on its place in a batch.
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    seen = read_table(new)
    for name in seen.column_names:
        before, after = seen.column(name).to_pandas(), parts.column(name).to_pandas()
        assert after[before.notna()].tolist() == before[before.notna()].tolist()
        assert after.notna().all()


def test_draws_of_parts(tmp_path, monkeypatch, model):
    """Equal rows have draws of their own in each part, and the same seed gives the same files."""
    row = {"x0": [0.3], "x1": [None], "x2": [None], "x3": [1.0], "word": [None], "id": [1]}
    types = [("x0", pa.float64()), ("x1", pa.float64()), ("x2", pa.float64())]
    types += [("x3", pa.float64()), ("word", pa.string()), ("id", pa.int64())]
    new = write(
        tmp_path / "new.parquet", pa.concat_tables([pa.table(row, pa.schema(types))] * 400)
    )
    for name, value in {"MOST_CELLS": 1, "PART_CELLS": 600}.items():
        monkeypatch.setattr(streams, name, value)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        out = tmp_path / folder / "out.parquet"
        words = ("apply", model, new, "--ignore", "id", "--draws", 3, "-o", out)
        assert run(*words).exit_code == 0
    for i in (1, 2, 3):
        one, other = (read_table(tmp_path / f / f"out-0{i}.parquet") for f in ("a", "b"))
        assert one.equals(other)
        drawn = one.column("x1").to_numpy()
        assert len(np.unique(drawn)) > 390


@pytest.mark.parametrize("suffix", [".csv", ".tsv.gz", ".parquet", ".feather"])
@pytest.mark.parametrize("source", [".csv", ".parquet"])
def test_draws_of_parts_below_each_other(tmp_path, monkeypatch, model, source, suffix):
    """The long file is that of the files of single draws."""
    new, long = write(tmp_path / f"new{source}", table_of(1500)), tmp_path / f"long{suffix}"
    for name, value in {"MOST_CELLS": 1, "PART_CELLS": 600, "PART_BYTES": 1}.items():
        monkeypatch.setattr(streams, name, value)
    words = ("apply", model, new, "--ignore", "id", "--draws", 3, "-o")
    assert run(*words, tmp_path / f"out{suffix}").exit_code == 0
    assert run(*words, long, "--long").exit_code == 0
    single = [read_table(tmp_path / f"out-0{i}{suffix}") for i in (1, 2, 3)]
    assert read_table(long).equals(draws_table(single))
    assert not single[0].column("x1").equals(single[1].column("x1"))
    assert {path.name for path in tmp_path.iterdir() if path.name.startswith(".")} == set()


@pytest.mark.parametrize("suffix", [".feather", ".parquet", ".csv"])
def test_categories_below_each_other(tmp_path, monkeypatch, suffix):
    """Each draw may bring other categories than the file has."""
    words = pa.array(["a", "b", "c", None] * 100).dictionary_encode()
    fit = write(tmp_path / "fit.feather", pa.table({"word": words, "x": RNG.normal(size=400)}))
    model, long = tmp_path / "m.halfseen", tmp_path / f"long{suffix}"
    assert run("fit", fit, "--save", model, "--method", "gaussian").exit_code == 0
    few = pa.array(["a", None] * 200).dictionary_encode()
    new = write(tmp_path / "new.feather", pa.table({"word": few, "x": RNG.normal(size=400)}))
    words = ("apply", model, new, "--draws", 3, "--long", "-o")
    assert run(*words, tmp_path / f"whole{suffix}").exit_code == 0
    for name, value in {"MOST_CELLS": 1, "PART_CELLS": 300}.items():
        monkeypatch.setattr(streams, name, value)
    result = run(*words, long)
    assert result.exit_code == 0, result.stderr
    pairs = [read_table(path).to_pandas() for path in (long, tmp_path / f"whole{suffix}")]
    assert (pairs[0]["word"].astype(str) == pairs[1]["word"].astype(str)).all()


def test_what_cannot_begin_leaves_nothing(tmp_path, monkeypatch, model):
    taken = table_of(1500).append_column("draw", pa.array([1] * 1500))
    new = write(tmp_path / "new.csv", taken.append_column(".draw", pa.array([1] * 1500)))
    for name, value in {"MOST_CELLS": 1, "PART_BYTES": 1}.items():
        monkeypatch.setattr(streams, name, value)
    words = ("apply", model, new, "--draws", 3, "--long", "-o", tmp_path / "out.csv", "--ignore")
    assert_refused(run(*words, "id,draw,.draw"), "'draw' and '.draw'")
    opened = streams.PartWriter.__enter__

    def fails(self):
        if self.path.name.startswith("2."):
            raise OSError(24, "Too many open files", str(self.path))
        return opened(self)

    write(new, table_of(1500))
    monkeypatch.setattr(streams.PartWriter, "__enter__", fails)
    assert_refused(run(*words, "id"), "Too many open files")
    assert [path.name for path in tmp_path.iterdir()] == ["new.csv"]


def test_a_failure_far_down_leaves_no_draws(tmp_path, monkeypatch, model):
    new = write(tmp_path / "new.csv", table_of(1500))
    with new.open("a", encoding="utf-8") as file:
        file.write("inf,2,3,4,high,5\n")
    for name, value in {"MOST_CELLS": 1, "PART_BYTES": 1}.items():
        monkeypatch.setattr(streams, name, value)
    out = tmp_path / "out.csv"
    out.write_text("mine", encoding="utf-8")
    words = ("apply", model, new, "--ignore", "id", "--draws", 2, "--long", "--force", "-o", out)
    assert_refused(run(*words), "x0", "inf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.csv", "out.csv"]
    assert out.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize(("target", "method"), [("word", "filled"), ("x0", "sup-miwae")])
def test_predictions_of_parts_are_those_of_the_whole(
    tmp_path, monkeypatch, target, method, suffix
):
    train, new = write(tmp_path / "in.csv", table_of(300)), tmp_path / f"new{suffix}"
    write(new, table_of(1500 if suffix == ".csv" else 700))
    words = ("--target", target, "--method", method, "--max-steps", 40, "--ignore", "id")
    if method == "sup-miwae":
        words += ("--set", "generator.hidden=[8]", "--set", "n_importance_predict=200")
    assert run("train", train, "--save", tmp_path / "m.halfseen", *words).exit_code == 0
    words = ("predict", tmp_path / "m.halfseen", new, "-o")
    assert run(*words, tmp_path / f"whole{suffix}").exit_code == 0
    for name, value in {"MOST_CELLS": 1, "PART_CELLS": 600, "PART_BYTES": 1}.items():
        monkeypatch.setattr(streams, name, value)
    written, write_part = [], streams.PartWriter.write
    monkeypatch.setattr(
        streams.PartWriter, "write", lambda *args: written.append(1) or write_part(*args)
    )
    assert run(*words, tmp_path / f"parts{suffix}").exit_code == 0
    assert len(written) > 3
    whole, parts = (read_table(tmp_path / f"{name}{suffix}") for name in ("whole", "parts"))
    assert parts.schema == whole.schema
    assert parts.num_rows == read_table(new).num_rows
    for name in whole.column_names:
        one, other = whole.column(name).to_pandas(), parts.column(name).to_pandas()
        if pa.types.is_floating(whole.schema.field(name).type):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
        else:
            assert (one == other).all()


def filled_in_parts(tmp_path, monkeypatch, learn, ask):
    """Rows completed part by part by the mode of other rows, all as text."""
    fit, model = tmp_path / "fit.csv", tmp_path / "m.halfseen"
    fit.write_text("code,x\n" + learn, encoding="utf-8")
    assert run("fit", fit, "--save", model, "--method", "mode").exit_code == 0
    for name, value in {"MOST_CELLS": 1, "PART_BYTES": 1}.items():
        monkeypatch.setattr(streams, name, value)
    new, out = tmp_path / "new.csv", tmp_path / "out.csv"
    new.write_text("code,x\n" + ask, encoding="utf-8")
    assert run("apply", model, new, "-o", out).exit_code == 0
    return out.read_text(encoding="utf-8")


def test_words_stay_words_in_parts(tmp_path, monkeypatch):
    """What the model knows as words may all look like numbers in another file."""
    learn, ask = "007,1\na1,2\n007,3\n,4\n" * 5, "007,1\n,4\n" * 2000
    found = filled_in_parts(tmp_path, monkeypatch, learn, ask)
    assert found == "code,x\n" + "007,1\n007,4\n" * 2000


def test_codes_are_codes_in_every_part(tmp_path, monkeypatch):
    """Whether whole numbers are codes is known when the last of them has been read."""
    learn, ask = "10,1\n02,2\n02,3\n,4\n" * 5, "10,1\n,4\n" * 2000 + "02,1\n"
    found = filled_in_parts(tmp_path, monkeypatch, learn, ask)
    assert found == "code,x\n" + "10,1\n02,4\n" * 2000 + "02,1\n"


def test_a_failure_far_down_leaves_nothing(tmp_path, monkeypatch, model):
    new = write(tmp_path / "new.csv", table_of(700))
    with new.open("a", encoding="utf-8") as file:
        file.write("1,2\n")
    for name, value in {"MOST_CELLS": 1, "PART_BYTES": 1}.items():
        monkeypatch.setattr(streams, name, value)
    out = tmp_path / "out.csv"
    assert_refused(run("apply", model, new, "--ignore", "id", "-o", out), "new.csv", "cells")
    assert [path.name for path in tmp_path.iterdir()] == ["new.csv"]


_PEAK = """
import sys
from pathlib import Path
from typer.testing import CliRunner
from halfseen.cli import app
result = CliRunner().invoke(app, sys.argv[1:])
assert result.exit_code == 0, result.stderr
with open("/proc/self/status") as file:
    print(next(line.split()[1] for line in file if line.startswith("VmHWM")))
"""


def peak(*words):
    """Peak memory of a command in a process of its own, in MB."""
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, *map(str, words)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout) / 1000


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="There is no /proc here.")
@pytest.mark.parametrize(
    "suffix",
    [
        ".parquet",
        pytest.param(".csv", marks=pytest.mark.slow),
        pytest.param(".feather", marks=pytest.mark.slow),
    ],
)
def test_memory_is_flat_in_rows(tmp_path, suffix):
    fit = write(tmp_path / "fit.csv", table_of(200))
    model = tmp_path / "m.halfseen"
    assert run("fit", fit, "--save", model, "--method", "mean", "--ignore", "id").exit_code == 0
    words = ("--max-memory", "100MB", "--ignore", "id")
    assert_flat(lambda new, out: ("apply", model, new, "-o", out, *words), tmp_path, suffix)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="There is no /proc here.")
def test_memory_of_long_files_and_predictions_is_flat_in_rows(tmp_path):
    fit, model = write(tmp_path / "fit.csv", table_of(200)), tmp_path / "m.halfseen"
    words = ("--method", "gaussian", "--ignore", "id")
    assert run("fit", fit, "--save", model, *words).exit_code == 0
    words = ("--max-memory", "100MB", "--ignore", "id", "--draws", 2, "--long")
    assert_flat(lambda new, out: ("apply", model, new, "-o", out, *words), tmp_path, ".parquet")
    words = ("--target", "word", "--method", "filled", "--max-steps", 20, "--ignore", "id")
    assert run("train", fit, "--save", model, "--force", *words).exit_code == 0
    words = ("--max-memory", "100MB", "--force")
    assert_flat(lambda new, out: ("predict", model, new, "-o", out, *words), tmp_path, ".parquet")


def assert_flat(words, folder, suffix):
    """At once, the larger table would take hundreds of megabytes more."""
    peaks = []
    for n in (200_000, 2_000_000):
        new, out = folder / f"new{n}{suffix}", folder / f"out{n}{suffix}"
        if suffix == ".parquet":
            # A group of rows is the least that can be read.
            parquet.write_table(table_of(n), new, row_group_size=100_000)
        else:
            write(new, table_of(n))
        peaks.append(peak(*words(new, out)))
        if suffix == ".parquet":
            assert parquet.read_metadata(out).num_rows % n == 0
    assert peaks[1] < peaks[0] + 40, peaks
