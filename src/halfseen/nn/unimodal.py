"""One encoder per modality, all of them in a few tensor operations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from halfseen.core.features import Features
from halfseen.core.spec import Block, DataSpec
from halfseen.nn.stacked import Interleaved, StackedLinear, StackedMLP

__all__ = ["BlockMask", "TokenEncoder", "UnimodalEncoders"]

# Numbers that stand for one word, and blocks up to this width that share one product.
EMBEDDING, NARROW = 16, 16


class BlockMask(nn.Module):
    """Which modalities are seen: those of which any cell is.

    Parameters
    ----------
    spec : DataSpec
        Its modalities, in order.

    Attributes
    ----------
    n_blocks : int
        Number of modalities G.

    Examples
    --------
    >>> seen = BlockMask(DataSpec.continuous(3).with_blocks({"last": ["x1", "x2"]}))
    >>> seen(torch.tensor([[0.0, 1.0, 0.0]]))
    tensor([[0., 1.]])
    """

    owner: Tensor

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        owner = torch.zeros(spec.n_columns, dtype=torch.long)
        for place, block in enumerate(spec.modalities):
            owner[list(block.columns)] = place
        self.n_blocks = len(spec.modalities)
        self.register_buffer("owner", owner, persistent=False)

    def forward(self, s: Tensor) -> Tensor:
        """Masks of cells (..., p) to masks of modalities (..., G)."""
        seen = s.new_zeros(*s.shape[:-1], self.n_blocks)
        return seen.scatter_reduce(-1, self.owner.expand(s.shape), s, "amax")

    def cells(self, seen: Tensor) -> Tensor:
        """Masks of modalities (..., G) to masks of cells (..., p)."""
        return seen[..., self.owner]


class UnimodalEncoders(nn.Module):
    """A multilayer perceptron per modality, each of which sees its own cells only.

    Modalities of about the same width are padded to the widest of them and encoded by one
    batched product; texts have an embedding first.

    Parameters
    ----------
    spec : DataSpec
        Columns and their modalities.
    n_members, n_out : int
        M, and the numbers per modality that come out.
    hidden : sequence of int
        Widths of hidden layers; empty for linear maps.
    generator : torch.Generator
        For initial values.
    **network
        Settings of :class:`StackedMLP`.
    """

    def __init__(
        self,
        spec: DataSpec,
        n_members: int,
        n_out: int,
        hidden: Sequence[int],
        generator: torch.Generator,
        **network: Any,
    ) -> None:
        super().__init__()
        self.features = Features(spec)
        self.n_out = n_out
        arguments = (n_members, n_out, hidden, generator, network)
        self.groups = nn.ModuleList(
            _Group(spec, [spec.modalities[place] for place in places], *arguments)
            for places in _groups(spec)
        )
        order = torch.tensor([place for places in _groups(spec) for place in places])
        self.back = order.argsort().tolist()

    def forward(self, x: Tensor, shown: Tensor) -> Tensor:
        """Rows and masks (B, p) or (M, 1, B, p) to codes (M, 1, B, G, n_out)."""
        mask = self.features.mask(shown)
        features = self.features(x) * mask
        codes = [group(features, mask, x, shown) for group in self.groups]
        return torch.cat(codes, -2)[..., self.back, :] if len(codes) > 1 else codes[0]


class _Group(Interleaved):
    """Modalities of about the same width: the axis of members times modalities is one axis."""

    place: Tensor
    real: Tensor

    def __init__(
        self,
        spec: DataSpec,
        blocks: Sequence[Block],
        n_members: int,
        n_out: int,
        hidden: Sequence[int],
        generator: torch.Generator,
        network: Mapping[str, Any],
    ) -> None:
        super().__init__()
        places = [_features_of(spec, block) for block in blocks]
        widest = max(len(some) for some in places)
        place = torch.zeros(len(blocks), widest, dtype=torch.long)
        real = torch.zeros(len(blocks), widest)
        for i, some in enumerate(places):
            place[i, : len(some)], real[i, : len(some)] = torch.tensor(some), 1.0
        self.register_buffer("place", place, persistent=False)
        self.register_buffer("real", real, persistent=False)
        self.n_members = n_members
        text = blocks[0].tokens
        self.tokens = TokenEncoder(spec, blocks[0], n_members, generator) if text else None
        # A modality of one column is encoded only where that column is seen.
        self.partial = self.tokens is None and any(len(block.columns) > 1 for block in blocks)
        n_in = widest if self.tokens is None else self.tokens.n_out
        self.n_copies, n_in = len(blocks), n_in * (2 if self.partial else 1)
        n_all = n_members * self.n_copies
        self.body = StackedMLP(n_all, n_in, hidden, generator, **network)
        init = network.get("init", "torch")
        self.out = StackedLinear(n_all, self.body.n_out, n_out, generator, init)
        self._spread(init)

    def _spread(self, init: str) -> None:
        """Give narrow modalities the initial weights that their own width asks for."""
        if self.tokens is not None:
            return
        used = self.real.sum(1) * (2 if self.partial else 1)
        first = self.body.layers[0] if self.body.layers else self.out
        assert isinstance(first, StackedLinear)
        n_in, fan_out = first.weight.shape[1:]
        # Glorot's limit counts the outputs too.
        more = fan_out if init == "glorot" else 0
        scale = torch.sqrt((n_in + more) / (used + more)).repeat(self.n_members)[:, None, None]
        with torch.no_grad():
            first.weight.mul_(scale)
            first.bias.mul_(scale)

    def forward(self, features: Tensor, mask: Tensor, x: Tensor, shown: Tensor) -> Tensor:
        """Codes (M, 1, B, G, n_out) of the group's modalities."""
        row = self._rows(features, mask) if self.tokens is None else self.tokens(x, shown)
        code = self.out(self.body(row))
        code = code.view(self.n_members, self.n_copies, *code.shape[-2:])
        return code.transpose(1, 2)[:, None]

    def _rows(self, features: Tensor, mask: Tensor) -> Tensor:
        """Padded rows (M * G, 1, B, n_in)."""
        row = features[..., self.place] * self.real
        if self.partial:
            row = torch.cat([row, mask[..., self.place] * self.real], -1)
        row = row.expand(self.n_members, 1, *row.shape[-3:])
        return row.permute(0, 3, 1, 2, 4).reshape(-1, 1, row.shape[2], row.shape[-1])


