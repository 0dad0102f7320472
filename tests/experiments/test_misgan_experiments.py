"""Experiments of the MisGAN paper on small pictures of their own making."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from halfseen.datasets.images import Images
from halfseen.errors import SettingError
from halfseen.experiments import (
    all_experiments,
    misgan_mnist,
    misgan_pictures,
    picture_features,
)
from halfseen.experiments.misgan_images import (
    ImageTask,
    Made,
    draw_masks,
    from_imputer,
    image_scores,
)
from halfseen.experiments.runner import run_cells
from halfseen.methods.ambient_gan import AmbientGAN
from halfseen.methods.convac import ConvAC
from halfseen.methods.gain import GAINImputer
from halfseen.methods.misgan import MisGAN

NAMES = ("misgan-mnist", "misgan-cifar", "misgan-celeba")


def flat(pictures):
    return torch.as_tensor(pictures).flatten(1)


def pictures_of(n, size, n_channels, seed=0):
    """Pictures of two classes, bright above or below, and noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    x = 0.5 * rng.random((n, n_channels, size, size), np.float32)
    x[y == 0, :, : size // 2] += 0.5
    x[y == 1, :, size // 2 :] += 0.5
    return x, y


@pytest.fixture
def small(monkeypatch):
    """Few pictures, few steps."""

    def load(name, data=None):
        size, n_channels = (28, 1) if "mnist" in name else (16, 3)
        parts = [pictures_of(n, size, n_channels) for n in (60, 20)]
        if name.startswith("celeba"):
            parts = [(x, np.stack([y, 1 - y], 1)) for x, y in parts]
        return Images(*parts[0], *parts[1])

    for module in (misgan_mnist, misgan_pictures, picture_features):
        monkeypatch.setattr(module, "load_images", load)
    short = {key: {**words, "max_steps": 2} for key, words in misgan_mnist.SHORT_STEPS.items()}
    short["standalone"]["imputer_steps"] = 2
    monkeypatch.setattr(misgan_mnist, "SHORT_STEPS", short)
    narrow = {"hidden": (8, 8), "critic_hidden": (8, 8), "max_steps": 2}
    conv = {"batch_size": 8, "max_steps": 1}
    words = {"fc": {"max_steps": 2}, "conv": conv, "gain": narrow}
    monkeypatch.setattr(misgan_pictures, "SHORT_SETTINGS", words)
    monkeypatch.setattr(picture_features, "MOST_EPOCHS", 4)
    monkeypatch.delenv(picture_features.INCEPTION, raising=False)
    picture_features.classifier_features.cache_clear()
    yield
    picture_features.classifier_features.cache_clear()


# ---- designs ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_designs_are_whole(name):
    experiment = all_experiments()[name]
    assert experiment.name == name
    settings = {protocol for protocol, _ in experiment.settings}
    laws = {f"{law}-0.{tenth}" for law in ("block", "dropout") for tenth in range(1, 10)}
    assert laws <= settings
    keys = {metric.name for metric in experiment.metrics}
    for row in experiment.rows:
        assert set(row.published) <= keys
        for values in row.published.values():
            for place in values:
                table, _, protocol = place.partition(", ")
                assert table in experiment.tables
                assert protocol in settings
    quick = {cell.row for cell in experiment.cells(quick=True)}
    assert {"zero", "mean", "mf", "gain", "misgan-fc"} <= quick
    assert not {row.key for row in experiment.rows if "conv" in row.label.lower()} & (
        quick - {"convac"}
    )


def test_numbers_of_the_paper_stand_beside_their_cells_only():
    experiment = all_experiments()["misgan-mnist"]
    found = {
        (cell.row, cell.protocol, metric): experiment.published(vars(cell), metric)
        for cell in experiment.cells()
        for metric in ("rmse", "fid_generated")
    }
    assert {key: value for key, value in found.items() if not np.isnan(value)} == {
        ("mf", "block-0.9", "rmse"): 0.2686,
        ("gain", "block-0.9", "rmse"): 0.2953,
        ("misgan-conv", "block-0.9", "rmse"): 0.3214,
        ("misgan-fc-generator", "quadrants", "fid_generated"): 20.6,
        ("misgan-conv-generator", "quadrants", "fid_generated"): 10.8,
    }
    for name in ("misgan-cifar", "misgan-celeba"):
        assert not any(row.published for row in all_experiments()[name].rows)


# ---- masks ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "rate", "side"),
    [
        (28, "0.9", 9),
        (28, "0.8", 13),
        (32, "0.9", 10),
        (32, "0.8", 14),
        (32, "0.1", 30),
        (64, "0.9", 20),
        (64, "0.8", 29),
        (64, "0.1", 61),
    ],
)
def test_blocks_have_the_sides_of_the_paper(size, rate, side):
    s = draw_masks(f"block-{rate}", np.zeros((200, 3, size, size), np.float32))
    assert s.dtype == bool
    assert (s == s[:, :1]).all()
    rows, columns = s[:, 0].any(2), s[:, 0].any(1)
    assert (s[:, 0] == rows[:, :, None] & columns[:, None]).all()
    for along in (rows, columns):
        assert (along.sum(1) == side).all()
        start = along.argmax(1)
        assert (np.diff(along.astype(int), axis=1) == 1).sum(1).max() <= 1
        # Offsets up to size - side, both ends included.
        assert (start.min(), start.max()) == (0, size - side)


@pytest.mark.parametrize("rate", ["0.1", "0.5", "0.9"])
def test_dropout_hides_pixels_with_all_their_channels(rate):
    s = draw_masks(f"dropout-{rate}", np.zeros((200, 3, 32, 32), np.float32))
    assert (s == s[:, :1]).all()
    p, n = float(rate), s[:, 0].size
    assert abs(1 - s.mean() - p) < 5 * np.sqrt(p * (1 - p) / n)


def test_quadrants_show_one_quarter_each_as_likely():
    s = draw_masks("quadrants", np.zeros((4000, 1, 28, 28), np.float32))[:, 0]
    quarters = s.reshape(-1, 2, 14, 2, 14).mean((2, 4)).reshape(-1, 4)
    assert set(np.unique(quarters)) == {0, 1}
    assert (quarters.sum(1) == 1).all()
    assert np.abs(quarters.mean(0) - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / 4000)


def test_rectangles_have_sides_of_7_to_21():
    s = draw_masks("rectangles", np.zeros((3000, 1, 28, 28), np.float32))[:, 0]
    rows, columns = s.any(2), s.any(1)
    assert (s == rows[:, :, None] & columns[:, None]).all()
    for along in (rows, columns):
        sides, counts = np.unique(along.sum(1), return_counts=True)
        assert sides.tolist() == list(range(7, 22))
        assert np.abs(counts / 3000 - 1 / 15).max() < 5 * np.sqrt(1 / 15 / 3000)
        # No corner is left out.
        assert along[:, 0].any()
        assert along[:, -1].any()
    assert abs(np.corrcoef(rows.sum(1), columns.sum(1))[0, 1]) < 0.1


def test_masks_are_fixed_and_unknown_ones_refused():
    pixels = np.zeros((9, 1, 28, 28), np.float32)
    np.testing.assert_array_equal(draw_masks("block-0.9", pixels), draw_masks("block-0.9", pixels))
    for protocol in ("blocks", "quadrant", ""):
        with pytest.raises(SettingError, match="or such, 'rectangles'"):
            draw_masks(protocol, pixels)


# ---- scores -----------------------------------------------------------------------------


@pytest.fixture
def task():
    truth = np.random.default_rng(0).random((40, 1, 2, 2)).astype(np.float32)
    holed = truth.copy()
    holed[:, 0, 0, 0] = np.nan
    holed[:10, 0, 1, 1] = np.nan
    return ImageTask(truth, holed, flat)


def test_the_truth_is_without_error(task):
    found = image_scores(
        task, Made(task.truth, task.truth[:20], task.truth, ~np.isnan(task.holed))
    )
    assert found.pop("mask_rate") == pytest.approx(50 / 160)
    assert set(found) == {"fid", "rmse", "rmse_mean", "fid_generated", "mask_rate_miss"}
    np.testing.assert_allclose(list(found.values()), 0, atol=1e-8)


def test_errors_are_over_missing_pixels(task):
    drawn = task.truth + np.float32(0.3)
    drawn[~np.isnan(task.holed)] = 9.0
    mean = task.truth[:10].copy()
    mean[:, 0, 0, 0] += 0.2
    found = image_scores(task, Made(drawn, mean))
    assert found["rmse"] == pytest.approx(0.3, rel=1e-5)
    # Of the first ten pictures two pixels are missing, one of which is right.
    assert found["rmse_mean"] == pytest.approx(0.2 / np.sqrt(2), rel=1e-5)


def test_generated_pictures_and_masks_are_compared_as_wholes(task):
    masks = np.ones(task.truth.shape, bool)
    masks[:10, 0, 0, 0] = False
    found = image_scores(task, Made(generated=task.truth[::-1] + np.float32(0.5), masks=masks))
    # The same covariance, and means that differ by 0.5 in four features.
    assert found["fid_generated"] == pytest.approx(1, rel=1e-4)
    assert found["mask_rate"] == pytest.approx(10 / 160)
    assert found["mask_rate_miss"] == pytest.approx(0.75)
    assert set(found) == {"fid_generated", "mask_rate", "mask_rate_miss"}


def test_imputers_give_what_they_can(task):
    asked = []

    def sample(holed, n_draws, random_state):
        asked.append((len(holed), n_draws, random_state))
        return [np.nan_to_num(holed, nan=0.5)]

    words = {"sample": sample, "transform": lambda holed: np.nan_to_num(holed, nan=0.25)}
    made = from_imputer(SimpleNamespace(**words), task, 7)
    assert asked == [(40, 1, 7)]
    assert made.generated is made.masks is None
    assert (made.drawn[0, 0, 0, 0], made.mean[0, 0, 0, 0]) == (0.5, 0.25)
    seen = np.ones((len(task.truth), 4), bool)
    words["generate"] = lambda n, return_mask=False, random_state=None: (
        (task.truth[:n], seen) if return_mask else task.truth[:n]
    )
    made = from_imputer(SimpleNamespace(**words), task, 7)
    assert made.generated.shape == task.truth.shape
    assert made.masks is None
    made = from_imputer(SimpleNamespace(**words), task, 7, masks=True)
    assert made.generated.shape == made.masks.shape == task.truth.shape


def test_photographs_are_scored_by_our_classifier_and_by_inception_if_there(task, monkeypatch):
    made = Made(task.truth, task.truth, task.truth, np.ones(task.truth.shape, bool))
    monkeypatch.setattr(misgan_pictures, "user_inception", lambda: None)
    found = misgan_pictures.picture_scores(task, made)
    assert {key for key in found if "fid" in key} == {"fid_c", "fid_generated_c"}
    twice = replace(made, drawn=task.truth + np.float32(0.5))
    monkeypatch.setattr(misgan_pictures, "user_inception", lambda: lambda x: 2 * flat(x))
    found = misgan_pictures.picture_scores(task, twice)
    assert found["fid_c"] == pytest.approx(1, rel=1e-4)
    assert found["fid"] == pytest.approx(4, rel=1e-4)
    assert set(found) <= {metric.name for metric in misgan_pictures.METRICS}


# ---- features ---------------------------------------------------------------------------


@pytest.mark.parametrize("attributes", [False, True])
def test_labels_are_learned_the_same_way_each_time(attributes):
    x, y = pictures_of(400, 16, 3)
    labels = np.stack([y, 1 - y, y], 1) if attributes else y
    before = torch.random.get_rng_state()
    network = picture_features.learn_labels(x[:300], labels[:300], max_steps=15)
    again = picture_features.learn_labels(x[:300], labels[:300], max_steps=15)
    assert torch.equal(before, torch.random.get_rng_state())
    new = torch.from_numpy(x[300:])
    assert torch.equal(network(new), again(new))
    assert not network.training
    assert network(new).shape == (100, 64)
    said = network.logits(new)
    named = (said > 0).numpy() if attributes else said.argmax(1).numpy()
    assert (named == labels[300:]).mean() > 0.95


def test_few_pictures_are_not_learned_by_heart(monkeypatch):
    steps = []
    monkeypatch.setattr(
        picture_features, "train", lambda network, phases, config: steps.append(config.max_steps)
    )
    for n in (3, 128, 6400):
        x, y = pictures_of(n, 16, 1)
        picture_features.learn_labels(x, y)
    assert steps == [1, 40, 1000]


def test_features_tell_how_far_completions_are_from_pictures():
    x, y = pictures_of(300, 16, 3)
    network = picture_features.learn_labels(x, y, max_steps=20)
    seen = draw_masks("block-0.5", x)
    task = ImageTask(x, np.where(seen, x, np.float32(np.nan)), network)
    # From the truth to a constant.
    made = [Made(np.where(seen, x, x + share * (0.5 - x))) for share in (0.0, 0.3, 1.0)]
    distances = [image_scores(task, some)["fid"] for some in made]
    assert distances[0] < 1e-6
    assert 1 < distances[1] < distances[2] / 2


def test_a_set_of_pictures_has_one_classifier_in_a_process(small):
    first = picture_features.classifier_features("cifar10_10k", None)
    assert picture_features.classifier_features("cifar10_10k", None) is first
    assert picture_features.classifier_features("celeba_32", None) is not first
    assert first.head.out_features == 2


def test_inception_is_asked_for_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv(picture_features.INCEPTION, raising=False)
    assert picture_features.user_inception() is None
    asked = []
    monkeypatch.setattr(
        picture_features,
        "inception_features",
        lambda path: asked.append(path) or torch.nn.Identity(),
    )
    monkeypatch.setenv(picture_features.INCEPTION, str(tmp_path / "weights.pt"))
    assert picture_features.user_inception() is not None
    assert asked == [str(tmp_path / "weights.pt")]


# ---- runs -------------------------------------------------------------------------------


def run_quick(experiment, path, **words):
    cells = experiment.cells(quick=True, **words)
    records = run_cells(experiment, cells, path)
    assert not [record["error"] for record in records if "error" in record]
    for record in records:
        assert np.isfinite(list(record["metrics"].values())).all(), record
        assert set(record["metrics"]) <= {metric.name for metric in experiment.metrics}
    return {(record["row"], record["protocol"]): record["metrics"] for record in records}


def test_every_short_row_of_the_digits(small, tmp_path):
    found = run_quick(all_experiments()["misgan-mnist"], tmp_path / "r.jsonl")
    for (row, _), metrics in found.items():
        generator = row.startswith("ambient") or row.endswith("generator")
        completes = {"fid", "rmse", "rmse_mean"} <= set(metrics)
        assert completes != generator
        assert ("mask_rate" in metrics) == row.startswith(("ambient", "misgan"))


@pytest.mark.parametrize(("name", "tables"), [("misgan-cifar", 1), ("misgan-celeba", 1)])
def test_every_short_row_of_the_photographs(name, tables, small, tmp_path):
    experiment = all_experiments()[name]
    found = run_quick(experiment, tmp_path / "r.jsonl")
    assert {cell.table for cell in experiment.cells(quick=True)} == set(experiment.tables[:tables])
    for protocol in ("block-0.9", "dropout-0.9"):
        assert found["mean", protocol]["rmse"] < found["zero", protocol]["rmse"]
        assert "mask_rate" in found["misgan-fc", protocol]
        assert "fid_c" in found["gain", protocol]


def test_convolutions_complete_photographs_too(small, tmp_path):
    experiment = all_experiments()["misgan-cifar"]
    cells = experiment.cells(quick=True, rows=["misgan"])[:1]
    [record] = run_cells(experiment, cells, tmp_path / "r.jsonl")
    assert "error" not in record
    assert {"fid_c", "rmse", "rmse_mean", "fid_generated_c", "mask_rate"} <= set(record["metrics"])


def test_digits_are_completed_by_an_imputer_that_saw_none(small, tmp_path, monkeypatch):
    """Eq. 11: a generator without an imputer, then one for the masks of the table."""
    asked = []
    adapt = MisGAN.adapt

    def recorded(model, masks, **words):
        asked.append((model.imputer, masks.mean(), words))
        return adapt(model, masks, **words)

    monkeypatch.setattr(MisGAN, "adapt", recorded)
    experiment = all_experiments()["misgan-mnist"]
    cells = experiment.cells(quick=True, rows=["misgan-fc-adapted"])[:1]
    [record] = run_cells(experiment, cells, tmp_path / "r.jsonl")
    assert "error" not in record
    assert {"fid", "rmse", "rmse_mean", "fid_generated", "mask_rate"} <= set(record["metrics"])
    [(imputer, share, words)] = asked
    assert imputer == "none"
    assert 0.05 < share < 0.2
    assert words["max_steps"] == misgan_mnist.SHORT_STEPS["standalone"]["imputer_steps"]
    assert not [cell for cell in experiment.cells(quick=True) if cell.row == "misgan-fc-adapted"]


def test_photographs_are_those_of_the_task(small):
    task = misgan_pictures.make_pictures("celeba_32", "dropout-0.9", misgan_pictures.SHORT, 5)
    np.testing.assert_array_equal(task.truth, pictures_of(60, 16, 3)[0])
    seen = ~np.isnan(task.holed)
    np.testing.assert_array_equal(task.holed[seen], task.truth[seen])
    assert task.settings == misgan_pictures.SHORT_SETTINGS
    words = ("dropout-0.9", misgan_pictures.FULL, 5)
    assert misgan_pictures.make_pictures("celeba_32", *words).settings == {}
    things = misgan_pictures.make_pictures("cifar10_10k", *words)
    assert things.settings["conv"]["max_steps"] * 5 == pytest.approx(1000 * 50_000 / 64, rel=1e-3)


class AskedError(Exception):
    """Stops a row where it would start to learn."""


@pytest.mark.parametrize(
    ("name", "row", "steps"),
    [
        ("misgan-mnist", "misgan-fc", 1000 * 937 // 5),
        ("misgan-mnist", "misgan-conv", 1000 * 937 // 5),
        ("misgan-mnist", "misgan-conv-generator", 300 * 937 // 5),
        ("misgan-cifar", "misgan", 1000 * 781 // 5),
        ("misgan-celeba", "misgan", 600 * 791 // 5),
    ],
)
def test_the_full_budget_is_the_papers(name, row, steps, small, monkeypatch):
    def fit(model, pictures):
        raise AskedError(model.get_params())

    monkeypatch.setattr(MisGAN, "fit", fit)
    experiment = all_experiments()[name]
    [cell] = [c for c in experiment.cells(rows=[row]) if c.protocol == "block-0.9"][:1]
    task = experiment.make(cell.table, cell.protocol, cell.units, 0, None)
    with pytest.raises(AskedError) as caught:
        experiment.row(row).run(task, 0)
    [asked] = caught.value.args
    assert asked["max_steps"] == steps
    assert (asked["n_critic"], asked["lr"], asked["gradient_penalty"]) == (5, 1e-4, 10)
    assert asked["network"] == ("mlp" if "fc" in row else "conv")
    assert asked["imputer_network"] == ("mlp" if name == "misgan-mnist" else "unet")
    # Scores tell single draws and means apart.
    assert asked["decision"] == "mean"


@pytest.mark.parametrize(
    ("row", "method", "published"),
    [
        ("ambient-known", AmbientGAN, AmbientGAN.published(imputer="none")),
        ("ambient-learned", AmbientGAN, AmbientGAN.published(imputer="none", masks="learned")),
        ("misgan-fc-adapted", MisGAN, MisGAN.published(imputer="none", decision="mean")),
        ("convac", ConvAC, ConvAC.published()),
        ("gain", GAINImputer, GAINImputer.published()),
    ],
)
def test_the_full_budget_of_rivals_is_the_papers(row, method, published, small, monkeypatch):
    def fit(model, pictures):
        raise AskedError(model.get_params())

    monkeypatch.setattr(method, "fit", fit)
    task = misgan_mnist.make_digits("mnist", "block-0.9", misgan_mnist.FULL, 0)
    with pytest.raises(AskedError) as caught:
        all_experiments()["misgan-mnist"].row(row).run(task, 3)
    [asked] = caught.value.args
    assert asked == published.set_params(random_state=3, device=asked["device"]).get_params()


def test_digits_are_learned_where_the_other_experiments_learn(monkeypatch):
    monkeypatch.setattr(misgan_mnist, "best_device", lambda: "here")
    assert misgan_mnist._common(SimpleNamespace(settings={}), "gain", 0)["device"] == "here"
