"""New rows out of a fitted model, and new masks where it has a law of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from halfseen.core.batch import Batch
from halfseen.core.noise import Noise, new_generator, seed_from
from halfseen.errors import SettingError
from halfseen.estimators.blanks import split_mask
from halfseen.tables.blocks import BlockCodec
from halfseen.terms.mask import MaskTerm

if TYPE_CHECKING:
    from halfseen.estimators.latent import LatentImputer

__all__ = ["RowGenerator", "latent_rows"]

# Rows that are made at a time.
ROWS = 4096


class RowGenerator:
    """``generate`` of an imputer that has a model of whole rows."""

    def generate(
        self: Any,
        n_rows: int = 1,
        *,
        noise: bool = True,
        return_mask: bool = False,
        random_state: Any = None,
    ) -> Any:
        """New rows that the model takes for the table's own.

        Parameters
        ----------
        n_rows : int, default=1
            How many.
        noise : bool, default=True
            Whether a cell is drawn from its law given the latents; otherwise it is the mean of
            that law, or the most probable category.
        return_mask : bool, default=False
            Whether masks are generated together with the rows.
        random_state : int, optional
            Seed of the rows; by default that of the fit.

        Returns
        -------
        same as the data of fit
            Complete rows. With ``return_mask`` also a boolean array of shape (n_rows, p), True
            where a row of the table would show the cell; by modality for a dictionary.

        Raises
        ------
        SettingError
            When ``n_rows`` is no positive whole number, or masks are asked of a model without
            a law of them.
        """
        data, seen = self._generated(n_rows, random_state, noise=noise, masks=return_mask)
        if not return_mask:
            return data
        return data, split_mask(self.codec_, seen) if isinstance(self.codec_, BlockCodec) else seen

    def _generated(
        self: Any, n_rows: int, random_state: Any, *, noise: bool, masks: bool
    ) -> tuple[Any, np.ndarray]:
        """New rows in the container of fit, and the mask (n_rows, p) of all columns."""
        check_is_fitted(self, "codec_")
        if not isinstance(n_rows, (int, np.integer)) or n_rows < 1:
            raise SettingError(f"Got n_rows={n_rows!r}. Expected a positive whole number.")
        seed = self.seed_ if random_state is None else seed_from(random_state)
        values, varying = np.zeros((n_rows, 0)), np.ones((n_rows, 0), dtype=bool)
        if self._varying:
            values, varying = self._new_rows(n_rows, seed, noise=noise, masks=masks)
        # Columns that never vary are not modelled: they go with their modality, or alone.
        u = np.random.default_rng([seed, 6]).random((n_rows, self.codec_.spec.n_columns))
        seen = u >= self.missing_share_
        seen[:, self._varying] = varying
        for constant, column in self._companions().items():
            seen[:, constant] = seen[:, column]
        return self.codec_.create(self._full(values)), seen

    def _new_rows(
        self: Any, n_rows: int, seed: int, *, noise: bool, masks: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Values in data units and masks (n_rows, p) of the columns that vary."""
        raise NotImplementedError

    def _companions(self: Any) -> dict[int, int]:
        """Columns that never vary, and columns of the same modality that are seen with them."""
        return {}

    def generate_masks(self: Any, n_rows: int = 1, random_state: Any = None) -> Any:
        """New masks of the kind that the table has.

        Parameters
        ----------
        n_rows : int, default=1
            How many.
        random_state : int, optional
            Seed of the masks; by default that of the fit.

        Returns
        -------
        bool array of shape (n_rows, p), or a dictionary of them by modality
            True where a row would show the cell.

        Raises
        ------
        SettingError
            As in :meth:`generate`.
        """
        return self.generate(n_rows, return_mask=True, random_state=random_state)[1]


def latent_rows(
    imputer: LatentImputer, n_rows: int, seed: int, *, noise: bool, masks: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Values in data units and masks of the columns that vary, out of a latent model."""
    generator = new_generator(seed, 5, imputer.device)
    parts = [
        _some_rows(imputer, min(ROWS, n_rows - start), generator, noise=noise, masks=masks)
        for start in range(0, n_rows, ROWS)
    ]
    values, seen = zip(*parts, strict=True)
    return np.concatenate(values), np.concatenate(seen)


@torch.no_grad()
def _some_rows(
    imputer: LatentImputer, n_rows: int, generator: torch.Generator, *, noise: bool, masks: bool
) -> tuple[np.ndarray, np.ndarray]:
    model, members = imputer.model_, imputer.n_members_
    p, per_member = imputer.units_.spec.n_columns, -(-n_rows // members)
    empty = torch.zeros(per_member, p, device=generator.device)
    shown = torch.ones_like(empty) if imputer._decodes_whole else empty
    batch, source = Batch(empty, empty, shown), Noise(generator, (members, 1, per_member))
    z = model.prior(batch).sample(source, model.n_latent)
    decoded = model.observation(z, batch)
    if noise:
        values = imputer._to_data(_by_row(decoded.draw(source, p), n_rows))
    else:
        features = decoded.mean(imputer.units_, imputer.units_.spec.n_features)
        values = imputer._from_features(_by_row(features, n_rows))
    seen = np.ones((n_rows, p), dtype=bool)
    if masks:
        term = dict(model.terms.items()).get("mask")
        if not isinstance(term, MaskTerm):
            raise SettingError(
                f"Got a {type(imputer).__name__}, which has no law of the mask to generate from. "
                "Expected a method that has one, such as VSAEImputer; or make holes in the rows "
                "with ampute."
            )
        seen = _by_row(term.draw(z, source), n_rows).cpu().numpy() > 0
    return values, seen


def _by_row(x: Tensor, n_rows: int) -> Tensor:
    """Rows (M, 1, B, c) of all members, interleaved: (n_rows, c)."""
    return x[:, 0].transpose(0, 1).flatten(0, 1)[:n_rows]
