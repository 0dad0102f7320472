"""New rows and masks out of a game of rows behind masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from halfseen.core.noise import Noise, new_generator
from halfseen.estimators.blanks import blank, blank_modalities
from halfseen.estimators.generating import ROWS, RowGenerator
from halfseen.estimators.mask_units import MaskUnits
from halfseen.estimators.masked_game import MaskedGame
from halfseen.tables.blocks import BlockCodec

__all__ = ["MaskedRows"]


class MaskedRows(RowGenerator):
    """``generate`` and its like for an imputer that holds a :class:`MaskedGame`."""

    game_: MaskedGame
    mask_units_: MaskUnits

    @torch.no_grad()
    def _new_rows(
        self: Any, n_rows: int, seed: int, *, noise: bool, masks: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        generator, parts = new_generator(seed, 5, self.device), []
        for start in range(0, n_rows, ROWS):
            n = min(ROWS, n_rows - start)
            source = Noise(generator, (self.n_members, -(-n // self.n_members)))
            x = self.game_.rows(source, hard=True, drawn=noise)
            # The relaxed mask is the chance that a cell is seen.
            coins = self._coins(self.game_.masks(source, x), source)
            parts.append((_by_row(self._natural(x), n), _by_row(coins, n)))
        values, seen = (torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True))
        return self.units_.finish(values), seen > 0.5

    def _coins(self, made: Tensor, source: Noise) -> Tensor:
        return self.mask_units_.to_columns((source.uniform(made.shape[-1]) < made).float())

    def generate_incomplete(self: Any, n_rows: int = 1, random_state: Any = None) -> Any:
        """New rows with holes, of the kind that the table has.

        Parameters
        ----------
        n_rows : int, default=1
            How many.
        random_state : int, optional
            Seed of the rows; by default that of the fit.

        Returns
        -------
        same as the data of fit
            Rows of :meth:`generate` without the cells that their masks hide.
        """
        data, seen = self._generated(n_rows, random_state, noise=True, masks=True)
        if isinstance(self.codec_, BlockCodec):
            return blank_modalities(self.codec_, data, ~seen)
        shape = (n_rows, *self.codec_.spec.shape) if self.codec_.spec.shape else seen.shape
        return blank(data, ~seen.reshape(shape))

    def _companions(self: Any) -> dict[int, int]:
        """As in :class:`RowGenerator`, for modalities that are one unit of a mask."""
        place = {j: i for i, j in enumerate(self._varying)}
        unit = self.mask_units_.unit.tolist() if place else []
        found: dict[int, int] = {}
        for block in self.codec_.spec.with_blocks(self.blocks).modalities:
            modelled = [j for j in block.columns if j in place]
            if len({unit[place[j]] for j in modelled}) == 1:
                found |= {j: modelled[0] for j in block.columns if j not in place}
        return found


def _by_row(x: Tensor, n_rows: int) -> Tensor:
    """Rows (M, B, c) of all members, interleaved: (n_rows, c)."""
    return x.transpose(0, 1).flatten(0, 1)[:n_rows]
