"""Rows of an incomplete table as tensors, with the promise that none of them holds NaN."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from halfseen.core.hole_law import HoleLaw

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
    extra : Tensor of shape (B, e) or None
        What a head sees beside the features: indicators of missing cells.
    law : HoleLaw or None
        What the missing cells may be, in models that look at it and where it is known already.
    """

    x: Tensor
    s: Tensor
    shown: Tensor
    y: Tensor | None = None
    labelled: Tensor | None = None
    extra: Tensor | None = None
    law: HoleLaw | None = None

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
    extra : Tensor of shape (n, e) or None
        As in :class:`Batch`.
    law : HoleLaw or None
        As in :class:`Batch`.
    """

    x: Tensor
    s: Tensor
    y: Tensor | None = None
    labelled: Tensor | None = None
    extra: Tensor | None = None
    law: HoleLaw | None = None

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
        device = self.x.device
        return replace(self, y=labels.to(device), labelled=labelled.to(device))

    def with_extra(self, extra: np.ndarray) -> Rows:
        """The same rows with further features (n, e) of a head."""
        tensor = torch.as_tensor(extra, dtype=self.x.dtype, device=self.x.device)
        return replace(self, extra=tensor)

    def part(self, index: Tensor | slice) -> Rows:
        """Some of the rows."""
        fields = (self.x, self.s, self.y, self.labelled, self.extra, self.law)
        return Rows(*(None if field is None else field[index] for field in fields))  # type: ignore[arg-type]

    def __len__(self) -> int:
        return self.x.shape[0]

    def take(self, index: Tensor | slice, shown: Tensor | None = None) -> Batch:
        """The rows at ``index``; ``shown`` restricts what the encoder sees."""
        some = self.part(index)
        seen = some.s if shown is None else shown
        return Batch(some.x, some.s, seen, some.y, some.labelled, some.extra, some.law)
