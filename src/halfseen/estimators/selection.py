"""Location and spread of columns whose cells hide themselves, column by column.

Under self-masking the seen cells of a column are shifted and shrunk: standardising by them
misplaces the missing ones from the start. Each column is fitted alone by a two-piece normal law
seen through a probit selection, from its seen values and its number of missing cells:

    seen cell     log f(x) + log Phi(-a (x - b))
    missing cell  log integral f(x) Phi(a (x - b)) dx
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from halfseen.terms.laws import LOG_SQRT_2PI

__all__ = ["Selection", "Sharpness", "choose_sharpness", "fit_selection", "pooled"]

# The grid of the integral, in standard deviations of the seen cells.
GRID_LOW, GRID_HIGH, GRID_SIZE = -8.0, 12.0, 200
# Priors weigh as much as this many rows; a skew of this size is ordinary.
PRIOR_ROWS, SKEW_SPREAD = 20.0, 2.0
MOST_ROWS = 5000
# A threshold is believed unless a gradual mechanism is better by more than this, in nats.
TOLERANCE = 15.0


@dataclass(frozen=True)
class Selection:
    """Completed moments of every column, each of shape (p,), and how well they fit.

    Attributes
    ----------
    mean, scale : array
        Location and spread of seen and missing cells together, in the units of the input.
    log_likelihood : array
        Penalised log-likelihood of the whole column, for choosing among fits.
    """

    mean: np.ndarray
    scale: np.ndarray
    log_likelihood: np.ndarray


class _TwoPiece:
    """Parameters of all columns, in standard deviations of their seen cells."""

    def __init__(self, start: Tensor, slope: float, slope_spread: float) -> None:
        p = len(start)
        self.center, self.spread = math.log(slope), slope_spread
        self.mode = torch.zeros(p, requires_grad=True)
        self.log_left = torch.zeros(p, requires_grad=True)
        self.log_right = torch.zeros(p, requires_grad=True)
        self.log_slope = torch.full((p,), self.center, requires_grad=True)
        self.cut = start.clone().requires_grad_()

    @property
    def parameters(self) -> list[Tensor]:
        return [self.mode, self.log_left, self.log_right, self.log_slope, self.cut]

    def log_density(self, x: Tensor) -> Tensor:
        left, right = self.log_left.exp(), self.log_right.exp()
        t = torch.where(x < self.mode, (x - self.mode) / left, (x - self.mode) / right)
        return -0.5 * t * t - torch.log(0.5 * (left + right)) - LOG_SQRT_2PI

    def log_hidden(self, x: Tensor) -> Tensor:
        return torch.special.log_ndtr(self.log_slope.exp() * (x - self.cut))

    def log_seen(self, x: Tensor) -> Tensor:
        return torch.special.log_ndtr(-self.log_slope.exp() * (x - self.cut))

    def log_prior(self) -> Tensor:
        skew = (self.log_right - self.log_left) / SKEW_SPREAD
        slope = (self.log_slope - self.center) / self.spread
        parts = (self.mode / 2, self.log_left, skew, slope)
        return -0.5 * torch.stack([part**2 for part in parts]).sum(0)


def fit_selection(
    values: np.ndarray,
    sign: np.ndarray,
    slope: float = 10.0,
    slope_spread: float = 1.5,
    n_steps: int = 250,
) -> Selection:
    """Fit every column that misses cells.

    Parameters
    ----------
    values : array of shape (n, p)
        NaN where missing.
    sign : array of shape (p,)
        1 where high values go missing, -1 where low ones do.
    slope, slope_spread : float
        Median and spread (of the logarithm) of the prior on slopes, per standard deviation of
        the seen cells.
    n_steps : int
        Optimiser steps.

    Returns
    -------
    Selection
        Columns without a missing cell keep the moments of their cells.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(2000, 1))
    >>> fit = fit_selection(np.where(x > 0.5, np.nan, x), np.ones(1))
    >>> bool(abs(fit.mean[0]) < 0.25), bool(0.8 < fit.scale[0] < 1.25)
    (True, True)
    """
    n_rows = len(values)
    if n_rows > MOST_ROWS:
        # A law per column needs no more; the choice of rows is fixed.
        values = values[np.random.default_rng(0).permutation(n_rows)[:MOST_ROWS]]
    seen = ~np.isnan(values)
    mean0, scale0 = _moments(values, seen)
    z = np.where(seen, sign * (values - mean0) / scale0, 0.0)
    x, s = torch.from_numpy(z).float(), torch.from_numpy(seen).float()
    has_holes = torch.from_numpy(~seen.all(0))
    top = torch.where(s > 0, x, torch.full_like(x, -torch.inf)).amax(0).clamp(-4.0, 4.0)
    law = _TwoPiece(top, slope, slope_spread)
    grid = torch.linspace(GRID_LOW, GRID_HIGH, GRID_SIZE)[:, None]
    value = _maximise(law, x, s, grid, n_steps)
    mean, scale = _completed(law, x, s, grid)
    keep = has_holes.numpy()
    return Selection(
        np.where(keep, mean0 + sign * scale0 * mean, mean0),
        np.where(keep, scale0 * scale, scale0),
        np.where(keep, value * n_rows, 0.0),
    )


def pooled(x: np.ndarray) -> np.ndarray:
    """Some cells of all columns as one column, for columns that share their units.

    Parameters
    ----------
    x : array of shape (n, p)
        Model units, NaN where missing.

    Returns
    -------
    array of shape (m, 1)
        A fixed choice of at most 5000 cells, seen or missing.

    Examples
    --------
    >>> pooled(np.zeros((100, 1024))).shape
    (5000, 1)
    """
    cells = x.reshape(-1, 1)
    if len(cells) <= MOST_ROWS:
        return cells
    return cells[np.random.default_rng(0).choice(len(cells), MOST_ROWS, replace=False)]


@dataclass(frozen=True)
class Sharpness:
    """Whether cells hide behind a threshold or gradually, and the moments that follow.

    Attributes
    ----------
    selection : Selection
        Moments of the columns under the mechanism that was chosen.
    sharp : bool
        Whether at least half of the columns with holes speak for a threshold.
    evidence : array of shape (p,)
        Log-likelihood of a sharp mechanism over a gradual one, in nats; near zero means that
        the data do not tell, and answers then rest on the choice.
    """

    selection: Selection
    sharp: bool
    evidence: np.ndarray


def choose_sharpness(values: np.ndarray, sign: np.ndarray) -> Sharpness:
    """Let the columns vote between a threshold and a gradual mechanism.

    A threshold that is not there is the costlier mistake: under data missing at random it
    sends every missing cell beyond the seen range.

    Parameters
    ----------
    values : array of shape (n, p)
        NaN where missing.
    sign : array of shape (p,)
        1 where high values go missing, -1 where low ones do.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(1000, 1))
    >>> choose_sharpness(np.where(x > 0.5, np.nan, x), np.ones(1)).sharp
    True
    >>> coin = np.random.default_rng(1).random(x.shape) < 0.3
    >>> choose_sharpness(np.where(coin, np.nan, x), np.ones(1)).sharp
    False
    """
    sharp = fit_selection(values, sign, slope=50.0, slope_spread=1.0)
    gradual = fit_selection(values, sign, slope=2.0, slope_spread=1.0)
    evidence = sharp.log_likelihood - gradual.log_likelihood
    holes = np.isnan(values).any(0)
    vote = bool(holes.any() and (evidence[holes] > -TOLERANCE).mean() >= 0.5)
    # A nearly flat mechanism leaves the moments about as they are seen.
    moments = fit_selection(values, sign) if vote else fit_selection(values, sign, 0.1, 1.0)
    return Sharpness(moments, vote, evidence)


def _moments(values: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    count = np.maximum(seen.sum(0), 1)
    mean = np.where(seen, values, 0.0).sum(0) / count
    scale = np.sqrt(np.where(seen, (values - mean) ** 2, 0.0).sum(0) / count)
    return mean, np.where(scale > 0, scale, 1.0)


def _log_likelihood(law: _TwoPiece, x: Tensor, s: Tensor, grid: Tensor) -> Tensor:
    """Per row and column: seen cells, and the integral for the missing ones."""
    step = (GRID_HIGH - GRID_LOW) / (GRID_SIZE - 1)
    seen = (s * (law.log_density(x) + law.log_seen(x))).mean(0)
    mass = torch.exp(law.log_density(grid) + law.log_hidden(grid)).sum(0) * step
    return seen + (1 - s).mean(0) * torch.log(mass + 1e-8)


def _maximise(law: _TwoPiece, x: Tensor, s: Tensor, grid: Tensor, n_steps: int) -> np.ndarray:
    optimizer = torch.optim.Adam(law.parameters, lr=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=n_steps)
    value = torch.zeros(x.shape[1])
    for _ in range(n_steps):
        value = _log_likelihood(law, x, s, grid) + law.log_prior() * PRIOR_ROWS / len(x)
        gradients = torch.autograd.grad(-value.sum(), law.parameters)
        for parameter, gradient in zip(law.parameters, gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()
        schedule.step()
    return value.detach().double().numpy()


@torch.no_grad()
def _completed(
    law: _TwoPiece, x: Tensor, s: Tensor, grid: Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and spread of seen cells and of the law of the missing ones."""
    hidden = torch.softmax(law.log_density(grid) + law.log_hidden(grid), 0)
    first, second = (hidden * grid).sum(0), (hidden * grid**2).sum(0)
    share = s.mean(0)
    count = s.sum(0).clamp_min(1.0)
    mean = share * x.sum(0) / count + (1 - share) * first
    square = share * (x * x).sum(0) / count + (1 - share) * second
    scale = (square - mean**2).clamp_min(1e-6).sqrt()
    return mean.double().numpy(), scale.double().numpy()
