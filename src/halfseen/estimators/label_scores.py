"""Scores of predictions where some labels are unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from halfseen.errors import SettingError
from halfseen.estimators.targets import Target

__all__ = ["check_lengths", "score_of_known"]


def score_of_known(
    metric: Callable[..., float], target: Target, y: Any, predicted: np.ndarray, weight: Any = None
) -> float:
    """A score of the rows that have a label.

    Parameters
    ----------
    metric : callable
        From labels, predictions and ``sample_weight`` to a number.
    target : Target
        What a label is.
    y : array-like of shape (n,)
        Labels, NaN or None where unknown.
    predicted : array of shape (n,)
        Of all rows.
    weight : array-like of shape (n,), optional
        Of rows.

    Raises
    ------
    SettingError
        When no row has a label, or there is not one, or one weight, per row.

    Examples
    --------
    >>> from halfseen.estimators.targets import ClassTarget
    >>> from sklearn.metrics import accuracy_score
    >>> score_of_known(accuracy_score, ClassTarget(), ["a", None, "b"], np.array(list("aaa")))
    0.5
    """
    labels, known = target.split(y)
    check_lengths(len(predicted), len(known))
    if not known.any():
        raise SettingError(
            "Got y without any label. Expected one for some of the rows: only those are scored."
        )
    if weight is not None:
        weight = np.asarray(weight)
        if weight.shape != known.shape:
            raise SettingError(
                f"Got sample_weight of shape {weight.shape}. Expected one weight a row: "
                f"{known.shape}."
            )
        weight = weight[known]
    return float(metric(labels, predicted[known], sample_weight=weight))


def check_lengths(n_rows: int, n_labels: int) -> None:
    """Refuse labels that are not one per row."""
    if n_rows != n_labels:
        raise SettingError(
            f"Got {n_rows} rows in X and {n_labels} labels in y. Expected one label a row."
        )
