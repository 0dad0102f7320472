"""Modalities go in and come back: same names, same containers, seen cells to the bit."""

import json

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from scipy import sparse

from halfseen.errors import ColumnError, FileFormatError, SettingError
from halfseen.tables.blocks import BlockCodec
from halfseen.tables.choice import codec_for, codec_from_json
from halfseen.tables.codec import TableCodec
from halfseen.tables.images import ImageCodec
from halfseen.tables.text import TextCodec
from halfseen.testing.tables import same_bits, some_frame

N = 12


def pictures(dtype=np.float32):
    images = np.random.default_rng(3).random((N, 1, 2, 2)).astype(dtype)
    images[::3] = np.nan
    return images


def notes():
    return [None if i % 4 == 1 else "a cat" if i % 2 else "two dogs" for i in range(N)]


def everything():
    return {"lab": some_frame(N), "picture": pictures(), "note": notes()}


def again(codec):
    return codec_from_json(json.loads(json.dumps(codec.to_json())))


def halves(codec, data):
    """An answer for every cell: the middle of what is seen, code 0 of categories."""
    values = codec.encode(data).values
    fill = [
        0.0 if column.categorical else np.nanmean(values[:, j])
        for j, column in enumerate(codec.spec.columns)
    ]
    return np.tile(fill, (len(values), 1))


def test_columns_stand_side_by_side():
    data = everything()
    codec = BlockCodec().fit(data)
    parts = [
        TableCodec().fit(data["lab"]),
        ImageCodec().fit(data["picture"]),
        TextCodec("note").fit(data["note"]),
    ]
    encoded = codec.encode(data)
    alone = [part.encode(block) for part, block in zip(parts, data.values(), strict=True)]
    np.testing.assert_array_equal(encoded.values, np.hstack([e.values for e in alone]))
    np.testing.assert_array_equal(encoded.missing, np.hstack([e.missing for e in alone]))
    assert codec.spec.names == [
        *(f"lab.{name}" for name in data["lab"]),
        *(f"picture.pixel[0,{i},{j}]" for i in range(2) for j in range(2)),
        "note[0]",
        "note[1]",
    ]
    lab, picture, note = codec.spec.blocks
    assert (lab.name, lab.columns, lab.shape, lab.tokens) == ("lab", tuple(range(7)), None, False)
    assert (picture.columns, picture.shape) == ((7, 8, 9, 10), (1, 2, 2))
    assert (note.columns, note.tokens) == ((11, 12), True)
    assert codec.spec.images == [[7, 8, 9, 10]]
    assert set(codec.levels) == {c.name for c in codec.spec.columns if c.categorical}
    assert codec.levels["lab.flag"] == [False, True]
    assert codec.levels["note[1]"] == ["<end>", "dogs", "two", "a", "cat"]
    assert again(codec).spec == codec.spec
    assert again(codec).levels == codec.levels


def test_everything_comes_back_in_its_container_and_order():
    data = everything()
    fitted = BlockCodec().fit(data)
    turned = {name: data[name] for name in ("note", "lab", "picture")}
    for codec in (fitted, again(fitted)):
        out = codec.restore(turned, halves(codec, data))
        assert list(out) == list(turned)
        assert not codec.encode(out).missing.any()
        assert out["lab"].dtypes.equals(data["lab"].dtypes)
        seen = data["lab"].notna()
        pd.testing.assert_frame_equal(out["lab"].where(seen), data["lab"].where(seen))
        assert out["picture"].dtype == np.float32
        shown = ~np.isnan(data["picture"])
        assert same_bits(out["picture"][shown], data["picture"][shown])
        pairs = zip(out["note"], data["note"], strict=True)
        assert all(new is old for new, old in pairs if old is not None)


FRAME = pd.DataFrame({"a": [1.5, None, 2.5], "b": ["x", None, "y"]})
HELD = {
    "pandas": FRAME,
    "polars": pl.from_pandas(FRAME),
    "arrow": pa.table({"a": [1.5, None, 2.5], "b": ["x", None, "y"]}),
    "array": np.array([[1.5, 2.0], [np.nan, np.nan], [3.0, 4.5]], dtype=np.float32),
    "vector": np.array([1.5, np.nan, 3.0]),
    "labels": np.array(["u", None, "v"], dtype=object),
    "numbers": [1.5, None, 3.0],
    "whole numbers": (1, None, 3),
    "series": pd.Series([1.5, None, 3.0], name="s", index=[5, 6, 7]),
    "whole series": pd.Series([1, None, 3], dtype="Int64"),
    "categories": pd.Series(["u", None, "v"], dtype="category"),
    "polars series": pl.Series("s", [1, None, 3]),
    "tensor": torch.tensor([[1.5, 2.0], [torch.nan, 2.5], [3.0, 4.5]]),
    "tensor of one axis": torch.tensor([1.5, torch.nan, 3.0], dtype=torch.bfloat16),
    "rows": [np.array([1.5, 2.0], dtype=np.float32), None, np.array([3.0, np.nan], np.float32)],
    "rows of whole numbers": (np.array([1, 200], np.uint8), None, np.array([3, 4], np.uint8)),
    "rows of lists": [[1.5, 2.0], None, [3.0, 4.0]],
    "rows of tensors": [torch.tensor([1.5, 2.0]), None, torch.tensor([3.0, 4.0])],
    "steps": np.array([1.5, 2.0, 2.5, np.nan, 3.0, 4.5], np.float32).repeat(2).reshape(3, 2, 2),
    "tensor of steps": torch.tensor([1.5, 2.0, torch.nan, 2.5, 3.0, 4.5]).reshape(3, 2, 1),
    "rows of steps": [np.array([[1.5], [2.0]]), None, np.array([[3.0], [np.nan]])],
    "images": np.array([1.5, np.nan, 2.0], dtype=np.float16).reshape(3, 1, 1, 1),
    "tensor of images": torch.tensor([1.5, torch.nan, 2.0]).reshape(3, 1, 1, 1),
    "list of images": [np.full((1, 2, 2), 0.5), None, np.full((1, 2, 2), 0.25)],
    "texts": ["a", None, "b c"],
    "labels in a series": pd.Series(["A+", None, "New York"], dtype="string"),
    "tokens in a series": pd.Series([["A", "b"], None, ["b"]]),
    "tokens in a polars series": pl.Series("", [["A", "b"], None, ["b"]]),
}


def facts(block):
    """What must not change: types of the container and of its cells, and names."""
    if isinstance(block, (list, tuple)):
        return type(block), {(type(row), getattr(row, "dtype", None)) for row in block} - {
            (type(None), None)
        }
    if isinstance(block, pd.DataFrame):
        return type(block), block.dtypes.tolist(), list(block.columns)
    if isinstance(block, (pl.DataFrame, pa.Table)):
        return type(block), block.schema
    return type(block), block.dtype, getattr(block, "name", None)


def rows_of(block):
    """Rows as plain values, however they are held."""
    if isinstance(block, (pl.DataFrame, pa.Table)):
        return [
            tuple(row.values()) for row in (getattr(block, "to_dicts", None) or block.to_pylist)()
        ]
    if isinstance(block, pd.DataFrame):
        return list(block.itertuples(index=False, name=None))
    rows = block.float().numpy() if isinstance(block, torch.Tensor) else block
    return [np.asarray(row).tolist() if hasattr(row, "__len__") else row for row in rows]


@pytest.mark.parametrize("name", HELD)
def test_containers_come_back(name):
    block = HELD[name]
    data = {"it": block, "beside": np.arange(3.0)}
    fitted = BlockCodec().fit(data)
    for codec in (fitted, again(fitted)):
        encoded = codec.encode(data)
        assert encoded.missing[1].any()
        assert (encoded.missing == np.isnan(encoded.values)).all()
        out = codec.restore(data, np.ones_like(encoded.values))["it"]
        assert facts(out) == facts(block)
        if hasattr(block, "iloc"):
            assert out.index.equals(block.index)
        assert rows_of(out)[0] == rows_of(block)[0]
        assert not codec.encode({"it": out, "beside": data["beside"]}).missing.any()
        if isinstance(block, (list, tuple)):
            assert out[0] is block[0]
        left = codec.restore(data, np.full_like(encoded.values, np.nan))
        np.testing.assert_array_equal(codec.encode(left).values, encoded.values)


