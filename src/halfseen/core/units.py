"""The change of units between a table and a model: one monotone map per column.

A numeric cell in data units ``v`` becomes ``x = (g(v) - shift) / scale`` in model units, with
``g`` the identity, a logarithm (``positive``, ``count``), a logit (``bounded``) or a
Yeo-Johnson power (skewed ``continuous`` columns). Categorical cells keep their codes.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from halfseen.core.floats import near_one
from halfseen.core.spec import DataSpec
from halfseen.core.stored import numbers
from halfseen.errors import ColumnError, FileFormatError

__all__ = ["Units"]

IDENTITY, LOG, LOGIT, POWER = range(4)
# A logit needs room at both ends: this share of the range, as in the smithson-verkuilen squeeze.
SQUEEZE = 1e-3
# Model units end here: a float32 holds them.
FURTHEST = 1e30
# The largest number of a column that is not standardised: models compute with its square.
MOST_BARE = 1e12
# Multiples of the spread end here before a power is taken: a cube of these is finite.
FURTHEST_POWER = 1e100


class Units(nn.Module):
    """Monotone maps between data units and model units, column by column.

    Parameters
    ----------
    spec : DataSpec
        The p columns.
    shift, scale : array of shape (p,)
        Location and spread after the nonlinear map.
    map_code : int array of shape (p,)
        Which nonlinear map: 0 identity, 1 log(v + offset), 2 logit, 3 Yeo-Johnson.
    map_value : array of shape (p, 2)
        Its parameters: (offset, -), (lower, upper) or (lambda, pre-scale).

    Examples
    --------
    >>> spec = DataSpec.continuous(2)
    >>> table = np.array([[1.0, 10.0], [3.0, np.nan]])
    >>> units = Units.fit(spec, table)
    >>> units.to_model(table)
    array([[-1.,  0.],
           [ 1., nan]])
    """

    def __init__(
        self,
        spec: DataSpec,
        shift: np.ndarray,
        scale: np.ndarray,
        map_code: np.ndarray,
        map_value: np.ndarray,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.shift, self.scale = np.asarray(shift, float), np.asarray(scale, float)
        self.map_code, self.map_value = np.asarray(map_code, int), np.asarray(map_value, float)
        self.curved = [int(j) for j in np.flatnonzero(self.map_code != IDENTITY)]

    @classmethod
    def identity(cls, spec: DataSpec) -> Units:
        """Units in which model and data agree; for data that is standardised already."""
        p = spec.n_columns
        return cls(spec, np.zeros(p), np.ones(p), np.zeros(p, int), np.zeros((p, 2)))

    @classmethod
    def fit(
        cls, spec: DataSpec, values: np.ndarray, *, standardize: bool = True, skewed: bool = False
    ) -> Units:
        """Learn the maps from observed cells.

        Parameters
        ----------
        spec : DataSpec
            The p columns.
        values : array of shape (n, p)
            Data units, NaN where missing.
        standardize : bool, default=True
            Whether to remove location and spread of the seen cells.
        skewed : bool, default=False
            Whether strongly skewed ``continuous`` columns get a Yeo-Johnson power.

        Raises
        ------
        ColumnError
            Where values do not fit their kind, or are too large to be left as they are.

        Notes
        -----
        The pixels of an image share one shift and one scale, so that neighbours stay comparable
        and a pixel that never varies, or was never seen, is like any other.
        """
        units = cls.identity(spec)
        images = spec.images
        for pixels in images if standardize else []:
            grey = values[:, pixels]
            units._standardize(pixels, grey[~np.isnan(grey)])
        taken = set(chain.from_iterable(images))
        for j, column in enumerate(spec.columns):
            seen = values[~np.isnan(values[:, j]), j]
            if j in taken or column.categorical or column.constant is not None or seen.size == 0:
                continue
            units.map_code[j], units.map_value[j] = _choose_map(column, seen, skewed)
            mapped = units._forward(j, seen)
            if standardize or units.map_code[j] != IDENTITY:
                units._standardize(j, mapped)
            elif np.abs(mapped).max() > MOST_BARE:
                raise ColumnError(
                    f"Column {column.name!r} holds {np.abs(mapped).max():g}, and "
                    f"standardize=False. Expected at most {MOST_BARE:g}; let columns be "
                    "standardised, or give it in larger units."
                )
        units.curved = [int(j) for j in np.flatnonzero(units.map_code != IDENTITY)]
        return units

    def _standardize(self, j: int | list[int], mapped: np.ndarray) -> None:
        if mapped.size == 0:
            return
        unit, exponent = near_one(mapped)
        center = np.mean(unit)
        deviation = unit - center
        largest = np.max(np.abs(deviation), initial=0.0)
        self.shift[j] = np.ldexp(center, exponent)
        spread = largest and largest * np.sqrt(np.mean((deviation / largest) ** 2))
        # A spread below the smallest float is none.
        self.scale[j] = np.ldexp(spread, exponent) or self.scale[j]

    def rescaled(self, shift: np.ndarray, scale: np.ndarray) -> Units:
        """The same nonlinear maps with another location and spread."""
        return Units(self.spec, shift, scale, self.map_code, self.map_value)

    def to_json(self) -> dict[str, Any]:
        """Parameters as plain lists."""
        return {
            "shift": self.shift.tolist(),
            "scale": self.scale.tolist(),
            "map_code": self.map_code.tolist(),
            "map_value": self.map_value.tolist(),
        }

    @classmethod
    def from_json(cls, spec: DataSpec, state: dict[str, Any]) -> Units:
        """Inverse of :meth:`to_json`."""
        p = spec.n_columns
        code, value = numbers(state, "map_code", p), numbers(state, "map_value", p, 2)
        first, second = value.T
        good = np.isin(code, (IDENTITY, LOG, LOGIT, POWER))
        good &= np.where(code == LOG, first >= 0, True)
        good &= np.where(code == LOGIT, second > first, True)
        good &= np.where(code == POWER, second > 0, True)
        scale, shift = numbers(state, "scale", p, positive=True), numbers(state, "shift", p)
        plain = (code == IDENTITY) & (shift == 0) & (scale == 1)
        good &= plain | ~np.array([column.categorical for column in spec.columns], dtype=bool)
        if not good.all():
            raise FileFormatError(
                f"The file has units for column {spec.names[int(good.argmin())]!r} that are no "
                "monotone map. Expected a file written by save()."
            )
        return cls(spec, shift, scale, code, value)

    def to_model(self, values: np.ndarray) -> np.ndarray:
        """Data units to model units, both float64 of shape (n, p); NaN stays NaN.

        Cells further from what was seen than 1e30 spreads are read as if they were there.
        """
        out = np.array(values, dtype=float, copy=True)
        for j in self.curved:
            out[:, j] = self._forward(j, out[:, j])
        with np.errstate(over="ignore"):
            x = (out - self.shift) / self.scale
            far = np.isinf(x)
            if far.any():
                # At both ends of the range of floats halves have a difference; the smallest float
                # has no half.
                half = np.maximum(self.scale / 2, np.finfo(float).smallest_subnormal)
                x = np.where(far, (out / 2 - self.shift / 2) / half, x)
        return np.clip(x, -FURTHEST, FURTHEST)

    def to_data(self, x: np.ndarray) -> np.ndarray:
        """Model units to data units, float64 of shape (..., p)."""
        out = self._affine(np.asarray(x, dtype=float))
        for j in self.curved:
            out[..., j] = _inverse(
                self.map_code[j], self.map_value[j], torch.from_numpy(out[..., j].copy())
            ).numpy()
        return out

    def natural(self, x: Tensor, columns: list[int]) -> Tensor:
        """Undo the nonlinear maps alone: what may be averaged.

        Affine columns stay in model units, where float32 is precise and an average commutes
        with the change of units; curved columns go to data units.

        Parameters
        ----------
        x : Tensor of shape (..., c)
            Model units of the columns at ``columns``.
        """
        curved = [(i, j) for i, j in enumerate(columns) if self.map_code[j] != IDENTITY]
        if not curved:
            return x
        out = x.clone()
        for i, j in curved:
            mapped = x[..., i] * self.scale[j] + self.shift[j]
            out[..., i] = _inverse(self.map_code[j], self.map_value[j], mapped)
        return out

    def finish(self, natural: np.ndarray) -> np.ndarray:
        """From the units of :meth:`natural` to data units, float64 of shape (..., p).

        Numbers that no float can hold become the largest one.
        """
        out = self._affine(natural.astype(float))
        out[..., self.curved] = natural[..., self.curved]
        return out

    def _affine(self, x: np.ndarray) -> np.ndarray:
        """Location and spread put back; NaN and infinities of x stay what they are."""
        with np.errstate(over="ignore"):
            out = x * self.scale + self.shift
        largest = np.finfo(float).max
        return np.where(np.isfinite(x), np.clip(out, -largest, largest), out)

    def log_jacobian(self, values: np.ndarray, *, counts: bool = False) -> np.ndarray:
        """Log |dx / dv| of numeric cells (n, p): what a density gains in data units.

        Zero for categorical columns, and for counts, which have probabilities, unless ``counts``
        says that they have densities, too.
        """
        out = np.zeros(values.shape)
        for j, column in enumerate(self.spec.columns):
            if not column.categorical and (counts or column.kind != "count"):
                out[:, j] = self._log_slope(j, values[:, j]) - np.log(self.scale[j])
        return out

    def _log_slope(self, j: int, v: np.ndarray) -> np.ndarray | float:
        """Log |g'(v)| of the nonlinear map."""
        code, (first, second) = self.map_code[j], self.map_value[j]
        if code == LOG:
            return -np.log(np.maximum(v + first, np.finfo(float).tiny))
        if code == LOGIT:
            share = _share(v, first, second)
            return np.log((1 - 2 * SQUEEZE) / (second - first)) - np.log(share * (1 - share))
        if code == POWER:
            far = np.log1p(np.abs(_spreads(v, second)))
            return (first - 1) * np.sign(v) * far - np.log(second)
        return 0.0

    def has_curved(self, columns: list[int]) -> bool:
        """Whether any of the columns has a nonlinear map."""
        return any(self.map_code[j] != IDENTITY for j in columns)

    def _forward(self, j: int, v: np.ndarray) -> np.ndarray:
        code, (first, second) = self.map_code[j], self.map_value[j]
        if code == LOG:
            with np.errstate(invalid="ignore", divide="ignore"):
                return np.log(np.maximum(v + first, np.finfo(float).tiny))
        if code == LOGIT:
            share = _share(v, first, second)
            return np.log(share) - np.log1p(-share)
        if code == POWER:
            return _yeo_johnson(_spreads(v, second), first)
        return v


