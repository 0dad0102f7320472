"""Experiments with labels and with pictures, on small tables of their own making."""

import sys
import types
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from halfseen.datasets.covertype import COVERTYPE
from halfseen.datasets.images import Images
from halfseen.datasets.uci import UCI
from halfseen.errors import MissingDependencyError
from halfseen.estimators.label_fitting import LabelFit
from halfseen.experiments import (
    notmiwae_celeba,
    supmiwae_mnist,
    supmiwae_toys,
    supnotmiwae_covertype,
    supnotmiwae_wine,
)
from halfseen.experiments.runner import run_cells
from halfseen.experiments.supervised import Budget, NumberAnswer, Split, class_scores, hide_high

TINY = Budget(2, 2, 3)


@pytest.fixture
def forest(monkeypatch):
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(1, 8), 40)
    columns = {name: rng.normal(y, 2.0) for name in COVERTYPE[:10]}
    columns |= {name: (rng.random(len(y)) < 0.3).astype(int) for name in COVERTYPE[10:-2]}
    table = pd.DataFrame(columns | {COVERTYPE[-2]: 0, "Cover_Type": y})
    asked = []

    def load(data, *, full):
        asked.append(full)
        return table

    monkeypatch.setattr(supnotmiwae_covertype, "load_covertype", load)
    monkeypatch.setitem(supnotmiwae_covertype.BUDGETS, "short budget", TINY)
    return asked


@pytest.fixture
def wine(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 11))
    names = UCI["wine_red"].columns
    table = pd.DataFrame(x, columns=names[:-1]).assign(quality=np.rint(5 + x[:, :3].sum(1)))
    monkeypatch.setattr(supnotmiwae_wine, "load_uci", lambda name, data: table)
    monkeypatch.setitem(supnotmiwae_wine.BUDGETS, "short budget", TINY)


