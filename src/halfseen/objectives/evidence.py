"""Evidence bounds with the divergence in closed form, and what the autoencoder family adds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor

from halfseen.core.batch import Batch
from halfseen.core.masked import masked_sum
from halfseen.core.noise import Noise
from halfseen.objectives.importance import bound_losses
from halfseen.terms.latent import LatentModel, Weighted
from halfseen.terms.product import ProductProposal, product_of_experts, single_experts
from halfseen.terms.proposal import ProposalLaw

__all__ = [
    "Conditional",
    "Evidence",
    "Importance",
    "MakeNoise",
    "Objective",
    "Selective",
    "Subsets",
    "TermWeights",
]

MakeNoise = Callable[[Batch], Noise]
Losses = dict[str, Tensor]


class Objective(Protocol):
    """What a latent model's training minimises on a batch."""

    def __call__(
        self, model: LatentModel, batch: Batch, noise: MakeNoise, progress: float
    ) -> Losses:
        """Named losses, means over rows and sums over members.

        Parameters
        ----------
        model : LatentModel
            With M members.
        batch : Batch
            B rows.
        noise : callable
            From a batch to fresh noise for it.
        progress : float
            Share of the training steps that are done.
        """
        ...


@dataclass(frozen=True)
class TermWeights:
    r"""What terms count in a loss: :math:`\sum_j w_j s_j \log p(x_j | z) + v \log p(m | z)`.

    A model's own weights are left alone: with others than 1 the loss is of no likelihood.

    Parameters
    ----------
    cells : Tensor of shape (p,)
        The weight w of each column.
    mask : float, default=1
        That of the mask, v.
    """

    cells: Tensor
    mask: float = 1.0

    def __call__(self, weighted: Weighted, batch: Batch, scored: Tensor) -> Weighted:
        """The same samples with weighed terms; ``scored`` is the mask of the cells that count."""
        terms = dict(weighted.terms)
        terms["observation"] = self.cells_of(weighted, batch.x, scored)
        if "mask" in terms:
            terms["mask"] = self.mask * terms["mask"]
        return replace(weighted, terms=terms)

    def cells_of(self, weighted: Weighted, x: Tensor, s: Tensor) -> Tensor:
        """The weighed log-density of the cells of a mask, shape (M, K, B)."""
        return masked_sum(self.cells * weighted.completion.decoded.cell_log_prob(x), s)


@dataclass(frozen=True)
class Importance:
    """The importance-weighted bound L_K.

    Parameters
    ----------
    weights : TermWeights or None, default=None
        What terms count; None counts them all the same.
    """

    weights: TermWeights | None = None

    def __call__(
        self, model: LatentModel, batch: Batch, noise: MakeNoise, progress: float
    ) -> Losses:
        """See :class:`Objective`."""
        return bound_losses(_weighed(self.weights, model, batch, model(batch, noise(batch))))


@dataclass(frozen=True)
class Evidence:
    r"""The evidence bound :math:`E_q[\log p(x, \ldots | z)] - w KL(q || p)`.

    Every term of the model but prior and proposal is averaged over the K samples; the
    divergence of two diagonal Gaussians needs no sample.

    Parameters
    ----------
    weight : float, default=1
        The weight w of the divergence: 1 is the bound, another one that of a beta-VAE.
    warm_up : float, default=0
        Share of the steps over which it rises from 0.
    weights : TermWeights or None, default=None
        What the other terms count; None counts them all the same.
    """

    weight: float = 1.0
    warm_up: float = 0.0
    weights: TermWeights | None = field(default=None, kw_only=True)

    def __call__(
        self, model: LatentModel, batch: Batch, noise: MakeNoise, progress: float
    ) -> Losses:
        """See :class:`Objective`."""
        weighted = model(batch, noise(batch))
        return self.losses(_weighed(self.weights, model, batch, weighted), progress)

    def losses(self, weighted: Weighted, progress: float) -> Losses:
        """Named losses of some samples."""
        rising = progress / self.warm_up if self.warm_up > 0 else 1.0
        losses = {
            name: -_mean(term)
            for name, term in weighted.terms.items()
            if name not in ("prior", "proposal")
        }
        losses["kl"] = self.weight * min(1.0, rising) * _mean(weighted.kl())
        return losses


@dataclass(frozen=True)
class Conditional(Evidence):
    r"""Evidence of a model whose prior is learned, with that prior held near N(0, I).

    .. math:: w_p KL(p(z | x_S) || N(0, I))

    Proposal and prior may grow together at no cost to the bound; what then comes from the prior
    of a new row can be far outside anything decoded in training. Ivanov et al. (2019) put weak
    hyperpriors on the prior's mean and scale for the same reason.

    Parameters
    ----------
    prior_weight : float, default=0.01
        The weight w_p.
    """

    prior_weight: float = 0.01

    def losses(self, weighted: Weighted, progress: float) -> Losses:
        """Named losses of some samples."""
        zero = torch.zeros_like(weighted.prior.mean)
        away = weighted.prior.kl(ProposalLaw(zero, zero))
        return super().losses(weighted, progress) | {"prior": self.prior_weight * _mean(away)}


