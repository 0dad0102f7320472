"""Parts of checks: fresh copies, promises that do not apply, and the state of the process."""

from __future__ import annotations

from typing import Any
from unittest import SkipTest

import numpy as np
import torch
from sklearn.base import clone

__all__ = ["fresh", "global_state", "needs_setting", "needs_verb"]


def fresh(estimator: Any, seed: int = 0, **settings: Any) -> Any:
    """An unfitted copy with a seed, if it takes one."""
    copy = clone(estimator)
    if "random_state" in copy.get_params():
        settings = {"random_state": seed, **settings}
    return copy.set_params(**settings)


def needs_setting(estimator: Any, name: str) -> None:
    """Skip the check of an estimator without this setting."""
    if name not in estimator.get_params():
        raise SkipTest(f"{type(estimator).__name__} has no setting {name!r}.")


def needs_verb(estimator: Any, name: str) -> None:
    """Skip the check of an estimator without this method."""
    if not hasattr(estimator, name):
        raise SkipTest(f"{type(estimator).__name__} has no method {name!r}.")


def global_state() -> dict[str, Any]:
    """What belongs to the user's whole process: random states, types, switches."""
    kind, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002
    return {
        "numpy's global random state": (kind, np.asarray(keys).tobytes(), rest),
        "torch's global random state": torch.get_rng_state().numpy().tobytes(),
        "torch's default dtype": torch.get_default_dtype(),
        "torch's number of threads": torch.get_num_threads(),
        "torch's switch of gradients": torch.is_grad_enabled(),
        "validation of torch.distributions": (torch.distributions.Distribution._validate_args),
    }
