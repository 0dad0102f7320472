"""Which codec reads one modality."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from typing import Any

import narwhals.dependencies as nwd
import numpy as np
from scipy import sparse

from halfseen.errors import ColumnError
from halfseen.tables.codec import TableCodec
from halfseen.tables.containers import open_table, refuse_lazy
from halfseen.tables.forms import Form, Whole, form_of
from halfseen.tables.images import ImageCodec
from halfseen.tables.kinds import is_free_text
from halfseen.tables.text import SETTINGS, TextCodec
from halfseen.tables.text_containers import is_absent

__all__ = ["Part", "choose_part", "length", "part_from_json"]

Part = TableCodec | ImageCodec | TextCodec


def part_from_json(state: Mapping[str, Any]) -> Part:
    """The codec of one modality that wrote a state with ``to_json``."""
    if "image_shape" in state:
        return ImageCodec.from_json(state)
    return (TextCodec if "tokens" in state else TableCodec).from_json(state)


def choose_part(name: str, block: Any, kinds: Any = None) -> tuple[Part, Form]:
    """An unfitted codec for a modality, and the form of its container.

    Where nobody said what they are, lists and tuples of str are texts. A Series or an array of
    them are labels, unless they are nearly always different: what a table would refuse as free
    text, more than 50 distinct values in fewer than twice as many cells or more than 1000 at
    all, is texts here. Cells that are lists of tokens are always texts.

    Parameters
    ----------
    name : str
        Its name, for the columns of texts.
    block : object
        The modality.
    kinds : str or mapping, optional
        What the user said of it.

    Examples
    --------
    >>> codec, form = choose_part("note", ["a cat", None])
    >>> type(codec).__name__
    'TextCodec'
    >>> codec, form = choose_part("city", ["Rome", None], "nominal")
    >>> type(codec).__name__
    'TableCodec'

    An array holds labels, where these are not nearly always different:

    >>> some = np.array(["New York", None, "Rome"], dtype=object)
    >>> [type(choose_part("it", some, said)[0]).__name__ for said in (None, "text")]
    ['TableCodec', 'TextCodec']

    Steps of features, and rows that are pictures:

    >>> [type(choose_part("it", np.zeros(n))[0]).__name__ for n in [(9, 5, 2), (9, 1, 5, 2)]]
    ['TableCodec', 'ImageCodec']
    """
    if _is_text(block, kinds):
        return TextCodec(name), Whole()
    form = form_of(block)
    n_axes = getattr(block, "ndim", 2)
    shape = getattr(form, "shape", None)
    n_axes = n_axes if shape is None else 1 + len(shape)
    return (ImageCodec() if n_axes == 4 else TableCodec()), form


def length(block: Any) -> int:
    """Number of rows of a modality.

    Raises
    ------
    SettingError
        When it is a table that is not in memory.
    ColumnError
        When it has no rows to count, or is a sparse matrix.

    Examples
    --------
    >>> length(["a cat", None])
    2
    """
    refuse_lazy(block)
    if sparse.issparse(block):
        raise ColumnError(
            f"Got {type(block).__name__}, which is sparse, for a modality. Expected dense cells: "
            "pass matrix.toarray()."
        )
    sized = isinstance(block, Sized) and getattr(block, "ndim", 1) > 0
    if not sized or isinstance(block, (str, bytes, Mapping)):
        raise ColumnError(
            f"Got {type(block).__name__} for a modality. Expected a table, an array, a tensor, a "
            "Series or a list, with one entry a row."
        )
    return len(block)


def _is_text(block: Any, kinds: Any) -> bool:
    """Whether a modality holds texts: as the user says, else by its cells."""
    said = kinds.get("kind") if isinstance(kinds, Mapping) else kinds
    if said is not None:
        return said == "text"
    if isinstance(kinds, Mapping) and set(kinds) & set(SETTINGS):
        return True
    if getattr(block, "ndim", 1) != 1 or not _plain_cells(block):
        return False
    # Iterating over lists in polars yields Series.
    cells = block.to_list() if nwd.is_polars_series(block) else block
    first = next((cell for cell in cells if not is_absent(cell)), None)
    if isinstance(first, str):
        return isinstance(block, (list, tuple)) or not _is_labels(block, cells)
    return isinstance(first, (list, tuple)) and len(first) > 0 and isinstance(first[0], str)


def _is_labels(block: Any, cells: Any) -> bool:
    """Whether a Series or an array holds labels, as in a column of a table."""
    if not all(isinstance(cell, str) or is_absent(cell) for cell in cells):
        return False
    return not is_free_text(open_table(form_of(block).open(block)).raw(0))


def _plain_cells(block: Any) -> bool:
    """Whether the cells of one axis are strings or objects, and no declared categories."""
    if isinstance(block, (list, tuple)):
        return True
    if isinstance(block, np.ndarray):
        return block.dtype.kind in "UO"
    if nwd.is_pandas_series(block):
        return str(block.dtype).split("[")[0] in ("object", "str", "string", "large_string")
    return nwd.is_polars_series(block) and str(block.dtype).split("(")[0] in ("String", "List")
