"""Experiments of the VSAE paper on small data of their own making."""

import sys

import numpy as np
import pandas as pd
import pytest

from halfseen.datasets import Modalities
from halfseen.errors import MissingDependencyError, SettingError
from halfseen.experiments import (
    all_experiments,
    pictures,
    vsae_image_text,
    vsae_modalities,
    vsae_mosi,
    vsae_pairs,
    vsae_published,
    vsae_uci,
)
from halfseen.experiments.runner import run_cells
from halfseen.experiments.vsae_models import MODELS, OURS, Model, Outcome, decoded, outcome


@pytest.fixture
def tables(monkeypatch):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(60, 1))
    numbers = pd.DataFrame(z + 0.3 * rng.normal(size=(60, 4)), columns=list("abcd"))
    words = (numbers > 0).replace({True: "high", False: "low"}).astype(str)
    words["e"] = rng.choice(["x", "y", "z"], 60)

    def load(name, data):
        frame = numbers if name in vsae_uci.NUMERIC else words
        return frame.assign(**{vsae_uci.TARGETS[name]: 1})

    monkeypatch.setattr(vsae_uci, "load_uci", load)
    monkeypatch.setattr(vsae_uci, "SHORT_STEPS", 2)


MODEL_KEYS = {model.key for model in (*MODELS, *OURS)}


def pictures_of(n, sides=("left", "right"), seed=0):
    """Pictures that show their class in every pixel, and noise."""
    rng = np.random.default_rng(seed)
    y = np.stack([np.arange(n) % 5, 9 - np.arange(n) % 5], 1)
    rows = {
        side: (y[:, i, None, None, None] / 10 + 0.05 * rng.random((n, 1, 4, 4))).astype(np.float32)
        for i, side in enumerate(sides)
    }
    return rows, y


def pairs(*args, **words):
    parts = [pictures_of(n, seed=n) for n in (800, 100, 100)]
    return Modalities(*(rows for rows, _ in parts), *(y for _, y in parts))


def captioned(*args, **words):
    parts = []
    for n in (800, 100, 100):
        rows, y = pictures_of(n, ("image", "text"), seed=n)
        rows["text"] = [f"class {label}" for label in y[:, 0]]
        parts.append((rows, y[:, 0]))
    return Modalities(*(rows for rows, _ in parts), *(y for _, y in parts))


def utterances(*args, **words):
    rng = np.random.default_rng(0)
    parts = []
    for n in (900, 100, 60):
        z = rng.normal(size=(n, 1))
        rows = {
            name: (z + 0.2 * rng.normal(size=(n, width))).astype(np.float32)
            for name, width in (("text", 3), ("audio", 2), ("video", 4))
        }
        rows["video"][:, 0] = 7.0
        parts.append((rows, (z[:, 0] > 0).astype(int)))
    return Modalities(*(rows for rows, _ in parts), *(y for _, y in parts))


SMALL = {"max_steps": 2}


@pytest.fixture
def modal(monkeypatch):
    monkeypatch.setattr(vsae_pairs, "load_digit_pairs", pairs)
    monkeypatch.setitem(vsae_pairs.SETTINGS, vsae_pairs.SHORT, SMALL)
    monkeypatch.setattr(vsae_image_text, "load_image_text", captioned)
    monkeypatch.setitem(vsae_image_text.SETTINGS, vsae_image_text.SHORT, SMALL)
    monkeypatch.setattr(vsae_mosi, "load_mosi", utterances)
    monkeypatch.setitem(vsae_mosi.SETTINGS, vsae_mosi.SHORT, SMALL)


def run_quick(experiment, path, **words):
    records = run_cells(experiment, experiment.cells(quick=True, seeds=1, **words), path)
    assert not [record["error"] for record in records if "error" in record]
    known = {metric.name for metric in experiment.metrics}
    for record in records:
        assert set(record["metrics"]) <= known
        assert np.isfinite(list(record["metrics"].values())).all(), record
    return {record["row"]: record["metrics"] for record in records}


