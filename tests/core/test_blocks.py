"""Modalities of a specification: who belongs to whom, and what is left when columns go."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfseen.core.spec import Block, Column, DataSpec
from halfseen.errors import SettingError


def columns(n):
    return DataSpec.continuous(n).columns


def test_columns_outside_of_blocks_are_modalities_of_their_own():
    spec = DataSpec(columns(5), blocks=(Block("late", (4, 1)), Block("two", (2, 3))))
    assert [(b.name, b.columns) for b in spec.modalities] == [
        ("x0", (0,)),
        ("late", (4, 1)),
        ("two", (2, 3)),
    ]
    assert [b.name for b in DataSpec(columns(2)).modalities] == ["x0", "x1"]


def test_an_image_alone_is_one_modality():
    spec = DataSpec.pixels((2, 1, 2))
    assert spec.modalities == (Block("image", (0, 1, 2, 3), (2, 1, 2)),)
    assert spec.images == [[0, 1, 2, 3]]


def test_images_are_the_blocks_with_a_shape():
    blocks = (Block("a", (1, 2), (1, 1, 2)), Block("b", (0,)), Block("c", (3, 4), (2, 1, 1)))
    assert DataSpec(columns(5), blocks=blocks).images == [[1, 2], [3, 4]]
    assert DataSpec(columns(5)).images == []


@given(
    st.integers(1, 7).flatmap(lambda n: st.tuples(st.permutations(range(n)), st.integers(0, n)))
)
def test_modalities_part_the_columns(drawn):
    order, n_grouped = drawn
    names = [f"x{j}" for j in order]
    parts = {"a": names[: n_grouped // 2], "b": names[n_grouped // 2 : n_grouped]}
    parts = {name: part for name, part in parts.items() if part}
    spec = DataSpec.continuous(len(order)).with_blocks(parts)
    places = [j for block in spec.modalities for j in block.columns]
    assert sorted(places) == list(range(len(order)))
    firsts = [min(block.columns) for block in spec.modalities]
    assert firsts == sorted(firsts)
    found = {b.name: [spec.names[j] for j in b.columns] for b in spec.blocks}
    assert found == parts


@given(st.data())
def test_a_subset_keeps_what_is_left_of_each_block(data):
    blocks = (
        Block("pic", (1, 2), (1, 1, 2)),
        Block("lab", (0, 5)),
        Block("text", (3, 4), None, True),
    )
    spec = DataSpec(columns(6), blocks=blocks)
    places = data.draw(st.lists(st.integers(0, 5), unique=True, max_size=6))
    part = spec.subset(places)
    assert part.names == [f"x{j}" for j in places]
    kept = {b.name: [spec.names[j] for j in b.columns if j in places] for b in blocks}
    found = {b.name: [part.names[j] for j in b.columns] for b in part.blocks}
    assert found == {name: names for name, names in kept.items() if names}
    whole = {"pic": 2, "text": 2}
    for block in part.blocks:
        complete = len(block.columns) == whole.get(block.name)
        assert (block.shape is not None) == (complete and block.name == "pic")
        assert block.tokens == (complete and block.name == "text")


def test_no_blocks_change_nothing():
    spec = DataSpec(columns(2))
    assert spec.with_blocks(None) is spec


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ({"a": ["x0", "x9"]}, "x9"),
        ({"a": "x0"}, "a list of names"),
        ({"a": ["x0", 9]}, r"'x9'.*or places"),
        ({"a": [True, 1]}, "True"),
        ({"a": [-1]}, "x-1"),
        ({"a": [["x0"]]}, "or places"),
        ({"a": 1}, "Got columns 1 in block 'a'"),
        ({"a": ["x0"], "b": ["x0"]}, r"Got columns \['x0'\].*\['a', 'b'\].*one block at most"),
        ({"a": ["x0", "x0"]}, "one block at most"),
        ({"a": []}, "without columns"),
        ([["x0", "x1"]], "a mapping"),
        ("x0", "a mapping"),
        ({"x2": ["x0", "x1"]}, "Expected other names"),
    ],
)
def test_wrong_groups_are_refused(blocks, message):
    with pytest.raises(SettingError, match=message):
        DataSpec(columns(3)).with_blocks(blocks)


def test_columns_of_arrays_may_be_said_by_their_places():
    blocks = {"a": np.array([2, 0]), "b": ["x3", 1]}
    spec = DataSpec(columns(5)).with_blocks(blocks)
    assert [(block.name, block.columns) for block in spec.blocks] == [("a", (2, 0)), ("b", (3, 1))]


def test_whole_numbers_are_labels_where_columns_have_labels():
    """The label 0 is of the second column here."""
    renamed = [replace(c, name=n) for c, n in zip(columns(3), "102", strict=True)]
    named = DataSpec(tuple(renamed))
    blocks = {"a": [0, np.int64(2)], "b": ["1"]}
    assert [block.columns for block in named.with_blocks(blocks).blocks] == [(1, 2), (0,)]
    with pytest.raises(
        SettingError, match=r"Got columns \['3'\] in block 'a'.*list of names that"
    ):
        named.with_blocks({"a": [3]})


def test_a_block_may_have_the_name_of_a_column_in_a_block():
    spec = DataSpec(columns(3)).with_blocks({"x0": ["x0"], "x2": ["x1", "x2"]})
    assert [block.name for block in spec.modalities] == ["x0", "x2"]


def test_names_must_be_of_one_column():
    twice = DataSpec((Column("x", "continuous"), Column("x", "continuous")))
    with pytest.raises(SettingError, match="one column each"):
        twice.with_blocks({"a": ["x"]})


def test_known_modalities_are_not_told_again():
    spec = DataSpec(columns(2)).with_blocks({"a": ["x0"]})
    for known in (spec, DataSpec.pixels((1, 1, 2))):
        with pytest.raises(SettingError, match="known"):
            known.with_blocks({"b": known.names[:1]})


def test_a_shape_must_fit_its_columns():
    with pytest.raises(SettingError, match="channels, height and width"):
        Block("pic", (0, 1, 2), (1, 1, 2))
    with pytest.raises(SettingError, match="below 2"):
        DataSpec(columns(2), blocks=(Block("a", (2,)),))
