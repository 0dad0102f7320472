"""Labels as users have them, and as numbers for a model: NaN where a row has none."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from sklearn.utils.validation import column_or_1d

from halfseen.core.stored import entries, member, number, numbers
from halfseen.errors import FileFormatError, SettingError
from halfseen.terms.label import ClassLaw, LabelLaw, NumberLaw

__all__ = ["ClassTarget", "NumberTarget", "Target"]

# For the classes of a file, whose type says how wide the widest text is.
MOST_BYTES = 2**24


class Target(ABC):
    """What a label is, and how it becomes numbers."""

    @abstractmethod
    def fit(self, y: Any) -> Self:
        """Learn from labels (n,), missing where NaN or None."""

    @abstractmethod
    def encode(self, y: Any) -> np.ndarray:
        """Numbers (n,), NaN where there is no label."""

    @abstractmethod
    def split(self, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """The labels that are known, and which rows (n,) have one; also such as fit never saw."""

    @abstractmethod
    def law(self) -> LabelLaw:
        """A fresh law for these labels."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """What a file holds of it."""

    @classmethod
    @abstractmethod
    def from_json(cls, state: dict[str, Any]) -> Self:
        """Inverse of :meth:`to_json`."""


class ClassTarget(Target):
    """Classes of any type: numbers, text, booleans.

    Parameters
    ----------
    class_weight : {"balanced"}, mapping of class to number, or None
        How often a label of each class counts, 0 or more; "balanced" is inverse to its frequency.

    Examples
    --------
    >>> target = ClassTarget().fit(["sick", None, "well", "sick"])
    >>> target.classes.tolist(), target.encode(["well", None]).tolist()
    (['sick', 'well'], [1.0, nan])
    """

    classes: np.ndarray

    def __init__(self, class_weight: str | Mapping[Any, float] | None = None) -> None:
        self.class_weight = class_weight
        self.weight: np.ndarray | None = None

    def fit(self, y: Any) -> Self:
        """See :class:`Target`."""
        some, known = _labels(y)
        if not known.any():
            raise SettingError("Got y without any label. Expected one for some of the rows.")
        _check_classes(some)
        self.classes = np.unique(some)
        if self.class_weight is not None:
            self.weight = _class_weights(self.class_weight, self.classes, some)
        return self

    def encode(self, y: Any) -> np.ndarray:
        """See :class:`Target`."""
        some, known = _labels(y)
        code_of = {label: code for code, label in enumerate(self.classes.tolist())}
        strange = [label for label in some.tolist() if label not in code_of]
        if strange:
            raise SettingError(
                f"Got labels {sorted(set(strange))[:5]}. Expected those of fit: "
                f"{self.classes[:10].tolist()}."
            )
        codes = np.full(len(known), np.nan)
        codes[known] = [code_of[label] for label in some.tolist()]
        return codes

    def split(self, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """See :class:`Target`."""
        return _labels(y)

    def law(self) -> ClassLaw:
        """See :class:`Target`."""
        weight = self.weight
        tensor = None if weight is None else torch.as_tensor(weight, dtype=torch.float32)
        return ClassLaw(len(self.classes), tensor)

    def to_json(self) -> dict[str, Any]:
        """See :class:`Target`."""
        weight = None if self.weight is None else self.weight.tolist()
        dtype = self.classes.dtype.str
        return {"classes": self.classes.tolist(), "dtype": dtype, "weight": weight}

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> Self:
        """See :class:`Target`."""
        target = cls()
        target.classes = _stored_classes(state)
        if member(state, "weight") is not None:
            target.weight = numbers(state, "weight", len(target.classes))
        return target


class NumberTarget(Target):
    """Numbers, standardised by those that are known.

    Examples
    --------
    >>> target = NumberTarget().fit([1.0, 3.0, np.nan])
    >>> target.encode([3.0]), target.shift, target.scale
    (array([1.]), 2.0, 1.0)
    """

    def __init__(self) -> None:
        self.shift, self.scale = 0.0, 1.0

    def fit(self, y: Any) -> Self:
        """See :class:`Target`."""
        numbers = _numbers(y)
        known = numbers[~np.isnan(numbers)]
        if not known.size:
            raise SettingError("Got y without any number. Expected one for some of the rows.")
        # In units of a power of two, an exact change, squares neither overflow nor vanish.
        unit = float(np.ldexp(1.0, int(np.frexp(np.abs(known).max())[1]) - 1))
        self.shift = unit * float((known / unit).mean())
        spread = unit * float((known / unit).std())
        self.scale = spread if spread > 0 else 1.0
        return self

    def encode(self, y: Any) -> np.ndarray:
        """See :class:`Target`."""
        return (_numbers(y) - self.shift) / self.scale

    def split(self, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """See :class:`Target`."""
        numbers = _numbers(y)
        known = ~np.isnan(numbers)
        return numbers[known], known

    def law(self) -> NumberLaw:
        """See :class:`Target`."""
        return NumberLaw()

    def to_json(self) -> dict[str, Any]:
        """See :class:`Target`."""
        return {"shift": self.shift, "scale": self.scale}

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> Self:
        """See :class:`Target`."""
        target = cls()
        target.shift, target.scale = number(state, "shift"), number(state, "scale", positive=True)
        return target


def _stored_classes(state: Any) -> np.ndarray:
    """Classes as a file has them: distinct numbers, text or truth values of one type."""
    given, said = entries(state, "classes"), member(state, "dtype")
    wide = not isinstance(said, str) or not re.fullmatch(r"[<>|=]?[biufU]\d{1,7}", said)
    kind = np.dtype("V1" if wide else said)
    same = {type(label) for label in given} in ({str}, {bool}, {int}, {float}, {int, float})
    fits = kind.kind in "biufU" and kind.itemsize * len(given) <= MOST_BYTES
    if not same or not fits or len(set(given)) < len(given):
        raise FileFormatError(
            f"The file has {len(given)} classes of the type {str(said)[:40]!r}. Expected distinct "
            "numbers, text or truth values: it is damaged, or was not written by save()."
        )
    classes = np.asarray(given, dtype=kind)
    if classes.tolist() != given:
        raise FileFormatError(f"The file's classes {given[:5]} are not of its type {said!r}.")
    return classes


def _labels(y: Any) -> tuple[np.ndarray, np.ndarray]:
    """The labels that are known, as text, numbers or truth values; and which rows have one."""
    labels = _column(y, "a label")
    known = ~np.asarray(pd.isna(labels))
    some = _as_simple(labels[known])
    if some.dtype.kind == "f" and np.isinf(some).any():
        raise SettingError("Input y contains infinity. Expected labels, or NaN where unknown.")
    return some, known


def _check_classes(labels: np.ndarray) -> None:
    """Refuse numbers between the whole ones, which are no classes."""
    if labels.dtype.kind == "f" and (labels != np.rint(labels)).any():
        odd = labels[labels != np.rint(labels)][0]
        raise SettingError(
            f"Unknown label type: continuous. Got the label {odd!s} in y. Expected classes: use a "
            "regressor, or make text of them if they are classes."
        )


def _class_weights(given: Any, classes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How often labels of the classes count, (C,); once where a mapping does not say."""
    from sklearn.utils.class_weight import compute_class_weight

    expected = "Expected 'balanced', or a mapping from classes to numbers, 0 or more"
    if not isinstance(given, Mapping):
        if not (isinstance(given, str) and given == "balanced"):
            raise SettingError(f"Got class_weight={given!r}. {expected}.")
        return compute_class_weight("balanced", classes=classes, y=labels)
    for label, weight in given.items():
        known = isinstance(weight, (int, float, np.integer, np.floating))
        if not (known and 0 <= weight < np.inf):
            raise SettingError(f"Got class_weight={weight!r} of the class {label!r}. {expected}.")
    try:
        weights = compute_class_weight(dict(given), classes=classes, y=labels)
    except ValueError as error:
        raise SettingError(f"Got class_weight={given!r}: {error}. {expected}.") from error
    if not weights.any():
        raise SettingError(f"Got class_weight={given!r}. {expected}, and one above 0.")
    return weights


