"""ConvAC as an imputer and a density: exact in data units, on tables and on images."""

import copy
import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import logsumexp
from sklearn.mixture import GaussianMixture

from halfseen import MeanImputer
from halfseen.errors import SettingError
from halfseen.methods import load
from halfseen.methods.convac import ConvAC
from halfseen.testing.tables import same_bits, some_frame, some_table

TINY = {**ConvAC.card.check_params, "random_state": 0}
CENTERS = np.array([[3, 0, 0, 3, 1], [-3, 3, 0, 0, 1], [0, -3, 3, -3, -2.0]])
SCALES = np.array([[1, 0.5, 1, 2, 1], [0.5, 1, 1, 1, 2], [1, 1, 0.5, 1, 0.5]])


def mixture(n, seed):
    rng = np.random.default_rng(seed)
    group = rng.integers(3, size=n)
    return CENTERS[group] + SCALES[group] * rng.normal(size=(n, 5))


def log_density(x, s):
    """Log-density of the seen cells of the mixture, and its posterior groups."""
    t = (x[:, None] - CENTERS) / SCALES
    cells = -0.5 * t**2 - np.log(SCALES) - 0.5 * np.log(2 * np.pi)
    groups = (cells * s[:, None]).sum(-1) - np.log(3)
    total = logsumexp(groups, 1)
    return total, np.exp(groups - total[:, None])


@pytest.fixture(scope="module")
def learned():
    """A mixture of three Gaussians, a third of whose cells are missing."""
    truth = mixture(1500, 0)
    holes = np.random.default_rng(9).random(truth.shape) < 0.33
    table = np.where(holes, np.nan, truth)
    imputer = ConvAC(
        n_components=12, channels=(8,), n_members=2, max_steps=250, random_state=0
    ).fit(table)
    return imputer, truth, table, holes


def test_it_learns_a_mixture_from_incomplete_rows(learned):
    imputer, _, _, _ = learned
    test = mixture(2000, 1)
    truth = log_density(test, np.ones_like(test))[0].mean()
    complete = GaussianMixture(3, n_init=3, random_state=0).fit(mixture(1500, 0)).score(test)
    alone = [
        GaussianMixture(3, random_state=0).fit(mixture(1500, 0)[:, [j]]).score(test[:, [j]])
        for j in range(5)
    ]
    found = imputer.score(test)
    assert complete == pytest.approx(truth, abs=0.05)
    assert truth - 0.35 < found < truth + 0.01
    assert found > sum(alone) + 1.5
    assert imputer.history_[-1]["monitor"] > imputer.history_[0]["monitor"]


def test_conditional_means_are_those_of_the_mixture(learned):
    imputer, truth, table, holes = learned
    seen = ~holes
    groups = log_density(np.nan_to_num(table), seen)[1]
    best = np.where(holes, groups @ CENTERS, truth)
    filled = imputer.transform(table)

    def error(x):
        return np.sqrt(((x - truth)[holes] ** 2).mean())

    assert error(filled) < 1.03 * error(best)
    assert error(filled) < 0.75 * error(MeanImputer().fit_transform(table))
    assert np.sqrt(((filled - best)[holes] ** 2).mean()) < 0.35


def test_draws_are_calibrated_and_average_to_the_mean(learned):
    imputer, truth, table, holes = learned
    draws = np.stack(imputer.sample(table, n_draws=60))
    low, high = np.quantile(draws[:, holes], [0.1, 0.9], axis=0)
    inside = ((truth[holes] >= low) & (truth[holes] <= high)).mean()
    assert 0.74 < inside < 0.84
    gap = (draws.mean(0) - imputer.transform(table))[holes]
    spread = draws[:, holes].std(0) / np.sqrt(60)
    assert np.abs((gap / spread).mean()) < 0.05
    assert np.std(gap / spread) == pytest.approx(1, abs=0.1)