@pytest.mark.parametrize("name", HELD)
def test_a_modality_that_is_absent_is_made(name):
    block = HELD[name]
    data = {"it": block, "beside": np.arange(3.0)}
    fitted = BlockCodec().fit(data)
    values = fitted.restore(data, np.ones((3, fitted.spec.n_columns)))
    codes = fitted.encode(values).values
    for codec in (fitted, again(fitted)):
        absent = {"it": None, "beside": np.arange(3.0)}
        encoded = codec.encode(absent)
        assert encoded.missing[:, :-1].all()
        assert not encoded.missing[:, -1].any()
        made = codec.restore(absent, codes)["it"]
        assert facts(made) == facts(block)
        assert rows_of(made) == rows_of(values["it"])
        blank = codec.template(3)
        assert codec.encode(blank).missing.all()
        filled = codec.restore(blank, codes)
        np.testing.assert_array_equal(codec.encode(filled).values, codes)
        assert rows_of(codec.create(codes)["it"]) == rows_of(values["it"])


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_rows_may_be_absent(data):
    flags = data.draw(st.lists(st.tuples(*[st.booleans()] * 3), min_size=3, max_size=8))
    flags = [(True, True, True), *flags]
    n, rng = len(flags), np.random.default_rng(len(flags))
    lab = rng.normal(size=(n, 2))
    lab[[not f[0] for f in flags]] = np.nan
    seen = {
        "lab": lab,
        "picture": [rng.random((1, 2, 3)) if f[1] else None for f in flags],
        "note": ["some words" if f[2] else None for f in flags],
    }
    codec = BlockCodec().fit(seen)
    missing = codec.encode(seen).missing
    for place, name in enumerate(seen):
        columns = codec.places(name)
        expected = [[not f[place]] * len(columns) for f in flags]
        np.testing.assert_array_equal(missing[:, columns], expected)
    answers = np.where(missing, 1.0, np.nan)
    out = codec.restore(seen, answers)
    assert not codec.encode(out).missing.any()
    for new, old in zip(out["picture"], seen["picture"], strict=True):
        assert (new is old) if old is not None else (new == 1.0).all()


def test_kinds_are_by_modality():
    data = {
        "lab": pd.DataFrame({"a": [1.5, 2.5, 3.5]}),
        "age": [1, 2, 30],
        "city": pd.Series(["u", "v", "u"]),
        "note": ["a b c", "b", "c"],
    }
    kinds = {
        "lab": {"a": "positive"},
        "age": "count",
        "city": {"kind": "ordered", "levels": ["v", "u"]},
        "note": {"max_length": 2},
    }
    codec = BlockCodec().fit(data, kinds)
    assert codec.spec.names == ["lab.a", "age", "city", "note[0]", "note[1]"]
    kinds = [column.kind for column in codec.spec.columns]
    assert kinds == ["positive", "count", "ordered", "nominal", "nominal"]
    assert codec.levels["city"] == ["v", "u"]
    bag = BlockCodec().fit(data, {"note": {"kind": "text", "bag": True}})
    assert bag.spec.names[-3:] == ["note[b]", "note[c]", "note[a]"]


LABELS = ["A+", "F", "New York", None, "t-shirt", "F"]
TAGGED = {
    "array": lambda cells: np.array(cells, dtype=object),
    "pandas": lambda cells: pd.Series(cells, dtype=object),
    "string": lambda cells: pd.Series(cells, dtype="string"),
    "str": lambda cells: pd.Series(cells, dtype="str"),
    "arrow": lambda cells: pd.Series(cells, dtype=pd.ArrowDtype(pa.string())),
    "polars": lambda cells: pl.Series("s", cells),
}
LISTED = {"list": list, "tuple": tuple}


@pytest.mark.parametrize("name", TAGGED)
@pytest.mark.parametrize("later", TAGGED | LISTED)
def test_a_series_of_str_holds_labels(name, later):
    """In any container of the same content."""
    codec = BlockCodec().fit({"size": TAGGED[name](LABELS), "x": np.arange(6.0)})
    assert codec.spec.names == ["size", "x"]
    assert [column.kind for column in codec.spec.columns] == ["nominal", "continuous"]
    assert codec.levels["size"] == ["A+", "F", "New York", "t-shirt"]
    data = {"size": (TAGGED | LISTED)[later](LABELS), "x": np.arange(6.0)}
    filled = codec.restore(data, np.full((6, 2), 2.0))["size"]
    assert type(filled) is type(data["size"])
    assert list(filled) == [label or "New York" for label in LABELS]
    assert again(codec).create(np.ones((1, 2)))["size"][0] == "F"


