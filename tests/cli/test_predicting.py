"""The commands train and predict on tiny tables."""

import csv
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from typer.testing import CliRunner

from halfseen import load
from halfseen.cli import app
from halfseen.cli.comparing import _class_scores, _held_out, compare
from halfseen.cli.files import Job
from halfseen.cli.targets import Labelled, split_target
from halfseen.methods.filled import FilledRegressor

TINY = ["--max-steps", "20", "--set", "hidden=[8]", "--set", "n_importance_predict=20"]
TINY += ["--set", "generator.hidden=[8]", "--set", "generator.n_members=1"]
QUICK = ["--method", "filled", "--max-steps", "30", "--set", "hidden=[8]"]
runner = CliRunner()


@pytest.fixture
def table(tmp_path):
    """Write rows with identifiers that numbers would spoil, holes, and some without a label."""
    rng = np.random.default_rng(0)
    lines = ["id,age,city,dose,grade"]
    for i in range(80):
        age = rng.normal(50, 10)
        cells = [f"{age:.1f}", "Oslo" if rng.random() < 0.5 else "Rome", f"{age / 7:.3f}"]
        shown = [c if rng.random() > 0.2 else "" for c in cells]
        grade = "" if i % 10 == 0 else "old" if age > 50 else "young"
        lines.append(",".join([f"{i:03d}", *shown, grade]))
    path = tmp_path / "in.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def run(*words):
    return runner.invoke(app, [str(word) for word in words], prog_name="halfseen")


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as source:
        return list(csv.reader(source))


def trained(table, target, *words):
    model = table.with_name("m.halfseen")
    result = run("train", table, "--target", target, "--save", model, *words)
    assert result.exit_code == 0, result.output
    return model


@pytest.mark.parametrize("method", ["sup-miwae", "sup-not-miwae"])
def test_classes_are_predicted_with_their_probabilities(table, tmp_path, method):
    words = ["--method", method, "--set", "generator.direction=high"] if "not" in method else []
    model = trained(table, "grade", "--ignore", "id", *words, *TINY)
    out = tmp_path / "out.csv"
    result = run("predict", model, table, "-o", out)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    header, *rows = rows_of(out)
    assert header == ["id", "prediction", "probability_old", "probability_young"]
    assert [row[0] for row in rows] == [f"{i:03d}" for i in range(80)]
    for _, label, old, young in rows:
        assert float(old) + float(young) == pytest.approx(1)
        assert label == ("old" if float(old) > float(young) else "young")
    fitted = load(model)
    assert fitted.generator_.n_iter_ == fitted.n_iter_ == 20
    assert fitted.generator_.n_members_ == 1


def test_numbers_are_predicted_with_an_interval(table, tmp_path):
    model = trained(table, "dose", "--ignore", "id,grade", *QUICK)
    widths = []
    for share in (0.5, 0.9):
        out = tmp_path / f"{share}.parquet"
        assert run("predict", model, table, "-o", out, "--interval", share).exit_code == 0
        found = parquet.read_table(out).to_pandas()
        # Columns that the model does not look at; the target is not among them.
        assert list(found) == ["id", "grade", "prediction", "lower", "upper"]
        assert found["id"].tolist() == [f"{i:03d}" for i in range(80)]
        assert (found["lower"] < found["prediction"]).all()
        assert (found["prediction"] < found["upper"]).all()
        widths.append((found["upper"] - found["lower"]).mean())
    assert widths[0] < widths[1]


def test_new_tables_may_have_no_target_and_another_order(table, tmp_path):
    model = trained(table, "grade", "--ignore", "id", *QUICK)
    frame = pd.read_csv(table, dtype={"id": str})
    other = frame[["dose", "id", "city", "age"]].iloc[:5]
    other.to_csv(tmp_path / "new.tsv", sep="\t", index=False)
    for name, new in (("a.csv", table), ("b.csv", tmp_path / "new.tsv")):
        assert run("predict", model, new, "-o", tmp_path / name).exit_code == 0
    whole, some = (pd.read_csv(tmp_path / name, dtype={"id": str}) for name in ("a.csv", "b.csv"))
    pd.testing.assert_frame_equal(some, whole.iloc[:5], rtol=1e-5)


def test_words_that_look_like_numbers_stay_words(tmp_path):
    """A code with letters in training, of which a small new table happens to have none."""
    codes = ["007", "0120", "B5"]
    lines = ["code,y", *(f"{codes[i % 3]},{'ab'[i % 3 == 0]}" for i in range(90))]
    path = tmp_path / "in.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    model = trained(path, "y", *QUICK)
    answers = []
    for name, some in (("digits", [1, 2, 1]), ("letters", [1, 2, 3])):
        new, out = tmp_path / f"{name}.csv", tmp_path / f"{name}-out.csv"
        new.write_text("\n".join([lines[0], *(lines[i] for i in some)]) + "\n", encoding="utf-8")
        result = run("predict", model, new, "-o", out)
        assert result.exit_code == 0
        assert "not seen in fit" not in result.output
        answers.append(rows_of(out)[1:3])
    assert answers[0] == answers[1]
    assert answers[0][0] != answers[0][1]


