"""Settings of training that every method refuses in the same words."""

import inspect

import numpy as np
import pytest

import halfseen
from halfseen.errors import SettingError
from halfseen.training.settings import ALLOWED, check_training

TRUTHS = [name for name, (_, expected) in ALLOWED.items() if "True or False" in expected]
WRONG = {
    "n_members": [0, -1, 2.5, True, "a"],
    "n_bins": [2.5, "a", -1, None, True],
    **{name: ["no", 1, 0.0, np.array([True, False])] for name in TRUTHS},
    "max_steps": [0, -1, 2.5, True, "many"],
    "batch_size": [0, 1.5, None],
    "patience": [0, -2, 0.5],
    "time_budget": [-1, np.nan, "1h"],
    "schedule": ["cosin", None, np.array(["cosine", "constant"])],
    "lr": [0, -1, np.nan, np.inf, None, "fast"],
    "imputer_lr": [0.0],
    "clip_norm": [-1.0, 0.0, np.nan],
    "weight_decay": [-1, np.inf, np.nan],
    "beta2": [1.5, 1.0, -0.1],
    "betas": [(0.9, 1.5), 0.9, (0.9,)],
    "average": [1.0, -0.1, np.nan],
    "dropout": [1.0, -0.1, np.nan, None],
    "validation_fraction": [1.0, -0.1],
    "hidden": ["abc", (0,), (8, -1), (2.5,), 8, (True,)],
    "decoder_hidden": [(0,)],
    "critic_hidden": [(0,)],
    "imputer_hidden": [(0,)],
    "mask_hidden": [(0,)],
}
RIGHT = {
    **{name: [True, False, np.bool_(True)] for name in TRUTHS},
    "one_sided": [None, True],
    "importance_weights": [None, False],
    "tied": ["auto", True],
    "standardize": ["selection", False],
    "n_members": [None, 1, np.int64(3)],
    "n_bins": [0, 8],
    "max_steps": [None, 1, np.int64(3)],
    "patience": [None, 1],
    "time_budget": [None, 0, 2.5],
    "clip_norm": [None, 1e-20, np.inf],
    "weight_decay": [0, 0.01],
    "beta2": [0, 0.999],
    "betas": [(0.5, 0.9), [0.0, 0.9]],
    "average": [0, 0.999],
    "dropout": [0, 0.0, np.float32(0.5)],
    "validation_fraction": [0, 0.1],
    "hidden": [None, (), (8,), [8, 8], np.array([4]), "row"],
    "lr": [1e-3, np.float32(0.1), 1],
}
ESTIMATORS = {
    name: kind
    for name in halfseen.__all__
    if inspect.isclass(kind := getattr(halfseen, name)) and hasattr(kind, "get_params")
    if kind().get_params(deep=False).keys() & ALLOWED
}
X = np.random.default_rng(0).normal(size=(30, 2))


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_refused_by_name(name):
    for value in WRONG[name]:
        with pytest.raises(SettingError, match=f"Got {name}=.*Expected"):
            check_training({"kinds": None, name: value})


@pytest.mark.parametrize("name", RIGHT)
def test_what_can_be_is_taken(name):
    for value in RIGHT[name]:
        check_training({name: value})


@pytest.mark.parametrize("method", ESTIMATORS)
def test_every_method_checks_the_settings_it_has(method):
    """Before it looks at a row; its own defaults pass."""
    estimator = ESTIMATORS[method]()
    own = sorted(estimator.get_params(deep=False).keys() & ALLOWED)
    check_training(estimator.get_params(deep=False))
    for name in own:
        wrong = ESTIMATORS[method](**{name: WRONG[name][0]})
        with pytest.raises(SettingError, match=f"Got {name}="):
            wrong.fit(X, X[:, 0] > 0) if hasattr(estimator, "predict") else wrong.fit(X)


def test_no_setting_of_training_is_forgotten():
    assert WRONG.keys() == ALLOWED.keys()
    assert len(ESTIMATORS) > 25


def test_settings_that_are_so_or_not_are_known():
    """Of every method: those whose default is True or False, or may be; words are no numbers."""
    methods = [kind for kind in ESTIMATORS.values() if hasattr(kind, "card")]
    said = {
        name: str(setting.annotation)
        for kind in methods
        for name, setting in inspect.signature(kind).parameters.items()
    }
    truths = {name for name, kind in said.items() if kind.startswith("bool")}
    assert truths - {"verbose"} == set(TRUTHS)


@pytest.mark.parametrize("kind", [halfseen.FilledClassifier, halfseen.FilledRegressor])
def test_a_head_on_filled_rows_chooses_no_number_of_members(kind):
    with pytest.raises(SettingError, match="n_members=None"):
        kind(n_members=None).fit(X, X[:, 0] > 0)
