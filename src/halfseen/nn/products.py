"""Matrix products by the faster of the two libraries that torch has on a processor.

MKL, torch's choice, uses only half the vectors of some processors. oneDNN, which torch has too, is
up to twice as fast there, and equal to rounding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["affine", "product"]

# Products with fewer multiplications are not worth another library's preparations, which come
# three times where something is learned.
LARGE, LARGE_LEARNED = 2**21, 2**23
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
    if _is_large(x, weight):
        return _multiply(x, weight, bias)
    if len(weight) == 1:
        # Not by an index, whose derivative would be a copy into zeros.
        return torch.addmm(bias.squeeze(0), x.squeeze(0), weight.squeeze(0)).unsqueeze(0)
    return torch.baddbmm(bias, x, weight)


def product(a: Tensor, b: Tensor) -> Tensor:
    """``a @ b`` for each member, (M, N, k) and (M, k, m) to (M, N, m).

    Examples
    --------
    >>> product(torch.ones(1, 1, 2), torch.ones(1, 2, 1))
    tensor([[[2.]]])
    """
    return _multiply(a, b, None) if _is_large(a, b) else torch.bmm(a, b)


def _is_large(x: Tensor, weight: Tensor) -> bool:
    """Whether a product is worth another library: it is large and plain."""
    plain = x.device.type == "cpu" and x.dtype == weight.dtype == torch.float32
    least = LARGE_LEARNED if torch.is_grad_enabled() else LARGE
    return HAS_ONEDNN and plain and x.shape[1] * weight.shape[1:].numel() >= least


def _multiply(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``x @ weight + bias`` by oneDNN, recorded only where something may be learned by it."""
    return _Affine.apply(x, weight, bias) if torch.is_grad_enabled() else _onednn(x, weight, bias)


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    biases = [None] * len(weight) if bias is None else bias[:, 0]
    parts = [
        torch.ops.mkldnn._linear_pointwise(one, _dense(w).t(), b, "none", [], "")
        for one, w, b in zip(x, weight, biases, strict=True)
    ]
    return parts[0][None] if len(parts) == 1 else torch.stack(parts)


def _dense(weight: Tensor) -> Tensor:
    """A copy of a weight whose rows do not follow each other: oneDNN would be very slow."""
    dense = weight.is_contiguous() or weight.t().is_contiguous()
    return weight if dense else weight.contiguous()


class _Affine(torch.autograd.Function):
    """``x @ weight + bias`` for each member, and its derivatives of any order, by oneDNN."""

    # With a setup_context of its own each call would take 12 us longer.
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Any:
        ctx.save_for_backward(x, weight)
        return _onednn(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        x, weight = ctx.saved_tensors
        wants_x, wants_weight, wants_bias = ctx.needs_input_grad
        return (
            _multiply(grad, weight.mT, None) if wants_x else None,
            _multiply(x.mT, grad, None) if wants_weight else None,
            grad.sum(1, keepdim=True) if wants_bias else None,
        )
