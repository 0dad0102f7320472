"""Labels as users have them, and as numbers for a model: NaN where a row has none."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from halfseen.errors import SettingError
from halfseen.terms.label import ClassLaw, LabelLaw, NumberLaw

__all__ = ["ClassTarget", "NumberTarget", "Target"]


class Target(ABC):
    """What a label is, and how it becomes numbers."""

    @abstractmethod
    def fit(self, y: Any) -> Self:
        """Learn from labels (n,), missing where NaN or None."""

    @abstractmethod
    def encode(self, y: Any) -> np.ndarray:
        """Numbers (n,), NaN where there is no label."""

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
        How often a label of each class counts; "balanced" is inverse to its frequency.

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
        labels, known = _labels(y)
        if not known.any():
            raise SettingError("Got y without any label. Expected one for some of the rows.")
        some = _as_simple(labels[known])
        check_classification_targets(some)
        self.classes = np.unique(some)
        if self.class_weight is not None:
            from sklearn.utils.class_weight import compute_class_weight

            weight = self.class_weight
            given = weight if isinstance(weight, str) else dict(weight)
            self.weight = compute_class_weight(given, classes=self.classes, y=some)
        return self

    def encode(self, y: Any) -> np.ndarray:
        """See :class:`Target`."""
        labels, known = _labels(y)
        some = _as_simple(labels[known])
        codes = np.full(len(labels), np.nan)
        at = np.searchsorted(self.classes, some).clip(max=len(self.classes) - 1)
        strange = self.classes[at] != some
        if np.any(strange):
            new = sorted(set(some[strange].tolist()))[:5]
            raise SettingError(
                f"Got labels {new}. Expected those of fit: {self.classes[:10].tolist()}."
            )
        codes[known] = at
        return codes

    def law(self) -> ClassLaw:
        """See :class:`Target`."""
        weight = self.weight
        tensor = None if weight is None else torch.as_tensor(weight, dtype=torch.float32)
        return ClassLaw(len(self.classes), tensor)

    def to_json(self) -> dict[str, Any]:
        """See :class:`Target`."""
        weight = None if self.weight is None else self.weight.tolist()
        kind = self.classes.dtype.str if self.classes.dtype != object else "object"
        return {"classes": self.classes.tolist(), "dtype": kind, "weight": weight}

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> Self:
        """See :class:`Target`."""
        target = cls()
        target.classes = np.asarray(state["classes"], dtype=np.dtype(state["dtype"]))
        weight = state["weight"]
        target.weight = None if weight is None else np.asarray(weight)
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
        self.shift = float(known.mean())
        spread = float(known.std())
        self.scale = spread if spread > 0 else 1.0
        return self

    def encode(self, y: Any) -> np.ndarray:
        """See :class:`Target`."""
        return (_numbers(y) - self.shift) / self.scale

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
        target.shift, target.scale = float(state["shift"]), float(state["scale"])
        return target


def _labels(y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Labels as an array of objects or numbers, and which of them are known."""
    if y is None:
        raise SettingError(
            "This estimator requires y to be passed, but the target y is None. "
            "Expected a label per row."
        )
    values = y.to_numpy() if hasattr(y, "to_numpy") else y
    labels = np.asarray(values)
    if labels.dtype.kind in "OUS" and not isinstance(values, np.ndarray):
        labels = np.asarray(values, dtype=object)
    labels = column_or_1d(labels, warn=True)
    if labels.dtype.kind == "f" and np.isinf(labels).any():
        raise SettingError("Input y contains infinity. Expected labels, or NaN where unknown.")
    return labels, ~np.asarray(pd.isna(labels))


def _as_simple(labels: np.ndarray) -> np.ndarray:
    """Objects as text or numbers where all of them are; whole numbers held as floats stay so."""
    if labels.dtype != object:
        return labels
    simple = np.asarray(labels.tolist())
    return simple if simple.dtype.kind in "biufUS" else labels


def _numbers(y: Any) -> np.ndarray:
    if y is None:
        raise SettingError(
            "This estimator requires y to be passed, but the target y is None. "
            "Expected a number per row."
        )
    values = y.to_numpy() if hasattr(y, "to_numpy") else y
    column = column_or_1d(np.asarray(values), warn=True)
    try:
        numbers = np.where(pd.isna(column), np.nan, column).astype(float)
    except (TypeError, ValueError) as error:
        raise SettingError(
            f"Got labels that are not numbers ({error}). Expected numbers; use a classifier "
            "for classes."
        ) from error
    if np.isinf(numbers).any():
        raise SettingError("Input y contains infinity. Expected numbers, or NaN where unknown.")
    return numbers
