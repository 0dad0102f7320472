"""Units that look at the law of a row with holes: their exact expected activations.

Smieja, Struski, Tabor, Zielinski and Spurek, "Processing of missing data by neural networks"
(NeurIPS 2018). The input h = w'x + b of a unit is a mixture of Gaussians when the missing cells
are, and the mean of what the unit says has a closed form,

    E max(h, 0) = sum_c p_c (m_c Phi(m_c / v_c^(1/2)) + v_c^(1/2) phi(m_c / v_c^(1/2))).

A row without holes has v = 0, and meets the ordinary unit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from halfseen.core.hole_law import HoleLaw
from halfseen.core.memory import floats_at_once
from halfseen.errors import SettingError
from halfseen.nn.products import product
from halfseen.nn.stacked import StackedLinear

__all__ = [
    "EXPECTED",
    "ExpectedBins",
    "ExpectedUnits",
    "expected_probit",
    "expected_relu",
]

SQRT_2, SQRT_2PI = math.sqrt(2), math.sqrt(2 * math.pi)
# Beyond so many standard deviations a Gaussian is nothing, in float64 too.
FAR = 40.0
# Numbers of the inputs of units that are in memory at a time, and in a product: a fast cache.
CHUNK_FLOATS, PART_FLOATS = 2**22, 2**17
# Bins narrower than this, in model units, are steps.
LEAST_WIDTH = 1e-6


class _ExpectedReLU(torch.autograd.Function):
    """E max(h, 0) and its derivatives, Phi(t) and phi(t) / (2 sd), which need no difference."""

    @staticmethod
    def forward(ctx: Any, mean: Tensor, variance: Tensor) -> Tensor:
        # What is smaller than a rounding of 1 is no spread, and changes no answer.
        scale = variance.clamp_min(torch.finfo(variance.dtype).eps ** 2).sqrt_()
        far = mean.abs().div_(scale).clamp_max_(FAR)
        density = far.square().mul_(-0.5).exp_().div_(SQRT_2PI)
        # Unlike torch.special.ndtr, erfc keeps its digits far out in float32.
        share = (far / SQRT_2).erfc_().mul_(0.5)
        answer = far.mul_(share).neg_().add_(density).mul_(scale).add_(torch.relu(mean))
        by_mean = (mean > 0).to(mean.dtype).sub_(share).abs_()
        ctx.save_for_backward(by_mean, density.div_(scale).mul_(0.5))
        return answer

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        by_mean, by_variance = ctx.saved_tensors
        return grads[0] * by_mean, grads[0] * by_variance


class _SumOfSquares(torch.autograd.Function):
    """Sum over l of (cells @ table)^2, (N, l, F) and (F, K) to (N, K), in small parts.

    Products of all factors with all units are large, and are cheaper made twice than kept.
    """

    @staticmethod
    def forward(ctx: Any, cells: Tensor, table: Tensor) -> Tensor:
        ctx.save_for_backward(cells, table)
        out = cells.new_empty(len(cells), table.shape[1])
        for part in _parts(cells, table):
            torch.sum(_projected(cells[part], table).square_(), 1, out=out[part])
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None]:
        cells, table = ctx.saved_tensors
        by_cells = torch.empty_like(cells) if ctx.needs_input_grad[0] else None
        by_table = torch.zeros_like(table)
        for part in _parts(cells, table):
            flat = _projected(cells[part], table).mul_(2 * grads[0][part, None]).flatten(0, 1)
            by_table.addmm_(cells[part].flatten(0, 1).T, flat)
            if by_cells is not None:
                by_cells[part] = (flat @ table.T).view_as(by_cells[part])
        return by_cells, by_table


def _projected(cells: Tensor, table: Tensor) -> Tensor:
    """(n, l, F) times (F, K) to (n, l, K)."""
    return (cells.flatten(0, 1) @ table).view(*cells.shape[:-1], table.shape[1])


def _parts(cells: Tensor, table: Tensor) -> Iterator[slice]:
    size = max(1, floats_at_once(PART_FLOATS) // max(1, cells.shape[1] * table.shape[1]))
    return (slice(start, start + size) for start in range(0, len(cells), size))


def expected_relu(mean: Tensor, variance: Tensor) -> Tensor:
    """E max(h, 0) of h ~ N(mean, variance), exact with its derivatives for any variance >= 0.

    Parameters
    ----------
    mean, variance : Tensor of one shape
        A variance of 0 gives the ordinary ReLU.

    Returns
    -------
    Tensor of that shape

    Examples
    --------
    >>> expected_relu(torch.tensor([0.0, 2.0, -2.0]), torch.tensor([1.0, 0.0, 0.0]))
    tensor([0.3989, 2.0000, 0.0000])
    """
    return _ExpectedReLU.apply(mean, variance)


def expected_probit(mean: Tensor, variance: Tensor) -> Tensor:
    """E Phi(h) of h ~ N(mean, variance), a sigmoid unit's.

    Parameters
    ----------
    mean, variance : Tensor of one shape
        A variance of 0 gives Phi.

    Examples
    --------
    >>> expected_probit(torch.tensor([0.0, 1.0]), torch.tensor([4.0, 0.0]))
    tensor([0.5000, 0.8413])
    """
    return torch.special.ndtr(mean * torch.rsqrt(1 + variance))


EXPECTED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "relu": expected_relu,
    "probit": expected_probit,
}


class ExpectedUnits(nn.Module):
    """A layer of units per member, which answers with expected activations.

    Parameters
    ----------
    n_members, n_in, n_units : int
        M, features F and units H.
    generator : torch.Generator
        For the initial values.
    activation : {"relu", "probit"}
        Of the units.

    Attributes
    ----------
    n_out : int
        H.

    Examples
    --------
    >>> law = HoleLaw(torch.ones(5, 1), torch.zeros(5, 1, 3), torch.ones(5, 1, 2, 3),
    ...               torch.ones(5, 1, 3))
    >>> ExpectedUnits(2, 3, 4, torch.Generator().manual_seed(0))(law).shape
    torch.Size([2, 1, 5, 4])
    """

    def __init__(
        self,
        n_members: int,
        n_in: int,
        n_units: int,
        generator: torch.Generator,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        if activation not in EXPECTED:
            raise SettingError(
                f"Got activation={activation!r}. Expected one of {sorted(EXPECTED)}: the others "
                "have no expected activation in closed form."
            )
        self.linear = StackedLinear(n_members, n_in, n_units, generator)
        self.activation = activation
        self.n_members, self.n_out = n_members, n_units

    def forward(self, law: HoleLaw) -> Tensor:
        """Laws of B rows to expected activations (M, 1, B, H)."""
        law = law.to(self.linear.weight.dtype)
        each = self.n_members * self.n_out * law.mean.shape[1]
        size = max(1, floats_at_once(CHUNK_FLOATS) // max(each, 1))
        starts = range(0, max(len(law), 1), size)
        parts = [self._answers(law[start : start + size]) for start in starts]
        answers = parts[0] if len(parts) == 1 else torch.cat(parts)
        return answers.transpose(0, 1)[:, None]

    def _answers(self, law: HoleLaw) -> Tensor:
        """Expected activations (B, M, H)."""
        answers = EXPECTED[self.activation](*self.moments(law))
        return (law.weights[..., None, None] * answers).sum(1)

    def moments(self, law: HoleLaw) -> tuple[Tensor, Tensor]:
        """Mean and variance of the inputs of units in every component, both (B, C, M, H)."""
        weight, bias = self.linear.weight, self.linear.bias
        # Members side by side: one product for all of them.
        table = weight.transpose(0, 1).flatten(1)
        mean = self._product(law.mean, table) + bias[:, 0]
        variance = self._product(law.variance, table.square())
        by_factors = _SumOfSquares.apply(law.factor.flatten(0, 1), table)
        return mean, variance + by_factors.view_as(variance)

    def _product(self, cells: Tensor, table: Tensor) -> Tensor:
        """(..., F) times (F, M H) to (..., M, H)."""
        flat = product(cells.reshape(1, -1, cells.shape[-1]), table[None])
        return flat.view(*cells.shape[:-1], self.n_members, self.n_out)


class ExpectedBins(nn.Module):
    r"""Expected places of numbers within bins; nothing is learned.

    .. math:: E \min(1, \max(0, (x - b_{t-1}) / (b_t - b_{t-1})))

    The expected value of what :class:`halfseen.nn.heads.PiecewiseLinear` adds to a row: a place
    is a difference of two units.

    Parameters
    ----------
    edges : Tensor of shape (c, T + 1)
        Increasing edges of the bins of c features.
    at : list of int
        Places of these features.

    Examples
    --------
    >>> bins = ExpectedBins(torch.tensor([[0.0, 1.0]]), [0])
    >>> law = HoleLaw(torch.ones(1, 1), torch.zeros(1, 1, 1), torch.ones(1, 1, 0, 1),
    ...               torch.ones(1, 1, 1))
    >>> bins(law)
    tensor([[-0.1844]])
    """

    edges: Tensor
    share: Tensor

    def __init__(self, edges: Tensor, at: list[int]) -> None:
        super().__init__()
        self.register_buffer("edges", edges)
        self.at = at
        n_bins = edges.shape[1] - 1
        # A bin is passed by those beyond it, and half passed by those within.
        share = 1 - (torch.arange(n_bins) + 0.5) / max(n_bins, 1)
        self.register_buffer("share", share)

    def forward(self, law: HoleLaw) -> Tensor:
        """Laws of B rows to (B, c T)."""
        # Places in narrow bins are small differences of large numbers.
        edges = self.edges.double()
        low, width = edges[:, :-1], edges.diff(dim=-1).clamp_min(LEAST_WIDTH)
        place = (law.mean[..., self.at, None] - low) / width
        variance = law.marginal_variance[..., self.at, None] / width.square()
        within = expected_relu(place, variance) - expected_relu(place - 1, variance)
        within = torch.where(variance > 0, within, place).clamp(0.0, 1.0)
        answer = (law.weights[..., None, None] * within).sum(1) - self.share
        return answer.flatten(1).to(self.edges.dtype)
