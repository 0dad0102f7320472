"""ampute on modalities: whole or absent, rates, scores by hand, containers, refusals."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from halfseen.core.spec import Block, Column, DataSpec
from halfseen.errors import ColumnError, SettingError
from halfseen.estimators.amputation import ampute
from halfseen.estimators.block_scores import put_back, score_blocks
from halfseen.mechanisms import MAR, MCAR
from halfseen.tables.codec import Encoded

NAMES = ["mcar", "mar", "self-masking", "self-masking-hard", "mnar-logistic"]
GROUPS = {"one": ["a", "b"], "two": ["c", "d", "size"]}


def frame(n=400):
    rng = np.random.default_rng(0)
    z = rng.normal(size=n)
    return pd.DataFrame(
        {
            "a": z + rng.normal(size=n),
            "b": 10 * z + rng.normal(size=n),
            "c": rng.normal(size=n),
            "d": rng.integers(0, 9, n),
            "e": rng.lognormal(size=n),
            "size": pd.Categorical(rng.choice(["S", "M"], n), ["S", "M"], ordered=True),
            "city": pd.Series(rng.choice(["Rome", "Oslo", "Bern"], n), dtype=object),
        }
    )


def modalities(n=30):
    rng = np.random.default_rng(1)
    return {
        "lab": pd.DataFrame({"a": rng.normal(size=n), "k": rng.integers(0, 5, n)}),
        "frame": pl.DataFrame({"q": rng.normal(size=n), "w": ["x", "y", "z"] * (n // 3)}),
        "vector": rng.integers(0, 9, n),
        "tensor": torch.from_numpy(rng.normal(size=(n, 2))),
        "rows": [rng.normal(size=3) for _ in range(n)],
        "picture": rng.random((n, 1, 2, 2)).astype(np.float32),
        "note": ["word " * (1 + i % 4) for i in range(n)],
    }


def whole_or_absent(mask, table, groups):
    return all(
        (mask[:, [table.columns.get_loc(c) for c in some]].std(1) == 0).all()
        for some in groups.values()
    )


@pytest.mark.parametrize("name", NAMES)
def test_modalities_are_whole_or_absent(name):
    table = frame()
    settings = {"by": "block", "blocks": GROUPS, "rate": 0.4, "return_mask": True}
    out, mask = ampute(table, name, random_state=0, **settings)
    assert whole_or_absent(mask, table, GROUPS)
    np.testing.assert_array_equal(out.notna().to_numpy(), mask)
    for j, column in enumerate(table):
        assert out[column][mask[:, j]].tolist() == table[column][mask[:, j]].tolist()
    assert 0 < mask.mean() < 1
    again, _ = ampute(table, name, random_state=0, **settings)
    pd.testing.assert_frame_equal(again, out)


@pytest.mark.parametrize("name", NAMES)
def test_modalities_of_one_column_are_cells(name):
    table = frame()
    for settings in ({}, {"rate": 0.2}, {"columns": ["a", "city"]}):
        cells, one = ampute(table, name, random_state=3, return_mask=True, **settings)
        blocks, other = ampute(
            table, name, by="block", random_state=3, return_mask=True, **settings
        )
        pd.testing.assert_frame_equal(cells, blocks)
        np.testing.assert_array_equal(one, other)
        assert not one.all()


@pytest.mark.parametrize("rate", [0.3, 0.7])
@pytest.mark.parametrize("name", ["mcar", "self-masking", "mnar-logistic"])
def test_every_modality_has_the_rate(name, rate):
    table = frame(4000)
    _, mask = ampute(
        table, name, rate=rate, by="block", blocks=GROUPS, random_state=0, return_mask=True
    )
    np.testing.assert_allclose(1 - mask.mean(0), rate, atol=0.03)


def test_drivers_of_mar_stay_whole_and_decide():
    table = frame(2000)
    law = MAR(0.5)
    _, mask = ampute(
        table, law, by="block", blocks=GROUPS, columns=["two"], random_state=0, return_mask=True
    )
    assert mask[:, [0, 1, 4, 6]].all()
    assert 1 - mask[:, 2].mean() == pytest.approx(0.5, abs=0.04)
    one, e = law.weight[0, 2], law.weight[2, 2]
    assert law.drivers.tolist() == [True, False, True, True]
    z = (table[["a", "b"]] - table[["a", "b"]].mean()) / table[["a", "b"]].std(ddof=0)
    score = float(one) * z.mean(axis=1) / z.mean(axis=1).std() + float(e) * (
        table["e"] - table["e"].mean()
    ) / table["e"].std(ddof=0)
    assert score[~mask[:, 2]].mean() > score[mask[:, 2]].mean() + 0.3


def test_a_hard_threshold_by_hand():
    """A modality is gone exactly where the mean of its standardised cells is in the upper part."""
    table = frame(200)
    _, mask = ampute(
        table, "self-masking-hard", rate=0.25, by="block", blocks=GROUPS, return_mask=True
    )
    numbers = table.assign(size=(table["size"] == "M").astype(float))
    for names in GROUPS.values():
        some = numbers[names].astype(float)
        score = ((some - some.mean()) / some.std(ddof=0)).mean(axis=1).to_numpy()
        gone = score > np.sort(score)[149]
        np.testing.assert_array_equal(~mask[:, table.columns.get_loc(names[0])], gone)


def test_what_is_missing_stays_so_and_does_not_count():
    table = frame(3000)
    table.loc[:1999, ["a", "b"]] = np.nan
    table.loc[2000:2499, "b"] = np.nan
    _, mask = ampute(
        table, "mcar", rate=0.3, by="block", blocks=GROUPS, random_state=0, return_mask=True
    )
    assert not mask[:2000, :2].any()
    assert not mask[2000:2500, 1].any()
    assert 1 - mask[2000:, 0].mean() == pytest.approx(0.3, abs=0.05)
    assert (mask[2500:, 0] == mask[2500:, 1]).all()


def test_one_modality_is_kept():
    table = frame(1000)
    settings = {"rate": 0.8, "by": "block", "blocks": GROUPS | {"rest": ["e", "city"]}}
    _, bare = ampute(table, "mcar", random_state=0, return_mask=True, **settings)
    _, kept = ampute(table, "mcar", random_state=0, return_mask=True, keep_one=True, **settings)
    lost = ~bare.any(1)
    assert 0.4 < lost.mean() < 0.65
    assert (kept[~lost] == bare[~lost]).all()
    back = kept[lost][:, [0, 2, 4]]
    assert (back.sum(1) == 1).all()
    np.testing.assert_allclose(back.mean(0), 1 / 3, atol=0.07)


def test_rows_that_had_nothing_get_nothing():
    holes = np.repeat([[True, True], [True, True], [False, True]], 20, axis=0)
    missing = np.repeat([[True, True], [True, False], [False, False]], 20, axis=0)
    out = put_back(holes, missing, torch.Generator().manual_seed(0))
    expected = np.repeat([[True, True], [True, False], [False, True]], 20, axis=0)
    np.testing.assert_array_equal(out, expected)


def test_scores_by_hand():
    columns = (
        Column("a", "continuous"),
        Column("b", "binary", n_levels=2),
        Column("c", "nominal", n_levels=3),
        *(Column(f"n[{j}]", "nominal", n_levels=5) for j in range(3)),
        Column("d", "positive"),
    )
    spec = DataSpec(columns, blocks=(Block("x", (0, 1, 2)), Block("n", (3, 4, 5), None, True)))
    nan = np.nan
    values = np.array(
        [
            [1.0, 0, 2, 4, 1, 0, 5.0],
            [3.0, 1, 0, 0, 0, 0, nan],
            [nan, nan, 1, nan, nan, nan, 2.0],
            [nan, nan, nan, 2, 3, 3, 1.0],
        ]
    )
    grouped, encoded = score_blocks(spec, Encoded(values, np.isnan(values)))
    assert grouped.names == ["x", "n", "d"]
    assert [column.kind for column in grouped.columns] == ["continuous", "continuous", "positive"]
    expected = [[-1, 2, 5], [1, 0, nan], [0, nan, 2], [nan, 3, 1]]
    np.testing.assert_allclose(encoded.values, expected)
    np.testing.assert_array_equal(encoded.missing, np.isnan(expected))


@pytest.mark.parametrize("name", NAMES)
def test_containers_of_modalities_come_back(name):
    data = modalities()
    out, mask = ampute(data, name, rate=0.5, by="block", random_state=1, return_mask=True)
    assert list(out) == list(data)
    assert list(mask) == list(data)
    shapes = {name: some.shape for name, some in mask.items()}
    assert shapes["lab"] == (30, 2)
    assert shapes["vector"] == shapes["note"] == (30,)
    assert shapes["picture"] == (30, 1, 2, 2)
    flags = {name: some.reshape(30, -1) for name, some in mask.items()}
    assert all((some == some[:, :1]).all() for some in flags.values())
    seen = {name: some[:, 0] for name, some in flags.items()}
    assert any(not some.all() for some in seen.values())
    kept = out["lab"].notna().to_numpy()
    np.testing.assert_array_equal(kept, flags["lab"])
    assert out["frame"]["w"].is_not_null().to_list() == seen["frame"].tolist()
    assert out["frame"].schema == data["frame"].schema
    np.testing.assert_array_equal(~np.isnan(out["vector"]), seen["vector"])
    assert isinstance(out["tensor"], torch.Tensor)
    np.testing.assert_array_equal(~out["tensor"].isnan().numpy(), mask["tensor"])
    for new, old, flag in zip(out["rows"], data["rows"], seen["rows"], strict=True):
        assert new is (old if flag else None)
    np.testing.assert_array_equal(~np.isnan(out["picture"]), mask["picture"])
    for new, old, flag in zip(out["note"], data["note"], seen["note"], strict=True):
        assert new is (old if flag else None)


def test_high_scores_of_texts_are_many_words():
    data = modalities()
    out = ampute(data, "self-masking-hard", rate=0.25, columns="note", by="block")
    assert {old for new, old in zip(out["note"], data["note"], strict=True) if new is None} == {
        "word word word word "
    }
    assert out["rows"] == data["rows"]


def test_cells_of_modalities():
    data = modalities()
    del data["note"]
    out, mask = ampute(data, "mcar", rate=0.5, random_state=0, return_mask=True)
    np.testing.assert_array_equal(~np.isnan(np.stack(out["picture"])), mask["picture"])
    assert 0.2 < mask["picture"].mean() < 0.8
    assert mask["picture"].reshape(30, -1).std(1).max() > 0
    rows = np.stack([np.full(3, np.nan) if row is None else row for row in out["rows"]])
    np.testing.assert_array_equal(~np.isnan(rows), mask["rows"])
    some = ampute(modalities(), "mcar", columns=["lab.a", "vector"], random_state=0)
    assert some["note"] == modalities()["note"]
    assert some["lab"]["a"].isna().any()


def test_pictures_may_go_as_a_whole():
    pictures = np.random.default_rng(0).random((50, 1, 3, 3))
    out = ampute(pictures, "mcar", rate=0.5, by="block", random_state=0)
    gone = np.isnan(out).reshape(50, -1)
    assert (gone == gone[:, :1]).all()
    assert 0.3 < gone.mean() < 0.7


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"by": "row"}, "by='row'"),
        ({"blocks": GROUPS}, "by='cell'"),
        ({"keep_one": True}, "by='cell'"),
        ({"by": "block", "blocks": {"x": ["nothing"]}}, "nothing"),
        ({"by": "block", "blocks": GROUPS, "columns": "a"}, "'a' in columns"),
        ({"by": "block", "mechanism": "square"}, "square"),
    ],
)
def test_settings_that_are_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        ampute(frame(), **{"mechanism": "mcar", **settings})


def test_modalities_that_are_refused():
    data = modalities()
    with pytest.raises(SettingError, match="as a whole"):
        ampute(data, "mcar")
    with pytest.raises(SettingError, match="known"):
        ampute(data, "mcar", by="block", blocks={"x": ["lab.a"]})
    with pytest.raises(ColumnError, match="in fit"):
        ampute(data | {"note": None}, "mcar", by="block")
    words = {"x": pd.DataFrame({"a": ["u", "v", "w"], "b": ["w", "u", "v"]}), "y": [1.0, 2.0, 3.0]}
    with pytest.raises(SettingError, match="nominal"):
        ampute(words, "self-masking", by="block")
    out = ampute(words, MCAR(0.5), by="block", random_state=0)
    assert (out["x"]["a"].isna() == out["x"]["b"].isna()).all()
