"""The half of an imputer with laws in closed form that gives them to users."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from halfseen.core.batch import Rows
from halfseen.core.factor_mixture import LowRankMixture
from halfseen.core.features import Features
from halfseen.core.memory import pieces_at_once, reserving
from halfseen.core.units import Units
from halfseen.errors import SettingError
from halfseen.estimators.conditional import Conditional
from halfseen.estimators.conditional_cells import Cell, CellReader
from halfseen.estimators.row_drawer import RowDrawer
from halfseen.tables.codec import TableCodec

__all__ = ["LawImputer"]


class LawImputer(RowDrawer):
    """Base of the methods that know the conditional law of missing cells: it is asked for here.

    Cells are features: standardised numbers, and an indicator per category.
    """

    units_: Units

    @abstractmethod
    def _mixture(self, rows: Rows) -> LowRankMixture:
        """The law of all features (n, C, F) of some rows, given those seen, in model units."""

    # ---- features -----------------------------------------------------------------------

    @property
    def _expand(self) -> Features:
        return Features(self.units_.spec).to(self.device)

    def _features(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Features (n, F), 0 where missing, and their mask."""
        s = self._expand.mask(rows.s)
        return self._expand(rows.x) * s, s

    def _rows(self, values: np.ndarray) -> Rows:
        return Rows.from_values(self.units_.to_model(values), self.device, self._dtype)

    # ---- laws ---------------------------------------------------------------------------

    @torch.no_grad()
    def conditional(self, X: Any, n_kept: int | None = None) -> Conditional:
        """The law of the missing cells of each row, given its seen cells, in closed form.

        Parameters
        ----------
        X : table of shape (n, p), or images (n, c, h, w)
            The columns of fit; rows have masks of their own.
        n_kept : int, optional
            Only so many components of each row are kept, the most probable ones, with weights
            that sum to one; None keeps all. A law has components x cells x (rank + 2) numbers
            for each row: 2.5 MB of an image of 28 x 28 pixels under 50 components of rank 6.

        Returns
        -------
        Conditional
            With mean, covariance, ``log_prob``, ``sample``, ``marginal`` and ``entropy``, over
            the columns that vary, in the units of the table.

        Raises
        ------
        SettingError
            Where the model bends a column, so that its law is not Gaussian in the table's units;
            where the law of all rows does not fit into the user's limit of memory.
        """
        check_is_fitted(self, "codec_")
        self._check_lawful(n_kept)
        values = self._encode(X).values[:, self._varying]
        rows = self._rows(values)
        size = self._law_of(rows.part(slice(0, 1)), n_kept).nbytes * len(rows)
        self._check_room(size, len(rows))
        with reserving(size, "a conditional law"):
            return Conditional.join(self._laws(rows, values, n_kept), len(rows))

    def _check_lawful(self, n_kept: int | None) -> None:
        """Refuse tables whose cells have no law in closed form."""
        if not self._varying:
            raise SettingError(
                "Got a table in which no column varies: there is no law of its cells. Expected a "
                "column with two values at least."
            )
        if self.units_.curved:
            names = [self.units_.spec.names[j] for j in self.units_.curved]
            raise SettingError(
                f"Got columns {names} on a bent scale (positive, counted, bounded or skewed). "
                f"Expected columns whose law is Gaussian in the table's units: use "
                f"{type(self).__name__.replace('Imputer', 'Density')}, which bends none."
            )
        whole = isinstance(n_kept, (int, np.integer)) and not isinstance(n_kept, bool)
        if n_kept is not None and (not whole or n_kept < 1):
            raise SettingError(
                f"Got n_kept={n_kept!r}. Expected a positive whole number, or None for all."
            )

    def _check_room(self, size: int, n_rows: int) -> None:
        fitting = pieces_at_once(size // n_rows)
        if n_rows > fitting:
            parts = f"ask in parts of {fitting} rows, " if fitting else ""
            raise SettingError(
                f"Got {n_rows} rows, whose law takes {size / 1e6:.3g} MB, under a limit of memory "
                f"into which that of {fitting} fits. Expected fewer: {parts}keep fewer components "
                "with n_kept, or raise max_memory."
            )

    def _laws(self, rows: Rows, values: np.ndarray, n_kept: int | None) -> Iterator[Conditional]:
        """Laws of parts of the rows in the units of the table."""
        for part in self._row_parts(rows):
            own, values = np.split(values, [len(part)])
            yield self._in_data_units(self._law_of(part, n_kept), own)

    @torch.no_grad()
    def _law_of(self, rows: Rows, n_kept: int | None = None) -> Conditional:
        """The conditional law in model units, float64 on the processor."""
        x, s = (part.cpu().double() for part in self._features(rows))
        mixture = self._mixture(rows)
        if n_kept is not None:
            mixture = mixture.most_probable(n_kept)
        law = mixture.law.map(lambda part: part.cpu().double())
        # Weights sum to one in double precision, too.
        held = LowRankMixture(torch.log_softmax(mixture.log_weights.cpu().double(), -1), law)
        return Conditional(held, x, s, self._reader())

    def _in_data_units(self, law: Conditional, values: np.ndarray) -> Conditional:
        """The same in the units of the table; seen numbers are as they were, bit by bit."""
        expand = self._expand.cpu()
        shift, scale = (
            torch.full((self.units_.spec.n_features,), blank, dtype=torch.float64)
            for blank in (0.0, 1.0)
        )
        shift[expand.numeric_at] = torch.as_tensor(self.units_.shift)[expand.numeric]
        scale[expand.numeric_at] = torch.as_tensor(self.units_.scale)[expand.numeric]
        mixture = LowRankMixture(law.mixture.log_weights, law.mixture.law.rescaled(shift, scale))
        x = expand(torch.as_tensor(np.nan_to_num(values))) * law.s
        return replace(law, mixture=mixture, x=x)

    def _reader(self) -> CellReader:
        """The cells of a law, and how they are found in tables."""
        cells: list[Cell] = []
        labels: dict[str, list[Any]] = getattr(self.codec_, "levels", {})
        for place, column in zip(self._varying, self.units_.spec.columns, strict=True):
            levels = labels.get(column.name, range(column.n_levels)) if column.categorical else ()
            own = [Cell(f"{column.name}={level}", place, level) for level in levels]
            cells += own or [Cell(column.name, place)]
        codec, names = self.codec_, tuple(self.codec_.spec.names)
        is_table = isinstance(codec, TableCodec)
        numbered = isinstance(codec, TableCodec) and codec.labelled and codec.feature_names is None
        shape, whole = self._spec.shape, tuple(cells)
        return CellReader(whole, names, shape, is_table, self._read, numbered=numbered)

    def _read(self, table: Any) -> np.ndarray:
        """Features (n, F) of a table in its own units, NaN where unknown."""
        values = self._encode(table).values[:, self._varying]
        expand = self._expand.cpu()
        x = expand(torch.as_tensor(np.nan_to_num(values))).numpy()
        unknown = expand.mask(torch.as_tensor(np.isnan(values))).numpy()
        return np.where(unknown, np.nan, x)
