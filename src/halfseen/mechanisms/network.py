"""Mechanisms that look at the whole row: linear and with one hidden layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from halfseen.core.spec import DataSpec
from halfseen.errors import SettingError
from halfseen.mechanisms.base import LogitMechanism
from halfseen.mechanisms.summary import effect_summary

if TYPE_CHECKING:
    import pandas as pd

    from halfseen.core.units import Units

__all__ = ["LinearMechanism", "MLPMechanism"]

# Size of initial logits for standardised rows: near zero, so that fits start undecided.
SMALL = 0.1


class LinearMechanism(LogitMechanism):
    """Logits of s = 1 are linear in all features: A f + c.

    Notes
    -----
    The "agnostic" process of Ipsen, Mattei and Frellsen, "not-MIWAE" (ICLR 2021).

    Examples
    --------
    >>> from halfseen.core.spec import DataSpec
    >>> mechanism, generator = LinearMechanism(), torch.Generator().manual_seed(0)
    >>> incomplete = torch.tensor([True, True, False])
    >>> mechanism.bind(DataSpec.continuous(3), incomplete, 2, generator)
    >>> mechanism.log_prob(torch.ones(5, 3), torch.zeros(2, 7, 5, 3)).shape
    torch.Size([2, 7, 5])
    """

    def bind(
        self, spec: DataSpec, incomplete: Tensor, n_members: int, generator: torch.Generator
    ) -> None:
        """Make A and c; see :meth:`Mechanism.bind`."""
        super().bind(spec, incomplete, n_members, generator)
        self.weight = _matrix(n_members, spec.n_features, spec.n_columns, SMALL, generator)
        self.bias = nn.Parameter(torch.zeros(n_members, spec.n_columns))

    def logits(self, features: Tensor) -> Tensor:
        """Logits of s = 1 from features of shape (members, K, B, F)."""
        return features @ self.weight[:, None] + self.bias[:, None, None]

    def summary(
        self,
        spec: DataSpec,
        units: Units | None = None,
        levels: Mapping[str, list[Any]] | None = None,
    ) -> pd.DataFrame:
        """Effect of each feature on the logit of a missing cell, see ``effect_summary``."""
        return effect_summary(self, spec, levels)


class MLPMechanism(LogitMechanism):
    """Logits of s = 1 come from a network with one hidden layer of tanh units.

    Parameters
    ----------
    hidden : int, default=128
        Width of the hidden layer.

    Notes
    -----
    The "nonlinear" process of the public code of "not-MIWAE" (ICLR 2021).

    Examples
    --------
    >>> from halfseen.core.spec import DataSpec
    >>> mechanism, generator = MLPMechanism(hidden=8), torch.Generator().manual_seed(0)
    >>> mechanism.bind(DataSpec.continuous(3), torch.ones(3, dtype=torch.bool), 2, generator)
    >>> mechanism.logits(torch.zeros(2, 7, 5, 3)).shape
    torch.Size([2, 7, 5, 3])
    """

    def __init__(self, hidden: int = 128) -> None:
        super().__init__()
        if isinstance(hidden, bool) or not isinstance(hidden, int) or hidden < 1:
            raise SettingError(f"Got hidden={hidden!r}. Expected a whole number of at least 1.")
        self.hidden = hidden

    def settings(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {"hidden": self.hidden}

    def bind(
        self, spec: DataSpec, incomplete: Tensor, n_members: int, generator: torch.Generator
    ) -> None:
        """Make both layers; see :meth:`Mechanism.bind`."""
        super().bind(spec, incomplete, n_members, generator)
        self.weight_in = _matrix(n_members, spec.n_features, self.hidden, 1.0, generator)
        self.bias_in = nn.Parameter(torch.zeros(n_members, self.hidden))
        self.weight_out = _matrix(n_members, self.hidden, spec.n_columns, SMALL, generator)
        self.bias_out = nn.Parameter(torch.zeros(n_members, spec.n_columns))

    def logits(self, features: Tensor) -> Tensor:
        """Logits of s = 1 from features of shape (members, K, B, F)."""
        inside = torch.tanh(features @ self.weight_in[:, None] + self.bias_in[:, None, None])
        return inside @ self.weight_out[:, None] + self.bias_out[:, None, None]

    def summary(
        self,
        spec: DataSpec,
        units: Units | None = None,
        levels: Mapping[str, list[Any]] | None = None,
    ) -> pd.DataFrame:
        """Effect of each feature on the logit of a missing cell, see ``effect_summary``."""
        return effect_summary(self, spec, levels)


def _matrix(
    n_members: int, n_in: int, n_out: int, size: float, generator: torch.Generator
) -> nn.Parameter:
    """Normal weights that give outputs of about the given size for inputs of size 1."""
    weight = torch.randn(n_members, n_in, n_out, generator=generator)
    return nn.Parameter(weight * size / math.sqrt(n_in))
