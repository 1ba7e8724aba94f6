"""Threads: how many to use, and how work is spread over them.

Matrix libraries split small products badly, so they are held to one thread while we run several of our own.
$COLLAGE_THREADS sets the number of threads; by default it is the number of processors this process may use.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from threading import Lock, local
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")
THREADS_VARIABLE = "COLLAGE_THREADS"


def thread_count() -> int:
    """Threads to use, at least 1; ValueError if $COLLAGE_THREADS is not an integer of at least 1."""
    text = os.environ.get(THREADS_VARIABLE, "")
    if text:
        if not text.isdecimal() or int(text) < 1:
            raise ValueError(f"${THREADS_VARIABLE} must be an integer of at least 1, not {text!r}")
        return int(text)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class CountedLimit:
    """A limit of one thread on BLAS `libraries`: set by the first holder, lifted by the last.

    Two holders that each restored the counts they met would leave the limit in place for good whenever they
    overlap without nesting.
    """

    def __init__(self, libraries: Sequence[Any]) -> None:
        self._libraries, self._lock = libraries, Lock()
        self._holders, self._counts = 0, list[int]()

    def acquire(self) -> None:
        """Add a holder."""
        with self._lock:
            if not self._holders:
                self._counts = [library.num_threads for library in self._libraries]
                self._set([1] * len(self._libraries))
            self._holders += 1

    def release(self) -> None:
        """Remove a holder."""
        with self._lock:
            self._holders -= 1
            if not self._holders:
                self._set(self._counts)

    def _set(self, counts: Sequence[int]) -> None:
        for library, count in zip(self._libraries, counts, strict=True):
            # From version 3.8 on, threadpoolctl ignores every thread but the first that ever set a limit; the
            # last holder may be another one.
            allow_any_thread = getattr(library, "clear_controlling_thread", None)
            if allow_any_thread:
                allow_any_thread(force=True)
            library.set_num_threads(count)
            if allow_any_thread:
                allow_any_thread(force=True)


class _Limits:
    """One counted limit for the process, and one for every thread, since some libraries count for each."""

    def __init__(self) -> None:
        from threadpoolctl import ThreadpoolController

        libraries = ThreadpoolController().select(user_api="blas").lib_controllers
        self._own = [library for library in libraries if _counts_for_each_thread(library)]
        self._process = CountedLimit([library for library in libraries if library not in self._own])
        self._thread = local()

    def get(self) -> tuple[CountedLimit, CountedLimit]:
        """Return the limits that hold for the calling thread."""
        if not hasattr(self._thread, "limit"):
            self._thread.limit = CountedLimit(self._own)
        return self._process, self._thread.limit


def _counts_for_each_thread(library: Any) -> bool:
    return bool(library.internal_api == "openblas" and library.threading_layer == "openmp")


@lru_cache(maxsize=1)
def _limits() -> _Limits:
    return _Limits()


@contextmanager
def single_threaded_libraries() -> Iterator[None]:
    """Hold matrix libraries to one thread in the whole process while the block runs.

    Blocks may nest, and may overlap in any order on any number of threads. Never `yield` to a caller inside a
    block, since the caller's own code would be held to one thread too: use `throttled`. Entering the first block
    takes some 20 us, entering a nested block a fraction of that.
    """
    limits = _limits().get()
    for limit in limits:
        limit.acquire()
    try:
        yield
    finally:
        for limit in limits:
            limit.release()


def throttled(items: Iterable[T]) -> Generator[T]:
    """Yield `items`, with matrix libraries held to one thread only while the next item is computed."""
    iterator = iter(items)
    try:
        while True:
            with single_threaded_libraries():
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item
    finally:
        if isinstance(iterator, Generator):
            iterator.close()


def ordered(
    function: Callable[[T], R],
    items: Iterable[T],
    ahead: int = 2,
    *,
    most: int | None = None,
    throttle: bool = True,
) -> Generator[R]:
    """`map` over several threads, results in order; at most `ahead` items a thread are taken in advance.

    At most `most` threads work, by default as many as `thread_count` allows. Matrix libraries are held to one
    thread during every call of `function`, though not between calls, unless `throttle` is False.
    """
    threads = min(thread_count(), most or thread_count())

    def call(item: T) -> R:
        limit: AbstractContextManager[None] = single_threaded_libraries() if throttle else nullcontext()
        with limit:
            return function(item)

    if threads == 1:
        yield from map(call, items)
        return
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(call, item))
                if len(waiting) > ahead * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
