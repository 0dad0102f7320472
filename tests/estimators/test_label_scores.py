"""Scores where some labels are unknown: those rows are left out, whatever y is made of."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import KFold, cross_val_score

from halfseen import FilledClassifier, FilledRegressor, SupMIWAEClassifier
from halfseen.errors import SettingError
from halfseen.testing import small_estimator
from halfseen.testing.tables import some_labels, some_table

X = some_table(60)
KNOWN = np.arange(60) % 4 > 0
CLASSES = some_labels(X, classes=True)
SOME = [label if known else None for label, known in zip(CLASSES.tolist(), KNOWN, strict=True)]
NUMBERS = np.where(KNOWN, some_labels(X, classes=False), np.nan)


@pytest.fixture(scope="module")
def classifier():
    return small_estimator(FilledClassifier, random_state=0).fit(X, SOME)


@pytest.mark.parametrize(
    "y",
    [
        SOME,
        np.array(SOME, dtype=object),
        pd.Series(SOME),
        pd.Series(SOME, dtype="category"),
        pl.Series(SOME),
    ],
)
def test_rows_without_a_class_are_left_out(classifier, y):
    predicted = classifier.predict(X)
    assert classifier.score(X, y) == accuracy_score(CLASSES[KNOWN], predicted[KNOWN])
    weight = np.where(KNOWN, np.arange(60), 1e6)
    expected = accuracy_score(CLASSES[KNOWN], predicted[KNOWN], sample_weight=weight[KNOWN])
    assert classifier.score(X, y, sample_weight=weight) == expected


def test_rows_without_a_number_are_left_out():
    model = small_estimator(FilledRegressor, random_state=0).fit(X, NUMBERS)
    expected = r2_score(NUMBERS[KNOWN], model.predict(X)[KNOWN])
    assert model.score(X, NUMBERS) == expected
    assert model.score(pd.DataFrame(X), pd.Series(NUMBERS)) == expected


def test_classes_that_fit_never_saw_are_errors_of_the_model(classifier):
    strange = ["elsewhere", *SOME[1:]]
    labels, predicted = np.array(strange, dtype=object), classifier.predict(X)
    shown = KNOWN | (np.arange(60) == 0)
    assert classifier.score(X, strange) == np.mean(labels[shown] == predicted[shown])


def test_cross_validation_with_unlabelled_rows():
    model = small_estimator(SupMIWAEClassifier, strategy="single", max_steps=5, random_state=0)
    folds = KFold(2, shuffle=True, random_state=0)
    scores = cross_val_score(model, X, np.array(SOME, dtype=object), cv=folds)
    assert np.isfinite(scores).all()


def test_nothing_to_score(classifier):
    with pytest.raises(SettingError, match="Got y without any label"):
        classifier.score(X, [None] * 60)
    with pytest.raises(SettingError, match="60 rows in X and 59 labels"):
        classifier.score(X, SOME[1:])
    with pytest.raises(SettingError, match=r"sample_weight of shape \(3,\)"):
        classifier.score(X, SOME, sample_weight=[1, 2, 3])
