"""What one step of a head's training is given."""

import weakref
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from halfseen import (
    FilledClassifier,
    FilledRegressor,
    MIWAEImputer,
    SupMIWAEClassifier,
    limit_memory,
)
from halfseen.core.batch import Batch, Rows
from halfseen.core.spec import DataSpec
from halfseen.estimators import label_fitting
from halfseen.estimators.label_fitting import LabelFit
from halfseen.estimators.label_objectives import (
    DirectObjective,
    LatentObjective,
    Objective,
    Outlook,
    log_labels,
)
from halfseen.nn.heads import make_head
from halfseen.nn.inputs import LearnedConstant
from halfseen.terms.direct import DirectModel
from halfseen.terms.label import ClassLaw
from halfseen.terms.latent import LatentModel, Weighted
from halfseen.training.hiding import HideCells
from halfseen.training.loop import TrainConfig


class Spy(nn.Module):
    """Keeps the batch that it is given."""

    def forward(self, batch, noise):
        self.batch = batch
        return Weighted({"label": torch.zeros(1, 2, len(batch))}, torch.zeros(1), None, None, None)


def test_grey_pixels_are_ones_and_zeros_anew_in_every_batch():
    x = torch.full((40, 3), 0.5)
    batch = Batch(x, torch.ones_like(x), torch.ones_like(x), torch.zeros(40), torch.ones(40))
    generator = torch.Generator().manual_seed(0)
    met = {}
    for binarize in (True, False):
        spy = Spy()
        objective = LatentObjective(
            spy, 1, 2, 50, batch.s, HideCells(0.0, 0.0), lambda model: torch.zeros(1), 40, binarize
        )
        met[binarize] = []
        for _ in range(2):
            objective.losses(batch, generator)
            met[binarize].append(spy.batch.x)
    assert set(met[True][0].flatten().tolist()) == {0.0, 1.0}
    assert not torch.equal(*met[True])
    assert torch.equal(met[False][0], x)


STRATEGIES = ("joint", "frozen", "single")


@pytest.fixture
def met(monkeypatch):
    """Cells that models with a head are given, by whether they learn."""
    batches = {True: [], False: []}

    def watched(forward):
        def shown(self, batch, *words):
            # A model without a head is the generator that completes rows.
            if isinstance(self, DirectModel) or "label" in self.terms:
                batches[self.training].append(batch.x)
            return forward(self, batch, *words)

        return shown

    for model in (DirectModel, LatentModel):
        monkeypatch.setattr(model, "forward", watched(model.forward))
    return batches


def grey(n=80):
    """Pictures of 4 pixels of grey 0.5, the first of them missing, and labels."""
    images = np.full((n, 1, 2, 2), 0.5, dtype=np.float32)
    images[:, 0, 0, 0] = np.nan
    return images, np.arange(n) % 2


def check_coins(batches):
    """Learning sees other ones and zeros every time, held-out rows are the same ones and zeros."""
    learning, watching = (torch.stack(batches[key])[..., 1:] for key in (True, False))
    assert len(learning) == 6
    assert len(watching) >= 2
    for cells in (learning, watching):
        assert set(cells.unique().tolist()) == {0.0, 1.0}
    assert not torch.equal(learning[0], learning[1])
    assert (watching == watching[0]).all()


HEAD = {"max_steps": 6, "batch_size": 100, "hidden": (2,), "random_state": 0}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_heads_of_a_generator_of_coins_see_coins(met, strategy):
    images, y = grey()
    generator = MIWAEImputer(
        observation="bernoulli",
        binarize=True,
        max_steps=3,
        hidden=(4,),
        n_importance_predict=10,
        random_state=0,
    ).fit(images)
    model = SupMIWAEClassifier(
        generator=generator, strategy=strategy, n_importance_predict=50, **HEAD
    )
    model.fit(images, y)
    check_coins(met)
    completed = torch.stack(met[True])[..., 0]
    if strategy != "single":
        assert (completed == 0).all()
        return
    # Completions are those of ones and zeros, drawn once: what rows to be predicted have.
    patterns = np.array(list(product([0, 1], repeat=3)), dtype=np.float32)
    drawn = np.concatenate([np.full((8, 1), np.nan, dtype=np.float32), patterns], 1)
    answers = torch.as_tensor(generator.transform(drawn.reshape(8, 1, 2, 2)))[:, 0, 0, 0]
    nearest = (completed[..., None] - answers).abs().amin(-1)
    torch.testing.assert_close(nearest, torch.zeros_like(nearest), atol=1e-6, rtol=0)
    assert len(completed.unique()) > 2
    ordered = completed.sort(-1).values
    assert torch.equal(ordered, ordered[:1].expand_as(ordered))
    met[False].clear()
    model.predict(images)
    assert set(torch.cat(met[False])[:, 1:].unique().tolist()) == {0.5}


