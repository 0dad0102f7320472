"""From columns to features: one number per numeric column, one indicator per category."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from halfseen.core.spec import DataSpec

__all__ = ["Features"]


class Features(nn.Module):
    """Expand rows of p columns into F features and contract them again.

    Examples
    --------
    >>> from halfseen.core.spec import Column
    >>> spec = DataSpec((Column("age", "continuous"), Column("sex", "binary", n_levels=2)))
    >>> expand = Features(spec)
    >>> expand(torch.tensor([[0.5, 1.0]]))
    tensor([[0.5000, 0.0000, 1.0000]])
    >>> expand.contract(torch.tensor([[0.5, 0.3, 0.7]]))
    tensor([[0.5000, 1.0000]])
    """

    numeric: Tensor
    categorical: Tensor
    numeric_at: Tensor
    categorical_at: Tensor
    column: Tensor

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.spec = spec
        # The types matter where there is no column at all.
        widths = torch.tensor([column.width for column in spec.columns], dtype=torch.long)
        is_categorical = torch.tensor([c.categorical for c in spec.columns], dtype=torch.bool)
        start = torch.tensor(spec.offsets[:-1], dtype=torch.long)
        self.register_buffer("numeric", torch.nonzero(~is_categorical)[:, 0], persistent=False)
        self.register_buffer("categorical", torch.nonzero(is_categorical)[:, 0], persistent=False)
        self.register_buffer("numeric_at", start[~is_categorical], persistent=False)
        self.register_buffer("categorical_at", start[is_categorical], persistent=False)
        self.register_buffer(
            "column",
            torch.repeat_interleave(torch.arange(spec.n_columns), widths),
            persistent=False,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Rows (..., p) with codes to features (..., F)."""
        if not len(self.categorical):
            return x
        out = x.new_zeros(*x.shape[:-1], self.spec.n_features)
        out[..., self.numeric_at] = x[..., self.numeric]
        code = x[..., self.categorical].long() + self.categorical_at
        return out.scatter_(-1, code, 1.0)

    def mask(self, s: Tensor) -> Tensor:
        """Masks (..., p) repeated to features (..., F)."""
        return s[..., self.column] if len(self.categorical) else s

    def contract(self, features: Tensor) -> Tensor:
        """Features (..., F) to rows (..., p): the most probable category of each column."""
        if not len(self.categorical):
            return features
        out = features.new_zeros(*features.shape[:-1], self.spec.n_columns)
        out[..., self.numeric] = features[..., self.numeric_at]
        for j in self.categorical.tolist():
            block = features[..., self.spec.offsets[j] : self.spec.offsets[j + 1]]
            out[..., j] = block.argmax(-1).to(features.dtype)
        return out
