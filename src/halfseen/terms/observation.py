"""The observation term: a decoder from z to one law per column, stacked by kind of column."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from halfseen.core.batch import Batch
from halfseen.core.features import Features
from halfseen.core.masked import masked_sum
from halfseen.core.noise import Noise
from halfseen.core.spec import DataSpec
from halfseen.core.units import Units
from halfseen.nn.stacked import StackedLinear
from halfseen.terms.discrete_laws import AtomLaw, CategoricalLaw, GridLaw, ordered_log_probs
from halfseen.terms.laws import GaussianLaw, Law, RoundedLogLaw, StudentLaw

__all__ = ["Decoded", "Decoder", "Head", "Observation"]

Noisiness = Literal["column", "row", "fixed"]


class Head(nn.Module, ABC):
    """Columns of one kind: from decoder outputs to a law.

    Parameters
    ----------
    columns : list of int
        Places of the columns in the table.
    """

    n_raw: int

    def __init__(self, spec: DataSpec, columns: list[int]) -> None:
        super().__init__()
        self.columns = columns
        features = [range(spec.offsets[j], spec.offsets[j + 1]) for j in columns]
        self.features = [f for block in features for f in block]
        self.spec = spec.subset(columns)

    @abstractmethod
    def law(self, raw: Tensor) -> Law:
        """Law of the columns from raw outputs (M, K, B, n_raw)."""

    def log_prior(self) -> Tensor:
        """Log-density of priors on the head's own parameters, per member or scalar."""
        return torch.zeros(())


class NumericHead(Head):
    """Gaussian or Student-t columns with a noise floor of their own.

    Parameters
    ----------
    floor : Tensor of shape (c,)
        Smallest scale of each column, in model units.
    noise : {"column", "row", "fixed"}
        One learned scale per column, a scale that depends on z, or the floor itself.
    """

    floor: Tensor

    def __init__(
        self,
        spec: DataSpec,
        columns: list[int],
        floor: Tensor,
        n_members: int,
        *,
        noise: Noisiness = "column",
        student: bool = False,
    ) -> None:
        super().__init__(spec, columns)
        c = len(columns)
        self.register_buffer("floor", floor)
        self.noise, self.student = noise, student
        self.n_raw = c * (2 if noise == "row" else 1)
        start = torch.full((n_members, 1, 1, c), math.log(math.expm1(0.5)))
        if noise == "column":
            self.raw_scale = nn.Parameter(start)
        if student:
            self.raw_df = nn.Parameter(torch.full((n_members, 1, 1, c), 2.0))

    def scale(self, raw: Tensor) -> Tensor:
        """Scale of every column, at least the floor."""
        if self.noise == "fixed":
            return self.floor
        c = len(self.columns)
        # Contiguous: on a slice softplus takes seven times as long.
        loose = self.raw_scale if self.noise == "column" else raw[..., c:].contiguous()
        return self.floor + functional.softplus(loose)

    def law(self, raw: Tensor) -> Law:
        """See :class:`Head`."""
        mu = raw[..., : len(self.columns)]
        sigma = self.scale(raw)
        if self.student:
            # The offset keeps mean and variance finite, as in the authors' code.
            return StudentLaw(mu, sigma, 3.0 + functional.softplus(self.raw_df))
        return GaussianLaw(mu, sigma)


class CountHead(NumericHead):
    """Counts: rounded Gaussians on the log(1 + v) scale."""

    shift: Tensor
    spread: Tensor

    def __init__(
        self,
        spec: DataSpec,
        columns: list[int],
        floor: Tensor,
        n_members: int,
        units: Units,
        *,
        noise: Noisiness = "column",
    ) -> None:
        super().__init__(spec, columns, floor, n_members, noise=noise)
        self.register_buffer("shift", torch.tensor(units.shift[columns], dtype=torch.float32))
        self.register_buffer("spread", torch.tensor(units.scale[columns], dtype=torch.float32))

    def law(self, raw: Tensor) -> Law:
        """See :class:`Head`."""
        mu = raw[..., : len(self.columns)]
        return RoundedLogLaw(mu, self.scale(raw), self.shift, self.spread)


class AtomHead(NumericHead):
    """Columns with an atom: one value that comes back often, beside a Gaussian.

    Parameters
    ----------
    atom : Tensor of shape (c,)
        Place of the atom, in model units.
    """

    atom: Tensor

    def __init__(
        self,
        spec: DataSpec,
        columns: list[int],
        floor: Tensor,
        n_members: int,
        atom: Tensor,
        *,
        noise: Noisiness = "column",
    ) -> None:
        super().__init__(spec, columns, floor, n_members, noise=noise)
        self.register_buffer("atom", atom)
        self.n_gaussian = self.n_raw
        self.n_raw += len(columns)

    def law(self, raw: Tensor) -> Law:
        """See :class:`Head`."""
        mu = raw[..., : len(self.columns)]
        sigma = self.scale(raw[..., : self.n_gaussian])
        return AtomLaw(raw[..., self.n_gaussian :], GaussianLaw(mu, sigma), self.atom)


