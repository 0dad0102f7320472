"""Losses of adversarial models of incomplete rows, and the operator that hides cells.

Wasserstein losses with gradient penalty: Gulrajani et al., "Improved training of Wasserstein
GANs" (2017). Masking: Li, Jiang and Marlin, "MisGAN" (ICLR 2019), Eq. 3. Losses per cell: Yoon,
Jordon and van der Schaar, "GAIN" (ICML 2018).
"""

from __future__ import annotations

import torch
from torch import Tensor

from halfseen.nn.critics import Critic

__all__ = ["cell_critic_loss", "cell_generator_loss", "critic_losses", "generator_loss", "masked"]

# GAIN's guard of logarithms, as released.
EPSILON = 1e-8


def masked(x: Tensor, s: Tensor, fill: float | Tensor) -> Tensor:
    r"""Hide cells behind a constant, :math:`f_\tau(x, s) = x s + \tau (1 - s)` (MisGAN, Eq. 3).

    Parameters
    ----------
    x : Tensor
        Complete rows, or rows that hold anything finite where they are missing.
    s : Tensor
        The mask, 1 = observed; relaxed masks lie in between.
    fill : float or Tensor
        The constant.

    Returns
    -------
    Tensor
        Of the shape that ``x`` and ``s`` broadcast to.

    Examples
    --------
    >>> masked(torch.tensor([0.2, 0.7]), torch.tensor([1.0, 0.0]), 0.5)
    tensor([0.2000, 0.5000])
    """
    shown = x * s
    if not isinstance(fill, Tensor) and fill == 0:
        return shown
    return shown + fill * (1 - s)


def critic_losses(
    critic: Critic,
    real: Tensor,
    fake: Tensor,
    share: Tensor,
    penalty: float,
    *,
    one_sided: bool = False,
) -> tuple[Tensor, Tensor]:
    r"""What a Wasserstein critic minimises, summed over members.

    .. math:: E D(\tilde x) - E D(x) \quad and \quad
              \lambda E (|\nabla D(\hat x)| - 1)^2, \hat x = e x + (1 - e) \tilde x

    Parameters
    ----------
    critic : Critic
        D.
    real, fake : Tensor of shape (M, B, F)
        Rows; nothing is learned through them.
    share : Tensor of shape (M, B, 1)
        e, uniform in (0, 1).
    penalty : float
        The weight of the gradient penalty.
    one_sided : bool, default=False
        Whether gradients shorter than 1 cost nothing (Petzka, Fischer and Lukovnikov, ICLR 2018).
        Where they do, a critic cannot turn round in few dimensions: between a slope of 1 and one
        of -1 lies the flat critic, which costs more than it can win.

    Returns
    -------
    tuple of Tensor
        Minus the estimated distance, and the penalty, each of shape ().
    """
    said, n_rows = critic.compare(real, fake, share), real.shape[1]
    gap, excess = (said.fake - said.real).sum() / n_rows, said.slope - 1
    if one_sided:
        excess = excess.clamp_min(0)
    return gap, (excess**2).sum() * (penalty / n_rows)


def generator_loss(critic: Critic, fake: Tensor) -> Tensor:
    """Minus the mean score of generated rows (M, B, F), summed over members."""
    return -critic(fake).mean(-1).sum()


def cell_critic_loss(probability: Tensor, s: Tensor) -> Tensor:
    r"""GAIN's loss of the discriminator of cells, summed over members.

    .. math:: - mean( s \log D + (1 - s) \log (1 - D) )

    Parameters
    ----------
    probability : Tensor of shape (M, B, p)
        D, the probability that a cell was observed.
    s : Tensor of shape (M, B, p) or (B, p)
        The mask.
    """
    said = s * torch.log(probability + EPSILON) + (1 - s) * torch.log(1 - probability + EPSILON)
    return -said.mean((-2, -1)).sum()


def cell_generator_loss(probability: Tensor, s: Tensor) -> Tensor:
    r"""GAIN's adversarial loss of the generator, :math:`- mean((1 - s) \log D)`.

    Parameters
    ----------
    probability, s : Tensor
        As in :func:`cell_critic_loss`.
    """
    return -((1 - s) * torch.log(probability + EPSILON)).mean((-2, -1)).sum()
