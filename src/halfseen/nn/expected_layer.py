"""A first layer for any network that meets the law of a row's holes: NaN in, activations out."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from halfseen.core.factor_mixture import FactorMixture, LowRankMixture
from halfseen.core.hole_law import HoleLaw
from halfseen.core.low_rank_normal import LowRankNormal
from halfseen.core.noise import new_generator
from halfseen.core.released_mixture import released_conditional, released_posterior
from halfseen.errors import SettingError
from halfseen.nn.expected import ExpectedUnits

__all__ = ["ExpectedLayer", "ExpectedNetworkReLU", "ExpectedReLU"]

# Of a standard deviation, that the type of the rows may round a cell by.
MOST_ROUNDING = 0.1


class ExpectedLayer(nn.Module, ABC):
    """Base of the first layers: a subclass says the law of a row's cells, given those seen.

    Parameters
    ----------
    n_in, n_units : int
        Cells F and units H.
    shift, scale : Tensor of shape (F,), optional
        Rows are standardised as (x - shift) / scale; by default they are already.
    seed : int, default=0
        Of the initial values.
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self,
        n_in: int,
        n_units: int,
        *,
        shift: Tensor | None = None,
        scale: Tensor | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not isinstance(n_units, (int, np.integer)) or n_units < 1:
            raise SettingError(f"Got n_units={n_units!r}. Expected a positive whole number.")
        self.register_buffer("shift", _vector("shift", shift, n_in, 0.0))
        self.register_buffer("scale", _vector("scale", scale, n_in, 1.0))
        self.units = ExpectedUnits(1, n_in, n_units, new_generator(seed, 0)).to(torch.float32)

    @abstractmethod
    def conditional(self, z: Tensor, s: Tensor) -> LowRankMixture:
        """The law of all cells given the seen ones, of standardised rows (B, F) and masks."""

    def law(self, x: Tensor) -> HoleLaw:
        """The law of standardised rows, from rows (B, F) with NaN where missing.

        Raises
        ------
        SettingError
            When the type of ``x`` holds too few digits of a column that is far from 0.
        """
        self._check_digits(x.dtype)
        seen = ~torch.isnan(x)
        z = (torch.where(seen, x, self.shift) - self.shift) / self.scale
        z, s = z.double(), seen.double()
        return HoleLaw.of(self.conditional(z, s), z, s).to(x.dtype)

    def _check_digits(self, dtype: torch.dtype) -> None:
        """Refuse rows whose numbers are too coarse beside the spread of a column."""
        coarse = (self.shift.abs() / self.scale).max() * torch.finfo(dtype).eps
        if coarse > MOST_ROUNDING:
            raise SettingError(
                f"Got rows of {dtype}, which rounds a column by {float(coarse):.2g} of its "
                "standard deviation. Expected rows of torch.float64, or columns nearer to 0."
            )

    def forward(self, x: Tensor) -> Tensor:
        """Rows (B, ...) of F cells with NaN where missing to activations (B, H)."""
        n_in = len(self.shift)
        if x.ndim < 2 or x.shape[1:].numel() != n_in:
            raise SettingError(
                f"{type(self).__name__} got rows of shape {tuple(x.shape)}. Expected (B, {n_in}), "
                "or images with as many cells; a single row is (1, ...)."
            )
        return self.units(self.law(x.reshape(len(x), n_in)))[0, 0]