class GridHead(Head):
    """Numeric columns with few distinct values: a softmax over them, answered as numbers.

    Parameters
    ----------
    grids : list of list of float
        Distinct values of each column, in model units.
    """

    values: Tensor
    place: Tensor
    padding: Tensor

    def __init__(self, spec: DataSpec, columns: list[int], grids: list[list[float]]) -> None:
        super().__init__(spec, columns)
        place, real = _padded_places([len(grid) for grid in grids])
        # Padding repeats the first value: it has no probability, but it meets the same curves.
        widest = real.shape[1]
        padded = [[*grid, *grid[:1] * (widest - len(grid))] for grid in grids]
        values = torch.tensor(padded)
        self.register_buffer("values", values)
        self.register_buffer("place", place)
        self.register_buffer("padding", torch.where(real, 0.0, -math.inf))
        self.n_raw = int(real.sum())

    def law(self, raw: Tensor) -> Law:
        """See :class:`Head`."""
        logits = raw[..., self.place] + self.padding
        return GridLaw(logits - torch.logsumexp(logits, -1, keepdim=True), self.values)


class CategoricalHead(Head):
    """Binary and nominal columns: a softmax per column, padded to the widest."""

    flat: Tensor
    place: Tensor
    padding: Tensor

    def __init__(self, spec: DataSpec, columns: list[int]) -> None:
        super().__init__(spec, columns)
        widths = [column.width for column in self.spec.columns]
        place, real = _padded_places(widths)
        self.register_buffer("flat", real.flatten())
        self.register_buffer("place", place)
        self.register_buffer("padding", torch.where(real, 0.0, -math.inf))
        self.n_raw = sum(widths)

    def law(self, raw: Tensor) -> Law:
        """See :class:`Head`."""
        logits = raw[..., self.place] + self.padding
        return CategoricalLaw(logits - torch.logsumexp(logits, -1, keepdim=True), self.flat)


class OrderedHead(Head):
    """Ordered categories: cumulative logits with increasing thresholds per column."""

    flat: Tensor
    real: Tensor
    padding: Tensor

    def __init__(self, spec: DataSpec, columns: list[int], n_members: int) -> None:
        super().__init__(spec, columns)
        widths = [column.width for column in self.spec.columns]
        widest = max(widths)
        _, real = _padded_places(widths)
        self.register_buffer("flat", real.flatten())
        self.register_buffer("real", torch.where(real, 0.0, -math.inf))
        # Padded thresholds are far above: the padded levels get no mass.
        self.register_buffer("padding", torch.where(real[:, 1:], 0.0, 60.0))
        start = torch.linspace(-2, 2, widest - 1) if widest > 2 else torch.zeros(widest - 1)
        gaps = torch.cat(
            [start[:1], torch.log(torch.expm1((start[1:] - start[:-1]).clamp_min(0.05)))]
        )
        self.gaps = nn.Parameter(gaps.expand(n_members, 1, 1, len(widths), -1).clone())
        self.n_raw = len(widths)

    def law(self, raw: Tensor) -> Law:
        """See :class:`Head`."""
        first, rest = self.gaps[..., :1], functional.softplus(self.gaps[..., 1:])
        thresholds = torch.cat([first, rest], -1).cumsum(-1) + self.padding
        log_p = ordered_log_probs(raw, thresholds) + self.real
        return CategoricalLaw(log_p - torch.logsumexp(log_p, -1, keepdim=True), self.flat)


