"""What a mechanism has learned, as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from halfseen.core.spec import DataSpec
from halfseen.core.units import IDENTITY, Units

if TYPE_CHECKING:
    import pandas as pd

    from halfseen.mechanisms.base import LogitMechanism
    from halfseen.mechanisms.self_masking import SelfMasking

__all__ = ["effect_summary", "self_masking_summary"]

Levels = Mapping[str, Sequence[Any]] | None
NUMERIC_PARTS = ("slope", "location", "p_missing_low", "p_missing_high")
HEADER = [
    "column",
    "category",
    "direction",
    "sign_agreement",
    *(f"{part}{end}" for part in NUMERIC_PARTS[:2] for end in ("", "_min", "_max")),
    *NUMERIC_PARTS[2:],
    *(f"p_missing{end}" for end in ("", "_min", "_max")),
]


@torch.no_grad()
def self_masking_summary(
    mechanism: SelfMasking, spec: DataSpec, units: Units, levels: Levels = None
) -> pd.DataFrame:
    """What self-masking says of every column that misses cells.

    Parameters
    ----------
    mechanism : SelfMasking
        Bound to the table.
    spec : DataSpec
        The p columns.
    units : Units
        From model units to data units.
    levels : mapping of str to sequence, optional
        Labels of the categories; by default their codes.

    Returns
    -------
    pandas.DataFrame
        One row per numeric column and per category, one for all pixels of images that share
        their slope and location. Numeric columns: ``direction`` ("high"
        or "low" values go missing) and the share of members that agree with it, the slope
        per data unit (NaN where the change of units is curved), the location in data units,
        and the probability of a missing cell one scale below and above the centre of the
        units (the seen mean and standard deviation). Categories: their probability of a
        missing cell. Averages over members; ``_min`` and ``_max`` give the range.
    """
    import pandas as pd

    locations = units.to_data(_numpy(mechanism.locations()))
    rows: list[dict[str, Any]] = []
    places = torch.nonzero(mechanism.incomplete)[:, 0].tolist()
    if mechanism.tied and spec.shape is not None:
        [row] = [_numeric_row(mechanism, spec, units, j, locations[:, j]) for j in places[:1]]
        return pd.DataFrame([{**row, "column": "all pixels"}], columns=HEADER)
    for j in places:
        if spec.columns[j].categorical:
            rows += _category_rows(mechanism, spec, j, levels)
        else:
            rows.append(_numeric_row(mechanism, spec, units, j, locations[:, j]))
    return pd.DataFrame(rows, columns=HEADER)


def _numeric_row(
    mechanism: SelfMasking, spec: DataSpec, units: Units, j: int, location: np.ndarray
) -> dict[str, Any]:
    slope, center = mechanism.slopes()[:, j], mechanism.locations()[:, j]
    high_share = float((slope > 0).double().mean())
    per_unit = _numpy(slope) / units.scale[j] if units.map_code[j] == IDENTITY else np.nan
    chance = {
        part: float(mechanism.log_missing(slope * (x - center)).exp().mean())
        for part, x in (("p_missing_low", -1.0), ("p_missing_high", 1.0))
    }
    return {
        "column": spec.columns[j].name,
        "direction": "high" if high_share >= 0.5 else "low",
        "sign_agreement": max(high_share, 1 - high_share),
        **_range("slope", per_unit),
        **_range("location", location),
        **chance,
    }


def _category_rows(
    mechanism: SelfMasking, spec: DataSpec, j: int, levels: Levels
) -> list[dict[str, Any]]:
    chance = _numpy(
        torch.sigmoid(mechanism.level_logits[:, spec.offsets[j] : spec.offsets[j + 1]])
    )
    name = spec.columns[j].name
    return [
        {"column": name, "category": label, **_range("p_missing", chance[:, code])}
        for code, label in enumerate(_labels(spec, j, levels))
    ]


def _labels(spec: DataSpec, j: int, levels: Levels) -> list[Any]:
    """Labels of a column's categories, its codes where labels are unknown."""
    column = spec.columns[j]
    known = list((levels or {}).get(column.name, ()))
    return [known[code] if code < len(known) else code for code in range(column.width)]


def _range(name: str, values: np.ndarray | float) -> dict[str, float]:
    values = np.asarray(values, dtype=float)
    return {
        name: float(values.mean()),
        f"{name}_min": float(values.min()),
        f"{name}_max": float(values.max()),
    }


def _numpy(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().double().numpy()


@torch.no_grad()
def effect_summary(
    mechanism: LogitMechanism, spec: DataSpec, levels: Levels = None
) -> pd.DataFrame:
    """Average effect of every feature on the logit of a missing cell.

    Parameters
    ----------
    mechanism : LogitMechanism
        Bound to the table.
    spec : DataSpec
        The p columns.
    levels : mapping of str to sequence, optional
        Labels of the categories; by default their codes.

    Returns
    -------
    pandas.DataFrame
        One row per column that misses cells, one column per feature: the change of the logit
        per model unit between -1 and 1 (numeric), or for a category against none, with all
        other features at 0, averaged over members. For a linear mechanism: its coefficients.
    """
    import pandas as pd

    numeric = torch.tensor([not c.categorical for c in spec.columns for _ in range(c.width)])
    eye = torch.eye(spec.n_features, device=mechanism.incomplete.device)
    low = -eye * numeric.to(eye)[:, None]
    width = torch.where(numeric, 2.0, 1.0).to(eye)[:, None]
    effect = -(mechanism.logits(eye[None, None]) - mechanism.logits(low[None, None])) / width
    names = [
        c.name if not c.categorical else f"{c.name}={label}"
        for j, c in enumerate(spec.columns)
        for label in (_labels(spec, j, levels) if c.categorical else [None])
    ]
    table = _numpy(effect).reshape(-1, spec.n_features, spec.n_columns).mean(0).T
    frame = pd.DataFrame(table, index=spec.names, columns=names)
    return frame[_numpy(mechanism.incomplete) > 0]