def _as_simple(labels: np.ndarray) -> np.ndarray:
    """Objects as what all of them are; text beside numbers is refused, never made equal."""
    if labels.dtype != object:
        simple = labels
    else:
        simple = labels if _holds_lists(labels) else np.asarray(labels.tolist())
        texts = sum(isinstance(label, str) for label in labels.tolist())
        truths = sum(isinstance(label, (bool, np.bool_)) for label in labels.tolist())
        if texts not in (0, len(labels)) or truths not in (0, len(labels)):
            simple = labels
    if simple.dtype.kind not in "biufUT":
        kinds = _kinds(labels)
        if kinds == ["int"]:
            raise SettingError(
                "Got integers beyond 64 bits in y. Expected text or smaller numbers: convert "
                "them, by y.astype(str) for example."
            )
        raise SettingError(
            f"Got labels of type {kinds}. Expected text, numbers or truth values, all alike: "
            "convert them, by y.astype(str) for example."
        )
    return simple


def _kinds(labels: np.ndarray) -> list[str]:
    return sorted({type(label).__name__ for label in labels})


def _holds_lists(labels: np.ndarray) -> bool:
    return any(isinstance(label, (list, tuple, np.ndarray)) for label in labels)


def _numbers(y: Any) -> np.ndarray:
    column = _column(y, "a number")
    try:
        numbers = np.where(pd.isna(column), np.nan, column).astype(float)
    except (TypeError, ValueError, OverflowError) as error:
        text = next((label for label in column.tolist() if isinstance(label, str)), None)
        found = f"of type {_kinds(column)}" if text is None else f"such as {text[:40]!r}"
        raise SettingError(
            f"Got labels {found}, which are not numbers that float64 holds. Expected numbers: "
            "convert them, or use a classifier for classes."
        ) from error
    if np.isinf(numbers).any():
        raise SettingError("Input y contains infinity. Expected numbers, or NaN where unknown.")
    return numbers


def _column(y: Any, what: str) -> np.ndarray:
    """Labels (n,), as objects where a missing one would change the type of the others."""
    if y is None:
        raise SettingError(
            "This estimator requires y to be passed, but the target y is None. "
            f"Expected {what} per row."
        )
    if isinstance(y, (pd.Series, pd.Index, pd.api.extensions.ExtensionArray)):
        extension = isinstance(y.dtype, pd.api.extensions.ExtensionDtype)
        values = np.asarray(y.astype(object) if extension else y)
    elif isinstance(y, (list, tuple)):
        values = np.asarray(y, dtype=object)
    elif hasattr(y, "to_pylist"):
        values = np.asarray(y.to_pylist(), dtype=object)
    elif hasattr(y, "to_list"):
        values = np.asarray(y.to_list(), dtype=object)
    else:
        values = np.asarray(y.detach().cpu() if isinstance(y, torch.Tensor) else y)
    if values.ndim != 1 and values.shape[1:] != (1,):
        raise SettingError(
            f"y should be a 1d array, got an array of shape {values.shape} instead. Expected "
            f"{what} per row, in one column: choose one, or fit an estimator for each."
        )
    return column_or_1d(values, warn=True)