def test_generated_rows_have_the_law_of_the_table(learned):
    imputer, truth, _, _ = learned
    rows = imputer.generate(4000)
    assert np.abs(rows.mean(0) - truth.mean(0)).max() < 0.25
    assert np.abs(np.corrcoef(rows.T) - np.corrcoef(truth.T)).max() < 0.08
    # The model's own score of its rows is that of fresh ones.
    assert imputer.score(rows) == pytest.approx(imputer.score(mixture(4000, 3)), abs=0.4)
    smooth = imputer.generate(4000, noise=False)
    assert (smooth.var(0) < rows.var(0)).all()
    with pytest.raises(SettingError, match="no law of the mask"):
        imputer.generate_masks(3)


def test_scores_are_densities_in_data_units():
    """They integrate to one over a column, and so to the score of the row without it."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "plain": 1000 + 50 * rng.normal(size=200),
            "dose": rng.lognormal(size=200),
            "share": rng.beta(2, 2, 200),
            "visits": rng.poisson(3, 200).astype(float),
            "city": rng.choice(["Rome", "Oslo"], 200),
        }
    )
    kinds = {
        "dose": "positive",
        "share": {"kind": "bounded", "lower": 0, "upper": 1},
        "visits": "count",
    }
    imputer = ConvAC(**{**TINY, "repeats": "none"}, kinds=kinds).fit(frame)
    points = {
        "plain": (np.arange(500, 1500, 0.5), 0.5),
        "dose": (np.arange(1e-4, 400, 0.005), 0.005),
        "share": (np.arange(0.0005, 1, 0.001), 0.001),
        "visits": (np.arange(200.0), 1.0),
        "city": (np.array(["Rome", "Oslo"]), 1.0),
    }
    row = frame.iloc[[0]]
    for name, (values, width) in points.items():
        grid = pd.concat([row] * len(values), ignore_index=True)
        grid[name] = values
        without = row.copy()
        without[name] = None if name == "city" else np.nan
        total = np.log((np.exp(imputer.score_samples(grid)) * width).sum())
        assert total == pytest.approx(imputer.score_samples(without)[0], abs=0.01), name


def test_values_that_come_back_have_probabilities_in_any_unit():
    rng = np.random.default_rng(0)
    z = rng.normal(size=300)
    few = 100.0 * np.digitize(z, [-1, 0, 1])
    rain = 50 * np.maximum(z + rng.normal(size=300), 0)
    imputer = ConvAC(**TINY).fit(np.c_[z, few, rain])
    assert list(imputer.repeats_.grid) == [1]
    assert list(imputer.repeats_.atom) == [2]
    row = np.array([[0.3, np.nan, np.nan]])
    both = np.tile(row, (4, 1))
    both[:, 1] = [0, 100, 200, 300]
    expected = imputer.score_samples(row)[0]
    assert logsumexp(imputer.score_samples(both)) == pytest.approx(expected, abs=1e-4)
    values = np.r_[0.0, np.arange(-1000, 1500) + 0.5]
    grid = np.tile(row, (len(values), 1))
    grid[:, 2] = values
    assert logsumexp(imputer.score_samples(grid)) == pytest.approx(expected, abs=0.01)
    draws = np.stack(imputer.sample(row, 200))[:, 0]
    assert set(draws[:, 1]) <= {0, 100, 200, 300}
    assert 0.2 < (draws[:, 2] == 0).mean() < 0.8


def test_categories_have_probabilities_that_sum_to_one():
    rng = np.random.default_rng(0)
    z = rng.integers(2, size=300)
    frame = pd.DataFrame(
        {
            "a": np.where(rng.random(300) < 0.9, z, 1 - z),
            "b": np.where(z + rng.integers(2, size=300) > 1, "yes", "no"),
            "c": rng.choice(list("xyz"), 300),
        }
    ).astype(object)
    hidden = np.random.default_rng(1).random(frame.shape) < 0.2
    frame = frame.mask(hidden)
    kinds = dict.fromkeys("abc", "nominal")
    imputer = ConvAC(**TINY, kinds=kinds).fit(frame)
    every = pd.DataFrame(
        list(itertools.product([0, 1], ["yes", "no"], list("xyz"))), columns=list("abc")
    ).astype(object)
    p = np.exp(imputer.score_samples(every))
    assert p.sum() == pytest.approx(1, abs=1e-5)
    partly = every.iloc[[1]].copy()
    partly["c"] = None
    same = (every["a"] == every.iloc[1]["a"]) & (every["b"] == every.iloc[1]["b"])
    assert np.exp(imputer.score_samples(partly)[0]) == pytest.approx(p[same].sum(), rel=1e-4)
    # transform takes the most probable category.
    assert imputer.transform(partly)["c"].iloc[0] == every["c"][same].iloc[p[same].argmax()]


def bars(n, seed=0):
    """Images of 8 x 8 with one bright bar, upright or lying."""
    rng = np.random.default_rng(seed)
    images = np.zeros((n, 1, 8, 8), np.float32)
    at, upright = rng.integers(8, size=n), rng.random(n) < 0.5
    images[np.flatnonzero(upright), 0, :, at[upright]] = 1
    images[np.flatnonzero(~upright), 0, at[~upright]] = 1
    return images + 0.05 * rng.normal(size=images.shape).astype(np.float32)


@pytest.mark.parametrize("tied", [True, False])
def test_it_completes_and_generates_images(tied):
    images = bars(500)
    holes = np.random.default_rng(1).random(images.shape) < 0.5
    holed = np.where(holes, np.float32(np.nan), images)
    imputer = ConvAC(
        n_components=8, channels=(16, 32, 32), tied=tied, max_steps=200, random_state=0
    ).fit(holed)
    filled = imputer.transform(holed)
    assert filled.dtype == np.float32
    assert same_bits(filled[~holes], images[~holes])
    error = np.sqrt(((filled - images)[holes] ** 2).mean())
    mean = np.sqrt(((MeanImputer().fit_transform(holed) - images)[holes] ** 2).mean())
    assert error < 0.5 * mean
    made = imputer.generate(100, noise=False)
    assert made.shape == (100, 1, 8, 8)
    rows, columns = (np.sort(made[:, 0].mean(axis), 1) for axis in (2, 1))
    one_bar = np.maximum(rows[:, -1] - rows[:, -2], columns[:, -1] - columns[:, -2])
    assert (one_bar > 0.5).mean() > 0.7
    assert imputer.model_.leaves.mu.shape[1] == (1 if tied else 16)
    assert imputer.score(bars(100, 5)) > imputer.score(bars(100, 5)[:, :, ::-1, ::1] ** 2 + 0.5)


@pytest.mark.parametrize("floor", [0.1, 1e-3])
def test_densities_of_images_have_the_digits_of_float64(floor):
    images = np.round(bars(100))
    fitted = ConvAC(**TINY).set_params(noise_floor=floor, max_steps=150).fit(images)
    batch = fitted._rows(fitted._encode(images).values[:, fitted._varying])
    wide = replace(batch, **{f: getattr(batch, f).double() for f in ("x", "s")})
    with torch.no_grad():
        found = fitted.model_.log_prob(batch)
        right = copy.deepcopy(fitted.model_).double().log_prob(wide)
    assert float(fitted.model_.leaves.sigma.min()) < 2 * floor + 0.02
    assert (found - right).abs().max() < 1e-2


def test_rows_do_not_depend_on_chunks(monkeypatch):
    images = bars(20)
    images[np.random.default_rng(0).random(images.shape) < 0.4] = np.nan
    imputer = ConvAC(**TINY).fit(images)
    whole = imputer.transform(images), imputer.sample(images, 2), imputer.score_samples(images)
    monkeypatch.setattr("halfseen.estimators.tree_fitting.CHUNK_FLOATS", 3000)
    parts = imputer.transform(images), imputer.sample(images, 2), imputer.score_samples(images)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_files_keep_all_answers(tmp_path):
    frame = some_frame()
    imputer = ConvAC(**TINY).fit(frame)
    imputer.save(tmp_path / "model")
    again = load(tmp_path / "model")
    pd.testing.assert_frame_equal(again.transform(frame), imputer.transform(frame))
    pd.testing.assert_frame_equal(again.sample(frame, 2)[1], imputer.sample(frame, 2)[1])
    pd.testing.assert_frame_equal(again.generate(5), imputer.generate(5))
    assert same_bits(again.score_samples(frame), imputer.score_samples(frame))
    assert again.history_ == imputer.history_
    assert again.order_ == imputer.order_


def test_modalities_are_columns_too():
    rng = np.random.default_rng(0)
    data = {
        "lab": rng.normal(size=(60, 2)),
        "scan": rng.random((60, 1, 2, 2)).astype(np.float32),
        "note": ["red cat" if i % 2 else "blue dog" for i in range(60)],
    }
    data["note"][3] = None
    data["scan"][5] = np.nan
    imputer = ConvAC(**TINY).fit(data)
    filled = imputer.transform(data)
    assert filled["note"][3]
    assert np.isfinite(filled["scan"]).all()
    assert imputer.generate(4)["scan"].shape == (4, 1, 2, 2)


def test_fixed_components_stay():
    X = some_table(80)
    one = ConvAC(**{**TINY, "max_steps": 1}, train_components=False, average=0.0).fit(X)
    two = ConvAC(**TINY, train_components=False, average=0.0).fit(X)
    assert torch.equal(one.model_.leaves.raw, two.model_.leaves.raw)
    assert not torch.equal(one.model_.tree.levels[0].logits, two.model_.tree.levels[0].logits)
    free = ConvAC(**TINY).fit(X)
    assert not torch.equal(one.model_.leaves.raw, free.model_.leaves.raw)


def test_the_best_state_by_held_out_rows_is_kept():
    X = some_table(100)
    imputer = ConvAC(n_components=16, channels=(16,), n_members=1, max_steps=300, random_state=0)
    imputer.set_params(average=0.0, patience=3).fit(X)
    monitors = [row["monitor"] for row in imputer.history_]
    assert imputer.stopped_ == "patience"
    assert len(monitors) - 1 - np.argmax(monitors) == 3
    assert "monitor" not in ConvAC(**TINY, validation_fraction=0.0).fit(X).history_[0]
    assert "monitor" not in ConvAC(**TINY).fit(X[:40]).history_[0]


def test_published_settings():
    imputer = ConvAC.published(max_steps=2, random_state=0)
    images = np.random.default_rng(0).random((4, 1, 28, 28)).astype(np.float32)
    imputer.fit(images)
    shapes = [tuple(level.logits.shape[1:]) for level in imputer.model_.tree.levels]
    assert shapes == [
        (1, 4, 64, 32),
        (16, 4, 128, 64),
        (4, 4, 256, 128),
        (1, 4, 512, 256),
        (1, 1, 1, 512),
    ]


@pytest.mark.parametrize(
    "setting",
    [
        {"n_components": 0},
        {"channels": ()},
        {"channels": (4, 0)},
        {"n_members": 0},
        {"batch_size": 1.5},
        {"patch": 0},
        {"start": "nowhere"},
        {"noise_floor": -1},
        {"noise_floor": "small"},
        {"schedule": "none"},
        {"repeats": "some"},
        {"validation_fraction": 1.0},
    ],
    ids=str,
)
def test_wrong_settings_are_named(setting):
    (name,) = setting
    with pytest.raises(SettingError, match=f"Got {name}="):
        ConvAC(**{**TINY, **setting}).fit(some_table())
    for count in (0, 2.5):
        with pytest.raises(SettingError, match="Got n_draws="):
            ConvAC(**TINY).fit(some_table()).sample(some_table(), count)
