"""The law of a row's cells given those that are shown, as a network says it at once.

DMFA (Przewiezlikowski, Smieja and Struski, 2020): a network reads an incomplete row and its mask,
and answers a Gaussian of low rank. Cells that are shown have laws, too, which mean nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from halfseen.core.factor_mixture import LowRankMixture
from halfseen.core.low_rank_normal import LowRankNormal
from halfseen.nn.conditional_networks import ConditionalNetwork, RawShape

__all__ = ["ConditionalGaussian", "LinearGuess"]


class LinearGuess(nn.Module):
    """Conditional means under one Gaussian of low rank, for whatever cells are shown.

    They are linear in the cells that are shown, with other coefficients for every mask, which a
    network would have to learn one by one.

    Parameters
    ----------
    start : LowRankNormal
        Where the Gaussians of the members begin: mean (F,), factor (F, k), variance (F,).
    n_members : int
        M.
    floor : float, default=0.05
        Smallest scale of the noise.

    Examples
    --------
    >>> start = LowRankNormal(torch.zeros(2), torch.ones(2, 1), torch.full((2,), 0.5))
    >>> guess = LinearGuess(start, 1)
    >>> guess(torch.tensor([[[3.0, 0.0]]]), torch.tensor([[[1.0, 0.0]]])).detach()[0, 0, 1]
    tensor(2.)
    """

    def __init__(self, start: LowRankNormal, n_members: int, floor: float = 0.05) -> None:
        super().__init__()
        self.floor = floor
        raw = (start.variance - floor**2).clamp_min(1e-4).sqrt()
        # Copies, of whatever strides the start has: products of others are rounded otherwise.
        self.mean, self.factor, self.scale = (
            nn.Parameter(torch.stack([part] * n_members))
            for part in (start.mean, start.factor, raw)
        )

    def forward(self, x: Tensor, s: Tensor) -> Tensor:
        """Conditional means (M, B, F) given cells where the mask is 1, both (M, B, F)."""
        variance = self.scale.square() + self.floor**2
        law = LowRankNormal(self.mean[:, None], self.factor[:, None], variance[:, None])
        factors = law.factors(x, s).mean
        return law.mean + factors @ self.factor.mT


class ConditionalGaussian(nn.Module):
    """Laws of rows of F features under each of M members.

    Parameters
    ----------
    network : ConditionalNetwork
        From parts of rows to raw numbers (M, B, C, l + 2, F) and logits (M, B, C).
    head : callable
        From raw numbers and floors to a law.
    floor : Tensor of shape (F,)
        Smallest scale of the noise of each cell.
    n_members : int
        M.
    guess : LinearGuess or None, default=None
        What the network adds its means to, and sees as one part more of its input.

    Attributes
    ----------
    temperature : Tensor of shape ()
        What covariances are multiplied by: 1 until one is chosen.
    """

    floor: Tensor
    temperature: Tensor
    shape: RawShape

    def __init__(
        self,
        network: ConditionalNetwork,
        head: Callable[[Tensor, Tensor], LowRankNormal],
        floor: Tensor,
        n_members: int,
        guess: LinearGuess | None = None,
    ) -> None:
        super().__init__()
        self.network, self.head, self.n_members, self.guess = network, head, n_members, guess
        self.shape = network.shape
        self.register_buffer("floor", floor, persistent=False)
        self.register_buffer("temperature", torch.ones(()))

    @property
    def n_components(self) -> int:
        """Components C of one member."""
        return self.shape.n_components

    @property
    def width(self) -> int:
        """Numbers in the law of one row, over all members."""
        return self.n_members * self.shape.size

    def forward(self, x: Tensor, s: Tensor) -> LowRankMixture:
        """The laws of all cells given those shown.

        Parameters
        ----------
        x : Tensor of shape (B, F)
            Rows; cells outside the mask are not looked at.
        s : Tensor of shape (B, F) or (M, B, F)
            Masks, 1 = shown; members may be shown other cells.

        Returns
        -------
        LowRankMixture
            Weights (M, B, C), means (M, B, C, F), factors (M, B, C, F, l).
        """
        s = s.expand(self.n_members, *s.shape[-2:])
        shown = x * s
        parts = [shown, s]
        if self.guess is not None:
            guess = self.guess(shown, s)
            parts.append(guess * (1 - s))
        raw, logits = self.network(parts)
        law = self.widened(self.head(raw, self.floor), self.temperature)
        if self.guess is not None:
            law = LowRankNormal(law.mean + guess[:, :, None], law.factor, law.variance)
        return LowRankMixture(torch.log_softmax(logits, -1), law)

    def widened(self, law: LowRankNormal, temperature: Tensor | float) -> LowRankNormal:
        """The law with ``temperature`` times the covariance, its noise no less than the floor."""
        wide = law.widened(temperature)
        variance = torch.maximum(wide.variance, self.floor.square())
        return LowRankNormal(wide.mean, wide.factor, variance)

    def mixture(self, x: Tensor, s: Tensor) -> LowRankMixture:
        """The laws of members, merged into one of M C components: weights (B, M C)."""
        by_member = self(x, s)
        law = by_member.law.map(lambda part: part.transpose(0, 1).flatten(1, 2))
        log_weights = by_member.log_weights.transpose(0, 1).flatten(1)
        return LowRankMixture(log_weights - math.log(self.n_members), law)
