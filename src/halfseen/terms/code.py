"""From latents to what the decoder reads: an aggregator, and what else the decoder may see."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from halfseen.core.batch import Batch
from halfseen.nn.inputs import ZeroFill
from halfseen.terms.mask import MaskTerm
from halfseen.terms.proposal import GaussianProposal

__all__ = ["AGGREGATORS", "Aggregator", "Code", "Condition", "DecodedMask", "Memory", "Shown"]

Aggregator = Literal["concat", "mean", "max"]
AGGREGATORS = ("concat", "mean", "max")


class Condition(nn.Module, ABC):
    """Something that the decoder sees beside z.

    Attributes
    ----------
    n_out : int
        Its width c.
    """

    n_out: int

    @abstractmethod
    def forward(self, z: Tensor, batch: Batch) -> Tensor:
        """Numbers (M, K or 1, B, c)."""


class Shown(Condition):
    """Cells that are shown, as an input layer reads them; or the mask alone.

    Parameters
    ----------
    inputs : ZeroFill or None
        None for the mask alone.
    n_members, n_columns : int
        M and p.
    """

    def __init__(self, inputs: ZeroFill | None, n_members: int, n_columns: int) -> None:
        super().__init__()
        self.inputs, self.n_members = inputs, n_members
        self.n_out = n_columns if inputs is None else inputs.n_out

    def forward(self, z: Tensor, batch: Batch) -> Tensor:
        """See :class:`Condition`."""
        if self.inputs is not None:
            return self.inputs(batch.x, batch.shown)
        return batch.shown.expand(self.n_members, 1, *batch.shown.shape[-2:])


class DecodedMask(Condition):
    """Probabilities of the mask given z, as the mask term decodes them.

    Parameters
    ----------
    term : MaskTerm
        It belongs to the model.
    n_out : int
        Its width.
    """

    def __init__(self, term: MaskTerm, n_out: int) -> None:
        super().__init__()
        # In a tuple, so that the term's parameters are not counted twice.
        self.term, self.n_out = (term,), n_out

    def forward(self, z: Tensor, batch: Batch) -> Tensor:
        """See :class:`Condition`."""
        return self.term[0].probabilities(z)


class Memory(Condition):
    """What a conditional prior knew in its last hidden layer.

    Parameters
    ----------
    prior : GaussianProposal
        It belongs to the model.
    """

    def __init__(self, prior: GaussianProposal) -> None:
        super().__init__()
        self.prior, self.n_out = (prior,), int(prior.body.n_out)  # type: ignore[arg-type]

    def forward(self, z: Tensor, batch: Batch) -> Tensor:
        """See :class:`Condition`."""
        prior = self.prior[0]
        return prior.body(prior.row(batch))


class Code(nn.Module):
    """What the decoder reads: latents of modalities put together, and conditions.

    Parameters
    ----------
    n_latent, n_blocks : int
        d, and how many modalities share it: each has d / n_blocks of them.
    aggregator : {"concat", "mean", "max"}
        How the modalities' latents are put together.
    conditions : sequence of Condition
        What else the decoder sees.

    Attributes
    ----------
    n_out : int
        Width of the decoder's input.
    """

    def __init__(
        self,
        n_latent: int,
        n_blocks: int = 1,
        aggregator: Aggregator = "concat",
        conditions: Sequence[Condition] = (),
    ) -> None:
        super().__init__()
        self.n_blocks, self.aggregator = n_blocks, aggregator
        self.conditions = nn.ModuleList(conditions)
        own = n_latent if aggregator == "concat" else n_latent // n_blocks
        self.n_out = own + sum(condition.n_out for condition in conditions)

    def forward(self, z: Tensor, batch: Batch) -> Tensor:
        """Latents (M, K, B, d) to (M, K, B, n_out)."""
        parts = [self._together(z)]
        for condition in self.conditions:
            seen = condition(z, batch)
            parts.append(seen.expand(*parts[0].shape[:-1], seen.shape[-1]))
        return torch.cat(parts, -1) if len(parts) > 1 else parts[0]

    def _together(self, z: Tensor) -> Tensor:
        if self.aggregator == "concat":
            return z
        apart = z.unflatten(-1, (self.n_blocks, -1))
        return apart.mean(-2) if self.aggregator == "mean" else apart.amax(-2)
