"""The Gaussian copula: one Gaussian over the ranks of columns.

Hoff, "Extending the rank likelihood for semiparametric copula estimation" (2007), and Zhao and
Udell, "Missing value imputation for mixed data via Gaussian copula" (KDD 2020); here by EM on
normal scores, which are read as if they had been measured.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from halfseen.core.batch import Rows
from halfseen.core.spec import DataSpec
from halfseen.core.stored import entries, whole
from halfseen.core.units import Units
from halfseen.errors import FileFormatError, SettingError
from halfseen.estimators.card import MethodCard
from halfseen.estimators.factor_em import Prior
from halfseen.estimators.gaussian_em import GaussianEM, check_full_floor
from halfseen.estimators.mixture_imputer import MixtureImputer
from halfseen.estimators.normal_scores import NormalScores
from halfseen.estimators.signature import adds_to

__all__ = ["GaussianCopulaImputer"]

# Categories that have an order, and so ranks.
RANKED = ("ordered", "binary")


class GaussianCopulaImputer(MixtureImputer):
    r"""Complete data by one Gaussian over normal scores: any margins, dependence of ranks.

    .. math:: \Phi^{-1}(F_j(x_j)) = u_j, \quad u \sim N(\mu, \Sigma)

    The scores of numbers and of ordered categories are those of their ranks; other categories
    are indicators. Answers are means of numbers behind the map, within what was seen, and most
    probable categories; draws are values that were seen.

    Parameters
    ----------
    {shared}

    Attributes
    ----------
    scores_ : dict of int to NormalScores
        Maps of the columns that have ranks, those that vary counted.
    model_ : FactorMixture
        Mean and covariance of scores, as loadings and noise.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 1.0], [1.0, np.nan], [2.0, 7.4], [3.0, 20.1]] * 10)
    >>> imputer = GaussianCopulaImputer(random_state=0).fit(X)
    >>> bool(1 < imputer.transform(X)[1, 1] < 7.4)
    True
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="gaussian-copula",
        summary="One Gaussian over the ranks of columns, by EM on what is seen.",
        paper="Hoff, 2007; Zhao and Udell, KDD 2020",
        check_params={"max_iter": 20, "tol": 0.0},
    )

    _of_cells: ClassVar[bool] = False

    scores_: dict[int, NormalScores]

    @adds_to(MixtureImputer)
    def __init__(
        self, *, n_components: int = 1, n_starts: int = 1, skewed: bool = False, **shared: Any
    ) -> None:
        super().__init__(n_components=n_components, n_starts=n_starts, skewed=skewed, **shared)

    # ---- fitting ------------------------------------------------------------------------

    def _check_settings(self) -> None:
        super()._check_settings()
        check_full_floor(self.noise_floor)

    def _ranks(self, spec: DataSpec) -> list[int]:
        return [max(spec.n_features - 1, 0)]

    def _steps(self, x: Tensor, s: Tensor, floor: Tensor, prior: Prior) -> GaussianEM:
        return GaussianEM(x, s, floor, prior)

    def _fit_values(self, values: np.ndarray, spec: DataSpec) -> None:
        self.scores_ = {j: NormalScores.fit(_seen(values, spec, j)) for j in _ranked(spec)}
        super()._fit_values(self._forward(values), self._scored(spec))

    def _scored(self, spec: DataSpec) -> DataSpec:
        """The columns as the Gaussian sees them."""
        columns = [
            replace(column, kind="continuous", n_levels=0) if j in self.scores_ else column
            for j, column in enumerate(spec.columns)
        ]
        return replace(spec, columns=tuple(columns))

    def _choose_units(self, values: np.ndarray, spec: DataSpec) -> Units:
        # Scores are standard normal as they are.
        return Units.identity(spec)

    def _forward(self, values: np.ndarray) -> np.ndarray:
        out = np.array(values, dtype=float)
        for j, scores in self.scores_.items():
            out[:, j] = scores.forward(values[:, j])
        return out

    # ---- answering ----------------------------------------------------------------------

    def _rows(self, values: np.ndarray) -> Rows:
        return super()._rows(self._forward(values))

    @torch.no_grad()
    def _complete(self, values: np.ndarray) -> np.ndarray:
        laws = [self._mixture(part).law for part in self._row_parts(self._rows(values))]
        mean = torch.cat([law.mean[:, 0] for law in laws])
        scale = torch.cat([law.marginal_variance[:, 0] for law in laws]).sqrt().cpu().numpy()
        out = self._expand.contract(mean).cpu().numpy()
        for j, scores in self.scores_.items():
            center, spread = out[:, j], scale[:, self.units_.spec.offsets[j]]
            rule = scores.mode if self._spec.columns[j].categorical else scores.mean
            out[:, j] = rule(center, spread)
        return out

    def _to_data(self, x: Tensor) -> np.ndarray:
        out = x.cpu().numpy().astype(float)
        for j, scores in self.scores_.items():
            out[..., j] = scores.step(out[..., j])
        return out

    def conditional(self, X: Any, n_kept: int | None = None) -> Any:
        """Refused: scores have a Gaussian law, values have none in closed form.

        Raises
        ------
        SettingError
            Always.
        """
        raise SettingError(
            "Got conditional() of a GaussianCopulaImputer, whose columns are bent by their ranks. "
            "Expected a density in the units of the table: use GMMDensity or MFADensity."
        )

    def score_samples(self, X: Any) -> np.ndarray:
        """Log-density of the normal scores of the seen cells of each row, whatever their units.

        Ranks have no slope, so that this does not compare with the densities of other methods.

        Parameters
        ----------
        X : table of shape (n, p)
            The columns of fit.

        Returns
        -------
        array of shape (n,)
            0 where nothing is seen.
        """
        return super().score_samples(X)

    def _jacobian(self, values: np.ndarray) -> np.ndarray:
        # Ranks have no slope: the density is that of scores.
        return np.zeros(values.shape)

    # ---- files --------------------------------------------------------------------------

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        facts, tensors = super()._state()
        facts["scores"] = [[j, scores.to_json()] for j, scores in self.scores_.items()]
        return facts, tensors

    def _set_state(self, facts: dict[str, Any], tensors: dict[str, Any]) -> None:
        pairs = [entries({"scores": item}, "scores", 2) for item in entries(facts, "scores")]
        self.scores_ = {
            whole({"scores": j}, "scores"): NormalScores.from_json(state) for j, state in pairs
        }
        if list(self.scores_) != _ranked(self._spec):
            raise FileFormatError("The file's 'scores' are not those of its columns.")
        super()._set_state(facts, tensors)

    def _seen_spec(self) -> DataSpec:
        return self._scored(self._spec)


def _seen(values: np.ndarray, spec: DataSpec, j: int) -> np.ndarray:
    """A column; of a pixel that no image shows, the mean of what is seen of the images."""
    column = values[:, j]
    if not np.isnan(column).all():
        return column
    pixels = next(pixels for pixels in spec.images if j in pixels)
    return np.nanmean(values[:, pixels], keepdims=True)[0]


def _ranked(spec: DataSpec) -> list[int]:
    """Columns whose values have an order."""
    return [j for j, c in enumerate(spec.columns) if not c.categorical or c.kind in RANKED]
