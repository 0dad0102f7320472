"""Batches of rows answered side by side: one thread for each, not all threads for one operation.

An operation on one batch is too short to be shared: threads that wait for each other at its end
cost more than they bring, above all where something else runs on the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from halfseen.core.batch import Batch

__all__ = ["each_batch"]


def each_batch(answer: Callable[[Batch], Tensor], batches: Iterable[Batch]) -> list[Tensor]:
    """Answers of all batches, in their order; without gradients.

    The threads are those that torch may use, divided among the batches; accelerators have one.

    Parameters
    ----------
    answer : callable
        From a batch to its answer; it must not depend on other batches.
    batches : iterable of Batch

    Examples
    --------
    >>> batch = Batch(torch.ones(2, 1), torch.ones(2, 1), torch.ones(2, 1))
    >>> [float(total) for total in each_batch(lambda batch: batch.x.sum(), [batch, batch])]
    [2.0, 2.0]
    """
    waiting = list(batches)
    n_threads = torch.get_num_threads()
    n_workers = min(n_threads, len(waiting))
    if n_workers < 2 or waiting[0].x.device.type != "cpu":
        return [_without_gradient(answer, batch) for batch in waiting]
    share = n_threads // n_workers
    try:
        with ThreadPoolExecutor(
            n_workers, initializer=lambda: torch.set_num_threads(share)
        ) as pool:
            return list(pool.map(lambda batch: _without_gradient(answer, batch), waiting))
    finally:
        # The workers' setting would be that of threads to come.
        torch.set_num_threads(n_threads)


@torch.no_grad()
def _without_gradient(answer: Callable[[Batch], Tensor], batch: Batch) -> Tensor:
    return answer(batch)
