"""Rows of an incomplete table as tensors, with the promise that none of them holds NaN."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

__all__ = ["Batch", "Rows"]


@dataclass(frozen=True)
class Batch:
    """Some rows on their way through a model.

    Parameters
    ----------
    x : Tensor of shape (B, p)
        Cells in model units; 0 where not observed, never NaN.
    s : Tensor of shape (B, p) or (M, 1, B, p)
        The mask, 1 = observed. These cells are scored; members may score different cells.
    shown : Tensor of the shape of ``s``
        Which cells the encoder sees: ``s``, or less while training hides further cells.
    """

    x: Tensor
    s: Tensor
    shown: Tensor

    def __len__(self) -> int:
        return self.x.shape[0]


@dataclass(frozen=True)
class Rows:
    """A whole table on the device: batches are index selections, not a data loader.

    Parameters
    ----------
    x, s : Tensor of shape (n, p)
        As in :class:`Batch`.
    """

    x: Tensor
    s: Tensor

    @classmethod
    def from_values(
        cls,
        values: np.ndarray,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
    ) -> Rows:
        """Rows from model units with NaN where missing.

        Examples
        --------
        >>> rows = Rows.from_values(np.array([[1.0, np.nan]]))
        >>> rows.x, rows.s
        (tensor([[1., 0.]]), tensor([[1., 0.]]))
        """
        seen = ~np.isnan(values)
        kind = dtype or torch.float32
        # Far outside anything seen in fit, float32 must neither overflow nor square to inf.
        x = np.clip(np.where(seen, values, 0.0), -1e12, 1e12)
        return cls(
            torch.as_tensor(x, dtype=kind, device=device),
            torch.as_tensor(seen, dtype=kind, device=device),
        )

    def __len__(self) -> int:
        return self.x.shape[0]

    def take(self, index: Tensor | slice, shown: Tensor | None = None) -> Batch:
        """The rows at ``index``; ``shown`` restricts what the encoder sees."""
        s = self.s[index]
        return Batch(self.x[index], s, s if shown is None else shown)
