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

import torch
from torch import Tensor, nn
from torch.nn import functional

from halfseen.errors import SettingError
from halfseen.nn.products import product
from halfseen.nn.stacked import StackedLinear

__all__ = ["Comparison", "Critic", "MLPCritic"]

LEAK = 0.2


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

    Its gradient by the row is a product of its own weights, with the units that are off left out:
    g = W1 D1 W2 D2 ... w. So the gradient penalty is an ordinary forward pass, and nothing has to
    be differentiated twice. The first layer of a mixture of two rows is the mixture of theirs.

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
            for a, b in itertools.pairwise((n_in, *hidden))
        )
        self.out = StackedLinear(n_members, hidden[-1], 1, generator)

    @property
    def _layers(self) -> list[StackedLinear]:
        return list(self.layers)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Scores (M, B) of rows (M, B, n_in)."""
        return self._after_first(self.layers[0](x))

    def _after_first(self, h: Tensor) -> Tensor:
        """Scores from what the first layer says."""
        for layer in self.layers[1:]:
            h = layer(self._bend(h))
        return self.out(self._bend(h))[..., 0]

    def compare(self, real: Tensor, fake: Tensor, share: Tensor) -> Comparison:
        """As in :class:`Critic`, without differentiating twice."""
        n = real.shape[1]
        h = self.layers[0](torch.cat([real, fake], 1))
        score = self._after_first(h)
        kinks = self._kinks(torch.lerp(h[:, n:], h[:, :n], share))
        weights = [layer.weight.mT for layer in self._layers]
        gradient = self.out.weight.mT * kinks[-1]
        for weight, kink in zip(weights[:0:-1], kinks[-2::-1], strict=True):
            gradient = product(gradient, weight) * kink
        gradient = product(gradient, weights[0])
        slope = torch.linalg.vector_norm(gradient, dim=-1)
        return Comparison(score[:, :n], score[:, n:], slope)

    @torch.no_grad()
    def _kinks(self, h: Tensor) -> list[Tensor]:
        """Derivatives of the hidden units of every layer, from what the first one says."""
        kinks = [self._kink(h)]
        for layer in self.layers[1:]:
            h = layer(self._bend(h))
            kinks.append(self._kink(h))
        return kinks

    def _bend(self, h: Tensor) -> Tensor:
        return functional.leaky_relu(h, self.leak) if self.leak else torch.relu(h)

    def _kink(self, h: Tensor) -> Tensor:
        """Derivative of :meth:`_bend`."""
        on = (h > 0).to(h.dtype)
        return on + self.leak * (1 - on) if self.leak else on
