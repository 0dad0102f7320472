"""Classifiers and regressors: strategies, generators, heads of the user's own, files, images."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from torch import nn

from halfseen import (
    MIWAEImputer,
    NotMIWAEImputer,
    SupMIWAEClassifier,
    SupMIWAERegressor,
    SupNotMIWAEClassifier,
    load,
)
from halfseen.errors import FileFormatError, SettingError, TrainingError
from halfseen.estimators.label_answers import LabelAnswers
from halfseen.mechanisms import SelfMasking
from halfseen.methods.filled import FilledClassifier, FilledRegressor
from halfseen.terms.label import ClassLaw
from halfseen.testing import small_estimator
from halfseen.testing.tables import same_bits, some_frame, some_labels, some_table

FILLS = ("mean", "zero", "constant", "channels", "set")
STRATEGIES = ("joint", "frozen", "single")


@pytest.fixture(scope="module")
def X():
    return some_table(80)


@pytest.fixture(scope="module")
def y(X):
    return some_labels(X, classes=True)


@pytest.fixture(scope="module")
def imputer(X):
    return small_estimator(MIWAEImputer, random_state=0).fit(X)


def tensors(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


class OwnNetwork(nn.Sequential):
    """A head with running means, dropout and a frozen layer; its start uses no global seed."""

    def __init__(self, n_in=4, n_out=2, width=6):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            super().__init__(
                nn.Linear(n_in, width),
                nn.BatchNorm1d(width),
                nn.ReLU(),
                nn.Dropout(0.2),
                nn.Linear(width, n_out),
            )
        self[0].requires_grad_(False)


class Pictures(nn.Sequential):
    """A head for images of some channels."""

    def __init__(self, channels=1):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            super().__init__(nn.Conv2d(channels, 2, 3), nn.Flatten(), nn.Linear(2 * 16, 2))


# ---- generators ---------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_fitted_generator_is_not_modified(X, y, imputer, strategy):
    before, answer = tensors(imputer.model_), imputer.transform(X)
    model = small_estimator(SupMIWAEClassifier, generator=imputer, strategy=strategy).fit(X, y)
    assert equal(before, tensors(imputer.model_))
    assert same_bits(imputer.transform(X), answer)
    assert not any(p.requires_grad for p in imputer.model_.parameters())
    same = equal(before, tensors(model.generator_.model_))
    assert same == (strategy != "joint"), "Only strategy='joint' moves its copy."
    assert not any(p.requires_grad for p in model.model_.parameters())


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_unfitted_generator_is_fitted_as_a_copy(X, y, strategy):
    generator = small_estimator(MIWAEImputer)
    model = small_estimator(SupMIWAEClassifier, generator=generator, strategy=strategy)
    model.set_params(random_state=0).fit(X, y)
    assert not hasattr(generator, "codec_")
    assert generator.random_state is None
    assert model.generator_.random_state == model.seed_


def test_frozen_and_saved_generators(X, y, imputer, tmp_path):
    imputer.save(tmp_path / "generator")
    answers = [
        small_estimator(SupMIWAEClassifier, generator=given, random_state=0)
        .fit(X, y)
        .predict_proba(X)
        for given in (imputer, FrozenEstimator(imputer), tmp_path / "generator")
    ]
    assert same_bits(answers[0], answers[1])
    assert same_bits(answers[0], answers[2])


def test_a_frozen_generator_survives_a_grid_search(X, y, imputer):
    model = small_estimator(SupMIWAEClassifier, generator=FrozenEstimator(imputer))
    model.set_params(strategy="frozen", random_state=0, max_steps=3)
    search = GridSearchCV(model, {"lr": [0.01, 0.1]}, cv=2).fit(X, y)
    found = search.best_estimator_.generator_
    assert equal(tensors(imputer.model_), tensors(found.model_))


def test_generators_that_do_not_fit(X, y):
    with pytest.raises(SettingError, match="Expected 'miwae', 'not-miwae', an imputer"):
        SupMIWAEClassifier(generator=3).fit(X, y)
    with pytest.raises(SettingError, match="Got method 'miwe'"):
        SupMIWAEClassifier(generator="miwe").fit(X, y)
    for name in ("mean", "mfa", "misgan"):
        with pytest.raises(SettingError, match=r"Got generator=\w+\(.*Expected 'miwae', "):
            SupMIWAEClassifier(generator=name).fit(X, y)
    for size in ("n_importance", "n_importance_predict"):
        for number in (0, 2.5, None):
            with pytest.raises(SettingError, match=f"{size}={number}. Expected a positive whole"):
                SupMIWAEClassifier(**{size: number}).fit(X, y)
    with pytest.raises(SettingError, match="strategy='M1'"):
        SupMIWAEClassifier(strategy="M1").fit(X, y)
    with pytest.raises(SettingError, match="80 rows in X and 79 labels"):
        SupMIWAEClassifier().fit(X, y[1:])


def test_unlabelled_rows_teach_the_generator_alone_where_it_is_trained(X, y, imputer):
    """Their cells do not reach the head over a frozen generator; they do move a joint one."""
    some = np.where(np.arange(len(y)) % 4 == 0, None, y)
    other = X.copy()
    at = np.flatnonzero(some == None)  # noqa: E711
    other[at] = np.where(np.isnan(X[at]), np.nan, X[at] + 1.0)
    for strategy, same in (("frozen", True), ("joint", False)):
        model = small_estimator(SupMIWAEClassifier, generator=imputer, strategy=strategy)
        model.set_params(random_state=0, validation_fraction=0.0)
        answers = [clone(model).set_params(generator=imputer) for _ in range(2)]
        one = answers[0].fit(X, some).predict_proba(X)
        two = answers[1].fit(other, some).predict_proba(X)
        assert same_bits(one, two) == same


# ---- answers ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [SupMIWAEClassifier, SupMIWAERegressor])
def test_the_shortcut_of_complete_rows_is_what_sampling_says(X, imputer, kind):
    target = some_labels(X, classes=kind is SupMIWAEClassifier)
    model = small_estimator(kind, generator=imputer, random_state=0).fit(X, target)
    complete = np.where(np.isnan(X), 1.0, X)
    rows = model._encoded_rows(complete)
    answers = model._label_answers()
    assert isinstance(answers, LabelAnswers)
    sampled = answers._sampled(rows)[0]
    torch.testing.assert_close(answers._exact(rows)[0], sampled, rtol=1e-4, atol=1e-5)
    # In the table, complete rows and others are put back in their places.
    mixed = np.where(np.arange(len(X))[:, None] % 2, X, complete)
    expected = model._averages(mixed)
    for i in (0, 1, 6, 7):
        np.testing.assert_allclose(model._averages(mixed[i : i + 1])[0], expected[i], rtol=1e-4)


def test_labels_change_what_is_imputed():
    """One column is the label's shadow, and hidden: with the label it is told apart."""
    rng = np.random.default_rng(0)
    sign = rng.choice([-1.0, 1.0], 300)
    X = np.c_[sign + 0.1 * rng.normal(size=300), rng.normal(size=300)]
    generator = MIWAEImputer(
        hidden=(16,), max_steps=150, n_members=1, random_state=0, n_importance=5
    )
    model = SupMIWAEClassifier(generator=generator, strategy="frozen", hidden=(16,), max_steps=150)
    model.set_params(lr=0.02, n_importance_predict=500, random_state=0)
    model.fit(X, np.where(sign > 0, "plus", "minus"))
    holed = np.array([[np.nan, 0.0]] * 3)
    filled = model.impute(holed, ["plus", "minus", None])[:, 0]
    assert filled[0] > 0.5
    assert filled[1] < -0.5
    assert filled[2] == model.impute(holed)[2, 0] == model.generator_.transform(holed)[2, 0]
    assert abs(filled[2]) < 0.5
    # The label is in no weight of a prediction: there it is not even known.
    np.testing.assert_allclose(model.predict_proba(holed[:1])[0], [0.5, 0.5], atol=0.2)


