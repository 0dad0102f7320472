"""Fitted estimators in one file: tensors as safetensors, the rest as a JSON header.

Nothing is pickled, and nothing in a file is run: a file names a method, and only methods that
the package has can be made.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from halfseen.errors import FileFormatError, SettingError
from halfseen.mechanisms.base import Mechanism
from halfseen.tables.codec import TableCodec

__all__ = ["FORMAT", "read_model", "write_model"]

FORMAT = 1


def write_model(estimator: Any, path: Path) -> None:
    """Write a fitted estimator; the target is replaced only by a complete file."""
    from safetensors.torch import save

    facts, tensors = estimator._state()
    header = {
        "format": FORMAT,
        "method": type(estimator).__name__,
        "params": {
            k: _pack(v) if k != "random_state" else _seed(estimator)
            for k, v in estimator.get_params(deep=False).items()
        },
        "codec": estimator.codec_.to_json(),
        "facts": facts,
    }
    data = save(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
        metadata={"halfseen": json.dumps(header)},
    )
    _replace(path, data)


def _replace(path: Path, data: bytes) -> None:
    """Write beside the target, then move into place."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as sink:
            sink.write(data)
            sink.flush()
            os.fsync(sink.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_model(path: Path, methods: Mapping[str, type], overrides: Mapping[str, Any]) -> Any:
    """Make the estimator that a file holds.

    Parameters
    ----------
    path : Path
        A file that :func:`write_model` wrote.
    methods : mapping of str to class
        The methods that may be made.
    overrides : mapping
        Arguments that the file cannot hold, such as a mechanism written by the user.
    """
    header, tensors = _open(path)
    name = header.get("method")
    method = methods.get(name) if isinstance(name, str) else None
    if method is None:
        raise FileFormatError(
            f"{path} holds a {header.get('method')!r}, which this version does not have. "
            f"Expected one of {sorted(methods)}."
        )
    try:
        params = {k: _unpack(k, v, overrides) for k, v in header["params"].items()}
        estimator = method(**{**params, **overrides})
        estimator.codec_ = TableCodec.from_json(header["codec"])
        estimator._set_features()
        estimator._set_state(header["facts"], tensors)
    except SettingError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError, IndexError) as error:
        raise FileFormatError(
            f"{path} does not hold a whole {method.__name__} ({type(error).__name__}: {error}). "
            "Expected a file written by save()."
        ) from error
    return estimator


def _open(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        raise FileNotFoundError(f"No file at {path}.")
    try:
        with safe_open(path, framework="pt") as source:
            text = (source.metadata() or {}).get("halfseen")
            tensors = {name: source.get_tensor(name) for name in source.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise FileFormatError(
            f"{path} is not a halfseen model ({error}). Expected a file written by save()."
        ) from error
    if text is None:
        raise FileFormatError(f"{path} has no halfseen header. Expected a file written by save().")
    try:
        header = json.loads(text)
    except json.JSONDecodeError as error:
        raise FileFormatError(f"{path} has a broken header ({error}).") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise FileFormatError(
            f"{path} is not of format {FORMAT}, which this version reads. "
            "Use the version of halfseen that wrote it, or fit again."
        )
    return header, tensors


def _seed(estimator: Any) -> int | None:
    """The seed of the fit: a generator that the user passed is not touched again."""
    value = estimator.random_state
    return value if value is None else int(estimator.seed_)


def _pack(value: Any) -> Any:
    """A constructor argument as JSON."""
    if isinstance(value, Mechanism):
        return {"mechanism": type(value).__name__, "settings": value.settings()}
    if isinstance(value, (np.integer, np.floating, np.bool_)):
        return value.item()
    return list(value) if isinstance(value, tuple) else value


def _unpack(name: str, value: Any, overrides: Mapping[str, Any]) -> Any:
    """Inverse of :func:`_pack`."""
    if isinstance(value, dict) and set(value) == {"mechanism", "settings"}:
        from halfseen import mechanisms

        made = getattr(mechanisms, value["mechanism"], None)
        if name in overrides:
            return overrides[name]
        if made is None or value["mechanism"] not in mechanisms.__all__:
            raise SettingError(
                f"The model has a mechanism {value['mechanism']!r} written by its user. "
                f"Pass it: load(path, {name}={value['mechanism']}(...))."
            )
        return made(**value["settings"])
    return tuple(value) if isinstance(value, list) else value
