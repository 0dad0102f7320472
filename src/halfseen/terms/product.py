"""Product of experts: what the modalities say of one shared latent, multiplied."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from halfseen.core.batch import Batch
from halfseen.nn.unimodal import BlockMask, UnimodalEncoders
from halfseen.terms.proposal import ProposalLaw

__all__ = ["ProductProposal", "product_of_experts", "single_experts"]


def product_of_experts(mean: Tensor, log_variance: Tensor, seen: Tensor) -> ProposalLaw:
    r"""The product of N(0, I) and the Gaussian experts that are seen.

    .. math:: T = 1 + \sum_i m_i / \sigma_i^2, \quad
              \mu = \sum_i m_i \mu_i / \sigma_i^2 \, / \, T, \quad \sigma^2 = 1 / T

    Parameters
    ----------
    mean, log_variance : Tensor of shape (..., G, d)
        The experts.
    seen : Tensor of shape (..., G)
        1 for those that count.

    Returns
    -------
    ProposalLaw
        Of shape (..., d); N(0, I) where no expert is seen (Wu and Goodman 2018).

    Examples
    --------
    >>> law = product_of_experts(torch.full((1, 1), 3.0), torch.zeros(1, 1), torch.ones(1))
    >>> law.mean, torch.exp(2 * law.log_scale)
    (tensor([1.5000]), tensor([0.5000]))
    """
    precision = torch.exp(-log_variance) * seen[..., None]
    total = 1 + precision.sum(-2)
    return ProposalLaw((mean * precision).sum(-2) / total, -0.5 * torch.log(total))


def single_experts(mean: Tensor, log_variance: Tensor, seen: Tensor) -> ProposalLaw:
    """The product of N(0, I) and one expert, for each of them.

    Parameters
    ----------
    mean, log_variance, seen : Tensor
        As in :func:`product_of_experts`.

    Returns
    -------
    ProposalLaw
        Of shape (..., G, d); N(0, I) for an expert that is not seen.

    Examples
    --------
    >>> mean, seen = torch.tensor([[3.0], [3.0]]), torch.tensor([1.0, 0.0])
    >>> single_experts(mean, torch.zeros(2, 1), seen).mean
    tensor([[1.5000],
            [0.0000]])
    """
    return product_of_experts(mean.unsqueeze(-2), log_variance.unsqueeze(-2), seen[..., None])


class ProductProposal(nn.Module):
    """q(z | x_obs): the prior times one expert per modality that is seen.

    Parameters
    ----------
    unimodal : UnimodalEncoders
        With 2 d outputs per modality: means, then log variances.
    seen : BlockMask
        Which modalities are seen.
    """

    def __init__(self, unimodal: UnimodalEncoders, seen: BlockMask) -> None:
        super().__init__()
        self.unimodal, self.seen = unimodal, seen

    def experts(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Means and log variances of all experts, each (M, 1, B, G, d)."""
        mean, raw = self.unimodal(batch.x, batch.shown).chunk(2, -1)
        # With many experts the precisions add up: clipped, so that no single one is a point.
        return mean, raw.clamp(-10.0, 10.0)

    def forward(self, batch: Batch) -> ProposalLaw:
        """The proposal (M, 1, B, d) of every row."""
        return product_of_experts(*self.experts(batch), self.seen(batch.shown))