@pytest.mark.parametrize("worth", [0.0, 20.0])
def test_every_label_counts_once_in_what_is_imputed(X, y, imputer, tmp_path, worth):
    """Only training knows what a class is worth."""
    weight = dict(zip(np.unique(y), [worth, 1.0], strict=True))
    model = small_estimator(SupMIWAEClassifier, generator=imputer, strategy="frozen")
    model.set_params(class_weight=weight, random_state=0).fit(X, y).save(tmp_path / "model")
    filled = model.impute(X, y)
    assert same_bits(load(tmp_path / "model").impute(X, y), filled)
    model.model_.terms["label"].law.weight.fill_(1.0)
    assert same_bits(model.impute(X, y), filled)


def test_labels_beside_other_rows_are_refused(X, y, imputer):
    model = small_estimator(SupMIWAEClassifier, generator=imputer, random_state=0).fit(X, y)
    with pytest.raises(SettingError, match="Got 5 rows in X and 80 labels in y"):
        model.impute(X[:5], y)


def test_a_completion_that_is_no_number_is_no_zero(X, y, imputer, monkeypatch):
    """A head would see the mean in its place, and answer as if all were well."""
    model = small_estimator(SupMIWAEClassifier, generator=imputer, strategy="single")
    model.fit(X, y)
    monkeypatch.setattr(MIWAEImputer, "_complete", lambda self, values: values)
    with pytest.raises(TrainingError, match="no finite answer"):
        model.predict_proba(X)


