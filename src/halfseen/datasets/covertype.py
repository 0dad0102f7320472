"""Forest cover: a balanced subset from a local file, or a draw of the full table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from halfseen.datasets.folders import data_folder, local_file
from halfseen.errors import FileFormatError

__all__ = ["COVERTYPE", "load_covertype"]

#: Names of the columns, the target last.
COVERTYPE: tuple[str, ...] = (
    "Elevation", "Aspect", "Slope", "Horizontal_Distance_To_Hydrology",
    "Vertical_Distance_To_Hydrology", "Horizontal_Distance_To_Roadways", "Hillshade_9am",
    "Hillshade_Noon", "Hillshade_3pm", "Horizontal_Distance_To_Fire_Points",
    *(f"Wilderness_Area{k}" for k in range(1, 5)),
    *(f"Soil_Type{k}" for k in range(1, 41)),
    "Cover_Type",
)  # fmt: skip
SUBSET_ROWS, FULL_ROWS = 15_120, 581_012
DRAWN_ROWS, DRAW_SEED = 20_000, 42


def load_covertype(data: str | Path | None = None, *, full: bool = False) -> pd.DataFrame:
    """Load forest cover types: 54 columns and the target, which is one of 7 classes.

    Parameters
    ----------
    data : str or Path, optional
        Where ``covertype_15120.parquet`` (or ``.csv``) lies, itself or in ``tables`` below it;
        by default the environment's HALFSEEN_DATA. Not read if ``full``.
    full : bool, default=False
        Whether to ask OpenML for the table of 581 012 rows ("covertype", version 3), which
        scikit-learn keeps in its own folder, and to draw 20 000 of them with seed 42.

    Returns
    -------
    pandas.DataFrame of shape (15120, 55) or (20000, 55)
        ``Cover_Type``, 1 to 7, is last. Ten columns are numbers, 44 are indicators.

    Raises
    ------
    FileNotFoundError
        When there is no local file and ``full`` is false.
    FileFormatError
        When the table is not the expected one.

    Notes
    -----
    Blackard (1998), Covertype; CC BY 4.0. The two are different tasks, whose accuracies cannot
    be compared: the local subset has 2160 rows of each class and raw units; in the full table
    two classes make up 85 % of the rows, and numbers are scaled to [0, 1].
    """
    if full:
        return _draw(_checked(_published(), FULL_ROWS, "OpenML"))
    root = data_folder(data)
    path = local_file(root, "tables", "covertype_15120.parquet", "covertype_15120.csv")
    if path is None:
        raise FileNotFoundError(
            f"No covertype_15120.parquet in {root} or {root / 'tables'}. Set HALFSEEN_DATA to "
            "the folder that has it, or pass full=True to draw rows of the table at OpenML."
        )
    read = pd.read_parquet if path.suffix == ".parquet" else pd.read_csv
    return _checked(read(path), SUBSET_ROWS, str(path))


def _published() -> pd.DataFrame:
    """The table at OpenML: our columns in our order, under names that are the publisher's."""
    from sklearn.datasets import fetch_openml

    bunch = fetch_openml(name="covertype", version=3, as_frame=True, parser="auto")
    table = bunch.data.astype(np.float64)
    if table.shape[1] == len(COVERTYPE) - 1:
        table.columns = list(COVERTYPE[:-1])
    return table.assign(Cover_Type=bunch.target.astype(np.int64).to_numpy())


def _draw(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that the published comparison drew."""
    rows = np.random.default_rng(DRAW_SEED).choice(len(table), size=DRAWN_ROWS, replace=False)
    return table.iloc[rows].reset_index(drop=True)


def _checked(table: pd.DataFrame, n_rows: int, origin: str) -> pd.DataFrame:
    if tuple(table.columns) != COVERTYPE or len(table) != n_rows:
        raise FileFormatError(
            f"Got a table of shape {table.shape} with columns {list(table.columns)} from "
            f"{origin}. Expected {n_rows} rows and {list(COVERTYPE)}."
        )
    return table
