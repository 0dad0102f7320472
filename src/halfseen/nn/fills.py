"""Parts that put any network in front of holes: floats with NaN in, filled floats out.

Each is a module for tables (B, p) or images (B, c, h, w), so that
``nn.Sequential(FillChannels((1, 28, 28)), network)`` trains as one. NaN reaches neither the
network nor a gradient.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from halfseen.core.masked import merge
from halfseen.core.noise import new_generator
from halfseen.core.spec import DataSpec
from halfseen.errors import SettingError
from halfseen.nn.inputs import SetEncoder

__all__ = ["FillChannels", "FillConstant", "FillMean", "FillZero", "SetFill"]


class _Fill(nn.Module, ABC):
    """Base: tell what is seen from what is not, before any arithmetic."""

    #: Shape of a row; None takes any.
    shape: tuple[int, ...] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Rows (B, ...) with NaN where missing to rows without."""
        if self.shape is not None and tuple(x.shape[1:]) != self.shape:
            raise SettingError(
                f"{type(self).__name__} got rows of shape {tuple(x.shape[1:])}. "
                f"Expected {self.shape}."
            )
        seen = ~torch.isnan(x)
        return self._filled(torch.where(seen, x, torch.zeros_like(x)), seen.to(x.dtype))

    @abstractmethod
    def _filled(self, x: Tensor, mask: Tensor) -> Tensor:
        """Rows with 0 where missing, and the mask (1 = seen), to what a network sees."""


class FillZero(_Fill):
    """Zeros in place of what is missing.

    Examples
    --------
    >>> FillZero()(torch.tensor([[1.0, float("nan")]]))
    tensor([[1., 0.]])
    """

    def _filled(self, x: Tensor, mask: Tensor) -> Tensor:
        return x


class FillMean(_Fill):
    """Means of training rows in place of what is missing; a buffer, saved but not trained.

    Parameters
    ----------
    shape : sequence of int
        Of a row: (p,) or (c, h, w).
    mean : Tensor of that shape, optional
        If it is known; otherwise call :meth:`fit`. Zeros until then.

    Examples
    --------
    >>> rows = torch.tensor([[1.0, float("nan")], [3.0, 5.0]])
    >>> FillMean((2,)).fit(rows)(rows)
    tensor([[1., 5.],
            [3., 5.]])
    """

    mean: Tensor

    def __init__(self, shape: Sequence[int], mean: Tensor | None = None) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.register_buffer("mean", _start(self.shape, mean))

    @torch.no_grad()
    def fit(self, x: Tensor) -> Self:
        """Learn the means from training rows (n, ...), NaN where missing.

        A place that no row shows takes the mean of all that is seen, or 0 if nothing is.
        """
        overall = torch.nan_to_num(torch.nanmean(x))
        mean = torch.nanmean(x, 0)
        self.mean.copy_(torch.where(torch.isnan(mean), overall, mean))
        return self

    def _filled(self, x: Tensor, mask: Tensor) -> Tensor:
        return merge(x, self.mean.to(x.dtype), mask)


class FillConstant(_Fill):
    """Learned constants in place of what is missing (Ipsen et al. 2022).

    The constants are free parameters of the shape of a row, trained by the loss of the network
    behind; only missing cells teach them.

    Parameters
    ----------
    shape : sequence of int
        Of a row: (p,) or (c, h, w).
    start : Tensor of that shape, optional
        Initial constants, such as the means of training rows; zeros by default.

    Examples
    --------
    >>> fill = FillConstant((2,), start=torch.tensor([7.0, 8.0]))
    >>> filled = fill(torch.tensor([[1.0, float("nan")]]))
    >>> filled.sum().backward()
    >>> filled.detach(), fill.constant.grad
    (tensor([[1., 8.]]), tensor([0., 1.]))
    """

    def __init__(self, shape: Sequence[int], start: Tensor | None = None) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.constant = nn.Parameter(_start(self.shape, start))

    def _filled(self, x: Tensor, mask: Tensor) -> Tensor:
        return merge(x, self.constant.to(x.dtype), mask)


class FillChannels(FillConstant):
    """Three channels side by side: zero-filled cells, learned constants, and the mask.

    The constants are the same for every row, as in Ipsen et al. (2022); a network that is shown
    the mask can tell a zero from a hole. Rows (B, p) become (B, 3 p), images (B, c, h, w) become
    (B, 3 c, h, w).

    Parameters
    ----------
    shape, start
        As in :class:`FillConstant`.

    Examples
    --------
    >>> FillChannels((2,))(torch.tensor([[1.0, float("nan")]])).detach()
    tensor([[1., 0., 0., 0., 1., 0.]])
    >>> network = nn.Sequential(FillChannels((1, 8, 8)), nn.Conv2d(3, 4, 3))
    >>> network(torch.full((5, 1, 8, 8), float("nan"))).shape
    torch.Size([5, 4, 6, 6])
    """

    def _filled(self, x: Tensor, mask: Tensor) -> Tensor:
        return torch.cat([x, self.constant.to(x.dtype).expand_as(x), mask], 1)


class SetFill(_Fill):
    """A permutation-invariant code of the seen cells of a row (Ma et al., EDDI, 2019).

    Parameters
    ----------
    n_columns : int
        p; rows are (B, p), standardised best.
    code : int, default=64
        Width of the output (B, code).
    embedding : int, default=20
        Width of what is learned of each column.
    seed : int, default=0
        Of the initial values.

    Examples
    --------
    >>> SetFill(3, code=8)(torch.full((5, 3), float("nan"))).shape
    torch.Size([5, 8])
    """

    def __init__(self, n_columns: int, code: int = 64, embedding: int = 20, seed: int = 0) -> None:
        super().__init__()
        self.shape = (n_columns,)
        spec = DataSpec.continuous(n_columns)
        encoder = SetEncoder(spec, 1, new_generator(seed, 0), embedding, code)
        self.encoder = encoder.to(torch.float32)

    def _filled(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.encoder(x, mask)[0, 0]


def _start(shape: tuple[int, ...], start: Tensor | None) -> Tensor:
    """Initial values: a copy of those given, or zeros."""
    if start is None:
        return torch.zeros(shape, dtype=torch.float32)
    if tuple(start.shape) != shape:
        raise SettingError(f"Got values of shape {tuple(start.shape)}. Expected {shape}.")
    return start.detach().clone().to(torch.float32)
