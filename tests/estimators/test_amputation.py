"""ampute: rates, containers, types, columns, published missing fractions, refusals."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from halfseen.errors import SettingError
from halfseen.estimators.amputation import ampute
from halfseen.mechanisms import MAR, MCAR, HardSelfMasking, Mechanism, SelfMasking

NAMES = ["mcar", "mar", "self-masking", "self-masking-hard", "mnar-logistic"]
HERE = Path(__file__).resolve()
DATA = Path(os.environ.get("HALFSEEN_DATA", HERE.parents[2].parent / "shared" / "data"))


def frame(n=600):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "real": rng.normal(size=n).astype("float32"),
            "whole": rng.integers(-5, 6, n) + 2**60,
            "byte": rng.integers(0, 9, n).astype("uint8"),
            "truth": rng.random(n) < 0.4,
            "text": pd.Series(rng.choice(["a", "b", "c"], n), dtype="string"),
            "thing": pd.Series(rng.choice(["x", "y"], n), dtype=object),
            "size": pd.Categorical(rng.choice(["S", "M", "L"], n), ["S", "M", "L"], ordered=True),
            "boxed": pd.array(rng.integers(0, 3, n), dtype="Int32"),
            "arrow": pd.array(rng.normal(size=n), dtype="float64[pyarrow]"),
        }
    )
    return table.set_index(np.arange(n)[::-1] + 7)


def kept_cells_agree(before, after, mask):
    for j, name in enumerate(before.columns):
        keep = mask[:, j]
        assert before[name][keep].tolist() == after[name][keep].tolist(), name


@pytest.mark.parametrize("name", NAMES)
def test_pandas_keeps_values_types_index_and_input(name):
    table = frame()
    before = table.copy(deep=True)
    out, mask = ampute(table, name, random_state=0, return_mask=True)
    pd.testing.assert_frame_equal(table, before)
    assert (out.notna().to_numpy() == mask).all()
    assert out.index.equals(table.index)
    assert 0.3 < mask.mean() < 0.9
    kept_cells_agree(table, out, mask)
    changed = {"whole": "Int64", "byte": "UInt8", "truth": "boolean"}
    for place, column in enumerate(table.columns):
        lost = not mask[:, place].all()
        wanted = changed.get(column, table[column].dtype) if lost else table[column].dtype
        assert out[column].dtype == wanted, column


@pytest.mark.parametrize("name", ["mcar", "self-masking"])
def test_polars_keeps_its_types(name):
    pl = pytest.importorskip("polars")
    table = pl.from_pandas(frame().drop(columns=["thing"]))
    sizes = pl.Enum(["S", "M", "L"])
    table = table.with_columns(pl.col("size").cast(pl.String).cast(sizes))
    out, mask = ampute(table, name, random_state=0, return_mask=True)
    assert out.schema == table.schema
    for j, column in enumerate(table.columns):
        assert (out[column].is_not_null().to_numpy() == mask[:, j]).all()
        seen = mask[:, j].tolist()
        assert out[column].filter(seen).to_list() == table[column].filter(seen).to_list()


@pytest.mark.parametrize("name", ["mcar", "self-masking"])
def test_arrow_keeps_its_types(name):
    table = pa.Table.from_pandas(frame(), preserve_index=False)
    table = table.replace_schema_metadata({"who": "me"})
    out, mask = ampute(table, name, random_state=0, return_mask=True)
    assert out.schema.equals(table.schema, check_metadata=True)
    for j in range(table.num_columns):
        before, after = table.column(j).to_pylist(), out.column(j).to_pylist()
        assert [value is not None for value in after] == mask[:, j].tolist()
        seen = np.flatnonzero(mask[:, j])
        assert [before[i] for i in seen] == [after[i] for i in seen]


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (np.arange(40.0, dtype="float32").reshape(20, 2), "float32"),
        (np.arange(40).reshape(20, 2), "float64"),
        (np.arange(40).reshape(20, 2) % 3 == 0, "float64"),
        (np.array([["a", "b"], ["c", "d"]] * 10), "object"),
        ([[1, "u"], [2, "v"]] * 10, "object"),
    ],
)
def test_arrays(array, dtype):
    out, mask = ampute(array, rate=0.5, random_state=0, return_mask=True)
    assert out.dtype == dtype
    assert 0.2 < mask.mean() < 0.8
    assert (~pd.isna(out) == mask).all()
    assert (out[mask] == np.asarray(array, dtype=out.dtype)[mask]).all()


@pytest.mark.parametrize("rate", [0.1, 0.6])
@pytest.mark.parametrize("name", NAMES)
def test_rates_by_name(name, rate):
    x = np.random.default_rng(0).gamma(2.0, size=(3000, 4)) * [1, 1e-3, 1e6, 5] + 3
    share = 1 - ampute(x, name, rate=rate, random_state=1, return_mask=True)[1].mean(0)
    losing = share[share > 0]
    assert len(losing) == (2 if name == "mar" else 4)
    error = 1e-3 if name == "self-masking-hard" else 4.5 * np.sqrt(rate * (1 - rate) / 3000)
    assert np.abs(losing - rate).max() < error


def test_holes_that_exist_stay_and_do_not_count():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 2))
    x[rng.random(x.shape) < 0.5] = np.nan
    for name in ["mcar", "self-masking", "self-masking-hard", "mnar-logistic"]:
        out, mask = ampute(x, name, rate=0.4, random_state=0, return_mask=True)
        assert np.isnan(out[np.isnan(x)]).all()
        share = 1 - mask.sum() / (~np.isnan(x)).sum()
        assert abs(share - 0.4) < 0.04


def test_holes_that_exist_are_not_written_again():
    cells = pd.DataFrame({"thing": pd.Series([None, "a", "b"] * 5, dtype=object)})
    out = ampute(cells, rate=0.99, random_state=0)
    assert out["thing"].isna().sum() > 6
    assert all(value is None for value in out["thing"][::3])


def test_columns_by_name_and_place():
    table = frame()
    for columns in ["whole", ["whole"], 1, [1], -8, [np.int64(1)]]:
        mask = ampute(table, columns=columns, random_state=0, return_mask=True)[1]
        assert np.flatnonzero(~mask.all(0)).tolist() == [1]
    for columns in ["nobody", 9, [True], [1.5]]:
        with pytest.raises(SettingError, match="in columns"):
            ampute(table, columns=columns)
    untouched = ampute(table, columns=[], random_state=0)
    pd.testing.assert_frame_equal(untouched, table)


def test_mar_drivers_are_the_other_columns():
    x = np.random.default_rng(0).normal(size=(3000, 3))
    law = MAR(0.3, slope=5.0)
    mask = ampute(x, law, columns=[0], random_state=0, return_mask=True)[1]
    assert mask[:, 1:].all()
    gone = ~mask[:, 0]
    assert abs(np.corrcoef(gone, x[:, 0])[0, 1]) < 0.08
    assert np.abs([np.corrcoef(gone, x[:, j])[0, 1] for j in (1, 2)]).max() > 0.3


@pytest.mark.parametrize(("direction", "sign"), [("high", 1), ("low", -1)])
@pytest.mark.parametrize("name", ["self-masking", "self-masking-hard"])
def test_direction(name, direction, sign):
    x = np.random.default_rng(0).normal(size=(2000, 2))
    mask = ampute(x, name, direction=direction, random_state=0, return_mask=True)[1]
    assert sign * (x[~mask].mean() - x[mask].mean()) > 1


def test_numbers_that_look_like_categories_are_numbers():
    table = pd.DataFrame({"flag": [0, 0, 1, 1, 0], "count": [0, 1, 2, 9, 1]})
    mask = ampute(table, "self-masking-hard", return_mask=True)[1]
    assert mask.T.tolist() == [[True, True, False, False, True], [True, True, True, False, True]]


def test_a_mechanism_is_calibrated_in_place_with_known_parameters():
    x = 50 + 10 * np.random.default_rng(0).normal(size=(5000, 2))
    law = SelfMasking("high", slope=3.0)
    out = ampute(x, law, rate=0.4, random_state=0)
    assert np.isnan(out).mean() == pytest.approx(0.4, abs=0.02)
    assert law.slopes()[0].tolist() == pytest.approx([3, 3], abs=1e-5)
    # Half of the cells at the location are missing.
    at = np.abs((x - x.mean(0)) / x.std(0) - law.location[0].detach().numpy()) < 0.1
    assert np.isnan(out[at]).mean() == pytest.approx(0.5, abs=0.08)


class Odd(Mechanism):
    """Every second row misses its first column."""

    def sample(self, features, generator):
        s = torch.ones_like(features)
        s[..., ::2, 0] = 0
        return s

    def log_prob(self, s, features):
        return torch.zeros(features.shape[:-1])


def test_a_mechanism_of_the_user_makes_holes_without_a_rate():
    mask = ampute(np.ones((6, 2)), Odd(), return_mask=True)[1]
    assert (~mask).sum() == 3
    assert not mask[::2, 0].any()
    assert ampute(np.ones((6, 2)), Odd(), columns=[1], return_mask=True)[1].all()
    with pytest.raises(SettingError, match="Odd"):
        ampute(np.ones((6, 2)), Odd(), rate=0.3)


def test_own_rate_of_a_mechanism():
    x = np.random.default_rng(0).normal(size=(5000, 2))
    assert np.isnan(ampute(x, MCAR(0.7), random_state=0)).mean() == pytest.approx(0.7, abs=0.02)
    assert np.isnan(ampute(x, HardSelfMasking(0.9))).mean() == pytest.approx(0.1, abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_seeds_reproduce_and_global_state_is_untouched(name):
    table = frame(200)
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    masks = [ampute(table, name, random_state=seed, return_mask=True)[1] for seed in (3, 3, 4)]
    ampute(table, name)
    assert (masks[0] == masks[1]).all()
    assert (masks[0] != masks[2]).any()
    assert torch.equal(torch_before, torch.get_rng_state())
    assert (numpy_before == np.random.get_state()[1]).all()  # noqa: NPY002


@pytest.mark.parametrize("rate", [0, 1, -0.1, 1.2, float("nan"), "0.3", True])
def test_bad_rates_are_refused(rate):
    with pytest.raises(SettingError, match="strictly between 0 and 1"):
        ampute(np.ones((3, 2)), rate=rate)


def test_bad_names_are_refused():
    with pytest.raises(SettingError, match="'mcar', 'mar'"):
        ampute(np.ones((3, 2)), "mnar")
    with pytest.raises(SettingError, match="follows from the data"):
        ampute(np.ones((3, 2)), HardSelfMasking(), rate=0.3)


def test_constant_columns_of_any_size_carry_no_weight():
    x = np.column_stack([np.full(3000, 1e9), np.random.default_rng(0).normal(size=3000)])
    for name in ["self-masking", "mnar-logistic"]:
        share = np.isnan(ampute(x, name, rate=0.4, random_state=0)).mean(0)
        assert share == pytest.approx([0.4, 0.4], abs=0.04)
    assert not np.isnan(ampute(x, "self-masking-hard")[:, 0]).any()


def test_odd_tables():
    assert np.isnan(ampute(np.ones((4000, 1)), "self-masking", random_state=0)).mean() < 0.35
    empty = np.column_stack([np.arange(9.0), np.full(9, np.nan)])
    for name in NAMES:
        assert ampute(empty, name, random_state=0).shape == (9, 2)
        assert ampute(np.array([[1.0, 2.0]]), name, random_state=0).shape == (1, 2)


@pytest.mark.parametrize(
    ("file", "target", "fraction"),
    [
        ("wine_white", "quality", 0.1970),
        ("yeast", "class", 0.227),
        ("breast_cancer_diagnostic", "diagnosis", 0.199),
    ],
)
def test_published_missing_fractions_of_the_hard_rule(file, target, fraction):
    path = DATA / "tables" / f"{file}.parquet"
    if not path.exists():
        reason = f"{path.name} is not in the folder of the variable HALFSEEN_DATA"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    table = pd.read_parquet(path).drop(columns=target)
    half = table.shape[1] // 2
    x = table.to_numpy(dtype=float)
    mask = ampute(table, "self-masking-hard", columns=range(half), return_mask=True)[1]
    assert (mask[:, :half] == (x[:, :half] <= x[:, :half].mean(0))).all()
    assert mask[:, half:].all()
    assert 1 - mask.mean() == pytest.approx(fraction, abs=5e-4)
