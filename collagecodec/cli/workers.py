"""A pool of worker processes that share the cores. A task that kills its process costs only that task."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import NoReturn, TypeVar

from collagecodec.sampling.threads import THREADS_VARIABLE, thread_count

T = TypeVar("T")
R = TypeVar("R")

LIBRARY_VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "VIPS_CONCURRENCY",
)
"""Environment variables that limit the threads of the libraries in use. Libraries read them when they load."""


def run(
    function: Callable[[T], R],
    tasks: Iterable[T],
    jobs: int,
    died: Callable[[T, str], R],
    threads: int | None = None,
) -> Iterator[R]:
    """Yield `function(task)` for every task, in order of completion, computed by `jobs` processes.

    Each process uses `threads` threads. By default the processes divide `thread_count()` equally, and limits of
    libraries that are already set in the environment stay in effect.

    A process that dies breaks the pool. The tasks that were running are then repeated one by one, and a task
    whose process dies again yields `died(task, reason)`.
    """
    waiting = deque(tasks)
    while waiting:
        suspects = yield from _until_death(function, waiting, jobs, threads)
        for task in suspects:
            broken = yield from _until_death(function, deque([task]), 1, threads)
            if broken:
                yield died(task, "its process died")


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _until_death(
    function: Callable[[T], R], waiting: deque[T], jobs: int, threads: int | None
) -> Generator[R, None, list[T]]:
    """Yield results until no task waits. If the pool breaks, return the tasks that were running."""
    running: dict[Future[R], T] = {}
    with _pool(jobs, threads) as pool:
        try:
            while waiting or running:
                # No more tasks than processes are submitted, so that few are suspects if the pool breaks.
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
def _pool(jobs: int, threads: int | None) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of spawned processes. Forked ones would inherit broken thread states of torch and OpenMP."""
    with _environment(_limits(jobs, threads)):
        pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _prepare_worker)
        try:
            yield pool
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _limits(jobs: int, threads: int | None) -> dict[str, str]:
    """Return the environment variables that give each of `jobs` processes its number of threads."""
    if threads is not None:
        return dict.fromkeys((THREADS_VARIABLE, *LIBRARY_VARIABLES), str(threads))
    share = str(max(1, thread_count() // jobs))
    return {THREADS_VARIABLE: share, **{name: os.environ.get(name, share) for name in LIBRARY_VARIABLES}}


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables, which spawned processes inherit, and restore the old values in the end."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _prepare_worker() -> None:
    # Ctrl-C reaches all processes. Exiting here unwinds the task, which removes its partial file, silently.
    signal.signal(signal.SIGINT, _exit_on_interrupt)
    signal.signal(signal.SIGTERM, _exit_on_interrupt)
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_on_interrupt(*_: object) -> NoReturn:
    sys.exit(130)


def _exit_with_parent() -> None:
    """Prevent that the worker outlives a parent that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
