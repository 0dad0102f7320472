"""The players of adversarial models: generators of rows and masks, and imputers."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from halfseen.core.noise import Noise
from halfseen.errors import SettingError
from halfseen.mechanisms.images import ClippingMask, ImageMask
from halfseen.nn.outputs import CellOutput, MaskOutput

__all__ = [
    "CellImputer",
    "LearnedMasks",
    "MaskSource",
    "MaskTable",
    "PictureMasks",
    "RowMaker",
    "ScatteredMasks",
]


def _apply(network: nn.Module, x: Tensor) -> Tensor:
    """A network of (M, B, ...) on rows of more axes, (M, ..., n_in) to (M, ..., n_out)."""
    return network(x.flatten(1, -2)).unflatten(1, x.shape[1:-1])


class RowMaker(nn.Module):
    """G_x: complete rows out of noise.

    Parameters
    ----------
    network : Module
        From (M, B, n_latent) to (M, B, F).
    n_latent : int
        Numbers of standard normal noise per row.
    output : CellOutput
        What raw outputs become.
    """

    def __init__(self, network: nn.Module, n_latent: int, output: CellOutput) -> None:
        super().__init__()
        self.network, self.n_latent, self.output = network, n_latent, output

    def forward(self, noise: Noise, *, hard: bool = False, drawn: bool = True) -> Tensor:
        """Features (M, B, F); ``hard`` and ``drawn`` as in :class:`CellOutput`."""
        raw = _apply(self.network, noise.normal(self.n_latent))
        return self.output(raw, noise, hard=hard, drawn=drawn)


class MaskSource(Protocol):
    """Where masks of generated rows come from."""

    def __call__(self, noise: Noise, x: Tensor) -> Tensor:
        """Masks (M, B, U), perhaps by the rows (M, B, F) that they are for."""


class LearnedMasks(nn.Module):
    """G_m: masks out of noise, and out of the rows themselves where that is asked for.

    Parameters
    ----------
    network : Module
        From (M, B, n_latent) to (M, B, U), or from (M, B, n_latent + F).
    n_latent : int
        Numbers of standard normal noise per mask.
    output : MaskOutput
        What raw outputs become.
    given_data : bool
        Whether the network sees the row: masks that are not missing completely at random.
    """

    def __init__(
        self, network: nn.Module, n_latent: int, output: MaskOutput, *, given_data: bool = False
    ) -> None:
        super().__init__()
        self.network, self.n_latent, self.output = network, n_latent, output
        self.given_data = given_data

    def forward(self, noise: Noise, x: Tensor) -> Tensor:
        """Masks (M, B, U)."""
        code = noise.normal(self.n_latent)
        if self.given_data:
            code = torch.cat([code, x], -1)
        return self.output(_apply(self.network, code))


class MaskTable(nn.Module):
    """Masks of a known law: rows of a table of masks, each as likely as the others.

    Parameters
    ----------
    masks : Tensor of shape (n, U)
        The masks.
    """

    masks: Tensor

    def __init__(self, masks: Tensor) -> None:
        super().__init__()
        self.register_buffer("masks", masks.to(torch.uint8))

    def forward(self, noise: Noise, x: Tensor) -> Tensor:
        """Masks (M, B, U)."""
        at = (noise.uniform() * len(self.masks)).long()
        return self.masks[at].to(x.dtype)


class PictureMasks(nn.Module):
    """Masks of a known law: one of the laws of holes in pictures.

    Parameters
    ----------
    law : ImageMask
        Such as ``BlockMask(rate=0.9)``.
    grid : tuple of int or None
        Channels, height and width of a mask.

    Raises
    ------
    SettingError
        When the data are not pictures, or the law looks at their values.
    """

    def __init__(self, law: ImageMask, grid: tuple[int, int, int] | None) -> None:
        super().__init__()
        if grid is None:
            raise SettingError(
                f"Got masks={law!r} for a table. Expected an array of masks or MCAR(rate=0.5); or "
                "fit pictures, an array of shape (n, channels, height, width)."
            )
        if isinstance(law, ClippingMask):
            raise SettingError(
                "Got a ClippingMask, which looks at what it hides. Expected a law that is the "
                "same for every picture, such as BlockMask(rate=0.5)."
            )
        self.law, self.grid = law, grid

    def forward(self, noise: Noise, x: Tensor) -> Tensor:
        """Masks (M, B, U)."""
        rows = x.new_zeros(x.shape[:-1].numel(), *self.grid)
        return self.law.sample(rows, noise.generator).reshape(*x.shape[:-1], -1)


class ScatteredMasks(nn.Module):
    """Masks of a known law: each unit is missing with the same probability, independently.

    Parameters
    ----------
    rate : float
        Probability that a unit is missing.
    n_units : int
        U.
    """

    def __init__(self, rate: float, n_units: int) -> None:
        super().__init__()
        self.rate, self.n_units = rate, n_units

    def forward(self, noise: Noise, x: Tensor) -> Tensor:
        """Masks (M, B, U)."""
        return (noise.uniform(self.n_units) >= self.rate).to(x.dtype)


class CellImputer(nn.Module):
    r"""G_i: what is missing, out of what is seen and noise in its holes (MisGAN, Eq. 12).

    .. math:: G_i(x, s, w) = x s + \hat G_i(x s + w (1 - s)) (1 - s)

    Parameters
    ----------
    network : Module
        From (M, B, F), or (M, B, 2 F) if it sees the mask, to (M, B, F).
    output : CellOutput
        What raw outputs become.
    sees_mask : bool
        Whether the mask goes in beside the row.
    noise_scale : float, default=1
        Noise in holes is uniform in (0, noise_scale).
    """

    def __init__(
        self,
        network: nn.Module,
        output: CellOutput,
        *,
        sees_mask: bool,
        noise_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.network, self.output = network, output
        self.sees_mask, self.noise_scale = sees_mask, noise_scale

    def forward(self, x: Tensor, s: Tensor, noise: Noise, *, hard: bool = False) -> Tensor:
        """What the network says of every cell, seen or not, (M, ..., B, F).

        Parameters
        ----------
        x, s : Tensor of shape (..., B, F)
            Features and their mask; what ``x`` holds in holes does not matter.
        noise : Noise
            Its leading axes are those of the answer.
        hard : bool, default=False
            Whether categories are chosen.
        """
        w = noise.uniform(x.shape[-1]) * self.noise_scale
        shown = x * s + w * (1 - s)
        if self.sees_mask:
            shown = torch.cat([shown, s.expand_as(shown)], -1)
        return self.output(_apply(self.network, shown), noise, hard=hard)

    def complete(self, x: Tensor, s: Tensor, noise: Noise, *, hard: bool = False) -> Tensor:
        """The row, with what the network says where it is missing."""
        return torch.where(s > 0.5, x, self(x, s, noise, hard=hard))
