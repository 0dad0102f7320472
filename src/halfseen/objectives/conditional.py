"""Scores of cells that were hidden, under a law in closed form of a whole row.

Przewiezlikowski, Smieja and Struski (2020) minimise minus the log-density of the hidden cells, at
first with their squared error. Grey values are numbers out of a grid, whose density has no bound:
noise between the steps, or the mass of a step, gives it one (Theis, van den Oord and Bethge 2016).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from halfseen.core.factor_mixture import LowRankMixture
from halfseen.core.low_rank_normal import LOG_2PI, LowRankNormal
from halfseen.core.noise import Noise
from halfseen.terms.intervals import log_interval

__all__ = ["LIKELIHOODS", "HiddenCells", "Steps", "log_mass"]

LIKELIHOODS = ("density", "dequantized", "discretized")


@dataclass(frozen=True)
class Steps:
    """The grid of which cells are values, in model units.

    Parameters
    ----------
    width : float
        Distance of neighbouring values.
    low, high : float
        Smallest and largest possible value: cells there have the whole tail.
    """

    width: float
    low: float
    high: float

    def edges(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Lower and upper end of what rounds to x; a number far out stands for infinity."""
        half, far = self.width / 2, 1e6 * max(abs(self.low), abs(self.high), self.width)
        at_low, at_high = self._ends(x)
        return torch.where(at_low, -far, x - half), torch.where(at_high, far, x + half)

    def told(self, law: LowRankNormal, x: Tensor) -> tuple[Tensor, LowRankNormal]:
        """Numbers, and a law of them, whose factors are much like those given the steps of x.

        A number is as uncertain as its step is wide. A tail is the number that gives its cell the
        mean and the variance which the law has there: one round of expectation propagation.
        """
        at_low, at_high = self._ends(x)
        told, extra = x, torch.full_like(law.variance, self.width**2 / 12)
        if (at_low | at_high).any():
            number, variance = _tails(law, torch.where(at_low, x, -x) + self.width / 2, at_high)
            told = torch.where(at_low | at_high, number, x)
            extra = torch.where(at_low | at_high, variance, extra)
        return told, LowRankNormal(law.mean, law.factor, law.variance + extra)

    def _ends(self, x: Tensor) -> tuple[Tensor, Tensor]:
        quarter = self.width / 4
        return x <= self.low + quarter, x >= self.high - quarter


def _tails(law: LowRankNormal, end: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers and variances of their noise that tell what a tail tells.

    Cells are below ``end``; where ``upper``, minus the cell is.
    """
    sign, variance = torch.where(upper, -1.0, 1.0).to(end), law.marginal_variance
    scale = variance.sqrt()
    at = ((end - sign * law.mean) / scale).clamp(-1e3, 1e3)
    hazard = torch.exp(-0.5 * at.square() - 0.5 * LOG_2PI - torch.special.log_ndtr(at))
    share = (1 - at * hazard - hazard.square()).clamp(1e-6, 1 - 1e-6)
    # The law times what a number tells has the mean and the variance of the tail.
    mean = law.mean - sign * scale * hazard / (1 - share)
    return mean, variance * share / (1 - share)


def log_mass(law: LowRankNormal, x: Tensor, s: Tensor, steps: Steps, noise: Tensor) -> Tensor:
    """Unbiased bound from below on the log-probability of the steps that cells fall in.

    Given the factors, cells are independent, and each has the mass of its step. The factors are
    drawn once, from about their law given the steps.

    Parameters
    ----------
    law : LowRankNormal
        Of shape (..., F).
    x, s : Tensor of shape (..., F)
        Cells, finite everywhere, and the mask, 1 = scored.
    steps : Steps
        The grid.
    noise : Tensor of shape (..., l)
        Standard normal.

    Returns
    -------
    Tensor of shape (...)
    """
    told, wide = steps.told(law, x)
    factors = wide.factors(told, s)
    z = factors.draw(noise)
    center = law.mean + (law.factor @ z[..., None])[..., 0]
    mass = log_interval(*steps.edges(x), center, law.variance.sqrt())
    return (mass * s).sum(-1) + factors.log_ratio(z, noise)


@dataclass(frozen=True)
class HiddenCells:
    """The objective: minus the log-likelihood of hidden cells, and a share of squared error.

    Parameters
    ----------
    likelihood : {"density", "dequantized", "discretized"}
        Of cells as numbers, of cells with uniform noise of one step, or of steps.
    steps : Steps or None
        The grid, for the last two.
    per : {"cell", "row"}
        Whether all hidden cells of a batch count the same, as in the paper, or all rows.
    """

    likelihood: str = "density"
    steps: Steps | None = None
    per: str = "cell"

    def log_prob(self, mixture: LowRankMixture, x: Tensor, hidden: Tensor, noise: Noise) -> Tensor:
        """Log-likelihood of the hidden cells of each row, in float64.

        Parameters
        ----------
        mixture : LowRankMixture
            Laws (M, B, C, F).
        x : Tensor of shape (B, F)
            Rows.
        hidden : Tensor of shape (M, B, F)
            Which cells are scored.
        noise : Noise
            Of shape (M, B, C).

        Returns
        -------
        Tensor of shape (M, B)
        """
        # Noise of a small scale makes systems that single precision cannot solve.
        law = mixture.law.map(lambda part: part.double())
        x, s = x.double()[:, None], hidden.double().unsqueeze(-2)
        if self.likelihood == "discretized":
            assert self.steps is not None
            z = noise.normal(law.rank).double()
            log_p = log_mass(law, x, s, self.steps, z)
        else:
            if self.likelihood == "dequantized":
                assert self.steps is not None
                x = x + self.steps.width * (noise.uniform(x.shape[-1])[:, :, :1].double() - 0.5)
            log_p = law.log_prob(x, s)
        return torch.logsumexp(mixture.log_weights.double() + log_p, -1)

    def squared_error(self, mixture: LowRankMixture, x: Tensor, hidden: Tensor) -> Tensor:
        """Sum of squared errors of the mean over the hidden cells of each row, (M, B)."""
        mean = (mixture.log_weights.exp()[..., None] * mixture.law.mean).sum(-2)
        return ((x - mean) * hidden).square().sum(-1)

    def __call__(
        self,
        mixture: LowRankMixture,
        x: Tensor,
        hidden: Tensor,
        noise: Noise,
        mse_weight: float = 0.0,
    ) -> dict[str, Tensor]:
        """Losses per hidden cell, sums over members.

        Parameters
        ----------
        mixture, x, hidden, noise
            As in :meth:`log_prob`.
        mse_weight : float, default=0
            What a squared error, in model units, counts.
        """
        count = hidden.sum(-1)
        if self.per == "cell":
            count = count.mean(-1, keepdim=True)
        weight = 1 / count.clamp_min(1.0)
        log_p = self.log_prob(mixture, x, hidden, noise)
        losses = {"hidden": -(weight * log_p).mean(-1).sum()}
        if mse_weight:
            square = self.squared_error(mixture, x, hidden)
            losses["square"] = mse_weight * (weight * square).mean(-1).sum()
        return losses
