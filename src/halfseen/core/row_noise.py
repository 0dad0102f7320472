"""Noise that belongs to a row: it depends on the row's content, not on its neighbours.

Multiple imputations need noise that is independent across rows (one shared block would make
all rows err together), yet a row's draw must not change when other rows come or go. So each
row's stream is keyed by a hash of its cells; equal rows of one call are told apart by count,
but for predictions.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from halfseen.core.noise import Noise

__all__ = ["RowNoise", "row_keys"]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(v: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014) on uint64 arrays."""
    v = (v ^ (v >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    v = (v ^ (v >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return v ^ (v >> np.uint64(31))


def row_keys(x: np.ndarray, s: np.ndarray, seed: int, *, apart: bool = True) -> np.ndarray:
    """One 64-bit key per row from its cells, its mask, its repetition and the seed.

    Parameters
    ----------
    x, s : array of shape (B, p)
        Cells and mask, float32.
    seed : int
        The caller's seed.
    apart : bool, default=True
        Whether equal rows have different keys: their draws are then independent. Predictions,
        which are to be the same for equal rows, have the same.

    Returns
    -------
    uint64 array of shape (B,)
    """
    words = np.concatenate([x, s], 1).astype(np.float32).view(np.uint32).astype(np.uint64)
    with np.errstate(over="ignore"):
        key = _mix(np.full(len(x), seed, np.uint64) + GOLDEN)
        for word in words.T:
            key = _mix((key ^ word) + GOLDEN)
        return _mix(key + (_repetition(key) if apart else np.uint64(0)) * GOLDEN)


def _repetition(key: np.ndarray) -> np.ndarray:
    """How many equal keys came before each."""
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    first = np.r_[True, ordered[1:] != ordered[:-1]]
    start = np.maximum.accumulate(np.where(first, np.arange(len(key)), 0))
    count = np.empty(len(key), np.uint64)
    count[order] = (np.arange(len(key)) - start).astype(np.uint64)
    return count


class RowNoise(Noise):
    """Noise of shape (members, draws, B, ...) from one key per row.

    Parameters
    ----------
    keys : uint64 array of shape (B,)
        From :func:`row_keys`.
    n_members, n_draws : int
        Leading axes.
    """

    def __init__(
        self, keys: np.ndarray, n_members: int, n_draws: int, device: torch.device | str = "cpu"
    ) -> None:
        self.keys, self.leading = keys, (n_members, n_draws)
        self.calls, self.device = 0, device

    def uniform(self, *size: int) -> Tensor:
        """Uniform noise strictly inside (0, 1)."""
        self.calls += 1
        per_row = int(np.prod([*self.leading, *size]))
        with np.errstate(over="ignore"):
            counter = _mix(np.arange(per_row, dtype=np.uint64) + np.uint64(self.calls << 40))
            bits = _mix(self.keys[:, None] + counter * GOLDEN)
        u = ((bits >> np.uint64(40)).astype(np.float32) + 0.5) / 2**24
        # The largest of these rounds to 1 in float32.
        u = np.minimum(u, np.float32(1 - 2**-24))
        u = u.reshape(len(self.keys), *self.leading, *size)
        return torch.from_numpy(np.moveaxis(u, 0, 2).copy()).to(self.device)

    def normal(self, *size: int) -> Tensor:
        """Standard normal noise by inversion."""
        return torch.special.ndtri(self.uniform(*size).clamp(1e-7, 1 - 1e-7))
