"""Completions: what the missing cells of some rows are, given z, and how terms look at them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from halfseen.core.batch import Batch
from halfseen.core.features import Features
from halfseen.core.masked import merge
from halfseen.core.noise import Noise
from halfseen.core.units import Units
from halfseen.terms.observation import Decoded

__all__ = ["SAMPLERS", "Completion", "Sampler", "Term"]

Sampler = Literal["score", "dropped", "straight-through", "relaxed", "mean"]
SAMPLERS: tuple[str, ...] = get_args(Sampler)


class Completion:
    """Laws of the missing cells given z, and one sample of them once a term asks for it.

    All terms of a weight see the same sample. Once a weight has seen x_mis,k, the answer must
    average x_mis,k itself: averaging anything else would be biased.

    Parameters
    ----------
    decoded : Decoded
        p(x_j | z).
    batch : Batch
        Observed cells are exact in every sample.
    noise : Noise
        For the sample.
    expand : Features
        From cells to features.
    sampler : {"score", "dropped", "straight-through", "relaxed", "mean"}
        How the gradient passes through sampled categories, pixels and repeated values; numbers
        with a density are reparameterised. See :class:`halfseen.terms.latent.LatentModel`.
    z : Tensor of shape (M, K, B, d) or None
        The latents, for terms that look at them.
    """

    def __init__(
        self,
        decoded: Decoded,
        batch: Batch,
        noise: Noise,
        expand: Features,
        sampler: Sampler = "score",
        z: Tensor | None = None,
    ) -> None:
        self.decoded = decoded
        self._z = z
        self.laws = decoded
        self.batch, self.noise, self.expand, self.sampler = batch, noise, expand, sampler
        self.in_weight = False

    @property
    def z(self) -> Tensor:
        """The latents (M, K, B, d)."""
        assert self._z is not None
        return self._z

    @cached_property
    def cells(self) -> Tensor:
        """One completion in model units, shape (M, K, B, p)."""
        x = self.laws.draw(self.noise, self.batch.x.shape[-1])
        return merge(self.batch.x, x, self.batch.s)

    @cached_property
    def features(self) -> Tensor:
        """The same completion as features (M, K, B, F), as terms see it."""
        features = self.expand(self.cells)
        surrogate = self.sampler in ("straight-through", "relaxed") and torch.is_grad_enabled()
        return self._softened(features) if surrogate or self.sampler == "mean" else features

    def _softened(self, features: Tensor) -> Tensor:
        """Features through which a gradient passes in place of those of hard choices."""
        out = features.clone()
        shown = self.expand.mask(self.batch.s)
        for head, law in zip(self.laws.heads, self.laws.laws, strict=True):
            soft = law.soft(self.cells[..., head.columns], self.sampler, self.noise)
            if soft is not None:
                at = head.features
                out[..., at] = merge(features[..., at], soft, shown[..., at])
        return out

    def log_choice(self) -> Tensor | None:
        """Log-probability of the sampled choices, (M, K, B); None where nothing was chosen."""
        total: Tensor | None = None
        for head, law in zip(self.laws.heads, self.laws.laws, strict=True):
            cells = law.log_choice(self.cells[..., head.columns].detach())
            if cells is not None:
                gone = self.batch.s[..., head.columns] == 0
                part = torch.where(gone, cells, torch.zeros_like(cells)).sum(-1)
                total = part if total is None else total + part
        return total

    def mean(self, units: Units, n_features: int) -> Tensor:
        """Mean features in the units of ``Units.natural``, shape (M, K, B, F)."""
        if not self.in_weight:
            return self.laws.mean(units, n_features)
        return self.expand(units.natural(self.cells, list(range(self.cells.shape[-1]))))

    def draw(self, noise: Noise, n_columns: int) -> Tensor:
        """A completion in model units: the one in the weight, or a fresh one."""
        return self.cells if self.in_weight else self.laws.draw(noise, n_columns)


class Term(nn.Module, ABC):
    """An addend of the log-weight that looks at completions."""

    @abstractmethod
    def forward(self, completion: Completion, batch: Batch) -> Tensor | None:
        """The addend (M, K, B), or None where it has nothing to say about this batch.

        A term that looks at sampled cells sets ``completion.in_weight``; one that knows more of
        the missing cells replaces ``completion.laws``.
        """

    def complete(self, decoded: Decoded) -> Decoded:
        """Laws of the missing cells given what the term knows; by default, what they were."""
        return decoded