class TokenEncoder(nn.Module):
    """Words of a short text as embeddings of words at places, one after the other.

    Parameters
    ----------
    spec : DataSpec
        The columns.
    block : Block
        The text: its columns hold codes of one vocabulary, which the padding belongs to.
    n_members : int
        M.
    generator : torch.Generator
        For initial values.

    Attributes
    ----------
    n_out : int
        Words times the size of an embedding.
    """

    def __init__(
        self, spec: DataSpec, block: Block, n_members: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.columns = list(block.columns)
        words = max(spec.columns[j].width for j in self.columns)
        self.n_members, self.n_out = n_members, len(self.columns) * EMBEDDING
        self.words = nn.Parameter(_normal((n_members, words, EMBEDDING), generator))
        self.places = nn.Parameter(_normal((n_members, len(self.columns), EMBEDDING), generator))

    def forward(self, x: Tensor, shown: Tensor) -> Tensor:
        """Rows and masks (B, p) or (M, 1, B, p) to (M, 1, B, n_out)."""
        mask = shown[..., self.columns]
        code = x[..., self.columns].long()
        embedded = self.words[:, None, code] + self.places[:, None, None]
        return (embedded * mask[..., None]).flatten(-2)


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    scale = 1 / math.sqrt(EMBEDDING)
    return scale * torch.randn(shape, generator=generator, device=generator.device)


def _features_of(spec: DataSpec, block: Block) -> list[int]:
    return [f for j in block.columns for f in range(spec.offsets[j], spec.offsets[j + 1])]


def _groups(spec: DataSpec) -> list[list[int]]:
    """Places of the modalities that share a product: narrow ones, those of one size, one text."""
    groups: dict[tuple[int, int], list[int]] = {}
    for place, block in enumerate(spec.modalities):
        width = max(NARROW, len(_features_of(spec, block)))
        # Twice the width is as much padding as a shared product is worth.
        key = (place, -1) if block.tokens else (0, (width - 1).bit_length())
        groups.setdefault(key, []).append(place)
    return list(groups.values())
