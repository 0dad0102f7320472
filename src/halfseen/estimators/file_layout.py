"""The layout of a model's file: names, types, shapes and places of tensors, and plain values.

Everything that a header says is compared with the size of the file before anything is allocated
for it; docs/files.md lists the limits.
"""

from __future__ import annotations

import gc
import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from halfseen.errors import FileFormatError

__all__ = [
    "DTYPES",
    "MAX_FILE",
    "MAX_HEADER",
    "MAX_TENSORS",
    "NAMES",
    "Place",
    "check_numbers",
    "find_places",
    "parse_header",
]

#: Bytes of a header, of a whole file, and tensors in it: more is refused, in both directions.
MAX_HEADER, MAX_FILE, MAX_TENSORS = 32 * 2**20, 2 * 2**30, 20_000
# Objects and lists, and values, in a header of this size.
MAX_NESTS, MAX_VALUES, MAX_DEPTH = 500_000, 2_500_000, 60
MAX_NAME, MAX_AXES, MAX_AXIS = 300, 8, 2**40

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
_PRINTABLE = re.compile(r"[!-~]+")
# Buffers in which -inf stands where short columns have no category.
PADDED = ("padding", "real")


@dataclass(frozen=True)
class Place:
    """Where a tensor lies, and what it is."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    end: int


def parse_header(path: Path, text: bytes, *, unique: bool = False) -> dict[str, Any]:
    """JSON of bounded size and depth, whose outermost value is an object.

    Parameters
    ----------
    path : Path
        For messages.
    text : bytes
        What is to be parsed.
    unique : bool, default=False
        Whether no name may stand twice in an object.

    Raises
    ------
    FileFormatError
        When it is none.
    """
    if text.count(b"[") + text.count(b"{") > MAX_NESTS or text.count(b",") > MAX_VALUES:
        raise FileFormatError(f"{path} has a header of too many values to be a model.")
    # Counted before they are parsed, which takes a while.
    if (n_tensors := text.count(b'"data_offsets"')) > MAX_TENSORS:
        raise _too_many(path, n_tensors)
    try:
        with _uncollected():
            parsed = json.loads(text, object_pairs_hook=_distinct if unique else None)
            _check_depth([parsed])
    except (ValueError, RecursionError) as error:
        raise FileFormatError(
            f"{path} is not a halfseen model, or has a broken header ({error}). Expected a file "
            "written by save()."
        ) from error
    if not isinstance(parsed, dict):
        raise FileFormatError(f"{path} has a header that is no JSON object.")
    return parsed


@contextmanager
def _uncollected() -> Iterator[None]:
    """Parsed values hold no circles, and to look for some takes most of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name stands twice")
    return made


def _check_depth(parsed: Any) -> None:
    """Bounded nesting, and text that can be written again."""
    level, depth = [parsed], -1
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
        below = []
        for item in level:
            values = item
            if type(item) is dict:
                "".join(item).encode()
                values = item.values()
            for value in values:
                if type(value) is str:
                    value.encode()
                elif type(value) is list or type(value) is dict:
                    below.append(value)
        level = below


def find_places(path: Path, outer: Mapping[str, Any], n_bytes: int) -> list[Place]:
    """Where all tensors lie: one after the other, and nothing between or behind them.

    Parameters
    ----------
    path : Path
        For messages.
    outer : mapping
        What the header says of each tensor, by its name.
    n_bytes : int
        How many bytes follow the header.

    Returns
    -------
    list of Place
        In the order of the file.

    Raises
    ------
    FileFormatError
        When names, types, shapes and places do not agree with each other and with the file.
    """
    if len(outer) > MAX_TENSORS:
        raise _too_many(path, len(outer))
    places = sorted(
        (_place(path, name, entry) for name, entry in outer.items()),
        key=lambda place: (place.start, place.end),
    )
    end = 0
    for place in places:
        if place.start != end:
            raise FileFormatError(f"{path}: tensor {place.name!r} does not begin where one ends.")
        end = place.end
    if end != n_bytes:
        raise FileFormatError(
            f"{path} is cut, or goes on behind its end: its tensors are {end} bytes, and there "
            f"are {n_bytes}. Copy it again, or fit again."
        )
    return places


def _too_many(path: Path, n_tensors: int) -> FileFormatError:
    return FileFormatError(f"{path} has {n_tensors} tensors. Expected at most {MAX_TENSORS}.")


def _place(path: Path, name: str, entry: Any) -> Place:
    if len(name) > MAX_NAME or not _PRINTABLE.fullmatch(name):
        raise FileFormatError(f"{path} has a tensor of the name {name[:40]!r}, which none has.")
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise FileFormatError(f"{path}: tensor {name!r} is not described as tensors are.")
    dtype, shape, ends = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise FileFormatError(
            f"{path}: tensor {name!r} is of type {str(dtype)[:20]!r}. Expected one of "
            f"{sorted(DTYPES)}."
        )
    if not _is_sizes(shape, MAX_AXIS) or len(shape) > MAX_AXES or not _is_sizes(ends, MAX_FILE):
        raise FileFormatError(f"{path}: tensor {name!r} has no sizes of a tensor.")
    said = math.prod(shape) * DTYPES[dtype].itemsize
    if len(ends) != 2 or ends[1] - ends[0] != said:
        raise FileFormatError(
            f"{path}: tensor {name!r} of shape {shape} and type {dtype} would be {said} bytes, "
            f"but lies at {ends}."
        )
    return Place(name, DTYPES[dtype], tuple(shape), *ends)


def _is_sizes(value: Any, most: int) -> bool:
    return isinstance(value, list) and all(type(n) is int and 0 <= n <= most for n in value)


def check_numbers(path: Path, name: str, tensor: Tensor) -> None:
    """Finite numbers, but for -inf where a short column has no category; truth values of 0 and 1.

    Raises
    ------
    FileFormatError
        With the name of the tensor.
    """
    if tensor.dtype is torch.bool:
        if tensor.numel() and int(tensor.view(torch.uint8).max()) > 1:
            raise FileFormatError(f"{path}: tensor {name!r} has truth values other than 0 and 1.")
        return
    if not tensor.is_floating_point():
        return
    good = torch.isfinite(tensor)
    if name.split(".")[-1] in PADDED:
        good |= torch.isneginf(tensor)
    if bool(good.all()):
        return
    raise FileFormatError(
        f"{path}: tensor {name!r} has NaN or infinite numbers, with which no answer is one. "
        "Use another file, or fit again."
    )
