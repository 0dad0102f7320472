"""Parts of checks that need a process of their own: answers of a file, and peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

__all__ = ["fresh_answer", "memory_growth"]

_ANSWER = """
import sys
import numpy as np
import halfseen
estimator = halfseen.load(sys.argv[1])
np.save(sys.argv[3], getattr(estimator, sys.argv[4])(np.load(sys.argv[2])))
"""

_MEMORY = """
import resource
import sys
import numpy as np
import halfseen
estimator, X = halfseen.load(sys.argv[1]), np.load(sys.argv[2])

def peak(n_importance):
    estimator.set_params(n_importance_predict=n_importance)
    for verb in sys.argv[4:]:
        getattr(estimator, verb)(X)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

few = peak(100)
print(peak(int(sys.argv[3])) - few)
"""


def _run(code: str, *arguments: object) -> str:
    """Output of a program in a new interpreter that sees the same packages."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def fresh_answer(model: Path, X: np.ndarray, folder: Path, verb: str = "transform") -> np.ndarray:
    """What a saved model says of X, in a process that has seen neither."""
    np.save(folder / "table.npy", X)
    _run(_ANSWER, model, folder / "table.npy", folder / "answer.npy", verb)
    return np.load(folder / "answer.npy")


def memory_growth(
    model: Path, X: np.ndarray, folder: Path, n_importance: int, verbs: Sequence[str]
) -> float:
    """How much the peak memory of some methods grows from 100 importance samples, in MiB."""
    np.save(folder / "table.npy", X)
    grown = float(_run(_MEMORY, model, folder / "table.npy", n_importance, *verbs))
    return grown / (2**20 if sys.platform == "darwin" else 2**10)
