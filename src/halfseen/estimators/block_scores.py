"""A table with one column per modality: what decides which modalities go missing."""

from __future__ import annotations

import numpy as np
import torch

from halfseen.core.spec import CATEGORICAL, Block, Column, DataSpec
from halfseen.core.units import Units
from halfseen.errors import SettingError
from halfseen.tables.codec import Encoded

__all__ = ["put_back", "score_blocks", "spread"]


def score_blocks(
    spec: DataSpec, encoded: Encoded, *, scores: bool = True
) -> tuple[DataSpec, Encoded]:
    """One column per modality.

    Parameters
    ----------
    spec : DataSpec
        The columns, and their modalities.
    encoded : Encoded
        Their cells.
    scores : bool, default=True
        Whether values matter; otherwise every modality of several columns scores 0.

    Returns
    -------
    spec : DataSpec
        A modality of one column is that column; others are continuous, with their names.
    encoded : Encoded
        The score of a modality of several columns in a row is the mean of its seen cells, each
        column standardised, binary and ordered ones by their codes; nominal columns are left
        out. That of a text is its number of tokens. A modality is missing in a row where it
        has no seen cell.

    Raises
    ------
    SettingError
        When a modality has nominal columns only.

    Examples
    --------
    >>> spec = DataSpec.continuous(3).with_blocks({"two": ["x0", "x1"]})
    >>> values = np.array([[0.0, 8.0, 5.0], [2.0, np.nan, 6.0], [np.nan, np.nan, 7.0]])
    >>> grouped, encoded = score_blocks(spec, Encoded(values, np.isnan(values)))
    >>> grouped.names
    ['two', 'x2']
    >>> encoded.values
    array([[-0.5,  5. ],
           [ 1. ,  6. ],
           [ nan,  7. ]])
    """
    x = _standardised(spec, encoded.values)
    columns, values, missing = [], [], []
    for block in spec.modalities:
        places = list(block.columns)
        absent = np.all(encoded.missing[:, places], axis=1)
        if len(places) == 1:
            columns.append(spec.columns[places[0]])
            values.append(encoded.values[:, places[0]])
        else:
            columns.append(Column(block.name, "continuous"))
            score = _score(spec, block, x, encoded.values) if scores else np.zeros(len(x))
            values.append(np.where(absent, np.nan, score))
        missing.append(absent)
    grouped = DataSpec(tuple(columns))
    return grouped, Encoded(np.stack(values, 1), np.stack(missing, 1))


def _score(spec: DataSpec, block: Block, x: np.ndarray, values: np.ndarray) -> np.ndarray:
    places = list(block.columns)
    if block.tokens:
        # Code 0 is the end of a text.
        return (np.nan_to_num(values[:, places]) > 0).sum(1).astype(float)
    scored = [j for j in places if spec.columns[j].kind != "nominal"]
    if not scored:
        raise SettingError(
            f"Got modality {block.name!r} whose {len(places)} columns are nominal. Expected one "
            "with an order, of which high or low values exist: use 'mcar', or group others."
        )
    seen = ~np.isnan(x[:, scored])
    return np.nan_to_num(x[:, scored]).sum(1) / np.maximum(seen.sum(1), 1)


def _standardised(spec: DataSpec, values: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and deviation 1 over seen cells, NaN where missing."""
    x = Units.fit(spec, values).to_model(values)
    for j, column in enumerate(spec.columns):
        seen = x[~np.isnan(x[:, j]), j]
        if column.kind in CATEGORICAL and seen.size:
            x[:, j] = (x[:, j] - seen.mean()) / (seen.std() or 1.0)
        elif column.constant is not None:
            x[:, j] *= 0.0
    return x


def put_back(holes: np.ndarray, missing: np.ndarray, generator: torch.Generator) -> np.ndarray:
    """Holes after one modality, at random, was put back in rows that lost their last.

    Parameters
    ----------
    holes, missing : bool array of shape (n, g)
        Modalities that go missing, and those that were.
    generator : torch.Generator
        For the choice among a row's holes.

    Examples
    --------
    >>> holes, missing = np.array([[True, True], [True, False]]), np.zeros((2, 2), dtype=bool)
    >>> put_back(holes, missing, torch.Generator().manual_seed(0)).sum(1)
    array([1, 1])
    """
    new = holes & ~missing
    lost = (holes | missing).all(1) & new.any(1)
    order = torch.rand(holes.shape, generator=generator).numpy()
    back = np.where(new, order, -np.inf).argmax(1)
    out = holes.copy()
    out[lost, back[lost]] = False
    return out


def spread(spec: DataSpec, holes: np.ndarray) -> np.ndarray:
    """Holes of columns (n, p) from those of modalities (n, g).

    Examples
    --------
    >>> spec = DataSpec.continuous(3).with_blocks({"two": ["x0", "x2"]})
    >>> spread(spec, np.array([[True, False]]))
    array([[ True, False,  True]])
    """
    out = np.zeros((len(holes), spec.n_columns), dtype=bool)
    for block, lost in zip(spec.modalities, holes.T, strict=True):
        out[:, list(block.columns)] = lost[:, None]
    return out
