"""Guards around every test, and the folder of shared data."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

torch.set_num_threads(1)


def _settings():
    return {
        "torch's default dtype": torch.get_default_dtype(),
        "validation of torch.distributions": torch.distributions.Distribution._validate_args,
        "torch's switch of gradients": torch.is_grad_enabled(),
    }


def _random_states():
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002
    return {
        "numpy's global random state": (kind, keys.tobytes(), rest),
        "torch's global random state": torch.get_rng_state().numpy().tobytes(),
    }


@pytest.fixture(autouse=True)
def guard_global_state(request):
    """A test that changes what belongs to the user fails; scikit-learn's own may use its seeds."""
    before, numbers = _settings(), _random_states()
    yield
    for name, value in _settings().items():
        assert value == before[name], f"{name} was changed."
    if "test_scikit_learn" in request.node.name or isinstance(request.node, pytest.DoctestItem):
        return
    for name, value in _random_states().items():
        assert value == numbers[name], f"{name} was used."


@pytest.fixture(scope="session")
def shared_data():
    """Folder of the shared data sets: HALFSEEN_DATA, else beside the repository."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("HALFSEEN_DATA", default))
    if not folder.is_dir():
        reason = f"No folder {folder}; set HALFSEEN_DATA."
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder
