"""Numbers by which rows or pictures are compared: their cells, or what a network makes of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import narwhals.dependencies as nwd
import numpy as np
import torch
from torch import Tensor, nn

from halfseen.errors import SettingError

__all__ = [
    "Features",
    "check_squares",
    "column_names",
    "common_exponent",
    "feature_matrix",
    "feature_pair",
    "finite_distance",
    "finite_numbers",
    "in_order",
    "take_features",
]

# Beyond these, squares of numbers and sums of them are no floats any more.
LARGEST = 1e100

#: From a tensor of rows (B, ...) to numbers (B, d), as a tensor or an array.
Features = Callable[[Tensor], Any]


def column_names(table: Any) -> list[str] | None:
    """Names of the columns of a pandas or polars frame or a pyarrow table, if all are text."""
    if not nwd.is_into_dataframe(table):
        return None
    names = list(table.column_names if nwd.is_pyarrow_table(table) else table.columns)
    return names if all(isinstance(name, str) for name in names) else None


def in_order(table: Any, names: list[str] | None) -> Any:
    """The table with its columns in the order of ``names``; what has no names stays as it is.

    Raises
    ------
    SettingError
        When its columns have other names.

    Examples
    --------
    >>> import pandas as pd
    >>> in_order(pd.DataFrame({"b": [1], "a": [2]}), ["a", "b"]).columns.tolist()
    ['a', 'b']
    """
    own = column_names(table)
    if names is None or own is None or own == names:
        return table
    if sorted(own) != sorted(names) or len(set(names)) < len(names):
        raise SettingError(
            f"Got samples with the columns {names[:10]} and {own[:10]}. Expected the same names, "
            "in any order: choose the columns to compare, or pass arrays."
        )
    return table.select(names) if nwd.is_pyarrow_table(table) else table[names]


def common_exponent(*samples: Any) -> int:
    """The e, 0 or more, with which all numbers of some samples are below 2 times 2**e.

    Distances that are as many times larger as their samples are taken of samples over 2**e,
    whose squares are floats: powers of two cost no digits.

    Examples
    --------
    >>> common_exponent(np.array([3.0]), np.array([-1e200])), common_exponent(np.array([0.1]))
    (664, 0)
    """
    return max(0, *(math.frexp(float(abs(sample).max()))[1] - 1 for sample in samples))


def take_features(
    x: Any,
    features: Features | None,
    batch_size: int,
    take: Callable[[np.ndarray], object],
    name: str,
) -> None:
    """Hand the features of ``x`` to a function, some rows after the other.

    Parameters
    ----------
    x : array-like or Tensor of shape (n, ...)
        Rows of a table, or pictures, without holes.
    features : callable, Module or None
        What makes features of rows; None takes the cells as they are. A network is put in
        evaluation mode and gets rows on its device and in its precision (float32 without one);
        afterwards its mode is as before.
    batch_size : int
        How many rows at a time.
    take : callable
        Gets arrays of shape (B, d) of finite numbers.
    name : str
        What messages call ``x``.

    Raises
    ------
    SettingError
        When there is no row, or a number that came in or out is not finite.
    """
    rows = x if isinstance(x, Tensor) else np.asarray(x)
    if rows.ndim < 2 or 0 in rows.shape:
        raise SettingError(
            f"Got {name} of shape {tuple(rows.shape)}. Expected (n, ...) and one row at least."
        )
    if batch_size < 1:
        raise SettingError(f"Got batch_size={batch_size!r}. Expected 1 or more.")
    # Not a generator: one that waits would leave its caller without gradients.
    with _evaluating(features), torch.no_grad():
        for start in range(0, len(rows), batch_size):
            take(_features_of(rows[start : start + batch_size], features, name))


def feature_matrix(x: Any, features: Features | None, batch_size: int, name: str) -> np.ndarray:
    """All features of ``x``, float64 of shape (n, d); as in :func:`take_features`."""
    batches: list[np.ndarray] = []
    take_features(x, features, batch_size, batches.append, name)
    return np.concatenate(batches).astype(np.float64, copy=False)


def feature_pair(
    x: Any, y: Any, features: Features | None, batch_size: int, largest: float = LARGEST
) -> tuple[np.ndarray, np.ndarray]:
    """Features of two samples, float64 of shapes (n, d) and (m, d), two rows each at least.

    Columns of ``y`` are put in the order of those of ``x`` where both have names.

    Raises
    ------
    SettingError
        When there are fewer rows, the numbers of features or the names of columns differ, a
        feature is beyond ``largest``, or :func:`take_features` fails.
    """
    y = in_order(y, column_names(x))
    first = feature_matrix(x, features, batch_size, "x")
    second = feature_matrix(y, features, batch_size, "y")
    if first.shape[1] != second.shape[1] or min(len(first), len(second)) < 2:
        raise SettingError(
            f"Got samples with features of shape {first.shape} and {second.shape}. Expected "
            "(n, d) and (m, d), with n and m of 2 or more."
        )
    for sample, name in ((first, "x"), (second, "y")):
        check_squares(sample, name, largest)
    return first, second


def finite_distance(distance: float) -> float:
    """The distance, if it is a float.

    Raises
    ------
    SettingError
        When it is too large.
    """
    if not math.isfinite(distance):
        raise SettingError(
            "Got samples whose distance is no float, as it is beyond 1.8e308. Divide the columns "
            "of both by the same scale."
        )
    return distance


def check_squares(values: np.ndarray, name: str, largest: float = LARGEST) -> None:
    """Refuse numbers whose powers are no floats.

    Raises
    ------
    SettingError
        When one is beyond ``largest``.
    """
    top = np.abs(values).max(initial=0.0)
    if top > largest:
        raise SettingError(
            f"Got {top:.3g} in {name}. Expected numbers up to {largest:g}, powers of which can "
            "be added up: divide the columns of both samples by the same scale."
        )


def finite_numbers(values: Any, name: str) -> np.ndarray:
    """Values as floats; single precision stays, everything else becomes double.

    Raises
    ------
    SettingError
        When a value is no number, or not finite.
    """
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        # Half precision has no name in numpy.
        values = (values if values.dtype == torch.float32 else values.double()).numpy()
    try:
        array = np.asarray(values)
        array = array if array.dtype == np.float32 else array.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise SettingError(f"Got {name} with a value that is no number: {error}.") from error
    wrong = int(np.count_nonzero(~np.isfinite(array)))
    if wrong:
        raise SettingError(
            f"Got {wrong} value(s) in {name} that are not finite (NaN or infinite). Expected "
            "numbers: compare completed rows."
        )
    return array


def _features_of(batch: Any, features: Features | None, name: str) -> np.ndarray:
    """Features of some rows, (B, d)."""
    if features is None:
        return finite_numbers(batch, name).reshape(len(batch), -1)
    answer = finite_numbers(features(_rows_for(features, batch, name)), f"features of {name}")
    if answer.ndim != 2 or len(answer) != len(batch):
        raise SettingError(
            f"Got features of shape {answer.shape} for {len(batch)} row(s) of {name}. "
            f"Expected ({len(batch)}, d)."
        )
    return answer


def _rows_for(features: Features, batch: Any, name: str) -> Tensor:
    """Rows as a network takes them."""
    if str(batch.dtype).endswith("uint8"):
        raise SettingError(
            f"Got {name} of bytes (uint8), and features of a network. Expected floats: divide "
            "pictures by 255."
        )
    if not isinstance(batch, Tensor):
        batch = torch.from_numpy(finite_numbers(batch, name).astype(np.float32))
    elif not torch.isfinite(batch).all():
        finite_numbers(batch, name)
    for weight in getattr(_module(features), "parameters", tuple)():
        return batch.to(weight.device, weight.dtype)
    return batch.float()


def _module(features: Features | None) -> nn.Module | None:
    """The network behind a callable that is one, or a method of one."""
    owner = features if isinstance(features, nn.Module) else getattr(features, "__self__", None)
    return owner if isinstance(owner, nn.Module) else None


@contextmanager
def _evaluating(features: Features | None) -> Iterator[None]:
    """A network without dropout and without learning statistics; each part is put back."""
    network = _module(features)
    modes = {} if network is None else {part: part.training for part in network.modules()}
    try:
        if network is not None:
            network.eval()
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode
