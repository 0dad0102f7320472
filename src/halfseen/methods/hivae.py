"""HI-VAE: a variational autoencoder of mixed columns with a mixture for its prior.

Nazabal, Olmos, Ghahramani and Valera, "Handling incomplete heterogeneous data using VAEs"
(Pattern Recognition 2020). Its likelihoods (numbers, positive numbers, counts, categories,
grades) are those that every method here has.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import numpy as np
from torch import nn

from halfseen.errors import SettingError
from halfseen.estimators.autoencoder import TINY, AutoencoderImputer
from halfseen.estimators.card import MethodCard
from halfseen.estimators.recipes import Parts, Recipe
from halfseen.estimators.signature import adds_to
from halfseen.objectives.evidence import Importance, Objective
from halfseen.terms.proposal import MixturePrior

__all__ = ["HIVAEImputer"]


class HIVAEImputer(AutoencoderImputer):
    r"""Complete mixed columns by a variational autoencoder whose prior is a mixture.

    .. math:: E_q [ \sum_j s_j \log p(x_j | z) + \log \sum_c \pi_c N(z; \mu_c, I)
              - \log q(z | x_{obs}) ]

    The component c is summed out of the prior, where the original samples it by a
    Gumbel-softmax; its decoder sees c through z alone.

    Parameters
    ----------
    n_components : int
        Components of the prior.
    {shared}

    Notes
    -----
    A mixture has no divergence in closed form: ``n_importance`` samples estimate the bound, and
    ``bound``, ``kl_weight`` and ``kl_warm_up`` are not used.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.1], [1.0, np.nan], [2.0, 1.9], [3.0, 3.1]] * 10)
    >>> HIVAEImputer(max_steps=20, random_state=0).fit_transform(X).shape
    (40, 2)
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="hivae",
        summary="Variational autoencoder of mixed columns whose prior is a mixture.",
        paper="Nazabal, Olmos, Ghahramani and Valera, Pattern Recognition 2020",
        check_params=TINY,
    )

    @adds_to(AutoencoderImputer)
    def __init__(
        self,
        *,
        n_components: int = 10,
        encoder_input: Literal["mask", "zero", "constant", "set"] = "zero",
        **shared: Any,
    ) -> None:
        super().__init__(encoder_input=encoder_input, **shared)
        self.n_components = n_components

    def _check_settings(self) -> None:
        super()._check_settings()
        if not isinstance(self.n_components, (int, np.integer)) or self.n_components < 1:
            raise SettingError(
                f"Got n_components={self.n_components!r}. Expected a positive whole number."
            )

    def _recipe(self) -> Recipe:
        return Recipe(prior=self._prior)

    def _prior(self, parts: Parts) -> nn.Module:
        design = parts.design
        sizes = (design.n_members, self.n_components, design.n_latent)
        return MixturePrior(*sizes, parts.generator)

    def _objective(self) -> Objective:
        return Importance(self._weights())

    @classmethod
    def published(cls, *arguments: Any, **settings: Any) -> Self:
        """Refused: those of its family are of the VSAE paper, in which this model is not.

        Raises
        ------
        SettingError
            Always.
        """
        raise SettingError(
            "Got HIVAEImputer.published(). The settings of HI-VAE's authors are not part of this "
            "package. Expected the constructor."
        )
