"""What a model needs to know of a table's columns: their kinds and their places."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from itertools import product
from numbers import Integral
from typing import Any, Literal, get_args

from halfseen.core.stored import member, number, whole
from halfseen.errors import FileFormatError, SettingError

__all__ = ["CATEGORICAL", "KINDS", "NUMERIC", "Block", "Column", "DataSpec", "Kind"]

Kind = Literal["continuous", "positive", "bounded", "count", "binary", "nominal", "ordered"]
KINDS: tuple[str, ...] = get_args(Kind)
NUMERIC = ("continuous", "positive", "bounded", "count")
CATEGORICAL = ("binary", "nominal", "ordered")


@dataclass(frozen=True)
class Column:
    """One column as the model sees it.

    Parameters
    ----------
    name : str
        The column's name, for messages and summaries.
    kind : str
        One of ``KINDS``.
    n_levels : int
        Number of categories of a categorical column, 0 for a numeric one. Cells of a
        categorical column hold the codes 0, ..., n_levels - 1.
    integer : bool
        Whether every observed value is a whole number; imputed values are then rounded.
    lower, upper : float or None
        Bounds of a ``bounded`` column, in data units.
    constant : float or None
        The one value (or code) of a column that never varies, or of one without any
        observed value that is kept; such a column is filled, not modelled.
    """

    name: str
    kind: Kind
    n_levels: int = 0
    integer: bool = False
    lower: float | None = None
    upper: float | None = None
    constant: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SettingError(
                f"Got kind={self.kind!r} for column {self.name!r}. Expected one of {KINDS}."
            )

    @property
    def categorical(self) -> bool:
        """Whether cells are codes of categories."""
        return self.kind in CATEGORICAL

    @property
    def width(self) -> int:
        """Number of features: one per category (at least 2), or one for a numeric column."""
        return max(self.n_levels, 2) if self.categorical else 1


@dataclass(frozen=True)
class Block:
    """A modality: a named group of columns that are often seen, or absent, together.

    Parameters
    ----------
    name : str
        The modality's name.
    columns : tuple of int
        Places of its columns, one at least.
    shape : tuple of int or None, default=None
        Channels, height and width when the columns are the pixels of an image.
    tokens : bool, default=False
        Whether the columns are the words of a text, one place each, over one vocabulary.
    """

    name: str
    columns: tuple[int, ...]
    shape: tuple[int, int, int] | None = None
    tokens: bool = False

    def __post_init__(self) -> None:
        if not self.columns:
            raise SettingError(f"Got block {self.name!r} without columns. Expected one at least.")
        if self.shape is not None and math.prod(self.shape) != len(self.columns):
            raise SettingError(
                f"Got shape={self.shape} for the {len(self.columns)} columns of block "
                f"{self.name!r}. Expected channels, height and width whose product they are."
            )


@dataclass(frozen=True)
class DataSpec:
    """The columns of a table, or the pixels of images, in order.

    Parameters
    ----------
    columns : tuple of Column
        The p columns.
    shape : tuple of int or None, default=None
        Channels, height and width when the columns are the pixels of an image, in that order;
        None for a table.
    blocks : tuple of Block, default=()
        Modalities, none of which share a column. Columns outside of them are modalities of
        their own.

    Examples
    --------
    >>> spec = DataSpec((Column("age", "continuous"), Column("sex", "binary", n_levels=2)))
    >>> spec.n_columns, spec.n_features
    (2, 3)
    >>> spec.where("binary")
    [1]
    """

    columns: tuple[Column, ...]
    shape: tuple[int, int, int] | None = None
    blocks: tuple[Block, ...] = ()

    def __post_init__(self) -> None:
        _check_apart(self.blocks, self.names)
        if self.shape is not None and math.prod(self.shape) != len(self.columns):
            raise SettingError(
                f"Got shape={self.shape} for {len(self.columns)} columns. Expected channels, "
                "height and width whose product is the number of columns."
            )

    @classmethod
    def continuous(cls, n_columns: int) -> DataSpec:
        """A table of ``n_columns`` continuous columns named ``x0``, ``x1``, ..."""
        return cls(tuple(Column(f"x{j}", "continuous") for j in range(n_columns)))

    @classmethod
    def pixels(cls, shape: tuple[int, int, int]) -> DataSpec:
        """The pixels of images (channels, height, width), one continuous column each.

        Examples
        --------
        >>> DataSpec.pixels((1, 2, 2)).names[-1]
        'pixel[0,1,1]'
        """
        places = product(*(range(size) for size in shape))
        names = (f"pixel[{channel},{row},{column}]" for channel, row, column in places)
        return cls(tuple(Column(name, "continuous") for name in names), shape)

    @classmethod
    def from_json(cls, columns: Iterable[dict[str, Any]]) -> DataSpec:
        """Inverse of :meth:`to_json`."""
        return cls(tuple(_stored_column(column) for column in columns))

    def to_json(self) -> list[dict[str, Any]]:
        """Columns of a table as plain dictionaries; those of images follow from their shape."""
        return [asdict(column) for column in self.columns]

    @property
    def n_columns(self) -> int:
        """Number of columns p."""
        return len(self.columns)

    @cached_property
    def offsets(self) -> list[int]:
        """First feature of each column, and the number of features at the end."""
        total, places = 0, []
        for column in self.columns:
            places.append(total)
            total += column.width
        return [*places, total]

    @property
    def n_features(self) -> int:
        """Width of the expanded row: one per numeric column, one per category."""
        return self.offsets[-1]

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [column.name for column in self.columns]

    def where(self, *kinds: str) -> list[int]:
        """Places of the columns of the given kinds."""
        return [j for j, column in enumerate(self.columns) if column.kind in kinds]

    @cached_property
    def modalities(self) -> tuple[Block, ...]:
        """Blocks in order of their first column, those of one column included.

        The pixels of an image without blocks are one modality.

        Examples
        --------
        >>> spec = DataSpec.continuous(3).with_blocks({"last": ["x1", "x2"]})
        >>> [(block.name, block.columns) for block in spec.modalities]
        [('x0', (0,)), ('last', (1, 2))]
        """
        if self.shape is not None and not self.blocks:
            return (Block("image", tuple(range(self.n_columns)), self.shape),)
        taken = {j for block in self.blocks for j in block.columns}
        alone = [Block(c.name, (j,)) for j, c in enumerate(self.columns) if j not in taken]
        return tuple(sorted([*self.blocks, *alone], key=lambda block: min(block.columns)))

    @property
    def images(self) -> list[list[int]]:
        """Places of the pixels of each image: they share units, floors and ranges."""
        return [list(block.columns) for block in self.modalities if block.shape is not None]

    def with_blocks(self, blocks: Mapping[str, Sequence[str | int]] | None) -> DataSpec:
        """The same columns in named groups.

        Parameters
        ----------
        blocks : mapping of str to sequence of str or int, or None
            From the name of a modality to the names of its columns, which are whole numbers where
            a frame's labels are, or to their places where columns are those of an array, ``x0``,
            ``x1`` and so on; None changes nothing.

        Raises
        ------
        SettingError
            When a name is not that of one column, a column is in two blocks, or a block has
            the name of a column outside of it that is a modality of its own.
        """
        if blocks is None:
            return self
        if not isinstance(blocks, Mapping):
            raise SettingError(
                f"Got blocks={blocks!r}. Expected a mapping from names of modalities to the names "
                "of their columns, such as {'lab': ['a', 'b']}."
            )
        if self.blocks or self.shape is not None:
            raise SettingError(
                f"Got blocks={list(blocks)} for data whose modalities are known. Expected None: "
                "blocks are for the columns of one table."
            )
        spec = replace(
            self,
            blocks=tuple(Block(name, self._places(name, some)) for name, some in blocks.items()),
        )
        count = Counter(block.name for block in spec.modalities)
        twice = [name for name in blocks if count[name] > 1]
        if twice:
            raise SettingError(
                f"Got blocks {twice} with the names of columns outside of any block, which are "
                "modalities of their own. Expected other names."
            )
        return spec

    def _places(self, block: str, said: Sequence[str | int]) -> tuple[int, ...]:
        known, count = self.names, Counter(self.names)
        array = known == [f"x{j}" for j in range(len(known))]
        listed = isinstance(said, Iterable) and not isinstance(said, (str, bytes))
        some = list(said) if listed else []
        # A whole number is a label of a frame, and a place where columns have none.
        start = "x" if array else ""
        names: list[Any] = [f"{start}{one}" if _is_place(one) else one for one in some]
        wrong = [name for name in names if not isinstance(name, str) or count[name] != 1]
        if wrong or not listed:
            raise SettingError(
                f"Got columns {wrong or said!r} in block {block!r}. Expected a list of names"
                f"{', or places,' if array else ''} that one column each has, of {known[:20]}."
            )
        at = {name: j for j, name in enumerate(known)}
        return tuple(at[name] for name in names)

    def subset(self, places: Sequence[int]) -> DataSpec:
        """The specification of some of the columns; an image is one only while it is whole."""
        if list(places) == list(range(self.n_columns)):
            return self
        at = {j: i for i, j in enumerate(places)}
        blocks = (_part(block, at) for block in self.blocks)
        return DataSpec(
            tuple(self.columns[j] for j in places),
            blocks=tuple(block for block in blocks if block is not None),
        )


def _stored_column(state: Any) -> Column:
    """A column as a file has it."""
    kind = member(state, "kind")
    plain = {"name": str, "kind": str, "integer": bool}
    right = all(isinstance(member(state, key), given) for key, given in plain.items())
    if not right or kind not in KINDS or set(state) != {field.name for field in fields(Column)}:
        raise FileFormatError(
            f"The file has a column of the kind {str(kind)[:40]!r}, described by "
            f"{sorted(state)[:10]}. Expected one of {KINDS}, as save() writes it."
        )
    ends = ("lower", "upper", "constant")
    known = {key: number(state, key) for key in ends if member(state, key) is not None}
    return Column(
        state["name"],
        kind,
        whole(state, "n_levels"),
        state["integer"],
        **known,
    )


def _is_place(said: Any) -> bool:
    return isinstance(said, Integral) and not isinstance(said, bool)


def _part(block: Block, at: Mapping[int, int]) -> Block | None:
    """What is left of a block when only the columns in ``at`` are kept, at their new places."""
    kept = tuple(at[j] for j in block.columns if j in at)
    if not kept:
        return None
    whole = len(kept) == len(block.columns)
    return Block(block.name, kept, block.shape if whole else None, block.tokens and whole)


def _check_apart(blocks: Sequence[Block], names: Sequence[str]) -> None:
    places = [j for block in blocks for j in block.columns]
    if any(not 0 <= j < len(names) for j in places):
        raise SettingError(
            f"Got blocks {[block.name for block in blocks]} with columns {places}. "
            f"Expected places below {len(names)}."
        )
    twice = [names[j] for j, count in sorted(Counter(places).items()) if count > 1]
    if twice:
        sharing = [block.name for block in blocks if {names[j] for j in block.columns} & {*twice}]
        raise SettingError(
            f"Got columns {twice[:20]} more than once in blocks {sharing[:20]}. Expected each "
            "column in one block at most, and once in it."
        )