@pytest.mark.parametrize("method", [FilledClassifier, FilledRegressor])
def test_a_head_on_filled_rows_sees_coins(met, method):
    images, y = grey()
    model = method(binarize=True, **HEAD).fit(images, y)
    check_coins(met)
    met[False].clear()
    model.predict(images)
    assert set(torch.cat(met[False])[:, 1:].unique().tolist()) == {0.5}
    for batches in met.values():
        batches.clear()
    model.set_params(binarize=False).fit(images, y)
    assert len(torch.cat(met[True])[:, 1:].unique()) == 1


def test_constants_of_an_input_layer_do_not_decay():
    """Every cell is seen, so that nothing but decay could move a constant."""
    model = DirectModel(
        LearnedConstant(DataSpec.continuous(2), 1, torch.Generator()),
        make_head("linear", 1, 2, 2, torch.Generator().manual_seed(0)),
        ClassLaw(2),
    )
    model.inputs.constant.data.fill_(1.0)
    model.network.requires_grad_(True)
    size = sum(float(p.detach().abs().sum()) for p in model.network.parameters())
    y = np.arange(40) % 2
    fit = LabelFit(
        DirectObjective(model, 1),
        list(model.parameters()),
        Rows.from_values(np.zeros((40, 2))).with_labels(y.astype(float)),
        unlabelled=False,
        batch_size=40,
        validation_fraction=0.0,
        calibrate=False,
        seed=0,
        n_members=1,
        weight_decay=1.0,
    )
    fit.run(TrainConfig(max_steps=20, lr=0.1, schedule="constant"), lambda *words: None)
    assert (model.inputs.constant == 1.0).all()
    assert sum(float(p.detach().abs().sum()) for p in model.network.parameters()) < 0.5 * size


@pytest.mark.parametrize(
    ("method", "settings", "expected"),
    [
        (FilledClassifier, {"fill": "channels"}, ["inputs.constant"]),
        (FilledClassifier, {"fill": "mean"}, []),
        (SupMIWAEClassifier, {"strategy": "joint"}, ["proposal.inputs.constant"]),
        (SupMIWAEClassifier, {"strategy": "frozen"}, []),
    ],
)
def test_which_constants_do_not_decay(monkeypatch, method, settings, expected):
    phases, go = [], label_fitting.train
    monkeypatch.setattr(
        label_fitting,
        "train",
        lambda module, some, *words: phases.extend(some) or go(module, some, *words),
    )
    x, y = np.random.default_rng(0).normal(size=(40, 2)), np.arange(40) % 2
    if method is SupMIWAEClassifier:
        generator = MIWAEImputer(encoder_input="constant", max_steps=1, hidden=(4,))
        settings = {**settings, "generator": generator}
    model = method(**settings, **HEAD).fit(x, y)
    names = {id(p): name for name, p in model.model_.named_parameters()}
    assert [names[id(p)] for p in phases[-1].undecayed] == expected


def of_all_samples(log_weights, raw, y, temperature):
    """Log of the weighted mean of p(y | x) over all samples (M, K, B) at once."""
    log_p = torch.log_softmax(raw.double() / temperature, -1)
    label = log_p.gather(-1, y.long().expand(raw.shape[:-1])[..., None])[..., 0].exp()
    return (log_weights.double().softmax(1) * label).sum(1).log()


def test_looks_one_by_one_are_one_look_with_all_their_samples():
    generator = torch.Generator().manual_seed(0)
    log_weights = 3 * torch.randn(2, 8, 5, generator=generator)
    raw = torch.randn(2, 8, 5, 3, generator=generator)
    y = torch.tensor([0.0, 1.0, 2.0, 0.0, 1.0])
    batch = Batch(torch.zeros(5, 1), torch.ones(5, 1), torch.ones(5, 1), y, torch.ones(5))
    looks = [Outlook(log_weights[:, k], raw[:, k]) for k in (slice(0, 3), slice(3, 8))]
    found = log_labels(looks, ClassLaw(3), batch, [0.5, 2.0])
    expected = torch.stack([of_all_samples(log_weights, raw, y, t) for t in (0.5, 2.0)])
    torch.testing.assert_close(found, expected.float())


