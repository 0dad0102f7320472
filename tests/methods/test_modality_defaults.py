"""What the family does by itself with groups of columns, with texts and with pictures."""

import numpy as np
import pytest
from sklearn.base import clone

from halfseen.methods.hivae import HIVAEImputer
from halfseen.methods.mvae import MVAEImputer
from halfseen.methods.vae import AEImputer, CVAEImputer, VAEImputer
from halfseen.methods.vaeac import VAEACImputer
from halfseen.methods.vsae import VSAEImputer
from halfseen.objectives.evidence import Importance, Selective

N = 800
SMALL = {"hidden": (8,), "max_steps": 3, "n_importance_predict": 5, "random_state": 0}
BLOCKS = {"lab": ["x0", "x1", "x2"], "vitals": ["x3", "x4", "x5"]}
FAMILY = (
    AEImputer,
    VAEImputer,
    CVAEImputer,
    CVAEImputer(condition="data"),
    MVAEImputer,
    VAEACImputer,
    HIVAEImputer,
    VSAEImputer,
)
NAMES = ["ae", "vae", "cvae", "cvae-data", "mvae", "vaeac", "hivae", "vsae"]


def two_blocks():
    """Six Gaussian columns that share two factors, in two blocks that are seen or absent."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 2)) @ rng.normal(size=(2, 6)) + 0.3 * rng.normal(size=(N, 6))
    X /= X.std(0)
    seen = np.repeat(rng.random((N, 2)) < 0.6, 3, 1)
    seen[~seen.any(1), :3] = True
    return X, np.where(seen, X, np.nan)


def share_of_the_mean(imputer, X, holed):
    """RMSE of the missing cells, as a share of what their columns' means have."""
    missing = np.isnan(holed)
    mean = np.broadcast_to(np.nanmean(holed, 0), X.shape)
    errors = [filled[missing] - X[missing] for filled in (imputer.fit_transform(holed), mean)]
    return float(np.sqrt((errors[0] ** 2).mean() / (errors[1] ** 2).mean()))


@pytest.mark.slow
@pytest.mark.parametrize("model", FAMILY, ids=NAMES)
def test_groups_of_columns_are_completed_at_the_defaults(model):
    imputer = model if not isinstance(model, type) else model()
    imputer = clone(imputer).set_params(blocks=BLOCKS, random_state=0)
    assert share_of_the_mean(imputer, *two_blocks()) < 0.7


@pytest.mark.parametrize("model", [AEImputer, VAEImputer, MVAEImputer, VSAEImputer])
def test_groups_of_columns_are_completed_after_few_steps(model):
    imputer = model(blocks=BLOCKS, hidden=(32,), max_steps=500, n_members=1, random_state=0)
    assert share_of_the_mean(imputer, *two_blocks()) < 0.7


def modalities(kind):
    """A table, a third of whose rows are absent, beside something else."""
    rng = np.random.default_rng(0)
    lab = rng.normal(size=(40, 2))
    lab[::3] = np.nan
    other = {
        "table": rng.normal(size=(40, 2)),
        "text": ["a dog", "one cat"] * 20,
        "picture": rng.random((40, 1, 4, 4)).astype(np.float32),
        "wide": rng.normal(size=(40, 65)),
    }
    return {"lab": lab, "other": other[kind]}


@pytest.mark.parametrize(
    ("kind", "share", "objective", "samples"),
    [
        ("table", 0.0, Importance, 5),
        ("text", 0.0, Importance, 5),
        ("wide", 0.0, Selective, 1),
        ("picture", 1.0, Selective, 1),
    ],
)
def test_only_pictures_are_hidden_and_few_latents_are_weighed(kind, share, objective, samples):
    data = modalities(kind)
    for model in (VAEImputer, MVAEImputer, VSAEImputer):
        fitted = model(**SMALL).fit(data)
        assert fitted._hide().share == share
        assert model(**SMALL, hide_share=0.5).fit(data)._hide().share == 0.5
    assert isinstance(fitted._objective(), objective)
    assert (fitted._n_samples(), fitted._weighs()) == (samples, samples > 1)
    chosen = VSAEImputer(**SMALL, bound="evidence").fit(data)
    assert (type(chosen._objective()), chosen._weighs()) == (Selective, False)


def test_the_prior_of_pictures_is_held_nearer_to_the_standard_one():
    for kind, weight in (("table", 0.01), ("text", 0.01), ("picture", 1.0)):
        fitted = VAEACImputer(**SMALL).fit(modalities(kind))
        assert fitted._objective().prior_weight == weight
        said = VAEACImputer(**SMALL, prior_weight=0.3).fit(modalities(kind))
        assert said._objective().prior_weight == 0.3
    assert VAEACImputer.published("images").prior_weight == 0.01
