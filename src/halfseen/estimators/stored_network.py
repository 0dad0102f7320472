"""Tensors of a file into a network of the settings in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from halfseen.core.stored import entries, numbers, whole
from halfseen.errors import FileFormatError

__all__ = ["restore_network", "set_common", "stored"]

# Buffers of a head that say which columns are where: they follow from the columns alone.
LAYOUT = ("flat", "padding", "place", "real")


def restore_network(
    network: nn.Module,
    tensors: Mapping[str, Tensor],
    known: Mapping[str, Tensor] | None = None,
) -> None:
    """Give a network the numbers of a file; it is then ready to answer, and learns no more.

    Parameters
    ----------
    network : Module
        As the settings make it.
    tensors : mapping of str to Tensor
        One per parameter and buffer, by its name.
    known : mapping of str to Tensor, optional
        Parameters and buffers that the file has, where others are those of another estimator.

    Raises
    ------
    FileFormatError
        When there are others, or of other shapes or types.

    Examples
    --------
    >>> network = nn.Linear(2, 1)
    >>> restore_network(network, {"weight": torch.ones(1, 2), "bias": torch.zeros(1)})
    >>> network(torch.ones(1, 2)).tolist()
    [[2.0]]
    """
    partly = known is not None
    known = network.state_dict() if known is None else known
    _check_names(set(known), set(tensors))
    for name, tensor in tensors.items():
        _check_like(name, tensor, known[name])
    layout = _layout(network)
    for name in layout & set(known):
        if not torch.equal(tensors[name], known[name].cpu()):
            raise FileFormatError(
                f"The file's tensor {name!r} is not what its columns ask for. Expected a file "
                "written by save()."
            )
    network.load_state_dict(dict(tensors), strict=not partly)
    network.requires_grad_(False).eval()


def set_common(estimator: Any, facts: Mapping[str, Any]) -> None:
    """What every fitted imputer with a history remembers.

    Parameters
    ----------
    estimator : imputer
        With its codec.
    facts : mapping
        Of a file.
    """
    estimator.seed_ = whole(facts, "seed", 0, 2**63)
    estimator.history_ = entries(facts, "history")
    estimator.n_iter_ = whole(facts, "n_iter", 0, 2**53)
    n = estimator.codec_.spec.n_columns
    estimator.missing_share_ = numbers(facts, "missing_share", n)


def stored(tensors: Mapping[str, Tensor], name: str, *shape: int | None) -> Tensor:
    """A tensor of floats by its name, of a given shape.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        What a file holds.
    name : str
        Which one.
    *shape : int or None
        Length of each axis; None is any.

    Raises
    ------
    FileFormatError
        When there is none, or it has another shape.
    """
    tensor = tensors.get(name)
    if tensor is None:
        raise FileFormatError(f"The file has no tensor {name!r}. Expected one written by save().")
    fits = tensor.ndim == len(shape) and all(
        want in (None, size) for size, want in zip(tensor.shape, shape, strict=False)
    )
    if not fits or not tensor.is_floating_point():
        sizes = " x ".join("any" if size is None else str(size) for size in shape)
        raise FileFormatError(
            f"The file's tensor {name!r} is of type {tensor.dtype} and shape "
            f"{tuple(tensor.shape)}. Expected {sizes or 'one'} floats."
        )
    return tensor


def _check_names(known: set[str], given: set[str]) -> None:
    if known != given:
        raise FileFormatError(
            f"The file lacks tensors {sorted(known - given)[:5]} and has "
            f"{sorted(given - known)[:5]} that its settings have no place for. Expected a file "
            "written by save()."
        )


def _check_like(name: str, tensor: Tensor, like: Tensor) -> None:
    if tensor.shape != like.shape or tensor.dtype != like.dtype:
        raise FileFormatError(
            f"The file's tensor {name!r} is of type {tensor.dtype} and shape "
            f"{tuple(tensor.shape)}. Its settings ask for {like.dtype} and {tuple(like.shape)}."
        )


def _layout(network: nn.Module) -> set[str]:
    """Names of buffers that are no numbers to learn, in modules of this package."""
    return {
        f"{prefix}.{name}" if prefix else name
        for prefix, module in network.named_modules()
        if type(module).__module__.startswith("halfseen.")
        for name, _ in module.named_buffers(recurse=False)
        if name in LAYOUT
    }
