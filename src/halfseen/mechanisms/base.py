"""What a mechanism p(s | x) is: it makes holes in complete data, and scores holes inside a model.

A mechanism sees *features*: numeric columns in model units (one feature each) and one indicator
per category. Masks are per column, 1 = observed. Parameters that are learned carry a leading
axis of members, the independent starts of one fit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from halfseen.core.spec import DataSpec

if TYPE_CHECKING:
    import pandas as pd

    from halfseen.core.units import Units

__all__ = ["LogitMechanism", "Mechanism"]


class Mechanism(nn.Module, ABC):
    """Law of the mask given the complete row: the two methods that a user writes.

    Subclasses implement :meth:`sample` and :meth:`log_prob`; those with parameters that
    depend on the table make them in :meth:`bind`, which a model calls once.
    """

    #: Whether each column's mask looks at that column alone, so that a missing cell can be
    #: integrated out of the weight ("collapsed") instead of sampled.
    collapses: bool = False

    def bind(
        self, spec: DataSpec, incomplete: Tensor, n_members: int, generator: torch.Generator
    ) -> None:
        """Make the parameters for a table.

        Parameters
        ----------
        spec : DataSpec
            The p columns.
        incomplete : bool Tensor of shape (p,)
            Which columns ever miss a cell; the others carry no factor of p(s | x).
        n_members : int
            Number of independent starts, the leading axis of every learned parameter.
        generator : torch.Generator
            For random initial values.
        """

    @abstractmethod
    def sample(self, features: Tensor, generator: torch.Generator) -> Tensor:
        """Draw masks.

        Parameters
        ----------
        features : Tensor of shape (..., F)
            Complete rows.
        generator : torch.Generator
            Source of randomness.

        Returns
        -------
        Tensor of shape (..., p)
            1 where observed, 0 where missing.
        """

    @abstractmethod
    def log_prob(self, s: Tensor, features: Tensor) -> Tensor:
        """Log p(s | x), summed over columns.

        Parameters
        ----------
        s : Tensor of shape (B, p)
            Masks, 1 = observed.
        features : Tensor of shape (..., B, F)
            Complete rows: observed cells where s = 1 and sampled ones elsewhere.

        Returns
        -------
        Tensor of shape (..., B)
        """

    def log_prior(self) -> Tensor:
        """Log-density of a prior on the parameters, per member, up to a constant.

        Returns
        -------
        Tensor of shape () or (members,)
        """
        return torch.zeros(())

    def summary(
        self,
        spec: DataSpec,
        units: Units | None = None,
        levels: Mapping[str, list[Any]] | None = None,
    ) -> pd.DataFrame:
        """What was learned, as a table; by default the size of every parameter.

        Parameters
        ----------
        spec : DataSpec
            The columns.
        units : Units, optional
            For statements in data units.
        levels : mapping of str to list, optional
            Categories by column.

        Returns
        -------
        DataFrame
        """
        import pandas as pd

        rows = [
            {"parameter": name, "shape": tuple(p.shape), "mean": float(p.detach().mean())}
            for name, p in self.named_parameters()
        ]
        return pd.DataFrame(rows, columns=["parameter", "shape", "mean"])

    def settings(self) -> dict[str, Any]:
        """Constructor arguments, so that a saved model can make the mechanism again."""
        return {}


class LogitMechanism(Mechanism):
    """A mechanism whose cells are independent given x: it has only to give their logits."""

    incomplete: Tensor

    def bind(
        self, spec: DataSpec, incomplete: Tensor, n_members: int, generator: torch.Generator
    ) -> None:
        """See :meth:`Mechanism.bind`."""
        self.register_buffer("incomplete", incomplete.clone())

    @abstractmethod
    def logits(self, features: Tensor) -> Tensor:
        """Logits of s = 1, shape (..., p)."""

    def sample(self, features: Tensor, generator: torch.Generator) -> Tensor:
        """Independent Bernoulli masks; columns that never miss a cell stay observed."""
        p = torch.sigmoid(self.logits(features))
        u = torch.rand(p.shape, generator=generator, device=p.device, dtype=p.dtype)
        return ((u < p) | ~self.incomplete).to(p.dtype)

    def log_prob(self, s: Tensor, features: Tensor) -> Tensor:
        """Sum of Bernoulli log-probabilities over the columns that can miss a cell."""
        logits = self.logits(features)
        cells = functional.logsigmoid(torch.where(s > 0, logits, -logits))
        return torch.where(self.incomplete, cells, torch.zeros_like(cells)).sum(-1)
