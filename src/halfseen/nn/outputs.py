"""What generators end in: numbers in their range, categories, and masks between 0 and 1."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from halfseen.core.features import Features
from halfseen.core.noise import Noise
from halfseen.core.spec import DataSpec
from halfseen.errors import SettingError

__all__ = ["CellOutput", "MaskOutput"]

MaskActivation = Literal["sigmoid", "stretched", "hard"]
# How far beyond 0 and 1 a stretched sigmoid reaches before it is clipped, as released.
STRETCH = 0.1


class CellOutput(nn.Module):
    """Raw outputs to features: numbers within their range, categories by Gumbel-softmax.

    Parameters
    ----------
    spec : DataSpec
        The columns.
    low, high : array of shape (p,)
        Range of each number; a sigmoid stretched to it bounds what comes out.
    temperature : float, default=0.5
        Of the Gumbel-softmax: low ones are close to choices, and teach with more noise.

    Examples
    --------
    >>> from halfseen.core.spec import Column
    >>> spec = DataSpec((Column("age", "continuous"), Column("sex", "binary", n_levels=2)))
    >>> noise = Noise(torch.Generator().manual_seed(0), (1, 1))
    >>> output = CellOutput(spec, np.array([-1.0, 0.0]), np.array([3.0, 1.0]))
    >>> output(torch.tensor([[[0.0, 9.0, -9.0]]]), noise, hard=True)
    tensor([[[1., 1., 0.]]])
    """

    start: Tensor
    width: Tensor
    place: Tensor
    real: Tensor
    category: Tensor

    def __init__(
        self, spec: DataSpec, low: np.ndarray, high: np.ndarray, temperature: float = 0.5
    ) -> None:
        super().__init__()
        if not temperature > 0:
            raise SettingError(f"Got temperature={temperature!r}. Expected a positive number.")
        self.temperature = temperature
        column = Features(spec).column.numpy()
        start = torch.as_tensor(low[column], dtype=torch.float32)
        width = torch.as_tensor((high - low)[column], dtype=torch.float32)
        self.unit = bool((start == 0).all() and (width == 1).all())
        self.register_buffer("start", start, persistent=False)
        self.register_buffer("width", width, persistent=False)
        widths = torch.tensor([column.width for column in spec.columns], dtype=torch.long)
        starts = torch.tensor(spec.offsets[:-1], dtype=torch.long)
        choices = torch.tensor([column.categorical for column in spec.columns], dtype=torch.bool)
        # Ragged columns of categories, padded to the widest.
        steps = torch.arange(int(widths[choices].max()) if choices.any() else 0)
        real = steps < widths[choices][:, None]
        place = torch.where(real, starts[choices][:, None] + steps, 0)
        self.register_buffer("real", real, persistent=False)
        self.register_buffer("place", place, persistent=False)
        self.register_buffer("category", place[real], persistent=False)

    def forward(self, raw: Tensor, noise: Noise, *, hard: bool = False) -> Tensor:
        """Features of the shape of ``raw``, (..., F).

        Parameters
        ----------
        raw : Tensor of shape (..., F)
            What a network says; its leading axes are those of the noise.
        noise : Noise
            Source of the choices between categories.
        hard : bool, default=False
            Whether categories are chosen, so that indicators are 0 or 1.
        """
        out = torch.sigmoid(raw)
        if not self.unit:
            out = self.start + self.width * out
        if not len(self.category):
            return out
        logits = raw[..., self.place].masked_fill(~self.real, -torch.inf)
        gumbel = -torch.log(-torch.log(noise.uniform(*self.place.shape)))
        soft = torch.softmax((logits + gumbel) / self.temperature, -1)
        if hard:
            soft = torch.zeros_like(soft).scatter_(-1, soft.argmax(-1, keepdim=True), 1.0)
        return out.index_copy(-1, self.category, soft[..., self.real])


class MaskOutput(nn.Module):
    """Raw outputs to masks between 0 and 1.

    Parameters
    ----------
    activation : {"sigmoid", "stretched", "hard"}, default="sigmoid"
        With l the output divided by the temperature: sigmoid(l) as in the MisGAN paper;
        clip(1.2 sigmoid(l) - 0.1, 0, 1), which reaches 0 and 1, as in its released imputers; or
        clip(l, 0, 1).
    temperature : float, default=0.66
        Low ones are close to 0 and 1.

    Examples
    --------
    >>> MaskOutput("hard")(torch.tensor([-1.0, 0.33, 2.0]))
    tensor([0.0000, 0.5000, 1.0000])
    """

    def __init__(self, activation: MaskActivation = "sigmoid", temperature: float = 0.66) -> None:
        super().__init__()
        if activation not in ("sigmoid", "stretched", "hard") or not temperature > 0:
            raise SettingError(
                f"Got mask_activation={activation!r}, temperature={temperature!r}. Expected "
                "'sigmoid', 'stretched' or 'hard', and a positive number."
            )
        self.activation, self.temperature = activation, temperature

    def forward(self, raw: Tensor) -> Tensor:
        """Masks of the shape of ``raw``."""
        logits = raw / self.temperature
        if self.activation == "hard":
            return logits.clamp(0, 1)
        mask = torch.sigmoid(logits)
        if self.activation == "stretched":
            return ((1 + 2 * STRETCH) * mask - STRETCH).clamp(0, 1)
        return mask
