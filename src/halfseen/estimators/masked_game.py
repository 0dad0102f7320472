r"""MisGAN's game: rows and masks are generated, and a critic sees them together as masked rows.

Li, Jiang and Marlin, "MisGAN: Learning from Incomplete Data with Generative Adversarial Networks"
(ICLR 2019). With :math:`f_\tau` of Eq. 3:

.. math::
    L_m &= E D_m(s) - E D_m(G_m(e)), \qquad
    L_x = E D_x(f_\tau(x, s)) - E D_x(f_\tau(G_x(z), G_m(e)))  \quad (4, 5) \\
    L_i &= E D_i(G_x(z)) - E D_i(G_i(x, s, w))  \quad (9) \\
    & \min_{G_i} \max_{D_i} L_i, \quad \min_{G_x} \max_{D_x} L_x + \beta L_i, \quad
    \min_{G_m} \max_{D_m} L_m + \alpha L_x  \quad (9, 10)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from halfseen.core.noise import Noise
from halfseen.estimators.dealing import Dealer
from halfseen.estimators.mask_units import MaskUnits
from halfseen.estimators.players import CellImputer, LearnedMasks, MaskSource, RowMaker
from halfseen.nn.critics import Critic
from halfseen.objectives.adversarial import critic_losses, generator_loss, masked
from halfseen.training.loop import Losses, Phase

__all__ = ["MaskedGame", "Stakes"]


@dataclass(frozen=True)
class Stakes:
    """Weights of the losses, and who moves how often.

    Parameters
    ----------
    fill : float
        What hides a missing cell from the critic, tau.
    penalty : float
        Weight of the gradient penalty.
    one_sided : bool
        Whether only gradients longer than 1 cost.
    alpha, beta : float
        How much the masks learn from the rows' critic, and the rows from that of completions.
    released : bool
        Whether the term of beta is that of the released code, which has no gradient.
    reconstruction : float
        Weight of the squared error of what the imputer says of seen cells.
    n_critic : int
        Steps of the critics for one of the others.
    lr, imputer_lr : float
        Learning rates of rows and masks, and of imputer and its critic.
    betas : pair of float
        Adam's moment decays.
    """

    fill: float = 0.0
    penalty: float = 10.0
    one_sided: bool = False
    alpha: float = 0.2
    beta: float = 0.1
    released: bool = False
    reconstruction: float = 0.0
    n_critic: int = 5
    lr: float = 1e-4
    imputer_lr: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.9)


class MaskedGame(nn.Module):
    """All players, and their losses.

    Parameters
    ----------
    rows : RowMaker
        G_x.
    masks : Module
        G_m, or a known law: a :class:`MaskSource`.
    data_critic : Critic
        D_x, of masked rows.
    mask_critic : Critic or None
        D_m; None leaves masks to D_x alone, as AmbientGAN does.
    imputer : CellImputer or None
        G_i.
    imputer_critic : Critic or None
        D_i, of complete rows.
    units : MaskUnits
        What is seen or missing together.
    stakes : Stakes
        Weights and rates.
    """

    def __init__(
        self,
        rows: RowMaker,
        masks: nn.Module,
        data_critic: Critic,
        mask_critic: Critic | None,
        imputer: CellImputer | None,
        imputer_critic: Critic | None,
        units: MaskUnits,
        stakes: Stakes,
    ) -> None:
        super().__init__()
        self.rows, self.masks = rows, masks
        self.data_critic, self.mask_critic = data_critic, mask_critic
        self.imputer, self.imputer_critic = imputer, imputer_critic
        self.units, self.stakes = units, stakes

    # ---- who moves ----------------------------------------------------------------------

    def generation(self, dealer: Dealer, *, joint: bool) -> list[Phase]:
        """Phases of rows and masks; with ``joint`` rows also learn from the imputer's critic."""
        critics = [self.data_critic, self.mask_critic]
        phases = [
            self._phase("critics", critics, lambda: self._critics(dealer), critic=True),
            self._phase("rows", [self.rows], lambda: self._rows(dealer, joint=joint)),
        ]
        if isinstance(self.masks, LearnedMasks):
            phases.append(self._phase("masks", [self.masks], lambda: self._masks(dealer)))
        return phases

    def imputation(
        self, dealer: Dealer, masks: MaskSource | None = None, *, joint: bool = False
    ) -> list[Phase]:
        """Phases of the imputer; with ``masks`` it learns to complete generated rows (Eq. 11).

        Unless ``joint`` the generator of rows stays as it is.
        """

        def critic() -> Losses:
            # Running moments of a normalisation move without a gradient.
            self._learn(rows=joint)
            return self._imputer_critic(dealer, masks)

        def imputer() -> Losses:
            return self._imputer(dealer, masks)

        lr = self.stakes.imputer_lr
        return [
            self._phase("imputer_critic", [self.imputer_critic], critic, critic=True, lr=lr),
            self._phase("imputer", [self.imputer], imputer, lr=lr),
        ]

    def _phase(
        self,
        name: str,
        players: Sequence[nn.Module | None],
        loss: object,
        *,
        critic: bool = False,
        lr: float | None = None,
    ) -> Phase:
        parameters = [p for player in players if player is not None for p in player.parameters()]
        stakes = self.stakes
        return Phase(
            name,
            parameters,
            loss,  # type: ignore[arg-type]
            steps=stakes.n_critic if critic else 1,
            lr=stakes.lr if lr is None else lr,
            betas=stakes.betas,
        )

    def _learn(self, *, rows: bool) -> None:
        """Normalise by batches again, after a monitor; ``rows``: the generator of rows too."""
        # To walk over all modules in every step would take as long as a small critic.
        if not self.training or self.rows.training != rows:
            self.train()
            self.rows.train(rows)

    # ---- rows and masks -----------------------------------------------------------------

    def _critics(self, dealer: Dealer) -> Losses:
        """Minus Eq. 4 and 5, with penalties."""
        self._learn(rows=True)
        x, m = dealer.rows()
        noise = dealer.noise()
        with torch.no_grad():
            fake = self.rows(noise)
            made = self.masks(noise, fake)
        real = self.hidden(x, m).expand_as(fake)
        share, hidden = noise.uniform(1), self.hidden(fake, made)
        losses = self._compared("data", self.data_critic, real, hidden, share)
        if self.mask_critic is not None:
            losses |= self._compared("mask", self.mask_critic, m.expand_as(made), made, share)
        return losses

    def _compared(
        self, name: str, critic: Critic, real: Tensor, fake: Tensor, share: Tensor
    ) -> Losses:
        stakes = self.stakes
        gap, penalty = critic_losses(
            critic, real, fake, share, stakes.penalty, one_sided=stakes.one_sided
        )
        return {name: gap, f"{name}_penalty": penalty}

    def _rows(self, dealer: Dealer, *, joint: bool) -> Losses:
        noise = dealer.noise()
        fake = self.rows(noise)
        made = self.masks(noise, fake)
        losses = {"data": generator_loss(self.data_critic, self.hidden(fake, made))}
        if joint and self.imputer is not None and self.imputer_critic is not None:
            losses["completions"] = self.stakes.beta * self._beta_term(dealer, fake)
        return losses

    def _beta_term(self, dealer: Dealer, fake: Tensor) -> Tensor:
        """What Eq. 10 adds for rows: E D_i(G_x(z)), which they are to make small.

        The released code adds - E D_i(G_i(x, s, w)) instead, in which G_x does not occur.
        """
        assert self.imputer_critic is not None
        if self.stakes.released:
            with torch.no_grad():
                done = self._completed(dealer, dealer.noise(), None)
            return generator_loss(self.imputer_critic, done).detach()
        return -generator_loss(self.imputer_critic, fake)

    def _masks(self, dealer: Dealer) -> Losses:
        noise = dealer.noise()
        with torch.no_grad():
            fake = self.rows(noise)
        made = self.masks(noise, fake)
        said = generator_loss(self.data_critic, self.hidden(fake, made))
        if self.mask_critic is None:
            return {"data": said}
        return {
            "mask": generator_loss(self.mask_critic, made),
            "data": self.stakes.alpha * said,
        }

    def hidden(self, x: Tensor, m: Tensor) -> Tensor:
        """Rows as the critic sees them (Eq. 3)."""
        return masked(x, self.units.spread(m), self.stakes.fill)

    # ---- the imputer --------------------------------------------------------------------

    def _imputer_critic(self, dealer: Dealer, masks: MaskSource | None) -> Losses:
        """Minus Eq. 9, with the penalty."""
        assert self.imputer_critic is not None
        noise = dealer.noise()
        with torch.no_grad():
            real = self.rows(noise)
            done = self._completed(dealer, noise, masks)
        return self._compared("imputer", self.imputer_critic, real, done, noise.uniform(1))

    def _imputer(self, dealer: Dealer, masks: MaskSource | None) -> Losses:
        assert self.imputer is not None
        assert self.imputer_critic is not None
        noise = dealer.noise()
        x, m = self._incomplete(dealer, noise, masks)
        s = self.units.spread(m)
        said = self.imputer(x, s, noise)
        done = torch.where(s > 0.5, x, said)
        losses = {"imputer": generator_loss(self.imputer_critic, done)}
        if self.stakes.reconstruction:
            # Masks that show nothing have no error.
            n_seen = s.expand_as(said).sum((-2, -1)).clamp_min(1.0)
            error = (s * (said - x) ** 2).sum((-2, -1)) / n_seen
            losses["reconstruction"] = self.stakes.reconstruction * error.sum()
        return losses

    def _completed(self, dealer: Dealer, noise: Noise, masks: MaskSource | None) -> Tensor:
        assert self.imputer is not None
        x, m = self._incomplete(dealer, noise, masks)
        return self.imputer.complete(x, self.units.spread(m), noise)

    def _incomplete(
        self, dealer: Dealer, noise: Noise, masks: MaskSource | None
    ) -> tuple[Tensor, Tensor]:
        """Rows to complete: those of the table, or generated ones under other masks."""
        if masks is None:
            return dealer.rows()
        with torch.no_grad():
            x = self.rows(noise)
            return x, masks(noise, x)