def test_rows_without_a_label_are_no_class(table):
    model = trained(table, "grade", "--ignore", "id", *QUICK)
    assert load(model).classes_.tolist() == ["old", "young"]


def test_evaluate_compares_and_then_trains_on_all(table):
    words = ["--ignore", "id", "--evaluate", *QUICK]
    result = run("train", table, "--target", "grade", "--save", table.with_name("e"), *words)
    assert result.exit_code == 0, result.output
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert lines[0] == ["method", "accuracy", "log-loss", "calibration error"]
    assert [line[0] for line in lines[1:]] == ["filled", "most frequent", "gradient boosting"]
    assert all(float(cell) >= 0 for line in lines[1:] for cell in line[1:])
    plain = trained(table, "grade", "--ignore", "id", *QUICK)
    for name, model in (("a.csv", table.with_name("e")), ("b.csv", plain)):
        assert run("predict", model, table, "-o", table.with_name(name)).exit_code == 0
    assert rows_of(table.with_name("a.csv")) == rows_of(table.with_name("b.csv"))


def test_evaluate_of_numbers(table):
    words = ["--ignore", "id,grade", "--evaluate", *QUICK]
    result = run("train", table, "--target", "dose", "--save", table.with_name("e"), *words)
    assert result.exit_code == 0, result.output
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert lines[0] == ["method", "RMSE", "coverage of 90%"]
    assert [line[0] for line in lines[1:]] == ["filled", "mean", "gradient boosting"]
    assert [line[2] for line in lines[2:]] == ["-", "-"]


@pytest.mark.parametrize(
    ("cells", "task"),
    [
        (["a", "b", None, "a"], "classification"),
        ([True, False, None], "classification"),
        ([3, 5, 3, None, 8], "classification"),
        ([0.0, 1.0, None], "classification"),
        ([0.5, 1.0, None], "regression"),
        (list(range(11)), "regression"),
    ],
)
def test_tasks_are_told_from_the_values(tmp_path, cells, task):
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"x": np.arange(len(cells)), "y": cells}), path)
    labelled = split_target(Job.read(path), "y", "auto")
    assert labelled.task == task
    assert labelled.n_known == sum(cell is not None for cell in cells)
    assert split_target(Job.read(path), "y", "regression").task == "regression"


def test_a_kind_of_the_target_says_the_task(tmp_path):
    parquet.write_table(pa.table({"x": [1, 2, 3], "y": [1, 2, 1]}), tmp_path / "t.parquet")
    kinds = tmp_path / "kinds.toml"
    kinds.write_text('x = "count"\ny = "continuous"\n', encoding="utf-8")
    labelled = split_target(Job.read(tmp_path / "t.parquet"), "y", "auto", kinds)
    assert labelled.task == "regression"
    assert labelled.kinds == {"x": "count"}


class Constant:
    """Predicts the shares of the classes it was fitted to; keeps what it saw."""

    def __init__(self):
        self.seen = None

    def get_params(self, deep=True):
        return {}

    def fit(self, table, y):
        Constant.seen = (table.num_rows, y.notna().sum(), Counter(y.dropna()))
        self.classes_ = np.unique(y.dropna().to_numpy(dtype=str))
        return self

    def predict_proba(self, table):
        return np.full((table.num_rows, len(self.classes_)), 1 / len(self.classes_))


def test_a_fifth_of_each_class_is_held_out():
    y = pd.Series(["a"] * 100 + ["b"] * 50 + [None] * 50, dtype=object, name="y")
    table = pa.table({"x": np.arange(200.0), "c": ["u", None] * 100})
    scores = compare(Constant(), Labelled(table, y, "classification"), 0)
    assert Constant.seen == (200 - 30, 120, {"a": 80, "b": 40})
    assert scores["model"]["log-loss"] == pytest.approx(np.log(2))
    assert scores["most frequent"]["accuracy"] == pytest.approx(20 / 30)
    expected = -(20 * np.log(2 / 3) + 10 * np.log(1 / 3)) / 30
    assert scores["most frequent"]["log-loss"] == pytest.approx(expected)
    assert scores["gradient boosting"]["accuracy"] > 0.9