@dataclass(frozen=True)
class Selective(Evidence):
    r"""The objective of VSAE (its Eq. 8): evidence, and what the model says of unseen cells.

    .. math:: \lambda \sum_{j \in U} E_{\tilde x_j} [\log p(\tilde x_j | m, z)]

    The unseen :math:`\tilde x_j` are what the model itself completes in a first pass without
    gradient (appendix B.2); the second pass takes them for the truth.

    Parameters
    ----------
    unseen_weight : float, default=1
        The weight lambda.
    start : float, default=0.02
        Share of the steps before the term counts.
    """

    unseen_weight: float = 1.0
    start: float = 0.02

    def __call__(
        self, model: LatentModel, batch: Batch, noise: MakeNoise, progress: float
    ) -> Losses:
        """See :class:`Objective`."""
        weighted = model(batch, noise(batch))
        losses = self.losses(_weighed(self.weights, model, batch, weighted), progress)
        if self.unseen_weight > 0 and progress >= self.start:
            with torch.no_grad():
                # The model of now, other latents: one completion per row and member.
                cells = model(batch, noise(batch)).completion.cells[:, :1]
            losses["unseen"] = -self.unseen_weight * _mean(self._of(weighted, cells, 1 - batch.s))
        return losses

    def _of(self, weighted: Weighted, x: Tensor, s: Tensor) -> Tensor:
        """The log-density of some cells as it counts."""
        if self.weights is None:
            return weighted.completion.decoded.log_prob(x, s)
        return self.weights.cells_of(weighted, x, s)


@dataclass(frozen=True)
class Subsets(Evidence):
    """Evidence of all that is seen, and of parts of it: what a product of experts learns from.

    Wu and Goodman, "Multimodal Generative Models for Scalable Weakly-Supervised Learning"
    (NeurIPS 2018): the joint bound, that of each modality alone, and those of random subsets.
    A part is encoded alone and scored alone.

    Parameters
    ----------
    unimodal : bool, default=True
        Whether each seen modality has a bound of its own.
    n_subsets : int, default=1
        Random subsets per row and step; each keeps a modality with probability a half.
    """

    unimodal: bool = True
    n_subsets: int = 1

    def __call__(
        self, model: LatentModel, batch: Batch, noise: MakeNoise, progress: float
    ) -> Losses:
        """See :class:`Objective`."""
        assert isinstance(model.proposal, ProductProposal)
        seen = model.proposal.seen(batch.shown)
        kept = self._kept(seen, noise(batch))
        cells = model.proposal.seen.cells(kept)
        # Rows of all parts after each other: (M, 1, parts * B, ...).
        some = replace(
            batch,
            x=batch.x.repeat(len(kept), 1),
            s=_rows(batch.s.unsqueeze(-3) * cells),
            shown=_rows(batch.shown.unsqueeze(-3) * cells),
        )
        law = self._law(*model.proposal.experts(batch), seen, kept)
        weighted = _weighed(self.weights, model, some, model(some, noise(some), law))
        # A mean over all rows of all parts, times how many there are: a sum over parts.
        return {name: len(kept) * loss for name, loss in self.losses(weighted, progress).items()}

    def _law(self, mean: Tensor, log_variance: Tensor, seen: Tensor, kept: Tensor) -> ProposalLaw:
        """The law of z of every row of every part, in the order of ``_kept``."""
        n_alone = mean.shape[-2] if self.unimodal else 0
        several = torch.cat([kept[:1], kept[1 + n_alone :]]) * seen.unsqueeze(-3)
        laws = product_of_experts(mean.unsqueeze(-4), log_variance.unsqueeze(-4), several)
        if self.unimodal:
            # As products these would hold G * G experts a row, of which all but G do not count.
            alone = single_experts(mean, log_variance, seen)
            laws = ProposalLaw(
                _between(laws.mean, alone.mean), _between(laws.log_scale, alone.log_scale)
            )
        return ProposalLaw(laws.mean.flatten(-3, -2), laws.log_scale.flatten(-3, -2))

    def _kept(self, seen: Tensor, noise: Noise) -> Tensor:
        """Which modalities each part keeps (parts, B, G): all, each alone, random ones."""
        n_rows, n = seen.shape[-2:]
        parts = [seen.new_ones(1, n_rows, n)]
        if self.unimodal:
            parts.append(
                torch.eye(n, dtype=seen.dtype, device=seen.device)[:, None].expand(n, n_rows, n)
            )
        if self.n_subsets:
            u = noise.uniform(self.n_subsets, n)[0, 0].transpose(0, 1)
            parts.append((u < 0.5).to(seen.dtype))
        return torch.cat(parts)


def _weighed(
    weights: TermWeights | None, model: LatentModel, batch: Batch, weighted: Weighted
) -> Weighted:
    return weighted if weights is None else weights(weighted, batch, model.scored(batch))


def _rows(mask: Tensor) -> Tensor:
    """Masks (..., parts, B, c) as rows (..., parts * B, c)."""
    return mask.flatten(-3, -2)


def _between(several: Tensor, alone: Tensor) -> Tensor:
    """The first part (..., parts, B, d), those of one modality each (..., B, G, d), the rest."""
    first, rest = several[..., :1, :, :], several[..., 1:, :, :]
    return torch.cat([first, alone.transpose(-3, -2), rest], -3)


def _mean(term: Tensor) -> Tensor:
    """Mean over samples and rows, summed over members."""
    return term.mean((1, 2)).sum()
