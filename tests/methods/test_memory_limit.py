"""Fits and answers under a limit take less than it, where they would take more."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from halfseen import DMFAImputer, MFAImputer, MIWAEImputer, limit_memory
from halfseen.errors import SettingError
from halfseen.testing.tables import some_table

_GROWTH = """
import contextlib, sys, warnings
import numpy as np
import halfseen

warnings.simplefilter("ignore")

def kilobytes(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))

rng = np.random.default_rng(0)
n, p, limit = int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
X = rng.normal(size=(n, 1)) + rng.normal(size=(n, p))
X[rng.random(X.shape) < 0.2] = np.nan
y = rng.integers(2, size=n)

def work(X, y):
    estimator = eval(sys.argv[1], {"halfseen": halfseen})
    if hasattr(estimator, "predict_proba"):
        estimator.fit(X, y).predict_proba(X[:30])
    else:
        estimator.fit(X).transform(X[:30])

work(X[:60, :4], y[:60])
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")
before = kilobytes("VmRSS")
with halfseen.limit_memory(limit) if limit != "none" else contextlib.nullcontext():
    work(X, y)
print((kilobytes("VmHWM") - before) / 1000)
"""

# What is made, rows and columns, and a limit in MB.
CASES = {
    "miwae": (
        "MIWAEImputer(max_steps=2, n_importance_predict=100, random_state=0)", 300, 1000, 180,
    ),
    "not-miwae": (
        "NotMIWAEImputer(direction='high', max_steps=2, n_importance_predict=200, random_state=0)",
        400, 1500, 250,
    ),
    "dmfa": ("DMFAImputer(max_steps=2, random_state=0)", 1200, 600, 250),
    "mfa": ("MFAImputer(n_components=8, rank=8, max_iter=2, random_state=0)", 20000, 60, 200),
    "sup-miwae": (
        "SupMIWAEClassifier(generator=halfseen.MIWAEImputer(max_steps=2), max_steps=2, "
        "n_importance_predict=200, random_state=0)", 400, 1200, 250,
    ),
}  # fmt: skip


def growth(made, n, p, limit):
    done = subprocess.run(
        [sys.executable, "-c", _GROWTH, f"halfseen.{made}", str(n), str(p), limit],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="There is no /proc here.")
@pytest.mark.parametrize(
    ("made", "n", "p", "limit"),
    [
        pytest.param(*case, id=name, marks=[] if name == "miwae" else pytest.mark.slow)
        for name, case in CASES.items()
    ],
)
def test_a_limit_is_kept(made, n, p, limit):
    assert growth(made, n, p, f"{limit} MB") < limit
    assert growth(made, n, p, "none") > limit, "The limit would be kept anyway."


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        (MIWAEImputer, {"max_steps": 150, "n_importance": 5}),
        (DMFAImputer, {"max_steps": 150}),
        (MFAImputer, {"n_components": 2, "rank": 1, "max_iter": 50}),
    ],
)
def test_a_limit_hardly_changes_answers(method, settings):
    X = some_table(200, 6)
    free = method(random_state=0, **settings).fit(X)
    with limit_memory("10 MB"):
        held = method(random_state=0, **settings).fit(X)
        answers = free.transform(X)
    # Answers are the same; fits draw other noise, in parts.
    np.testing.assert_allclose(answers, free.transform(X), rtol=1e-4, atol=1e-4)
    gap = np.abs(held.transform(X) - free.transform(X))[np.isnan(X)]
    assert np.median(gap) < 0.15
    with limit_memory("10 MB"):
        again = method(random_state=0, **settings).fit(X)
    np.testing.assert_array_equal(again.transform(X), held.transform(X))


def test_a_limit_that_cannot_be_kept_is_refused():
    with limit_memory("1 MB"), pytest.raises(SettingError, match="a table of 5000 rows"):
        MIWAEImputer(max_steps=1).fit(some_table(5000, 20))
    with limit_memory("100 kB"), pytest.raises(SettingError, match="a model with its gradients"):
        MIWAEImputer(max_steps=1).fit(some_table(20, 2))
