"""Independent pieces of work on all cores, each in a process of its own."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from receptive.errors import ReceptiveError

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_processes(
    work: Callable[[Item], Result], items: Sequence[Item], killed: str, workers: int | None = None
) -> Iterator[Result]:
    """The results of ``work`` for every item, in the order in which the calls end.

    Args:
        work: A function that another process can import; its argument and its result are pickled.
        items: The arguments, one per call.
        killed: The message for a process that was killed: cause and cure, in one line.
        workers: Number of processes; None takes as many as there are cores. With one process (or one item) all calls
            happen here.

    Raises:
        ReceptiveError: A process was killed.
        Exception: What ``work`` raises, as it is; calls that have not begun are left out.
    """
    workers = min(workers or cores(), len(items))
    if workers <= 1:
        yield from map(work, items)
        return
    # Fresh processes: a fork of one with threads (a bar's, a library's) may hang. An executor, not a pool:
    # a pool waits for ever for a process that was killed.
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
