"""AmbientGAN for incomplete rows: the masks' law is known, or learned without a critic of masks.

Bora, Price and Dimakis, "AmbientGAN: Generative models from lossy measurements" (ICLR 2018), for
measurements that drop cells; and the ablation of Li, Jiang and Marlin, "MisGAN" (ICLR 2019).
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from halfseen.errors import SettingError
from halfseen.estimators.adversarial_networks import GAN_NETWORKS
from halfseen.estimators.card import MethodCard
from halfseen.estimators.masked_imputer import MaskedImputer
from halfseen.estimators.players import LearnedMasks, MaskTable
from halfseen.estimators.published_games import published_game
from halfseen.estimators.signature import adds_to
from halfseen.nn.critics import Critic
from halfseen.nn.outputs import MaskOutput

__all__ = ["AmbientGAN"]


class AmbientGAN(MaskedImputer):
    r"""Generate complete rows, given how cells go missing.

    .. math:: \min_{G_x} \max_D E D(f_\tau(x, s)) - E D(f_\tau(G_x(z), s')), \quad s' \sim p(s)

    Parameters
    ----------
    masks : {"observed", "learned"}, array, table, MCAR or ImageMask
        The law of s': the masks of the table itself, each as likely as the others; an array of
        masks of shape (m, ...), True where a cell is seen, or a table of them, read by the names
        of its columns; ``MCAR(rate)``, or a law of holes in pictures; or "learned", a generator of
        masks that learns from D alone. The last one fails: masks and rows can trade places, which
        is why MisGAN has a critic of masks.
    {shared}

    Notes
    -----
    The original rescales the pixels that are left by their probability, and has no imputer; here
    an imputer learns as MisGAN's does.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.1], [1.0, np.nan], [2.0, 1.9], [np.nan, 3.1]] * 20)
    >>> model = AmbientGAN(max_steps=20, n_latent=4, random_state=0).fit(X)
    >>> model.transform(X).shape, model.generate(3).shape
    ((80, 2), (3, 2))
    """

    card: ClassVar[MethodCard] = MethodCard(
        name="ambient-gan",
        summary="Adversarial generator of rows behind masks of a known law, with an imputer.",
        paper="Bora, Price and Dimakis, ICLR 2018; baseline of MisGAN",
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
    def __init__(self, *, masks: Any = "observed", **shared: Any) -> None:
        super().__init__(**shared)
        self.masks = masks

    def _check_settings(self) -> None:
        super()._check_settings()
        if isinstance(self.masks, str) and self.masks not in ("observed", "learned"):
            raise SettingError(
                f"Got masks={self.masks!r}. Expected 'observed', 'learned', an array of masks, or "
                "a law such as MCAR(rate=0.5) or BlockMask(rate=0.5)."
            )

    def _masks(self, masks: Tensor, generator: torch.Generator) -> tuple[nn.Module, Critic | None]:
        units = self.mask_units_
        if isinstance(self.masks, str) and self.masks == "observed":
            return MaskTable(masks), None
        if not isinstance(self.masks, str):
            return self._mask_law(self.masks, units), None
        build = GAN_NETWORKS[self.network]
        network = build.generator(self, self.n_latent, units.n_units, units.grid, generator)
        return LearnedMasks(network, self.n_latent, MaskOutput()), None

    @classmethod
    def published(cls, data: Literal["digits", "pictures"] = "digits", **changes: Any) -> Self:
        """The settings of the baseline in the MisGAN paper: networks and rounds are MisGAN's.

        Parameters
        ----------
        data : {"digits", "pictures"}
            28 x 28 digits with fully connected networks, or CelebA with convolutions; see
            :meth:`MisGAN.published`.
        **changes
            Settings that differ, such as ``masks="learned"``, which is what the paper shows.

        Raises
        ------
        SettingError
            When ``data`` is another word.

        Examples
        --------
        >>> AmbientGAN.published(imputer="none", masks="learned").max_steps
        56220
        """
        return cls(**{**published_game(data, changes.get("imputer", "joint")), **changes})
