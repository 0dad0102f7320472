"""Mixtures of Gaussians with full covariances on rows with holes, and the single Gaussian.

Ghahramani and Jordan, "Supervised learning from incomplete data via an EM approach" (1994).
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from torch import Tensor

from halfseen.core.spec import DataSpec
from halfseen.errors import SettingError
from halfseen.estimators.base import store
from halfseen.estimators.card import MethodCard
from halfseen.estimators.factor_em import FactorEM, Prior
from halfseen.estimators.gaussian_em import GaussianEM, check_full_floor
from halfseen.estimators.signature import adds_to
from halfseen.estimators.solved_mixture import SolvedMixtureImputer

__all__ = ["GMMDensity", "GMMImputer", "GaussianImputer"]

PAPER = "Ghahramani and Jordan, NIPS 1994"
TINY = {"n_components": 2, "n_starts": 1, "max_iter": 20, "tol": 0.0}
COVARIANCES = ("full", "diagonal", "spherical")


class GMMImputer(SolvedMixtureImputer):
    r"""Complete data by a mixture of Gaussians, fitted to what is seen.

    .. math:: p(x_{obs}) = \sum_c \pi_c N(x_{obs}; \mu_c, \Sigma_c)

    Likelihood and conditional law are exact for whatever cells are seen; EM never lowers the
    likelihood. By gradient a full covariance is one of F - 1 factors and a noise of each of the
    F features, which is any. Costs grow with the cube of the features: beyond a hundred use
    :class:`MFAImputer`.

    Parameters
    ----------
    covariance : {"full", "diagonal", "spherical"}
        Any covariance; or columns that are independent within a component, with variances of
        their own or one for all.
    {shared}

    Attributes
    ----------
    model_ : FactorMixture
        Weights, means and covariances, as loadings and noise, over features in model units.
    shape_ : Shape
        Components of one start, and their rank.
    converged_ : bool
        Whether EM ended from every start because its steps gained less than ``tol``; False by
        gradient, whose steps are a budget.
    choice_ : list of dict
        What was tried: ``n_components``, ``error`` (root mean square of held-out cells, in
        standard deviations) and ``log_prob`` of held-out cells, per cell.
    history_ : list of dict
        The objective per seen cell before each step, from each start; it falls by rounding alone.

    Notes
    -----
    Each category is an indicator, whose law is Gaussian too: its mean is read as a probability.
    :meth:`score_samples` counts numbers alone.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.1], [1.0, np.nan], [2.0, 1.9], [3.0, 3.1]] * 10)
    >>> imputer = GMMImputer(n_components=1, prior_rows=0, random_state=0).fit(X)
    >>> imputer.transform(X)[1].round(1)
    array([1., 1.])
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="gmm",
        summary="Mixture of Gaussians by EM on what is seen; exact conditional laws.",
        paper=PAPER,
        check_params=TINY,
    )

    @adds_to(SolvedMixtureImputer)
    def __init__(
        self, *, covariance: Literal["full", "diagonal", "spherical"] = "full", **shared: Any
    ) -> None:
        super().__init__(**shared)
        store(self, {"covariance": covariance})

    def _check_settings(self) -> None:
        super()._check_settings()
        if self.covariance not in COVARIANCES:
            raise SettingError(
                f"Got covariance={self.covariance!r}. Expected one of {COVARIANCES}."
            )
        if self.covariance == "full":
            check_full_floor(self.noise_floor)

    def _ranks(self, spec: DataSpec) -> list[int]:
        return [max(spec.n_features - 1, 0) if self.covariance == "full" else 0]

    @property
    def _one_noise(self) -> bool:
        # A full covariance has the noise of its smallest eigenvalue, in units of the floors.
        return self.covariance == "spherical"

    def _steps(self, x: Tensor, s: Tensor, floor: Tensor, prior: Prior) -> GaussianEM | FactorEM:
        if self.covariance == "full":
            return GaussianEM(x, s, floor, prior)
        noise = "diagonal" if self.covariance == "diagonal" else "isotropic"
        return FactorEM(x, s, floor, noise, prior)  # type: ignore[arg-type]


class GMMDensity(GMMImputer):
    r"""The density of rows as a mixture of Gaussians, and the law of what is missing.

    As :class:`GMMImputer`, but no column is bent and no spread is changed: :meth:`conditional` is
    the exact conditional of :meth:`score_samples`' density, a mixture of Gaussians in the units of
    the table, whatever the kinds of its numbers.

    Parameters
    ----------
    covariance : {"full", "diagonal", "spherical"}
        See :class:`GMMImputer`.
    {solved}
    {shared}

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.1], [1.0, np.nan], [2.0, 1.9], [3.0, 3.1]] * 10)
    >>> density = GMMDensity(n_components=1, prior_rows=0, random_state=0).fit(X)
    >>> density.conditional([[1.0, np.nan]]).mean.round(1)
    array([[1., 1.]])
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="gmm",
        summary="Density of a mixture of Gaussians, with exact conditional laws.",
        paper=PAPER,
        task="density",
        check_params=TINY,
    )
    affine: ClassVar[bool] = True

    @adds_to(GMMImputer)
    def __init__(self, *, calibrate: bool = False, **shared: Any) -> None:
        super().__init__(calibrate=calibrate, **shared)


class GaussianImputer(GMMImputer):
    r"""Complete data by the conditional mean of one Gaussian: the simplest model of dependence.

    .. math:: E[x_{mis} | x_{obs}] = \mu_m + \Sigma_{mo} \Sigma_{oo}^{-1} (x_{obs} - \mu_o)

    Mean and covariance maximise the likelihood of what is seen.

    Parameters
    ----------
    covariance : {"full", "diagonal", "spherical"}
        See :class:`GMMImputer`.
    {solved}
    {shared}

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.1], [1.0, np.nan], [2.0, 1.9], [3.0, 3.1]] * 10)
    >>> GaussianImputer(prior_rows=0).fit_transform(X)[1].round(1)
    array([1., 1.])
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="gaussian",
        summary="Conditional law of one Gaussian, by EM on what is seen.",
        paper="Dempster, Laird and Rubin, 1977",
        check_params={"max_iter": 20, "tol": 0.0},
    )

    @adds_to(GMMImputer)
    def __init__(
        self,
        *,
        n_components: int = 1,
        n_starts: int = 1,
        skewed: bool = False,
        **shared: Any,
    ) -> None:
        super().__init__(n_components=n_components, n_starts=n_starts, skewed=skewed, **shared)
