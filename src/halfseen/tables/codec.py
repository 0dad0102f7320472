"""Between a user's table and the numbers a model sees, and back without touching a seen cell."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen.core.spec import Column, DataSpec
from halfseen.core.stored import entries, member, strings
from halfseen.errors import ColumnError, UnseenCategoryWarning
from halfseen.tables.containers import Container, Fill, blank_table, exact_table, open_table
from halfseen.tables.kinds import check_support, infer_column, refusal
from halfseen.tables.raw import Level, Raw
from halfseen.tables.settings import check_kinds
from halfseen.tables.stored_record import check_record, stored_levels

__all__ = ["Encoded", "TableCodec"]


@dataclass(frozen=True, eq=False)
class Encoded:
    """A table as numbers.

    Parameters
    ----------
    values : ndarray of float64 of shape (n, p)
        Cells in data units, or codes of categories; NaN where the model has nothing to see.
    missing : ndarray of bool of shape (n, p)
        Cells that the table does not hold. A category that was not seen in fit is NaN in
        ``values`` but not missing, so that it is never overwritten.
    """

    values: np.ndarray
    missing: np.ndarray


class TableCodec:
    """Encode any table as numbers, and put completed numbers back into its missing cells.

    Attributes
    ----------
    spec : DataSpec
        The columns as a model sees them.
    feature_names : list of str or None
        Names of the columns, None for arrays and for names that are not all text.
    levels : dict of str to list
        Categories of each categorical column, in the order of their codes.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"age": [31.0, None], "city": ["Rome", "Oslo"]})
    >>> codec = TableCodec().fit(table)
    >>> codec.encode(table).values
    array([[31.,  1.], [nan,  0.]])
    >>> codec.restore(table, np.array([[0.0, 0.0], [40.0, 0.0]]))
        age  city
    0  31.0  Rome
    1  40.0  Oslo
    """

    spec: DataSpec
    feature_names: list[str] | None
    levels: dict[str, list[Level]]
    _record: Mapping[str, Any]

    @property
    def labelled(self) -> bool:
        """Whether columns have labels that the user gave, of any type: those of arrays have none.

        Examples
        --------
        >>> TableCodec().fit([[1.0, 2.0], [3.0, 4.0]]).labelled
        False
        """
        return self._record["container"] not in ("array", "tensor")

    def fit(
        self,
        table: Any,
        kinds: Mapping[str, Any] | None = None,
        keep_empty_features: bool = False,
    ) -> TableCodec:
        """Learn kinds, categories and names of the columns.

        Parameters
        ----------
        table : DataFrame, pyarrow.Table or array-like of shape (n, p)
            The table; NaN or null is missing.
        kinds : mapping, optional
            Kinds that the user knows better: from name to kind, or to a mapping with the
            keys ``kind``, ``levels``, ``lower``, ``upper``.
        keep_empty_features : bool
            Whether a column without any observed value is kept and filled with a constant:
            0, the first category, ``False``, or ``"missing"`` in a column of text.

        Returns
        -------
        TableCodec
            Itself.
        """
        container = open_table(table)
        settings = check_kinds(kinds, container.names)
        columns: list[Column] = []
        levels: dict[str, list[Level]] = {}
        for place, name in enumerate(container.names):
            column, found = infer_column(
                container.raw(place), settings.get(name), container.plain, keep_empty_features
            )
            columns.append(column)
            if column.categorical:
                levels[name] = found
        self.spec, self.levels = DataSpec(tuple(columns)), levels
        self.feature_names = container.feature_names
        self._record = container.record()
        return self

    def encode(self, table: Any) -> Encoded:
        """Turn a table with the columns of fit into numbers.

        Parameters
        ----------
        table : DataFrame, pyarrow.Table or array-like of shape (n, p)
            The table; names must be those of fit, in the same order.

        Returns
        -------
        Encoded
            Values and the mask of missing cells.
        """
        container = self._open(table)
        values = np.empty(container.shape)
        missing = np.empty(container.shape, dtype=bool)
        for place, column in enumerate(self.spec.columns):
            raw = container.raw(place)
            missing[:, place] = raw.missing
            values[:, place] = self._encode_column(column, raw)
        return Encoded(values, missing)

    def restore(self, table: Any, filled: np.ndarray) -> Any:
        """Copy of the table with its missing cells, and no others, filled.

        Parameters
        ----------
        table : DataFrame, pyarrow.Table or array-like of shape (n, p)
            The table that was encoded; it is not changed.
        filled : array-like of shape (n, p)
            Completed values in data units and codes. Where it is NaN a missing cell stays
            missing; where the table has a value it is not read.

        Returns
        -------
        same as table
            Column types are kept: in integer columns values are rounded half to even and
            clipped into the type's range, float columns stay float, and categories that the
            type lacks are added to it. Lists come back as arrays.
        """
        container = self._open(table)
        filled = np.asarray(filled, dtype=np.float64)
        if filled.shape != container.shape:
            raise ValueError(
                f"Got filled values of shape {filled.shape}. Expected the shape of the table, "
                f"{container.shape}."
            )
        fills = {}
        for place, column in enumerate(self.spec.columns):
            where = container.raw(place).missing & ~np.isnan(filled[:, place])
            if where.any():
                fills[place] = Fill(where, self._decode(column, filled[where, place]))
        return container.replace(fills)

    def template(self, n: int) -> Any:
        """A table of ``n`` rows without a single cell, like that of fit.

        Parameters
        ----------
        n : int
            Number of rows.

        Returns
        -------
        same as the table of fit
            What :meth:`restore` fills. Columns whose type cannot hold a missing cell have the
            nearest one that can, such as ``Int64`` of pandas for ``int64``.
        """
        return blank_table(self._record, n)

    def create(self, values: np.ndarray) -> Any:
        """A new table like that of fit, in its very types.

        Parameters
        ----------
        values : array of shape (n, p)
            Cells in data units and codes. Where one is NaN the cell is missing, and its column
            has the type that it has in :meth:`template`.

        Examples
        --------
        >>> import pandas as pd
        >>> codec = TableCodec().fit(pd.DataFrame({"age": [31, 40], "city": ["Rome", "Oslo"]}))
        >>> codec.create(np.array([[35.2, 0.0]]))
           age  city
        0   35  Oslo
        """
        return exact_table(self.restore(self.template(len(values)), values), self._record)

    def to_json(self) -> dict[str, Any]:
        """All that is needed to encode and restore new tables, as plain values.

        Examples
        --------
        >>> codec = TableCodec().fit([[1.0, 2.0], [3.0, 4.0]])
        >>> TableCodec.from_json(codec.to_json()).spec == codec.spec
        True
        """
        return {
            "columns": self.spec.to_json(),
            "feature_names": self.feature_names,
            "levels": self.levels,
            "record": self._record,
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> TableCodec:
        """Inverse of :meth:`to_json`."""
        codec = cls()
        codec.spec = DataSpec.from_json(entries(state, "columns"))
        n = codec.spec.n_columns
        named = member(state, "feature_names") is not None
        codec.feature_names = strings(state, "feature_names", n) if named else None
        codec.levels = stored_levels(codec.spec, member(state, "levels"))
        codec._record = state.get("record") or codec._plain_record()
        check_record(codec._record, n)
        return codec

    def _plain_record(self) -> dict[str, Any]:
        """A container for files that say nothing of it."""
        columns = self.spec.columns
        types = ["object" if column.categorical else "float64" for column in columns]
        if self.feature_names is None:
            dtype = np.dtype("object" if "object" in types else "float64").str
            return {"container": "array", "dtype": dtype, "n_columns": len(columns)}
        named = [{"dtype": dtype} for dtype in types]
        return {"container": "pandas", "labels": self.feature_names, "columns": named}

    def _open(self, table: Any) -> Container:
        container = open_table(table)
        names = container.feature_names
        if names is not None and self.feature_names is not None and names != self.feature_names:
            raise ColumnError(_name_trouble(names, self.feature_names))
        n_columns = container.shape[1]
        if n_columns != self.spec.n_columns:
            raise ColumnError(
                f"X has {n_columns} features, but {type(self).__name__} is expecting "
                f"{self.spec.n_columns} features as input. Pass the columns of fit, in their "
                "order."
            )
        return container

    def _encode_column(self, column: Column, raw: Raw) -> np.ndarray:
        refused = refusal(raw, keep_empty=True, keep_text=True)
        if refused is not None:
            raise refused.error()
        if column.categorical:
            _check_labels(raw, self.levels[column.name])
            return _encode_labels(raw, self.levels[column.name])
        if raw.n_seen == 0:
            return np.full(len(raw.missing), np.nan)
        if raw.numbers is None:
            raise ColumnError(
                f"Column {column.name!r} holds text ({raw.dtype}). Expected numbers, as in fit: "
                "convert it."
            )
        check_support(column, raw)
        return raw.numbers

    def _decode(self, column: Column, values: np.ndarray) -> np.ndarray | list[Level]:
        if not np.isfinite(values).all():
            raise ValueError(
                f"Got infinite filled values for column {column.name!r}. Expected finite ones."
            )
        if not column.categorical:
            return np.rint(values) if column.integer else values
        levels = self.levels[column.name]
        codes = np.clip(np.rint(values), 0, len(levels) - 1).astype(np.intp)
        return [levels[code] for code in codes]


def _check_labels(raw: Raw, levels: list[Level]) -> None:
    """Refuse numbers where text was seen in fit, and text where none was."""
    if raw.n_seen == 0:
        return
    text = [isinstance(level, str) for level in levels]
    if raw.numbers is not None and all(text):
        held, meant = "numbers or truth values", "text"
    elif raw.tag == "text" and not any(text):
        held, meant = "text", f"numbers or truth values such as {levels[0]!r}"
    else:
        return
    raise ColumnError(
        f"Column {raw.name!r} holds {held} ({raw.dtype}). Expected {meant}, as in fit: convert it."
    )


def _encode_labels(raw: Raw, levels: list[Level]) -> np.ndarray:
    if raw.n_seen == 0:
        return np.full(len(raw.missing), np.nan)
    codes, labels = raw.coded()
    code_of = {level: float(code) for code, level in enumerate(levels)}
    # The last place answers for code -1, a missing cell.
    coded = np.array([*(code_of.get(label, np.nan) for label in labels), np.nan])
    unseen = [label for label in raw.seen_labels() if label not in code_of]
    if unseen:
        _warn_unseen(raw.name, unseen)
    return coded[codes]


def _warn_unseen(name: str, unseen: list[Level]) -> None:
    more = f" and {len(unseen) - 5} more" if len(unseen) > 5 else ""
    warnings.warn(
        f"Column {name!r} holds categories that were not seen in fit: "
        f"{', '.join(map(repr, unseen[:5]))}{more}. They are kept in the output, and read as "
        "missing by the model; fit again with them if they matter.",
        UnseenCategoryWarning,
        stacklevel=5,
    )


def _name_trouble(names: list[str], fitted: list[str]) -> str:
    # The wording is scikit-learn's, which its checks of estimators look for.
    message = "The feature names should match those that were passed during fit.\n"
    unseen = [name for name in names if name not in fitted]
    absent = [name for name in fitted if name not in names]
    if unseen:
        message += "Feature names unseen at fit time:\n" + _listed(unseen)
    if absent:
        message += "Feature names seen at fit time, yet now missing:\n" + _listed(absent)
    if not unseen and not absent:
        message += "Feature names must be in the same order as they were in fit.\n"
    return message + "Pass the columns of fit, in their order, and no others."


def _listed(names: list[str], most: int = 5) -> str:
    lines = [f"- {name}\n" for name in sorted(names)[:most]]
    return "".join([*lines, "- ...\n"] if len(names) > most else lines)
