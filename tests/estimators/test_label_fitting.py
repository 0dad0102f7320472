"""What one step of a head's training is given."""

import numpy as np
import pytest
import torch
from torch import nn

from halfseen import MIWAEImputer, SupMIWAEClassifier
from halfseen.core.batch import Batch
from halfseen.estimators.label_fitting import LatentObjective, Outlook
from halfseen.terms.label import ClassLaw
from halfseen.terms.latent import Weighted
from halfseen.training.hiding import HideCells


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


def test_looks_beside_each_other_are_one_look_with_all_their_samples():
    generator = torch.Generator().manual_seed(0)
    log_weights = 3 * torch.randn(2, 8, 5, generator=generator)
    raw = torch.randn(2, 8, 5, 3, generator=generator)
    y = torch.tensor([0.0, 1.0, 2.0, 0.0, 1.0])
    law = ClassLaw(3)
    few, many = slice(0, 3), slice(3, 8)
    parts = [
        Outlook.join([Outlook(log_weights[:, k, i], raw[:, k, i]) for k in (few, many)], 1)
        for i in (slice(0, 2), slice(2, 5))
    ]
    found = Outlook.join(parts, 2).log_label(law, y)
    weights, label = log_weights.softmax(1), law.log_prob(raw, y).exp()
    torch.testing.assert_close(found, (weights * label).sum(1).log())


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
