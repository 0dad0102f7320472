"""A bound on what may be allocated while a network is made from settings that a stranger chose."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from halfseen.errors import FileFormatError

__all__ = ["Allowance"]

# Functions that make tensors of a size that is said, and not that of another tensor.
_MAKERS = {
    *(torch.arange, torch.empty, torch.empty_strided, torch.eye, torch.full, torch.linspace),
    *(torch.logspace, torch.ones, torch.rand, torch.randint, torch.randn, torch.randperm),
    *(torch.zeros, torch.tril_indices, torch.triu_indices),
}
# The meta device is slow for these, and its first use of them loads a second's worth of modules.
# Two rules do without: a result has at most the shape that all arguments are broadcast to, and
# what is joined has the cells of all its parts.
_NAMES = (
    *("__eq__", "__invert__", "__rdiv__", "__rsub__", "abs", "add", "all", "any", "clamp"),
    *("clamp_min", "div", "eq", "exp", "expm1", "ge", "gt", "isfinite", "le", "log"),
    *("log1p", "logical_not", "lt", "mul", "ne", "neg", "sqrt", "sub", "sum", "where"),
)
_NOT_LARGER = {getattr(Tensor, name) for name in _NAMES}
_NOT_LARGER |= {getattr(torch, name) for name in _NAMES if hasattr(torch, name)}
_JOINED = {torch.cat, torch.stack}


class Allowance(TorchFunctionMode):
    """Inside, tensors larger than a file can account for are refused before they are made.

    The size of what a call of torch would make is known before: by a rule, or by a try on the meta
    device, where a tensor has a shape and no memory. What has been made is added up, and so are
    calls: a network of a million layers takes no memory, but time.

    Parameters
    ----------
    n_bytes : int
        For each tensor, and for all that are made from nothing.
    n_calls : int
        Calls of torch.

    Examples
    --------
    >>> with Allowance(4000, 100):
    ...     print(torch.zeros(1000).shape)
    torch.Size([1000])
    >>> with Allowance(4000, 100):
    ...     torch.zeros(10**12)
    Traceback (most recent call last):
    halfseen.errors.FileFormatError: The file's settings ask for a tensor of 4000000000000 bytes...
    """

    def __init__(self, n_bytes: int, n_calls: int) -> None:
        super().__init__()
        self.n_bytes, self.n_calls = n_bytes, n_calls
        self._made = self._called = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """A call, once it is known that its result is small enough."""
        kwargs = kwargs or {}
        # A list of tensors is work for each of them.
        lists = (value for value in args if isinstance(value, (list, tuple)))
        self._called += 1 + sum(len(value) for value in lists if _has_tensor(value))
        if self._called > self.n_calls:
            raise FileFormatError(
                f"The file's settings ask for more than {self.n_calls} steps to make the model. "
                "Expected as few layers and members as the file has tensors for."
            )
        size = _size(func, args, kwargs)
        self._made += size if func in _MAKERS else 0
        if max(size, self._made) > self.n_bytes:
            raise FileFormatError(
                f"The file's settings ask for a tensor of {size} bytes, {self._made} in all. "
                "Expected as many as the file has numbers for: it is damaged, or was not written "
                "by save()."
            )
        return func(*args, **kwargs)


def _size(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """Most bytes of a tensor that a call would return; 0 where that depends on numbers."""
    maker = func in _MAKERS
    if func in _NOT_LARGER:
        return _broadcast_bytes([*args, *kwargs.values()])
    if func in _JOINED:
        return _joined_bytes(kwargs["tensors"] if "tensors" in kwargs else args[0])
    shapes = {key: _shape_only(value) for key, value in kwargs.items() if key != "generator"}
    if maker:
        shapes["device"] = "meta"
    elif not any(map(_has_tensor, [*args, *kwargs.values()])):
        return 0
    try:
        found = func(*map(_shape_only, args), **shapes)
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError):
        # The call itself says what is wrong, unless only meta tensors cannot do it.
        if maker:
            raise
        return 0
    results = found if isinstance(found, (list, tuple)) else [found]
    return max(map(_n_bytes, results), default=0)


def _broadcast_bytes(values: Iterable[Any]) -> int:
    """Most bytes of a tensor of the shape that tensors among the values are broadcast to."""
    shapes = [value.shape[::-1] for value in values if isinstance(value, Tensor)]
    return 8 * math.prod(map(max, zip_longest(*shapes, fillvalue=1)))


def _joined_bytes(tensors: Sequence[Tensor]) -> int:
    return sum(t.nelement() for t in tensors) * max(t.element_size() for t in tensors)


def _shape_only(value: Any) -> Any:
    """Tensors as tensors of the same shape and type without memory."""
    if isinstance(value, Tensor):
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")
    if isinstance(value, (list, tuple)) and any(isinstance(item, Tensor) for item in value):
        return type(value)(map(_shape_only, value))
    return value


def _has_tensor(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(isinstance(item, Tensor) for item in value)
    return isinstance(value, Tensor)


def _n_bytes(value: Any) -> int:
    return value.nelement() * value.element_size() if isinstance(value, Tensor) else 0
