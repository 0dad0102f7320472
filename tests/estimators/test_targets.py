"""Labels of any container become numbers, and come back in their type."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from halfseen.errors import SettingError
from halfseen.estimators.targets import ClassTarget, NumberTarget


def through_a_file(target):
    return type(target).from_json(json.loads(json.dumps(target.to_json())))


@pytest.mark.parametrize(
    ("y", "classes", "kind"),
    [
        (["b", None, "a"], ["a", "b"], "U"),
        (["b", np.nan, "a"], ["a", "b"], "U"),
        ([7, None, 3], [3, 7], "i"),
        ([7, np.nan, 3], [3, 7], "i"),
        ([True, None, False], [False, True], "b"),
        (np.array([2.0, np.nan, 1.0]), [1.0, 2.0], "f"),
        (np.array([2.0, np.nan, 1.0], dtype=np.float32), [1.0, 2.0], "f"),
        (np.array(["b", None, "a"], dtype=object), ["a", "b"], "U"),
        (pd.Series([7, None, 3], dtype="Int64"), [3, 7], "i"),
        (pd.array([7, None, 3], dtype="Int64"), [3, 7], "i"),
        (pd.Series([True, None, False], dtype="boolean"), [False, True], "b"),
        (pd.Series(["b", None, "a"], dtype="string"), ["a", "b"], "U"),
        (pd.Series(["b", pd.NA, "a"], dtype=object), ["a", "b"], "U"),
        (pd.Series(["b", None, "a"], dtype="category"), ["a", "b"], "U"),
        (pd.Series(pd.Categorical([7, None, 3])), [3, 7], "i"),
        (pl.Series([7, None, 3]), [3, 7], "i"),
        (pl.Series(["b", None, "a"], dtype=pl.Categorical), ["a", "b"], "U"),
        (pa.array(["b", None, "a"]), ["a", "b"], "U"),
        (pa.chunked_array([[7, None], [3]]), [3, 7], "i"),
    ],
)
def test_classes_of_any_container(y, classes, kind):
    target = ClassTarget().fit(y)
    assert target.classes.tolist() == classes
    assert target.classes.dtype.kind == kind
    again = through_a_file(target)
    assert again.classes.dtype == target.classes.dtype
    assert again.classes.tolist() == classes
    for one in (target, again):
        np.testing.assert_array_equal(one.encode(y), [1.0, np.nan, 0.0])


def test_labels_are_not_made_equal():
    """1 and "1", True and "True" are not one class."""
    for y in ([1, "1"], [True, "True"], [True, 2]):
        with pytest.raises(SettingError, match="all alike"):
            ClassTarget().fit(y)


def test_refusals():
    with pytest.raises(SettingError, match="without any label"):
        ClassTarget().fit([None, np.nan])
    with pytest.raises(SettingError, match="without any number"):
        NumberTarget().fit([np.nan])
    with pytest.raises(SettingError, match="infinity"):
        ClassTarget().fit([np.inf, 1.0])
    with pytest.raises(SettingError, match="infinity"):
        NumberTarget().fit([np.inf, 1.0])
    with pytest.raises(SettingError, match="not numbers"):
        NumberTarget().fit(["low", "high"])
    with pytest.raises(SettingError, match="datetime"):
        ClassTarget().fit(pd.to_datetime(pd.Series(["2020-01-01", "2021-01-01"])))
    with pytest.raises(ValueError, match="continuous"):
        ClassTarget().fit([0.5, 1.5])
    target = ClassTarget().fit(["a", "b"])
    with pytest.raises(SettingError, match=r"Got labels \['c'\]"):
        target.encode(["a", "c", None])
    with pytest.raises(SettingError, match=r"Got labels \[1\]"):
        target.encode([1])


def test_no_label_at_all_can_be_encoded():
    assert np.isnan(ClassTarget().fit(["a", "b"]).encode([None, None])).all()


def test_weights():
    target = ClassTarget("balanced").fit(["a", "a", "a", "b", None])
    np.testing.assert_allclose(target.weight, [4 / 6, 2.0])
    np.testing.assert_allclose(through_a_file(target).law().weight, [4 / 6, 2.0], rtol=1e-6)
    assert ClassTarget({"a": 3.0, "b": 1.0}).fit(["a", "b"]).weight.tolist() == [3.0, 1.0]


def test_numbers_of_any_container():
    expected = [-1.0, np.nan, 1.0]
    for y in (
        [10.0, np.nan, 30.0],
        [10, None, 30],
        pd.Series([10, None, 30], dtype="Int64"),
        pl.Series([10, None, 30]),
        pa.array([10, None, 30]),
        np.array([10.0, np.nan, 30.0], dtype=np.float32),
    ):
        target = NumberTarget().fit(y)
        assert (target.shift, target.scale) == (20.0, 10.0)
        np.testing.assert_array_equal(through_a_file(target).encode(y), expected)


def test_a_number_that_never_varies_has_unit_scale():
    assert NumberTarget().fit([3.0, 3.0]).encode([3.0, 4.0]).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("size", [1e-200, 1e160, 1e300])
def test_numbers_whose_squares_are_no_floats(size):
    target = NumberTarget().fit(np.array([1.0, 2.0, 3.0]) * size)
    expected = np.array([-1.0, 0.0, 1.0]) * np.sqrt(1.5)
    np.testing.assert_allclose(target.encode(np.array([1, 2, 3]) * size), expected, atol=1e-12)


@pytest.mark.parametrize(
    "weight",
    [-1.0, np.nan, np.inf, "2", None, 1j],
)
def test_weights_that_are_no_numbers_of_labels(weight):
    with pytest.raises(SettingError, match=r"class_weight=.* of the class 'a'\. Expected 'bal"):
        ClassTarget({"a": weight, "b": 1.0}).fit(["a", "b"])


@pytest.mark.parametrize("given", ["balance", 2.0, ["a", "b"], {"a": 0, "b": 0.0}, {"A": 2}])
def test_class_weights_that_are_none(given):
    with pytest.raises(SettingError, match="Expected 'balanced', or a mapping"):
        ClassTarget(given).fit(["a", "b"])


def test_class_weights_of_any_type_of_number():
    given = {"a": np.float32(0.5), "b": np.int64(3), "c": 0}
    assert ClassTarget(given).fit(["a", "b", "c", "d"]).weight.tolist() == [0.5, 3, 0, 1]
