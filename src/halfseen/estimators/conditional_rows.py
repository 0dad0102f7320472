"""The laws of n rows in closed form, as one object: its cells, some of its rows, and its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from halfseen.core.factor_mixture import LowRankMixture
from halfseen.core.low_rank_normal import LowRankNormal
from halfseen.core.memory import floats_at_once
from halfseen.errors import SettingError
from halfseen.estimators.conditional_cells import CellReader

__all__ = ["RowLaws"]

# Numbers of the laws that are looked at together.
CHUNK_FLOATS = 2**22


@dataclass(frozen=True, repr=False)
class RowLaws:
    """A mixture of Gaussians of low rank for each of n rows; see :class:`Conditional`.

    Parameters
    ----------
    mixture : LowRankMixture
        Of all cells, in the units of the table.
    x, s : Tensor of shape (n, F)
        Seen cells, 0 elsewhere, and the mask, 1 = seen.
    reader : CellReader
        Which cells these are, and how they are read.
    """

    mixture: LowRankMixture
    x: Tensor
    s: Tensor
    reader: CellReader

    @classmethod
    def join(cls, parts: Iterable[Self], n_rows: int) -> Self:
        """One object for the rows of several, one of which is in memory at a time.

        Parameters
        ----------
        parts : iterable of Conditional
            At least one, of the same cells and sizes.
        n_rows : int
            Rows of all of them.
        """
        filled: list[Tensor] = []
        start = 0
        for part in parts:
            if len(part) == n_rows:
                return part
            own = part._tensors()
            filled = filled or [tensor.new_empty(n_rows, *tensor.shape[1:]) for tensor in own]
            for whole, tensor in zip(filled, own, strict=True):
                whole[start : start + len(part)] = tensor
            start += len(part)
        return part._with(filled)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the F cells: columns, or "column=level"."""
        return self.reader.names

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Of a row that is an image: (c, h, w)."""
        return self.reader.shape

    @property
    def nbytes(self) -> int:
        """Bytes that the laws take."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self._tensors())

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        n_components = self.mixture.log_weights.shape[1]
        return f"Conditional({len(self)} rows, {len(self.names)} cells, {n_components} components)"

    # ---- other laws ---------------------------------------------------------------------

    def __getitem__(self, rows: Any) -> Self:
        """The laws of some rows: a slice, or a list or array of places or of truth values.

        Examples
        --------
        >>> from halfseen import GMMDensity
        >>> X = np.random.default_rng(0).normal(size=(50, 2))
        >>> law = GMMDensity(n_components=1, random_state=0).fit(X).conditional(X)
        >>> len(law[:3]), len(law[[4, 1]]), len(law[X[:, 0] > 9])
        (3, 2, 0)
        """
        places = np.arange(len(self))
        chosen = None if isinstance(rows, (int, np.integer, bool)) else _chosen(places, rows)
        if chosen is None:
            raise SettingError(
                f"Got {rows!r} as rows of {len(self)} laws. Expected a slice, or a list or array "
                "of places, each below that number, or of as many truth values; [[i]] for one."
            )
        return self._part(torch.from_numpy(chosen))

    def marginal(self, columns: Iterable[Any]) -> Self:
        """The law of some cells alone.

        Parameters
        ----------
        columns : sequence
            Each one is the label of a column as fit saw it, the name of a cell, such as
            "city=Rome", or a pair of a column and one of its levels, such as ("city", "Rome");
            where several fit, labels come first. Whole numbers are labels where the table of fit
            had labels that are not all text; else they are places of columns in that table, those
            that never vary counted. Of images they are places of pixels, in the order c, h, w.

        Returns
        -------
        Conditional
            Of those cells, in that order, and no image any more; a category has a cell per level.
            Its ``log_prob`` takes whole tables as before, or arrays of its cells or of all.

        Raises
        ------
        SettingError
            Where something is no such column, never varies, or comes twice.
        """
        if not isinstance(columns, Iterable):
            raise SettingError(
                f"Got columns={columns!r}. Expected a list of columns, such as [0] or ['age']."
            )
        wanted = [columns] if isinstance(columns, str) else list(columns)
        at = [place for column in wanted for place in self.reader.find(column)]
        if len(set(at)) < len(at) or not at:
            raise SettingError(f"Got columns {wanted!r}. Expected some, each of them once.")
        law = self.mixture.law.cells(at)
        mixture = LowRankMixture(self.mixture.log_weights, law)
        x, s, reader = self.x[:, at], self.s[:, at], self.reader.part(at)
        return replace(self, mixture=mixture, x=x, s=s, reader=reader)

    def floored(self, variance: float) -> Self:
        """The same law with at least this variance of the noise of each cell, in table units.

        A cell that is always the same has a density without bound: what a floor does to a
        log-density should be said with it.

        Raises
        ------
        SettingError
            When ``variance`` is no finite number of 0 or more.
        """
        if not isinstance(variance, Real) or not 0 <= float(variance) < np.inf:
            raise SettingError(
                f"Got variance={variance!r}. Expected a number of 0 or more, in squared units of "
                "the table."
            )
        law = self.mixture.law
        floored = LowRankNormal(law.mean, law.factor, law.variance.clamp_min(float(variance)))
        return replace(self, mixture=LowRankMixture(self.mixture.log_weights, floored))

    # ---- parts --------------------------------------------------------------------------

    def _by_rows(self, answer: Callable[[Self, slice], Tensor]) -> Tensor:
        """An answer (n, ...) of all rows from that of parts that fit into memory."""
        return torch.cat([answer(self._part(rows), rows) for rows in self._row_parts()])

    def _row_parts(self) -> Iterator[slice]:
        width = max(1, self.mixture.law.factor[:1].numel() + 2 * self.mixture.law.mean[:1].numel())
        size = max(1, floats_at_once(CHUNK_FLOATS) // width)
        for start in range(0, max(1, len(self)), size):
            yield slice(start, start + size)

    def _part(self, rows: slice | Tensor) -> Self:
        return self._with([tensor[rows] for tensor in self._tensors()])

    def _tensors(self) -> list[Tensor]:
        law = self.mixture.law
        return [self.mixture.log_weights, law.mean, law.factor, law.variance, self.x, self.s]

    def _with(self, tensors: list[Tensor]) -> Self:
        """The same with other rows."""
        log_weights, mean, factor, variance, x, s = tensors
        mixture = LowRankMixture(log_weights, LowRankNormal(mean, factor, variance))
        return replace(self, mixture=mixture, x=x, s=s)

    def _center(self) -> Tensor:
        return (self.mixture.log_weights.exp()[..., None] * self.mixture.law.mean).sum(1)

    def _rows(self, x: Tensor) -> np.ndarray:
        """Cells (n, F, ...) as an array of the shape of rows."""
        if self.shape is None:
            return x.numpy()
        return x.reshape(len(x), *self.shape, *x.shape[2:]).numpy()


def _chosen(places: np.ndarray, rows: Any) -> np.ndarray | None:
    """Places of rows, None where there are no such rows."""
    try:
        chosen = places[rows if isinstance(rows, slice) else _array(rows)]
    except (IndexError, TypeError, ValueError):
        return None
    return chosen.copy() if chosen.ndim == 1 else None


def _array(rows: Any) -> np.ndarray:
    """Rows as an array; an empty list is one of places."""
    array = np.asarray(rows)
    return array if array.size else array.astype(bool if array.dtype == bool else int)
