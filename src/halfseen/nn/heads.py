"""Heads: networks from completed features to what a label's law needs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from halfseen.errors import SettingError
from halfseen.nn.conv import StackedConvEncoder
from halfseen.nn.own_head import OwnHead
from halfseen.nn.stacked import StackedLinear, StackedMLP

__all__ = ["HEADS", "ConvHead", "MLPHead", "PiecewiseLinear", "make_head"]

HEADS = ("mlp", "linear", "conv")
# Bins narrower than this, in model units, teach nothing through their slope.
STEP = 1e-3


class PiecewiseLinear(nn.Module):
    r"""Numbers beside their places within bins, so that a linear map of them can bend.

    .. math:: e_t(x) = \min(1, \max(0, (x - b_{t-1}) / (b_t - b_{t-1})))

    (Gorishniy, Rubachev and Babenko 2022), less its mean where bins have equal shares. Networks
    fit the sharp edges of tables better with it.

    Parameters
    ----------
    edges : Tensor of shape (c, T + 1)
        Increasing edges of the bins of c features.
    at : list of int
        Places of these features.

    Examples
    --------
    >>> layer = PiecewiseLinear(torch.tensor([[0.0, 1.0, 3.0]]), [1])
    >>> layer(torch.tensor([[5.0, 2.0]]))
    tensor([[5.0000, 2.0000, 0.2500, 0.2500]])
    """

    edges: Tensor
    share: Tensor

    def __init__(self, edges: Tensor, at: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("edges", edges)
        self.at = list(at)
        n_bins = edges.shape[1] - 1
        self.n_more = edges.shape[0] * n_bins
        # A bin is passed by those beyond it, and half passed by those within.
        share = 1 - (torch.arange(n_bins) + 0.5) / max(n_bins, 1)
        self.register_buffer("share", share, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """(..., F) to (..., F + c T)."""
        low, width = self.edges[:, :-1], self.edges.diff(dim=-1)
        place = (features[..., self.at, None] - low) / width.clamp_min(1e-6)
        place = place.clamp(0.0, 1.0) - self.share
        # A value that comes back has bins without a width: steps, whose slope means nothing.
        place = torch.where(width < STEP, place.detach(), place)
        return torch.cat([features, place.flatten(-2)], -1)


class MLPHead(nn.Module):
    """Hidden layers beside a linear map; with no hidden layers, softmax or linear regression.

    Parameters
    ----------
    n_members, n_in, n_out : int
        M, features and outputs.
    hidden : sequence of int
        Widths of the hidden layers.
    generator : torch.Generator
        For initial values.
    dropout : float
        Share of hidden units that are left out while training; half of that of inputs.
    encoding : PiecewiseLinear, optional
        In front of both.

    Examples
    --------
    >>> head = MLPHead(1, 3, 2, (8,), torch.Generator().manual_seed(0))
    >>> head(torch.zeros(1, 5, 7, 3)).shape
    torch.Size([1, 5, 7, 2])
    """

    def __init__(
        self,
        n_members: int,
        n_in: int,
        n_out: int,
        hidden: Sequence[int],
        generator: torch.Generator,
        *,
        activation: str = "silu",
        dropout: float = 0.0,
        encoding: PiecewiseLinear | None = None,
    ) -> None:
        super().__init__()
        self.encoding = encoding
        n_in += 0 if encoding is None else encoding.n_more
        self.linear = StackedLinear(n_members, n_in, n_out, generator)
        self.body = StackedMLP(
            n_members,
            n_in,
            hidden,
            generator,
            activation=activation,
            dropout=dropout,
        )
        self.out = StackedLinear(n_members, self.body.n_out, n_out, generator) if hidden else None
        self.dropout, self.n_members, self.width = dropout, n_members, self.body.width

    def forward(self, features: Tensor) -> Tensor:
        """(M or 1, K, B, F) to (M, K, B, n_out)."""
        x = features if self.encoding is None else self.encoding(features)
        x = x.expand(self.n_members, *x.shape[1:])
        if self.dropout:
            x = nn.functional.dropout(x, self.dropout / 2, self.training)
        raw = self.linear(x)
        return raw if self.out is None else raw + self.out(self.body(x))


class ConvHead(nn.Module):
    """Convolutions of stride 2 over images, then a linear map.

    Parameters
    ----------
    n_members, n_out : int
        M and outputs.
    shape : tuple (c, h, w)
        Of an image.
    channels : sequence of int
        After each convolution.
    generator : torch.Generator
        For initial values.
    """

    def __init__(
        self,
        n_members: int,
        n_out: int,
        shape: tuple[int, int, int],
        channels: Sequence[int],
        generator: torch.Generator,
        *,
        activation: str = "silu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.body = StackedConvEncoder(
            n_members, shape[0], shape[1:], channels, generator, activation=activation
        )
        self.out = StackedLinear(n_members, self.body.n_out, n_out, generator)
        self.dropout, self.n_members, self.width = dropout, n_members, self.body.width

    def forward(self, features: Tensor) -> Tensor:
        """(M or 1, K, B, c * h * w) to (M, K, B, n_out)."""
        x = features.expand(self.n_members, *features.shape[1:])
        return self.out(_dropped(self.body(x), self.dropout, self.training))


def _dropped(x: Tensor, rate: float, training: bool) -> Tensor:
    return nn.functional.dropout(x, rate, training) if rate else x


def make_head(
    head: str | nn.Module,
    n_members: int,
    n_in: int,
    n_out: int,
    generator: torch.Generator,
    *,
    hidden: Sequence[int] = (),
    activation: str = "silu",
    dropout: float = 0.0,
    shape: tuple[int, int, int] | None = None,
    encoding: PiecewiseLinear | None = None,
) -> nn.Module:
    """A head by name, or copies of the user's own network.

    Parameters
    ----------
    head : {"mlp", "linear", "conv"} or Module
        Hidden layers beside a linear map; the linear map alone; convolutions (images only); or
        a network as :class:`OwnHead` takes it.
    n_members, n_in, n_out : int
        M, features and outputs.
    generator : torch.Generator
        For initial values.
    hidden : sequence of int
        Widths of the hidden layers, or channels of the convolutions.
    shape : tuple (c, h, w), optional
        Of images.
    encoding : PiecewiseLinear, optional
        In front of "mlp".
    """
    if isinstance(head, nn.Module):
        seed = generator.initial_seed()
        return OwnHead(head, n_members, n_in, n_out, shape, seed=seed)
    if head not in HEADS:
        raise SettingError(f"Got head={head!r}. Expected one of {HEADS}, or a torch Module.")
    if head == "conv":
        if shape is None:
            raise SettingError(
                "Got head='conv' with a table. Expected images, an array of shape "
                "(n, channels, height, width); choose head='mlp' for tables."
            )
        return ConvHead(
            n_members, n_out, shape, hidden, generator, activation=activation, dropout=dropout
        )
    if head == "linear":
        return MLPHead(n_members, n_in, n_out, (), generator)
    return MLPHead(
        n_members,
        n_in,
        n_out,
        hidden,
        generator,
        activation=activation,
        dropout=dropout,
        encoding=encoding,
    )
