"""Mixtures of factor analysers, and probabilistic principal components, on rows with holes.

Ghahramani and Hinton, "The EM algorithm for mixtures of factor analyzers" (1996); Tipping and
Bishop, "Mixtures of probabilistic principal component analyzers" (1999); for pictures Richardson
and Weiss, "On GANs and GMMs" (2018), the baseline of Przewiezlikowski, Smieja and Struski,
"Estimating conditional density of missing values using deep Gaussian mixture model" (2020).
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import numpy as np
from torch import Tensor

from halfseen.core.batch import Rows
from halfseen.core.factor_mixture import LowRankMixture, Posterior
from halfseen.core.released_mixture import released_conditional, released_posterior
from halfseen.core.spec import DataSpec
from halfseen.errors import SettingError
from halfseen.estimators.base import store
from halfseen.estimators.card import MethodCard
from halfseen.estimators.factor_em import FactorEM, Prior
from halfseen.estimators.signature import adds_to
from halfseen.estimators.solved_mixture import SolvedMixtureImputer

__all__ = ["MFADensity", "MFAImputer"]

PAPER = "Ghahramani and Hinton, 1996; Richardson and Weiss, NeurIPS 2018"
TINY = {"n_components": 2, "rank": 1, "n_starts": 1, "max_iter": 20, "tol": 0.0}


class MFAImputer(SolvedMixtureImputer):
    r"""Complete data by a mixture of factor analysers, fitted to what is seen.

    .. math:: p(x_{obs}) = \sum_c \pi_c N(x_{obs}; \mu_c, A_c A_c^T + \mathrm{diag}(d_c))

    Likelihood and conditional law are exact for whatever cells are seen; EM never lowers the
    likelihood. One component with ``noise="isotropic"`` is probabilistic principal component
    analysis, and without factors (``rank=0``) columns are independent within a component.

    Parameters
    ----------
    rank : int or None
        Factors of a component, at most one less than features; None chooses by held-out cells
        for tables, and takes 6 for images.
    noise : {"diagonal", "isotropic"}
        Whether columns have a noise of their own, or a component one for all.
    released : bool
        Whether the fit, log-densities and conditional laws are those of the public baseline of
        the DMFA paper: it weighs components by e to the power of their weight, in every step of
        EM and in :meth:`score_samples`, too; its conditional laws keep the most probable one and
        have too large a covariance (see :mod:`halfseen.core.released_mixture`). EM may then lower
        its objective. Where components or rank are open, they are chosen among mixtures of this
        very fit, each scored by its exact law; rows are generated as without it. For published
        tables only.
    {solved}
    {shared}

    Attributes
    ----------
    model_ : FactorMixture
        Weights, means, loadings and noise over features in model units.
    shape_ : Shape
        Components of one start, and their rank.
    converged_ : bool
        Whether EM ended from every start because its steps gained less than ``tol``; False by
        gradient, whose steps are a budget.
    choice_ : list of dict
        What was tried: ``n_components``, ``rank``, ``error`` (root mean square of held-out cells,
        in standard deviations) and ``log_prob`` of held-out cells, per cell.
    history_ : list of dict
        The objective per seen cell before each step, from each start; with EM it never falls,
        unless ``released``, where nothing keeps it from that. By gradient, steps and losses at
        each check of training.

    Notes
    -----
    Each category is an indicator, whose law is Gaussian too: its mean is read as a probability.
    :meth:`score_samples` counts numbers alone.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.1], [1.0, np.nan], [2.0, 1.9], [3.0, 3.1]] * 10)
    >>> imputer = MFAImputer(n_components=1, rank=1, prior_rows=0, random_state=0).fit(X)
    >>> imputer.transform(X)[1].round(1)
    array([1., 1.])
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="mfa",
        summary="Mixture of factor analysers by EM on what is seen; exact conditional laws.",
        paper=PAPER,
        check_params=TINY,
    )

    @adds_to(SolvedMixtureImputer)
    def __init__(
        self,
        *,
        rank: int | None = None,
        noise: Literal["diagonal", "isotropic"] = "diagonal",
        released: bool = False,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        store(self, {"rank": rank, "noise": noise, "released": released})

    @classmethod
    def published(cls, data: Literal["digits", "faces"] = "digits", **changes: Any) -> Self:
        """The baseline of the DMFA paper: isotropic noise, 30 steps of EM on complete pictures.

        Parameters
        ----------
        data : {"digits", "faces"}, default="digits"
            MNIST and Fashion-MNIST, 50 components of rank 6 from clusters, or CelebA of 32 x 32,
            300 of rank 10 from pictures drawn at random. There the released code finds
            responsibilities by a fifth of the cells, drawn anew in each step; here by all.
        **changes
            Settings in place of those.

        Raises
        ------
        SettingError
            When ``data`` is another word.
        """
        if data not in ("digits", "faces"):
            raise SettingError(f"Got data={data!r}. Expected one of ('digits', 'faces').")
        faces = data == "faces"
        settings: dict[str, Any] = {
            "n_components": 300 if faces else 50,
            "rank": 10 if faces else 6,
            "start": "random" if faces else "clusters",
            "noise": "isotropic",
            "n_starts": 1,
            "prior_rows": 0.0,
            "noise_floor": 0.01,
            "max_iter": 30,
            "tol": 0.0,
        }
        return cls(**{**settings, **changes})

    # ---- fitting ------------------------------------------------------------------------

    def _check_settings(self) -> None:
        super()._check_settings()
        if self.noise not in ("diagonal", "isotropic"):
            raise SettingError(
                f"Got noise={self.noise!r}. Expected one of ('diagonal', 'isotropic')."
            )
        if self.rank is not None and (
            not isinstance(self.rank, (int, np.integer)) or self.rank < 0
        ):
            raise SettingError(f"Got rank={self.rank!r}. Expected 0 or a positive whole number.")

    def _ranks(self, spec: DataSpec) -> list[int]:
        most = max(spec.n_features - 1, 0)
        if self.rank is not None:
            return [min(self.rank, most)]
        if spec.shape is not None:
            return [min(6, most)]
        return sorted(
            {min(rank, most) for rank in (1, spec.n_features // 4, spec.n_features // 2)}
        )

    def _steps(self, x: Tensor, s: Tensor, floor: Tensor, prior: Prior) -> FactorEM:
        return FactorEM(x, s, floor, self.noise, prior, self.released)

    @property
    def _one_noise(self) -> bool:
        return self.noise == "isotropic"

    # ---- answering ----------------------------------------------------------------------

    def _posterior(self, rows: Rows, scored: Tensor | None = None) -> Posterior:
        posterior = super()._posterior(rows, scored)
        return released_posterior(self.model_, posterior) if self.released else posterior

    def _mixture(self, rows: Rows) -> LowRankMixture:
        if self.released:
            return released_conditional(self.model_, self._posterior(rows))
        return super()._mixture(rows)

    def _is_plain(self) -> bool:
        return super()._is_plain() and not self.released


class MFADensity(MFAImputer):
    r"""The density of rows as a mixture of factor analysers, and the law of what is missing.

    As :class:`MFAImputer`, but no column is bent and no spread is changed: :meth:`conditional` is
    the exact conditional of :meth:`score_samples`' density, a mixture of Gaussians in the units of
    the table, whatever the kinds of its numbers.

    Parameters
    ----------
    rank : int or None
        See :class:`MFAImputer`, and there for all others.
    noise, released, solver, max_steps, batch_size, lr
        See :class:`MFAImputer`.
    {shared}

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.1], [1.0, np.nan], [2.0, 1.9], [3.0, 3.1]] * 10)
    >>> density = MFADensity(n_components=1, rank=1, prior_rows=0, random_state=0).fit(X)
    >>> law = density.conditional([[1.0, np.nan]])
    >>> law.mean.round(1), law.log_prob([[1.0, 1.0]]) > law.log_prob([[1.0, 2.0]])
    (array([[1., 1.]]), array([ True]))
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="mfa",
        summary="Density of a mixture of factor analysers, with exact conditional laws.",
        paper=PAPER,
        task="density",
        check_params=TINY,
    )
    affine: ClassVar[bool] = True

    @adds_to(MFAImputer)
    def __init__(self, *, calibrate: bool = False, **shared: Any) -> None:
        super().__init__(calibrate=calibrate, **shared)
