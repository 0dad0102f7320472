"""What loaders of several modalities return, and how they leave rows out for validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen.errors import SettingError

__all__ = ["Modalities", "take", "validation_rows"]


@dataclass(frozen=True, eq=False)
class Modalities:
    """Complete rows of several modalities, to learn from, to choose by, and to test.

    Parameters
    ----------
    train, valid, test : dict of str to ndarray or list of str
        From the name of a modality to its n rows: images (n, channels, height, width), feature
        vectors (n, p), sequences of them (n, steps, p), or texts.
    y_train, y_valid, y_test : ndarray of shape (n,) or (n, 2)
        Labels, which no model of the modalities needs.
    """

    train: dict[str, Any]
    valid: dict[str, Any]
    test: dict[str, Any]
    y_train: np.ndarray
    y_valid: np.ndarray
    y_test: np.ndarray


def take(rows: Mapping[str, Any], places: np.ndarray) -> dict[str, Any]:
    """Some of the rows of every modality.

    Examples
    --------
    >>> take({"x": np.array([[1.0], [2.0], [3.0]]), "t": ["a", "b", "c"]}, np.array([2, 0]))
    {'x': array([[3.], [1.]]), 't': ['c', 'a']}
    """
    return {
        name: values[places] if isinstance(values, np.ndarray) else [values[i] for i in places]
        for name, values in rows.items()
    }


def validation_rows(
    n_rows: int, fraction: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Places of the rows to learn from and of those to choose by, each in increasing order.

    Parameters
    ----------
    n_rows : int
        How many there are.
    fraction : float
        Share to choose by, from 0 to below 1; the number of rows is rounded.
    rng : Generator
        Draws them.

    Raises
    ------
    SettingError
        When the share is not in [0, 1).

    Examples
    --------
    >>> kept, held = validation_rows(5, 0.2, np.random.default_rng(0))
    >>> len(kept), len(held)
    (4, 1)
    """
    if not 0 <= fraction < 1:
        raise SettingError(f"Got validation_fraction={fraction!r}. Expected a number in [0, 1).")
    order = rng.permutation(n_rows)
    n_held = round(fraction * n_rows)
    return np.sort(order[n_held:]), np.sort(order[:n_held])
