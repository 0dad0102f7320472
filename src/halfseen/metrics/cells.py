"""What all metrics share: arrays checked against each other, and the cells that count."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen.errors import SettingError

__all__ = ["check_draws", "check_missing", "check_numbers", "column_rmse"]


def check_missing(shape: tuple[int, ...], s: Any) -> np.ndarray:
    """Which cells are missing, bool of shape (n, p)."""
    missing = np.asarray(s) == 0
    if missing.shape != shape:
        raise SettingError(f"Got a mask of shape {missing.shape}. Expected {shape}, as x_true.")
    if not missing.any():
        raise SettingError("Got a mask without a missing cell (s = 0). There is nothing to score.")
    return missing


def check_numbers(x_true: Any, x_hat: Any, s: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth and answer as float64 (n, p), and the missing cells; both finite in these."""
    truth, answer = np.asarray(x_true, dtype=float), np.asarray(x_hat, dtype=float)
    if answer.shape != truth.shape or truth.ndim != 2:
        raise SettingError(
            f"Got x_true of shape {truth.shape} and x_hat of shape {answer.shape}. "
            "Expected one shape (n, p)."
        )
    missing = check_missing(truth.shape, s)
    for name, array in (("x_true", truth), ("x_hat", answer)):
        _check_finite(name, array[missing])
    return truth, answer, missing


def check_draws(draws: Any, x_true: Any, s: Any) -> tuple[np.ndarray, np.ndarray]:
    """Draws (m, cells) and truth (cells,) of the missing cells."""
    truth, samples = np.asarray(x_true, dtype=float), np.asarray(draws, dtype=float)
    if samples.ndim != 3 or samples.shape[1:] != truth.shape:
        raise SettingError(
            f"Got draws of shape {samples.shape}. Expected (n_draws, *{truth.shape})."
        )
    missing = check_missing(truth.shape, s)
    _check_finite("x_true", truth[missing])
    _check_finite("draws", samples[:, missing])
    return samples[:, missing], truth[missing]


def _check_finite(name: str, cells: np.ndarray) -> None:
    wrong = int(np.count_nonzero(~np.isfinite(cells)))
    if wrong:
        raise SettingError(
            f"Got {wrong} missing cell(s) where {name} is not finite. Expected numbers: mark "
            "cells of unknown truth as seen (s = 1) to leave them out."
        )


def column_rmse(truth: np.ndarray, answer: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Root mean squared error of each column over its missing cells, NaN without any."""
    square = np.where(missing, answer - truth, 0.0) ** 2
    count = missing.sum(0)
    return np.sqrt(np.where(count > 0, square.sum(0) / np.maximum(count, 1), np.nan))
