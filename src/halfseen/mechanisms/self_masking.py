"""Self-masking: whether a cell is seen depends on its own value.

For a numeric column, p(s_j = 0 | x_j) = F(a_j (x_j - b_j)) with F the normal ("probit") or the
logistic distribution function; a_j > 0 when high values go missing. For a categorical column
each category has its own logit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from halfseen.core.spec import DataSpec
from halfseen.core.units import Units
from halfseen.errors import SettingError
from halfseen.mechanisms.base import Mechanism
from halfseen.mechanisms.calibration import bisect, check_rate, shuffled_levels
from halfseen.mechanisms.summary import self_masking_summary

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Direction", "SelfMasking"]

Direction = Literal["unknown", "high", "low"]
DIRECTIONS = ("unknown", "high", "low")
# In a simulation, logits of a missing cell of some categories are higher by this.
LEVEL_GAP = 2.0


class SelfMasking(Mechanism):
    """A cell goes missing because of its own value.

    Parameters
    ----------
    direction : {"unknown", "high", "low"} or mapping of column name to these
        Whether high or low values go missing, overall or per column; columns that a mapping
        leaves out are unknown.
    link : {"probit", "logistic"}, default="probit"
        The function F. With "probit" and a Gaussian column the missing cell is integrated out
        in closed form; with "logistic" by quadrature.
    slope : float, default=5.0
        Size of a_j, per standard deviation of the column: where training starts, and the
        median of the prior.
    slope_spread : float or None, default=None
        Standard deviation of a normal prior on log a_j; None for no prior.
    tied : bool, default=False
        Whether one slope and one location serve all columns, in model units. For the pixels of
        images, whose units are common; every pixel of an image is then one that can be missing.

    Notes
    -----
    Eq. 8 of Ipsen, Mattei and Frellsen, "not-MIWAE" (ICLR 2021), with the two links.
    """

    collapses = True
    incomplete: Tensor
    sign: Tensor
    feature_column: Tensor
    feature_numeric: Tensor

    def __init__(
        self,
        direction: Direction | Mapping[str, Direction] = "unknown",
        *,
        link: Literal["probit", "logistic"] = "probit",
        slope: float = 5.0,
        slope_spread: float | None = None,
        tied: bool = False,
    ) -> None:
        super().__init__()
        if link not in ("probit", "logistic"):
            raise SettingError(f"Got link={link!r}. Expected 'probit' or 'logistic'.")
        chosen = direction.values() if isinstance(direction, Mapping) else [direction]
        for word in chosen:
            if word not in DIRECTIONS:
                raise SettingError(f"Got direction={word!r}. Expected one of {DIRECTIONS}.")
        self.direction, self.link = direction, link
        self.slope, self.slope_spread, self.tied = slope, slope_spread, tied

    def settings(self) -> dict[str, Any]:
        """Constructor arguments."""
        plain = dict(self.direction) if isinstance(self.direction, Mapping) else self.direction
        return {
            "direction": plain,
            "link": self.link,
            "slope": self.slope,
            "slope_spread": self.slope_spread,
            "tied": self.tied,
        }

    def bind(
        self, spec: DataSpec, incomplete: Tensor, n_members: int, generator: torch.Generator
    ) -> None:
        """Make slopes, locations and category logits; see :meth:`Mechanism.bind`."""
        signs = self._signs(spec)
        if self.tied:
            _check_tied(spec, signs)
        incomplete = incomplete.clone()
        for pixels in spec.images if self.tied else []:
            incomplete[pixels] = incomplete[pixels].any()
        self.register_buffer("incomplete", incomplete)
        self._map_features(spec)
        self.register_buffer("sign", self._starts(signs, n_members, generator))
        own = self.sign[:, :1] if self.tied else self.sign
        self.raw_slope = nn.Parameter(torch.full_like(own, _inverse_softplus(self.slope)))
        self.location = nn.Parameter(own.clone())
        self.level_logits = nn.Parameter(torch.zeros(n_members, spec.n_features))

    def _map_features(self, spec: DataSpec) -> None:
        """Buffers that lead from features to columns without a loop over columns."""
        widths = torch.tensor([column.width for column in spec.columns])
        column = torch.repeat_interleave(torch.arange(spec.n_columns), widths)
        numeric = torch.tensor([not c.categorical for c in spec.columns])
        self.plain = bool(numeric.all())
        self.register_buffer("feature_column", column, persistent=False)
        self.register_buffer("feature_numeric", numeric[column], persistent=False)

    def known_signs(self, spec: DataSpec) -> np.ndarray:
        """Signs as told by the user, 0 where unknown, shape (p,)."""
        return self._signs(spec).numpy().astype(float)

    def _signs(self, spec: DataSpec) -> Tensor:
        if isinstance(self.direction, Mapping):
            unknown = set(self.direction) - set(spec.names)
            if unknown:
                raise SettingError(
                    f"Got a direction for {sorted(unknown)}, which are no columns. "
                    f"Expected some of {spec.names}."
                )
            words = [self.direction.get(name, "unknown") for name in spec.names]
        else:
            words = [self.direction] * spec.n_columns
        return torch.tensor([{"high": 1.0, "low": -1.0, "unknown": 0.0}[w] for w in words])

    def _starts(self, signs: Tensor, n_members: int, generator: torch.Generator) -> Tensor:
        """Signs of each member: as told where known, else alternating over members.

        The bound is bimodal in the sign of a slope (Ipsen et al.), so starts have to cover both.
        """
        coin = torch.rand(signs[:1].shape if self.tied else signs.shape, generator=generator) < 0.5
        first = torch.where(coin, 1.0, -1.0)
        flips = torch.tensor([1.0 if m % 2 == 0 else -1.0 for m in range(n_members)])
        free = flips[:, None] * first
        return torch.where(signs != 0, signs, free)

    @torch.no_grad()
    def start(self, low: Tensor, high: Tensor, sign: Tensor | None = None) -> None:
        """Begin where the seen cells end: b at the largest (or smallest) seen value.

        Parameters
        ----------
        low, high : Tensor of shape (p,)
            Range of the seen cells, model units.
        sign : Tensor of shape (members, p), optional
            Signs to start with in place of random ones.
        """
        if sign is not None:
            self.sign.copy_(sign)
        high, low = high.to(self.sign.device), low.to(self.sign.device)
        if self.tied:
            high, low = high[self.incomplete].amax(), low[self.incomplete].amin()
        edge = torch.where(self.sign > 0, high, low)
        self.location.copy_(edge[:, : self.location.shape[1]])

    def log_prior(self) -> Tensor:
        """Log-density of the prior on log-slopes, summed over columns, per member."""
        if self.slope_spread is None:
            return super().log_prior()
        log_slope = torch.log(functional.softplus(self.raw_slope))
        t = (log_slope - math.log(self.slope)) / self.slope_spread
        counts = self.incomplete.any() if self.tied else self.incomplete
        return -0.5 * torch.where(counts, t * t, torch.zeros_like(t)).sum(-1)

    def slopes(self) -> Tensor:
        """Slopes a, shape (members, p); positive where high values go missing."""
        return self.sign * functional.softplus(self.raw_slope)

    def locations(self) -> Tensor:
        """Locations b, shape (members, p)."""
        return self.location.expand(self.sign.shape)

    def margin(self, x: Tensor, columns: list[int]) -> Tensor:
        """Margins a (x - b) of some columns: x of shape (members, K, B, c)."""
        a, b = self.coefficients(columns)
        return a * (x - b)

    def coefficients(self, columns: list[int]) -> tuple[Tensor, Tensor]:
        """Slopes and locations of some columns, shapes (members, 1, 1, c)."""
        return self.slopes()[:, None, None, columns], self.locations()[:, None, None, columns]

    def log_missing(self, margin: Tensor) -> Tensor:
        """Log F(margin), the log-probability that a cell is missing."""
        if self.link == "logistic":
            return functional.logsigmoid(margin)
        return torch.special.log_ndtr(margin)

    def log_observed(self, margin: Tensor) -> Tensor:
        """log(1 - F(margin)); both links are symmetric."""
        return self.log_missing(-margin)

    def cell_log_prob(self, features: Tensor, s: Tensor) -> Tensor:
        """Log p(s_j | x_j) of every column, from features of shape (members, K, B, F)."""
        # Both links are symmetric: one evaluation serves seen and missing cells.
        side = 1 - 2 * s
        if self.plain:
            margin = self.slopes()[:, None, None] * (features - self.locations()[:, None, None])
            return self.log_missing(side * margin)
        side = side[..., self.feature_column]
        a = self.slopes()[:, None, None, self.feature_column]
        b = self.locations()[:, None, None, self.feature_column]
        by_value = self.log_missing(side * a * (features - b))
        by_level = features * functional.logsigmoid(side * self.level_logits[:, None, None])
        return self._by_column(torch.where(self.feature_numeric, by_value, by_level))

    def _by_column(self, cells: Tensor) -> Tensor:
        """Sums of features (..., F) over the columns that they belong to, (..., p)."""
        out = cells.new_zeros(*cells.shape[:-1], len(self.incomplete))
        return out.index_add(-1, self.feature_column, cells)

    def sample(self, features: Tensor, generator: torch.Generator) -> Tensor:
        """Independent Bernoulli masks; see :meth:`Mechanism.sample`."""
        p = self.cell_log_prob(features, features.new_zeros(len(self.incomplete))).exp()
        u = torch.rand(p.shape, generator=generator, device=p.device, dtype=p.dtype)
        return ((u >= p) | ~self.incomplete).to(p.dtype)

    def log_prob(self, s: Tensor, features: Tensor) -> Tensor:
        """Log p(s | x) with sampled missing cells; see :meth:`Mechanism.log_prob`."""
        cells = self.cell_log_prob(features, s)
        return torch.where(self.incomplete, cells, torch.zeros_like(cells)).sum(-1)

    @torch.no_grad()
    def calibrate(
        self,
        features: Tensor,
        rate: float | None,
        generator: torch.Generator,
        observed: Tensor | None = None,
    ) -> None:
        """Place locations, and category logits, so that every column has the wanted rate.

        Slopes stay. In a categorical column a random half of the categories goes missing more
        often than the others. See :meth:`Calibrates.calibrate`.
        """
        rows = features.reshape(-1, features.shape[-1]).double()
        gap = self._level_gaps(rows, generator)
        slope = self.slopes().double()
        weight = torch.where(self.feature_numeric, slope[:, self.feature_column], gap)
        score = self._by_column(rows * weight[:, None])
        cells = None if observed is None else observed.reshape(len(rows), -1)
        numeric = self._by_column(self.feature_numeric.double()) > 0
        if self.tied:
            score, numeric = score[..., self.incomplete].flatten(1)[..., None], numeric[:1]
            cells = None if cells is None else cells[:, self.incomplete].reshape(-1, 1)
            slope = slope[:, :1]
        link = torch.special.ndtr if self.link == "probit" else torch.sigmoid

        def probability(u: Tensor) -> Tensor:
            return torch.where(numeric, link(u), torch.sigmoid(u))

        shift = bisect(probability, score, check_rate(rate), cells)
        self.location.copy_(-shift / slope)
        by_column = shift.expand(*shift.shape[:-1], len(self.incomplete))
        self.level_logits.copy_(gap + by_column[..., self.feature_column])

    def _level_gaps(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Extra logits of a random half of the categories that occur, shape (F,)."""
        gap = rows.new_zeros(rows.shape[1])
        for j in self.feature_column[~self.feature_numeric].unique().tolist():
            places = torch.nonzero(self.feature_column == j)[:, 0]
            order = shuffled_levels(rows[:, places].sum(0) > 0, generator)
            gap[places[order[: len(order) // 2]]] = LEVEL_GAP
        return gap

    def summary(
        self,
        spec: DataSpec,
        units: Units | None = None,
        levels: Mapping[str, list[Any]] | None = None,
    ) -> pd.DataFrame:
        """What was learned, in data units; see ``self_masking_summary``."""
        return self_masking_summary(self, spec, units or Units.identity(spec), levels)


def _check_tied(spec: DataSpec, signs: Tensor) -> None:
    """One slope and one location need numbers with one direction."""
    categorical = [column.name for column in spec.columns if column.categorical]
    if categorical:
        raise SettingError(
            f"Got tied=True and the categorical columns {categorical[:5]}. Expected numeric ones "
            "only: categories have logits of their own. Pass tied=False."
        )
    if (signs != signs[:1]).any():
        raise SettingError(
            "Got tied=True and directions that differ. Expected one word, 'high', 'low' or "
            "'unknown', for all columns; or pass tied=False."
        )


def _inverse_softplus(value: float) -> float:
    return value + math.log(-math.expm1(-value))
