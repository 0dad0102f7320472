"""Masks that a user gives, as a source of masks for generated rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import narwhals.dependencies as nwd
import numpy as np
import torch
from torch import Tensor, nn

from halfseen.errors import SettingError
from halfseen.estimators.mask_units import MaskUnits
from halfseen.estimators.players import MaskTable, PictureMasks, ScatteredMasks
from halfseen.mechanisms import MCAR, Mechanism
from halfseen.mechanisms.images import ImageMask
from halfseen.tables.blocks import BlockCodec
from halfseen.tables.choice import Codec
from halfseen.tables.containers import holds_modalities, open_table

__all__ = ["mask_source"]

EXPECTED = (
    "Expected True where a cell is seen and False where it is missing (or 1 and 0), such as "
    "table.notna() or ~np.isnan(X)."
)


def mask_source(masks: Any, codec: Codec, varying: Sequence[int], units: MaskUnits) -> nn.Module:
    """A source of masks of units.

    Parameters
    ----------
    masks : bool array (m, ...), table, mapping by column or modality, or law
        What the user gave. Tables are read by the names of their columns.
    codec : Codec
        Of the data of fit.
    varying : sequence of int
        Places of the columns that have a unit.
    units : MaskUnits
        What is seen or missing together.

    Raises
    ------
    SettingError
        When they are no masks, or do not fit the data.
    """
    if isinstance(masks, ImageMask):
        return PictureMasks(masks, units.grid)
    if isinstance(masks, Mechanism):
        return _scattered(masks, units)
    seen = _seen(masks, codec)[:, list(varying)]
    columns = torch.from_numpy(seen).float().to(units.unit.device)
    made = units.of_columns(columns)
    if not torch.equal(units.to_columns(made), columns):
        raise SettingError(
            "Got masks that tell apart cells which the data always show together, such as the "
            "channels of a pixel. Expected one value for all of them, as in the data."
        )
    return MaskTable(made)


def _scattered(law: Mechanism, units: MaskUnits) -> nn.Module:
    """A mechanism that draws masks without looking at rows."""
    if not isinstance(law, MCAR):
        raise SettingError(
            f"Got masks={type(law).__name__}(...), which looks at what it hides. Expected a law "
            "that is the same for every row, such as MCAR(rate=0.5), or an array of masks."
        )
    bound = getattr(law, "intercept", torch.empty(0))
    if not torch.allclose(torch.sigmoid(bound), torch.tensor(law.rate), atol=1e-6):
        raise SettingError(
            f"Got MCAR(rate={law.rate}) that was calibrated to another rate, by ampute(..., "
            "rate=...). Expected a fresh one that says its rate, such as MCAR(rate=0.5)."
        )
    return ScatteredMasks(law.rate, units.n_units)


def _seen(masks: Any, codec: Codec) -> np.ndarray:
    """Masks (m, p) in the order of the columns of fit."""
    if nwd.is_into_dataframe(masks):
        container = open_table(masks)
        raws = [container.raw(j) for j in range(container.shape[1])]
        masks = {
            name: np.full(len(raw.missing), np.nan) if raw.numbers is None else raw.numbers
            for name, raw in zip(container.labels, raws, strict=True)
        }
    if holds_modalities(masks):
        return _of_names(masks, codec)
    given, p = _array(masks), codec.spec.n_columns
    if given.ndim < 2 or given.size != len(given) * p or not given.size:
        got = f"masks of shape {given.shape}" if given.ndim else f"masks={masks!r}"
        raise SettingError(
            f"Got {got}. Expected (m, ...) with {p} cells each, True "
            "where a cell is seen, or a law such as MCAR(rate=0.5)."
        )
    return _truths(given, "masks").reshape(len(given), p)


def _of_names(masks: Mapping[Any, Any], codec: Codec) -> np.ndarray:
    """Masks (m, p) from those of each column, or of each modality."""
    if isinstance(codec, BlockCodec):
        places = {name: codec.places(name) for name in codec.parts}
    else:
        places = {name: [j] for j, name in enumerate(codec.spec.names)}
    named = all(isinstance(name, str) for name in masks)
    if (codec.feature_names is None or not named) and len(masks) == len(places):
        # A side without names of its own goes by position, as tables do.
        masks = dict(zip(places, masks.values(), strict=True))
    if set(masks) != set(places):
        raise SettingError(
            f"Got masks of {list(masks)[:10]}. Expected masks of {list(places)[:10]}, the names "
            "of fit, in any order."
        )
    parts = [_part(masks[name], name, len(columns)) for name, columns in places.items()]
    if len({len(part) for part in parts}) > 1:
        raise SettingError(
            f"Got masks of {[len(part) for part in parts][:10]} rows. Expected as many of each."
        )
    return np.concatenate(parts, 1)


def _part(masks: Any, name: str, width: int) -> np.ndarray:
    """Masks (m, width) of one column or modality; one value a row counts for all of it."""
    cells = _truths(_array(masks), f"masks of {name!r}")
    if cells.ndim == 1:
        cells = np.repeat(cells[:, None], width, 1)
    if cells.ndim < 2 or not cells.size or cells.size != len(cells) * width:
        raise SettingError(
            f"Got masks of {name!r} of shape {cells.shape}. Expected (m,) or (m, ...) with "
            f"{width} cells each."
        )
    return cells.reshape(len(cells), width)


def _array(masks: Any) -> np.ndarray:
    if isinstance(masks, Tensor):
        return masks.detach().cpu().numpy()
    try:
        return np.asarray(masks)
    except ValueError as error:
        raise SettingError(f"Got masks that are no array ({error}). {EXPECTED}") from error


def _truths(cells: np.ndarray, name: str) -> np.ndarray:
    """Cells as truth values, if they are some."""
    kind = cells.dtype.kind
    if kind == "b":
        return cells
    if kind in "iuf":
        right = (cells == 0) | (cells == 1)
    else:
        flat = [isinstance(v, (Real, np.bool_)) and v in (0, 1) for v in cells.ravel().tolist()]
        right = np.array(flat, dtype=bool).reshape(cells.shape)
    if not right.all():
        raise SettingError(f"Got {name} with the value {cells[~right].flat[0]!s}. {EXPECTED}")
    return cells.astype(bool)
