"""Tensors of two axes as containers: an array to read, a tensor to hand back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from halfseen.tables.arrays import Array
from halfseen.tables.containers import Fill
from halfseen.tables.raw import round_clip
from halfseen.tables.strangers import TableTypeError, refuse_array

__all__ = ["TensorTable"]

_OF_NUMPY = (torch.float16, torch.float32, torch.float64)


class TensorTable(Array):
    """A two-dimensional tensor; its columns are named ``x0``, ``x1``, ..."""

    def __init__(self, table: Tensor) -> None:
        array = _to_numpy(table)
        refuse_array(array, table)
        super().__init__(array)
        self.tensor = table

    def record(self) -> dict[str, Any]:
        """Type of the numbers, and how many columns there are."""
        dtype = str(self.tensor.dtype).removeprefix("torch.")
        return {"container": "tensor", "dtype": dtype, "n_columns": self.shape[1]}

    @staticmethod
    def blank(record: Mapping[str, Any], n: int) -> Any:
        """A tensor of NaN, of float64 where integers were."""
        dtype = getattr(torch, record["dtype"])
        wide = dtype if dtype.is_floating_point else torch.float64
        return torch.full((n, record["n_columns"]), torch.nan, dtype=wide)

    @staticmethod
    def exact(table: Any, record: Mapping[str, Any]) -> Any:
        """Integers or truth values where no cell is missing."""
        dtype = getattr(torch, record["dtype"])
        if table.dtype == dtype or table.isnan().any():
            return table
        if dtype is torch.bool:
            return table.bool()
        whole = np.dtype(record["dtype"])
        return torch.from_numpy(round_clip(table.numpy(), whole))

    def replace(self, fills: dict[int, Fill]) -> Any:
        """Copy of the tensor, without its gradient, in which some cells are replaced."""
        filled = torch.from_numpy(super().replace(fills))
        dtype = self.tensor.dtype
        if dtype.is_floating_point:
            most = torch.finfo(dtype).max
            filled = filled.clamp(-most, most)
        return filled.to(device=self.tensor.device, dtype=dtype)


def _to_numpy(tensor: Tensor) -> np.ndarray:
    if tensor.layout is not torch.strided:
        raise TableTypeError(
            "Sparse data was passed for X: a sparse tensor. Expected a dense one: pass "
            "tensor.to_dense()."
        )
    plain = tensor.detach().cpu()
    # NumPy knows neither bfloat16 nor what is narrower; float32 holds all of their numbers.
    narrow = plain.is_floating_point() and plain.dtype not in _OF_NUMPY
    return (plain.float() if narrow else plain).numpy()
