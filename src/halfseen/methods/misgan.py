"""MisGAN: rows and masks by adversaries, without a likelihood.

Li, Jiang and Marlin, "MisGAN: Learning from Incomplete Data with Generative Adversarial Networks"
(ICLR 2019).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from halfseen.core.spec import DataSpec
from halfseen.errors import SettingError
from halfseen.estimators.adversarial_networks import GAN_NETWORKS
from halfseen.estimators.adversarial_settings import check_numbers, check_words
from halfseen.estimators.card import MethodCard
from halfseen.estimators.masked_game import Stakes
from halfseen.estimators.masked_imputer import MaskedImputer
from halfseen.estimators.players import LearnedMasks
from halfseen.estimators.published_games import published_game
from halfseen.estimators.signature import adds_to
from halfseen.nn.critics import Critic
from halfseen.nn.outputs import MaskOutput

__all__ = ["MisGAN"]


class MisGAN(MaskedImputer):
    r"""Generate complete rows, masks and completions, learned from incomplete rows alone.

    A generator of rows and one of masks are trained together: a critic compares rows of the
    table with generated rows behind generated masks, all hidden by
    :math:`f_\tau(x, s) = x s + \tau (1 - s)` (Eq. 3), and another one compares masks. An imputer
    completes rows so that a third critic cannot tell them from generated ones (Eq. 9).

    Parameters
    ----------
    alpha : float
        How much masks learn from the critic of rows, beside their own (Eq. 7).
    mask_activation : {"sigmoid", "stretched", "hard"}
        How generated masks come to lie in [0, 1]; "stretched" and "hard" reach 0 and 1.
    mask_temperature : float
        What the mask's raw outputs are divided by.
    mask_given_data : bool
        Whether the masks' generator sees the generated row: for cells that are not missing
        completely at random. The paper leaves this to future work. With ``network="mlp"`` only:
        convolutions of noise have no place for a row.
    beta_mode : {"paper", "released"}
        The term of ``beta`` as in Eq. 10, or as in the released code, where it has no gradient.
    {shared}

    Attributes
    ----------
    history_ : list of dict
        Losses and the monitor at every check.

    Notes
    -----
    ``transform`` averages draws, which has the smallest squared error; a single draw
    (``decision="draw"``, or :meth:`sample`) looks like data, which a mean does not. Losses of
    critics say nothing about convergence: read ``monitor`` in ``history_``.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.1], [1.0, np.nan], [2.0, 1.9], [np.nan, 3.1]] * 20)
    >>> model = MisGAN(max_steps=20, n_latent=4, random_state=0).fit(X)
    >>> model.transform(X).shape, model.generate(3).shape, model.generate_masks(3).dtype
    ((80, 2), (3, 2), dtype('bool'))
    >>> bool(np.isnan(model.generate_incomplete(50)).any())
    True
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="misgan",
        summary="Adversarial generators of rows and masks, and an imputer against a third critic.",
        paper="Li, Jiang and Marlin, ICLR 2019",
        mechanism="MCAR",
        check_params={
            "max_steps": 12,
            "n_latent": 4,
            "hidden": (8,),
            "critic_hidden": (8,),
            "imputer_hidden": (8,),
            "n_critic": 2,
            "n_draws_predict": 100,
        },
    )

    @adds_to(MaskedImputer)
    def __init__(
        self,
        *,
        alpha: float = 0.2,
        mask_activation: Literal["sigmoid", "stretched", "hard"] = "sigmoid",
        mask_temperature: float = 0.66,
        mask_given_data: bool = False,
        beta_mode: Literal["paper", "released"] = "paper",
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.alpha, self.beta_mode = alpha, beta_mode
        self.mask_activation, self.mask_temperature = mask_activation, mask_temperature
        self.mask_given_data = mask_given_data

    def _check_settings(self) -> None:
        super()._check_settings()
        check_words(self, {"beta_mode": ("paper", "released")})
        ranges = {
            "a number of 0 or more": ("alpha",),
            "a positive number": ("mask_temperature",),
        }
        check_numbers(self, ranges)
        if self.mask_given_data and self.network == "conv":
            raise SettingError(
                "Got mask_given_data=True with network='conv'. Expected network='mlp', whose "
                "masks can be told the row."
            )

    def _stakes(self, spec: DataSpec) -> Stakes:
        return replace(
            super()._stakes(spec), alpha=self.alpha, released=self.beta_mode == "released"
        )

    def _masks(self, masks: Tensor, generator: torch.Generator) -> tuple[nn.Module, Critic | None]:
        build, units = GAN_NETWORKS[self.network], self.mask_units_
        n_in = self.n_latent + self.mask_given_data * self.units_.spec.n_features
        network = build.generator(self, n_in, units.n_units, units.grid, generator)
        output = MaskOutput(self.mask_activation, self.mask_temperature)
        source = LearnedMasks(network, self.n_latent, output, given_data=self.mask_given_data)
        return source, build.critic(self, units.n_units, units.grid, generator)

    @classmethod
    def published(
        cls,
        data: Literal["digits", "pictures"] = "digits",
        *,
        released: bool = False,
        **changes: Any,
    ) -> Self:
        """The settings of the paper, or of its released code.

        Parameters
        ----------
        data : {"digits", "pictures"}
            28 x 28 digits with fully connected networks and tau 0, or CelebA with convolutions.
            Rounds are those of 300 epochs (1000 with an imputer) of 60 000 digits, and of
            202 599 faces.
        released : bool, default=False
            The released scripts: alpha 0.1 with an imputer, stretched masks, tau 0.5 for faces,
            a term of beta without a gradient, and rounds of 500 epochs of digits and 600 of
            faces; with a joint imputer 1000 of digits, and 800 of faces in batches of 512.
        **changes
            Settings that differ.

        Examples
        --------
        >>> MisGAN.published(imputer="none").max_steps
        56220
        """
        settings = published_game(data, changes.get("imputer", "joint"), released=released)
        if released:
            settings["beta_mode"] = "released"
            settings["fill"] = 0.0 if data == "digits" else 0.5
            if data == "pictures" or settings["imputer"] == "joint":
                settings |= {"alpha": 0.1, "mask_activation": "stretched"}
        return cls(**{**settings, **changes})
