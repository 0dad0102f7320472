"""Choose settings by the held-out bound: short fits on most rows, scored on the others."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from halfseen.core.spec import DataSpec
from halfseen.estimators.resuming import check_ended

if TYPE_CHECKING:
    from halfseen.estimators.latent import LatentImputer

__all__ = ["candidates", "choose_settings"]


def candidates(n_columns: int) -> list[dict[str, Any]]:
    """Settings that a search tries: sizes of z, linear or not, with or without decay.

    Examples
    --------
    >>> len(candidates(10)), candidates(2)[0]
    (12, {'n_latent': 2, 'decoder': 'linear', 'weight_decay': 0.0})
    """
    sizes = sorted({max(1, n_columns // 3), max(2, n_columns * 2 // 3), min(n_columns, 32)})
    grid = product(sizes, ("linear", "skip"), (0.0, 0.1))
    return [
        {"n_latent": size, "decoder": decoder, "weight_decay": decay}
        for size, decoder, decay in grid
        if n_columns > 2 or size == 2
    ]


def choose_settings(
    imputer: LatentImputer, values: np.ndarray, spec: DataSpec, share: float = 0.25
) -> list[dict[str, Any]]:
    """Every candidate with its held-out bound, best first.

    Parameters
    ----------
    imputer : LatentImputer
        Its other settings are kept.
    values : array of shape (n, p)
        Data units, NaN where missing.
    spec : DataSpec
        The columns.
    share : float
        Part of the training steps that each candidate gets, by one start each.

    Returns
    -------
    list of dict
        The settings, and ``bound``, the best mean bound of held-out rows.
    """
    steps = max(20, int(share * imputer._steps(len(values))))
    scored = []
    for settings in candidates(spec.n_columns):
        trial = clone(imputer).set_params(
            search=False,
            validation="rows",
            calibrate=False,
            validation_fraction=0.2,
            n_members=1,
            max_steps=steps,
            verbose=False,
            **settings,
        )
        trial._fit_values(values, spec)
        check_ended(trial, "one of the settings that are tried")
        scores = [row["monitor"] for row in trial.history_ if "monitor" in row]
        scored.append({**settings, "bound": max(scores, default=float("-inf"))})
    return sorted(scored, key=lambda row: -row["bound"])
