"""The law of whole rows of which some cells are seen: a mixture of Gaussians on the holes alone.

Seen cells have their value in every component, and neither factors nor noise: sums over all cells
of a row then need no mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from halfseen.core.factor_mixture import LowRankMixture

__all__ = ["HoleLaw"]


@dataclass(frozen=True)
class HoleLaw:
    """Mixtures of C Gaussians N(mean, factor' factor + diag(variance)), one per row.

    Parameters
    ----------
    weights : Tensor of shape (n, C)
        Weights of the components, which sum to one.
    mean : Tensor of shape (n, C, F)
        Values of seen cells, means of the others.
    factor : Tensor of shape (n, C, l, F)
        Loadings of l factors, 0 at seen cells.
    variance : Tensor of shape (n, C, F)
        Variances of the noise, 0 at seen cells.

    Examples
    --------
    >>> from halfseen.core.low_rank_normal import LowRankNormal
    >>> zeros = torch.zeros(1, 1, 2)
    >>> mixture = LowRankMixture(zeros[..., 0], LowRankNormal(zeros, zeros[..., None], zeros + 1))
    >>> law = HoleLaw.of(mixture, torch.tensor([[5.0, 0.0]]), torch.tensor([[1.0, 0.0]]))
    >>> law.mean, law.variance
    (tensor([[[5., 0.]]]), tensor([[[0., 1.]]]))
    """

    weights: Tensor
    mean: Tensor
    factor: Tensor
    variance: Tensor

    @classmethod
    def of(cls, mixture: LowRankMixture, x: Tensor, s: Tensor, most: int | None = None) -> HoleLaw:
        """From the law of fresh copies of all cells.

        Parameters
        ----------
        mixture : LowRankMixture
            Of n rows.
        x, s : Tensor of shape (n, F)
            Cells, finite everywhere, and masks, 1 = seen.
        most : int, optional
            How many components of a row are kept, the most probable ones; all by default.
        """
        weights, law = torch.softmax(mixture.log_weights, -1), mixture.law
        if most is not None and most < weights.shape[-1]:
            weights, at = weights.topk(most, -1)
            weights = weights / weights.sum(-1, keepdim=True)
            rows = torch.arange(len(at), device=at.device)[:, None]
            law = law.map(lambda part: part[rows, at])
        seen = s[:, None] > 0
        mean = torch.where(seen, x[:, None], law.mean)
        factor = law.factor.mT.masked_fill(seen[:, :, None], 0.0)
        variance = law.variance.expand(mean.shape).masked_fill(seen, 0.0)
        return cls(weights, mean, factor, variance)

    @classmethod
    def join(cls, parts: Sequence[HoleLaw]) -> HoleLaw:
        """The rows of several parts below each other."""
        names = [field.name for field in fields(cls)]
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in names))

    def __len__(self) -> int:
        return len(self.weights)

    def __getitem__(self, index: Tensor | slice) -> HoleLaw:
        """Some of the rows."""
        return HoleLaw(
            self.weights[index], self.mean[index], self.factor[index], self.variance[index]
        )

    @property
    def size(self) -> int:
        """Numbers in all tensors."""
        return sum(getattr(self, field.name).numel() for field in fields(self))

    @property
    def average(self) -> Tensor:
        """Mean of every cell (n, F)."""
        return (self.weights[..., None] * self.mean).sum(1)

    @property
    def marginal_variance(self) -> Tensor:
        """Variance of every cell in every component (n, C, F)."""
        return self.factor.square().sum(-2) + self.variance

    def to(self, dtype: torch.dtype) -> HoleLaw:
        """The same in another precision."""
        return HoleLaw(*(getattr(self, field.name).to(dtype) for field in fields(self)))
