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
    y : Tensor of shape (B,) or None
        Labels: codes of classes, or standardised numbers; None where they are not to be used.
    labelled : Tensor of shape (B,) or None
        1 where there is a label; elsewhere ``y`` is 0.
    """

    x: Tensor
    s: Tensor
    shown: Tensor
    y: Tensor | None = None
    labelled: Tensor | None = None

    def __len__(self) -> int:
        return self.x.shape[0]


@dataclass(frozen=True)
class Rows:
    """A whole table on the device: batches are index selections, not a data loader.

    Parameters
    ----------
    x, s : Tensor of shape (n, p)
        As in :class:`Batch`.
    y, labelled : Tensor of shape (n,) or None
        As in :class:`Batch`.
    """

    x: Tensor
    s: Tensor
    y: Tensor | None = None
    labelled: Tensor | None = None

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

    def with_labels(self, y: np.ndarray) -> Rows:
        """The same rows with labels (n,), NaN where there is none.

        Examples
        --------
        >>> Rows.from_values(np.zeros((2, 1))).with_labels(np.array([1.0, np.nan])).labelled
        tensor([1., 0.])
        """
        known = ~np.isnan(y)
        labels = torch.as_tensor(np.where(known, y, 0.0), dtype=self.x.dtype)
        labelled = torch.as_tensor(known, dtype=self.x.dtype)
        return Rows(self.x, self.s, labels.to(self.x.device), labelled.to(self.x.device))

    def __len__(self) -> int:
        return self.x.shape[0]

    def take(self, index: Tensor | slice, shown: Tensor | None = None) -> Batch:
        """The rows at ``index``; ``shown`` restricts what the encoder sees."""
        s = self.s[index]
        y = None if self.y is None else self.y[index]
        labelled = None if self.labelled is None else self.labelled[index]
        return Batch(self.x[index], s, s if shown is None else shown, y, labelled)
