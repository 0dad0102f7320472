"""MVAE: a product of one expert per modality, trained on parts of what is seen.

Wu and Goodman, "Multimodal Generative Models for Scalable Weakly-Supervised Learning"
(NeurIPS 2018).
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from halfseen.errors import SettingError
from halfseen.estimators.autoencoder import TINY, AutoencoderImputer
from halfseen.estimators.card import MethodCard
from halfseen.estimators.recipes import Recipe, product_proposal
from halfseen.estimators.signature import adds_to
from halfseen.objectives.evidence import Objective, Subsets

__all__ = ["MVAEImputer"]


class MVAEImputer(AutoencoderImputer):
    r"""Complete modalities from those that are seen, by a product of experts.

    .. math:: q(z | x_{obs}) \propto N(0, I) \prod_{i \in O} N(\mu_i(x_i), \sigma_i^2(x_i))

    All modalities share one z. The evidence bound of what is seen is joined by that of each
    seen modality alone and those of random subsets, so that every expert learns to work alone.

    Parameters
    ----------
    unimodal : bool
        Whether each seen modality has a bound of its own.
    n_subsets : int
        Random subsets per row and step.
    {shared}

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.1], [1.0, np.nan], [2.0, 1.9], [3.0, 3.1]] * 10)
    >>> MVAEImputer(max_steps=20, random_state=0).fit_transform(X).shape
    (40, 2)
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="mvae",
        summary="Product of one expert per modality; any of them may be absent.",
        paper="Wu and Goodman, NeurIPS 2018",
        check_params=TINY,
    )

    @adds_to(AutoencoderImputer)
    def __init__(self, *, unimodal: bool = True, n_subsets: int = 1, **shared: Any) -> None:
        super().__init__(**shared)
        self.unimodal, self.n_subsets = unimodal, n_subsets

    def _check_settings(self) -> None:
        super()._check_settings()
        if not isinstance(self.n_subsets, (int, np.integer)) or self.n_subsets < 0:
            raise SettingError(
                f"Got n_subsets={self.n_subsets!r}. Expected a whole number, 0 or more."
            )
        if self.bound == "importance":
            raise SettingError(
                "Got bound='importance' for a sum of bounds of parts. Expected 'evidence'."
            )

    def _recipe(self) -> Recipe:
        return Recipe(proposal=product_proposal)

    def _objective(self) -> Objective:
        settings = (self.kl_weight, self.kl_warm_up, self.unimodal, self.n_subsets)
        return Subsets(*settings, weights=self._weights())
