"""Tasks in worker processes. A task that kills its process costs that task only."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def run(
    function: Callable[[T], R], tasks: Iterable[T], jobs: int, died: Callable[[T, str], R], threads: int = 1
) -> Iterator[R]:
    """Yield `function(task)` for every task, as they end, from `jobs` processes of `threads` threads each.

    When a process dies, which takes its pool with it, the tasks then at work are run again one by one, and
    the one that kills its process again gets `died(task, why)` instead of a result.
    """
    waiting = deque(tasks)
    while waiting:
        suspects = yield from _until_death(function, waiting, jobs, threads)
        for task in suspects:
            broken = yield from _until_death(function, deque([task]), 1, threads)
            if broken:
                yield died(task, "the process that ran it died")


def _until_death(
    function: Callable[[T], R], waiting: deque[T], jobs: int, threads: int
) -> Generator[R, None, list[T]]:
    """Yield results until no task waits; return the tasks that were at work if the pool broke."""
    running: dict[Future[R], T] = {}
    with _pool(jobs, threads) as pool:
        try:
            while waiting or running:
                # No more in flight than processes: what breaks the pool is then one of few.
                while waiting and len(running) < jobs:
                    running[pool.submit(function, waiting[0])] = waiting[0]
                    waiting.popleft()
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    del running[future]
                    yield result
        except BrokenProcessPool:
            return list(running.values())
    return []


@contextmanager
def _pool(jobs: int, threads: int) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes, since torch and OpenMP do not survive a fork; threads are set where they look."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)))
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_begin)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _begin() -> None:
    """Leave an interruption to the parent, which keeps what is finished, and do not outlive the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
