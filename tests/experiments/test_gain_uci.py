"""The experiment of GAIN's tables on a small table of its own making."""

import numpy as np
import pandas as pd
import pytest

from halfseen.errors import SettingError
from halfseen.experiments import all_experiments, gain_uci
from halfseen.experiments.gain_uci import GAIN_UCI, TABLES, make_holes
from halfseen.experiments.runner import run_cells


@pytest.fixture
def table(monkeypatch):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(200, 3)) * [1.0, 10.0, 0.1] + 5, columns=list("abc"))

    def load(name, data):
        return frame.assign(**{TABLES[name][0]: "x"})

    monkeypatch.setattr(gain_uci, "load_uci", load)
    return frame.to_numpy()


def test_it_is_found_by_name():
    assert all_experiments()["gain-uci"] is GAIN_UCI
    for row in GAIN_UCI.rows:
        assert set(row.published.get("rmse", {})) <= set(GAIN_UCI.tables)


def test_a_fifth_is_hidden_at_random(table):
    task = make_holes("letter", "mcar-0.2", "original", 0)
    assert task.truth.tolist() == table.tolist()
    gone = np.isnan(task.values)
    assert abs(gone.mean() - 0.2) < 0.05
    assert np.array_equal(task.values[~gone], table[~gone])
    other = make_holes("letter", "mcar-0.2", "original", 1)
    assert not np.array_equal(np.isnan(other.values), gone)
    with pytest.raises(SettingError, match="protocol='mar'"):
        make_holes("letter", "mar", "original", 0)


def test_errors_are_in_units_of_complete_ranges(table, tmp_path):
    cells = GAIN_UCI.cells(rows=["mean"], tables=["letter"], seeds=2)
    records = run_cells(GAIN_UCI, cells, tmp_path / "r.jsonl")
    for seed, record in enumerate(records):
        gone = np.isnan(make_holes("letter", "mcar-0.2", "original", seed).values)
        mean = np.nanmean(np.where(gone, np.nan, table), 0)
        low, high = table.min(0), table.max(0)
        errors = ((mean - low) / (high - low + 1e-6) - (table - low) / (high - low + 1e-6))[gone]
        assert record["metrics"]["rmse"] == pytest.approx(100 * np.sqrt(np.mean(errors**2)))