def test_intervals_hold_their_share_and_units():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    noise = rng.normal(size=400)
    X[::2, 1] = np.nan
    target = 1000.0 + 50.0 * noise
    model = small_estimator(FilledRegressor, random_state=0, max_steps=100, lr=0.01)
    model.fit(X, target)
    mean, spread = model.predict(X, return_std=True)
    assert abs(mean.mean() - 1000) < 10
    assert 40 < spread.mean() < 60
    low, high = model.predict_interval(X, 0.8).T
    assert 0.72 < ((low < target) & (target < high)).mean() < 0.88
    ends = model.predict_quantile(X, [0.1, 0.9])
    np.testing.assert_allclose(ends, np.c_[low, high])
    with pytest.raises(SettingError, match="strictly between"):
        model.predict_quantile(X, 1.0)
    for levels in ([[0.1, 0.9]], "half", [0.1, None], {}):
        with pytest.raises(SettingError, match="or a list of such numbers"):
            model.predict_quantile(X, levels)
    with pytest.raises(SettingError, match="coverage"):
        model.predict_interval(X, 90)


# ---- heads of the user's own --------------------------------------------------------------


@pytest.mark.parametrize("kind", [SupMIWAEClassifier, FilledClassifier])
def test_a_head_of_the_users_own(X, y, imputer, tmp_path, kind):
    network = OwnNetwork()
    before = tensors(network)
    model = small_estimator(kind, head=network, random_state=0)
    if kind is SupMIWAEClassifier:
        model.set_params(generator=imputer)
    model.fit(X, y)
    assert equal(before, tensors(network)), "The user's network was trained."
    copies = [m for m in model.model_.modules() if isinstance(m, OwnNetwork)]
    assert len(copies) == model.n_members_ == 2
    for one in copies:
        assert not one.training
        assert torch.equal(one[0].weight, network[0].weight), "A frozen layer was trained."
        assert not torch.equal(one[4].weight, network[4].weight)
        assert not torch.equal(one[1].running_mean, network[1].running_mean)
    answer = model.predict_proba(X)
    assert same_bits(model.predict_proba(X), answer)
    assert same_bits(clone(model).set_params(**_given(model)).fit(X, y).predict_proba(X), answer)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model", head=OwnNetwork())
    assert same_bits(again.predict_proba(X), answer)
    with pytest.raises(SettingError, match=r"load\(path, head=OwnNetwork"):
        load(tmp_path / "model")


def _given(model):
    """A clone of a fitted generator is not fitted: hand over the one that was given."""
    return {"generator": model.generator} if hasattr(model, "generator") else {}


