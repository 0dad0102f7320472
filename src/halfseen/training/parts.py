"""Batches too large for the memory: part by part, with activations of one part at a time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from halfseen.core.memory import floats_at_once
from halfseen.nn.norm import StackedBatchNorm

__all__ = ["in_parts"]

Losses = dict[str, Tensor]
# Layers to whose answer the other rows of a batch belong.
NORMS = (nn.modules.batchnorm._BatchNorm, StackedBatchNorm)


def in_parts(
    losses: Callable[[slice], Losses],
    n_rows: int,
    width: int,
    generator: torch.Generator,
    module: nn.Module,
) -> Losses:
    """Losses of a batch under a limit of memory.

    Activations of a part are forgotten, and made again when its gradient is due (Chen et al. 2016,
    "Training deep nets with sublinear memory cost"), with the numbers that were drawn before.

    Parameters
    ----------
    losses : callable
        From a part of the batch's rows to named losses, each a mean over these rows.
    n_rows : int
        Of the batch.
    width : int
        Floats of the widest activation of one row.
    generator : torch.Generator
        Where losses draw from.
    module : Module
        What learns; batches that it normalises stay whole.

    Returns
    -------
    dict of str to Tensor
        Means over all rows.
    """
    size = max(1, floats_at_once() // max(width, 1))
    if size >= n_rows or any(isinstance(part, NORMS) for part in module.modules()):
        return losses(slice(None))
    total: Losses = {}
    for start in range(0, n_rows, size):
        part = slice(start, min(start + size, n_rows))
        share = (part.stop - part.start) / n_rows
        for name, loss in _forgetful(losses, part, generator).items():
            total[name] = total.get(name, 0.0) + share * loss
    return total


def _forgetful(
    losses: Callable[[slice], Losses], part: slice, generator: torch.Generator
) -> Losses:
    """Losses of a part, whose activations are made twice from the same draws."""
    start, calls = generator.get_state(), 0

    def again() -> Losses:
        nonlocal calls
        calls += 1
        if calls == 1:
            return losses(part)
        after = generator.get_state()
        generator.set_state(start)
        try:
            return losses(part)
        finally:
            generator.set_state(after)

    return checkpoint(again, use_reentrant=False)
