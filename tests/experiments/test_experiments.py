"""Experiments without their data: tiny ones, and the design of the published one."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from halfseen import experiments
from halfseen.datasets.uci import UCI
from halfseen.errors import SettingError
from halfseen.experiments import fills, runner
from halfseen.experiments.design import Cell, Experiment, Metric, Row, Task
from halfseen.experiments.notmiwae_uci import DROPPED, NOTMIWAE_UCI, make_task
from halfseen.experiments.report import report, summary
from halfseen.experiments.runner import read_lines, run_cells


def fail(task, seed):
    raise ArithmeticError("no")


def jitter(task, seed):
    return np.where(np.isnan(task.values), float(seed), task.values)


def tiny_task(table, protocol, units, seed, data):
    truth = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 8.0]])
    values = truth.copy()
    values[1, 0] = np.nan
    return Task(values, truth, np.zeros(2), np.ones(2), own_scaler=False)


def score(task, filled):
    error = float(np.abs(filled - task.truth).sum())
    return {"error": error, "double": 2 * error}


TINY = Experiment(
    name="tiny",
    title="Tiny",
    tables=("a", "b"),
    rows=(
        Row("mean", "mean", fills.mean, published={"error": {"a": 0.02}}, random=False),
        Row("jitter", "jitter", jitter, quick=("jitter, short", fills.zero)),
        Row("fail", "fail", fail),
    ),
    metrics=(Metric("error", "sum of errors"), Metric("double", "twice that")),
    settings=(("p", "u"),),
    quick_settings=(("p", "u"),),
    make=tiny_task,
    score=score,
    published_under=("p", "u"),
    n_seeds=3,
)


def test_a_row_without_randomness_runs_once():
    cells = TINY.cells(tables=["b"])
    assert [(c.row, c.seed) for c in cells if c.row == "mean"] == [("mean", 0)]
    assert sum(c.row == "jitter" for c in cells) == 3
    assert {c.seed for c in TINY.cells(seeds=[5, 6])} == {5, 6}
    with pytest.raises(ValueError, match="row 'x'"):
        TINY.cells(rows=["x"])


def test_runs_go_on_where_they_stopped(tmp_path):
    path = tmp_path / "deep" / "r.jsonl"
    first = run_cells(TINY, TINY.cells(rows=["mean", "fail"], tables=["a"], seeds=1), path)
    assert [record.get("value") for record in first] == [0.0, None]
    assert first[1]["error"] == "ArithmeticError: no"
    again = run_cells(TINY, TINY.cells(seeds=1, tables=["a"]), path)
    # Only the new cell and the one that had failed were run.
    assert len(read_lines(path)) == 4
    assert [record.get("value") for record in again] == [0.0, 2.0, None]
    record = json.loads(path.read_text().splitlines()[0])
    assert {"seconds", "versions", "machine", "seed"} <= set(record)
    assert record["metrics"] == {"error": 0.0, "double": 0.0}


def test_quick_runs_are_other_cells(tmp_path):
    path = tmp_path / "r.jsonl"
    run_cells(TINY, TINY.cells(rows=["jitter"], seeds=[1], tables=["a"]), path)
    records = run_cells(
        TINY, TINY.cells(rows=["jitter"], seeds=[1], tables=["a"], quick=True), path
    )
    assert records[0]["value"] == 2.0
    assert summary(TINY, records)["label"].tolist() == ["jitter, short"] * 2


def test_beside_the_published_setting_a_quick_run_has_one_seed():
    other = replace(TINY, quick_settings=(("p", "u"), ("p", "v")))
    cells = other.cells(rows=["jitter"], tables=["a"], quick=True)
    assert [(c.units, c.seed) for c in cells] == [("u", 0), ("v", 0), ("u", 1)]


def test_holes_that_are_random_make_every_row_random():
    other = replace(TINY, random_masks=("p",))
    assert len(other.cells(rows=["mean"], tables=["a"])) == 3


@pytest.mark.slow
def test_several_processes_fill_the_same_file(tmp_path):
    path = tmp_path / "r.jsonl"
    cells = NOTMIWAE_UCI.cells(rows=["zero", "mean"], tables=["banknote"], quick=True)
    numbers = np.random.default_rng(0).gamma(2.0, size=(1372, 4))
    table = pd.DataFrame(numbers, columns=UCI["banknote"].columns[:4]).assign(**{"class": 0})
    table.to_parquet(tmp_path / "banknote.parquet")
    records = run_cells(NOTMIWAE_UCI, cells, path, tmp_path, n_jobs=2)
    assert [r["row"] for r in records] == ["zero", "mean", "zero", "mean"]
    assert len(read_lines(path)) == 4


def test_records_of_one_metric_are_read_too(tmp_path):
    """As in files from before there were several."""
    records = run_cells(TINY, TINY.cells(rows=["jitter"], tables=["a"]), tmp_path / "r.jsonl")
    old = [{k: v for k, v in record.items() if k != "metrics"} for record in records]
    new, known = summary(TINY, records), summary(TINY, old)
    pd.testing.assert_frame_equal(new[new["metric"] == "error"], known)


def test_the_committed_results_are_still_read_and_gone_on_with():
    path = Path(__file__).parents[2] / "benchmarks" / "results" / "notmiwae-uci.jsonl"
    records = read_lines(path)
    keys = {tuple(record[name] for name in Cell.__dataclass_fields__) for record in records}
    wanted = NOTMIWAE_UCI.cells(rows=["mean", "mice"], seeds=1)
    assert {cell.key() for cell in wanted if cell.protocol == "hard"} <= keys
    found = summary(NOTMIWAE_UCI, [r for r in records if "error" not in r])
    hard = found[(found["protocol"] == "hard") & (found["units"] == "published")]
    mean = hard[hard["row"] == "mean"].set_index("table")
    assert mean.loc["wine_white", "value"] == pytest.approx(1.74, abs=0.005)
    assert mean.loc["wine_white", "published"] == 1.74


def test_rows_for_some_tables_and_for_full_runs_only():
    rows = (*TINY.rows, Row("b", "b", fills.zero, tables=("b",), in_quick=False))
    other = replace(TINY, rows=rows, usual_tables=("b",), quick_tables=("a",))
    assert {(c.row, c.table) for c in other.cells(rows=["mean", "b"])} == {
        ("mean", "b"),
        ("b", "b"),
    }
    assert {c.table for c in other.cells(quick=True)} == {"a"}
    assert "b" not in {c.row for c in other.cells(quick=True, tables=["b"])}
    assert [c.row for c in other.cells(quick=True, rows=["b"], tables=["a", "b"], seeds=1)] == [
        "b"
    ]


def test_protocols_of_some_tables_have_published_values_of_their_own():
    settings = (("p", "u"), ("q", "u"))
    rows = (Row("mean", "mean", fills.mean, published={"error": {"a": 1.0, "a, q": 2.0}}),)
    other = replace(
        TINY, rows=rows, settings=settings, published_under=None, protocol_tables={"q": ("a",)}
    )
    cells = other.cells(seeds=1)
    assert [(c.protocol, c.table) for c in cells] == [("p", "a"), ("p", "b"), ("q", "a")]
    found = [other.published(vars(cell), "error") for cell in cells]
    np.testing.assert_array_equal(found, [1.0, np.nan, 2.0])


def test_quick_runs_have_further_protocols_when_asked():
    settings = tuple((protocol, "u") for protocol in "pqr")
    other = replace(TINY, settings=settings, quick_settings=settings, quick_protocols=("q",))
    assert {c.protocol for c in other.cells()} == {"p", "q", "r"}
    assert {c.protocol for c in other.cells(quick=True)} == {"q"}
    assert {c.protocol for c in other.cells(quick=True, protocols=["r", "p"])} == {"p", "r"}
    with pytest.raises(
        SettingError, match=r"Got protocol 's'. Expected some of \['p', 'q', 'r'\]"
    ):
        other.cells(protocols=["s"])


def test_a_task_is_made_once_for_all_rows(tmp_path):
    made = []

    def make(*words):
        made.append(words)
        return tiny_task(*words)

    other = replace(TINY, make=make, shares=True)
    run_cells(other, other.cells(seeds=1), tmp_path / "r.jsonl")
    assert [words[0] for words in made] == ["a", "b"]


def test_rows_that_share_nothing_run_in_processes_of_their_own():
    cells = TINY.cells(seeds=1, tables=["a"])
    keys = [cell.row for cell in cells]
    rows = tuple(replace(row, alone=row.key == keys[1]) for row in TINY.rows)

    def parts(experiment):
        return [[cell.row for cell in part] for part in runner._apart(experiment, cells)]

    assert parts(TINY) == [[key] for key in keys]
    assert parts(replace(TINY, shares=True)) == [keys]
    assert parts(replace(TINY, shares=True, rows=rows)) == [[keys[0], *keys[2:]], [keys[1]]]


def test_summary_has_means_and_standard_errors(tmp_path):
    records = run_cells(TINY, TINY.cells(rows=["mean", "jitter"]), tmp_path / "r.jsonl")
    both = summary(TINY, records)
    assert both["metric"].tolist() == ["error"] * 4 + ["double"] * 4
    table = both[both["metric"] == "error"].set_index(["row", "table"])
    assert table.loc[("mean", "a"), "difference"] == pytest.approx(-0.02)
    assert table.loc[("mean", "a"), "agrees"]
    assert pd.isna(table.loc[("mean", "b"), "published"])
    assert table.loc[("jitter", "a"), "value"] == pytest.approx(1.0)
    assert table.loc[("jitter", "a"), "error"] == pytest.approx(1 / np.sqrt(3))


def test_a_row_may_lack_the_main_metric(tmp_path):
    """Such as a model that generates rows and completes none."""
    rows = (*TINY.rows[1:], Row("other", "other", lambda task, seed: None))

    def score_some(task, answer):
        return {"double": 1.0} if answer is None else score(task, answer)

    other = replace(TINY, rows=rows, score=score_some)
    records = run_cells(other, other.cells(seeds=1, tables=["a"]), tmp_path / "r.jsonl")
    [alone] = [record for record in records if record["row"] == "other"]
    assert ("value" in alone, alone["metrics"]) == (False, {"double": 1.0})
    told = summary(other, records).groupby("metric", sort=False)["row"].agg(list)
    # A row that failed stays, without a number.
    assert told.to_dict() == {"error": ["jitter", "fail"], "double": ["jitter", "other"]}


@pytest.mark.parametrize("terminal", [True, False])
def test_report_on_a_terminal_and_on_a_pipe(terminal, tmp_path):
    records = run_cells(TINY, TINY.cells(seeds=1), tmp_path / "r.jsonl")
    with (tmp_path / "out.txt").open("w") as sink:
        report(TINY, records, Console(file=sink, force_terminal=terminal, width=120))
    text = (tmp_path / "out.txt").read_text()
    assert "0.02" in text
    assert ("┃" in text) == terminal
    assert "failed: fail, b, 0: ArithmeticError: no" in text


def test_the_published_table_is_whole():
    assert set(NOTMIWAE_UCI.tables) == set(DROPPED) <= set(UCI)
    for row in NOTMIWAE_UCI.rows:
        assert set(row.published) <= {"rmse"}
        assert all(set(values) == set(DROPPED) for values in row.published.values())
    assert experiments.all_experiments()["notmiwae-uci"] is NOTMIWAE_UCI
    assert NOTMIWAE_UCI.row("not-miwae-released").published["rmse"]["yeast"] == 1.38
    with pytest.raises(ValueError, match="Did you mean 'notmiwae-uci'"):
        experiments.run("not-miwae-uci")


def score_of(task, filled):
    return NOTMIWAE_UCI.score(task, filled)["rmse"]


@pytest.fixture
def banknote(tmp_path):
    rng = np.random.default_rng(0)
    numbers = rng.gamma(2.0, size=(1372, 4)) * [1, 10, 100, 0.1] + 5
    table = pd.DataFrame(numbers, columns=UCI["banknote"].columns[:4]).assign(**{"class": 0})
    table.to_parquet(tmp_path / "banknote.parquet")
    return tmp_path, numbers


def test_the_hard_rule_hides_what_is_above_the_mean(banknote):
    folder, numbers = banknote
    task = make_task("banknote", "hard", "published", 0, folder)
    above = numbers > numbers.mean(0)
    above[:, 2:] = False
    np.testing.assert_array_equal(task.s == 0, above)
    np.testing.assert_allclose(task.truth.std(0), 1.0)


@pytest.mark.parametrize("protocol", ["hard", "logistic-half", "logistic-all"])
def test_both_units_hide_the_same_cells_and_share_the_error(banknote, protocol):
    folder, _ = banknote
    tasks = [make_task("banknote", protocol, u, 1, folder) for u in ("published", "original")]
    np.testing.assert_array_equal(tasks[0].s, tasks[1].s)
    errors = [score_of(task, fills.mean(task, 0)) for task in tasks]
    assert errors[0] == pytest.approx(errors[1])
    assert (tasks[0].s[:, 2:].min() == 0) == (protocol == "logistic-all")
    oracle = score_of(tasks[0], fills.true_mean_of_missing(tasks[0], 0))
    assert oracle < score_of(tasks[0], fills.zero(tasks[0], 0)) < errors[0]


@pytest.mark.filterwarnings("ignore:.*Early stopping criterion not reached")
def test_baselines_complete_and_keep_seen_cells(banknote):
    task = make_task("banknote", "hard", "original", 0, banknote[0])
    small = Task(task.values[:60], task.truth[:60], task.shift, task.scale, own_scaler=True)
    for fill in (fills.knn, fills.mice, fills.missforest(3, 1)):
        filled = fill(small, 0)
        assert np.isfinite(filled).all()
        np.testing.assert_allclose(filled[small.s == 1], small.values[small.s == 1])


def test_the_command_runs_and_prints(banknote, tmp_path, capsys):
    from halfseen.experiments.__main__ import main

    out = tmp_path / "r.jsonl"
    chosen = ["--rows", "mean", "--tables", "banknote", "--seeds", "0", "--quick"]
    main(["notmiwae-uci", "--out", str(out), "--data", str(banknote[0]), *chosen])
    assert "banknote" in capsys.readouterr().out
    assert (
        Cell(**{k: read_lines(out)[0][k] for k in Cell.__dataclass_fields__}).units == "published"
    )
