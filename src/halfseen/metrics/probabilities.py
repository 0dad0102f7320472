"""Whether probabilities of classes mean what they say."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from halfseen.errors import SettingError

__all__ = ["expected_calibration_error"]


def expected_calibration_error(
    y_true: Any,
    proba: Any,
    n_bins: int = 15,
    strategy: Literal["uniform", "quantile"] = "uniform",
    *,
    classes: Any = None,
) -> float:
    r"""How far the confidence in the likeliest class is from the share of rows that have it.

    .. math:: \sum_b \frac{n_b}{n} \left| \mathrm{accuracy}_b - \mathrm{confidence}_b \right|

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Classes, of any type that sorts.
    proba : array-like of shape (n, n_classes) or (n,)
        Probabilities, as ``predict_proba`` gives them; of the second of two classes alone if
        there is one axis.
    n_bins : int, default=15
        Number of bins of the confidence, the largest probability of a row.
    strategy : {"uniform", "quantile"}, default="uniform"
        Whether bins are equally wide on (0, 1], or hold equally many rows but for ties.
    classes : array-like of shape (n_classes,), optional
        The class of each column, such as ``classes_`` of a classifier. Default: those in
        ``y_true``, sorted, which then has to hold all of them.

    Returns
    -------
    float
        Between 0 and 1, lower is better. Rows without any skill can have 0: read it beside a
        log-loss.

    Raises
    ------
    SettingError
        When shapes, classes or settings do not fit, or rows are no probabilities.

    Notes
    -----
    The score of Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks"
    (ICML 2017). With few rows in a bin it is too large: even true probabilities score about
    0.8 times the standard error of a bin's accuracy.

    Examples
    --------
    >>> proba = [[0.8, 0.2], [0.8, 0.2], [0.8, 0.2], [0.8, 0.2], [0.3, 0.7]]
    >>> round(expected_calibration_error(["a", "a", "a", "b", "b"], proba), 4)
    0.1
    """
    labels, rows, names = _checked(y_true, proba, classes)
    if isinstance(n_bins, bool) or not isinstance(n_bins, (int, np.integer)) or n_bins < 1:
        raise SettingError(f"Got n_bins={n_bins!r}. Expected a whole number of at least 1.")
    top = rows.argmax(1)
    confidence = rows[np.arange(len(rows)), top]
    excess = (labels == names[top]) - confidence
    place = np.searchsorted(_inner_edges(confidence, n_bins, strategy), confidence)
    return float(np.abs(np.bincount(place, excess)).sum() / len(rows))


def _inner_edges(confidence: np.ndarray, n_bins: int, strategy: str) -> np.ndarray:
    """Upper ends of all bins but the last; a bin holds its upper end."""
    inner = np.linspace(0, 1, n_bins + 1)[1:-1]
    if strategy == "uniform":
        return inner
    if strategy == "quantile":
        return np.quantile(confidence, inner)
    raise SettingError(f"Got strategy={strategy!r}. Expected 'uniform' or 'quantile'.")


def _checked(y_true: Any, proba: Any, classes: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels (n,), probabilities (n, n_classes) and the class of each column."""
    labels, rows = np.asarray(y_true), np.asarray(proba, dtype=np.float64)
    if rows.ndim == 1:
        rows = np.column_stack([1 - rows, rows])
    if labels.ndim != 1 or rows.ndim != 2 or len(labels) != len(rows) or not rows.size:
        raise SettingError(
            f"Got y_true of shape {labels.shape} and proba of shape {np.shape(proba)}. Expected "
            "(n,) and (n, n_classes), with at least one row."
        )
    if not ((rows >= 0) & (rows <= 1)).all() or np.abs(rows.sum(1) - 1).max() > 1e-3:
        raise SettingError(
            "Got proba that are negative, above 1, NaN or do not sum to 1 in every row. Expected "
            "probabilities, not logits or decisions."
        )
    names = np.unique(labels) if classes is None else np.asarray(classes)
    if names.shape != (rows.shape[1],):
        raise SettingError(
            f"Got classes {names.tolist()} for {rows.shape[1]} columns of proba. Expected one "
            "per column: pass classes=classifier.classes_."
        )
    # As Python values: NumPy would take the number 1 for the word "1".
    strangers = set(labels.tolist()) - set(names.tolist())
    if strangers:
        raise SettingError(
            f"Got {list(strangers)[:5]} in y_true. Expected classes out of {names.tolist()}."
        )
    return labels, rows, names
