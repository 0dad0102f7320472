"""Draws of rows: completions of a table, and rows that are new, by noise of each row's own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import torch

from halfseen.core.batch import Rows
from halfseen.core.memory import floats_at_once
from halfseen.core.noise import Noise, new_generator
from halfseen.core.row_noise import RowNoise, row_keys
from halfseen.errors import SettingError
from halfseen.estimators.base import BaseImputer
from halfseen.estimators.generating import RowGenerator

__all__ = ["RowDrawer"]

# Rows that are generated at a time.
ROWS = 512


class RowDrawer(RowGenerator, BaseImputer):
    """Base of the imputers that draw from the exact conditional law of a row's missing cells.

    A subclass says how rows become tensors, how many of them are drawn at a time, and draws.
    """

    device: str
    #: Numbers that are in memory at a time.
    _chunk_floats: ClassVar[int]

    # ---- what a method says -------------------------------------------------------------

    @property
    def _dtype(self) -> torch.dtype:
        """Precision of the model."""
        return torch.float32

    @abstractmethod
    def _rows(self, values: np.ndarray) -> Rows:
        """Rows in model units, from data units (n, p)."""

    @property
    @abstractmethod
    def _width(self) -> int:
        """Numbers that the model holds of one row."""

    @abstractmethod
    def _drawn(self, rows: Rows, source: Noise, *, noise: bool) -> np.ndarray:
        """Rows in data units (R, n, p) given what is seen; ``source`` has the shape (1, R, n)."""

    def _drawn_anew(self, empty: Rows, source: Noise, *, noise: bool) -> np.ndarray:
        """The same of one row of which nothing is seen."""
        return self._drawn(empty, source, noise=noise)

    @abstractmethod
    def score_samples(self, X: Any) -> np.ndarray:
        """Log-density of what is seen of each row (n,)."""

    # ---- draws --------------------------------------------------------------------------

    def _row_parts(self, rows: Rows, copies: int = 1) -> Iterator[Rows]:
        """The rows in parts of which ``copies`` fit into memory."""
        size = max(1, floats_at_once(self._chunk_floats) // (self._width * copies))
        for start in range(0, len(rows), size):
            yield rows.part(slice(start, start + size))

    def sample(
        self, X: Any, n_draws: int = 20, random_state: Any = None, *, noise: bool = True
    ) -> list[Any]:
        """Multiple imputation: several completed tables, drawn from the conditional law.

        Parameters
        ----------
        X : table of shape (n, p)
            The columns of fit.
        n_draws : int, default=20
            How many.
        random_state : int, optional
            Seed of the draws; by default that of the fit.
        noise : bool, default=True
            Whether a cell is drawn from its law given what is hidden behind the row, components
            or factors; otherwise it is the mean of that law, or the most probable category:
            pictures to look at, but no multiple imputation.

        Returns
        -------
        list of tables like X
            Observed cells are bit-identical in each.

        Raises
        ------
        SettingError
            When ``n_draws`` is no positive whole number.
        """

        def draw(values: np.ndarray, n_draws: int, seed: int) -> np.ndarray:
            rows, parts = self._rows(values), []
            keys = row_keys(rows.x.cpu().numpy(), rows.s.cpu().numpy(), seed)
            for part in self._row_parts(rows, n_draws):
                own, keys = np.split(keys, [len(part)])
                source = RowNoise(own, 1, n_draws, self.device)
                parts.append(self._drawn(part, source, noise=noise))
            return np.concatenate(parts, 1)

        return self._drawn_tables(X, n_draws, random_state, draw)

    def _new_rows(
        self, n_rows: int, seed: int, *, noise: bool, masks: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """See :class:`RowGenerator`: draws given nothing."""
        if masks:
            raise SettingError(
                f"Got a {type(self).__name__}, which has no law of the mask to generate from. "
                "Expected a method that has one, such as VSAEImputer; or make holes in the rows "
                "with ampute."
            )
        generator = new_generator(seed, 5, self.device)
        empty = torch.zeros(1, len(self._varying), device=generator.device, dtype=self._dtype)
        nothing, parts = Rows(empty, empty), []
        for start in range(0, n_rows, ROWS):
            source = Noise(generator, (1, min(ROWS, n_rows - start), 1))
            parts.append(self._drawn_anew(nothing, source, noise=noise)[:, 0])
        values = np.concatenate(parts)
        return values, np.ones(values.shape, dtype=bool)

    def score(self, X: Any, y: Any = None) -> float:
        """Mean of :meth:`score_samples`."""
        return float(self.score_samples(X).mean())
