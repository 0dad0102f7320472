"""Quantiles of a predictive law of a number: the levels that are asked, and those of mixtures."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen.errors import SettingError

__all__ = ["mixture_quantiles", "quantile_levels"]


def quantile_levels(q: Any) -> np.ndarray:
    """Levels of quantiles (L,), from one or a list of them.

    Raises
    ------
    SettingError
        When they are no numbers in (0, 1).

    Examples
    --------
    >>> quantile_levels(0.5).tolist(), quantile_levels([0.1, 0.9]).tolist()
    ([0.5], [0.1, 0.9])
    """
    try:
        levels = np.atleast_1d(np.asarray(q, dtype=float))
    except (TypeError, ValueError):
        levels = np.zeros(1)
    if levels.ndim > 1 or not ((levels > 0) & (levels < 1)).all():
        raise SettingError(
            f"Got q={q!r}. Expected a number strictly between 0 and 1, or a list of such numbers."
        )
    return levels


def mixture_quantiles(mu: np.ndarray, sigma: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Quantiles of equally weighted Gaussian mixtures (R, n), by bisection: shape (n, levels).

    Examples
    --------
    >>> import numpy as np
    >>> mixture_quantiles(np.zeros((3, 1)), np.ones((3, 1)), np.array([0.5])).round(3).tolist()
    [[0.0]]
    """
    from scipy.special import ndtr

    out = np.empty((mu.shape[1], len(levels)))
    for i, level in enumerate(levels):
        low, high = (mu - 8 * sigma).min(0), (mu + 8 * sigma).max(0)
        for _ in range(50):
            middle = 0.5 * (low + high)
            below = ndtr((middle - mu) / sigma).mean(0) < level
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        out[:, i] = 0.5 * (low + high)
    return out
