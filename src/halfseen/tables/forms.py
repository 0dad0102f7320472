"""Modalities as users hold them, and the tables and images that codecs read instead.

A *form* opens a container (a Series, a list of arrays, a tensor) into a table or images, and
closes what a codec made of these into the same container again.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import narwhals.dependencies as nwd
import numpy as np
import torch
from torch import Tensor

from halfseen.errors import ColumnError
from halfseen.tables.containers import CellTypeError
from halfseen.tables.raw import round_clip
from halfseen.tables.stored_record import check_form
from halfseen.tables.text_containers import is_absent

__all__ = ["Form", "Whole", "form_from_json", "form_of"]

LABEL = "value"


class Form(ABC):
    """How one kind of container is opened and closed."""

    #: Whether a row is one cell, so that the table has one column.
    single: ClassVar[bool] = False

    @abstractmethod
    def open(self, data: Any) -> Any:
        """The table or images that a codec reads."""

    @abstractmethod
    def close(self, opened: Any, data: Any = None) -> Any:
        """The container of a table or images, like ``data`` where that is given."""

    def to_json(self) -> dict[str, Any]:
        """Plain values, for :func:`form_from_json`."""
        return {"form": type(self).__name__, **asdict(self)}  # type: ignore[call-overload]


@dataclass(frozen=True)
class Whole(Form):
    """What codecs read as it is: a frame, a table, an array of two axes, images."""

    def open(self, data: Any) -> Any:
        """The data itself."""
        return data

    def close(self, opened: Any, data: Any = None) -> Any:
        """The data itself."""
        return opened


@dataclass(frozen=True)
class Vector(Form):
    """One cell a row: a Series, an array of one axis, a list of numbers or labels.

    Parameters
    ----------
    container : {"pandas", "polars", "array", "list", "tuple"}
        What holds the cells.
    name : str or None
        Name of a Series.
    """

    single = True
    container: str
    name: str | None = None

    def open(self, data: Any) -> Any:
        """A table of one column."""
        if self.container == "pandas":
            return data.to_frame(LABEL)
        if self.container == "polars":
            return data.alias(LABEL).to_frame()
        array = data if self.container == "array" else _objects(data)
        return array[:, None]

    def close(self, opened: Any, data: Any = None) -> Any:
        """The column of the table."""
        if self.container == "pandas":
            return opened.iloc[:, 0].rename(self.name if data is None else data.name)
        if self.container == "polars":
            return opened.to_series(0).alias(self.name or "")
        cells = np.asarray(opened)[:, 0]
        return cells if self.container == "array" else _sequence(self.container, cells.tolist())


@dataclass(frozen=True)
class Tensors(Form):
    """A tensor of one or two axes.

    Parameters
    ----------
    dtype : str
        Its type of numbers.
    n_axes : {1, 2}
        Whether a row is a number or a vector.
    """

    dtype: str
    n_axes: int

    @property
    def single(self) -> bool:  # type: ignore[override]
        """Whether a row is one number."""
        return self.n_axes == 1

    def open(self, data: Tensor) -> np.ndarray:
        """An array of two axes."""
        plain = data.detach().cpu()
        # NumPy has no bfloat16.
        array = (plain.float() if plain.dtype is torch.bfloat16 else plain).numpy()
        return array[:, None] if self.n_axes == 1 else array

    def close(self, opened: np.ndarray, data: Tensor | None = None) -> Tensor:
        """A tensor, on the device of ``data``."""
        made = torch.from_numpy(np.ascontiguousarray(opened))
        made = made[:, 0] if self.n_axes == 1 else made
        target = getattr(torch, self.dtype)
        if target.is_floating_point or not made.isnan().any():
            made = made.to(target) if made.dtype == target else _rounded(made, target)
        return made.to("cpu" if data is None else data.device)


@dataclass(frozen=True)
class Steps(Form):
    """An array or tensor of three axes: steps of features, one row of a table after each other.

    Parameters
    ----------
    dtype : str or None
        Type of numbers of a tensor; None for an array.
    shape : tuple of int
        Steps and features of each.
    """

    dtype: str | None
    shape: tuple[int, ...]

    def open(self, data: Any) -> np.ndarray:
        """An array of two axes."""
        flat = data.reshape(len(data), math.prod(self.shape))
        return flat if self.dtype is None else Tensors(self.dtype, 2).open(flat)

    def close(self, opened: Any, data: Any = None) -> Any:
        """Three axes again."""
        made = opened if self.dtype is None else Tensors(self.dtype, 2).close(opened, data)
        return made.reshape(len(opened), *self.shape)


@dataclass(frozen=True)
class Rows(Form):
    """A list of arrays of one shape, with None where a row is absent as a whole.

    Rows of two axes, steps of features, are one row of a table.

    Parameters
    ----------
    container : {"list", "tuple"}
        What holds the rows.
    row : {"array", "tensor", "list", "tuple"}
        What a row is.
    dtype : str
        Type of its numbers.
    shape : tuple of int
        Shape of a row.
    """

    container: str
    row: str
    dtype: str
    shape: tuple[int, ...]

    def open(self, data: Sequence[Any]) -> np.ndarray:
        """An array with NaN in absent rows."""
        rows = [
            None if is_absent(row) else self._array(place, row) for place, row in enumerate(data)
        ]
        seen = [row for row in rows if row is not None]
        kind = np.result_type(*seen) if seen else np.dtype(self.dtype)
        # Pictures of bytes stay so, as the codec of images says what to do with them.
        if kind.kind != "f" and len(self.shape) > 2 and seen:
            return np.stack(seen)
        out = np.full((len(rows), *self.shape), np.nan, kind if kind.kind == "f" else float)
        for place, row in enumerate(rows):
            if row is not None:
                out[place] = row
        return out.reshape(len(out), -1) if len(self.shape) == 2 else out

    def _array(self, place: int, row: Any) -> np.ndarray:
        array = _as_array(row)
        if array.shape != tuple(self.shape) or array.dtype.kind not in "biuf":
            raise ColumnError(
                f"Got {array.dtype} of shape {array.shape} in row {place}. Expected numbers of "
                f"shape {tuple(self.shape)} in every row, or None where it is absent."
            )
        return array

    def close(self, opened: np.ndarray, data: Sequence[Any] | None = None) -> Any:
        """A list of rows; those that did not change are the same objects."""
        given = [None] * len(opened) if data is None else data
        rows = [self._close(new, old) for new, old in zip(opened, given, strict=True)]
        return _sequence(self.container, rows)

    def _close(self, new: np.ndarray, old: Any) -> Any:
        new = new.reshape(self.shape)
        if not is_absent(old) and np.array_equal(new, _as_array(old), equal_nan=True):
            return old
        if np.isnan(new).all():
            return None
        dtype = np.dtype(self.dtype)
        if dtype.kind == "f" or not np.isnan(new).any():
            new = _cast(new, dtype)
        if self.row in ("list", "tuple"):
            return _sequence(self.row, new.tolist())
        return torch.from_numpy(new.copy()) if self.row == "tensor" else new


_FORMS: Mapping[str, Any] = {form.__name__: form for form in (Whole, Vector, Tensors, Steps, Rows)}


def form_from_json(state: Mapping[str, Any]) -> Form:
    """Inverse of :meth:`Form.to_json`.

    Examples
    --------
    >>> form_from_json(form_of([1.0, None]).to_json()).open([3.0, None])
    array([[3.0],
           [None]], dtype=object)
    """
    check_form(state)
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in state.items() if k != "form"}
    return _FORMS[state["form"]](**settings)


def form_of(data: Any, known: Form | None = None) -> Form:
    """The form of a modality.

    Parameters
    ----------
    data : object
        The modality.
    known : Form, optional
        Its form in fit, which says what a list is in which every row is absent, and how many
        steps there are.

    Examples
    --------
    >>> form_of([np.zeros(3), None])
    Rows(container='list', row='array', dtype='float64', shape=(3,))
    >>> form_of(np.zeros((100, 20, 74)))
    Steps(dtype=None, shape=(20, 74))
    """
    if isinstance(data, (Tensor, np.ndarray)) and data.ndim == 3:
        return _steps(data, known)
    if isinstance(data, Tensor) and data.ndim in (1, 2):
        return Tensors(str(data.dtype).removeprefix("torch."), data.ndim)
    if nwd.is_pandas_series(data) or nwd.is_polars_series(data):
        _refuse_vectors(data)
        kind = "pandas" if nwd.is_pandas_series(data) else "polars"
        return Vector(kind, data.name if isinstance(data.name, str) else None)
    if isinstance(data, np.ndarray) and data.ndim == 1:
        _refuse_vectors(data)
        return Vector("array")
    if isinstance(data, (list, tuple)):
        return _form_of_list(data, known)
    return Whole()


def _refuse_vectors(data: Any) -> None:
    """Say how a Series or an array of vectors becomes rows: its cells are no numbers."""
    # Types of polars are all of an unknown kind; of NumPy and pandas only objects hold vectors.
    # Categories may be tuples, and are labels.
    if getattr(data.dtype, "kind", "O") != "O" or str(data.dtype) == "category":
        return
    first = next((cell for cell in data if not is_absent(cell)), None)
    vector = isinstance(first, (list, tuple, np.ndarray, Tensor)) or nwd.is_polars_series(first)
    if vector:
        call = "to_list" if nwd.is_polars_series(data) else "tolist"
        raise CellTypeError(
            f"Got {type(data).__name__} whose cells are vectors ({type(first).__name__}). "
            f"Expected a list of them, one a row, None where it is absent: pass data.{call}()."
        )


def _steps(data: Any, known: Form | None) -> Steps:
    shape = tuple(data.shape[1:])
    _check_steps(shape, str(data.dtype), known)
    return Steps(str(data.dtype)[len("torch.") :] if isinstance(data, Tensor) else None, shape)


def _check_steps(shape: tuple[int, ...], dtype: str, known: Form | None) -> None:
    """Rows of two axes are those of fit: what is flat would take any of as many numbers.

    Bytes are grey pictures, which would be columns that know nothing of each other.
    """
    if dtype.endswith("uint8"):
        raise ColumnError(
            f"Got bytes (uint8) of shape {shape} in every row. Expected images of shape (n, "
            "channels, height, width): add the channel axis, images[:, None], or row[None] in a "
            "list, and divide by 255, as in (images[:, None] / 255).astype('float32'). Steps of "
            "features, (n, steps, d), are floats: cast them."
        )
    if isinstance(known, (Steps, Rows)) and tuple(known.shape) != shape:
        raise ColumnError(
            f"Got rows of shape {shape} (steps, features). Expected {tuple(known.shape)}, as in "
            "fit."
        )


def _form_of_list(data: Sequence[Any], known: Form | None) -> Form:
    kind = type(data).__name__ if type(data) in (list, tuple) else "list"
    first = next((row for row in data if not is_absent(row)), None)
    if first is None:
        return known if isinstance(known, (Rows, Vector)) else Vector(kind)
    if isinstance(first, str) or not hasattr(first, "__len__"):
        return Vector(kind)
    array = _as_array(first)
    if array.ndim == 2:
        _check_steps(array.shape, str(array.dtype), known)
    row = "tensor" if isinstance(first, Tensor) else "array"
    row = type(first).__name__ if isinstance(first, (list, tuple)) else row
    return Rows(kind, row, str(array.dtype), array.shape)


def _objects(data: Sequence[Any]) -> np.ndarray:
    out = np.empty(len(data), dtype=object)
    out[:] = data
    return out


def _as_array(row: Any) -> np.ndarray:
    return row.detach().cpu().numpy() if isinstance(row, Tensor) else np.asarray(row)


def _sequence(kind: str, cells: list[Any]) -> Any:
    return tuple(cells) if kind == "tuple" else cells


def _cast(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return round_clip(array, dtype) if dtype.kind in "iu" else array.astype(dtype)


def _rounded(made: Tensor, target: torch.dtype) -> Tensor:
    whole = not target.is_floating_point and made.is_floating_point()
    return (made.round() if whole else made).to(target)