class LazyNetwork(nn.Sequential):
    """A head whose widths follow from its first rows."""

    def __init__(self):
        super().__init__(nn.LazyLinear(6), nn.ReLU(), nn.LazyLinear(2))


@pytest.mark.parametrize("kind", [SupMIWAEClassifier, FilledClassifier])
def test_a_lazy_head_is_learned_and_saved(X, y, imputer, tmp_path, kind):
    model = small_estimator(kind, head=LazyNetwork(), random_state=0)
    model.set_params(**({"generator": imputer} if kind is SupMIWAEClassifier else {}))
    answer = model.fit(X, y).predict_proba(X)
    model.save(tmp_path / "model")
    assert same_bits(load(tmp_path / "model", head=LazyNetwork()).predict_proba(X), answer)


@pytest.mark.parametrize("strategy", ["frozen", "single", None])
def test_a_head_that_is_frozen_throughout_is_only_calibrated(X, y, imputer, tmp_path, strategy):
    """Any architecture is kept as it is: nothing is left to train, its running means neither."""
    network = OwnNetwork().requires_grad_(False)
    kind = FilledClassifier if strategy is None else SupMIWAEClassifier
    own = {} if strategy is None else {"generator": imputer, "strategy": strategy}
    model = small_estimator(kind, head=network, random_state=0, **own).fit(X, y)
    copies = [m for m in model.model_.modules() if isinstance(m, OwnNetwork)]
    assert all(equal(tensors(one), tensors(network)) for one in copies)
    assert model.history_ == []
    assert model.n_iter_ == 0
    law = next(m for m in model.model_.modules() if isinstance(m, ClassLaw))
    assert law.temperature != 1
    answer = model.predict_proba(X)
    model.save(tmp_path / "model")
    assert same_bits(load(tmp_path / "model", head=OwnNetwork()).predict_proba(X), answer)


def test_heads_that_do_not_fit(X, y):
    with pytest.raises(SettingError, match=r"cannot take rows of shape \(4,\)"):
        small_estimator(FilledClassifier, head=OwnNetwork(n_in=3)).fit(X, y)
    images = X.reshape(-1, 1, 2, 2)
    with pytest.raises(SettingError, match="add_indicator"):
        small_estimator(FilledClassifier, head="conv", add_indicator=True).fit(images, y)


# ---- simple strategies --------------------------------------------------------------------


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("kind", [FilledClassifier, FilledRegressor])
def test_every_fill_learns_and_is_saved(X, tmp_path, fill, kind):
    target = some_labels(X, classes=kind is FilledClassifier)
    model = small_estimator(kind, fill=fill, random_state=0).fit(X, target)
    assert model.score(X, target) > (0.7 if kind is FilledClassifier else 0.3)
    model.save(tmp_path / "model")
    assert same_bits(load(tmp_path / "model").predict(X).astype("U"), model.predict(X).astype("U"))


@pytest.mark.parametrize("fill", FILLS)
def test_fills_take_mixed_frames(fill):
    frame, target = some_frame(), some_labels(some_table(), classes=True)
    model = small_estimator(FilledClassifier, fill=fill, add_indicator=True).fit(frame, target)
    assert np.isfinite(model.predict_proba(frame)).all()


def test_what_stands_in_for_a_missing_cell():
    """In standardised units, and as indicators of categories."""
    numbers, words = [2.0, 4.0, 6.0, 8.0, None], ["a", "a", "a", "b", None]
    frame, labels = pd.DataFrame({"number": numbers, "text": words}), [0, 1, 0, 1, 0]
    expected = {"mean": [0.0, 0.75, 0.25], "zero": [-5 / np.sqrt(5), 0.0, 0.0]}
    for fill, row in expected.items():
        model = FilledClassifier(fill=fill, max_steps=1, kinds={"text": "nominal"})
        model.fit(frame, labels)
        batch = model._encoded_rows(frame).take(slice(0, 5))
        seen = model.model_.inputs(batch.x, batch.s)
        np.testing.assert_allclose(seen[0, 0, 4], row, atol=1e-6)
        np.testing.assert_allclose(seen[1, 0, 3], [3 / np.sqrt(5), 0, 1], atol=1e-6)