@pytest.mark.parametrize("later", TAGGED | LISTED)
@pytest.mark.parametrize("name", LISTED)
def test_a_list_of_str_holds_texts(name, later):
    codec = BlockCodec().fit({"note": LISTED[name](LABELS)})
    assert isinstance(codec.parts["note"], TextCodec)
    data = {"note": (TAGGED | LISTED)[later](LABELS)}
    seen = codec.encode(data).values
    np.testing.assert_array_equal(seen, codec.encode({"note": LABELS}).values)
    filled = codec.restore(data, np.tile(seen[2], (6, 1)))["note"]
    assert list(filled) == [label or "New York" for label in LABELS]


@pytest.mark.parametrize("name", TAGGED)
def test_str_that_nearly_always_differ_are_texts(name):
    cells = [f"word {i}" for i in range(50)]
    for some, kind in (
        (cells, TableCodec),
        ([*cells, None, "one more"], TextCodec),
        ([*cells, "one more"] * 2, TableCodec),
        ([*cells, "one more"] * 2 + [None], TableCodec),
        ([f"word {i}" for i in range(1001)] * 3, TextCodec),
    ):
        assert type(BlockCodec().fit({"it": TAGGED[name](some)}).parts["it"]) is kind


@pytest.mark.parametrize("name", TAGGED | LISTED)
@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("text", TextCodec),
        ({"kind": "text", "max_length": 2}, TextCodec),
        ({"bag": True}, TextCodec),
        ("nominal", TableCodec),
        ({"kind": "ordered", "levels": ["F", "A+", "New York", "t-shirt"]}, TableCodec),
    ],
)
def test_who_says_what_str_are_is_believed(name, said, kind):
    codec = BlockCodec().fit({"it": (TAGGED | LISTED)[name](LABELS)}, {"it": said})
    assert type(codec.parts["it"]) is kind


def test_texts_beside_lists_of_tokens_are_no_labels():
    block = pd.Series(["a b", ["b"], None])
    codec = BlockCodec().fit({"it": block})
    filled = codec.restore({"it": block}, np.ones((3, 2)))["it"]
    assert filled.tolist() == ["a b", ["b"], ["b"] * 2]


def test_two_labels_are_binary():
    codec = BlockCodec().fit({"it": np.array(["yes", "No!", "yes"])})
    assert [column.kind for column in codec.spec.columns] == ["binary"]


VECTORS = [np.array([1.0, 2.0]), None, np.array([3.0, 4.0])]


@pytest.mark.parametrize(
    ("block", "call", "kind"),
    [
        (pd.Series(VECTORS), "tolist", "ndarray"),
        (np.array([*VECTORS, None], dtype=object)[:3], "tolist", "ndarray"),
        (pd.Series([[1.0, 2.0], None, [3.0, 4.0]]), "tolist", "list"),
        (pl.Series([[1.0, 2.0], None, [3.0, 4.0]]), "to_list", "Series"),
    ],
)
def test_vectors_in_a_series_are_refused_with_the_call_that_helps(block, call, kind):
    listed = getattr(block, call)()
    codec = BlockCodec().fit({"it": listed})
    for use in (codec.encode, BlockCodec().fit):
        with pytest.raises(TypeError, match=rf"vectors \({kind}\).*{call}\(\)") as caught:
            use({"it": block})
        assert isinstance(caught.value, ColumnError)
    np.testing.assert_array_equal(codec.encode({"it": listed}).values[::2], [[1, 2], [3, 4]])


def test_categories_that_are_tuples_are_labels():
    block = pd.Series([(1, 2), None, (3, 4)]).astype("category")
    filled = BlockCodec().fit({"it": block}).restore({"it": block}, np.ones((3, 1)))["it"]
    assert filled.tolist() == [(1, 2), (3, 4), (3, 4)]


@pytest.mark.parametrize("kind", ["csr_matrix", "coo_array", "dok_matrix"])
def test_sparse_matrices_are_refused(kind):
    block = getattr(sparse, kind)(np.eye(3))
    codec = BlockCodec().fit({"it": block.toarray()})
    for use in (codec.encode, BlockCodec().fit):
        with pytest.raises(ColumnError, match=rf"Got {kind}.*toarray\(\)") as caught:
            use({"it": block})
        assert caught.value.__notes__ == ["This is about the modality 'it'."]


