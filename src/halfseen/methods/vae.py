"""Autoencoders of all modalities at once, without and with noise: AE, VAE and conditional VAEs.

The baselines of "Learning from Partially-Observed Multimodal Data with Variational
Autoencoders" (VSAE), trained on incomplete data: what is seen is scored, nothing else.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from halfseen.errors import SettingError
from halfseen.estimators.autoencoder import TINY, AutoencoderImputer
from halfseen.estimators.card import MethodCard
from halfseen.estimators.recipes import Parts, Recipe, point_proposal
from halfseen.estimators.signature import adds_to
from halfseen.nn.inputs import make_input
from halfseen.terms.code import Code, Shown

__all__ = ["AEImputer", "CVAEImputer", "VAEImputer"]

PAPER = "baseline of VSAE, 2020"


class AEImputer(AutoencoderImputer):
    r"""Complete data by an autoencoder: one code per row, no noise and no prior.

    .. math:: \max \sum_j s_j \log p(x_j | z(x_{obs}))

    Parameters
    ----------
    {shared}

    Notes
    -----
    There is no law of z: ``score_samples`` is the log-density of what is seen given its code,
    and ``generate`` and ``log_likelihood`` are refused.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.1], [1.0, np.nan], [2.0, 1.9], [3.0, 3.1]] * 10)
    >>> AEImputer(max_steps=20, random_state=0).fit_transform(X).shape
    (40, 2)
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="ae",
        summary="Autoencoder without noise, scored where cells are seen.",
        paper=PAPER,
        check_params=TINY,
    )

    @adds_to(AutoencoderImputer)
    def __init__(
        self,
        *,
        hide_share: float = 1.0,
        **shared: Any,
    ) -> None:
        super().__init__(hide_share=hide_share, **shared)

    def _recipe(self) -> Recipe:
        return Recipe(proposal=point_proposal)

    def _has_density(self) -> bool:
        return False

    @classmethod
    def published(
        cls, data: Literal["numeric", "categorical", "images"] = "numeric", **changes: Any
    ) -> Self:
        """The settings of the VSAE paper, whose autoencoder does not see the mask.

        Parameters
        ----------
        data : {"numeric", "categorical", "images"}
            Tables of numbers or of categories, or pairs of 28 x 28 images in [0, 1].
        **changes
            Settings that differ.
        """
        return super().published(data, **{"encoder_input": "zero", **changes})


class VAEImputer(AutoencoderImputer):
    r"""Complete data by a variational autoencoder that does not see the mask.

    .. math:: E_q \sum_j s_j \log p(x_j | z) - KL(q(z | x_{obs}) || N(0, I))

    Parameters
    ----------
    {shared}

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.1], [1.0, np.nan], [2.0, 1.9], [3.0, 3.1]] * 10)
    >>> imputer = VAEImputer(max_steps=20, random_state=0).fit(X)
    >>> imputer.transform(X).shape, imputer.generate(3).shape
    ((40, 2), (3, 2))
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="vae",
        summary="Variational autoencoder with the evidence bound of what is seen.",
        paper="Kingma and Welling, ICLR 2014; " + PAPER,
        check_params=TINY,
    )

    @adds_to(AutoencoderImputer)
    def __init__(
        self,
        *,
        encoder_input: Literal["mask", "zero", "constant", "set"] = "zero",
        **shared: Any,
    ) -> None:
        super().__init__(encoder_input=encoder_input, **shared)


class CVAEImputer(AutoencoderImputer):
    r"""Complete data by a variational autoencoder whose encoder and decoder see a condition.

    With ``condition="mask"`` the bound is :math:`E_q \sum_j s_j \log p(x_j | z, s) - KL`; with
    ``"data"`` the decoder sees what the encoder sees, :math:`p(x | z, x_{shown})`, and learns
    from cells that training hides from both.

    Parameters
    ----------
    condition : {"mask", "data"}
        What the decoder sees beside z.
    {shared}

    Notes
    -----
    With ``condition="mask"`` densities are log p(x_obs | s), and rows are generated as the decoder
    makes them where all is seen.

    With ``condition="data"``, ``hide_share=None`` hides in all rows, ``score_samples`` is of
    what is seen given that it is seen, no bound on log p(x_obs), and ``log_likelihood`` and
    ``generate`` are refused: given what is seen the missing cells of a row are all but
    independent, in its draws, too. ``VAEACImputer`` has draws in which they belong together.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.1], [1.0, np.nan], [2.0, 1.9], [3.0, 3.1]] * 10)
    >>> CVAEImputer(condition="data", max_steps=20, random_state=0).fit_transform(X).shape
    (40, 2)
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="cvae",
        summary="Variational autoencoder whose decoder also sees the mask or the seen data.",
        paper="Sohn, Lee and Yan, NeurIPS 2015; " + PAPER,
        check_params=TINY,
    )

    @adds_to(AutoencoderImputer)
    def __init__(self, *, condition: Literal["mask", "data"] = "mask", **shared: Any) -> None:
        super().__init__(**shared)
        self.condition = condition

    def _check_settings(self) -> None:
        super()._check_settings()
        if self.condition not in ("mask", "data"):
            raise SettingError(f"Got condition={self.condition!r}. Expected 'mask' or 'data'.")
        if self.condition == "data" and 0 in (self.hide_rate, self.hide_share):
            raise SettingError(
                "Got condition='data' without training masks: a decoder that sees all it has to "
                "tell learns to copy. Expected hide_rate and hide_share above 0."
            )

    @property
    def _decodes_whole(self) -> bool:
        # Of a row of which nothing is seen no cell is scored: the decoder has met no such mask.
        return self.condition == "mask"

    def _hide_share(self) -> float:
        always = self.condition == "data" and self.hide_share is None
        return 1.0 if always else super()._hide_share()

    def _has_density(self) -> bool:
        return self.condition == "mask"

    def _recipe(self) -> Recipe:
        return Recipe(code=self._code)

    def _code(self, parts: Parts) -> Code:
        design, spec = parts.design, parts.spec
        inputs = None
        if self.condition == "data":
            arguments = (spec, design.n_members, parts.generator)
            inputs = make_input(design.encoder_input, *arguments)
        shown = Shown(inputs, design.n_members, spec.n_columns)
        return Code(design.n_latent, conditions=[shown])

    @classmethod
    def published(
        cls,
        data: Literal["numeric", "categorical", "images"] = "numeric",
        *,
        condition: Literal["mask", "data"] = "mask",
        **changes: Any,
    ) -> Self:
        """The settings of the VSAE paper; with ``condition="data"`` training hides cells.

        Parameters
        ----------
        data : {"numeric", "categorical", "images"}
            Tables of numbers or of categories, or pairs of 28 x 28 images in [0, 1].
        condition : {"mask", "data"}
            See the class.
        **changes
            Settings that differ.
        """
        own = {"condition": condition, "hide_share": float(condition == "data")}
        return super().published(data, **{**own, **changes})
