"""Burger: with the vertical feature missing no single value can be right, and Bayes knows 2/3."""

import numpy as np
import pytest

from halfseen import FilledClassifier, MIWAEImputer, SupMIWAEClassifier
from halfseen.datasets import burger_posterior, make_toy


def half_missing(n, seed):
    X, y = make_toy("burger", n, random_state=seed)
    gone = np.random.default_rng(seed).random(n) < 0.5
    X[gone, 1] = np.nan
    return X, y


def log_p(p, y):
    return float(np.log(p[np.arange(len(y)), y]).mean())


@pytest.mark.slow
def test_completions_reach_bayes_where_single_values_do_not():
    X, y = half_missing(3000, 0)
    X_new, y_new = half_missing(4000, 1)
    holes = np.isnan(X_new[:, 1])
    X_new, y_new = X_new[holes], y_new[holes]
    bayes = burger_posterior(X_new)
    best = log_p(np.stack([1 - bayes, bayes], 1), y_new)

    imputer = MIWAEImputer(n_members=1, max_steps=2000, random_state=0).fit(X)
    settings = {"max_steps": 1500, "random_state": 0}
    found = {}
    for strategy in ("joint", "frozen", "single"):
        model = SupMIWAEClassifier(generator=imputer, strategy=strategy, **settings).fit(X, y)
        p = model.predict_proba(X_new)
        found[strategy] = log_p(p, y_new)
        if strategy != "single":
            accuracy = (p.argmax(1) == y_new).mean()
            assert abs(accuracy - 2 / 3) < 0.03, strategy
            assert found[strategy] > best - 0.01, strategy
    for fill in ("zero", "mean"):
        model = FilledClassifier(fill=fill, **settings).fit(X, y)
        found[fill] = log_p(model.predict_proba(X_new), y_new)
    for single in ("single", "zero", "mean"):
        assert found[single] < min(found["joint"], found["frozen"]) - 0.003, found
