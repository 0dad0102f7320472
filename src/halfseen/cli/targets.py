"""A table's column as a target: taken out of a table, and written as predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from halfseen.cli.files import Job, split_suffix
from halfseen.errors import ColumnError, SettingError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["FEW_CLASSES", "Labelled", "predictions", "split_target", "worded"]

TASKS = ("classification", "regression", "auto")
#: Most distinct whole numbers that are taken for classes.
FEW_CLASSES = 10


@dataclass(frozen=True, eq=False)
class Labelled:
    """A table and the column to be predicted from it.

    Parameters
    ----------
    table : pyarrow.Table
        The columns to predict from.
    y : pandas.Series of objects of shape (n,)
        Labels, None where missing; its name is the column's.
    task : {"classification", "regression"}
        What kind of label it is.
    kinds : mapping, optional
        Kinds of the columns of ``table`` that the user knows better.
    """

    table: pa.Table
    y: pd.Series
    task: str
    kinds: Mapping[str, Any] | None = None

    @property
    def known(self) -> np.ndarray:
        """Rows with a label, bool of shape (n,)."""
        return self.y.notna().to_numpy()

    @property
    def n_known(self) -> int:
        """How many."""
        return int(self.known.sum())

    def take(self, rows: np.ndarray) -> Labelled:
        """Some rows."""
        y = self.y.iloc[rows].reset_index(drop=True)
        return Labelled(self.table.take(rows), y, self.task, self.kinds)


def split_target(job: Job, target: str, task: str, columns: Path | None = None) -> Labelled:
    """Take the target out of a table.

    Parameters
    ----------
    job : Job
        The table, without the columns that are ignored.
    target : str
        Name of the column.
    task : {"classification", "regression", "auto"}
        What it is; "auto" looks at its kind in ``columns``, then at its values.
    columns : Path, optional
        File with kinds of columns, the target's too if it is there.
    """
    from halfseen.core.spec import CATEGORICAL
    from halfseen.tables import read_kinds

    if task not in TASKS:
        raise SettingError(f"Got --task {task}. Expected one of {', '.join(TASKS)}.")
    y = _labels(job, target)
    kinds = None if columns is None else dict(read_kinds(columns))
    said = kinds.pop(target, None) if kinds else None
    if task == "auto" and said is not None:
        kind = said if isinstance(said, str) else said["kind"]
        task = "classification" if kind in CATEGORICAL else "regression"
    table = job.table.drop_columns([target])
    if not table.num_columns:
        raise ColumnError(f"{job.path} has no column beside {target!r} to predict from.")
    return Labelled(table, y, _likely(y) if task == "auto" else task, kinds)


def _labels(job: Job, target: str) -> pd.Series:
    import pandas as pd

    from halfseen.core.words import closest

    names = job.source.table.column_names
    if target not in names:
        raise ColumnError(f"{job.path} has no column {target!r}.{closest(target, names)}")
    if target in job.ignored:
        raise SettingError(f"Got --target {target} and --ignore {target}. Expected only one.")
    cells = [
        float(cell) if isinstance(cell, Decimal) else cell
        for cell in job.table.column(target).to_pylist()
    ]
    y = pd.Series(cells, dtype=object, name=target)
    strange = {type(cell).__name__ for cell in y[y.notna()] if not _usable(cell)}
    if strange:
        raise ColumnError(
            f"Column {target!r} holds {' and '.join(sorted(strange))}. Expected numbers, text or "
            "truth values to predict."
        )
    if not y.notna().any():
        raise ColumnError(
            f"Column {target!r} has no observed value to learn from. Expected one in some rows: "
            "choose another target."
        )
    return y.where(y.notna(), None)


def _usable(cell: Any) -> bool:
    return isinstance(cell, (bool, int, float, str))


def _likely(y: pd.Series) -> str:
    """Classes, where labels are no numbers or few whole ones."""
    known = y[y.notna()]
    if any(isinstance(cell, (bool, str)) for cell in known):
        return "classification"
    numbers = known.to_numpy(dtype=float)
    whole = bool((numbers == np.rint(numbers)).all())
    few = len(np.unique(numbers)) <= FEW_CLASSES
    return "classification" if whole and few else "regression"


def predictions(
    estimator: Any, job: Job, interval: float, output: Path
) -> tuple[pa.Table, str | None]:
    """A table of predictions, and what separates its cells where it is text.

    Parameters
    ----------
    estimator : fitted classifier or regressor
        Names its columns, and its target if it knows it.
    job : Job
        The new table; columns may be in any order.
    interval : float
        Coverage of the interval of numbers.
    output : Path
        Whose format decides whether carried cells keep their text.
    """
    import pyarrow as pa

    from halfseen.tables.io import is_text

    table, names = job.source.table, list(estimator.codec_.spec.names)
    absent = [name for name in names if name not in table.column_names]
    if absent:
        raise ColumnError(f"{job.path} lacks columns {absent[:5]}, which the model looks at.")
    looked_at = {*names, estimator.target_name_}
    carried = [name for name in table.column_names if name not in looked_at]
    trained = worded(estimator.codec_, job).source.table.select(names)
    answers = _answers(estimator, trained, interval)
    both = [name for name in carried if name in answers]
    if both:
        raise ColumnError(f"{job.path} has a column {both[0]!r}, as OUT will have. Rename it.")
    same = split_suffix(output)[1].lower() == split_suffix(job.path)[1].lower()
    front = table if job.source.text is None or not is_text(output) else job.source.text
    columns = {name: front.column(name) for name in carried}
    columns |= {name: pa.array(values) for name, values in answers.items()}
    return pa.table(columns), job.source.delimiter if same else None


def worded(codec: Any, job: Job) -> Job:
    """The job with words where a model knows words, although all of them look like numbers.

    Parameters
    ----------
    codec : TableCodec
        Of the model.
    job : Job
        A table; only that of a file of text can have lost words.
    """
    import pyarrow.compute as pc

    table, text = job.source.table, job.source.text
    if text is None:
        return job
    for place, name in enumerate(table.column_names):
        levels = getattr(codec, "levels", {}).get(name, [])
        cells = table.column(place)
        if any(isinstance(level, str) for level in levels) and not _is_text(cells.type):
            words = pc.if_else(cells.is_valid(), text.column(place), None)
            table = table.set_column(place, name, words)
    return replace(job, source=replace(job.source, table=table))


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow.types as types

    return types.is_string(kind) or types.is_large_string(kind) or types.is_dictionary(kind)


def _answers(estimator: Any, table: pa.Table, interval: float) -> dict[str, list[Any]]:
    """Columns of answers by name."""
    if estimator.card.task == "classification":
        proba = estimator.predict_proba(table)
        labels = estimator.classes_[proba.argmax(1)]
        classes = estimator.classes_.tolist()
        chances = {f"probability_{c}": proba[:, i].tolist() for i, c in enumerate(classes)}
        return {"prediction": labels.tolist(), **chances}
    ends = estimator.predict_interval(table, interval)
    return {
        "prediction": estimator.predict(table).tolist(),
        "lower": ends[:, 0].tolist(),
        "upper": ends[:, 1].tolist(),
    }