class Decoder(nn.Module):
    """From z to raw outputs: a linear map, a network of bounded or free features, or their sum.

    Parameters
    ----------
    linear : StackedLinear or None
        From (M, K, B, d) to (M, K, B, n_raw). Alone it makes the model one of probabilistic
        principal components.
    network : Module or None
        The same with hidden layers; its ``squared_size()`` is what a prior weighs, its
        ``width`` the numbers of its largest activation.
    """

    def __init__(
        self, linear: StackedLinear | None = None, network: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.linear, self.network = linear, network

    def forward(self, z: Tensor) -> Tensor:
        """(M, K, B, d) to (M, K, B, n_raw)."""
        if self.network is None:
            assert self.linear is not None
            return self.linear(z)
        raw = self.network(z)
        return raw if self.linear is None else raw + self.linear(z)

    @property
    def width(self) -> int:
        """Numbers in the largest activation of one row, sample and member."""
        widths = [] if self.linear is None else [self.linear.weight.shape[-1]]
        if self.network is not None:
            widths.append(int(self.network.width))  # type: ignore[arg-type]
        return max(widths)

    def log_prior(self, linear_precision: float, network_precision: float) -> Tensor:
        """Log-density of Gaussian priors on weights, summed over members, up to a constant."""
        total = torch.zeros(())
        if self.linear is not None:
            total = total - 0.5 * linear_precision * (self.linear.weight**2).sum()
        if self.network is not None:
            size = self.network.squared_size()  # type: ignore[operator]
            total = total - 0.5 * network_precision * size
        return total


class Decoded:
    """The laws of all columns given some z, head by head."""

    def __init__(self, heads: Sequence[Head], laws: Sequence[Law]) -> None:
        self.heads, self.laws = list(heads), list(laws)

    def replaced(self, laws: Sequence[Law]) -> Decoded:
        """The same heads with other laws."""
        return Decoded(self.heads, laws)

    def log_prob(self, x: Tensor, s: Tensor) -> Tensor:
        """sum_j s_j log p(x_j | z), shape (M, K, B)."""
        total: Tensor | int = 0
        for head, law in zip(self.heads, self.laws, strict=True):
            cells = law.log_prob(x[..., head.columns])
            total = total + masked_sum(cells, s[..., head.columns])
        assert isinstance(total, Tensor)
        return total

    def cell_log_prob(self, x: Tensor) -> Tensor:
        """Log p(x_j | z) of every cell, shape (M, K, B, p)."""
        pairs = zip(self.heads, self.laws, strict=True)
        blocks = [(h.columns, law.log_prob(x[..., h.columns])) for h, law in pairs]
        return _scatter(blocks, x.shape[-1])

    def mean(self, units: Units, n_features: int) -> Tensor:
        """Mean features in the units of ``Units.natural``, shape (M, K, B, F)."""
        blocks = []
        for head, law in zip(self.heads, self.laws, strict=True):
            columns = head.columns
            curved = units.has_curved(columns)
            curve = (lambda v, columns=columns: units.natural(v, columns)) if curved else None
            blocks.append((head.features, law.mean(curve)))
        return _scatter(blocks, n_features)

    def draw(self, noise: Noise, n_columns: int) -> Tensor:
        """One completion of every cell in model units, shape (M, K, B, p)."""
        pairs = zip(self.heads, self.laws, strict=True)
        return _scatter([(head.columns, law.draw(noise)) for head, law in pairs], n_columns)


class Observation(nn.Module):
    """log p(x | z): the decoder and its heads.

    Parameters
    ----------
    heads : sequence of Head
        One per kind of column that is present.
    decoder : Module
        From what it reads to the raw outputs of all heads.
    code : Module or None, default=None
        From z and the batch to what the decoder reads; None for z itself.

    Attributes
    ----------
    temperature : Tensor of shape ()
        Widening of all laws, 1 until it is calibrated after training.
    """

    temperature: Tensor

    def __init__(
        self,
        spec: DataSpec,
        heads: Sequence[Head],
        decoder: nn.Module,
        code: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)
        self.decoder, self.code = decoder, code
        self.expand = Features(spec)
        self.sizes = [head.n_raw for head in heads]
        self.register_buffer("temperature", torch.ones(()))

    @property
    def width(self) -> int:
        """Numbers in the largest activation of one row, sample and member; laws have two each."""
        return max(int(self.decoder.width), 2 * self.expand.spec.n_features)  # type: ignore[arg-type]

    def forward(self, z: Tensor, batch: Batch) -> Decoded:
        """Laws of all columns given z of shape (M, K, B, d), and what the decoder may see."""
        code = z if self.code is None else self.code(z, batch)
        parts = self.decoder(code).split(self.sizes, -1)
        heads: list[Head] = list(self.heads)  # type: ignore[arg-type]
        laws = [head.law(raw) for head, raw in zip(heads, parts, strict=True)]
        if self.temperature != 1:
            laws = [law.tempered(self.temperature) for law in laws]
        return Decoded(heads, laws)


def _padded_places(widths: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Places of ragged columns in a flat row, padded to the widest; and which are real."""
    real = torch.arange(max(widths)) < torch.tensor(widths)[:, None]
    place = torch.zeros(real.shape, dtype=torch.long)
    place[real] = torch.arange(sum(widths))
    return place, real


def _scatter(blocks: Sequence[tuple[list[int], Tensor]], width: int) -> Tensor:
    """Put blocks of columns into their places."""
    if len(blocks) == 1 and blocks[0][0] == list(range(width)):
        return blocks[0][1]
    shape = torch.broadcast_shapes(*(b.shape[:-1] for _, b in blocks))
    out = blocks[0][1].new_zeros(*shape, width)
    for places, block in blocks:
        out[..., places] = block.to(out.dtype)
    return out
