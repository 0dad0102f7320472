"""What is seen or missing together: one number of a mask for several features."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from halfseen.core.features import Features
from halfseen.core.spec import DataSpec

__all__ = ["MaskUnits"]


class MaskUnits(nn.Module):
    """The units of a table's masks: columns, pixels with all their channels, or modalities.

    The cells of a modality are one unit when they are always seen together, and the channels of
    a picture when they always are; every other column is a unit of its own.

    Parameters
    ----------
    spec : DataSpec
        The columns.
    unit : Tensor of shape (p,)
        The unit of each column, 0, ..., U - 1.

    Attributes
    ----------
    n_units : int
        U.
    grid : tuple of int or None
        Channels, height and width of a mask when the units are those of one picture.
    """

    unit: Tensor
    place: Tensor
    first: Tensor

    def __init__(self, spec: DataSpec, unit: Tensor) -> None:
        super().__init__()
        self.n_units = int(unit.max()) + 1 if len(unit) else 0
        self.register_buffer("unit", unit, persistent=False)
        self.register_buffer("place", unit[Features(spec).column], persistent=False)
        found, places = np.unique(unit.cpu().numpy(), return_index=True)
        if len(found) != self.n_units:
            raise ValueError(f"Got units {found.tolist()[:10]}. Expected all of 0, 1, ...")
        first = torch.from_numpy(places)
        self.register_buffer("first", first.long(), persistent=False)
        identity = torch.equal(self.place, torch.arange(len(self.place)))
        self.plain = bool(identity)
        self.grid: tuple[int, int, int] | None = None
        if spec.shape is not None:
            _, height, width = spec.shape
            self.grid = (self.n_units // (height * width), height, width)

    @classmethod
    def of_rows(cls, spec: DataSpec, s: Tensor) -> MaskUnits:
        """The units of masks (n, p)."""
        group = torch.arange(spec.n_columns)
        for block in spec.modalities:
            columns = torch.tensor(block.columns)
            if block.shape is not None:
                columns = columns.view(block.shape[0], -1)
                if (s[:, columns] == s[:, columns[:1]]).all():
                    group[columns] = columns[:1]
            elif (s[:, columns] == s[:, columns[:1]]).all():
                group[columns] = columns[0]
        return cls(spec, torch.unique(group, return_inverse=True)[1])

    def of_columns(self, s: Tensor) -> Tensor:
        """Masks of columns (..., p) to masks of units (..., U)."""
        return s[..., self.first]

    def spread(self, masks: Tensor) -> Tensor:
        """Masks of units (..., U) to masks of features (..., F)."""
        return masks if self.plain else masks[..., self.place]

    def to_columns(self, masks: Tensor) -> Tensor:
        """Masks of units (..., U) to masks of columns (..., p)."""
        return masks[..., self.unit]
