"""Fitted estimators in one file: tensors as safetensors, the rest as a JSON header.

Nothing is pickled, and nothing in a file is run: a file names a method, and only methods that
the package has can be made.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import narwhals.dependencies as nwd
import numpy as np
from sklearn.frozen import FrozenEstimator
from torch import Tensor, nn

from halfseen.core.stored import entries
from halfseen.errors import FileFormatError, MissingDependencyError, SettingError
from halfseen.estimators.allowance import Allowance
from halfseen.estimators.base import TableEstimator
from halfseen.estimators.file_schema import (
    check_header,
    check_params,
    check_settings,
    count_columns,
)
from halfseen.estimators.model_file import read_file, write_file
from halfseen.mechanisms.base import Mechanism
from halfseen.mechanisms.images import ImageMask
from halfseen.tables.choice import codec_from_json
from halfseen.tables.containers import open_table

__all__ = ["read_model", "write_model"]

# What may be allocated while a model is made: so much, and so many times its file.
FREE_BYTES, TIMES_FILE = 32 * 2**20, 8
FREE_CALLS, CALLS_PER_TENSOR, CALLS_PER_COLUMN = 5_000, 100, 10
# Keys by which a file tells arguments that JSON does not have from mappings of the user's.
_MARKS = ({"pairs"}, {"network"}, {"mechanism", "settings"}, {"estimator", "settings"})


# What Python, torch and numpy raise over values that make no sense.
ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)


def write_model(estimator: Any, path: Path) -> None:
    """Write a fitted estimator; the target is replaced only by a complete file."""
    header, tensors = _describe(estimator)
    write_file(path, header, tensors)


def _describe(estimator: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """An estimator and the fitted ones inside it, as JSON and named tensors."""
    facts, tensors = estimator._state()
    header: dict[str, Any] = {
        "method": type(estimator).__name__,
        "params": {
            k: _pack(v) if k != "random_state" else _seed(estimator)
            for k, v in estimator.get_params(deep=False).items()
        },
        "codec": estimator.codec_.to_json(),
        "facts": facts,
        "parts": {},
    }
    for name, part in estimator._parts().items():
        header["parts"][name], inner = _describe(part)
        tensors |= {f"{name}/{key}": tensor for key, tensor in inner.items()}
    return header, tensors


def read_model(path: Path, methods: Mapping[str, type], overrides: Mapping[str, Any]) -> Any:
    """Make the estimator that a file holds.

    Parameters
    ----------
    path : Path
        A file that :func:`write_model` wrote.
    methods : mapping of str to class
        The methods that may be made.
    overrides : mapping
        Arguments that the file cannot hold, such as a mechanism written by the user; one of an
        estimator inside has its name in front, as in ``generator__mechanism``.
    """
    header, tensors = read_file(path)
    n_bytes = sum(tensor.nbytes for tensor in tensors.values())
    n_bytes = FREE_BYTES + TIMES_FILE * n_bytes
    try:
        check_header(header)
        n_calls = FREE_CALLS + CALLS_PER_TENSOR * len(tensors)
        n_calls += CALLS_PER_COLUMN * count_columns(header["codec"])
        with Allowance(n_bytes, n_calls):
            return _make(header, tensors, methods, overrides)
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from error
    except (SettingError, MissingDependencyError):
        raise
    except ERRORS as error:
        raise FileFormatError(
            f"{path} does not hold a whole estimator ({type(error).__name__}: "
            f"{str(error)[:200]}). Expected a file written by save()."
        ) from error


def _make(
    header: Mapping[str, Any],
    tensors: Mapping[str, Any],
    methods: Mapping[str, type],
    overrides: Mapping[str, Any],
    prefix: str = "",
) -> Any:
    """Inverse of :func:`_describe`; ``prefix`` is what arguments of ``load`` begin with."""
    method = _method(header["method"], methods)
    check_params(method, header["params"])
    nested = {k for name in header["parts"] for k in overrides if k.startswith(f"{name}__")}
    given = {k: value for k, value in overrides.items() if k not in nested}
    params = {
        k: given[k] if k in given else _unpack(prefix + k, v, methods, _inside(overrides, k))
        for k, v in header["params"].items()
    }
    estimator = method(**{**params, **given})
    check_settings(estimator)
    estimator.codec_ = codec_from_json(header["codec"])
    estimator._set_features()
    own = dict(tensors)
    for name, part in header["parts"].items():
        inner = {
            k.removeprefix(f"{name}/"): own.pop(k) for k in tensors if k.startswith(f"{name}/")
        }
        place = f"{prefix}{name}__"
        made = _make(part, inner, methods, _inside(overrides, name), place)
        setattr(estimator, f"{name}_", made)
    estimator._set_state(header["facts"], own)
    return estimator


def _inside(overrides: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Those of the estimator called ``name``."""
    start = f"{name}__"
    return {k.removeprefix(start): v for k, v in overrides.items() if k.startswith(start)}


