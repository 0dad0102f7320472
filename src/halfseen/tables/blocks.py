"""Several modalities in and out: a table, images, texts, side by side, any of them absent."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from halfseen.core.spec import Block, Column, DataSpec
from halfseen.core.stored import entries, member, strings
from halfseen.errors import ColumnError, FileFormatError, SettingError
from halfseen.tables.codec import Encoded
from halfseen.tables.forms import Form, form_from_json, form_of
from halfseen.tables.parts import Part, choose_part, length, part_from_json
from halfseen.tables.raw import Level
from halfseen.tables.text import TextCodec

__all__ = ["BlockCodec", "count_rows"]


class BlockCodec:
    """Encode modalities side by side as one table, and complete each in its own container.

    A modality is a table (pandas, polars, pyarrow), an array or tensor of shape (n,), (n, d),
    (n, steps, d) (features of some steps, all of them columns) or (n, c, h, w), a Series, a list
    of texts, or a list of arrays with None in rows where it is absent. All have the same n rows.
    Str in a Series or an array of one axis are labels as in a table; where a table would refuse
    them as free text, as nearly all of them differ, they are texts.
    Columns are called ``lab.age`` (a table), ``lab.x0`` (an array), ``age`` (a modality of one
    number or label a row), ``picture.pixel[0,1,1]`` and ``note[0]`` (texts).

    Attributes
    ----------
    spec : DataSpec
        The columns of all modalities, each a block.
    parts : dict
        The codec of each modality.
    feature_names : list of str
        Names of the columns.
    levels : dict of str to list
        Categories of each categorical column, in the order of their codes.

    Examples
    --------
    >>> data = {"lab": np.array([[1.0, 2.0], [3.0, np.nan]]), "note": ["a cat", None]}
    >>> codec = BlockCodec().fit(data)
    >>> codec.spec.names
    ['lab.x0', 'lab.x1', 'note[0]', 'note[1]']
    >>> codec.encode(data).values
    array([[ 1.,  2.,  2.,  3.],
           [ 3., nan, nan, nan]])
    >>> codec.restore(data, np.tile([9.0, 5.0, 3.0, 0.0], (2, 1)))
    {'lab': array([[1., 2.],
           [3., 5.]]), 'note': ['a cat', 'cat']}
    """

    spec: DataSpec
    parts: dict[str, Part]
    feature_names: list[str] | None
    levels: dict[str, list[Level]]

    def fit(
        self,
        data: Any,
        kinds: Mapping[str, Any] | None = None,
        keep_empty_features: bool = False,
    ) -> BlockCodec:
        """Learn what each modality is.

        Parameters
        ----------
        data : mapping of str to modality
            At least one; each with some row in which it is seen.
        kinds : mapping, optional
            From the name of a modality to what its codec takes: kinds of columns for a table,
            one kind for a modality of one cell a row, and for texts
            ``{"kind": "text", "max_length": 8, "max_tokens": 200, "bag": False}``. Lists of
            str are texts unless they have another kind; Series and arrays of str are labels
            unless they have the kind "text", or are nearly all different.
        keep_empty_features : bool
            Whether columns of tables without any seen cell are kept, see :class:`TableCodec`.

        Returns
        -------
        BlockCodec
            Itself.

        Raises
        ------
        SettingError
            When kinds are for no modality, or a modality cannot take them.
        ColumnError
            When there is no modality, numbers of rows or indices differ, or a modality is never
            seen.
        """
        _check_names(data)
        count_rows(data)
        _check_labels(data)
        unknown = [name for name in kinds or {} if name not in data]
        if unknown:
            raise SettingError(
                f"Got kinds for {unknown}, which are no modalities. Expected some of {list(data)}."
            )
        self.parts, self._forms = {}, {}
        for name, block in data.items():
            with _noted(name):
                if block is None:
                    raise ColumnError(
                        f"Got None for {name!r} in fit. Expected some rows in which it is seen; "
                        "leave it out where there are none."
                    )
                said = (kinds or {}).get(name)
                part, form = choose_part(name, block, said)
                opened, said = _opened(form, block, said)
                self.parts[name] = part.fit(opened, said, keep_empty_features)
                self._forms[name] = form
        self._join()
        return self

    def _join(self) -> None:
        """The specification of all columns from those of the parts."""
        columns: list[Column] = []
        blocks: list[Block] = []
        self.levels = {}
        for name, part in self.parts.items():
            spec, start = part.spec, len(columns)
            names = [self._column_name(name, column) for column in spec.names]
            columns += [
                replace(column, name=new) for column, new in zip(spec.columns, names, strict=True)
            ]
            of = dict(zip(spec.names, names, strict=True))
            self.levels |= {of[column]: levels for column, levels in part.levels.items()}
            places = tuple(range(start, len(columns)))
            tokens = any(block.tokens for block in spec.blocks)
            blocks.append(Block(name, places, spec.shape, tokens))
        self.spec = DataSpec(tuple(columns), blocks=tuple(blocks))
        self.feature_names = self.spec.names
        twice = [name for name, count in Counter(self.spec.names).items() if count > 1]
        if twice:
            raise ColumnError(
                f"Got modalities whose columns have the same names, {twice[:5]}. Expected "
                "distinct ones: rename a modality."
            )

    def _column_name(self, name: str, column: str) -> str:
        if isinstance(self.parts[name], TextCodec):
            return column
        return name if self._forms[name].single else f"{name}.{column}"

    def encode(self, data: Any) -> Encoded:
        """Turn the modalities of fit into numbers.

        Parameters
        ----------
        data : mapping of str to modality
            The names of fit, in any order; None where a modality is wholly absent.

        Returns
        -------
        Encoded
            Values and the mask of missing cells, both (n, p).
        """
        n = self._check(data)
        encoded = []
        for name, part in self.parts.items():
            with _noted(name):
                block = self.template(n)[name] if data[name] is None else data[name]
                encoded.append(part.encode(self.form(name, block).open(block)))
        return Encoded(
            np.hstack([some.values for some in encoded]),
            np.hstack([some.missing for some in encoded]),
        )

    def restore(self, data: Any, filled: np.ndarray) -> dict[str, Any]:
        """Copy of the modalities with their missing cells, and no others, filled.

        Parameters
        ----------
        data : mapping of str to modality
            What was encoded; it is not changed.
        filled : array of shape (n, p)
            Completed values in data units and codes; NaN leaves a missing cell missing.

        Returns
        -------
        dict
            The names of ``data`` in their order, each modality in its own container. One that
            was None has that of fit. Rows of a list that did not change are the same objects.
        """
        n, filled = self._check(data), np.asarray(filled, dtype=np.float64)
        if filled.shape != (n, self.spec.n_columns):
            raise ValueError(
                f"Got filled values of shape {filled.shape}. Expected {(n, self.spec.n_columns)}."
            )
        out = {}
        for name, block in data.items():
            part, cells = self.parts[name], filled[:, self.places(name)]
            with _noted(name):
                if block is None:
                    out[name] = self._forms[name].close(part.create(cells))
                    continue
                form = self.form(name, block)
                out[name] = form.close(part.restore(form.open(block), cells), block)
        return out

    def template(self, n: int) -> dict[str, Any]:
        """``n`` rows in which every modality is absent, in containers like those of fit."""
        return {
            name: self._forms[name].close(part.template(n)) for name, part in self.parts.items()
        }

    def create(self, values: np.ndarray) -> dict[str, Any]:
        """Modalities of the kinds seen in fit, from values (n, p)."""
        return {
            name: self._forms[name].close(part.create(values[:, self.places(name)]))
            for name, part in self.parts.items()
        }

    def form(self, name: str, block: Any) -> Form:
        """How the container of a modality is opened and closed."""
        known = self._forms[name]
        return known if isinstance(self.parts[name], TextCodec) else form_of(block, known)

    def is_single(self, name: str) -> bool:
        """Whether a modality has one cell a row: a Series, or texts, seen or absent as a whole."""
        return isinstance(self.parts[name], TextCodec) or self._forms[name].single

    def row_shape(self, name: str) -> tuple[int, ...] | None:
        """Axes of a row of images, of steps of features, or of a list of arrays; else None."""
        return self.parts[name].spec.shape or getattr(self._forms[name], "shape", None)

    def places(self, name: str) -> list[int]:
        """Places of the columns of a modality."""
        [block] = [block for block in self.spec.blocks if block.name == name]
        return list(block.columns)

    def to_json(self) -> dict[str, Any]:
        """All that is needed to encode and restore new data, as plain values."""
        return {
            "blocks": [
                {"name": name, "form": self._forms[name].to_json(), "codec": part.to_json()}
                for name, part in self.parts.items()
            ]
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> BlockCodec:
        """Inverse of :meth:`to_json`."""
        codec = cls()
        blocks = entries(state, "blocks")
        names = strings({"names": [member(block, "name") for block in blocks]}, "names")
        if not names or len(set(names)) < len(names):
            raise FileFormatError(f"The file has modalities {names[:10]}. Expected distinct ones.")
        codec.parts = {block["name"]: part_from_json(member(block, "codec")) for block in blocks}
        codec._forms = {block["name"]: form_from_json(member(block, "form")) for block in blocks}
        codec._join()
        for name, part in codec.parts.items():
            shape = getattr(codec._forms[name], "shape", None)
            if shape is not None and math.prod(shape) != part.spec.n_columns:
                raise FileFormatError(
                    f"The file has rows of shape {list(shape)} for the {part.spec.n_columns} "
                    f"columns of {name[:40]!r}. Expected as many, as save() writes them."
                )
        return codec

    def _check(self, data: Any) -> int:
        """Number of rows of data with the modalities of fit."""
        _check_names(data)
        if set(data) != set(self.parts):
            unknown = [name for name in data if name not in self.parts]
            lacking = [name for name in self.parts if name not in data]
            raise ColumnError(
                f"Got modalities {list(data)}: {unknown} are not known from fit, and {lacking} "
                f"are lacking. Expected {list(self.parts)}, with None for one that is absent."
            )
        n = count_rows(data)
        _check_labels(data)
        return n


def _opened(form: Form, block: Any, kinds: Any) -> tuple[Any, Any]:
    """What a codec reads of a modality, and its kinds by column."""
    opened = form.open(block)
    if form.single and kinds is not None:
        label = "x0" if isinstance(opened, np.ndarray) else opened.columns[0]
        return opened, {label: kinds}
    return opened, kinds


def _check_names(data: Any) -> None:
    if not isinstance(data, Mapping):
        raise ColumnError(
            f"Got {type(data).__name__}. Expected a mapping from names of modalities to their "
            "data, as in fit."
        )
    if not data or not all(isinstance(name, str) for name in data):
        raise ColumnError(
            f"Got modalities {list(data)}. Expected one at least, with names that are text."
        )


def count_rows(data: Mapping[str, Any]) -> int:
    """How many rows all modalities have."""
    counts = {}
    for name, block in data.items():
        if block is not None:
            with _noted(name):
                counts[name] = length(block)
    if len(set(counts.values())) != 1:
        raise ColumnError(
            f"Got numbers of rows {counts}. Expected the same number in every modality, and "
            "one that is not None at least."
        )
    return next(iter(counts.values()))


def _check_labels(data: Mapping[str, Any]) -> None:
    """Refuse pandas modalities of different indices: nobody knows which rows belong together."""
    labels = {name: block.index for name, block in data.items() if hasattr(block, "iloc")}
    first = next(iter(labels), "")
    for name, other in labels.items():
        if labels[first].equals(other):
            continue
        for row, (a, b) in enumerate(zip(labels[first], other, strict=True)):
            # Sets tell labels apart by hash: comparing with pandas.NA has no outcome.
            if len({a, b}) == 1 or str(a) == str(b):
                continue
            raise ColumnError(
                f"Got modalities {first!r} and {name!r} with different indices: row {row} is "
                f"{a!r} in the former and {b!r} in the latter. Expected one index, in the same "
                "order: reindex one of them, or call reset_index(drop=True) on both if their rows "
                "belong together as they stand."
            )


@contextmanager
def _noted(name: str) -> Iterator[None]:
    """Errors of one modality say which it is."""
    try:
        yield
    except (ValueError, TypeError) as error:
        error.add_note(f"This is about the modality {name!r}.")
        raise
