"""One file: a JSON header and named tensors in the safetensors layout, with a checksum.

    8 bytes        length of the header, little endian
    header         JSON: {"__metadata__": {...}, "name": {"dtype", "shape", "data_offsets"}, ...}
    tensors        one after the other, without gaps

Files come from strangers. Everything that the header says is compared with the size of the file
before anything is allocated for it; docs/files.md lists the limits.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from halfseen.core.version import VERSION
from halfseen.core.writing import replacing
from halfseen.errors import FileFormatError, SettingError
from halfseen.estimators.file_layout import (
    MAX_FILE,
    MAX_HEADER,
    MAX_TENSORS,
    NAMES,
    Place,
    check_numbers,
    find_places,
    parse_header,
)

__all__ = ["FORMAT", "read_file", "write_file"]

FORMAT = 2
_UNSIGNED = b"0" * 64
_METADATA = {1: {"halfseen"}, FORMAT: {"format", "halfseen", "sha256", "version"}}


def write_file(path: Path, facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write a header and tensors; the target is replaced only by a complete file.

    Parameters
    ----------
    path : Path
        The target.
    facts : mapping
        Plain values, as JSON has them.
    tensors : mapping of str to Tensor
        On any device.

    Raises
    ------
    OSError
        When it cannot be written; a file that was there stays as it was.
    SettingError
        When the model is larger than what :func:`read_file` takes.
    """
    _check_text(facts)
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # The widest first: then each is aligned.
    names = sorted(plain, key=lambda name: (-plain[name].element_size(), name))
    header = _header(facts, {name: plain[name] for name in names})
    total = len(header) + sum(tensor.nbytes for tensor in plain.values())
    if len(header) > MAX_HEADER or total > MAX_FILE or len(names) > MAX_TENSORS:
        raise SettingError(
            f"Got a model of {len(header)} bytes of settings, {total} bytes in all and "
            f"{len(names)} tensors. Expected at most {MAX_HEADER}, {MAX_FILE} and {MAX_TENSORS}: "
            "a larger one could not be read again. Use fewer columns, or smaller networks."
        )
    _check_readable(path, header, plain)
    sums = hashlib.sha256(len(header).to_bytes(8, "little") + header)
    for name in names:
        sums.update(_bytes(plain[name]))
    signed = header.replace(_UNSIGNED, sums.hexdigest().encode(), 1)
    with replacing(path) as sink:
        sink.write(len(signed).to_bytes(8, "little") + signed)
        for name in names:
            sink.write(_bytes(plain[name]))


def _check_readable(path: Path, header: bytes, tensors: Mapping[str, Tensor]) -> None:
    """Refuse to write what would be refused in reading."""
    try:
        outer = parse_header(path, header, unique=True)
        parse_header(path, outer.pop("__metadata__")["halfseen"].encode())
        find_places(path, outer, sum(tensor.nbytes for tensor in tensors.values()))
        for name, tensor in tensors.items():
            check_numbers(path, name, tensor)
    except FileFormatError as error:
        raise SettingError(
            f"The model was not written, as it could not be read again. {error}"
        ) from error