@pytest.fixture
def digits(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.random((90, 1, 8, 8), np.float32)
    y = np.arange(90) % 10
    data = Images(x, y, x[:50], y[:50])
    monkeypatch.setattr(supmiwae_mnist, "load_images", lambda name, data_folder: data)
    short = supmiwae_mnist.BUDGETS[supmiwae_mnist.SHORT]
    small = replace(short, generator_steps=2, head_steps=2, n_predict=2, n_importance=2)
    monkeypatch.setitem(supmiwae_mnist.BUDGETS, supmiwae_mnist.SHORT, small)
    monkeypatch.setattr(supmiwae_mnist, "CHANNELS", (2,))
    monkeypatch.setattr(supmiwae_mnist, "HIDDEN", (8,))


@pytest.fixture
def faces(monkeypatch):
    x = np.random.default_rng(0).random((40, 1, 8, 8), np.float32)
    data = Images(x[:25], np.zeros(25), x[25:], np.zeros(15))
    monkeypatch.setattr(notmiwae_celeba, "load_images", lambda name, data_folder, grey: data)
    small = {"max_steps": 2, "n_members": 1, "n_importance": 2, "n_importance_predict": 2}
    monkeypatch.setitem(notmiwae_celeba.SETTINGS, notmiwae_celeba.SHORT, small)
    monkeypatch.setattr(notmiwae_celeba, "CHANNELS", (2,))


def run_quick(experiment, path, **words):
    records = run_cells(experiment, experiment.cells(quick=True, seeds=1, **words), path)
    assert not [record["error"] for record in records if "error" in record]
    known = {metric.name for metric in experiment.metrics}
    for record in records:
        assert np.isfinite(list(record["metrics"].values())).all(), record
        assert experiment.metrics[0].name in record["metrics"]
    assert set().union(*(record["metrics"] for record in records)) >= known
    return {record["row"]: record for record in records}


def test_every_row_of_the_forest(forest, tmp_path):
    records = run_quick(supnotmiwae_covertype.SUPNOTMIWAE_COVERTYPE, tmp_path / "r.jsonl")
    assert len(records) == len(supnotmiwae_covertype.SUPNOTMIWAE_COVERTYPE.rows)
    assert records["prior"]["value"] == pytest.approx(np.log(7))
    accuracy = {key: record["metrics"]["accuracy"] for key, record in records.items()}
    assert accuracy["oracle-hgb"] > accuracy["hgb"] > accuracy["prior"]
    assert set(forest) == {False}


def test_the_full_forest_is_asked_for_by_name(forest):
    experiment = supnotmiwae_covertype.SUPNOTMIWAE_COVERTYPE
    assert {cell.table for cell in experiment.cells()} == {"subset"}
    [cell] = experiment.cells(rows=["mean-lr"], tables=["full"], seeds=1)
    experiment.make(cell.table, cell.protocol, cell.units, cell.seed, None)
    assert forest == [True]
    about = {"protocol": "mnar", "units": "full budget", "row": "mean-lr"}
    assert experiment.published({**about, "table": "full"}, "accuracy") == 0.5405
    assert np.isnan(experiment.published({**about, "table": "subset"}, "accuracy"))


def test_the_forest_is_split_by_class_and_hidden_by_value(forest):
    task = supnotmiwae_covertype.make_split("subset", "mnar", "short budget", 3)
    again = supnotmiwae_covertype.make_split("subset", "mnar", "full budget", 3)
    pd.testing.assert_frame_equal(task.x_train, again.x_train)
    assert np.bincount(task.y_train)[1:].tolist() == [28] * 7
    for holed, whole in ((task.x_train, task.complete_train), (task.x_test, task.complete_test)):
        gone = holed.isna().to_numpy()
        assert abs(gone[:, :-1].mean() - 0.3) < 0.05
        assert (holed.fillna(-99) == whole.where(~gone, -99)).to_numpy().all()
    high = task.complete_train > task.complete_train.mean()
    gone = task.x_train.isna()
    assert gone[high].sum().sum() > 2 * gone[~high & (task.complete_train != 0)].sum().sum()


def test_every_row_of_the_wine(wine, tmp_path):
    records = run_quick(supnotmiwae_wine.SUPNOTMIWAE_WINE, tmp_path / "r.jsonl")
    assert len(records) == len(supnotmiwae_wine.SUPNOTMIWAE_WINE.rows)
    assert "coverage" not in records["hgb"]["metrics"]
    assert records["mean-ridge"]["metrics"]["coverage"] > 0.7


def test_every_row_of_the_digits(digits, tmp_path, monkeypatch):
    learned, fit = [], LabelFit.run
    monkeypatch.setattr(
        LabelFit, "run", lambda self, *words: learned.append(self) or fit(self, *words)
    )
    experiment = supmiwae_mnist.SUPMIWAE_MNIST
    assert {cell.table for cell in experiment.cells(quick=True)} == {"0.5", "0.7", "0.9"}
    records = run_quick(
        experiment, tmp_path / "r.jsonl", tables=["0.5"], rows=[row.key for row in experiment.rows]
    )
    assert len(records) == len(learned) == 11
    for head in learned:
        # Every head, the oracle's too, throws its coins of grey pictures, and is watched by coins.
        assert head.objective.binarize
        x, seen = head.rows.x[head.rows.s > 0], head.held.x[head.held.s > 0]
        assert ((x > 0) & (x < 1)).float().mean() > 0.9
        assert set(seen.unique().tolist()) == {0.0, 1.0}
        assert len(head.rows) == 90


def test_digits_have_the_same_holes_for_every_seed(digits):
    tasks = [supmiwae_mnist.make_split("0.9", "mcar", supmiwae_mnist.SHORT, s) for s in (0, 1)]
    np.testing.assert_array_equal(tasks[0].x_train, tasks[1].x_train)
    task = tasks[0]
    assert np.isnan(task.x_test).mean() == pytest.approx(0.9, abs=0.01)
    np.testing.assert_array_equal(tasks[0].complete_test, tasks[1].complete_test)
    for whole, holed in (
        (task.complete_train, task.x_train),
        (task.complete_test, task.x_test),
    ):
        seen = ~np.isnan(holed)
        np.testing.assert_array_equal(holed[seen], whole[seen])
    assert set(np.unique(task.complete_test)) == {0.0, 1.0}
    assert ((task.complete_train > 0) & (task.complete_train < 1)).mean() > 0.9


def test_every_row_of_a_toy(tmp_path, monkeypatch):
    monkeypatch.setitem(supmiwae_toys.BUDGETS, "short budget", TINY)
    monkeypatch.setattr(supmiwae_toys, "N_ROWS", 300)
    monkeypatch.setattr(supmiwae_toys, "N_TEST", 100)
    experiment = supmiwae_toys.SUPMIWAE_TOYS
    records = run_quick(experiment, tmp_path / "r.jsonl", tables=["burger"])
    assert len(records) == 11
    assert "bayes" not in {cell.row for cell in experiment.cells(tables=["moons"])}


def test_the_exact_row_of_the_burger():
    task = supmiwae_toys.make_split("burger", "mcar-0.5", "short budget", 0)
    scores = supmiwae_toys.toy_scores(task, supmiwae_toys._bayes(task, 0))
    gone = np.isnan(task.x_test[:, 1])
    share = task.y_test[gone].mean()
    assert scores["accuracy_holes"] == pytest.approx(share)
    expected = share * np.log(2 / 3) + (1 - share) * np.log(1 / 3)
    assert scores["log_p_holes"] == pytest.approx(expected)
    assert scores["accuracy_whole"] > 0.95


def test_every_row_of_the_faces(faces, tmp_path):
    records = run_quick(notmiwae_celeba.NOTMIWAE_CELEBA, tmp_path / "r.jsonl")
    assert len(records) == 8
    values = {key: record["value"] for key, record in records.items()}
    assert values["oracle"] < values["midpoint"] < values["mean"] < values["zero"]
    assert records["not-miwae"]["metrics"]["slope_spread"] == 0.0
    assert "slope" not in records["miwae"]["metrics"]


def test_faces_are_clipped_and_scored_over_missing_pixels(faces):
    task = notmiwae_celeba.make_faces("celeba_32", "clipping", notmiwae_celeba.SHORT, 0)
    gone = np.isnan(task.x_test)
    assert task.truth[gone].min() > 0.55
    assert task.truth[~gone].max() < 0.95
    # One picture with a miss of 0.1 in all its holes, no hole missed elsewhere.
    filled = task.truth.copy()
    filled[0] += np.where(gone[0], 0.1, 5.0)
    scores = notmiwae_celeba.face_scores(task, notmiwae_celeba.FaceAnswer(filled))
    assert scores["rmse"] == pytest.approx(0.1 * np.sqrt(gone[0].sum() / gone.sum()), rel=1e-4)
    assert scores["picture_rmse"] == pytest.approx(0.1 / len(gone), rel=1e-4)


def test_the_slope_of_a_probit_is_told_as_that_of_a_logistic_curve():
    table = pd.DataFrame({"slope": [20.0, 30.0], "location": [0.7, 0.8]})
    mechanism = types.SimpleNamespace(summary=lambda: table)
    found = notmiwae_celeba._mechanism(types.SimpleNamespace(mechanism_=mechanism))
    assert found["slope"] == pytest.approx(1.702 * 25)
    assert found["threshold_spread"] == pytest.approx(0.05)


def test_pictures_without_matplotlib_say_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    with pytest.raises(MissingDependencyError, match=r"halfseen\[plots\]"):
        notmiwae_celeba.draw_faces(None, np.zeros((1, 1, 2, 2)), np.zeros((1, 1, 2, 2)), "f.png")


def test_pictures(faces, tmp_path):
    pytest.importorskip("matplotlib")
    from halfseen import MIWAEImputer

    task = notmiwae_celeba.make_faces("celeba_32", "clipping", notmiwae_celeba.SHORT, 0)
    imputer = MIWAEImputer(network="conv", hidden=(2,), max_steps=2, n_importance_predict=4)
    imputer.fit(task.x_train)
    out = tmp_path / "faces.png"
    notmiwae_celeba.draw_faces(imputer, task.x_test[:3], task.truth[:3], out)
    assert out.read_bytes().startswith(b"\x89PNG")


def test_cells_are_hidden_by_the_published_law():
    """The share of missing cells among those of one value, against sigmoid(3 z - b)."""
    z = np.repeat([-1.0, 0.0, 0.4, 1.5], 40_000)[:, None]
    gone = hide_high(z, np.random.default_rng(0))[:, 0]
    rates = [gone[z[:, 0] == value].mean() for value in (-1.0, 0.0, 0.4, 1.5)]
    offsets = [np.log(rate / (1 - rate)) for rate in rates]
    slopes = np.diff(offsets) / np.diff([-1.0, 0.0, 0.4, 1.5])
    np.testing.assert_allclose(slopes, 3.0, atol=0.3)
    grid = np.linspace(-2, 2, 25)
    nearest = min(grid, key=lambda b: abs(expit(3 * z - b).mean() - 0.3))
    assert offsets[1] == pytest.approx(-nearest, abs=0.05)


def test_scores_of_numbers_against_hand_made_ones():
    task = types.SimpleNamespace(y_test=np.array([1.0, 3.0]))
    ends = np.array([[0.0, 2.0], [3.5, 4.0]])
    answer = NumberAnswer(np.array([1.0, 1.0]), np.array([1.0, 2.0]), ends)
    scores = supnotmiwae_wine.number_scores(task, answer)
    assert scores["rmse"] == pytest.approx(np.sqrt(2))
    expected = -np.log(2 * np.pi) / 2 - (np.log(2) + 0.5) / 2
    assert scores["log_density"] == pytest.approx(expected)
    assert scores["coverage"] == 0.5
    assert scores["width"] == pytest.approx(1.25)
    assert set(supnotmiwae_wine.number_scores(task, NumberAnswer(answer.mean))) == {"rmse"}


def test_scores_of_two_classes():
    y = np.array(["a", "b", "b", "a"])
    task = Split(None, y, None, y, None, None)
    proba = np.array([[0.8, 0.2], [0.4, 0.6], [0.7, 0.3], [0.9, 0.1]])
    scores = class_scores(task, proba)
    assert scores["accuracy"] == 0.75
    assert scores["auc"] == 1.0
    assert scores["log_loss"] == pytest.approx(-np.log([0.8, 0.6, 0.3, 0.9]).mean())
