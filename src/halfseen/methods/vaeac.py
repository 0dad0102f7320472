"""VAEAC: a variational autoencoder of whatever is hidden given whatever is shown.

Ivanov, Figurnov and Vetrov, "Variational Autoencoder with Arbitrary Conditioning" (ICLR 2019).
"""

from __future__ import annotations

from math import inf
from typing import Any, ClassVar, Literal, Self

from halfseen.errors import SettingError
from halfseen.estimators.autoencoder import TINY, AutoencoderImputer
from halfseen.estimators.card import MethodCard
from halfseen.estimators.recipes import Parts, Recipe, gaussian_proposal, masked_proposal
from halfseen.estimators.signature import adds_to
from halfseen.nn.inputs import make_input
from halfseen.objectives.evidence import Conditional, Objective
from halfseen.terms.code import Code, Condition, Memory, Shown
from halfseen.terms.proposal import GaussianProposal

__all__ = ["VAEACImputer"]


class VAEACImputer(AutoencoderImputer):
    r"""Complete data by a model of hidden cells given shown ones, for any choice of both.

    .. math:: E_q \sum_{j \in H} \log p(x_j | z, x_S) - KL(q(z | x_S, x_H) || p(z | x_S))

    Training hides seen cells H; S are those still shown. Cells that are really missing are in
    neither, so incomplete rows are learned from as they are. When completing, everything seen
    is shown, z comes from the conditional prior, and no weight is needed.

    Parameters
    ----------
    memory : bool
        Whether the decoder also sees the last hidden layer of the conditional prior, in place
        of the published connections at every depth.
    prior_weight : float or None
        Weight of the divergence of the conditional prior from N(0, I), which keeps it from
        growing without bounds together with the proposal; not with ``bound="importance"``. None
        takes 1 where some modality is a picture, whose many pixels outweigh less, and 0.01
        elsewhere.
    {shared}

    Notes
    -----
    ``hide_share=None`` hides in all rows.

    ``score_samples`` is the bound on log p(x_obs) that hides all that is seen.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.1], [1.0, np.nan], [2.0, 1.9], [3.0, 3.1]] * 10)
    >>> VAEACImputer(max_steps=20, random_state=0).fit_transform(X).shape
    (40, 2)
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="vaeac",
        summary="Conditional prior and decoder of hidden cells given shown ones.",
        paper="Ivanov, Figurnov and Vetrov, ICLR 2019",
        check_params=TINY,
    )

    @adds_to(AutoencoderImputer)
    def __init__(
        self,
        *,
        memory: bool = True,
        prior_weight: float | None = None,
        hide_share: float = 1.0,
        **shared: Any,
    ) -> None:
        super().__init__(hide_share=hide_share, **shared)
        self.memory, self.prior_weight = memory, prior_weight

    def _check_settings(self) -> None:
        super()._check_settings()
        if 0 in (self.hide_rate, self.hide_share):
            raise SettingError(
                f"Got hide_rate={self.hide_rate}, hide_share={self.hide_share}. Expected both "
                "above 0: this model learns from the cells that training hides."
            )
        if self.prior_weight is not None:
            self._check_numbers(prior_weight=inf)

    def _objective(self) -> Objective:
        if self.bound == "importance":
            return super()._objective()
        weight = self.prior_weight
        if weight is None:
            weight = 1.0 if self._pictured() else 0.01
        return Conditional(self.kl_weight, self.kl_warm_up, weight, weights=self._weights())

    def _hide_share(self) -> float:
        # What training hides is all that this model learns from, also in tables of columns.
        return 1.0 if self.hide_share is None else self.hide_share

    def _recipe(self) -> Recipe:
        return Recipe(
            prior=gaussian_proposal, proposal=masked_proposal, code=self._code, conditional=True
        )

    def _code(self, parts: Parts) -> Code:
        design, spec = parts.design, parts.spec
        inputs = make_input(design.encoder_input, spec, design.n_members, parts.generator)
        conditions: list[Condition] = [Shown(inputs, design.n_members, spec.n_columns)]
        if self.memory:
            assert isinstance(parts.prior, GaussianProposal)
            conditions.append(Memory(parts.prior))
        return Code(design.n_latent, conditions=conditions)

    @classmethod
    def published(
        cls, data: Literal["numeric", "categorical", "images"] = "numeric", **changes: Any
    ) -> Self:
        """The settings of the VSAE paper, which left out the connections of the original.

        Parameters
        ----------
        data : {"numeric", "categorical", "images"}
            Tables of numbers or of categories, or pairs of 28 x 28 images in [0, 1].
        **changes
            Settings that differ.
        """
        own = {"memory": False, "prior_weight": 0.01, "hide_share": 1.0}
        return super().published(data, **{**own, **changes})
