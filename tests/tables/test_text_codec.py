"""Texts go in and come back: seen ones are the same objects, absent ones are tokens, joined."""

import json

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings

from halfseen.datasets.captions import CAPTIONS
from halfseen.errors import ColumnError, FileFormatError, SettingError
from halfseen.tables.text import TextCodec, tokenize

TEXTS = ["A red shirt.", None, "a blue shirt", "", "red, RED"]


def again(codec):
    return TextCodec.from_json(json.loads(json.dumps(codec.to_json())))


def test_tokens_are_words_and_signs():
    assert tokenize("Don't  stop\tnow!") == ["don't", "stop", "now", "!"]
    assert tokenize("a <unk> b") == ["a", "<unk>", "b"]
    assert tokenize("") == []


def test_vocabulary_is_by_frequency_then_by_letter():
    codec = TextCodec("note").fit(TEXTS)
    assert codec.vocabulary == ["<end>", "red", "a", "shirt", ",", ".", "blue"]
    assert codec.spec.names == ["note[0]", "note[1]", "note[2]", "note[3]"]
    assert {column.kind for column in codec.spec.columns} == {"nominal"}
    assert {column.n_levels for column in codec.spec.columns} == {7}
    [block] = codec.spec.blocks
    assert (block.name, block.columns, block.tokens) == ("note", (0, 1, 2, 3), True)


def test_codes_by_hand():
    codec = TextCodec().fit(TEXTS)
    encoded = codec.encode(TEXTS)
    expected = [[2, 1, 3, 5], [np.nan] * 4, [2, 6, 3, 0], [0, 0, 0, 0], [1, 4, 1, 0]]
    np.testing.assert_array_equal(encoded.values, expected)
    np.testing.assert_array_equal(encoded.missing[:, 0], [False, True, False, False, False])
    np.testing.assert_array_equal(encoded.missing, np.isnan(encoded.values))


def test_rare_tokens_are_unknown_and_long_texts_are_cut():
    codec = TextCodec().fit(TEXTS, {"kind": "text", "max_length": 2, "max_tokens": 1})
    assert codec.vocabulary == ["<end>", "<unk>", "red"]
    np.testing.assert_array_equal(codec.encode(["a red shirt", "red"]).values, [[1, 2], [2, 0]])
    assert codec.restore([None], [[1, 2]]) == ["<unk> red"]
    assert again(codec).vocabulary == codec.vocabulary


def test_no_answer_holds_what_no_text_of_fit_has():
    texts = ["a red shirt", "a blue one", None]
    codec = TextCodec().fit(texts)
    assert codec.vocabulary == ["<end>", "a", "blue", "one", "red", "shirt"]
    later = ["a green one", "an ox", None]
    for some in (codec, again(codec)):
        encoded = some.encode(later)
        expected = [[1, np.nan, 3], [np.nan, np.nan, 0], [np.nan] * 3]
        np.testing.assert_array_equal(encoded.values, expected)
        np.testing.assert_array_equal(encoded.missing, np.isnan(expected))
        filled = some.restore(later, np.full((3, 3), 1.0))
        assert filled == [*later[:2], "a a a"]
    cut = TextCodec().fit(["a b", "b a c"], {"max_length": 2})
    assert cut.vocabulary == ["<end>", "a", "b"]
    said = TextCodec().fit(["a <unk>", "b"])
    assert said.vocabulary == ["<end>", "<unk>", "a", "b"]


def test_files_of_earlier_versions_have_a_code_for_other_tokens():
    state = TextCodec().fit(TEXTS).to_json()
    del state["unknown"]
    old = TextCodec.from_json(state)
    assert old.vocabulary[:3] == ["<end>", "<unk>", "red"]
    assert old.to_json() == state
    with pytest.raises(FileFormatError):
        TextCodec.from_json(state | {"unknown": "no"})


def rewritten(texts, codec=None):
    """Texts from their own codes."""
    codec = codec or TextCodec().fit(texts)
    return codec.create(codec.encode(texts).values)


def test_written_texts_look_like_those_of_fit():
    texts = ["F", "A+", "T-shirt", "it's red.", "New York", "1,5", "ΑΣ.Β"]
    codec = TextCodec().fit(texts)
    expected = [*texts[:-1], "ασ.Β"]  # In lower case this sigma is another at the end of a word.
    assert rewritten(texts, codec) == rewritten(texts, again(codec)) == expected
    assert codec.vocabulary[:4] == ["<end>", ".", "+", ","]
    same = codec.encode(["NEW york", "New York"]).values
    np.testing.assert_array_equal(same[0], same[1])


