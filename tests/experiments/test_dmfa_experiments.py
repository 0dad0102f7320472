"""Experiments on missing patches, on small pictures of their own making."""

import numpy as np
import pytest
import torch
from scipy.stats import norm

from halfseen.core.factor_mixture import LowRankMixture
from halfseen.core.low_rank_normal import LowRankNormal
from halfseen.datasets.images import Images
from halfseen.estimators.conditional import Conditional
from halfseen.estimators.conditional_cells import Cell, CellReader
from halfseen.experiments import all_experiments, dmfa, dmfa_task
from halfseen.experiments.dmfa_task import SHORT, PatchTask, make_patches, patch_scores
from halfseen.experiments.runner import run_cells

NAMES = ("dmfa-mnist", "dmfa-fashion", "dmfa-celeba")


@pytest.fixture
def small(monkeypatch):
    """Few pictures, few steps."""

    def load(name, data=None):
        rng = np.random.default_rng(0)
        size, channels = (32, 3) if name.startswith("celeba") else (28, 1)
        bright = rng.random((40, 1, 1, 1), np.float32)
        x = 0.7 * bright + 0.3 * rng.random((40, channels, size, size), np.float32)
        return Images(x[:36], np.zeros(36, int), x[36:], np.zeros(4, int))

    monkeypatch.setattr(dmfa_task, "load_images", load)
    budgets = {
        "mixture": {"n_components": 3, "max_iter": 2},
        "faces": {"n_components": 2, "max_iter": 2},
        "network": {"max_steps": 2},
        "paper": {"max_steps": 1, "batch_size": 4, "last_channels": 1},
    }
    monkeypatch.setattr(dmfa, "SHORT_BUDGETS", budgets)


def test_patches_are_squares_of_three_sizes_anywhere(small, monkeypatch):
    task = make_patches("mnist", "patches", SHORT, 0)
    assert task.side == 14
    for side, holed in task.tests.items():
        holes = np.isnan(holed)
        assert (holes.sum((1, 2, 3)) == side * side).all()
        assert (holes.any(2).sum((1, 2)) == side).all()
        np.testing.assert_array_equal(holed[~holes], task.truth[~holes])
    again = make_patches("mnist", "patches", SHORT, 5)
    np.testing.assert_array_equal(again.tests[14], task.tests[14])
    assert 0.45 < np.isnan(task.holed).mean() < 0.55


def test_scores_are_those_of_the_law():
    """Of independent pixels whose mean and scale are known, against scipy."""
    rng = np.random.default_rng(0)
    truth = rng.random((7, 1, 6, 6))
    holed = truth.copy()
    holed[:, :, 1:4, 2:5] = np.nan
    smaller, larger = truth.copy(), truth.copy()
    smaller[:, :, 1:3, 2:4] = np.nan
    larger[:, :, 1:5, 2:6] = np.nan
    tests = {3: holed, 2: smaller, 4: larger}
    task = PatchTask(truth, truth, truth, tests, short=True)

    def says(part):
        x = torch.as_tensor(part.reshape(len(part), -1))
        size = (len(part), 1, 36)
        law = LowRankNormal(
            torch.full(size, 0.4).double(),
            torch.zeros(*size, 1).double(),
            torch.full(size, 0.09).double(),
        )
        mixture = LowRankMixture(torch.zeros(len(part), 1).double(), law)
        seen = ~x.isnan()
        names = tuple(map(str, range(36)))
        own = tuple(Cell(name, j) for j, name in enumerate(names))
        reader = CellReader(own, names, (1, 6, 6), False, lambda t: t.reshape(len(t), -1))
        return Conditional(mixture, torch.where(seen, x, 0.0), seen.double(), reader)

    scores = patch_scores(task, says)
    for mark, pictures in {"": holed, "_smaller": smaller, "_larger": larger}.items():
        hidden = np.isnan(pictures)
        gap = ((truth - 0.4) ** 2 * hidden).sum((1, 2, 3))
        nll = -(norm.logpdf(truth, 0.4, 0.3) * hidden).sum((1, 2, 3))
        assert scores[f"sse{mark}"] == pytest.approx(gap.mean())
        assert scores[f"nll{mark}"] == pytest.approx(nll.mean())
        if not mark:
            assert scores["nll_median"] == pytest.approx(np.median(nll))
            assert scores["nll_1e-10"] == pytest.approx(nll.mean())
            assert scores["rmse"] == pytest.approx(np.sqrt(gap.mean() / 9))
    step = 1 / 255
    low = np.where(truth <= step / 4, -9.0, truth - step / 2)
    high = np.where(truth >= 1 - step / 4, 9.0, truth + step / 2)
    mass = norm.cdf(high, 0.4, 0.3) - norm.cdf(low, 0.4, 0.3)
    bits = -np.log2(mass[np.isnan(holed)]).mean()
    assert scores["discrete"] == pytest.approx(bits, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_designs_are_whole(name):
    experiment = all_experiments()[name]
    keys = {metric.name for metric in experiment.metrics}
    for row in experiment.rows:
        assert set(row.published) <= keys
    published = {row.key for row in experiment.rows if row.published}
    assert published == {"mfa-released", "dmfa-dense", "dmfa-full-conv"}


@pytest.mark.parametrize("name", ["dmfa-mnist", "dmfa-celeba"])
def test_every_row_gives_every_number(name, small, tmp_path):
    experiment = all_experiments()[name]
    cells = experiment.cells(quick=True)
    records = run_cells(experiment, cells, tmp_path / "out.jsonl")
    assert len(records) == len(experiment.rows)
    for record in records:
        assert "error" not in record, record
        assert set(record["metrics"]) == {metric.name for metric in experiment.metrics}
        assert np.isfinite(list(record["metrics"].values())).all()


@pytest.mark.parametrize(
    ("table", "short", "shape"),
    [
        ("mnist", False, (50, 6, "clusters", 30)),
        ("mnist", True, (50, 6, "clusters", 30)),
        ("celeba_32", False, (300, 10, "random", 30)),
        ("celeba_32", True, (100, 10, "random", 15)),
    ],
)
def test_mixtures_have_the_published_settings(table, short, shape):
    pictures = np.zeros((1, 3 if table == "celeba_32" else 1, 4, 4))
    task = PatchTask(pictures, pictures, pictures, {2: pictures}, short=short)
    model = dmfa._mixture()(task, 0)
    assert (model.n_components, model.rank, model.start, model.max_iter) == shape
    assert (model.noise, model.noise_floor, model.prior_rows) == ("isotropic", 0.01, 0.0)
    other = dmfa._mixture(n_components=1, rank=0, noise="diagonal", start="clusters")(task, 0)
    own = (other.n_components, other.rank, other.noise, other.start)
    assert own == (1, 0, "diagonal", "clusters")


def test_the_baseline_is_fitted_once_and_answers_twice(small):
    task = make_patches("mnist", "patches", SHORT, 0)
    rows = {row.key: row for row in dmfa.DMFA_MNIST.rows}
    released, exact = (rows[key].run(task, 0) for key in ("mfa-released", "mfa"))
    assert len(task.kept) == 1
    pictures = task.tests[14][:3]
    first, second = exact(pictures), released(pictures)
    assert second.mixture.log_weights.shape[1] == 1
    assert first.mixture.log_weights.shape[1] > 1
    # Neither changes what the other says.
    np.testing.assert_array_equal(exact(pictures).mean, first.mean)
