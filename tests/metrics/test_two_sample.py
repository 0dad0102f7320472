"""The classifier test: its level, its power, and the law of its p-value."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from halfseen import metrics
from halfseen.errors import SettingError


class Cheat(DummyClassifier):
    """Names a fixed share of rows correctly: the first feature is the label."""

    def predict(self, X):
        right = X[:, 0].astype(int)
        return np.where(np.arange(len(X)) < 13, right, 1 - right)


def test_p_value_is_the_binomial_tail():
    x, y = np.zeros((20, 1)), np.ones((21, 1))
    found = metrics.two_sample_test(x, y, classifier=Cheat())
    assert (found.accuracy, found.n_test) == (13 / 20, 20)
    assert found.p_value == pytest.approx(binomtest(13, 20, 0.5, alternative="greater").pvalue)


@pytest.mark.parametrize("classifier", [None, LogisticRegression()])
def test_level_under_the_null(classifier):
    rng = np.random.default_rng(0)
    p_values = np.array(
        [
            metrics.two_sample_test(*rng.normal(size=(2, 80, 2)), classifier=classifier).p_value
            for _ in range(300)
        ]
    )
    # Three standard errors; p is discrete, and so a little too large.
    assert (p_values < 0.1).mean() < 0.1 + 3 * np.sqrt(0.09 / 300)
    assert (p_values < 0.5).mean() > 0.5 - 3 * np.sqrt(0.25 / 300) - 0.05
    assert p_values.mean() == pytest.approx(0.54, abs=0.06)


def test_power():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(400, 3)), rng.normal(size=(600, 3))
    assert metrics.two_sample_test(x, y).p_value > 0.01
    shifted = metrics.two_sample_test(x, y + 1)
    assert shifted.p_value < 1e-6
    assert shifted.accuracy > 0.65
    # Neighbours see a scale, which a linear classifier cannot.
    wide = {"x": x, "y": 3 * y}
    assert metrics.two_sample_test(**wide).p_value < 1e-6
    assert metrics.two_sample_test(**wide, classifier=LogisticRegression()).p_value > 0.01


def test_units_do_not_matter():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 2)), rng.normal([1.0, 0.0], size=(200, 2))
    scale = np.array([1e-4, 1e4])
    assert metrics.two_sample_test(x, y) == metrics.two_sample_test(x * scale, y * scale)


def test_the_shorter_sample_decides_and_rows_are_drawn():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(41, 2))
    # Sorted, so that a test of the first rows only would see a difference.
    y = np.sort(rng.normal(size=(4000, 2)), axis=0)
    found = metrics.two_sample_test(x, y)
    assert found.n_test == 40
    assert found.p_value > 0.01


def test_seeds_and_the_users_classifier():
    x, y = np.random.default_rng(0).normal(size=(2, 100, 2))
    mine = make_pipeline(DecisionTreeClassifier(max_features=1))
    first, second, third = (
        metrics.two_sample_test(x, y, classifier=mine, random_state=seed) for seed in (1, 1, 2)
    )
    assert first == second != third
    assert mine.get_params()["decisiontreeclassifier__random_state"] is None
    assert not hasattr(mine[0], "tree_")


def test_two_rows_are_enough_and_words_are_no_classifier():
    assert metrics.two_sample_test(np.zeros((2, 1)), np.ones((2, 1))).n_test == 2
    with pytest.raises(SettingError, match="Got classifier='knn'"):
        metrics.two_sample_test(np.zeros((2, 1)), np.ones((2, 1)), classifier="knn")