@pytest.mark.parametrize("names", CAPTIONS.values())
def test_names_of_classes_come_back(names):
    assert rewritten([*names, None])[:-1] == [*names]


def test_the_commonest_look_of_a_token_counts():
    texts = ["Red cat .", "red Cat.", "RED cat.", "Red Dog. Or", "a dog", "+ b !", "a!", "+", "x+"]
    codec = TextCodec().fit(texts)
    # Of forms that are as common the lower one, and a space where half of the places have one;
    # the first place of a text does not count.
    expected = ["Red cat."] * 3 + ["Red dog. Or", "a dog", "+ b !", "a !", "+", "x+"]
    assert rewritten(texts, codec) == expected


def test_letters_that_are_two_in_lower_case_shift_no_form():
    assert rewritten(["İİ x Rome?", "Rome!"])[1] == "Rome!"
    assert TextCodec().fit(["İİ x Rome?"])._forms == {"rome": "Rome"}


def test_words_are_never_joined_to_one():
    """Glued behind a sign each, they would be another word behind a word."""
    texts = ["+a", "+b", "+'", "+s", "<unk", ">x"]
    codec = TextCodec().fit(texts, {"max_length": 4})
    assert codec._joined == {"a", "b", "'", "s", "unk", "x"}
    for tokens in (["a", "b"], ["a", "'", "s"], ["+", "a", "b"], ["<", "unk", ">"]):
        text = codec._text(tokens)
        assert tokenize(text) == tokens
    assert codec._text(["+", "a", "'", "s"]) == "+a' s"


def test_lists_of_tokens_and_bags_have_no_look():
    lists = TextCodec().fit([["New", "york", "+"], ["A"]])
    bag = TextCodec().fit(["A+", "B"], {"bag": True})
    for codec in (lists, bag):
        assert not {"forms", "joined"} & set(codec.to_json())
    assert bag.create(np.ones((1, 3))) == ["+ a b"]
    assert lists.create(np.array([[4.0, 1.0, 2.0]])) == [["york", "+", "A"]]


def test_files_without_looks_have_lower_case_and_spaces():
    texts = ["A+", "B"]
    state = TextCodec().fit(texts).to_json()
    assert (state["forms"], state["joined"]) == (["+", "A", "B"], [True, False, False])
    old = {key: state[key] for key in state if key not in ("forms", "joined")}
    assert rewritten(texts, TextCodec.from_json(old)) == ["a +", "b"]
    assert TextCodec.from_json(old).to_json() == old


@pytest.mark.parametrize(
    "looks",
    [
        {"forms": ["+", "A"]},
        {"forms": ["+", "A", 3]},
        {"forms": None},
        {"joined": [True]},
        {"joined": [1, 0, 0]},
        {"joined": "no!"},
    ],
)
def test_looks_that_are_refused(looks):
    state = TextCodec().fit(["A+", "B"]).to_json()
    with pytest.raises(FileFormatError, match=next(iter(looks))):
        TextCodec.from_json(state | looks)


def test_nothing_is_dropped_for_being_constant():
    codec = TextCodec().fit(["same", "same"])
    assert [column.constant for column in codec.spec.columns] == [None]
    bag = TextCodec().fit(["same", "same"], {"bag": True})
    assert [column.constant for column in bag.spec.columns] == [None]


def test_a_bag_has_a_column_per_word():
    codec = TextCodec("note").fit(TEXTS, {"bag": True, "max_tokens": 3})
    assert codec.spec.names == ["note[red]", "note[a]", "note[shirt]"]
    assert {column.kind for column in codec.spec.columns} == {"binary"}
    assert not codec.spec.blocks[0].tokens
    expected = [[1, 1, 1], [np.nan] * 3, [0, 1, 1], [0, 0, 0], [1, 0, 0]]
    np.testing.assert_array_equal(codec.encode(TEXTS).values, expected)
    filled = codec.restore(TEXTS, np.tile([0.9, 0.2, 0.6], (5, 1)))
    assert filled[1] == "red shirt"
    assert again(codec).restore(TEXTS, np.tile([0.9, 0.2, 0.6], (5, 1))) == filled