def _method(name: Any, methods: Mapping[str, type]) -> type:
    known = {key: method for key, method in methods.items() if method.card.saves}  # type: ignore[attr-defined]
    if not isinstance(name, str) or name not in known:
        raise FileFormatError(
            f"The file holds a {str(name)[:40]!r}, which this version cannot load. "
            f"Expected one of {sorted(known)}."
        )
    return known[name]


def _seed(estimator: Any) -> int | None:
    """The seed of the fit: a generator that the user passed is not touched again."""
    value = estimator.random_state
    return value if value is None else int(estimator.seed_)


def _pack(value: Any) -> Any:
    """A constructor argument as JSON."""
    if isinstance(value, FrozenEstimator):
        return _pack(value.estimator)
    if nwd.is_into_dataframe(value):
        return _pack(_columns(value))
    if isinstance(value, Mapping) and not _is_plain(value):
        return {"pairs": [[_pack(key), _pack(item)] for key, item in value.items()]}
    if isinstance(value, (Mechanism, ImageMask)):
        return {"mechanism": type(value).__name__, "settings": value.settings()}
    if isinstance(value, TableEstimator):
        params = value.get_params(deep=False)
        settings = {k: _pack(v) for k, v in params.items() if k != "random_state"}
        return {"estimator": type(value).__name__, "settings": settings}
    if isinstance(value, nn.Module):
        return {"network": type(value).__name__}
    if isinstance(value, Mapping):
        return {key: _pack(item) for key, item in value.items()}
    return _plain(value)


def _plain(value: Any) -> Any:
    """Numbers, arrays, paths and tuples as JSON has them."""
    if isinstance(value, (np.integer, np.floating, np.bool_)):
        return value.item()
    if isinstance(value, (np.ndarray, Tensor)) or nwd.is_pandas_index(value):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _columns(table: Any) -> dict[Any, list[Any]]:
    """A table as columns by their labels."""
    return {label: table[label].to_numpy().tolist() for label in open_table(table).labels}


def _is_plain(value: Mapping[Any, Any]) -> bool:
    """Whether a mapping reads the same after a way through JSON."""
    return all(isinstance(key, str) for key in value) and set(value) not in _MARKS


def _unpack(
    name: str, value: Any, methods: Mapping[str, type], overrides: Mapping[str, Any]
) -> Any:
    """Inverse of :func:`_pack` for the argument ``name``, with overrides of what is inside."""
    if isinstance(value, dict) and set(value) == {"mechanism", "settings"}:
        return _unpack_mechanism(name, value)
    if isinstance(value, dict) and set(value) == {"estimator", "settings"}:
        settings = {
            k: overrides[k] if k in overrides else _unpack(f"{name}__{k}", v, methods, {})
            for k, v in value["settings"].items()
        }
        return _method(value["estimator"], methods)(**settings)
    if isinstance(value, dict) and set(value) == {"pairs"}:
        pairs = [entries({name: pair}, name, 2) for pair in entries(value, "pairs")]
        if any(isinstance(key, (list, dict)) for key, _ in pairs):
            raise FileFormatError(f"The file's {name!r} has keys that are none.")
        return dict(pairs)
    if isinstance(value, dict) and set(value) == {"network"}:
        raise SettingError(
            f"The model has a network {value['network']!r} written by its user. "
            f"Pass one of the same shape: load(path, {name}={value['network']}(...))."
        )
    return tuple(value) if isinstance(value, list) else value


def _unpack_mechanism(name: str, value: Mapping[str, Any]) -> Mechanism | ImageMask:
    from halfseen import mechanisms

    made: Any = getattr(mechanisms, str(value["mechanism"]), None)
    known = value["mechanism"] in mechanisms.__all__ and isinstance(made, type)
    if not known or inspect.isabstract(made) or not issubclass(made, (Mechanism, ImageMask)):
        raise SettingError(
            f"The model has a mechanism {value['mechanism']!r} written by its user. "
            f"Pass it: load(path, {name}={value['mechanism']}(...))."
        )
    settings = value["settings"].items()
    return made(**{key: tuple(v) if isinstance(v, list) else v for key, v in settings})
