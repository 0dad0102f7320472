"""The long form of the harness that kills: the real command, whose figures are committed."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def killed():
    spec = importlib.util.spec_from_file_location("killed", ROOT / "benchmarks" / "killed.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TABLE = ROOT / "src" / "halfseen" / "datasets" / "data" / "horse_colic.csv"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["miwae", "not-miwae", "gmm", "dmfa", "misgan", "sup-miwae"])
def test_killed_commands_lose_no_model(killed, tmp_path, name):
    record = killed.resumed(name, TABLE, tmp_path, 20, np.random.default_rng(0))
    assert record["kills"] == 20
    assert record["models"] > 0
    assert record["lost models"] == 0


@pytest.mark.slow
def test_killed_commands_leave_no_part_of_a_file(killed, tmp_path):
    record = killed.replaced(TABLE, tmp_path, 20, np.random.default_rng(0))
    assert record["kills"] == 20
    assert record["partial"] == 0