@pytest.mark.parametrize(
    "container",
    [
        TEXTS,
        tuple(TEXTS),
        np.array(TEXTS, dtype=object),
        pd.Series(TEXTS, dtype=object, index=[4, 3, 2, 1, 0], name="n"),
        pd.Series(TEXTS, dtype="string"),
        pd.Series(TEXTS, dtype="str"),
        pl.Series("n", TEXTS),
    ],
)
def test_containers_come_back(container):
    codec = TextCodec().fit(container)
    filled = codec.restore(container, np.full((5, 4), [1.0, 3.0, 0.0, 2.0]))
    assert type(filled) is type(container)
    assert list(filled) == [TEXTS[0], "red shirt", *TEXTS[2:]]
    if isinstance(container, (list, tuple, np.ndarray)):
        same = zip(filled, container, strict=True)
        assert [a is b for a, b in same] == [True, False, True, True, True]
    if isinstance(container, pd.Series):
        assert filled.index.equals(container.index)
        assert (filled.name, filled.dtype) == (container.name, container.dtype)
    left = codec.restore(container, np.full((5, 4), np.nan))
    assert codec.encode(left).missing[:, 0].tolist() == [False, True, False, False, False]
    for codec_again in (codec, again(codec)):
        made = codec_again.create(np.full((2, 4), [1.0, 3.0, 0.0, 2.0]))
        assert type(made) is type(container)
        assert list(made) == ["red shirt"] * 2
        assert codec.encode(codec_again.template(3)).missing.all()


def test_lists_of_tokens_come_back_as_lists():
    texts = [["New York", "is"], None, ["is"]]
    codec = TextCodec().fit(texts)
    assert codec.vocabulary == ["<end>", "is", "New York"]
    filled = codec.restore(texts, np.full((3, 2), [2.0, 0.0]))
    assert filled == [["New York", "is"], ["New York"], ["is"]]
    assert filled[0] is texts[0]
    assert again(codec).create(np.array([[1.0, 2.0]])) == [["is", "New York"]]


@pytest.mark.parametrize("make", [tuple, pl.Series, pd.Series, lambda t: np.array(t, object)])
def test_lists_of_tokens_in_other_containers(make):
    texts = make([["a", "b"], None, ["b", "a"]])
    codec = TextCodec().fit(texts)
    filled = codec.restore(texts, np.full((3, 2), [2.0, 0.0]))
    assert type(filled) is type(texts)
    assert [list(cell) for cell in filled] == [["a", "b"], ["b"], ["b", "a"]]
    assert [list(cell) for cell in again(codec).create(np.full((2, 2), 1.0))] == [["a", "a"]] * 2


def test_an_array_of_fixed_width_comes_back():
    texts = np.array(["a", "b c"])
    codec = TextCodec().fit(texts)
    out = codec.restore(texts, codec.encode(texts).values)
    assert out.dtype == texts.dtype
    assert (out == texts).all()
    assert out is not texts


words = st.lists(st.sampled_from(["red", "blue", "it's", ",", "7"]), max_size=6)


@settings(max_examples=40, deadline=None)
@given(st.lists(words, min_size=1, max_size=8))
def test_what_is_written_reads_as_the_same_codes(rows):
    texts = [" ".join(row) for row in rows] + ["red"]
    codec = TextCodec().fit(texts)
    codes = codec.encode(texts).values
    assert codec.restore([None] * len(texts), codes) == texts
    np.testing.assert_array_equal(codec.encode(codec.create(codes)).values, codes)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("aBΣİ'+-.< >ß7", max_size=9), min_size=1, max_size=8))
def test_any_text_that_is_written_reads_as_the_same_codes(texts):
    texts = [*texts, "<unk> Red"]
    codec = TextCodec().fit(texts)
    codes = codec.encode(texts).values
    np.testing.assert_array_equal(codec.encode(codec.create(codes)).values, codes)
    shuffled = np.random.default_rng(0).permuted(codes, axis=1)
    # What comes behind the end of a text is not written.
    ended = np.where(np.maximum.accumulate(shuffled == 0, axis=1), 0, shuffled)
    np.testing.assert_array_equal(codec.encode(codec.create(shuffled)).values, ended)


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ({"kind": "nominal"}, "Expected the kind 'text'"),
        ({"length": 3}, "max_length"),
        ({"max_length": 0}, "max_length=0"),
        ({"max_tokens": True}, "max_tokens=True"),
        ({"bag": 1}, "bag=1"),
    ],
)
def test_settings_that_are_refused(kinds, message):
    with pytest.raises(SettingError, match=message):
        TextCodec("note").fit(TEXTS, kinds)


@pytest.mark.parametrize(
    "texts",
    [
        [None, float("nan")],
        ["", None],
        [["<end>", "<unk>"]],
        ["a", 3],
        [["a", 3]],
        "a text",
        np.zeros((2, 2)),
    ],
)
def test_texts_that_are_refused(texts):
    with pytest.raises(ColumnError, match="note"):
        TextCodec("note").fit(texts)


def test_answers_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="a row per text"):
        TextCodec().fit(TEXTS).restore(TEXTS, np.zeros((5, 3)))
