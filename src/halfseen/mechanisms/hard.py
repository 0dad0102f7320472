"""Hard self-masking: a cell is missing exactly when its value is on the wrong side of a bar."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor

from halfseen.core.spec import DataSpec
from halfseen.errors import SettingError
from halfseen.mechanisms.base import Mechanism
from halfseen.mechanisms.calibration import check_rate, seen_share, shuffled_levels

__all__ = ["HardSelfMasking"]


class HardSelfMasking(Mechanism):
    """A cell is missing if and only if it is strictly above its column's mean or quantile.

    In a categorical column whole categories, chosen at random, go missing: those whose joint
    share of the rows is nearest to one half ("mean") or to 1 - ``above``, never all of them.

    Parameters
    ----------
    above : "mean" or float, default="mean"
        The bar: the column's mean, or this quantile (0.7 removes the upper 30 %; with ties,
        less).
    direction : {"high", "low"}, default="high"
        Which values go missing. "low" is the same rule for the negated column.

    Notes
    -----
    "mean" is the rule of Ipsen, Mattei and Frellsen, "not-MIWAE" (ICLR 2021). A value counts
    as above only if it is so beyond rounding error, so constant columns lose nothing.

    Examples
    --------
    >>> from halfseen.core.spec import DataSpec
    >>> mechanism, generator = HardSelfMasking(), torch.Generator().manual_seed(0)
    >>> mechanism.bind(DataSpec.continuous(1), torch.tensor([True]), 1, generator)
    >>> x = torch.tensor([[1.0], [2.0], [3.0], [10.0]])
    >>> mechanism.calibrate(x, None, generator)
    >>> mechanism.sample(x, generator)[:, 0]
    tensor([1., 1., 1., 0.])
    """

    incomplete: Tensor
    bar: Tensor
    level_missing: Tensor
    feature_numeric: Tensor
    feature_sum: Tensor

    def __init__(
        self,
        above: Literal["mean"] | float = "mean",
        *,
        direction: Literal["high", "low"] = "high",
    ) -> None:
        super().__init__()
        number = isinstance(above, (int, float)) and not isinstance(above, bool)
        if above != "mean" and not (number and 0 < float(above) < 1):
            raise SettingError(
                f"Got above={above!r}. Expected 'mean' or a quantile strictly between 0 and 1."
            )
        if direction not in ("high", "low"):
            raise SettingError(f"Got direction={direction!r}. Expected 'high' or 'low'.")
        self.above, self.direction = above, direction

    def settings(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {"above": self.above, "direction": self.direction}

    def bind(
        self, spec: DataSpec, incomplete: Tensor, n_members: int, generator: torch.Generator
    ) -> None:
        """Bars at zero until :meth:`calibrate`; see :meth:`Mechanism.bind`."""
        widths = torch.tensor([column.width for column in spec.columns])
        column = torch.repeat_interleave(torch.arange(spec.n_columns), widths)
        numeric = torch.tensor([not c.categorical for c in spec.columns])
        self.register_buffer("incomplete", incomplete.clone())
        self.register_buffer("feature_numeric", numeric[column])
        self.register_buffer("feature_sum", torch.eye(spec.n_columns)[column].double())
        self.register_buffer("bar", torch.zeros(spec.n_features).double())
        self.register_buffer("level_missing", torch.zeros(spec.n_features, dtype=torch.bool))

    def calibrate(
        self,
        features: Tensor,
        rate: float | None,
        generator: torch.Generator,
        observed: Tensor | None = None,
    ) -> None:
        """Place the bars; see :meth:`Calibrates.calibrate`.

        A ``rate`` moves the quantile to 1 - ``rate``; the rule of the mean has a rate of its
        own and accepts None alone.
        """
        above = self.above if rate is None else self._quantile(rate)
        rows = features.reshape(-1, features.shape[-1]).double()
        if observed is None:
            observed = rows.new_ones(len(rows), self.feature_sum.shape[1], dtype=torch.bool)
        # The cells that count, feature by feature.
        seen = observed.reshape(len(rows), -1).double() @ self.feature_sum.T > 0.5
        self.bar.copy_(_bars(self._signed(rows), seen, above))
        self.level_missing.copy_(self._levels(rows, seen, above, generator))

    def _quantile(self, rate: float) -> float:
        if self.above == "mean":
            raise SettingError(
                f"Got rate={rate!r} for HardSelfMasking(above='mean'), whose rate follows from "
                "the data. Leave rate out, or pass above=1 - rate."
            )
        return 1 - check_rate(rate)

    def _signed(self, features: Tensor) -> Tensor:
        return features if self.direction == "high" else -features

    def _levels(
        self, rows: Tensor, seen: Tensor, above: str | float, generator: torch.Generator
    ) -> Tensor:
        """Categories that go missing, as a mask of features."""
        chosen = torch.zeros_like(self.level_missing)
        target = 0.5 if above == "mean" else 1 - float(above)
        for j in range(self.feature_sum.shape[1]):
            places = torch.nonzero(self.feature_sum[:, j] > 0)[:, 0]
            if not self.feature_numeric[places[0]]:
                share = seen_share(rows[:, places], seen[:, places])
                order = shuffled_levels(share > 0, generator)
                chosen[places[_nearest_prefix(order, share, target)]] = True
        return chosen

    def missing(self, features: Tensor) -> Tensor:
        """Whether each cell is missing, bool of shape (..., p)."""
        x = features.double()
        by_value = self._signed(x) > self.bar
        by_level = (x > 0.5) & self.level_missing
        gone = torch.where(self.feature_numeric, by_value, by_level).double()
        return (gone @ self.feature_sum > 0.5) & self.incomplete

    def sample(self, features: Tensor, generator: torch.Generator) -> Tensor:
        """The masks, without any randomness; see :meth:`Mechanism.sample`."""
        return (~self.missing(features)).to(features.dtype)

    def log_prob(self, s: Tensor, features: Tensor) -> Tensor:
        """0 where the rule gives the mask, minus infinity elsewhere."""
        agrees = (s > 0) != self.missing(features)
        right = (agrees | ~self.incomplete).all(-1)
        return torch.where(right, 0.0, -math.inf).to(features.dtype)


def _bars(signed: Tensor, seen: Tensor, above: str | float) -> Tensor:
    """The value beyond which cells go missing, feature by feature."""
    if above == "mean":
        largest = (signed.abs() * seen).amax(0)
        return seen_share(signed, seen) + 4 * torch.finfo(torch.float64).eps * largest
    ordered = torch.where(seen, signed, math.inf).sort(0).values
    rank = torch.ceil(float(above) * seen.sum(0) - 1e-9).long() - 1
    return ordered.gather(0, rank.clamp_min(0)[None])[0]


def _nearest_prefix(order: list[int], share: Tensor, target: float) -> list[int]:
    """First few categories of a random order, with a share nearest to the target."""
    totals = [0.0]
    for level in order[:-1]:
        totals.append(totals[-1] + float(share[level]))
    best = min(range(len(totals)), key=lambda k: abs(totals[k] - target))
    return order[:best]
