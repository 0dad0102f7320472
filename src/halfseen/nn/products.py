"""Matrix products by the faster of the two libraries that torch has on a processor.

MKL, torch's choice, uses only half the vectors of some processors. oneDNN, which torch has too, is
up to twice as fast there, and equal to rounding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["affine", "product"]

# Products with fewer multiplications are not worth another library's preparations.
LARGE = 2**19
HAS_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(
    torch.ops.mkldnn, "_linear_pointwise"
)


def affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``x @ weight + bias`` for each member.

    Parameters
    ----------
    x : Tensor of shape (M, N, n_in)
        Inputs.
    weight, bias : Tensor of shape (M, n_in, n_out), (M, 1, n_out)
        Parameters.

    Returns
    -------
    Tensor of shape (M, N, n_out)

    Examples
    --------
    >>> affine(torch.ones(1, 1, 2), torch.ones(1, 2, 1), torch.ones(1, 1, 1))
    tensor([[[3.]]])
    """
    members = len(weight)
    if _is_large(x, weight):
        parts = [_Affine.apply(*part) for part in zip(x, weight, bias[:, 0], strict=True)]
        return parts[0][None] if members == 1 else torch.stack(parts)
    if members == 1:
        return torch.addmm(bias[0], x[0], weight[0])[None]
    return torch.baddbmm(bias, x, weight)


def product(a: Tensor, b: Tensor) -> Tensor:
    """``a @ b`` for each member, (M, N, k) and (M, k, m) to (M, N, m).

    Examples
    --------
    >>> product(torch.ones(1, 1, 2), torch.ones(1, 2, 1))
    tensor([[[2.]]])
    """
    if not _is_large(a, b):
        return a @ b
    parts = [_Affine.apply(*part, None) for part in zip(a, b, strict=True)]
    return parts[0][None] if len(parts) == 1 else torch.stack(parts)


def _is_large(x: Tensor, weight: Tensor) -> bool:
    """Whether a product is worth another library: it is large and plain."""
    plain = x.device.type == "cpu" and x.dtype == weight.dtype == torch.float32
    return HAS_ONEDNN and plain and x.shape[1] * weight[0].numel() >= LARGE


class _Affine(torch.autograd.Function):
    """One member's ``x @ weight + bias``, and its derivatives of any order, by oneDNN."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Any:
        return torch.ops.mkldnn._linear_pointwise(x, weight.t(), bias, "none", [], "")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        x, weight, _ = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        x, weight = ctx.saved_tensors
        wants_x, wants_weight, wants_bias = ctx.needs_input_grad
        return (
            _Affine.apply(grad, weight.t(), None) if wants_x else None,
            _Affine.apply(x.t(), grad, None) if wants_weight else None,
            grad.sum(0) if wants_bias else None,
        )
