"""Fitted estimators are read-only: threads and forked processes get the answers of one."""

import json
import os
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from sklearn.base import is_classifier, is_regressor

import halfseen
from halfseen.core.batch import Batch
from halfseen.estimators.parallel import each_batch
from halfseen.testing import small_estimator
from halfseen.testing.tables import some_frame, some_labels, some_table
from halfseen.testing.threads import answers_of, answers_of_threads, fingerprint

METHODS = halfseen.all_methods()
#: Of each kind of answer one.
FEW = ("MIWAEImputer", "SupMIWAERegressor", "GMMImputer", "MisGAN")


def fitted_estimator(name, table):
    estimator = small_estimator(METHODS[name])
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=0)
    if not (is_classifier(estimator) or is_regressor(estimator)):
        return estimator.fit(table)
    numbers = table if isinstance(table, np.ndarray) else table[["height", "weight"]].to_numpy()
    return estimator.fit(table, some_labels(numbers, is_classifier(estimator)))


def check_threads(name, table, n_threads):
    """Answers of all threads, the number of torch's threads, and the estimator itself."""
    fitted = fitted_estimator(name, table)
    held, n_before = fingerprint(fitted), torch.get_num_threads()
    alone = answers_of(fitted, table)
    assert fingerprint(fitted) == held, "An answer changed the estimator."
    for answers in answers_of_threads(fitted, table, n_threads):
        for verb, answer in answers.items():
            assert answer == alone[verb], f"{verb} differs in a thread."
    assert fingerprint(fitted) == held, "Threads changed the estimator."
    assert torch.get_num_threads() == n_before
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == n_before, "Threads to come differ."


@pytest.fixture
def four_threads():
    """Torch with four threads, where answers are divided among workers."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield 4
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", METHODS)
def test_three_threads_get_the_answers_of_one(name):
    check_threads(name, some_frame(24), 3)


@pytest.mark.parametrize("name", FEW)
def test_thirty_two_threads_get_the_answers_of_one(name):
    check_threads(name, some_table(40), 32)


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_thirty_two_threads_of_every_method(name):
    check_threads(name, some_frame(40), 32)


def test_workers_of_several_callers_leave_the_number_of_threads_alone(four_threads, monkeypatch):
    """Labels are answered by pools of workers, of which every caller has one of its own."""
    # Batches of a few rows, so that there are several.
    monkeypatch.setattr("halfseen.estimators.answers.CHUNK_FLOATS", 2**14)
    check_threads("SupMIWAERegressor", some_table(60), 8)


def test_callers_never_see_the_threads_of_each_others_workers(four_threads):
    """Threads of the user's own, that begin while others' workers are narrowed, have them all."""
    ones = torch.ones(2, 1)
    batches = [Batch(ones, ones, ones)] * 4
    seen, narrowed = set(), set()

    def answer(batch):
        narrowed.add(torch.get_num_threads())
        return torch.ones(1)

    def ask():
        for _ in range(5):
            each_batch(answer, batches)
            seen.add(torch.get_num_threads())

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert narrowed == {1}
    assert seen == {four_threads}
    assert torch.get_num_threads() == four_threads


def test_a_worker_that_fails_leaves_the_number_of_threads_alone(four_threads):
    ones = torch.ones(2, 1)

    def answer(batch):
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        each_batch(answer, [Batch(ones, ones, ones)] * 4)
    assert torch.get_num_threads() == four_threads


def test_fingerprints_see_every_part():
    fitted = fitted_estimator("MIWAEImputer", some_table())
    held = fingerprint(fitted)
    assert fingerprint(fitted) == held
    fitted.model_.train()
    assert fingerprint(fitted) != held
    fitted.model_.eval()
    assert fingerprint(fitted) == held
    with torch.no_grad():
        next(fitted.model_.parameters()).add_(1e-6)
    assert fingerprint(fitted) != held


FORKED = """
    import json, multiprocessing, sys
    import numpy as np, torch
    import halfseen
    from halfseen.testing import small_estimator
    from halfseen.testing.tables import some_labels, some_table

    def ask(queue):
        queue.put([np.asarray(one).tolist() for one in answers()])

    torch.set_num_threads(4)
    X = some_table(60)
    imputer = small_estimator(halfseen.MIWAEImputer, random_state=0).fit(X)
    labels = small_estimator(halfseen.SupMIWAERegressor, random_state=0)
    labels.fit(X, some_labels(X, False))
    mixture = small_estimator(halfseen.GMMImputer, random_state=0).fit(X)
    answers = lambda: (
        imputer.transform(X), labels.predict(X), mixture.transform(X), torch.zeros(10**6).exp()[:1]
    )
    parent = [np.asarray(one) for one in answers()]
    fork = multiprocessing.get_context("fork")
    queue = fork.Queue()
    children = [fork.Process(target=ask, args=(queue,)) for _ in range(2)]
    for child in children:
        child.start()
    try:
        given = [queue.get(timeout=60) for _ in children]
    finally:
        for child in children:
            child.join(5)
            child.kill()
    gaps = [float(np.abs(a - np.array(b)).max()) for c in given for a, b in zip(parent, c)]
    print(json.dumps({"gap": max(gaps), "threads": torch.get_num_threads()}))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="There is no fork here.")
def test_forked_processes_answer():
    """Torch's threads do not survive a fork, and whoever waits for them waits for ever."""
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(FORKED)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert found.returncode == 0, found.stderr[-2000:]
    answer = json.loads(found.stdout)
    # With another number of threads sums of float32 are rounded otherwise.
    assert answer["gap"] < 1e-3
    assert answer["threads"] == 4


SEARCH = """
    import json, warnings
    import numpy as np
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    import joblib
    import halfseen
    from halfseen.testing import small_estimator
    from halfseen.testing.tables import some_labels, some_table

    X = some_table(60)
    y = some_labels(X, False)
    imputer = small_estimator(halfseen.MIWAEImputer, random_state=0)
    grid = {"miwaeimputer__hidden": [(8,), (16,)]}
    scores = {}
    for backend in ("sequential", "threading", "loky"):
        with joblib.parallel_backend(backend, n_jobs=2 if backend != "sequential" else 1):
            search = GridSearchCV(make_pipeline(imputer, Ridge()), grid, cv=2, n_jobs=2)
            search.fit(X, y)
        scores[backend] = search.cv_results_["mean_test_score"].tolist()
    print(json.dumps(scores))
"""


def test_searches_of_scikit_learn_run_in_threads_and_processes():
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(SEARCH)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert found.returncode == 0, found.stderr[-2000:]
    scores = json.loads(found.stdout)
    assert np.isfinite(scores["sequential"]).all()
    np.testing.assert_allclose(scores["threading"], scores["sequential"], rtol=1e-6)
    np.testing.assert_allclose(scores["loky"], scores["sequential"], rtol=1e-6)
