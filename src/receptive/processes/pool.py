"""Independent pieces of work on all cores, each in a process of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from receptive.errors import ReceptiveError

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_processes(
    work: Callable[[Item], Result], items: Sequence[Item], killed: str, workers: int | None = None
) -> Iterator[Result]:
    """``work`` of every item, in the order in which they end.

    Args:
        work: A function that another process can import; what it takes and returns is pickled.
        items: What it is called with, one by one.
        killed: What to say when one of the processes was killed: cause and cure, in one line.
        workers: Processes; None takes as many as there are cores. With one (or one item) it all happens here.

    Raises:
        ReceptiveError: a process was killed.
        Exception: what ``work`` raises, as it is; what has not begun is not begun any more.
    """
    workers = min(workers or cores(), len(items))
    if workers <= 1:
        yield from map(work, items)
        return
    # Fresh processes: a fork of one with threads (a bar's, a library's) may hang. An executor, not a pool:
    # a pool waits for ever for a process that was killed.
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    executor = ProcessPoolExecutor(workers, get_context("spawn"), _leave_interrupts_to_the_parent)
    try:
        for done in as_completed([executor.submit(work, item) for item in items]):
            yield done.result()
    except BrokenProcessPool:
        raise ReceptiveError(killed) from None
    finally:
        executor.shutdown(cancel_futures=True)


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
