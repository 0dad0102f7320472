"""Sliced Wasserstein distance: how far samples are apart along random directions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from halfseen.core.noise import RandomState, new_generator, seed_from
from halfseen.core.sliced import random_directions, sliced_wasserstein_tensors
from halfseen.errors import SettingError
from halfseen.metrics.features import (
    column_names,
    common_exponent,
    finite_distance,
    finite_numbers,
    in_order,
)

__all__ = ["sliced_wasserstein"]


def sliced_wasserstein(
    x: Any, y: Any, n_projections: int = 200, random_state: RandomState = 0
) -> float:
    r"""Sliced 2-Wasserstein distance between two samples of rows.

    .. math:: \Big( \frac1L \sum_{l=1}^L W_2^2(x \theta_l, y \theta_l) \Big)^{1/2},
              \quad |\theta_l| = 1

    Parameters
    ----------
    x : array-like or Tensor of shape (n, ...)
        Rows without holes; cells of pictures are laid side by side.
    y : array-like or Tensor of shape (m, ...)
        Rows of another sample in the same units; m may differ from n. Columns of two tables go by
        their names.
    n_projections : int, default=200
        Random directions L.
    random_state : int, RandomState, Generator or None, default=0
        Same seed, same directions.

    Returns
    -------
    float
        In the units of the columns, so standardise these first. A shift by a vector v scores
        about :math:`|v| / \sqrt p`. The distances of each direction are exact, by sorting.

    Raises
    ------
    SettingError
        When there are no rows, numbers or names of columns differ, a value is NaN, or the
        distance is no float.

    Notes
    -----
    Rabin, Peyre, Delon and Bernot (2012). A tensor is compared on its device, in its precision;
    arrays in float64.

    Examples
    --------
    >>> sliced_wasserstein([[0.0], [1.0]], [[5.0], [6.0]])
    5.0
    >>> sliced_wasserstein([[0.0], [1.0]], [[0.0], [0.0], [1.0], [1.0]])
    0.0
    """
    first = _rows(x, "x")
    second = _rows(in_order(y, column_names(x)), "y").to(first)
    if first.shape[1] != second.shape[1] or n_projections < 1:
        raise SettingError(
            f"Got rows of {first.shape[1]} and {second.shape[1]} columns and "
            f"n_projections={n_projections!r}. Expected as many columns, and 1 or more."
        )
    # Drawn on the processor, so that they do not depend on the device.
    generator = new_generator(seed_from(random_state))
    directions = random_directions(first.shape[1], n_projections, generator).to(first)
    scale = 2.0 ** common_exponent(first, second)
    found = float(sliced_wasserstein_tensors(first / scale, second / scale, directions))
    return finite_distance(found * scale)


def _rows(values: Any, name: str) -> Tensor:
    """Rows as a floating tensor of shape (n, p)."""
    if isinstance(values, Tensor) and values.is_floating_point():
        if not torch.isfinite(values).all():
            finite_numbers(values, name)
        rows = values.detach()
    else:
        rows = torch.from_numpy(finite_numbers(values, name).astype(np.float64))
    if rows.dim() < 2 or not rows.numel():
        raise SettingError(
            f"Got {name} of shape {tuple(rows.shape)}. Expected (n, p) and one row at least."
        )
    return rows.flatten(1)
