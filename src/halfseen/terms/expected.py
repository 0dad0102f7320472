"""A head behind units that look at the law of a row: no completions, and no samples."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from halfseen.core.batch import Batch
from halfseen.core.hole_law import HoleLaw
from halfseen.nn.expected import ExpectedUnits
from halfseen.terms.direct import DirectModel
from halfseen.terms.label import LabelLaw, beside

__all__ = ["ExpectedModel"]


class ExpectedModel(DirectModel):
    """log p(y | x_obs, s) of a network behind expected activations.

    Parameters
    ----------
    units : ExpectedUnits
        Laws of rows to expected activations (M, 1, B, H).
    network : Module
        The head: these, and what stands beside them, to (M, 1, B, n_raw).
    law : LabelLaw
        What its outputs mean.
    law_of : callable
        The law of rows that do not bring one.
    """

    def __init__(
        self,
        units: ExpectedUnits,
        network: nn.Module,
        law: LabelLaw,
        law_of: Callable[[Batch], HoleLaw],
    ) -> None:
        super().__init__(units, network, law)
        self.law_of = law_of

    def forward(self, batch: Batch) -> Tensor:
        """Raw outputs (M, 1, B, n_raw)."""
        law = self.law_of(batch) if batch.law is None else batch.law
        return self.network(beside(self.inputs(law), batch.extra))
