"""Masked arithmetic: choose first, then multiply, because 0 * inf and 0 * NaN are NaN."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["log_mean_exp", "masked_sum", "merge"]


def masked_sum(values: Tensor, mask: Tensor) -> Tensor:
    """Sum of ``values`` over the last axis where ``mask`` is 1.

    Cells outside the mask may be infinite or NaN; they do not enter, nor does their gradient
    as long as the caller fed them a harmless value (the "double where").
    """
    return torch.where(mask > 0, values, torch.zeros((), dtype=values.dtype)).sum(-1)


def merge(observed: Tensor, completion: Tensor, mask: Tensor) -> Tensor:
    """Observed cells where ``mask`` is 1, the completion elsewhere."""
    return torch.where(mask > 0, observed, completion)


def log_mean_exp(log_values: Tensor, dim: int) -> Tensor:
    """Log of the mean of exp(log_values) along ``dim``."""
    return torch.logsumexp(log_values, dim) - torch.log(
        torch.tensor(float(log_values.shape[dim]), dtype=log_values.dtype)
    )
