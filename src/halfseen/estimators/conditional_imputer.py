"""Imputers whose answer is a law in closed form: a mixture of low-rank Gaussians for each row."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from itertools import chain
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from halfseen.core.batch import Rows
from halfseen.core.factor_mixture import LowRankMixture
from halfseen.core.noise import Noise, seed_from
from halfseen.core.spec import CATEGORICAL, DataSpec
from halfseen.core.stored import member, numbers, pair
from halfseen.core.units import Units
from halfseen.errors import SettingError
from halfseen.estimators.base import inner_share
from halfseen.estimators.conditional_draws import draw_cells
from halfseen.estimators.conditional_laws import LawImputer
from halfseen.estimators.floors import noise_floors
from halfseen.estimators.ranges import seen_range
from halfseen.estimators.repeats import Repeats, find_repeats
from halfseen.estimators.stored_network import set_common
from halfseen.terms.laws import GaussianLaw

__all__ = ["ConditionalImputer"]


class ConditionalImputer(LawImputer):
    """Base of the methods that give the conditional law of a row's missing cells in closed form.

    Cells are features: standardised numbers, and an indicator per category. A subclass learns
    in ``_learn``, and says of rows ``_mixture`` and ``_log_prob``.
    """

    noise_floor: float | str
    random_state: Any
    verbose: bool
    _chunk_floats: ClassVar[int] = 2**23
    #: Whether the law is of the cells, and not of something in their place.
    _of_cells: ClassVar[bool] = True
    #: Whether strongly skewed columns are bent, in methods that have the setting.
    skewed: bool = False
    #: Whether numbers are standardised first, in methods that have the setting.
    standardize: bool = True
    #: Whether numbers keep a scale on which the law is Gaussian in the units of the table.
    affine: ClassVar[bool] = False

    floor_: np.ndarray
    repeats_: Repeats
    range_: tuple[np.ndarray, np.ndarray]

    # ---- what a method says -------------------------------------------------------------

    @abstractmethod
    def _check_settings(self) -> None:
        """Refuse settings that nothing else would."""

    @abstractmethod
    def _learn(self, rows: Rows, spec: DataSpec) -> None:
        """Fit to the rows of the table, in model units."""

    def _unconditional(self, empty: Rows) -> LowRankMixture:
        """The law from which new rows are drawn; ``empty`` is one row of which nothing is seen."""
        return self._mixture(empty)

    @abstractmethod
    def _log_prob(self, rows: Rows, scored: Tensor) -> Tensor:
        """Log-density (n,) of the seen features that a mask (F,) picks, in model units."""

    # ---- fitting ------------------------------------------------------------------------

    def _fit_values(self, values: np.ndarray, spec: DataSpec) -> None:
        self._check_floor()
        self._check_settings()
        self.seed_ = seed_from(self.random_state)
        self.history_: list[dict[str, Any]] = []
        self.n_iter_ = 0
        if spec.n_columns == 0:
            return
        self.units_ = self._choose_units(values, spec)
        x = self.units_.to_model(values)
        self.range_ = seen_range(x, spec)
        self.floor_ = noise_floors(x, spec, self.noise_floor)
        self.repeats_ = find_repeats(x, values, spec)
        self._learn(Rows.from_values(x, self.device, self._dtype), spec)

    def _check_floor(self) -> None:
        floor = self.noise_floor
        if floor != "auto" and (not isinstance(floor, Real) or not 0 < floor < np.inf):
            raise SettingError(
                f"Got noise_floor={floor!r}. Expected 'auto' or a number above 0: without a floor "
                "the density of a cell that repeats has no bound."
            )

    def _choose_units(self, values: np.ndarray, spec: DataSpec) -> Units:
        if self.affine:
            kinds = [c if c.categorical else replace(c, kind="continuous") for c in spec.columns]
            spec = replace(spec, columns=tuple(kinds))
        skewed = self.skewed and not self.affine
        return Units.fit(spec, values, standardize=self.standardize, skewed=skewed)

    @property
    def _dtype(self) -> torch.dtype:
        """Precision of the model."""
        return torch.float64

    def _feature_floors(self) -> np.ndarray:
        """Smallest scale of the noise of every feature (F,)."""
        return np.repeat(self.floor_, [column.width for column in self.units_.spec.columns])

    @property
    def noise_floor_variance_(self) -> np.ndarray:
        """Smallest variance of the noise of each column that varies (p,), of components and rows.

        In squared units of the table; of those of the bent column, or of its normal scores, where
        a method bends it.
        """
        check_is_fitted(self, "codec_")
        if not self._varying:
            return np.zeros(0)
        return (self.floor_ * self.units_.scale) ** 2

    # ---- answering ----------------------------------------------------------------------

    @torch.no_grad()
    def _complete(self, values: np.ndarray) -> np.ndarray:
        """Conditional means of numbers, most probable categories."""
        features = torch.cat([self._mean(part) for part in self._row_parts(self._rows(values))])
        for pixels in self.units_.spec.images:
            features[:, pixels] = self._within(features[:, pixels], pixels)
        return self._from_features(features)

    def _mean(self, rows: Rows) -> Tensor:
        """Mean features (n, F) in the units of ``Units.natural``."""
        mixture = self._mixture(rows)
        weights, law = mixture.log_weights.exp()[..., None], mixture.law
        mean = (weights * law.mean).sum(1)
        curved = self.units_.curved
        if curved:
            at = [self.units_.spec.offsets[j] for j in curved]
            cells = GaussianLaw(law.mean[..., at], law.marginal_variance[..., at].sqrt())
            bent = cells.mean(lambda x: self.units_.natural(self._within(x, curved), curved))
            mean[:, at] = (weights * bent).sum(1)
        return mean

    def _from_features(self, features: Tensor) -> np.ndarray:
        return self.units_.finish(self._expand.contract(features).cpu().numpy())

    @property
    def _bounded(self) -> list[int]:
        """Columns whose answers stay within what was seen: pixels, and those on a bent scale."""
        pixels = chain.from_iterable(self.units_.spec.images)
        return sorted({*self.units_.curved, *pixels})

    def _within(self, x: Tensor, columns: list[int]) -> Tensor:
        """Cells (..., c) within what was seen: on a bent scale a tail has no end."""
        low, high = (torch.as_tensor(end[columns]).to(x) for end in self.range_)
        return x.clamp(low, high)

    def _to_data(self, x: Tensor) -> np.ndarray:
        """Drawn cells (..., p) in data units; values that come back as they stand in the table."""
        columns = self._bounded
        if columns:
            x = x.clone()
            x[..., columns] = self._within(x[..., columns], columns)
        natural = self.units_.natural(x, list(range(x.shape[-1])))
        return self.repeats_.snap(x.cpu().numpy(), self.units_.finish(natural.cpu().numpy()))

    def quantile(self, X: Any, q: float) -> Any:
        """Complete a table with a quantile of each missing cell's conditional law.

        Parameters
        ----------
        X : table of shape (n, p)
            The columns of fit.
        q : float
            In (0, 1); categories take the most probable one.

        Returns
        -------
        same as X
        """
        level = inner_share(q)
        return self._completed(X, lambda values: self._quantiles(values, level))

    def _quantiles(self, values: np.ndarray, q: float) -> np.ndarray:
        parts = []
        for part in self._row_parts(self._rows(values)):
            cells = torch.as_tensor(self._law_of(part).quantile(q)).flatten(1)
            parts.append(self._to_data(self._expand.cpu().contract(cells)))
        filled, columns = np.concatenate(parts), self._spec.where(*CATEGORICAL)
        filled[:, columns] = self._complete(values)[:, columns]
        return filled

    def _drawn(self, rows: Rows, source: Noise, *, noise: bool) -> np.ndarray:
        return self._cells_of(self._mixture(rows), source, noise=noise)

    def _drawn_anew(self, empty: Rows, source: Noise, *, noise: bool) -> np.ndarray:
        return self._cells_of(self._unconditional(empty), source, noise=noise)

    def _cells_of(self, mixture: LowRankMixture, source: Noise, *, noise: bool) -> np.ndarray:
        return self._to_data(draw_cells(mixture, self._expand, source, noise=noise))

    @torch.no_grad()
    def score_samples(self, X: Any) -> np.ndarray:
        """Log-density of the seen numbers of each row, in data units.

        Categories have no density and are not counted.

        Parameters
        ----------
        X : table of shape (n, p)
            The columns of fit.

        Returns
        -------
        array of shape (n,)
            0 where nothing is seen.
        """
        values = self._encode(X).values[:, self._varying]
        if values.shape[1] == 0:
            return np.zeros(len(values))
        expand = self._expand
        scored = torch.zeros(self.units_.spec.n_features, dtype=self._dtype, device=self.device)
        scored[expand.numeric_at] = 1.0
        parts = [self._log_prob(part, scored) for part in self._row_parts(self._rows(values))]
        jacobian = self._jacobian(values)
        seen = np.where(np.isnan(values), 0.0, jacobian).sum(1)
        return torch.cat(parts).cpu().double().numpy() + seen

    def _jacobian(self, values: np.ndarray) -> np.ndarray:
        """Log |dx / dv| of numeric cells (n, p), counts included: their law is a density here."""
        return self.units_.log_jacobian(np.nan_to_num(values), counts=True)

    # ---- files --------------------------------------------------------------------------

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        facts: dict[str, Any] = {"seed": self.seed_, "history": self.history_}
        facts |= {"n_iter": self.n_iter_, "missing_share": self.missing_share_.tolist()}
        if not hasattr(self, "units_"):
            return facts, {}
        facts |= {
            "units": self.units_.to_json(),
            "floor": self.floor_.tolist(),
            "repeats": self.repeats_.to_json(),
            "range": [end.tolist() for end in self.range_],
        }
        return facts, {}

    def _seen_spec(self) -> DataSpec:
        """The columns as the law sees them."""
        return self._spec

    def _set_state(self, facts: dict[str, Any], tensors: dict[str, Any]) -> None:
        set_common(self, facts)
        if not self._varying:
            return
        p = len(self._varying)
        self.units_ = Units.from_json(self._seen_spec(), member(facts, "units"))
        self.floor_ = numbers(facts, "floor", p)
        self.repeats_ = Repeats.from_json(member(facts, "repeats"), p)
        self.range_ = pair(facts, "range", p)