def _check_text(facts: Mapping[str, Any]) -> None:
    """Refuse text that no file can hold, before a file is there that cannot be read."""
    try:
        json.dumps(facts, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        odd = error.object[max(error.start - 10, 0) : error.end]
        raise SettingError(
            f"Got text that is no Unicode, {odd!r}, among names or categories. "
            "Expected text that a file can hold: correct these cells."
        ) from error


def _header(facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> bytes:
    """The header with zeros in place of the checksum, which is that of the file with them."""
    metadata = {
        "sha256": _UNSIGNED.decode(),
        "format": str(FORMAT),
        "version": VERSION,
        "halfseen": json.dumps(facts),
    }
    outer: dict[str, Any] = {"__metadata__": metadata}
    start = 0
    for name, tensor in tensors.items():
        end = start + tensor.nbytes
        dtype, shape = NAMES[tensor.dtype], list(tensor.shape)
        outer[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
        start = end
    text = json.dumps(outer, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % 8)


def _bytes(tensor: Tensor) -> memoryview:
    """The memory of a contiguous tensor on the CPU."""
    # A tensor of one number is called contiguous whatever its strides, and cannot be viewed then.
    flat = tensor.as_strided((tensor.numel(),), (1,))
    return flat.view(torch.uint8).numpy().data


# ---- reading ------------------------------------------------------------------------------


def read_file(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What a file holds, once its layout, its checksum and its numbers are checked.

    Parameters
    ----------
    path : Path
        A regular file.

    Returns
    -------
    facts : dict
        The header.
    tensors : dict of str to Tensor
        Each in memory of its own; none has NaN.

    Raises
    ------
    FileFormatError
        When it is not a file that :func:`write_file` of this version, or an earlier one, wrote.
    FileNotFoundError, PermissionError
        When there is none, or it may not be read.
    """
    with _opened(path) as (source, size):
        length, header = _read_header(path, source, size)
        outer = parse_header(path, header, unique=True)
        metadata = _metadata(path, outer)
        places = find_places(path, outer, size - 8 - len(header))
        sums = hashlib.sha256(length)
        if "sha256" in metadata:
            sums.update(header.replace(metadata["sha256"].encode(), _UNSIGNED, 1))
        tensors = {place.name: _read_tensor(path, source, place, sums) for place in places}
        if metadata.get("sha256", sums.hexdigest()) != sums.hexdigest():
            raise FileFormatError(
                f"{path} is damaged: its contents do not have the checksum that it says. Copy it "
                "again, or fit again."
            )
    for name, tensor in tensors.items():
        check_numbers(path, name, tensor)
    facts = parse_header(path, metadata["halfseen"].encode("utf-8", "surrogatepass"))
    return facts, tensors


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """A regular file and its size: a pipe would be waited for, and a device has no end."""
    if not path.exists():
        raise FileNotFoundError(f"No file at {path}.")
    if not stat.S_ISREG(path.stat().st_mode):
        raise FileFormatError(f"{path} is no regular file. Expected a file written by save().")
    with path.open("rb", buffering=0) as source:
        size = os.fstat(source.fileno()).st_size
        if size > MAX_FILE:
            raise FileFormatError(
                f"{path} has {size} bytes. Expected at most {MAX_FILE}, as save() writes."
            )
        yield source, size


def _read_header(path: Path, source: BinaryIO, size: int) -> tuple[bytes, bytes]:
    length = source.read(8)
    n_bytes = int.from_bytes(length, "little")
    if len(length) < 8 or n_bytes > size - 8 or n_bytes < 2:
        raise FileFormatError(
            f"{path} is not a halfseen model, or only a part of one: it has {size} bytes, and "
            f"says that {n_bytes} are its header. Expected a file written by save()."
        )
    if n_bytes > MAX_HEADER:
        raise FileFormatError(
            f"{path} has a header of {n_bytes} bytes. Expected at most {MAX_HEADER}."
        )
    header = source.read(n_bytes)
    if len(header) < n_bytes:
        raise _cut(path)
    if not header.startswith(b"{"):
        raise FileFormatError(f"{path} is not a halfseen model. Expected one written by save().")
    return length, header


def _metadata(path: Path, outer: dict[str, Any]) -> dict[str, str]:
    """What the file says of itself, of a format that this version reads."""
    metadata = outer.pop("__metadata__", None)
    if not isinstance(metadata, dict) or not isinstance(metadata.get("halfseen"), str):
        raise FileFormatError(f"{path} has no halfseen header. Expected a file written by save().")
    known = metadata.get("format", "1")
    if known not in [str(number) for number in _METADATA]:
        raise FileFormatError(
            f"{path} was written by halfseen {str(metadata.get('version'))[:20]} in format "
            f"{str(known)[:20]}. This is halfseen {VERSION}, which reads formats 1 to {FORMAT}: "
            "use a version as new as that which wrote it, or fit again."
        )
    names = _METADATA[int(known)]
    if set(metadata) != names or not all(isinstance(item, str) for item in metadata.values()):
        raise FileFormatError(
            f"{path} says {sorted(metadata)[:10]} of itself. Expected text for {sorted(names)}."
        )
    return metadata


def _read_tensor(path: Path, source: BinaryIO, place: Place, sums: Any) -> Tensor:
    """A tensor in aligned memory of its own, on which sums do not depend on where it lay."""
    tensor = torch.empty(place.shape, dtype=place.dtype, device="cpu")
    view = _bytes(tensor)
    done = 0
    while done < len(view):
        read = source.readinto(view[done:])  # type: ignore[attr-defined]
        if not read:
            raise _cut(path)
        done += read
    sums.update(view)
    return tensor


def _cut(path: Path) -> FileFormatError:
    return FileFormatError(f"{path} became shorter while it was read. Copy it again.")
