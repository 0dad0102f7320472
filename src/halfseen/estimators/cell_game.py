r"""GAIN's game: a critic tells, cell by cell, what was observed from what was completed.

Yoon, Jordon and van der Schaar, "GAIN: Missing Data Imputation using Generative Adversarial Nets"
(ICML 2018). With :math:`\bar x = G(x, s, w)`, :math:`\hat x = s x + (1 - s) \bar x` and a hint h:

.. math::
    L_D &= - mean(s \log D(\hat x, h) + (1 - s) \log(1 - D(\hat x, h))) \\
    L_G &= - mean((1 - s) \log D(\hat x, h)) + \alpha \, mean((s x - s \bar x)^2) / mean(s)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from halfseen.core.features import Features
from halfseen.core.noise import Noise, new_generator
from halfseen.core.spec import DataSpec
from halfseen.errors import SettingError
from halfseen.estimators.dealing import Dealer, Held
from halfseen.estimators.mask_units import MaskUnits
from halfseen.estimators.refining import RefiningImputer
from halfseen.objectives.adversarial import cell_critic_loss, cell_generator_loss
from halfseen.training.hiding import HideCells
from halfseen.training.loop import Losses, Phase

__all__ = ["HINTS", "CellGame", "CellStakes", "Turn", "hints"]

HINTS = ("released", "paper")


def hints(masks: Tensor, told: Tensor, form: str) -> Tensor:
    """What the critic is told of the mask, (M, B, U).

    Parameters
    ----------
    masks : Tensor of shape (B, U)
        1 where observed.
    told : Tensor of shape (M, B, U)
        b, 1 where the critic is told.
    form : {"released", "paper"}
        b s, in which 0 is "missing" or "not told"; or b s + (1 - b) / 2.

    Examples
    --------
    >>> masks, told = torch.tensor([[1.0, 0.0, 1.0, 0.0]]), torch.tensor([[[1.0, 1.0, 0.0, 0.0]]])
    >>> hints(masks, told, "released"), hints(masks, told, "paper")
    (tensor([[[1., 0., 0., 0.]]]), tensor([[[1.0000, 0.0000, 0.5000, 0.5000]]]))
    """
    if form not in HINTS:
        raise SettingError(f"Got hint={form!r}. Expected one of {HINTS}.")
    known = told * masks
    return known if form == "released" else known + 0.5 * (1 - told)


@dataclass(frozen=True)
class CellStakes:
    """Weights of the losses, hints, training masks and rates.

    Parameters
    ----------
    alpha : float
        Weight of the error of seen cells beside the adversarial loss.
    hint : {"released", "paper"}
        See :func:`hints`.
    hint_rate : float
        How often the critic is told.
    hide : HideCells or None
        Which seen cells training shows to nobody, while their error counts.
    lr : float
        Learning rate.
    betas : pair of float
        Adam's moment decays.
    """

    alpha: float = 100.0
    hint: str = "released"
    hint_rate: float = 0.9
    hide: HideCells | None = None
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)


@dataclass(frozen=True)
class Turn:
    """What both players are dealt in one round.

    Parameters
    ----------
    x : Tensor of shape (B, F)
        Features, 0 where missing.
    masks, shown : Tensor of shape (B, U)
        What was observed, and what of it the players see.
    inside : Tensor of shape (M, B, F)
        What the imputer reads where nothing is shown.
    hint : Tensor of shape (M, B, U)
        What the critic is told of ``shown``.
    """

    x: Tensor
    masks: Tensor
    shown: Tensor
    inside: Tensor
    hint: Tensor


class CellGame(nn.Module):
    """Imputer and critic of cells, and their losses.

    Parameters
    ----------
    imputer : RefiningImputer
        G.
    critic : Module
        D before its sigmoid, from (M, B, F + U) to (M, B, U).
    spec : DataSpec
        The columns.
    units : MaskUnits
        What is seen or missing together.
    stakes : CellStakes
        Weights and rates.
    """

    share: Tensor

    def __init__(
        self,
        imputer: RefiningImputer,
        critic: nn.Module,
        spec: DataSpec,
        units: MaskUnits,
        stakes: CellStakes,
    ) -> None:
        super().__init__()
        self.imputer, self.critic = imputer, critic
        self.units, self.stakes = units, stakes
        # The features of a column are one cell together.
        widths = torch.tensor([float(column.width) for column in spec.columns])
        self.register_buffer("share", 1 / widths[Features(spec).column], persistent=False)

    def phases(self, dealer: Dealer) -> list[Phase]:
        """One step of the critic, then one of the imputer on the same rows, masks and hints."""
        dealt: list[Turn] = []

        # The depth follows from the round, and so does what a resumed game does next.
        def critic() -> Losses:
            dealt[:] = [self.deal(dealer, dealer.deck.n_dealt % self.imputer.n_passes)]
            return self.critic_losses(dealt[0], dealer.noise())

        def imputer() -> Losses:
            return self.imputer_losses(dealt[0], dealer.noise())

        return [
            self._phase("critic", self.critic, critic),
            self._phase("imputer", self.imputer, imputer),
        ]

    def _phase(self, name: str, player: nn.Module, loss: object) -> Phase:
        return Phase(
            name,
            list(player.parameters()),
            loss,  # type: ignore[arg-type]
            lr=self.stakes.lr,
            betas=self.stakes.betas,
        )

    def deal(self, dealer: Dealer, n_passes: int = 0) -> Turn:
        """The next rows with training masks and hints, read some times already."""
        stakes, noise = self.stakes, dealer.noise()
        x, masks = dealer.rows()
        shown = masks
        if stakes.hide is not None:
            shown = stakes.hide(masks, dealer.masks, dealer.generator)
        inside = self.imputer.before(x, self.units.spread(shown), noise, n_passes)
        told = (noise.uniform(masks.shape[-1]) < stakes.hint_rate).to(masks.dtype)
        return Turn(x, masks, shown, inside, hints(shown, told, stakes.hint))

    def critic_losses(self, turn: Turn, noise: Noise) -> Losses:
        """L_D, summed over members."""
        with torch.no_grad():
            _, said = self._says(turn, noise)
        return {"critic": cell_critic_loss(self._told_apart(turn, said), turn.shown)}

    def imputer_losses(self, turn: Turn, noise: Noise) -> Losses:
        """L_G, summed over members."""
        raw, said = self._says(turn, noise)
        error = self.cell_errors(raw, said, turn.x, turn.masks)
        return {
            "imputer": cell_generator_loss(self._told_apart(turn, said), turn.shown),
            "error": self.stakes.alpha * error.sum(),
        }

    def _says(self, turn: Turn, noise: Noise) -> tuple[Tensor, Tensor]:
        raw = self.imputer.raw(turn.x, self.units.spread(turn.shown), turn.inside)
        return raw, self.imputer.output(raw, noise)

    def _told_apart(self, turn: Turn, said: Tensor) -> Tensor:
        """D: the probability that a cell was shown, (M, B, U)."""
        done = torch.where(self.units.spread(turn.shown) > 0.5, turn.x, said)
        return torch.sigmoid(self.critic(torch.cat([done, turn.hint], -1)))

    def cell_errors(self, raw: Tensor, said: Tensor, x: Tensor, masks: Tensor) -> Tensor:
        """Mean error of the cells of ``masks`` (B, U): (M,), as :meth:`CellOutput.errors`."""
        s = self.units.spread(masks)
        wrong = (s * self.imputer.output.errors(raw, said, x)).sum((-2, -1))
        return wrong / (s * self.share).sum().clamp_min(1.0)

    @torch.no_grad()
    def held_error(self, held: Held, n_members: int, seed: int) -> Tensor:
        """Mean error of cells hidden from held-out rows, (M,); always the same noise."""
        noise = Noise(new_generator(seed, 8, held.x.device), (n_members, len(held.masks)))
        s = self.units.spread(held.shown)
        inside = self.imputer.before(held.x, s, noise, self.imputer.n_passes - 1)
        raw = self.imputer.raw(held.x, s, inside)
        said = self.imputer.output(raw, noise)
        return self.cell_errors(raw, said, held.x, held.masks - held.shown)
