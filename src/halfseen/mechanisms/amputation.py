"""Mechanisms that make holes at a wanted rate: MCAR, MAR, and MNAR across columns."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from halfseen.core.features import Features
from halfseen.core.spec import DataSpec
from halfseen.errors import SettingError
from halfseen.mechanisms.base import LogitMechanism
from halfseen.mechanisms.calibration import bisect, check_rate

__all__ = ["MAR", "MCAR", "MNARLogistic"]


class MCAR(LogitMechanism):
    """Missing completely at random: every cell with the same probability.

    Parameters
    ----------
    rate : float, default=0.3
        Probability that a cell is missing.

    Examples
    --------
    >>> from halfseen.core.spec import DataSpec
    >>> mechanism, generator = MCAR(0.25), torch.Generator().manual_seed(0)
    >>> mechanism.bind(DataSpec.continuous(2), torch.tensor([True, False]), 1, generator)
    >>> s = mechanism.sample(torch.zeros(10_000, 2), generator)
    >>> s.mean(0)
    tensor([0.75, 1.00])
    """

    intercept: Tensor

    def __init__(self, rate: float = 0.3) -> None:
        super().__init__()
        self.rate = check_rate(rate)

    def settings(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {"rate": self.rate}

    def bind(
        self, spec: DataSpec, incomplete: Tensor, n_members: int, generator: torch.Generator
    ) -> None:
        """See :meth:`Mechanism.bind`."""
        super().bind(spec, incomplete, n_members, generator)
        self.register_buffer("intercept", torch.full((spec.n_columns,), _logit(self.rate)))

    def calibrate(
        self,
        features: Tensor,
        rate: float | None,
        generator: torch.Generator,
        observed: Tensor | None = None,
    ) -> None:
        """Take over the rate; see :meth:`Calibrates.calibrate`."""
        self.intercept.fill_(_logit(self.rate if rate is None else check_rate(rate)))

    def logits(self, features: Tensor) -> Tensor:
        """Logits of s = 1, the same for every row."""
        return -self.intercept.expand(*features.shape[:-1], len(self.intercept))


class _RandomLogistic(LogitMechanism):
    """A cell's missingness is a logistic function of features, with random weights."""

    weight: Tensor
    intercept: Tensor

    def __init__(self, rate: float = 0.3, *, slope: float = 2.0) -> None:
        super().__init__()
        if not (math.isfinite(slope) and slope > 0):
            raise SettingError(f"Got slope={slope!r}. Expected a positive number.")
        self.rate, self.slope = check_rate(rate), float(slope)

    def settings(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {"rate": self.rate, "slope": self.slope}

    def bind(
        self, spec: DataSpec, incomplete: Tensor, n_members: int, generator: torch.Generator
    ) -> None:
        """Draw the weights; see :meth:`Mechanism.bind`."""
        super().bind(spec, incomplete, n_members, generator)
        weight = torch.randn(spec.n_features, spec.n_columns, generator=generator)
        self.register_buffer("weight", weight * self.slope / math.sqrt(spec.n_features))
        self.register_buffer("intercept", torch.full((spec.n_columns,), _logit(self.rate)))

    def calibrate(
        self,
        features: Tensor,
        rate: float | None,
        generator: torch.Generator,
        observed: Tensor | None = None,
    ) -> None:
        """Give scores the spread ``slope``, and columns the rate.

        See :meth:`Calibrates.calibrate`.
        """
        rate = self.rate if rate is None else check_rate(rate)
        rows = features.reshape(-1, features.shape[-1]).double()
        cells = None if observed is None else observed.reshape(len(rows), -1)
        spread = (rows @ self.weight.double()).std(0, correction=0)
        # Scores without spread (constant drivers) have nothing to scale.
        scale = torch.where(spread > 1e-9, self.slope / spread.clamp_min(1e-9), 1.0)
        self.weight.mul_(scale)
        score = rows @ self.weight.double()
        self.intercept.copy_(bisect(torch.sigmoid, score, rate, cells))

    def logits(self, features: Tensor) -> Tensor:
        """Logits of s = 1."""
        return -(features @ self.weight + self.intercept)


class MNARLogistic(_RandomLogistic):
    """Not at random: a cell's missingness depends on all cells of its row, itself included.

    Parameters
    ----------
    rate : float, default=0.3
        Share of missing cells in every column that can lose cells.
    slope : float, default=2.0
        Standard deviation of the logit of a missing cell over the rows of :meth:`calibrate`.

    Notes
    -----
    logit p(s_j = 0 | x) = sum_f w_fj x_f + c_j with w_fj normal, scaled column by column.

    Examples
    --------
    >>> from halfseen.core.spec import DataSpec
    >>> mechanism, generator = MNARLogistic(), torch.Generator().manual_seed(0)
    >>> mechanism.bind(DataSpec.continuous(2), torch.tensor([True, True]), 1, generator)
    >>> x = torch.randn(1000, 2, generator=generator)
    >>> mechanism.calibrate(x, 0.4, generator)
    >>> torch.sigmoid(-mechanism.logits(x)).mean(0)
    tensor([0.4000, 0.4000])
    """


class MAR(_RandomLogistic):
    """At random: missingness depends on columns that are always seen, the drivers.

    If every column may lose cells, a random half of them become drivers and stay whole;
    otherwise the drivers are the columns that lose none.

    Parameters
    ----------
    rate : float, default=0.3
        Share of missing cells in every column that is not a driver.
    slope : float, default=2.0
        Standard deviation of the logit of a missing cell over the rows of :meth:`calibrate`.

    Examples
    --------
    >>> from halfseen.core.spec import DataSpec
    >>> mechanism, generator = MAR(), torch.Generator().manual_seed(0)
    >>> mechanism.bind(DataSpec.continuous(4), torch.ones(4, dtype=torch.bool), 1, generator)
    >>> int(mechanism.drivers.sum())
    2
    """

    drivers: Tensor

    def bind(
        self, spec: DataSpec, incomplete: Tensor, n_members: int, generator: torch.Generator
    ) -> None:
        """Choose drivers and draw their weights; see :meth:`Mechanism.bind`."""
        drivers = ~incomplete
        if incomplete.all():
            if spec.n_columns < 2:
                raise SettingError(
                    "Got a table of one column for MAR. Expected at least two: "
                    "one has to stay whole to drive the holes of the other."
                )
            chosen = torch.randperm(spec.n_columns, generator=generator)[: spec.n_columns // 2]
            drivers = drivers.clone()
            drivers[chosen] = True
        super().bind(spec, incomplete & ~drivers, n_members, generator)
        self.register_buffer("drivers", drivers)
        self.weight.mul_(Features(spec).mask(drivers.to(self.weight.dtype))[:, None])


def _logit(rate: float) -> float:
    return math.log(rate / (1 - rate))
