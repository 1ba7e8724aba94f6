"""Threads: how many, and how work is spread over them.

Matrix libraries share out small products badly, so they are held to one thread while we run several of our
own. $COLLAGE_THREADS sets their number; by default it is the number of processors this process may use.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")
THREADS_VARIABLE = "COLLAGE_THREADS"


def thread_count() -> int:
    """Threads to use, at least 1; ValueError if $COLLAGE_THREADS is not a whole number."""
    text = os.environ.get(THREADS_VARIABLE, "")
    if text:
        if not text.isdecimal() or int(text) < 1:
            raise ValueError(f"${THREADS_VARIABLE} must be a whole number of at least 1, not {text!r}")
        return int(text)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@lru_cache(maxsize=1)
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def single_threaded_libraries() -> AbstractContextManager[Any]:
    """While it is open, matrix libraries use one thread in the whole process."""
    context: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return context


def ordered(function: Callable[[T], R], items: Iterable[T], ahead: int = 2) -> Iterator[R]:
    """`map` over several threads, results in order; at most `ahead` items a thread are taken in advance."""
    threads = thread_count()
    if threads == 1:
        yield from map(function, items)
        return
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > ahead * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