def test_experiments_are_found_by_name():
    names = ["vsae-uci", "vsae-mnist-pairs", "vsae-image-text", "vsae-mosi"]
    assert set(names) <= set(all_experiments())
    for name in names:
        experiment = all_experiments()[name]
        keys = {metric.name for metric in experiment.metrics}
        settings = {protocol for protocol, _ in experiment.settings}
        for row in experiment.rows:
            assert set(row.published) <= keys
            for values in row.published.values():
                for place in values:
                    table, _, protocol = place.partition(", ")
                    assert table in experiment.tables
                    assert not protocol or protocol in settings


def test_published_numbers_add_up():
    """Sums of both sides agree with the tables of sums, where the paper's own do."""
    for name, (first, second) in vsae_published.PAIRS_BY_SIDE.items():
        for place in first:
            total = vsae_published.PAIRS[name][place]
            assert first[place] + second[place] == pytest.approx(total, abs=2e-4)
    for values in (vsae_published.UCI_ERRORS, vsae_published.PAIRS, vsae_published.MOSI):
        assert set(vsae_published.LABELS) <= set(values)


@pytest.mark.parametrize("table", ["zoo", "yeast"])
def test_every_row_of_the_tables(tables, table, tmp_path):
    found = run_quick(vsae_uci.VSAE_UCI, tmp_path / "r.jsonl", tables=[table])
    constant = "mean" if table == "yeast" else "mode"
    assert set(found) == {constant, "knn", "miwae", "gmm", *MODEL_KEYS}
    assert found["knn"]["error"] < found[constant]["error"]
    assert ("nrmse_pooled" in found["knn"]) == (table == "yeast")
    assert "error_single" in found["miwae"]


def test_only_yeast_has_other_mechanisms():
    cells = vsae_uci.VSAE_UCI.cells(rows=["knn"], seeds=1)
    assert {c.table for c in cells if c.protocol in ("mar", "nmar")} == {"yeast"}
    assert len({c.table for c in cells if c.protocol == "mcar-0.5"}) == 7
    [cell] = [c for c in vsae_uci.VSAE_UCI.cells(rows=["miwae"], seeds=1) if c.protocol == "mar"]
    assert vsae_uci.VSAE_UCI.published(vars(cell), "nrmse_pooled") == 0.493
    assert np.isnan(vsae_uci.VSAE_UCI.published(vars(cell), "error"))


def test_tables_are_split_and_hidden_as_told(tables):
    task = vsae_uci.make_table("yeast", "mcar-0.5", vsae_uci.SHORT, 0)
    assert [len(part) for part in (task.learn, task.test, task.complete)] == [48, 12, 48]
    assert task.truth.min().tolist() == [0] * 4
    assert task.truth.max().tolist() == [1] * 4
    whole = task.truth.to_numpy()
    np.testing.assert_array_equal(task.complete, whole[:48])
    for part, seen, place in (
        (task.learn, task.seen_learn, slice(48)),
        (task.test, task.seen_test, slice(48, 60)),
    ):
        np.testing.assert_array_equal(part.notna(), seen)
        np.testing.assert_array_equal(part, np.where(seen, whole[place], np.nan))
    with pytest.raises(SettingError, match="or such"):
        vsae_uci.make_table("yeast", "hard", vsae_uci.SHORT, 0)


def test_errors_are_over_missing_test_cells_in_units_of_the_table(tables):
    task = vsae_uci.make_table("yeast", "mcar-0.5", vsae_uci.SHORT, 0)
    right = task.truth.iloc[48:].reset_index(drop=True)
    assert vsae_uci.table_scores(task, Outcome(right))["error"] == 0
    wrong = right.mask(~task.seen_test, right + 0.1).mask(task.seen_test, 99.0)
    deviation = task.truth.std(ddof=0)
    found = vsae_uci.table_scores(task, Outcome(wrong, right))
    assert found["error"] == pytest.approx((0.1 / deviation).mean())
    assert found["nrmse_pooled"] == pytest.approx(0.1 / task.truth.to_numpy().std())
    assert found["error_single"] == 0


