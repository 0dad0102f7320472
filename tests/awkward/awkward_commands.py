"""Every command on one awkward file: what it says, and what it writes."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from awkward_compare import assert_completed, assert_same, missing_cells
from awkward_entries import Outcome
from awkward_files import File
from typer.testing import CliRunner

from halfseen.cli import app
from halfseen.errors import HalfseenError
from halfseen.tables import NA_VALUES, read_table

__all__ = ["COMMANDS", "file_outcomes"]

COMMANDS = ("describe", "impute", "ampute", "fit, apply", "train, predict")

SAME = {".csv", ".tsv", ".gz"}


def file_outcomes(case: File, commands: Sequence[str] = COMMANDS) -> Iterator[Outcome]:
    """Run a file through commands, each in a folder of its own."""
    for command in commands:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            path = folder / case.path
            path.write_bytes(case.data())
            yield _judge(case, command, path)


def _judge(case: File, command: str, path: Path) -> Outcome:
    words, out = case.words(command), path.with_name("out-" + path.name)
    lines = _lines(case, command, path, out)
    error, wrong = "", ""
    for words_of_line in lines:
        result = CliRunner().invoke(app, [str(word) for word in words_of_line])
        error = _failure(result)
        if error:
            break
    said = result.stderr.strip().replace(f"{path.parent}/", "")
    if not error:
        wrong = f"worked, but should say {words}" if words else _wrong_output(case, command, path)
    elif error.startswith("!"):
        wrong = f"{command}: {error} {said[:300]}"
    elif not words:
        wrong = f"{command} should work: {said[:300]}"
    else:
        # The file, where no column is named.
        places = [*words, *([] if "'" in said else [path.name])]
        absent = [word for word in places if word not in said]
        wrong = f"lacks {absent}: {said[:300]}" if absent else ""
    if error and path.read_bytes() != case.data():
        wrong = "the input was changed"
    if error and out.exists():
        wrong = "a partial output was left"
    return Outcome(command, error, said, wrong)


def _failure(result: Any) -> str:
    """How a command failed, empty if it did not; with "!" where it did so without manners."""
    if result.exit_code == 0:
        return ""
    if result.exit_code != 1 or not isinstance(result.exception, SystemExit):
        return f"!{type(result.exception).__name__}: {result.exception}"
    lines = [line for line in result.stderr.splitlines() if "warning:" not in line]
    if len(lines) != 1 or not lines[0].startswith("halfseen: error: "):
        return "!more than one line"
    return "one line"


def _lines(case: File, command: str, path: Path, out: Path) -> list[list[Any]]:
    model, more = path.with_name("m.halfseen"), list(case.options)
    if command == "describe":
        return [["describe", path]]
    if command == "impute":
        return [["impute", path, "-o", out, "--method", "mean", *more]]
    if command == "ampute":
        return [["ampute", path, "-o", out, *more]]
    if command == "fit, apply":
        fit = ["fit", path, "--save", model, "--method", "mean", *more]
        return [fit, ["apply", model, path, "-o", out, *more]]
    target = _target(case, path)
    train = ["train", path, "--target", target, "--save", model, "--method", "filled"]
    return [[*train, "--max-steps", 2, *more], ["predict", model, path, "-o", out]]


def _read(path: Path) -> pa.Table:
    """A file, even of Feather 1, of which Arrow warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return read_table(path)


def _target(case: File, path: Path) -> str:
    """A column to predict: the last, or any name where the file cannot be read."""
    try:
        names = _read(path).column_names
        return [name for name in names if name not in case.options][-1]
    except (HalfseenError, IndexError):
        return "flag"


def _wrong_output(case: File, command: str, path: Path) -> str:
    """What is wrong with a written file; empty where nothing is."""
    out = path.with_name("out-" + path.name)
    try:
        if command in ("impute", "fit, apply"):
            _check_completed(case, path, out)
        elif command == "ampute":
            _check_holes(path, out)
        elif command == "train, predict":
            found = _read(out)
            assert found.num_rows == _read(path).num_rows
            assert found["prediction"].null_count == 0
    except (AssertionError, HalfseenError) as error:
        return f"{command}: {error}"
    return ""


def _check_completed(case: File, path: Path, out: Path) -> None:
    left_out = case.options[1:]
    if path.suffix.lower() in SAME:
        old, new = cells(path), cells(out)
        assert len(old) == len(new), f"{len(old)} rows became {len(new)}"
        for row, (one, other) in enumerate(zip(old, new, strict=True)):
            for name, before, after in zip(old[0], one, other, strict=True):
                if row == 0 or before.strip() not in NA_VALUES or name in left_out:
                    assert before == after, f"{before!r} became {after!r}"
                else:
                    assert after not in NA_VALUES, f"row {row}, {name!r} is still missing"
        return
    table, answer = _read(path), _read(out)
    assert_same(
        table.select(left_out),
        answer.select(left_out),
        np.ones((table.num_rows, len(left_out)), dtype=bool),
    )
    assert_completed(table.drop_columns(left_out), answer.drop_columns(left_out))


def _check_holes(path: Path, out: Path) -> None:
    if path.suffix.lower() in SAME:
        old, new = cells(path), cells(out)
        assert old[0] == new[0]
        for one, other in zip(old, new, strict=True):
            for before, after in zip(one, other, strict=True):
                gone = after == "" or before == after or (before.strip() in NA_VALUES)
                assert gone, f"{before!r} became {after!r}"
        return
    table, answer = _read(path), _read(out)
    nested = [j for j, f in enumerate(table.schema) if pa.types.is_nested(f.type)]
    assert not nested or answer.column(nested[0]).equals(table.column(nested[0]))
    assert_same(table, answer, ~missing_cells(answer), types=False)


def cells(path: Path) -> list[list[str]]:
    """The texts of a file of text, row by row, as Python's own reader sees them."""
    data = path.read_bytes()
    data = gzip.decompress(data) if path.suffix == ".gz" else data
    content = data.decode("utf-8-sig")
    header = content.lstrip("\r\n").splitlines()[0]
    delimiter = max(",;\t|", key=header.count)
    # Cells of a million letters are more than Python's reader takes unasked.
    limit = csv.field_size_limit(10**8)
    try:
        rows = [*csv.reader(io.StringIO(content, newline=""), delimiter=delimiter)]
    finally:
        csv.field_size_limit(limit)
    if len(rows[0]) == 1 and "," not in header:
        return [row or [""] for row in rows]
    return [row for row in rows if row]
