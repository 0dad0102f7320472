"""Every command on a tiny table: what it writes, and what it says."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as parquet
import pytest
from typer.testing import CliRunner

import halfseen
from halfseen.cli import app
from halfseen.cli.making import parse_settings
from halfseen.datasets.uci import UCI

TINY = ["--max-steps", "30", "--set", "hidden=[8]", "--set", "n_members=1"]
TINY += ["--set", "n_importance_predict=50"]
runner = CliRunner()


@pytest.fixture
def table(tmp_path):
    """Write a CSV file whose cells are spelled in ways that a rewrite would lose."""
    rng = np.random.default_rng(0)
    lines = ["id,age,city,score"]
    for i in range(60):
        age = rng.normal(50, 10)
        cells = [f"{age:.2f}0", "Oslo" if age > 50 else "Rome", f"{2 * age:.1f}"]
        holes = ["NA", "", "?"]
        shown = [h if rng.random() < 0.2 else c for c, h in zip(cells, holes, strict=True)]
        lines.append(",".join([f"p{i:03d}", *shown]))
    path = tmp_path / "in.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def run(*words):
    return runner.invoke(app, [str(word) for word in words], prog_name="halfseen")


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as source:
        return list(csv.reader(source))


def assert_completes(before, after):
    """Seen cells have the same text, missing ones have some."""
    old, new = rows_of(before), rows_of(after)
    assert len(old) == len(new)
    for old_row, new_row in zip(old, new, strict=True):
        for was, cell in zip(old_row, new_row, strict=True):
            assert cell == was if was not in ("NA", "", "?") else cell not in ("NA", "", "?")


def test_modalities_are_named_in_json(table, tmp_path):
    model, said = tmp_path / "m.halfseen", 'blocks={"person": ["age", "city"]}'
    words = (
        "fit",
        table,
        "--save",
        model,
        "--ignore",
        "id",
        "--method",
        "vae",
        "--set",
        said,
        *TINY,
    )
    result = run(*words)
    assert result.exit_code == 0, result.output
    fitted = halfseen.load(model)
    assert fitted.blocks == {"person": ["age", "city"]}
    assert [block.columns for block in fitted.codec_.spec.with_blocks(fitted.blocks).blocks] == [
        (0, 1)
    ]


def test_values_of_settings():
    assert parse_settings(["a={}", "b=[1, null]", "c={x = 1}", "d=[0x10]", "e=", "f=1_0"]) == {
        "a": {}, "b": [1, None], "c": {"x": 1}, "d": [16], "e": "", "f": 10,
    }  # fmt: skip


def test_impute_keeps_the_text_of_seen_cells(table, tmp_path):
    out = tmp_path / "out.csv"
    result = run("impute", table, "-o", out, "--ignore", "id", *TINY)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert_completes(table, out)


def test_apply_repeats_what_impute_answered(table, tmp_path):
    out, again, model = (tmp_path / name for name in ("a.csv", "b.csv", "m.halfseen"))
    words = ("--ignore", "id")
    assert run("impute", table, "-o", out, "--save", model, *words, *TINY).exit_code == 0
    assert run("apply", model, table, "-o", again, *words).exit_code == 0
    assert again.read_bytes() == out.read_bytes()


def test_fit_makes_the_same_model_as_impute(table, tmp_path):
    out, again, model = (tmp_path / name for name in ("a.csv", "b.csv", "m.halfseen"))
    assert run("impute", table, "-o", out, "--ignore", "id", *TINY).exit_code == 0
    assert run("fit", table, "--save", model, "--ignore", "id", *TINY).exit_code == 0
    assert run("apply", model, table, "-o", again, "--ignore", "id").exit_code == 0
    assert again.read_bytes() == out.read_bytes()


def test_draws_go_to_numbered_files_or_to_a_long_one(table, tmp_path):
    words = ("--ignore", "id", "--draws", 3, *TINY)
    assert run("impute", table, "-o", tmp_path / "d.csv", *words).exit_code == 0
    files = sorted(tmp_path.glob("d-*.csv"))
    assert [path.name for path in files] == ["d-01.csv", "d-02.csv", "d-03.csv"]
    for path in files:
        assert_completes(table, path)
    assert len({path.read_bytes() for path in files}) == 3
    long = tmp_path / "long.csv"
    assert run("impute", table, "-o", long, "--long", *words).exit_code == 0
    header, *rows = rows_of(long)
    assert header == ["draw", "id", "age", "city", "score"]
    assert [row[1:] for row in rows if row[0] == "1"] == rows_of(files[0])[1:]


def test_other_formats(table, tmp_path):
    for name in ("out.parquet", "out.feather", "out.tsv", "out.csv.gz"):
        words = ("--method", "mean", "--ignore", "id")
        assert run("impute", table, "-o", tmp_path / name, *words).exit_code == 0
    assert parquet.read_table(tmp_path / "out.parquet")["age"].null_count == 0
    words = ("-o", tmp_path / "back.csv", "--method", "mean", "--ignore", "id")
    assert run("impute", tmp_path / "out.parquet", *words).exit_code == 0


def test_not_miwae_takes_directions_by_column(table, tmp_path):
    words = ["--method", "not-miwae", "--direction", "age=high", "--direction", "score=high"]
    result = run("impute", table, "-o", tmp_path / "o.csv", "--ignore", "id", *words, *TINY)
    assert result.exit_code == 0, result.output
    assert_completes(table, tmp_path / "o.csv")


def test_evaluate_prints_plain_lines_off_a_terminal(table, tmp_path):
    words = ("--ignore", "id", "--evaluate", *TINY)
    result = run("impute", table, "-o", tmp_path / "o.csv", *words)
    assert result.exit_code == 0, result.output
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert "\x1b" not in result.output
    assert lines[0][5:] == ["miwae", "mean/mode", "iterative"]
    names = [line[0] for line in lines[1:]]
    assert names == ["age", "city", "score", "mean of numbers", "mean of categories"]
    assert all(float(cell) >= 0 for line in lines[1:] for cell in line[5:])


def test_kinds_from_a_file(table, tmp_path):
    kinds = tmp_path / "kinds.toml"
    kinds.write_text('age = "positive"\n', encoding="utf-8")
    result = run("describe", table, "--columns", kinds)
    assert "age\tpositive" in result.stdout
    assert "Leave it out with --ignore" in result.stdout


def test_ampute_changes_the_holes_and_nothing_else(table, tmp_path):
    out, mask = tmp_path / "holes.csv", tmp_path / "mask.csv"
    words = ("--mechanism", "self-masking-hard", "--rate", 0.3, "--columns", "age,score")
    result = run("ampute", table, "-o", out, "--mask", mask, "--ignore", "id", *words)
    assert result.exit_code == 0, result.output
    changed = 0
    seen = [row[:] for row in rows_of(mask)[1:]]
    for was, now, s in zip(rows_of(table)[1:], rows_of(out)[1:], seen, strict=True):
        assert now[0] == was[0]
        assert now[2] == was[2]
        for j in (1, 3):
            changed += now[j] != was[j]
            assert now[j] in (was[j], "")
            assert (now[j] not in ("NA", "", "?")) == (s[j - 1] == "1")
    assert changed > 15


def test_methods_are_listed():
    result = run("methods")
    assert result.exit_code == 0
    names = [line.split("\t")[0] for line in result.stdout.splitlines()]
    assert {"mean", "miwae", "not-miwae"} <= set(names)


def test_demo(tmp_path):
    result = run("demo", "--folder", tmp_path / "demo", "--max-steps", 2)
    assert result.exit_code == 0, result.output
    assert "mean of categories" in result.stdout
    assert len(rows_of(tmp_path / "demo" / "horse_colic-completed.csv")) == 301


def test_experiments_are_listed():
    assert "notmiwae-uci\t" in run("reproduce").stdout
    result = run("reproduce", "notmiwae-uki")
    assert result.exit_code == 1
    assert "Did you mean 'notmiwae-uci'?" in result.stderr


def test_some_cells_of_an_experiment_are_run(tmp_path):
    names = UCI["zoo"].columns
    pd.DataFrame(np.arange(101 * len(names)).reshape(101, -1) % 3, columns=names).to_parquet(
        tmp_path / "zoo.parquet"
    )
    out, cells = tmp_path / "out.jsonl", ("--rows", "mode", "--tables", "zoo", "--seeds", 2)
    words = ("--quick", "--data", tmp_path, "--out", out, "--protocols", "mcar-0.7,mcar-0.3")
    result = run("reproduce", "vsae-uci", *cells, *words)
    assert result.exit_code == 0, result.output
    told = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(r["protocol"], r["seed"]) for r in told] == [
        ("mcar-0.3", 0), ("mcar-0.7", 0), ("mcar-0.3", 1), ("mcar-0.7", 1)
    ]  # fmt: skip
    result = run("reproduce", "vsae-uci", "--quick", "--protocols", "mcar-0.4")
    assert result.exit_code == 1
    assert "Got protocol 'mcar-0.4'" in result.stderr


def test_version():
    assert run("--version").stdout.startswith("halfseen 0.")


def test_help_does_not_load_torch():
    code = (
        "import sys\n"
        "from halfseen.cli import main\n"
        "sys.argv = ['halfseen', '--help']\n"
        "try:\n    main()\n"
        "finally:\n"
        "    heavy = {'torch', 'pandas', 'sklearn', 'pyarrow', 'numpy'} & set(sys.modules)\n"
        "    print('loaded', sorted(heavy), file=sys.stderr)\n"
    )
    source = str(Path(__file__).parents[2] / "src")
    environment = {**os.environ, "PYTHONPATH": source}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0
    assert "impute" in done.stdout
    assert done.stderr.strip().endswith("loaded []")
