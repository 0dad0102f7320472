"""What a file says of containers, checked: types by their names, out of closed lists.

A name in a file never reaches a library as it is: many of these have functions beside types.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from halfseen.core.spec import DataSpec
from halfseen.core.stored import entries, flags, member, strings, whole
from halfseen.errors import FileFormatError
from halfseen.tables.raw import Level

__all__ = ["check_float", "check_form", "check_record", "check_texts", "stored_levels"]

FLOATS = ("float16", "float32", "float64", "float96", "float128", "bfloat16")
NUMBERS = (
    *FLOATS,
    "bool",
    *(f"{sign}int{size}" for sign in ("", "u") for size in (8, 16, 32, 64)),
)
# Types of polars that take no settings.
_POLARS = (
    *(f"{kind}{size}" for kind in ("Int", "UInt") for size in (8, 16, 32, 64, 128)),
    *("Float16", "Float32", "Float64", "Boolean", "String", "Utf8", "Categorical", "Null"),
    *("Object", "Date", "Datetime", "Duration", "Time", "Binary"),
)
# Floats whose bytes may be in the other order, such as >f8.
_ORDERED = re.compile(r"[<>=|]f\d{1,2}")
# Words such as string[pyarrow] or datetime64[ns, UTC], and no paths.
_WORD = re.compile(r"[<>=|]?[A-Za-z][\w<>.]*(\[[\w ,<>\[\]]*\])?")


def stored_levels(spec: DataSpec, state: Any) -> dict[str, list[Level]]:
    """Categories of each categorical column, as many as it has.

    Raises
    ------
    FileFormatError
        When there are others, or categories that are no text, numbers or truth values.
    """
    wanted = {column.name: column.n_levels for column in spec.columns if column.categorical}
    levels = {name: entries(state, name, size) for name, size in wanted.items()}
    for name, given in levels.items():
        plain = all(isinstance(level, (str, int, float)) for level in given)
        if not plain or any(level != level for level in given) or not given:
            raise _refused(f"categories of {name[:40]!r}", given[:5])
    return levels


def check_record(record: Any, n_columns: int) -> None:
    """The container of a table, so that a blank one can be made of it.

    Parameters
    ----------
    record : mapping
        What a codec remembers of the container.
    n_columns : int
        How many columns it must have.

    Raises
    ------
    FileFormatError
        When it describes none that this version has.
    """
    container = member(record, "container")
    if container == "array":
        whole(record, "n_columns", n_columns, n_columns)
        _check_array(record, n_columns)
        return
    if container == "tensor":
        whole(record, "n_columns", n_columns, n_columns)
        if member(record, "dtype") not in NUMBERS:
            raise _refused("dtype", record["dtype"])
        return
    check = {"pandas": _check_pandas, "polars": _check_polars, "arrow": _check_arrow}.get(
        container if isinstance(container, str) else ""
    )
    if check is None:
        raise _refused("container", container)
    labels = entries(record, "labels", n_columns)
    if not all(type(label) in (str, int) for label in labels):
        raise _refused("labels", labels[:5])
    for column in entries(record, "columns", n_columns):
        check(column)


def check_form(state: Any) -> None:
    """The form of a modality's container."""
    allowed: dict[str, dict[str, Any]] = {
        "Whole": {},
        "Vector": {"container": ("pandas", "polars", "array", "list", "tuple"), "name": None},
        "Tensors": {"dtype": NUMBERS, "n_axes": (1, 2)},
        "Steps": {"dtype": (*NUMBERS, None), "shape": None},
        "Rows": {
            "container": ("list", "tuple"),
            "row": ("array", "tensor", "list", "tuple"),
            "dtype": NUMBERS,
            "shape": None,
        },
    }
    form = member(state, "form")
    settings = allowed.get(form if isinstance(form, str) else "")
    if settings is None or set(state) - {"form"} != set(settings):
        raise _refused("form", form)
    for name, words in settings.items():
        if words is not None and state[name] not in words:
            raise _refused(name, state[name])
    if "name" in settings and not isinstance(state["name"], str | None):
        raise _refused("name", state["name"])
    if "shape" in settings:
        for size in entries(state, "shape"):
            whole({"shape": size}, "shape")


def check_texts(state: Any) -> None:
    """The container of texts."""
    kind, dtype = member(state, "kind"), member(state, "dtype")
    if kind not in ("pandas", "polars", "array", "tuple", "list"):
        raise _refused("kind", kind)
    if not isinstance(member(state, "tokens"), bool):
        raise _refused("tokens", state["tokens"])
    _check_word(dtype)


def check_float(dtype: Any) -> None:
    """A type of floats by its name."""
    if dtype not in FLOATS and not (isinstance(dtype, str) and _ORDERED.fullmatch(dtype)):
        raise _refused("dtype", dtype)


def _check_array(record: Mapping[str, Any], n_columns: int) -> None:
    dtype = record.get("dtype")
    if not isinstance(dtype, str) or len(dtype) > 20 or np.dtype(dtype).kind not in "biufUTO":
        raise _refused("dtype", dtype)
    for place in record.get("whole", []):
        whole({"whole": place}, "whole", 0, n_columns - 1)


def _check_pandas(column: Any) -> None:
    dtype = member(column, "dtype")
    if dtype == "arrow":
        _check_arrow(member(column, "arrow"))
    elif dtype == "category":
        _check_categories(column)
    else:
        _check_word(dtype)
        _check_known(pd.api.types.pandas_dtype, dtype)


def _check_polars(column: Any) -> None:
    dtype = member(column, "dtype")
    if dtype == "Enum":
        strings(column, "categories")
    elif dtype == "Decimal":
        _check_decimal(column)
    elif dtype not in _POLARS or set(column) != {"dtype"}:
        raise _refused("dtype", dtype)


def _check_arrow(column: Any) -> None:
    dtype = member(column, "dtype")
    if dtype == "dictionary":
        _check_categories(column)
        _check_known(pa.type_for_alias, member(column, "values"))
        _check_known(pa.type_for_alias, member(column, "indices"))
    elif dtype == "decimal":
        _check_decimal(column)
    else:
        _check_known(pa.type_for_alias, dtype)


def _check_categories(column: Mapping[str, Any]) -> None:
    for label in entries(column, "categories"):
        if not isinstance(label, (str, int, float)):
            raise _refused("categories", label)
    flags({"ordered": [member(column, "ordered")]}, "ordered", 1)


def _check_decimal(column: Mapping[str, Any]) -> None:
    if member(column, "precision") is not None:
        whole(column, "precision", 1, 76)
    whole(column, "scale", -76, 76)


def _check_word(dtype: Any) -> None:
    if not isinstance(dtype, str) or len(dtype) > 60 or not _WORD.fullmatch(dtype):
        raise _refused("dtype", dtype)


def _check_known(find: Callable[[str], Any], dtype: Any) -> None:
    """A word that a library knows as a type."""
    try:
        find(dtype)
    except (TypeError, ValueError) as error:
        raise _refused("dtype", dtype) from error


def _refused(name: str, value: Any) -> FileFormatError:
    return FileFormatError(
        f"The file has {str(value)[:60]!r} as {name}, which is none of this version. Expected a "
        "file written by save()."
    )
