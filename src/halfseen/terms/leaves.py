"""Laws of cells given a component: the leaves of a tree of mixtures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from halfseen.core.features import Features
from halfseen.core.masked import merge
from halfseen.core.noise import Noise
from halfseen.core.spec import DataSpec
from halfseen.core.units import Units
from halfseen.terms.laws import LOG_SQRT_2PI, GaussianLaw
from halfseen.terms.observation import CategoricalHead, Decoded, GridHead, Head

__all__ = ["ColumnLeaves", "Leaves", "PatchLeaves"]

# Most indicators that stand for one column when distances are measured.
WIDEST = 16
# Below this floor, in standard deviations, float32 soon loses 0.01 nats of a picture.
LEAST_SINGLE = 0.05


class Leaves(nn.Module, ABC):
    """Groups of cells, each of which follows one of C components.

    Attributes
    ----------
    n_leaves, n_components : int
        G and C.
    width : int
        Numbers in the largest activation of one row, over all members.
    """

    n_leaves: int
    n_components: int
    width: int

    @abstractmethod
    def forward(self, x: Tensor, s: Tensor) -> Tensor:
        """Log-density of the seen cells under each component: rows (B, p) to (M, G, B, C)."""

    @abstractmethod
    def cells(self, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """Cells of the leaves and their masks, (G, B, D), in which distances mean something."""

    @abstractmethod
    def mean(self, chances: Tensor, units: Units) -> Tensor:
        """Mean features (M, B, F) in natural units from chances of components (M, G, B, C)."""

    @abstractmethod
    def draw(self, member: Tensor, components: Tensor, noise: Noise) -> Tensor:
        """Cells (R, B, p) in model units from members (R, B) and components (R, B, G).

        ``noise`` is of shape (1, R, B).
        """

    @abstractmethod
    def centers(self, member: Tensor, components: Tensor, units: Units) -> Tensor:
        """Mean features (R, B, F) in natural units of members (R, B), components (R, B, G)."""


class ColumnLeaves(Leaves):
    """Every column is a leaf; its components are laws of its kind.

    Parameters
    ----------
    spec : DataSpec
        The p columns.
    heads : sequence of Head
        From raw outputs to laws; without parameters of their own.
    n_members, n_components : int
        M and C.
    order : sequence of int
        The columns in the order of their leaves.
    """

    leaf_of_raw: Tensor
    leaf_of_feature: Tensor

    def __init__(
        self,
        spec: DataSpec,
        heads: Sequence[Head],
        n_members: int,
        n_components: int,
        order: Sequence[int],
    ) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)
        self.sizes = [head.n_raw for head in heads]
        self.raw = nn.Parameter(torch.zeros(n_members, n_components, 1, sum(self.sizes)))
        self.n_leaves, self.n_components = spec.n_columns, n_components
        self.n_features = spec.n_features
        self.width = n_members * n_components * self.n_features
        self.expand = Features(spec)
        self.order = list(order)
        leaf = torch.empty(len(self.order), dtype=torch.long)
        leaf[self.order] = torch.arange(len(self.order))
        raw_column = torch.tensor([j for head in heads for j in _raw_columns(head)])
        self.register_buffer("leaf_of_raw", leaf[raw_column], persistent=False)
        self.register_buffer("leaf_of_feature", leaf[self.expand.column], persistent=False)

    def _laws(self, raw: Tensor) -> Decoded:
        heads: list[Head] = list(self.heads)  # type: ignore[arg-type]
        parts = raw.split(self.sizes, -1)
        return Decoded(heads, [head.law(part) for head, part in zip(heads, parts, strict=True)])

    def forward(self, x: Tensor, s: Tensor) -> Tensor:
        """See :class:`Leaves`."""
        cells = self._laws(self.raw).cell_log_prob(x)
        cells = merge(cells, torch.zeros_like(cells), s)
        return cells[..., self.order].permute(0, 3, 2, 1)

    def cells(self, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers, and indicators of categories; those of wide columns share some."""
        n_levels = max(min(column.width, WIDEST) for column in self.expand.spec.columns)
        values = functional.pad(x[..., None], (0, n_levels - 1))
        at = self.expand.categorical
        codes = functional.one_hot(x[:, at].long() % n_levels, n_levels).to(x)
        # Two different categories are one standard deviation apart.
        values[:, at] = codes * 0.5**0.5
        masks = s[..., None].expand_as(values)
        return values[:, self.order].transpose(0, 1), masks[:, self.order].transpose(0, 1)

    def mean(self, chances: Tensor, units: Units) -> Tensor:
        """See :class:`Leaves`."""
        means = self._laws(self.raw).mean(units, self.n_features)[:, :, 0]
        return torch.einsum("mfbc,mcf->mbf", chances[:, self.leaf_of_feature], means)

    def draw(self, member: Tensor, components: Tensor, noise: Noise) -> Tensor:
        """See :class:`Leaves`."""
        return self._chosen(member, components).draw(noise, self.n_leaves)[0]

    def centers(self, member: Tensor, components: Tensor, units: Units) -> Tensor:
        """See :class:`Leaves`."""
        return self._chosen(member, components).mean(units, self.n_features)[0]

    def _chosen(self, member: Tensor, components: Tensor) -> Decoded:
        """Laws (1, R, B, p) of all columns under the components that were drawn."""
        output = torch.arange(self.raw.shape[-1], device=member.device)
        raw = self.raw[member[..., None], components[..., self.leaf_of_raw], 0, output]
        return self._laws(raw[None])