class ExpectedReLU(ExpectedLayer):
    """A first layer for any network: rows with NaN in, expected activations of its units out.

    Missing cells are distributed as a mixture of Gaussians says, given the seen ones, and each
    unit answers with the mean of max(w'x + b, 0) over them, exactly (Smieja et al. 2018). A row
    without holes meets ``Linear`` and ``ReLU``.

    Parameters
    ----------
    mixture : FactorMixture
        Density of standardised rows of F cells; :func:`halfseen.methods.expected.expected_layer`
        takes it from a fitted density.
    n_units : int
        Units H.
    shift, scale : Tensor of shape (F,), optional
        Rows are standardised as (x - shift) / scale; by default they are already.
    temperature : float, default=1
        What the spread of every conditional law is multiplied by.
    released : bool, default=False
        Whether laws are those of :mod:`halfseen.core.released_mixture`; they have no temperature.
    trainable : bool, default=False
        Whether the density learns from the loss of the network, too, as in the paper.
    seed : int, default=0
        Of the initial values.

    Examples
    --------
    >>> law = LowRankNormal(torch.zeros(1, 2), torch.ones(1, 2, 1), torch.ones(1, 2))
    >>> layer = ExpectedReLU(FactorMixture(torch.zeros(1), law), 4)
    >>> network = nn.Sequential(layer, nn.Linear(4, 3))
    >>> network(torch.tensor([[1.0, float("nan")], [1.0, 2.0]])).shape
    torch.Size([2, 3])
    """

    log_weights: nn.Parameter
    mean: nn.Parameter
    factor: nn.Parameter
    log_variance: nn.Parameter

    def __init__(
        self,
        mixture: FactorMixture,
        n_units: int,
        *,
        shift: Tensor | None = None,
        scale: Tensor | None = None,
        temperature: float = 1.0,
        released: bool = False,
        trainable: bool = False,
        seed: int = 0,
    ) -> None:
        law = mixture.law
        super().__init__(law.mean.shape[-1], n_units, shift=shift, scale=scale, seed=seed)
        numbers = {
            "log_weights": mixture.log_weights,
            "mean": law.mean,
            "factor": law.factor,
            "log_variance": law.variance.log(),
        }
        for name, number in numbers.items():
            free = nn.Parameter(number.detach().clone().float(), requires_grad=trainable)
            self.register_parameter(name, free)
        self.temperature, self.released = temperature, released

    def mixture(self) -> FactorMixture:
        """The density as it stands, in float64."""
        law = LowRankNormal(
            self.mean.double(), self.factor.double(), self.log_variance.double().exp()
        )
        return FactorMixture(torch.log_softmax(self.log_weights.double(), -1), law)

    def conditional(self, z: Tensor, s: Tensor) -> LowRankMixture:
        """The law of all cells given the seen ones, of standardised rows (B, F) and masks."""
        mixture = self.mixture()
        posterior = mixture.posterior(z, s)
        if self.released:
            return released_conditional(mixture, released_posterior(mixture, posterior))
        given = mixture.conditional(posterior)
        return replace(given, law=given.law.widened(self.temperature**2))


class ExpectedNetworkReLU(ExpectedLayer):
    """The same where a network says the law of every row, as DMFA's does.

    Parameters
    ----------
    network : Module
        Whose ``mixture(x, s)`` is a LowRankMixture of standardised rows (B, F), given the cells
        in the mask; it is copied, and never leaves units out.
    n_in, n_units : int
        Cells F and units H.
    shift, scale : Tensor of shape (F,), optional
        Rows are standardised as (x - shift) / scale; by default they are already.
    trainable : bool, default=False
        Whether the copy learns from the loss of the network behind it, too.
    seed : int, default=0
        Of the initial values of the units.
    """

    def __init__(
        self,
        network: nn.Module,
        n_in: int,
        n_units: int,
        *,
        shift: Tensor | None = None,
        scale: Tensor | None = None,
        trainable: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(n_in, n_units, shift=shift, scale=scale, seed=seed)
        self.network: Any = copy.deepcopy(network)
        self.network.requires_grad_(trainable).eval()

    def train(self, mode: bool = True) -> Self:
        """As of any module, but that what says the law stays as it answers."""
        super().train(mode)
        self.network.eval()
        return self

    def conditional(self, z: Tensor, s: Tensor) -> LowRankMixture:
        """The law of all cells given the seen ones, of standardised rows (B, F) and masks."""
        dtype = next(self.network.parameters()).dtype
        return self.network.mixture(z.to(dtype), s.to(dtype))


def _vector(name: str, given: Tensor | None, size: int, blank: float) -> Tensor:
    if given is None:
        return torch.full((size,), blank, dtype=torch.float64)
    if tuple(given.shape) != (size,):
        raise SettingError(f"Got {name} of shape {tuple(given.shape)}. Expected ({size},).")
    return given.detach().clone().to(torch.float64)
