"""Which cells of an encoded table a mechanism removes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from halfseen.core.features import Features
from halfseen.core.spec import DataSpec
from halfseen.core.units import Units
from halfseen.errors import SettingError
from halfseen.mechanisms import Calibrates, Mechanism
from halfseen.mechanisms.images import ImageMask
from halfseen.tables.codec import Encoded

__all__ = ["Columns", "check_texts", "choose_holes"]

Columns = str | int | Sequence[str | int] | None


def choose_holes(
    law: Mechanism | ImageMask,
    rate: float | None,
    spec: DataSpec,
    encoded: Encoded,
    columns: Columns,
    generator: torch.Generator,
) -> np.ndarray:
    """Cells that go missing, bool of shape (n, p); some may be missing already."""
    chosen = torch.from_numpy(_chosen(spec, columns))
    if isinstance(law, ImageMask):
        holes = _image_holes(law, spec, encoded, generator)
    else:
        law.bind(spec, chosen, 1, generator)
        holes = _holes(law, rate, spec, encoded, generator)
    return holes & chosen.numpy()


def check_texts(spec: DataSpec, columns: Columns) -> None:
    """Refuse holes inside of texts."""
    chosen = _chosen(spec, columns)
    texts = [b.name for b in spec.blocks if b.tokens and chosen[list(b.columns)].any()]
    if texts:
        raise SettingError(
            f"Got by='cell' with the texts {texts}, which are seen or absent as a whole. Pass "
            "by='block', or name other columns."
        )


def _chosen(spec: DataSpec, columns: Columns) -> np.ndarray:
    """Which columns may lose cells."""
    if columns is None:
        return np.ones(spec.n_columns, dtype=bool)
    wanted = [columns] if isinstance(columns, (str, int, np.integer)) else list(columns)
    chosen = np.zeros(spec.n_columns, dtype=bool)
    chosen[[_place(spec, column) for column in wanted]] = True
    return chosen


def _place(spec: DataSpec, column: Any) -> int:
    if isinstance(column, str) and column in spec.names:
        return spec.names.index(column)
    whole = isinstance(column, (int, np.integer)) and not isinstance(column, (bool, np.bool_))
    if whole and -spec.n_columns <= column < spec.n_columns:
        return int(column)
    raise SettingError(
        f"Got {column!r} in columns. Expected names out of {spec.names}, or indices "
        f"below {spec.n_columns}."
    )


def _image_holes(
    law: ImageMask, spec: DataSpec, encoded: Encoded, generator: torch.Generator
) -> np.ndarray:
    """Values of pictures that a mask removes, bool of shape (n, p)."""
    values = np.nan_to_num(encoded.values, nan=0.0)
    assert spec.shape is not None
    s = law.sample(torch.from_numpy(values).reshape(-1, *spec.shape), generator)
    return s.reshape(values.shape).numpy() < 0.5


def _holes(
    law: Mechanism,
    rate: float | None,
    spec: DataSpec,
    encoded: Encoded,
    generator: torch.Generator,
) -> np.ndarray:
    """Cells that the mechanism removes, bool of shape (n, p)."""
    observed = torch.from_numpy(~np.isnan(encoded.values))
    expand = Features(spec)
    cells = torch.from_numpy(_standardised(spec, encoded.values))
    features = (expand(cells) * expand.mask(observed)).to(_dtype(law))
    if isinstance(law, Calibrates):
        law.calibrate(features, rate, generator, observed)
    with torch.no_grad():
        s = law.sample(features[None, None], generator)
    return s.reshape(observed.shape).numpy() < 0.5


def _dtype(law: Mechanism) -> torch.dtype:
    """What the mechanism's own tensors are; float64 if it has none."""
    tensors: chain[Tensor] = chain(law.parameters(), law.buffers())
    return next((t.dtype for t in tensors if t.is_floating_point()), torch.float64)


def _standardised(spec: DataSpec, values: np.ndarray) -> np.ndarray:
    """Numeric columns with mean 0 and deviation 1 over seen cells; 0 where missing."""
    x = Units.fit(spec, values).to_model(values)
    constant = [not c.categorical and c.constant is not None for c in spec.columns]
    x[:, constant] = 0.0
    return np.nan_to_num(x, nan=0.0)
