"""Forest cover: the local subset, and the published draw from a stand-in of OpenML."""

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import Bunch

from halfseen.datasets import covertype, load_covertype
from halfseen.errors import FileFormatError


def test_the_local_subset_is_balanced(shared_data):
    table = load_covertype(shared_data)
    assert table.shape == (15_120, 55)
    assert table["Cover_Type"].value_counts().tolist() == [2160] * 7


def test_absent_and_other_files(tmp_path, monkeypatch):
    monkeypatch.setenv("HALFSEEN_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="full=True"):
        load_covertype()
    (tmp_path / "tables").mkdir()
    wrong = pd.DataFrame(np.zeros((4, 55), int), columns=list(covertype.COVERTYPE))
    wrong.to_csv(tmp_path / "tables" / "covertype_15120.csv", index=False)
    with pytest.raises(FileFormatError, match="15120 rows"):
        load_covertype()


def stand_in(monkeypatch, n_rows, n_columns=54):
    """OpenML's table with the row number as first column, its indicators as words."""
    asked = {}
    data = pd.DataFrame(np.zeros((n_rows, n_columns), np.int8))
    data.columns = [f"V{j}" for j in range(n_columns)]
    data["V0"] = np.arange(n_rows, dtype=float)
    data["V20"] = pd.Categorical(np.array(["0", "1"])[np.arange(n_rows) % 2])
    target = pd.Series(np.arange(n_rows) % 7 + 1).astype(str).astype("category")

    def fetch_openml(**question):
        asked.update(question)
        return Bunch(data=data, target=target.rename("class"))

    monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch_openml)
    return asked


def test_the_full_protocol_draws_20000_rows_with_seed_42(monkeypatch):
    asked = stand_in(monkeypatch, 581_012)
    table = load_covertype(full=True)
    assert (asked["name"], asked["version"]) == ("covertype", 3)
    rows = np.random.default_rng(42).choice(581_012, size=20_000, replace=False)
    np.testing.assert_array_equal(table["Elevation"], rows)
    np.testing.assert_array_equal(table["Soil_Type7"], rows % 2)
    np.testing.assert_array_equal(table["Cover_Type"], rows % 7 + 1)
    assert table["Cover_Type"].dtype == np.int64
    assert tuple(table.columns) == covertype.COVERTYPE
    assert table.index.equals(pd.RangeIndex(20_000))


@pytest.mark.parametrize(("n_rows", "n_columns"), [(15_120, 54), (581_012, 53)])
def test_another_table_of_that_name_is_refused(monkeypatch, n_rows, n_columns):
    stand_in(monkeypatch, n_rows, n_columns)
    with pytest.raises(FileFormatError, match="from OpenML"):
        load_covertype(full=True)
