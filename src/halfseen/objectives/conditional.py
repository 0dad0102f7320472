"""Scores of cells that were hidden, under a law in closed form of a whole row.

Smieja, Struski and Mazur minimise minus the log-density of the hidden cells, at first with their
squared error. Grey values are numbers out of a grid, whose density has no bound: noise between
the steps, or the mass of a step, gives it one (Theis, van den Oord and Bethge 2016).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from halfseen.core.factor_mixture import LowRankMixture
from halfseen.core.low_rank_normal import LowRankNormal
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
        lower = torch.where(x <= self.low + half / 2, -far, x - half)
        upper = torch.where(x >= self.high - half / 2, far, x + half)
        return lower, upper


def log_mass(law: LowRankNormal, x: Tensor, s: Tensor, steps: Steps, noise: Tensor) -> Tensor:
    """Unbiased bound from below on the log-probability of the steps that cells fall in.

    Given the factors, cells are independent, and each has the mass of its step. The factors are
    drawn once, from their law given the cells as if they were numbers with noise of a step.

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
    # The variance of a step is added: a narrower law would miss most factors that fit.
    wide = LowRankNormal(law.mean, law.factor, law.variance + steps.width**2 / 12)
    factors = wide.factors(x, s)
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
        Whether a row counts by the mean over its hidden cells or by their sum.
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
        """Losses, means over rows and sums over members.

        Parameters
        ----------
        mixture, x, hidden, noise
            As in :meth:`log_prob`.
        mse_weight : float, default=0
            What a squared error, in model units, counts.
        """
        weight = 1 / hidden.sum(-1).clamp_min(1.0) if self.per == "cell" else 1.0
        log_p = self.log_prob(mixture, x, hidden, noise)
        losses = {"hidden": -(weight * log_p).mean(-1).sum()}
        if mse_weight:
            square = self.squared_error(mixture, x, hidden)
            losses["square"] = mse_weight * (weight * square).mean(-1).sum()
        return losses