def _choose_map(column: Any, seen: np.ndarray, skewed: bool) -> tuple[int, tuple[float, float]]:
    """Which nonlinear map a column gets, and its parameters."""
    if column.kind in ("positive", "count"):
        return LOG, (_log_offset(column, seen), 0.0)
    if column.kind == "bounded":
        lower = float(seen.min()) if column.lower is None else column.lower
        upper = float(seen.max()) if column.upper is None else column.upper
        return (LOGIT, (lower, upper)) if upper > lower else (IDENTITY, (0.0, 0.0))
    if skewed and seen.size >= 20 and seen.max() > seen.min():
        return _choose_power(seen)
    return IDENTITY, (0.0, 0.0)


def _log_offset(column: Any, seen: np.ndarray) -> float:
    if seen.min() < 0:
        raise ColumnError(
            f"Column {column.name!r} is declared {column.kind!r} but holds {seen.min():g}. "
            "Expected no negative value; declare it 'continuous' or mend the value."
        )
    if seen.max() > 1e30:
        raise ColumnError(
            f"Column {column.name!r} is declared {column.kind!r} and holds {seen.max():g}. "
            "Expected at most 1e30; give it in larger units."
        )
    if column.kind == "count":
        return 1.0
    # Zeros in a positive column are read as "below half of the smallest value seen".
    return 0.0 if seen.min() > 0 else float(np.min(seen[seen > 0], initial=1.0)) / 2


