"""The public checks notice what is broken: a healthy classifier with one fault at a time."""

import numpy as np
import pytest
import torch

from halfseen.methods.filled import FilledClassifier, FilledRegressor
from halfseen.testing import LABEL_CHECKS, check_incomplete_predictor, small_estimator

CHECKS = {check.__name__: check for check in LABEL_CHECKS}


class Neighbourly(FilledClassifier):
    def predict_proba(self, X):
        p = super().predict_proba(X)
        return (p + p.mean(0)) / 2


class Unnormalised(FilledClassifier):
    def predict_proba(self, X):
        return 2 * super().predict_proba(X)


class Afraid(FilledClassifier):
    def predict_proba(self, X):
        p = super().predict_proba(X)
        p[np.isnan(np.asarray(X, dtype=float)).all(1)] = np.nan
        return p


class Careless(FilledClassifier):
    def fit(self, X, y):
        torch.randn(1)
        return super().fit(X, y)


class Forgetful(FilledClassifier):
    def fit(self, X, y):
        self.class_weight = None
        return super().fit(X, y)


class Wordy(FilledClassifier):
    def predict(self, X):
        return super().predict(X).astype(str)


class Restless(FilledClassifier):
    calls = 0

    def fit(self, X, y):
        Restless.calls += 1
        self.random_state = Restless.calls
        return super().fit(X, y)


class Strict(FilledClassifier):
    def fit(self, X, y):
        if np.asarray([label is None for label in np.asarray(y, dtype=object)]).any():
            raise ValueError("y holds None")
        return super().fit(X, y)


class Upside(FilledRegressor):
    def predict_interval(self, X, coverage=0.9):
        return super().predict_interval(X, coverage)[:, ::-1]


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        (Neighbourly, "check_label_rows_do_not_depend_on_neighbours"),
        (Unnormalised, "check_labels_of_holed_rows"),
        (Afraid, "check_labels_of_empty_rows"),
        (Careless, "check_label_global_state_is_left_alone"),
        (Forgetful, "check_class_weight"),
        (Wordy, "check_types_of_labels"),
        (Restless, "check_label_same_seed_same_answer"),
        (Strict, "check_unlabelled_rows"),
        (Upside, "check_intervals"),
    ],
)
def test_a_fault_is_noticed(kind, check):
    parent = kind.__mro__[1]
    with torch.random.fork_rng():
        CHECKS[check](small_estimator(parent))
        with pytest.raises((AssertionError, ValueError)):
            CHECKS[check](small_estimator(kind))


def test_the_check_is_named():
    with pytest.raises(AssertionError) as caught:
        check_incomplete_predictor(small_estimator(Unnormalised), slow=False)
    assert "check_labels_of_holed_rows of Unnormalised" in caught.value.__notes__[0]
