"""Numbers by which rows or pictures are compared: their cells, or what a network makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from halfseen.errors import SettingError

__all__ = ["Features", "feature_matrix", "feature_pair", "finite_numbers", "take_features"]

#: From a tensor of rows (B, ...) to numbers (B, d), as a tensor or an array.
Features = Callable[[Tensor], Any]


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
    x: Any, y: Any, features: Features | None, batch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Features of two samples, float64 of shapes (n, d) and (m, d), two rows each at least.

    Raises
    ------
    SettingError
        When there are fewer rows, the numbers of features differ, or :func:`take_features` fails.
    """
    first = feature_matrix(x, features, batch_size, "x")
    second = feature_matrix(y, features, batch_size, "y")
    if first.shape[1] != second.shape[1] or min(len(first), len(second)) < 2:
        raise SettingError(
            f"Got samples with features of shape {first.shape} and {second.shape}. Expected "
            "(n, d) and (m, d), with n and m of 2 or more."
        )
    return first, second


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
