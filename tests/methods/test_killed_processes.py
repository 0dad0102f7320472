"""Processes killed at random moments: no more is lost than the interval that was agreed."""

import os
import signal
import time

import numpy as np
import pytest

from halfseen import GMMImputer, MIWAEImputer, SupMIWAEClassifier
from halfseen.core.writing import replacing
from halfseen.testing.killed import same_state
from halfseen.testing.running import small_estimator
from halfseen.testing.tables import some_labels, some_table
from halfseen.training.checkpoint import stage_files

X = some_table(60)
EVERY = 0.02


def miwae(**keywords):
    return MIWAEImputer(max_steps=400, hidden=(16,), random_state=0).fit(X, **keywords)


def gmm(**keywords):
    return GMMImputer(max_iter=200, tol=1e-9, random_state=0).fit(X, **keywords)


def labels(**keywords):
    estimator = small_estimator(SupMIWAEClassifier).set_params(random_state=0, max_steps=400)
    return estimator.fit(X, some_labels(X, classes=True), **keywords)


def in_child(work, wait):
    """Run work in a process that is killed after some seconds; whether it ended before."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(0)
    deadline = time.monotonic() + wait
    while time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG)[0]:
            return True
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="There is no fork here.")


@pytest.mark.parametrize("fit", [miwae, gmm, labels])
def test_twenty_kills_lose_nothing(tmp_path, fit):
    expected, rng, folder = fit(), np.random.default_rng(0), tmp_path / "c"
    kills, over, lost, wait = 0, False, [], 1.0
    while kills < 20 and not over:
        born = time.time()
        over = in_child(
            lambda: fit(checkpoint=folder, checkpoint_every=EVERY), wait * rng.uniform(0.05, 0.25)
        )
        kills += not over
        written = max((path.stat().st_mtime for path in stage_files(folder)), default=0.0)
        if not over and written > born:
            lost.append(time.time() - written)
        elif not over:
            # On a machine with other work it may not have come to its first writing.
            wait *= 1.5
    assert same_state(expected, fit(checkpoint=folder, checkpoint_every=EVERY))
    assert kills >= 5, "The fit was over before it could be killed."
    # A step and a writing may be on their way too, on a machine with other work.
    assert np.median(lost) < EVERY + 0.1
    assert not list(folder.glob(".*")), "Half of a file is left."


def test_a_killed_writer_leaves_the_old_file(tmp_path):
    path, rng = tmp_path / "out.bin", np.random.default_rng(0)
    old, new = b"old" * 10_000, b"new" * 3_000_000

    def write():
        with replacing(path) as sink:
            for start in range(0, len(new), 100_000):
                sink.write(new[start : start + 100_000])

    path.write_bytes(old)
    outcomes = set()
    for _ in range(20):
        in_child(write, rng.uniform(0.0, 0.03))
        outcomes.add(path.read_bytes())
        path.write_bytes(old)
    assert outcomes <= {old, new}
    assert {path.name[0] for path in tmp_path.iterdir()} <= {".", "o"}