class Told(Objective):
    """Two looks that are known beforehand, at rows whose only cell says which they are."""

    n_looks, n_outputs = 2, 8

    def __init__(self, n, n_classes):
        generator = torch.Generator().manual_seed(0)
        self.module, self.law = nn.Identity(), ClassLaw(n_classes)
        self.log_weights = 2 * torch.randn(2, 2, 4, n, generator=generator)
        self.raw = 3 * torch.randn(2, 2, 4, n, n_classes, generator=generator)
        self.seen, self.sizes, self.kept = [], [], []

    def inner_floats(self):
        return 8

    def losses(self, batch, generator):
        raise NotImplementedError

    def look(self, batch, generator):
        which, at = len(self.seen) % 2, batch.x[:, 0].long()
        self.kept.append(sum(one() is not None for one in self.seen))
        raw = self.raw[which][..., at, :]
        self.seen.append(weakref.ref(raw))
        self.sizes.append(len(at))
        return Outlook(self.log_weights[which][..., at], raw)


@pytest.mark.parametrize("n_classes", [2, 10])
@pytest.mark.parametrize("limit", [None, 160_000])
def test_a_temperature_is_chosen_part_by_part_as_from_all_at_once(n_classes, limit):
    """Outputs of the head are those of one look at as many rows as a limit of memory allows."""
    n, told = 400, Told(400, n_classes)
    y = told.raw.mean((0, 1, 2)).argmax(-1)
    rows = Rows.from_values(np.arange(float(n))[:, None]).with_labels(y.double().numpy())
    fit = LabelFit(
        told,
        [],
        rows,
        unlabelled=False,
        batch_size=40,
        validation_fraction=0.5,
        calibrate=True,
        seed=0,
        n_members=2,
    )
    with limit_memory(limit):
        fit.run(TrainConfig(max_steps=1), lambda *words: None)
    at = fit.held.x[:, 0].long()
    log_weights = torch.cat([*told.log_weights[..., at]], 1)
    raw = torch.cat([*told.raw[..., at, :]], 1)
    scores = []
    for t in label_fitting.TEMPERATURES:
        log_label = of_all_samples(log_weights, raw, y[at], t)
        evidence = log_label.exp().mean(0).log().sum()
        scores.append(evidence - 0.5 * (np.log(t) / label_fitting.LOG_TEMPERATURE_SPREAD) ** 2)
    best = int(torch.stack(scores).argmax())
    assert 0 < best < len(scores) - 1
    assert float(told.law.temperature) == pytest.approx(label_fitting.TEMPERATURES[best])
    rows_at_once = 200 if limit is None else 1000 // (8 * n_classes)
    assert told.sizes[0] == min(200, rows_at_once)
    assert sum(told.sizes) == 2 * 200
    assert max(told.kept) <= 1


@pytest.mark.parametrize(("answers", "looks"), [(20, 1), (100, 2), (10_000, 4)])
def test_a_temperature_is_chosen_on_about_as_many_samples_as_answers_have(answers, looks):
    s = torch.ones(4, 3)
    objective = LatentObjective(
        Spy(), 1, 2, answers, s, HideCells(0.0, 0.0), lambda model: torch.zeros(1), 4
    )
    assert objective.n_looks == looks


def test_the_choice_of_a_temperature_looks_that_often(monkeypatch):
    calls, look = [], LatentObjective.look
    monkeypatch.setattr(
        LatentObjective, "look", lambda self, *words: calls.append(1) or look(self, *words)
    )
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 2))
    y = x[:, 0] > 0
    x[rng.random(x.shape) < 0.3] = np.nan
    counts = []
    for calibrate in (False, True):
        calls.clear()
        model = SupMIWAEClassifier(
            strategy="frozen",
            generator=MIWAEImputer(max_steps=5, random_state=0).fit(x),
            n_importance_predict=200,
            calibrate=calibrate,
            max_steps=5,
            random_state=0,
        )
        model.fit(x, y)
        counts.append(len(calls))
    assert counts[1] - counts[0] == 4


def test_heads_of_images_see_means_of_pixels():
    rng = np.random.default_rng(0)
    images, y = rng.random((80, 1, 2, 2), np.float32), np.arange(80) % 2
    images[:30, 0, 0, 0] = np.nan
    made = []
    for x, observation in ((images, "bernoulli"), (images.reshape(80, 4), "gaussian")):
        generator = MIWAEImputer(observation=observation, max_steps=2, hidden=(4,), random_state=0)
        for sampler in (None, "relaxed"):
            model = SupMIWAEClassifier(generator=generator, sampler=sampler, **HEAD)
            made.append(model.fit(x, y).model_.sampler)
    assert made == ["mean", "relaxed", "score", "relaxed"]