def test_a_list_may_follow_an_array():
    """What is absent as a whole is easier to say with None than with NaN."""
    images = np.arange(8.0).reshape(2, 1, 2, 2)
    codec = BlockCodec().fit({"picture": images, "x": np.arange(2.0)})
    out = codec.restore({"picture": [None, images[1]], "x": np.arange(2.0)}, np.full((2, 5), 7.0))
    assert out["picture"][0].shape == (1, 2, 2)
    assert out["picture"][1] is not None
    assert (out["picture"][1] == images[1]).all()


def test_features_of_steps_are_columns():
    steps = np.arange(24.0).reshape(3, 4, 2)
    steps[1, 2, 0] = np.nan
    codec = BlockCodec().fit({"voice": steps, "x": np.arange(3.0)})
    assert codec.row_shape("voice") == (4, 2)
    assert codec.spec.images == []
    np.testing.assert_array_equal(codec.encode({"voice": steps, "x": None}).values[:, :8],
                                  steps.reshape(3, 8))  # fmt: skip
    [filled] = codec.restore({"voice": steps, "x": None}, np.full((3, 9), 0.5))["voice"][1:2]
    assert filled.tolist() == [[8, 9], [10, 11], [0.5, 13], [14, 15]]
    for other in (steps.transpose(0, 2, 1), torch.from_numpy(steps.transpose(0, 2, 1))):
        with pytest.raises(ColumnError, match=r"\(2, 4\) \(steps, features\). Expected \(4, 2\)"):
            again(codec).encode({"voice": other, "x": np.arange(3.0)})


def listed(steps):
    return [*steps[:2], None]


@pytest.mark.parametrize("learned", [np.asarray, listed])
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy, np.ndarray.tolist])
def test_lists_of_transposed_steps_are_refused(learned, kind):
    """They have as many numbers as those of fit, which would be other features."""
    steps = np.arange(24.0).reshape(3, 4, 2)
    codec = BlockCodec().fit({"voice": learned(steps), "x": np.arange(3.0)})
    same, turned = ([kind(row) for row in rows] for rows in (steps, steps.transpose(0, 2, 1)))
    found = codec.encode({"voice": [None, *same[1:]], "x": np.arange(3.0)}).values[1:, :8]
    np.testing.assert_array_equal(found, steps[1:].reshape(2, 8))
    with pytest.raises(ColumnError, match=r"\(2, 4\) \(steps, features\). Expected \(4, 2\)"):
        again(codec).encode({"voice": [None, *turned[1:]], "x": np.arange(3.0)})


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy, listed, tuple])
def test_grey_pictures_of_bytes_are_no_steps(kind):
    """Every pixel would be a column of its own."""
    steps = np.arange(24).reshape(3, 4, 2)
    data = {"x": np.arange(3.0)}
    with pytest.raises(ColumnError, match=r"uint8.*add the channel axis, images\[:, None\]"):
        BlockCodec().fit(data | {"grey": kind(steps.astype(np.uint8))})
    # Other whole numbers are counts in steps, and so are bytes of one axis a row.
    codec = BlockCodec().fit(data | {"grey": kind(steps.astype(np.int64))})
    assert codec.row_shape("grey") == (4, 2)
    BlockCodec().fit(data | {"flat": steps.reshape(3, 8).astype(np.uint8)})


@pytest.mark.parametrize("block", [np.ones((3, 4, 2)), [np.ones(8), None, np.ones(8)]])
def test_files_whose_rows_have_another_shape_are_refused(block):
    state = BlockCodec().fit({"voice": block}).to_json()
    state["blocks"][0]["form"]["shape"] = [4, 3]
    with pytest.raises(FileFormatError, match="8 columns of 'voice'"):
        BlockCodec.from_json(state)