def _choose_power(seen: np.ndarray) -> tuple[int, tuple[float, float]]:
    from scipy import stats

    unit, exponent = near_one(seen)
    spread = float(np.std(unit))
    # Without their mean, cells that hardly differ keep all digits of their moments.
    if spread == 0 or abs(stats.skew(unit - np.mean(unit))) < 2:
        return IDENTITY, (0.0, 0.0)
    power = float(np.clip(stats.yeojohnson_normmax(unit / spread), -1.0, 3.0))
    spread = float(np.ldexp(spread, exponent))
    return (POWER, (power, spread)) if spread > 0 else (IDENTITY, (0.0, 0.0))


def _spreads(v: np.ndarray, spread: float) -> np.ndarray:
    """Numbers in multiples of a spread, as far as powers of them are finite."""
    with np.errstate(over="ignore"):
        return np.clip(v / spread, -FURTHEST_POWER, FURTHEST_POWER)


def _share(v: np.ndarray, lower: float, upper: float) -> np.ndarray:
    """Place between two bounds, with room at both ends."""
    with np.errstate(over="ignore"):
        share = np.clip((v - lower) / (upper - lower), 0, 1)
    return share * (1 - 2 * SQUEEZE) + SQUEEZE


def _yeo_johnson(v: np.ndarray, power: float) -> np.ndarray:
    up, down = np.maximum(v, 0), np.maximum(-v, 0)
    high = np.log1p(up) if power == 0 else ((1 + up) ** power - 1) / power
    rest = 2 - power
    low = np.log1p(down) if rest == 0 else ((1 + down) ** rest - 1) / rest
    return np.where(np.isnan(v), np.nan, np.where(v >= 0, high, -low))


def _inverse(code: int, value: np.ndarray, mapped: Tensor) -> Tensor:
    """Inverse of the nonlinear maps."""
    first, second = float(value[0]), float(value[1])
    if code == LOG:
        # Half of the float range: an answer may be huge but is never infinite.
        return (torch.exp(mapped.clamp(max=80.0)) - first).clamp_min(0.0)
    if code == LOGIT:
        share = (torch.sigmoid(mapped) - SQUEEZE) / (1 - 2 * SQUEEZE)
        return first + (second - first) * share.clamp(0.0, 1.0)
    return _inverse_yeo_johnson(mapped, first) * second


def _inverse_yeo_johnson(mapped: Tensor, power: float) -> Tensor:
    up, down = mapped.clamp_min(0), (-mapped).clamp_min(0)
    return torch.where(mapped >= 0, _unpower(up, power), -_unpower(down, 2 - power))


def _unpower(mapped: Tensor, power: float) -> Tensor:
    if power == 0:
        return torch.expm1(mapped.clamp(max=80.0))
    # A negative power is bounded above; the clamp keeps extrapolation finite.
    return (mapped * power + 1).clamp_min(1e-4) ** (1 / power) - 1
