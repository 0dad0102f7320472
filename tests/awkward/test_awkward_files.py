"""Awkward files through every command: completed cell by cell, or refused in one line."""

import pytest
from awkward_commands import file_outcomes
from awkward_files import FILES
from typer.testing import CliRunner

from halfseen.cli import app

CHEAP = ("describe", "impute", "ampute")


def assert_none_wrong(found):
    wrong = [f"{outcome.entry}: {outcome.wrong}" for outcome in found if outcome.wrong]
    assert not wrong, "\n".join(wrong)


def test_there_are_many_files_with_names_of_their_own():
    assert len({case.name for case in FILES}) == len(FILES) > 85


@pytest.mark.parametrize("case", FILES, ids=str)
def test_files(case):
    assert_none_wrong(file_outcomes(case, CHEAP))


@pytest.mark.slow
@pytest.mark.parametrize("case", FILES, ids=str)
def test_files_with_models(case):
    assert_none_wrong(file_outcomes(case))


def test_remedies_are_those_of_the_command_line(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("a,b\ncafé,1\n,2\n".encode("latin-1"))
    result = CliRunner().invoke(app, ["describe", str(path)])
    assert result.exit_code == 1
    assert "Save it as UTF-8." in result.stderr
    assert "encoding=" not in result.stderr
    path.write_text("a,b\n1,2,3\n")
    assert "delimiter" not in CliRunner().invoke(app, ["describe", str(path)]).stderr


def test_several_columns_of_one_name_are_no_traceback(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as parquet

    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table([[1.5, None], [2.5, 0.5]], names=["v", "v"]), path)
    words = ["train", str(path), "--target", "v", "--save", str(tmp_path / "m.halfseen")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert "more than one column named 'v'" in result.stderr


def test_words_stay_words_where_all_of_them_look_like_numbers(tmp_path):
    old, new, out = tmp_path / "old.csv", tmp_path / "new.csv", tmp_path / "out.csv"
    old.write_text("code,age\nA1,1.5\n007,2.5\n007,4\n")
    new.write_text("code,age\n007,1\n,2\n")
    model = tmp_path / "m.halfseen"
    for words in (
        ["fit", old, "--method", "mean", "--save", model],
        ["apply", model, new, "-o", out],
    ):
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == 0, result.stderr
        assert not result.stderr
    assert out.read_text() == "code,age\n007,1\n007,2\n"