class PatchLeaves(Leaves):
    r"""Patches of an image are leaves; their components are Gaussians without correlations.

    .. math:: -\tfrac12 \sum_d s_d \left( \frac{(x_d - \mu_d)^2}{\sigma_d^2}
              + \log 2 \pi \sigma_d^2 \right)

    Parameters
    ----------
    place : Tensor of long of shape (G, D)
        Pixels of each patch, each of the p pixels once; -1 where a patch hangs over the edge.
    n_members, n_components : int
        M and C.
    floor : float
        Smallest scale, in model units.
    tied : bool, default=True
        Whether all patches share their components.

    Attributes
    ----------
    mu, raw_scale : Parameter of shape (M, G or 1, D, C)
        Means, and scales before a softplus lifts them above the floor.

    Examples
    --------
    >>> place = torch.tensor([[0, 1], [2, -1]])
    >>> leaves = PatchLeaves(place, n_members=1, n_components=4, floor=0.1)
    >>> leaves(torch.zeros(5, 3), torch.ones(5, 3)).shape
    torch.Size([1, 2, 5, 4])
    """

    place: Tensor
    pixel: Tensor

    def __init__(
        self, place: Tensor, n_members: int, n_components: int, floor: float, *, tied: bool = True
    ) -> None:
        super().__init__()
        (self.n_leaves, size), self.n_components = place.shape, n_components
        self.floor = floor
        self.width = n_members * self.n_leaves * max(n_components, 3 * size)
        shape = (n_members, 1 if tied else self.n_leaves, size, n_components)
        self.mu = nn.Parameter(torch.zeros(shape))
        self.raw_scale = nn.Parameter(torch.zeros(shape))
        flat = place.flatten()
        self.register_buffer("place", place, persistent=False)
        self.register_buffer("pixel", flat.argsort()[(flat < 0).sum() :], persistent=False)

    @property
    def sigma(self) -> Tensor:
        """Scales of the components, (M, G or 1, D, C)."""
        return self.floor + functional.softplus(self.raw_scale)

    def forward(self, x: Tensor, s: Tensor) -> Tensor:
        """See :class:`Leaves`.

        The squares are multiplied out: one product for all components and patches. Pixels lie
        within some standard deviations of 0, so that float32 loses little unless the floor is a
        small share of one: then the sums take float64.
        """
        given = x.dtype
        dtype = given if self.floor >= LEAST_SINGLE else torch.float64
        x, s = self.cells(x.to(dtype), s.to(dtype))
        seen = torch.cat([s * x * x, s * x, s], -1)
        mu, precision = self.mu.to(dtype), self.sigma.to(dtype) ** -2
        constant = -0.5 * precision * mu * mu + 0.5 * torch.log(precision) - LOG_SQRT_2PI
        parts = torch.cat([-0.5 * precision, precision * mu, constant], -2)
        return torch.matmul(seen, parts).to(given)

    def cells(self, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels, seen nowhere beyond the edge."""
        x, s = (functional.pad(rows, (0, 1))[:, self.place].transpose(0, 1) for rows in (x, s))
        return x, s

    def mean(self, chances: Tensor, units: Units) -> Tensor:
        """See :class:`Leaves`."""
        cells = torch.matmul(chances, self.mu.transpose(-1, -2))
        return cells.transpose(1, 2).flatten(2)[..., self.pixel]

    def draw(self, member: Tensor, components: Tensor, noise: Noise) -> Tensor:
        """See :class:`Leaves`."""
        mu, sigma = (self._chosen(table, member, components) for table in (self.mu, self.sigma))
        return GaussianLaw(mu[None], sigma[None]).draw(noise)[0]

    def centers(self, member: Tensor, components: Tensor, units: Units) -> Tensor:
        """See :class:`Leaves`."""
        return self._chosen(self.mu, member, components)

    def _chosen(self, table: Tensor, member: Tensor, components: Tensor) -> Tensor:
        """Entries (R, B, p) of a table (M, G or 1, D, C)."""
        own = table.transpose(-1, -2).expand(-1, self.n_leaves, -1, -1)
        patch = torch.arange(self.n_leaves, device=member.device)
        return own[member[..., None], patch, components].flatten(-2)[..., self.pixel]


def _raw_columns(head: Head) -> list[int]:
    """The column of the table that each raw output of a head belongs to."""
    if isinstance(head, (CategoricalHead, GridHead)):
        widths = torch.isfinite(head.padding).sum(-1).tolist()
        return [j for j, width in zip(head.columns, widths, strict=True) for _ in range(width)]
    return head.columns * (head.n_raw // len(head.columns))
