"""Critics: networks that say how much more real one row looks than another.

A critic of a Wasserstein GAN with gradient penalty (Gulrajani et al., 2017) needs three things in
every step: what it says of real rows, what it says of fake ones, and the length of its gradient
between them. ``compare`` gives all three, so that a critic that knows a shorter way can take it.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from halfseen.errors import SettingError
from halfseen.nn.products import affine, product
from halfseen.nn.stacked import StackedLinear

__all__ = ["Comparison", "Critic", "MLPCritic"]

LEAK = 0.2
# A slope shorter than this has no direction.
TINY = 1e-12


@dataclass(frozen=True)
class Comparison:
    """What a critic says of real and of fake rows.

    Parameters
    ----------
    real, fake : Tensor of shape (M, B)
        Scores.
    slope : Tensor of shape (M, B)
        Length of the gradient of the score by the row, halfway between real and fake.
    """

    real: Tensor
    fake: Tensor
    slope: Tensor


class Critic(nn.Module, ABC):
    """A score per row, one critic per member."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Scores (M, B) of rows (M, B, n_in)."""

    def compare(self, real: Tensor, fake: Tensor, share: Tensor) -> Comparison:
        """Scores and the length of the gradient at ``share * real + (1 - share) * fake``.

        Parameters
        ----------
        real, fake : Tensor of shape (M, B, n_in)
            Rows; nothing is learned through them.
        share : Tensor of shape (M, B, 1)
            In [0, 1].
        """
        between = torch.lerp(fake, real, share).detach().requires_grad_()
        score = self(between).sum()
        (gradient,) = torch.autograd.grad(score, between, create_graph=True)
        slope = torch.linalg.vector_norm(gradient, dim=-1)
        return Comparison(self(real), self(fake), slope)


class MLPCritic(Critic):
    """A multilayer perceptron with piecewise linear units.

    Its gradient by the row is a product of its own weights, with the units that are off left out.
    So the gradient penalty is an ordinary forward pass, and nothing has to be differentiated
    twice.

    Parameters
    ----------
    n_members, n_in : int
        M, and the width of a row.
    hidden : sequence of int
        Widths of the hidden layers, one at least.
    generator : torch.Generator
        For the initial values.
    activation : {"relu", "leaky_relu"}, default="relu"
        Of hidden units; the leak is 0.2.

    Examples
    --------
    >>> critic = MLPCritic(1, 3, (8, 4), torch.Generator().manual_seed(0))
    >>> critic(torch.zeros(1, 5, 3)).shape
    torch.Size([1, 5])
    """

    def __init__(
        self,
        n_members: int,
        n_in: int,
        hidden: Sequence[int],
        generator: torch.Generator,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        if activation not in ("relu", "leaky_relu") or not hidden:
            raise SettingError(
                f"Got activation={activation!r}, hidden={hidden!r}. Expected 'relu' or "
                "'leaky_relu' and one hidden layer at least."
            )
        self.leak = LEAK if activation == "leaky_relu" else 0.0
        self.layers = nn.ModuleList(
            StackedLinear(n_members, a, b, generator)
            for a, b in itertools.pairwise((n_in, *hidden, 1))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Scores (M, B) of rows (M, B, n_in)."""
        x = self.layers[0](x)
        for layer in self.layers[1:]:
            x = layer(functional.leaky_relu(x, self.leak))
        return x[..., 0]

    def compare(self, real: Tensor, fake: Tensor, share: Tensor) -> Comparison:
        """As in :class:`Critic`, without differentiating twice."""
        layers: list[StackedLinear] = list(self.layers)  # type: ignore[arg-type]
        weights, biases = [layer.weight for layer in layers], [layer.bias for layer in layers]
        return Comparison(*_Compared.apply(real, fake, share, self.leak, *weights, *biases))


class _Compared(torch.autograd.Function):
    r"""Scores of real and fake rows and the slope between them, for a perceptron.

    With :math:`h_0 = x` and :math:`h_l = (h_{l-1} W_l + b_l) k_l`, where :math:`k_l` is 1, or 0
    (or the leak) for a unit that is off, the score is :math:`h_L W + b`. From the end to the
    start,

    .. math:: v_L = k_L W^\top, \quad v_l = k_l (v_{l+1} W_{l+1}^\top), \quad g = v_1 W_1^\top

    is its gradient by the row. A weight's derivative is :math:`h_{l-1}^\top v_l` of the score, and
    :math:`t_{l-1}^\top v_l` of the slope :math:`|g|`, where :math:`t_0 = g / |g|` and
    :math:`t_l = k_l (t_{l-1} W_l)`: scores and slopes together are one product per layer.
    """

    @staticmethod
    def forward(
        ctx: Any, real: Tensor, fake: Tensor, share: Tensor, leak: float, *parameters: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        n, depth = real.shape[1], len(parameters) // 2
        weights, biases = parameters[:depth], parameters[depth:]
        x = torch.cat([real, fake], 1)
        h = affine(x, weights[0], biases[0])
        # The first layer of a mixture of two rows is the mixture of theirs.
        h = torch.cat([h, torch.lerp(h[:, n:], h[:, :n], share)], 1)
        units = [functional.leaky_relu(h, leak, inplace=True)]
        for weight, bias in zip(weights[1:-1], biases[1:-1], strict=True):
            h = affine(units[-1], weight, bias)
            units.append(functional.leaky_relu(h, leak, inplace=True))
        score = affine(units[-1][:, : 2 * n], weights[-1], biases[-1])[..., 0]
        paths = [_kinked(weights[-1].mT.expand_as(units[-1]), units[-1], leak)]
        for weight, h in zip(weights[-2:0:-1], units[-2::-1], strict=True):
            paths.insert(0, _kinked(product(paths[0], weight.mT), h, leak))
        gradient = product(paths[0][:, 2 * n :], weights[0].mT)
        slope = torch.linalg.vector_norm(gradient, dim=-1)
        ctx.leak = leak
        ctx.save_for_backward(x, gradient, slope, *weights, *units, *paths)
        return score[:, :n], score[:, n:], slope

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, real: Tensor, fake: Tensor, slope: Tensor) -> tuple[Tensor | None, ...]:
        x, gradient, length, *layers = ctx.saved_tensors
        n, depth = x.shape[1], (len(layers) + 2) // 3
        weights, units, paths = layers[:depth], layers[depth : 1 - depth], layers[1 - depth :]
        score = torch.cat([real, fake], 1)[..., None]
        t = gradient * (slope / length.clamp_min(TINY))[..., None]
        of_weights, of_biases = [], []
        for weight, h, v in zip(weights[:-1], units, paths, strict=True):
            of_weights.append(product(torch.cat([x * score, t], 1).mT, v))
            of_biases.append(torch.bmm(score.mT, v[:, :n]))
            t, x = _kinked(product(t, weight), h[:, n:], ctx.leak), h[:, :n]
        of_weights.append(torch.bmm(x.mT, score) + t.sum(1)[..., None])
        of_biases.append(score.sum(1, keepdim=True))
        return None, None, None, None, *of_weights, *of_biases


def _kinked(x: Tensor, h: Tensor, leak: float) -> Tensor:
    """``x`` times the derivative of units, which is told by what they say."""
    return torch.ops.aten.leaky_relu_backward(x, h, leak, True)
