"""Labels over every generator that is accepted: its weights, and none of another model's."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from halfseen import (
    MIWAEImputer,
    SupMIWAEClassifier,
    SupNotMIWAEClassifier,
    SupNotMIWAERegressor,
    VSAEImputer,
    all_methods,
)
from halfseen.core.noise import Noise
from halfseen.errors import SettingError
from halfseen.estimators.latent import LatentImputer
from halfseen.terms.proposal import StandardPrior
from halfseen.testing import small_estimator
from halfseen.testing.tables import some_labels, some_table

FAMILIES = sorted(n for n, m in all_methods("imputation").items() if issubclass(m, LatentImputer))


@pytest.fixture(scope="module")
def X():
    return some_table(60)


@pytest.fixture(scope="module")
def y(X):
    return some_labels(X, classes=True)


def fitted(X, y, generator, **settings):
    small = {"strategy": "frozen", "max_steps": 2, "random_state": 0, **settings}
    return small_estimator(SupMIWAEClassifier, generator=generator, **small).fit(X, y)


def test_the_families_are_all_there():
    assert {"MIWAEImputer", "NotMIWAEImputer", "VAEACImputer", "HIVAEImputer"} < set(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_without_the_label_are_those_of_the_generator(X, y, family):
    """Also where what is seen is a condition, and where the prior is no N(0, I)."""
    method = all_methods("imputation")[family]
    model = fitted(X, y, small_estimator(method, max_steps=5, random_state=0))
    batch = model._encoded_rows(X).take(slice(0, len(X)))
    shown = torch.where(torch.rand(batch.s.shape, generator=seeded()) < 0.5, 0.0, batch.s)
    for given in (batch, replace(batch, shown=shown)):
        weights = [
            one(given, Noise(seeded(), (model.n_members_, 4, 1))).log_w
            for one in (model.model_, model.generator_.model_)
        ]
        torch.testing.assert_close(*weights, rtol=0, atol=0)


def seeded():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("weighs", [True, False])
def test_labels_count_samples_as_imputations_do(X, y, weighs):
    """The papers of VSAE's family count all samples the same."""
    settings = {"importance_weights": weighs, "max_steps": 20, "random_state": 0}
    generator = small_estimator(VSAEImputer, **settings)
    model = fitted(X, y, generator, n_importance_predict=50)
    answers, term = model._label_answers().answers, model.model_.terms["label"]
    rows = model._encoded_rows(X[np.isnan(X).any(1)])
    batch = rows.take(slice(0, len(rows)))
    with torch.no_grad():
        (weighted,) = answers.stream(batch)
        p = term.answer(weighted.completion)
        w = torch.softmax(weighted.log_w if weighs else torch.zeros_like(weighted.log_w), 1)
    expected = (w[..., None] * p).sum(1).mean(0)
    found, effective = model._label_answers().averages(rows)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert bool((effective > 49).all()) != weighs


@pytest.mark.parametrize("family", ["VAEACImputer", "VAEImputer"])
def test_labels_of_earlier_versions_are_averaged_as_then(X, y, family):
    """By importance weights under N(0, I), whatever the generator: their temperature is of these.

    What a file does not say is what was so before it could be said.
    """
    method = all_methods("imputation")[family]
    generator = small_estimator(method, max_steps=20, random_state=0)
    model = fitted(X, y, generator, n_importance_predict=50)
    now = model.predict_proba(X)
    facts, tensors = model._state()
    model._set_state(facts, tensors)
    np.testing.assert_array_equal(model.predict_proba(X), now)
    del facts["as_generated"]
    model._set_state(facts, tensors)
    answers, term = model._label_answers().answers, model.model_.terms["label"]
    assert isinstance(model.model_.prior, StandardPrior)
    assert not model.model_.conditional
    rows = model._encoded_rows(X)
    batch = rows.take(slice(0, len(rows)))
    with torch.no_grad():
        (weighted,) = answers.stream(batch)
        p = term.answer(weighted.completion)
        w = torch.softmax(weighted.log_w, 1)
    expected = (w[..., None] * p).sum(1).mean(0)
    found = model.predict_proba(X)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-5)
    assert np.abs(found - now).max() > 1e-3


def test_a_label_is_heard_where_samples_count_the_same(X, y):
    """Then it is all that weights hold."""
    blocks = {"one": ["x0", "x1"], "two": ["x2", "x3"]}
    X = X.copy()
    X[::2, :2], X[1::2, :2] = np.nan, np.nan_to_num(X[1::2, :2])
    X[:, 2:] = np.nan_to_num(X[:, 2:])
    settings = {"blocks": blocks, "importance_weights": False, "max_steps": 20}
    generator = small_estimator(VSAEImputer, **settings, random_state=0)
    model = fitted(X, y, generator, max_steps=40)
    low, high = (model.impute(X[:1], [label])[0, :2] for label in np.unique(y))
    assert not np.allclose(low, high, atol=1e-3)


@pytest.mark.parametrize("kind", [SupNotMIWAEClassifier, SupNotMIWAERegressor])
@pytest.mark.parametrize("given", ["name", "unfitted", "fitted"])
def test_a_generator_without_a_law_of_the_mask_is_no_not_miwae(X, kind, given):
    """It would be supMIWAE under another name."""
    generator = small_estimator(MIWAEImputer, max_steps=2, random_state=0)
    generator = {"name": "miwae", "unfitted": generator}.get(given) or generator.fit(X)
    other = kind.__name__.replace("SupNot", "Sup")
    target = some_labels(X, classes=kind is SupNotMIWAEClassifier)
    with pytest.raises(SettingError, match=f"no law of the mask.*NotMIWAEImputer.*take {other}"):
        small_estimator(kind, generator=generator).fit(X, target)


def test_a_law_of_the_mask_by_any_name_will_do(X, y):
    generator = small_estimator(VSAEImputer, max_steps=2)
    model = small_estimator(SupNotMIWAEClassifier, generator=generator, max_steps=2).fit(X, y)
    assert {"mask", "label"} == set(model.model_.terms)
