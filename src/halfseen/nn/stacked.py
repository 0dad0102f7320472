"""Networks with a leading axis of members: several independent starts as one tensor operation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from halfseen.errors import SettingError
from halfseen.nn.norm import StackedBatchNorm
from halfseen.nn.products import affine

__all__ = [
    "ACTIVATIONS",
    "INITS",
    "Copies",
    "Interleaved",
    "StackedLinear",
    "StackedMLP",
    "StackedNetwork",
    "activation_named",
    "uniform_start",
]

# How the weights of a network may start.
INITS = ("torch", "he", "glorot")


class Copies(nn.ModuleList):
    """One module per member, for networks whose parameters have no leading axis of members."""


class Interleaved(nn.Module):
    """A module whose leading axis is not M but M times as many copies as a member has.

    Attributes
    ----------
    n_copies : int
        Copies of one member, which follow each other.
    """

    n_copies: int


def _fast_tanh(x: Tensor) -> Tensor:
    # tanh by a sigmoid: several times faster on processors, equal to within one rounding.
    return 2.0 * torch.sigmoid(2.0 * x) - 1.0


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "relu": functional.relu,
    "elu": functional.elu,
    "silu": functional.silu,
    "tanh": _fast_tanh,
    "leaky_relu": functional.leaky_relu,
}


def activation_named(name: str) -> Callable[[Tensor], Tensor]:
    """One of ``ACTIVATIONS``."""
    if name not in ACTIVATIONS:
        raise SettingError(f"Got activation={name!r}. Expected one of {sorted(ACTIVATIONS)}.")
    return ACTIVATIONS[name]


def uniform_start(
    weight: tuple[int, ...],
    bias: tuple[int, ...],
    fans: tuple[int, int],
    generator: torch.Generator,
    init: str,
) -> tuple[nn.Parameter, nn.Parameter]:
    """Initial weight and bias of a layer.

    Parameters
    ----------
    weight, bias : tuple of int
        Shapes.
    fans : tuple of int
        Numbers of inputs and of outputs that one unit meets.
    generator : torch.Generator
        Source of the values.
    init : {"torch", "he", "glorot", "zero"}
        Uniform in 1/sqrt(inputs) for weight and bias; He-uniform with zero bias; Glorot-uniform
        with zero bias (Keras); or zeros.
    """
    n_in, n_out = (max(fan, 1) for fan in fans)
    limit = {
        "torch": 1 / math.sqrt(n_in),
        "he": math.sqrt(6 / n_in),
        "glorot": math.sqrt(6 / (n_in + n_out)),
        "zero": 0.0,
    }
    bias_limit = limit[init] if init == "torch" else 0.0
    return (
        nn.Parameter(_uniform(weight, limit[init], generator)),
        nn.Parameter(_uniform(bias, bias_limit, generator)),
    )


class StackedLinear(nn.Module):
    """An affine map per member.

    Parameters
    ----------
    n_members, n_in, n_out : int
        M, and the widths of the map.
    generator : torch.Generator
        For the initial values.
    init : {"torch", "he", "glorot", "zero"}, default="torch"
        Uniform in 1/sqrt(n_in) for weight and bias; He-uniform with zero bias (a variance of
        2/n_in); Glorot-uniform with zero bias (Keras); or zeros.

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
        self.weight, self.bias = uniform_start(
            (n_members, n_in, n_out), (n_members, 1, n_out), (n_in, n_out), generator, init
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (M, ..., n_in) to (M, ..., n_out)."""
        if x.dim() == 3:
            return affine(x, self.weight, self.bias)
        members, n_in, n_out = self.weight.shape
        # Counted, because -1 would mean nothing where there is no input at all.
        flat = x.reshape(members, math.prod(x.shape[1:-1]), n_in)
        return affine(flat, self.weight, self.bias).view(*x.shape[:-1], n_out)


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
    dropout : float, default=0
        Share of hidden units that are left out while training.
    normalize : bool, default=False
        Whether the first layer is followed by batch normalisation.

    Attributes
    ----------
    n_out, width : int
        The last width, and the largest.
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
        dropout: float = 0.0,
        normalize: bool = False,
    ) -> None:
        super().__init__()
        widths = [n_in, *hidden]
        self.layers = nn.ModuleList(
            StackedLinear(n_members, a, b, generator, init) for a, b in itertools.pairwise(widths)
        )
        self.activation, self.residual = activation_named(activation), residual
        self.n_members, self.n_out, self.width = n_members, widths[-1], max(widths)
        self.dropout = dropout
        norms = [StackedBatchNorm(n_members, hidden[0])] if normalize and hidden else []
        self.norms = nn.ModuleList([*norms, *(nn.Identity() for _ in hidden[len(norms) :])])

    def forward(self, x: Tensor) -> Tensor:
        """Map (M, ..., n_in) to (M, ..., hidden[-1])."""
        for layer, norm in zip(self.layers, self.norms, strict=True):
            h = self.activation(norm(layer(x)))
            if self.dropout:
                h = functional.dropout(h, self.dropout, self.training)
            x = x + h if self.residual and h.shape == x.shape else h
        return x


class StackedNetwork(nn.Module):
    """A multilayer perceptron per member with an affine last layer.

    Parameters
    ----------
    body : StackedMLP
        The hidden layers, one at least.
    n_out : int
        Width of the output.
    generator : torch.Generator
        For the initial values of the last layer.
    init : str, default="torch"
        See :class:`StackedLinear`.

    Attributes
    ----------
    width : int
        The largest width.
    """

    def __init__(
        self, body: StackedMLP, n_out: int, generator: torch.Generator, init: str = "torch"
    ) -> None:
        super().__init__()
        self.body = body
        self.out = StackedLinear(body.n_members, body.n_out, n_out, generator, init)
        self.width = max(body.width, n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map (M, ..., n_in) to (M, ..., n_out)."""
        return self.out(self.body(x))

    def squared_size(self) -> Tensor:
        """Sum of squared weights over members, those of the last layer times its inputs.

        A Gaussian prior on this is one on the size of the function and not of its parts.
        """
        layers: list[StackedLinear] = list(self.body.layers)  # type: ignore[arg-type]
        inner = torch.stack([(layer.weight**2).sum() for layer in layers]).sum()
        return inner + self.out.weight.shape[1] * (self.out.weight**2).sum()


def _uniform(shape: tuple[int, ...], limit: float, generator: torch.Generator) -> Tensor:
    u = torch.rand(shape, generator=generator, device=generator.device)
    return (2 * u - 1) * limit