def test_a_number_that_looks_like_a_count_in_fewer_rows(tmp_path):
    """The only broken number is among the rows that are held out."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=60)
    for place in range(60):
        count = np.minimum(rng.geometric(0.4, 60), 9).astype(float)
        count[place] = 2.5
        table = pa.table({"x": count, "z": y + rng.normal(size=60)})
        labelled = Labelled(table, pd.Series(y, name="y"), "regression")
        if _held_out(labelled, 0)[place]:
            break
    model = FilledRegressor(max_steps=5, hidden=(4,))
    assert compare(model, labelled, 0)["model"]["RMSE"] > 0


def test_a_class_that_was_held_out_whole_counts_as_wrong():
    scores = _class_scores(np.array([0, -1]), np.array([[1.0, 0.0], [1.0, 0.0]]))
    assert scores["accuracy"] == 0.5
    assert scores["log-loss"] == pytest.approx(-np.log(np.finfo(np.float32).eps) / 2)


def assert_refused(result, *parts):
    assert result.exit_code == 1, result.output
    [line] = result.stderr.splitlines()
    assert line.startswith("halfseen: error: ")
    for part in parts:
        assert part in line


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--target", "grade", "--method", "completed"], "cannot be kept in a file"),
        (["--target", "grad"], "Did you mean 'grade'?"),
        (["--target", "id", "--ignore", "id"], "only one"),
        (["--target", "grade", "--task", "ranking"], "Expected one of classification"),
        (["--target", "grade", "--method", "miwae"], "'sup-miwae'"),
        (["--target", "grade", "--task", "regression", *QUICK], "not numbers"),
        (["--target", "grade", "--set", "generator.hiden=[8]"], "Did you mean 'hidden'?"),
        (["--target", "grade", "--set", "hiden=[8]"], "Did you mean 'hidden'?"),
        (["--target", "grade", "--set", "generator.hidden=[8]", *QUICK], "no setting 'generator'"),
    ],
)
def test_what_cannot_be_trained(table, words, part):
    model = table.with_name("m.halfseen")
    assert_refused(run("train", table, "--save", model, *words), part)
    assert not model.exists()


def test_models_are_not_replaced_unasked(table):
    model = trained(table, "grade", "--ignore", "id", *QUICK)
    words = ("train", table, "--target", "grade", "--save", model, "--ignore", "id", *QUICK)
    assert_refused(run(*words), "--force")
    assert run(*words, "--force").exit_code == 0
    assert_refused(run("predict", model, table, "-o", table, "--force"), "is the input itself")


def test_models_of_the_other_kind(table, tmp_path):
    model = trained(table, "grade", "--ignore", "id", *QUICK)
    assert_refused(run("apply", model, table, "-o", tmp_path / "o.csv"), "halfseen predict")
    mean = tmp_path / "mean.halfseen"
    words = ("--method", "mean", "--ignore", "id")
    assert run("fit", table, "--save", mean, *words).exit_code == 0
    assert_refused(run("predict", mean, table, "-o", tmp_path / "o.csv"), "halfseen apply")


def test_what_cannot_be_predicted(table, tmp_path):
    model = trained(table, "grade", "--ignore", "id", *QUICK)
    out = tmp_path / "o.csv"
    assert_refused(run("predict", model, table, "-o", out, "--interval", 1), "--interval 1")
    frame = pd.read_csv(table)
    frame.drop(columns="age").to_csv(tmp_path / "less.csv", index=False)
    assert_refused(run("predict", model, tmp_path / "less.csv", "-o", out), "'age'")
    frame.rename(columns={"id": "prediction"}).to_csv(tmp_path / "same.csv", index=False)
    assert_refused(run("predict", model, tmp_path / "same.csv", "-o", out), "'prediction'")
    assert not out.exists()


def test_dates_are_no_target(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,day\n1,2020-01-01\n2,2020-01-02\n", encoding="utf-8")
    result = run("train", path, "--target", "day", "--save", tmp_path / "m")
    assert_refused(result, "'day' holds date")


def test_too_few_rows_to_hold_some_out(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "1,a\n2,b\n" * 9, encoding="utf-8")
    words = ("--target", "y", "--save", tmp_path / "m", "--evaluate", *QUICK)
    assert_refused(run("train", path, *words), "18 rows")


def test_labels_that_begin_with_zeros_come_back_as_such(tmp_path):
    rows = [f"{i % 5},{'' if i % 9 == 0 else '0' + str(1 + i % 3)}" for i in range(60)]
    table, model, out = (tmp_path / name for name in ("t.csv", "m.halfseen", "p.csv"))
    table.write_text("a,y\n" + "\n".join(rows) + "\n", encoding="utf-8")
    words = ("--method", "filled", "--max-steps", 5)
    assert run("train", table, "--target", "y", "--save", model, *words).exit_code == 0
    assert run("predict", model, table, "-o", out).exit_code == 0
    lines = out.read_text(encoding="utf-8").splitlines()
    assert "probability_01,probability_02,probability_03" in lines[0]
    assert {line.split(",")[0] for line in lines[1:]} <= {"01", "02", "03"}