def test_generated_masks_are_compared_by_rate_and_correlation(tables):
    task = vsae_uci.make_table("yeast", "mcar-0.5", vsae_uci.SHORT, 0)
    answer = Outcome(task.truth.iloc[48:], masks=task.seen_learn)
    same = vsae_uci.table_scores(task, answer)
    assert same["mask_rate"] == pytest.approx(1 - task.seen_learn.mean())
    assert same["mask_rate_miss"] == same["mask_correlation_miss"] == 0
    tied = np.repeat(task.seen_learn[:, :1], 4, 1)
    other = vsae_uci.table_scores(task, Outcome(task.truth.iloc[48:], masks=tied))
    seen = np.corrcoef(task.seen_learn.T)
    assert other["mask_correlation_miss"] == pytest.approx(1 - seen.min())


def test_every_row_of_the_pairs(modal, tmp_path):
    experiment = vsae_pairs.VSAE_PAIRS
    assert {cell.table for cell in experiment.cells()} == {"mnist", "fashion_mnist"}
    found = run_quick(experiment, tmp_path / "r.jsonl", tables=["mnist"])
    assert set(found) == {"zero", "mean", "class-mean", "knn", "miwae", *MODEL_KEYS}
    errors = {key: values["combined_other_seen"] for key, values in found.items()}
    assert 0.5 * errors["class-mean"] < errors["knn"] < 0.1 * errors["mean"]
    assert errors["mean"] < errors["zero"]
    assert found["knn"]["combined_none_seen"] == found["mean"]["combined_none_seen"]


def test_every_row_of_pictures_and_texts(modal, tmp_path):
    found = run_quick(vsae_image_text.VSAE_IMAGE_TEXT, tmp_path / "r.jsonl", tables=["mnist"])
    assert found["class-mean"]["text"] == 0
    assert found["knn"]["text_other_seen"] == 0
    assert found["knn"]["image_other_seen"] < 0.1 * found["mean"]["image_other_seen"]
    assert found["mean"]["text"] > 0.6


def test_pictures_are_scored_by_their_sum_and_texts_by_their_share(modal):
    task = vsae_image_text.make_image_text("mnist", "mcar-0.5", vsae_image_text.SHORT, 0)
    rows = {"image": task.truth["image"] + 0.5, "text": list(task.truth["text"])}
    absent = np.flatnonzero(~task.s_test["text"])
    rows["text"][absent[0]] = "nothing"
    found = vsae_image_text.image_text_scores(task, Outcome(rows))
    assert found["image"] == pytest.approx(16 * 0.25, rel=1e-5)
    assert found["text"] == pytest.approx(1 / len(absent))


def test_every_row_of_the_utterances(modal, tmp_path):
    found = run_quick(vsae_mosi.VSAE_MOSI, tmp_path / "r.jsonl")
    errors = {key: values["combined_other_seen"] for key, values in found.items()}
    assert errors["knn"] < errors["class-mean"] < errors["mean"]
    # One variance a column, constant ones left out.
    assert errors["mean"] == pytest.approx(3, abs=1)


def test_utterances_are_scored_in_variances_of_columns_that_vary(modal):
    task = vsae_mosi.make_utterances("cmu_mosi", "mcar-0.5", vsae_mosi.SHORT, 0)
    whole = utterances()
    video = np.concatenate([whole.train["video"], whole.valid["video"]])
    np.testing.assert_allclose(task.complete["video"][:, 1:].std(0), 1, rtol=1e-5)
    np.testing.assert_allclose(task.scales["video"], [0, *video[:, 1:].std(0)], rtol=1e-5)
    rows = {name: values.copy() for name, values in task.truth.items()}
    rows["video"][:, 0] += 43.0
    rows["video"][:, 1:] += 0.5
    found = vsae_mosi.utterance_scores(task, Outcome(rows))
    assert found["combined_other_seen"] == pytest.approx(0.25, rel=1e-5)
    assert found["combined"] == pytest.approx(0.25, rel=1e-5)
    raw = (43**2 + 0.25 * video[:, 1:].var(0).sum()) / 4
    assert found["video_raw"] == pytest.approx(raw, rel=1e-4)
    assert found["text_raw"] == found["audio_other_seen"] == 0


