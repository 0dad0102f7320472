"""What generators end in: numbers in their range, categories, and masks between 0 and 1."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from halfseen.core.features import Features
from halfseen.core.noise import Noise
from halfseen.core.spec import DataSpec
from halfseen.errors import SettingError

__all__ = ["BOUNDS", "CellOutput", "MaskOutput"]

Bound = Literal["sigmoid", "clip"]
BOUNDS: tuple[str, ...] = get_args(Bound)
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
        Range of each number.
    temperature : float, default=0.5
        Of the Gumbel-softmax: low ones are close to choices, and teach with more noise.
    bound : {"sigmoid", "clip"}, default="sigmoid"
        How numbers stay in their range: by a sigmoid stretched to it; or only in answers
        (``hard``), where they are clipped, which leaves linear relations linear.

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
        self,
        spec: DataSpec,
        low: np.ndarray,
        high: np.ndarray,
        temperature: float = 0.5,
        bound: Bound = "sigmoid",
    ) -> None:
        super().__init__()
        if bound not in BOUNDS:
            raise SettingError(f"Got bound={bound!r}. Expected one of {BOUNDS}.")
        self.bound = bound
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

    def forward(
        self, raw: Tensor, noise: Noise, *, hard: bool = False, drawn: bool = True
    ) -> Tensor:
        """Features of the shape of ``raw``, (..., F).

        Parameters
        ----------
        raw : Tensor of shape (..., F)
            What a network says; its leading axes are those of the noise.
        noise : Noise
            Source of the choices between categories.
        hard : bool, default=False
            Whether it is an answer: indicators are 0 or 1, numbers in their range.
        drawn : bool, default=True
            Whether categories are drawn; otherwise the most probable are the largest. The noise
            is used up in any case, so that what follows has the same.
        """
        out = self._numbers(raw, hard=hard)
        if not len(self.category):
            return out
        logits = self._logits(raw)
        gumbel = -torch.log(-torch.log(noise.uniform(*self.place.shape)))
        soft = torch.softmax((logits + gumbel * drawn) / self.temperature, -1)
        if hard:
            soft = torch.zeros_like(soft).scatter_(-1, soft.argmax(-1, keepdim=True), 1.0)
        return out.index_copy(-1, self.category, soft[..., self.real])

    def _numbers(self, raw: Tensor, *, hard: bool) -> Tensor:
        if self.bound == "clip":
            # Clipped while it learns, a number beyond the range would have no gradient.
            return raw.clamp(self.start, self.start + self.width) if hard else raw
        out = torch.sigmoid(raw)
        return out if self.unit else self.start + self.width * out

    def _logits(self, raw: Tensor) -> Tensor:
        """Of columns of categories, padded, (..., columns, levels)."""
        return raw[..., self.place].masked_fill(~self.real, -torch.inf)

    def errors(self, raw: Tensor, said: Tensor, x: Tensor) -> Tensor:
        """Squared errors of numbers, and cross-entropies of categories at their own indicator.

        Parameters
        ----------
        raw, said : Tensor of shape (..., F)
            What the network says, and what :meth:`forward` made of it.
        x : Tensor of shape (..., F)
            The truth.

        Returns
        -------
        Tensor of shape (..., F)
            Summed over the features of a column, its error.
        """
        out = (said - x) ** 2
        if not len(self.category):
            return out
        surprise = -torch.log_softmax(self._logits(raw), -1)[..., self.real]
        return out.index_copy(-1, self.category, x[..., self.category] * surprise)


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
