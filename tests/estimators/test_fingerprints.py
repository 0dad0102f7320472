"""Whose checkpoint it is: other data, settings, generators and networks are other fits."""

import numpy as np
import pytest
import torch
from torch import nn

from halfseen import DMFAImputer, FilledClassifier, MIWAEImputer, SupMIWAEClassifier
from halfseen.errors import SettingError
from halfseen.estimators.resuming import fingerprint
from halfseen.testing.killed import fits_after_kills, same_state
from halfseen.testing.tables import some_labels, some_table

X = some_table()
Y = (some_labels(X, classes=True) == "high").astype(float)


def head(*layers):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.LazyLinear(4) if not layers else nn.Linear(4, 4), *layers)


def generator(table):
    return MIWAEImputer(max_steps=2, hidden=(4,), random_state=0).fit(table)


def supervised(given):
    return SupMIWAEClassifier(generator=given, random_state=0)


def filled(*layers, **settings):
    return FilledClassifier(head=head(*layers), random_state=0, **settings)


def test_fits_that_differ(tmp_path):
    saved = tmp_path / "g.halfseen"
    generator(X).save(saved)
    first = fingerprint(supervised(saved), X, Y)
    generator(3 * X + 1).save(saved)
    frozen = filled(nn.Tanh())
    frozen.head[0].weight.requires_grad_(False)
    said = [
        first,
        fingerprint(supervised(saved), X, Y),
        fingerprint(supervised(generator(X)), X, Y),
        fingerprint(supervised(generator(3 * X + 1)), X, Y),
        fingerprint(supervised(MIWAEImputer(max_steps=2)), X, Y),
        fingerprint(filled(nn.ReLU()), X, Y),
        fingerprint(filled(nn.Tanh()), X, Y),
        fingerprint(filled(nn.Dropout(0.1)), X, Y),
        fingerprint(filled(nn.Dropout(0.9)), X, Y),
        fingerprint(frozen, X, Y),
        fingerprint(filled(nn.Tanh(), class_weight={0: 1.0, 1: 2.0}), X, Y),
        fingerprint(filled(nn.Tanh(), class_weight={0: 1.0, 1: 3.0}), X, Y),
        fingerprint(filled(nn.Tanh()), X, 1 - Y),
        fingerprint(filled(nn.Tanh()), np.where(np.isnan(X), X, X + 1e-9), Y),
    ]
    assert len(set(said)) == len(said)


def test_fits_that_are_the_same():
    assert fingerprint(supervised(generator(X)), X, Y) == fingerprint(
        supervised(generator(X)), X, Y
    )
    assert fingerprint(filled(nn.Tanh()), X, Y) == fingerprint(filled(nn.Tanh()), X.copy(), Y)
    loud = MIWAEImputer(random_state=0, verbose=True)
    assert fingerprint(loud, X, None) == fingerprint(MIWAEImputer(random_state=0), X, None)


@pytest.mark.parametrize("seed", [None, True, np.random.default_rng(0), np.random.RandomState(0)])
def test_seeds_must_be_said(tmp_path, seed):
    with pytest.raises(SettingError, match="random_state"):
        MIWAEImputer(random_state=seed).fit(X, checkpoint=tmp_path / "c")


@pytest.mark.parametrize("folder", ["", 3])
def test_folders_must_be_named(folder):
    with pytest.raises(SettingError, match="name of a folder"):
        MIWAEImputer(random_state=0).fit(X, checkpoint=folder)


def test_dropout_of_a_conditional_network_goes_on_and_is_the_fit_s_own():
    settings = {"max_steps": 20, "hidden": (8,), "dropout": 0.3, "random_state": 0}
    plain = DMFAImputer(**settings).fit(X)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        before = torch.get_rng_state()
        other = DMFAImputer(**settings).fit(X)
        assert torch.equal(before, torch.get_rng_state())
    assert same_state(plain, other)
    for place, fitted in fits_after_kills(
        lambda folder: DMFAImputer(**settings).fit(X, checkpoint=folder, checkpoint_every=0)
    ):
        assert same_state(plain, fitted), place
