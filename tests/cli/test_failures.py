"""What cannot work: one line, an exit code, and no file touched."""

import pytest
from typer.testing import CliRunner

from halfseen.cli import app

runner = CliRunner()
SMALL = "age,city\n30,Oslo\n,Rome\n50,Oslo\n"


def run(*words):
    return runner.invoke(app, [str(word) for word in words], prog_name="halfseen")


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text(SMALL, encoding="utf-8")
    return path


def assert_refused(result, *parts):
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("halfseen: error: ")
    for part in parts:
        assert part in lines[0]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--method", "miwea"], "Did you mean 'miwae'?"),
        (["--method", "mean", "--max-steps", "3"], "has no setting 'max_steps'"),
        (["--direction", "high"], "Add --method not-miwae."),
        (["--direction", "high", "--direction", "age=low"], "COLUMN=high"),
        (["--set", "hidden"], "NAME=VALUE"),
        (["--set", 'blocks={"a": [1'], "Expected JSON"),
        (["--set", "hiden=[8]"], "Did you mean 'hidden'?"),
        (["--ignore", "town"], "no column 'town'"),
        (["--long"], "--draws"),
        (["--columns", "nowhere.toml"], "nowhere.toml"),
    ],
)
def test_settings_that_cannot_be_used(table, tmp_path, words, part):
    out = tmp_path / "out.csv"
    assert_refused(run("impute", table, "-o", out, *words), part)
    assert not out.exists()


def test_files_that_cannot_be_read(tmp_path):
    out = tmp_path / "out.csv"
    assert_refused(run("impute", tmp_path / "no.csv", "-o", out), "no.csv", "No such file")
    for name, data in {"e.csv": b"", "x.parquet": b"not parquet", "x.xlsx": b"?"}.items():
        (tmp_path / name).write_bytes(data)
        assert_refused(run("impute", tmp_path / name, "-o", out), name)
    (tmp_path / "m.halfseen").write_bytes(b"no model")
    (tmp_path / "t.csv").write_text(SMALL, encoding="utf-8")
    words = (tmp_path / "m.halfseen", tmp_path / "t.csv", "-o", out)
    assert_refused(run("apply", *words), "not a halfseen model")


def test_outputs_are_not_replaced_unasked(table, tmp_path):
    out = tmp_path / "out.csv"
    out.write_text("mine", encoding="utf-8")
    words = ("impute", table, "-o", out, "--method", "mean")
    assert_refused(run(*words), "--force")
    assert out.read_text(encoding="utf-8") == "mine"
    assert run(*words, "--force").exit_code == 0
    assert out.read_text(encoding="utf-8") == "age,city\n30,Oslo\n40,Rome\n50,Oslo\n"


def test_the_input_is_never_replaced(table, tmp_path):
    (tmp_path / "link.csv").symlink_to(table)
    for out in (table, tmp_path / "link.csv"):
        words = ("-o", out, "--method", "mean", "--force")
        assert_refused(run("impute", table, *words), "is the input itself")
    assert table.read_text(encoding="utf-8") == SMALL


def test_no_file_is_left_when_a_fit_fails(table, tmp_path):
    table.write_text("age,empty\n30,\n40,\n", encoding="utf-8")
    out = tmp_path / "out.csv"
    result = run("impute", table, "-o", out, "--save", tmp_path / "m.halfseen")
    assert_refused(result, "'empty' has no observed value", "--keep-empty")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv"]
    words = ("impute", table, "-o", out, "--method", "mean", "--keep-empty")
    assert run(*words).exit_code == 0


def test_warnings_are_single_lines(table, tmp_path):
    model, new = tmp_path / "m.halfseen", tmp_path / "new.csv"
    assert run("fit", table, "--save", model, "--method", "mean").exit_code == 0
    new.write_text("age,city\n,Bern\n", encoding="utf-8")
    result = run("apply", model, new, "-o", tmp_path / "out.csv")
    assert result.exit_code == 0
    [line] = result.stderr.splitlines()
    assert line.startswith("halfseen: warning: Column 'city' holds categories")
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == "age,city\n40.0,Bern\n"


def test_columns_that_the_model_does_not_know(table, tmp_path):
    model, new = tmp_path / "m.halfseen", tmp_path / "new.csv"
    assert run("fit", table, "--save", model, "--method", "mean").exit_code == 0
    new.write_text("id,age,city\n1,,Oslo\n", encoding="utf-8")
    words = ("apply", model, new, "-o", tmp_path / "out.csv")
    assert_refused(run(*words), "does not know: id", "--ignore id")
    assert run(*words, "--ignore", "id").exit_code == 0
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == "id,age,city\n1,40.0,Oslo\n"


def test_command_lines_that_cannot_be_read(table):
    assert run("impute", table).exit_code == 2
    assert run("imput").exit_code == 2
    assert run("impute", table, "-o", "o.csv", "--seed", "x").exit_code == 2


def test_interrupting(table, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("halfseen.methods.method_by_name", interrupt)
    assert run("impute", table, "-o", tmp_path / "out.csv").exit_code == 130


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ("generator=mean", "Expected 'miwae'"),
        ("n_importance_predict=0", "n_importance_predict=0. Expected a positive whole number"),
        ('class_weight={"Oslo":-1}', "class_weight=-1 of the class 'Oslo'"),
    ],
)
def test_a_classifier_that_could_not_answer_is_not_saved(table, tmp_path, setting, part):
    out = tmp_path / "m.halfseen"
    words = ["--target", "city", "--method", "sup-miwae", "--save", out, "--max-steps", "2"]
    assert_refused(run("train", table, *words, "--set", setting), part)
    assert not out.exists()