def test_absent_modalities_are_nan_or_none_and_only_these(modal):
    task = vsae_image_text.make_image_text("mnist", "mcar-0.5", vsae_image_text.SHORT, 0)
    for holed, whole, s in (
        (task.learn, task.complete, task.s_learn),
        (task.test, task.truth, task.s_test),
    ):
        gone = np.isnan(holed["image"]).all((1, 2, 3))
        np.testing.assert_array_equal(gone, ~s["image"])
        np.testing.assert_array_equal(holed["image"][~gone], whole["image"][~gone])
        assert [text is None for text in holed["text"]] == (~s["text"]).tolist()
        kept = [text for text in holed["text"] if text is not None]
        assert kept == [whole["text"][i] for i in np.flatnonzero(s["text"])]
        assert not np.isnan(whole["image"]).any()
    assert 0.3 < task.s_learn["image"].mean() < 0.7
    assert len(task.learn["text"]) == 900


class Echo:
    """An imputer that answers with its number of decodings."""

    def __init__(self, data, max_steps=None, random_state=None):
        self.words = (data, max_steps, random_state)
        self.n_importance_predict = 7

    def fit(self, rows):
        self.fitted = rows
        return self

    def set_params(self, n_importance_predict):
        self.n_importance_predict = n_importance_predict
        return self

    def transform(self, rows):
        return (self.fitted, rows, self.n_importance_predict, self.words)


def test_models_answer_by_many_decodings_and_by_one():
    rows = ("holed", "complete", "test")
    for complete in (False, True):
        model = Model("vsae", Echo, complete)
        found = outcome(model, "images", {"max_steps": 3}, rows, 5)
        fitted = "complete" if complete else "holed"
        assert found.filled == (fitted, "test", 20, ("images", 3, 5))
        assert found.single == (fitted, "test", 1, ("images", 3, 5))
        assert found.masks is None
    imputer = Echo("numeric").fit(None)
    decoded(imputer, None, 1)
    assert imputer.n_importance_predict == 7


def test_a_modality_without_donors_keeps_its_mean(modal):
    task = vsae_pairs.make_pairs("mnist", "mcar-0.5", vsae_pairs.SHORT, 0)
    task.s_learn["left"][:] = np.arange(900) < 5
    plain, near = (f(task, 0).filled for f in (vsae_modalities.means, vsae_modalities.neighbours))
    np.testing.assert_array_equal(plain["left"], near["left"])


class Painter:
    def transform(self, rows):
        return {"a": np.nan_to_num(rows["a"]), "t": [text or "?" for text in rows["t"]]}

    def sample(self, rows, n_draws, random_state, noise):
        return [self.transform(rows)] * n_draws

    def generate(self, n_rows, noise, random_state):
        return {"a": np.ones((n_rows, 1, 4, 4)), "t": ["new"] * n_rows}


@pytest.mark.parametrize("channels", [1, 3])
def test_pages_of_pictures(channels, tmp_path):
    matplotlib = pytest.importorskip("matplotlib.image")
    whole = {"a": np.full((3, channels, 4, 4), 0.5, np.float32), "t": ["one", "two", "three"]}
    holed = {"a": whole["a"].copy(), "t": ["one", None, "three"]}
    holed["a"][0] = np.nan
    out = tmp_path / "page.png"
    pictures.draw_modalities(Painter(), holed, whole, out, n_draws=2, n_generated=4)
    page = matplotlib.imread(out)[..., :3]
    red = np.isclose(page, [0.8, 0.2, 0.2], atol=0.01).all(-1).mean()
    assert 0 < red < 0.05
    with pytest.raises(SettingError, match="no imputations"):
        pictures.draw_page(out, [])


def test_pages_without_matplotlib_say_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    with pytest.raises(MissingDependencyError, match=r"halfseen\[plots\]"):
        pictures.draw_page(tmp_path / "f.png", [("seen", {"a": np.zeros((1, 1, 2, 2))})])
