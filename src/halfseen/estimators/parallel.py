"""Batches of rows answered side by side: one thread for each, not all threads for one operation.

An operation on one batch is too short to be shared: threads that wait for each other at its end
cost more than they bring, above all where something else runs on the machine.

Torch has one number of threads for the process, with which threads to come begin, and one for
each thread that has begun. Workers are made once in a process, narrow their own number, and live
on: from then on nothing here touches the process's.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from typing import TypeVar

import torch

from halfseen.core.batch import Batch

__all__ = ["each_batch"]

Answer = TypeVar("Answer")
# Workers by the number of threads that torch might use when they were made.
_pools: dict[int, ThreadPoolExecutor] = {}
_making = threading.Lock()


def each_batch(answer: Callable[[Batch], Answer], batches: Iterable[Batch]) -> list[Answer]:
    """Answers of all batches, in their order; without gradients.

    There are as many workers as threads that torch may use, each with one of them; for one batch,
    and on accelerators, there is none. Any number of threads may call this at once.

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
    pool = _workers() if len(waiting) > 1 and waiting[0].x.device.type == "cpu" else None
    if pool is None:
        return [_without_gradient(answer, batch) for batch in waiting]
    # What holds here, such as a limit of memory, holds in the workers too.
    contexts = [copy_context() for _ in waiting]

    def inside(context: Context, batch: Batch) -> Answer:
        return context.run(_without_gradient, answer, batch)

    return list(pool.map(inside, contexts, waiting))


def _workers() -> ThreadPoolExecutor | None:
    """Workers of this process with one thread each; None where torch may use one only."""
    with _making:
        # Read while nobody narrows: it becomes the number of a thread that begins here.
        n_threads = torch.get_num_threads()
        if n_threads > 1 and n_threads not in _pools:
            _pools[n_threads] = _narrow_workers(n_threads)
        return _pools.get(n_threads)


def _narrow_workers(n_threads: int) -> ThreadPoolExecutor:
    pool = ThreadPoolExecutor(n_threads, "halfseen-answers")
    # They wait for each other, so that each of them has one of these tasks.
    together = threading.Barrier(n_threads)

    def narrow(_: int) -> None:
        # A thread begins with the process's number when it first asks, and not before.
        torch.get_num_threads()
        together.wait()
        torch.set_num_threads(1)
        together.wait()

    try:
        list(pool.map(narrow, range(n_threads)))
    finally:
        torch.set_num_threads(n_threads)
    return pool


@torch.no_grad()
def _without_gradient(answer: Callable[[Batch], Answer], batch: Batch) -> Answer:
    return answer(batch)


def _after_fork() -> None:
    """A forked process has none of its parent's threads, but waits for them unless told so."""
    global _making
    _making = threading.Lock()
    _pools.clear()
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