def test_the_choice_of_codecs():
    assert isinstance(codec_for({"a": np.zeros((2, 2))}), BlockCodec)
    assert isinstance(codec_for(pd.DataFrame({"a": [1.0]})), TableCodec)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "one at least"),
        ({1: np.zeros(2)}, "names that are text"),
        ({"a": np.zeros(2), "b": np.zeros(3)}, "numbers of rows"),
        ({"a": np.zeros(2), "b": None}, "None for 'b' in fit"),
        ({"a": None}, "numbers of rows"),
        ({"a": np.zeros(2), "b": np.full((2, 2), np.nan)}, "no observed value"),
        ({"a": np.zeros(2), "b": [None, None]}, "no observed value"),
        ({"a": np.zeros(2), "b": [np.zeros(2), np.zeros(3)]}, "shape"),
        ({"a": np.zeros(2), "b": [["a"], ["b", 3]]}, "among the texts"),
        ({"a.x0": np.arange(2.0), "a": np.eye(2)}, "same names"),
        ({"a": np.zeros(2), "b": np.float64(3.0)}, "one entry a row"),
        ({"a": np.zeros(2), "b": np.array(3.0)}, "one entry a row"),
        ({"a": np.zeros(2), "b": "xy"}, "one entry a row"),
        ({"a": np.zeros(2), "b": {"c": np.zeros(2), "d": np.zeros(2)}}, "one entry a row"),
        ({"a": np.zeros(2), "b": (x for x in range(2))}, "one entry a row"),
    ],
)
def test_data_that_is_refused(data, message):
    with pytest.raises(ColumnError, match=message):
        BlockCodec().fit(data)


@pytest.mark.parametrize(
    "data",
    [
        {"a": np.zeros(2)},
        {"a": np.zeros(2), "b": np.zeros(2), "c": None},
        {"a": None, "b": None},
        {"a": np.zeros(2), "b": np.zeros(3)},
        np.zeros((2, 2)),
    ],
)
def test_other_modalities_than_those_of_fit_are_refused(data):
    codec = BlockCodec().fit({"a": np.arange(2.0), "b": np.arange(2.0)})
    with pytest.raises(ColumnError, match="Expected"):
        codec.encode(data)
    with pytest.raises(ColumnError, match="Expected"):
        codec.restore(data, np.zeros((2, 2)))


def test_pandas_modalities_have_one_index():
    lab = pd.DataFrame({"a": [1.0, 2.0, 3.0]}, index=["p", "q", "r"])
    vital = pd.Series([1.0, 2.0, 3.0], index=["p", "r", "q"], name="v")
    data = {"lab": lab, "vital": vital, "note": ["x", "y", "z"]}
    with pytest.raises(ColumnError, match=r"'lab' and 'vital'.*row 1 is 'q'.*'r'.*reset_index"):
        BlockCodec().fit(data)
    good = data | {"vital": vital.set_axis(lab.index)}
    codec = BlockCodec().fit(good)
    with pytest.raises(ColumnError, match="different indices"):
        codec.encode(data)
    unlabelled = data | {"vital": vital.set_axis(pd.Index(["p", pd.NA, "r"], dtype=object))}
    with pytest.raises(ColumnError, match=r"'q'.*<NA>"):
        BlockCodec().fit(unlabelled)
    # The same labels of another type, a missing one among them.
    labels = [0, 1, np.nan]
    same = {"lab": lab.set_axis(labels), "vital": vital.set_axis(pd.Index(labels, dtype=object))}
    assert BlockCodec().fit(same | {"note": data["note"]}).spec.n_columns > 2


def test_a_lazy_modality_is_refused_with_the_call_that_loads_it():
    lazy = pl.DataFrame({"x": [0.0, 1.0]}).lazy()
    with pytest.raises(SettingError, match="collect") as caught:
        BlockCodec().fit({"a": np.arange(2.0), "b": lazy})
    assert "'b'" in caught.value.__notes__[0]


def test_modalities_are_no_table():
    codec = TableCodec().fit(np.eye(2))
    with pytest.raises(ColumnError, match="several modalities"):
        codec.encode({"a": np.eye(2)})


def test_settings_that_are_refused():
    data = {"a": np.arange(2.0), "b": np.zeros((2, 1, 1, 1))}
    for kinds in ({"c": "count"}, {"b": {"x": "count"}}, {"a": "much"}):
        with pytest.raises(SettingError, match="Expected"):
            BlockCodec().fit(data, kinds)


def test_errors_say_which_modality():
    with pytest.raises(TypeError, match="divide by 255") as caught:
        BlockCodec().fit({"a": np.arange(2.0), "pic": [np.zeros((1, 1, 1), np.uint8)] * 2})
    assert caught.value.__notes__ == ["This is about the modality 'pic'."]
