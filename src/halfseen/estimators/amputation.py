"""Make holes in a complete table or in pictures: the mirror image of imputation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import narwhals.dependencies as nwd
import numpy as np
import torch
from torch import Tensor

from halfseen.core.features import Features
from halfseen.core.noise import RandomState, new_generator, seed_from
from halfseen.core.spec import DataSpec
from halfseen.core.units import Units
from halfseen.errors import SettingError
from halfseen.mechanisms import (
    MAR,
    MCAR,
    Calibrates,
    HardSelfMasking,
    Mechanism,
    MNARLogistic,
    SelfMasking,
)
from halfseen.mechanisms.calibration import check_rate
from halfseen.mechanisms.images import IMAGE_MASKS, ImageMask
from halfseen.tables.choice import codec_for
from halfseen.tables.codec import Encoded, TableCodec
from halfseen.tables.containers import open_table

__all__ = ["ampute"]

Columns = str | int | Sequence[str | int] | None


def ampute(
    X: Any,
    mechanism: str | Mechanism | ImageMask = "mcar",
    *,
    rate: float | None = None,
    columns: Columns = None,
    direction: Any = "high",
    random_state: RandomState = None,
    return_mask: bool = False,
) -> Any:
    """Copy of a table, or of pictures, in which cells are missing by a mechanism.

    Parameters
    ----------
    X : DataFrame, pyarrow.Table or array-like of shape (n, p), or array of shape (n, c, h, w)
        The table, or pictures as an array or tensor of floats; pictures of bytes are refused.
        Cells that are missing already stay so, and do not count.
    mechanism : str, Mechanism or ImageMask, default="mcar"
        Why cells go missing:

        - "mcar": each with the same probability;
        - "mar": depending on columns that stay whole: those left out of ``columns``, or a
          random half of all columns;
        - "self-masking": depending on the own value, softly; in a categorical column a random
          half of the categories goes missing more often;
        - "self-masking-hard": exactly when the value is above the column's mean or, with a
          ``rate``, above the quantile 1 - ``rate``; in a categorical column whole categories;
        - "mnar-logistic": depending on the whole row, with random coefficients.

        In pictures these see each value of each channel as a column. Pictures also know, in all
        channels together:

        - "dropout": each pixel with the same probability;
        - "square": a square hole; "block": all but a square; "rectangle": a rectangular hole of
          random shape; each at a random place.

        Or a mechanism. It is bound to the table and calibrated in place, so that its parameters
        can be read afterwards, in units of standardised columns. Or, for pictures, a mask of
        :mod:`halfseen.mechanisms`, which is used as it is.
    rate : float, optional
        Share of cells that go missing in every column that can lose cells. Default: what
        the mechanism says, else 0.3. "self-masking-hard" has it exactly but for ties, "square"
        and "block" up to whole pixels, the others in expectation.
    columns : name, index, or list of these, optional
        Where holes are made; by default in all columns. Values of pictures are counted along
        channel, row and column.
    direction : {"high", "low"}, default="high"
        Which values go missing under the two kinds of self-masking chosen by name; for
        "self-masking" also "unknown" (random) or a mapping from names.
    random_state : int, RandomState, Generator or None, default=None
        Seed. Global random states are never touched.
    return_mask : bool, default=False
        Whether to return the mask too.

    Returns
    -------
    table : same as X
        Columns keep their types where these can hold a missing cell. Those that lose cells
        and cannot hold one change: pandas integers become ``Int64`` (or the like), pandas
        booleans ``boolean``, integer and boolean arrays float, arrays of text object.
    mask : ndarray of bool of shape (n, p) or (n, c, h, w)
        True where a cell is observed. Only if ``return_mask``.

    Notes
    -----
    Rows and columns may lose all their cells; none is put back silently. Numbers are numbers
    here, even whole ones. Columns that no model can read, such as dates, are refused.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"age": [20, 30, 40, 90], "city": ["Rome", "Oslo", "Rome", "Bern"]})
    >>> ampute(table, "self-masking-hard", columns="age")
        age  city
    0    20  Rome
    1    30  Oslo
    2    40  Rome
    3  <NA>  Bern
    """
    codec = codec_for(X)
    kinds = _numeric_kinds(X) if isinstance(codec, TableCodec) else None
    encoded = codec.fit(X, kinds=kinds, keep_empty_features=True).encode(X)
    chosen = torch.from_numpy(_chosen(codec.spec, columns))
    law, rate = _law(mechanism, rate, direction, codec.spec)
    generator = new_generator(seed_from(random_state))
    if isinstance(law, ImageMask):
        holes = _image_holes(law, codec.spec, encoded, generator)
    else:
        law.bind(codec.spec, chosen, 1, generator)
        holes = _holes(law, rate, codec.spec, encoded, generator)
    holes &= chosen.numpy() & ~encoded.missing
    seen = ~(holes | encoded.missing)
    shape = codec.spec.shape
    if shape is not None:
        holes, seen = holes.reshape(-1, *shape), seen.reshape(-1, *shape)
    table = _blank(X, holes)
    return (table, seen) if return_mask else table


def _numeric_kinds(table: Any) -> dict[str, str]:
    """Numbers are numbers here, even when a model would call them counts or truth values."""
    container = open_table(table)
    tags = [container.raw(place).tag for place in range(container.shape[1])]
    pairs = zip(container.names, tags, strict=True)
    return {name: "continuous" for name, tag in pairs if tag in ("integer", "float")}


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


_BY_NAME: Mapping[str, Callable[[float | None, Any], Mechanism]] = {
    "mcar": lambda rate, direction: MCAR(),
    "mar": lambda rate, direction: MAR(),
    "self-masking": lambda rate, direction: SelfMasking(direction),
    "self-masking-hard": lambda rate, direction: HardSelfMasking(
        "mean" if rate is None else 1 - rate, direction=direction
    ),
    "mnar-logistic": lambda rate, direction: MNARLogistic(),
}


def _law(
    mechanism: str | Mechanism | ImageMask, rate: float | None, direction: Any, spec: DataSpec
) -> tuple[Mechanism | ImageMask, float | None]:
    """The mechanism, and the rate to calibrate it with."""
    rate = None if rate is None else check_rate(rate)
    pictures = spec.shape is not None
    if isinstance(mechanism, Mechanism) or (pictures and isinstance(mechanism, ImageMask)):
        if rate is not None and not isinstance(mechanism, Calibrates):
            raise SettingError(
                f"Got rate={rate!r} for {type(mechanism).__name__}, which has no method "
                "calibrate. Leave rate out: the mechanism's own parameters decide."
            )
        return mechanism, rate
    if isinstance(mechanism, str) and mechanism in _BY_NAME:
        return _BY_NAME[mechanism](rate, direction), rate
    if isinstance(mechanism, str) and mechanism in IMAGE_MASKS and pictures:
        return IMAGE_MASKS[mechanism](rate), rate
    raise SettingError(
        f"Got mechanism={mechanism!r}. Expected a Mechanism or one of {list(_BY_NAME)}; for "
        f"pictures of shape (n, c, h, w) also an ImageMask or one of {list(IMAGE_MASKS)}."
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


def _blank(table: Any, holes: np.ndarray) -> Any:
    """Copy of a table, or of pictures, without some of its cells."""
    if holes.ndim == 4:
        return _blank_pictures(table, holes)
    places = np.flatnonzero(holes.any(0)).tolist()
    if nwd.is_pandas_dataframe(table):
        return _blank_pandas(table, holes, places)
    if nwd.is_polars_dataframe(table):
        return _blank_polars(table, holes, places)
    if nwd.is_pyarrow_table(table):
        return _blank_arrow(table, holes, places)
    return _blank_array(table, holes)


def _blank_pictures(pictures: Any, holes: np.ndarray) -> Any:
    if isinstance(pictures, Tensor):
        where = torch.from_numpy(holes).to(pictures.device)
        return pictures.detach().masked_fill(where, torch.nan)
    out = np.array(pictures, copy=True)
    out[holes] = np.nan
    return out


def _blank_pandas(table: Any, holes: np.ndarray, places: list[int]) -> Any:
    import pandas as pd

    out = table.copy()
    for place in places:
        column = out.iloc[:, place]
        if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iub":
            column = column.astype(_nullable(column.dtype))
        cells = column.array.copy()
        own = not isinstance(cells.dtype, np.dtype)
        cells[holes[:, place]] = getattr(cells.dtype, "na_value", np.nan) if own else np.nan
        # With the type said, as pandas 3 would make text of an array of objects.
        out.isetitem(place, pd.Series(cells, index=out.index, dtype=cells.dtype))
    return out


def _nullable(dtype: np.dtype) -> str:
    """Name of the pandas type with missing cells: int64 to Int64, uint8 to UInt8."""
    if dtype.kind == "b":
        return "boolean"
    return dtype.name.replace("int", "Int").replace("u", "U")


def _blank_polars(table: Any, holes: np.ndarray, places: list[int]) -> Any:
    import polars as pl

    names = table.columns
    return table.with_columns(
        pl.when(pl.Series(~holes[:, place])).then(pl.col(names[place])).alias(names[place])
        for place in places
    )


def _blank_arrow(table: Any, holes: np.ndarray, places: list[int]) -> Any:
    import pyarrow as pa

    rows = np.arange(len(holes))
    for place in places:
        # Taking a null index gives a null, in columns of any type.
        column = table.column(place).take(pa.array(rows, mask=holes[:, place]))
        field = table.schema.field(place).with_nullable(True)
        table = table.set_column(place, field, column)
    return table


def _blank_array(table: Any, holes: np.ndarray) -> np.ndarray:
    from halfseen.tables.arrays import as_array

    array = as_array(table)
    kind = array.dtype.kind
    wide = {"i": np.float64, "u": np.float64, "b": np.float64, "U": object}.get(kind, array.dtype)
    out = array.astype(wide)
    out[holes] = np.nan
    return out