def test_fills_that_do_not_go(X, y):
    with pytest.raises(SettingError, match="n_bins=4"):
        FilledClassifier(fill="set", n_bins=4).fit(X, y)
    with pytest.raises(SettingError, match="fill='median'"):
        FilledClassifier(fill="median").fit(X, y)


def test_unlabelled_rows_are_left_out(X, y):
    """Their cells have a say in means and scales only."""
    some = np.where(np.arange(len(y)) % 3 == 0, None, y)
    model = small_estimator(FilledClassifier, random_state=0, validation_fraction=0.0)
    order = np.arange(len(y))
    at = np.flatnonzero(order % 3 == 0)
    order[at] = at[::-1]
    one = clone(model).fit(X, some).predict_proba(X)
    two = clone(model).fit(X[order], some).predict_proba(X)
    np.testing.assert_allclose(one, two, rtol=1e-5)


# ---- images -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    target = rng.integers(2, size=60)
    x = rng.normal(size=(60, 1, 6, 6)).astype(np.float32) * 0.3
    x[:, :, :3] += target[:, None, None, None]
    return np.where(rng.random(x.shape) < 0.5, np.nan, x).astype(np.float32), target


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("head", ["mlp", "conv", "own"])
def test_fills_of_images(images, fill, head):
    x, target = images
    network = Pictures(3 if fill == "channels" else 1) if head == "own" else head
    model = small_estimator(FilledClassifier, fill=fill, head=network, hidden=(4, 4))
    model.set_params(random_state=0, max_steps=40, lr=0.02)
    if fill == "set" and head != "mlp":
        with pytest.raises(SettingError):
            model.fit(x, target)
        return
    model.fit(x, target)
    assert model.score(x, target) > 0.8
    one = model.predict_proba(torch.from_numpy(x[:1]))
    np.testing.assert_allclose(one, model.predict_proba(x)[:1], rtol=1e-4)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_completions_of_images(images, strategy):
    x, target = images
    model = small_estimator(SupMIWAEClassifier, strategy=strategy, head="conv", hidden=(4, 4))
    model.set_params(random_state=0, lr=0.05, max_steps=40).fit(x, target)
    assert model.score(x, target) > 0.7
    filled = model.impute(x, target)
    assert filled.shape == x.shape
    assert same_bits(filled[~np.isnan(x)], x[~np.isnan(x)])


# ---- why cells are missing ----------------------------------------------------------------


def test_a_mechanism_of_the_generator_is_kept(X, y):
    generator = small_estimator(NotMIWAEImputer, random_state=0).fit(X)
    before = {k: v.clone() for k, v in generator.model_.state_dict().items()}
    model = small_estimator(SupNotMIWAEClassifier, generator=generator, random_state=0)
    model.fit(X, y)
    assert equal(before, tensors(generator.model_))
    assert {"label", "mechanism"} <= set(model.model_.terms)
    assert model.generator_.mechanism_ is not generator.mechanism_


class OwnMechanism(SelfMasking):
    """A mechanism that no file can name."""


def test_a_mechanism_of_the_users_own_is_told_again(X, y, tmp_path):
    generator = small_estimator(NotMIWAEImputer, mechanism=OwnMechanism("high"), random_state=0)
    weight = {label: np.int64(2) for label in np.unique(y)}
    model = small_estimator(
        SupNotMIWAEClassifier, generator=generator, class_weight=weight, random_state=0
    )
    model.fit(X, y).save(tmp_path / "m.halfseen")
    with pytest.raises(SettingError, match="generator__mechanism=OwnMechanism"):
        load(tmp_path / "m.halfseen")
    again = load(tmp_path / "m.halfseen", generator__mechanism=OwnMechanism("high"))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert isinstance(again.generator.mechanism, OwnMechanism)
    assert again.class_weight == weight
    with pytest.raises(FileFormatError, match="other__mechanism"):
        load(
            tmp_path / "m.halfseen",
            generator__mechanism=OwnMechanism("high"),
            other__mechanism=OwnMechanism("high"),
        )
