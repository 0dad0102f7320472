"""Networks with a leading axis of members: several independent starts as one tensor operation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from halfseen.errors import SettingError

__all__ = ["ACTIVATIONS", "StackedLinear", "StackedMLP"]


def _fast_tanh(x: Tensor) -> Tensor:
    # tanh by a sigmoid: several times faster on processors, equal to within one rounding.
    return 2.0 * torch.sigmoid(2.0 * x) - 1.0


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "relu": functional.relu,
    "elu": functional.elu,
    "silu": functional.silu,
    "tanh": _fast_tanh,
}


class StackedLinear(nn.Module):
    """An affine map per member.

    Parameters
    ----------
    n_members, n_in, n_out : int
        M, and the widths of the map.
    generator : torch.Generator
        For the initial values.
    init : {"torch", "glorot", "zero"}, default="torch"
        Uniform in 1/sqrt(n_in) for weight and bias; Glorot-uniform with zero bias (Keras);
        or zeros.

    Examples
    --------
    >>> layer = StackedLinear(2, 3, 4, torch.Generator().manual_seed(0))
    >>> layer(torch.zeros(2, 5, 7, 3)).shape
    torch.Size([2, 5, 7, 4])
    """

    def __init__(
        self,
        n_members: int,
        n_in: int,
        n_out: int,
        generator: torch.Generator,
        init: str = "torch",
    ) -> None:
        super().__init__()
        limit = {
            "torch": 1 / math.sqrt(max(n_in, 1)),
            "glorot": math.sqrt(6 / max(n_in + n_out, 1)),
            "zero": 0.0,
        }[init]
        self.weight = nn.Parameter(_uniform((n_members, n_in, n_out), limit, generator))
        bias_limit = limit if init == "torch" else 0.0
        self.bias = nn.Parameter(_uniform((n_members, 1, n_out), bias_limit, generator))

    def forward(self, x: Tensor) -> Tensor:
        """Map (M, ..., n_in) to (M, ..., n_out)."""
        members, n_in, n_out = self.weight.shape
        shape = x.shape
        if members == 1:
            flat = torch.addmm(self.bias[0], x.reshape(-1, n_in), self.weight[0])
        else:
            flat = torch.baddbmm(self.bias, x.reshape(members, -1, n_in), self.weight)
        return flat.view(*shape[:-1], n_out)


class StackedMLP(nn.Module):
    """A multilayer perceptron per member, ending in its last hidden layer.

    Parameters
    ----------
    n_members, n_in : int
        M, and the width of the input.
    hidden : sequence of int
        Widths of the hidden layers; empty for the identity (a linear model's body).
    activation : str, default="gelu"
        One of ``ACTIVATIONS``.
    residual : bool, default=False
        Whether layers of equal width add their input.
    """

    def __init__(
        self,
        n_members: int,
        n_in: int,
        hidden: Sequence[int],
        generator: torch.Generator,
        *,
        activation: str = "gelu",
        init: str = "torch",
        residual: bool = False,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise SettingError(
                f"Got activation={activation!r}. Expected one of {sorted(ACTIVATIONS)}."
            )
        widths = [n_in, *hidden]
        self.layers = nn.ModuleList(
            StackedLinear(n_members, a, b, generator, init) for a, b in itertools.pairwise(widths)
        )
        self.activation, self.residual, self.n_out = activation, residual, widths[-1]

    def forward(self, x: Tensor) -> Tensor:
        """Map (M, ..., n_in) to (M, ..., hidden[-1])."""
        act = ACTIVATIONS[self.activation]
        for layer in self.layers:
            h = act(layer(x))
            x = x + h if self.residual and h.shape == x.shape else h
        return x


def _uniform(shape: tuple[int, ...], limit: float, generator: torch.Generator) -> Tensor:
    u = torch.rand(shape, generator=generator, device=generator.device)
    return (2 * u - 1) * limit
