"""Threads: order of results, their number, and BLAS libraries that get their own threads back."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits
from tiny_model import scene

import collagecodec
from collagecodec.sampling.threads import _Limits, ordered, single_threaded_libraries, thread_count, throttled

CONTROLLER = ThreadpoolController().select(user_api="blas")


def blas_threads() -> list[int]:
    return [library.num_threads for library in CONTROLLER.lib_controllers]


@pytest.fixture(autouse=True)
def three_blas_threads() -> Iterator[list[int]]:
    """Set every BLAS library to three threads, so that one is always a change; the count is the fixture."""
    if not CONTROLLER.lib_controllers:
        pytest.skip("this NumPy has no BLAS library whose threads can be counted")
    with threadpool_limits(3, user_api="blas"):
        yield [3] * len(CONTROLLER.lib_controllers)


@pytest.fixture
def one_blas_thread() -> list[int]:
    return [1] * len(CONTROLLER.lib_controllers)


def observe(_: int) -> list[int]:
    return blas_threads()


def test_the_limit_nests(three_blas_threads: list[int], one_blas_thread: list[int]) -> None:
    with single_threaded_libraries():
        with single_threaded_libraries():
            assert blas_threads() == one_blas_thread
        assert blas_threads() == one_blas_thread
    assert blas_threads() == three_blas_threads


def test_limits_that_overlap_are_lifted_by_the_last(
    three_blas_threads: list[int], one_blas_thread: list[int]
) -> None:
    first, second = single_threaded_libraries(), single_threaded_libraries()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert blas_threads() == one_blas_thread
    second.__exit__(None, None, None)
    assert blas_threads() == three_blas_threads


def test_the_limit_of_a_thread_that_has_ended_is_lifted_by_another(three_blas_threads: list[int]) -> None:
    """The last holder need not be the thread that set the limit."""
    set_here, done = threading.Event(), threading.Event()

    def hold() -> None:
        with single_threaded_libraries():
            set_here.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    set_here.wait(10)
    with single_threaded_libraries():
        done.set()
        thread.join()
    assert blas_threads() == three_blas_threads


class FakeLibrary:
    """A BLAS library as threadpoolctl shows it, with a count for every thread."""

    internal_api, threading_layer = "openblas", "openmp"

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    @property
    def num_threads(self) -> int:
        return self._counts.get(threading.get_ident(), 5)

    def set_num_threads(self, count: int) -> None:
        self._counts[threading.get_ident()] = count


def test_libraries_that_count_for_each_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    library = FakeLibrary()
    limits = _Limits()
    monkeypatch.setattr(limits, "_own", [library])
    monkeypatch.setattr("collagecodec.sampling.threads._limits", lambda: limits)
    counts = []

    def hold() -> None:
        with single_threaded_libraries():
            counts.append(library.num_threads)
        counts.append(library.num_threads)

    with single_threaded_libraries():
        thread = threading.Thread(target=hold)
        thread.start()
        thread.join()
        counts.append(library.num_threads)
    assert counts == [1, 5, 1]
    assert library.num_threads == 5


def test_an_error_lifts_the_limit(three_blas_threads: list[int]) -> None:
    with pytest.raises(ZeroDivisionError), single_threaded_libraries():
        _ = 1 / 0
    assert blas_threads() == three_blas_threads


def test_limits_of_many_threads(three_blas_threads: list[int], one_blas_thread: list[int]) -> None:
    begin, seen = threading.Barrier(8), []

    def enter_often() -> None:
        begin.wait()
        for _ in range(50):
            with single_threaded_libraries():
                seen.append(blas_threads())

    threads = [threading.Thread(target=enter_often) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [one_blas_thread] * 400
    assert blas_threads() == three_blas_threads


def test_the_loop_body_is_not_throttled(three_blas_threads: list[int], one_blas_thread: list[int]) -> None:
    inside, outside = [], []
    for threads in throttled(map(observe, range(3))):
        inside.append(threads)
        outside.append(blas_threads())
    assert inside == [one_blas_thread] * 3
    assert outside == [three_blas_threads] * 3


def test_iterators_that_interleave_leave_no_limit(three_blas_threads: list[int]) -> None:
    first, second = throttled(map(observe, range(5))), throttled(map(observe, range(5)))
    next(first)
    next(second)
    next(first)
    assert blas_threads() == three_blas_threads
    assert len(list(first)) == 3
    assert blas_threads() == three_blas_threads
    assert len(list(second)) == 4
    assert blas_threads() == three_blas_threads


@pytest.mark.parametrize("way", ["closed", "collected"])
def test_an_abandoned_iterator_leaves_no_limit(way: str, three_blas_threads: list[int]) -> None:
    ended = []

    def numbers() -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            ended.append(True)

    iterator = throttled(numbers())
    next(iterator)
    if way == "closed":
        iterator.close()
    else:
        del iterator
        gc.collect()
    assert ended == [True]
    assert blas_threads() == three_blas_threads


def test_an_error_in_an_iterator_lifts_the_limit(three_blas_threads: list[int]) -> None:
    iterator = throttled(1 / number for number in (1, 0))
    assert next(iterator) == 1
    with pytest.raises(ZeroDivisionError):
        next(iterator)
    assert blas_threads() == three_blas_threads


@pytest.mark.parametrize("threads", [1, 3])
def test_work_is_throttled_item_by_item(
    threads: int, monkeypatch: pytest.MonkeyPatch, three_blas_threads: list[int], one_blas_thread: list[int]
) -> None:
    monkeypatch.setenv("COLLAGE_THREADS", str(threads))
    results = ordered(observe, range(40))
    assert next(results) == one_blas_thread
    # What was submitted in advance ends soon; nothing is limited while nothing is computed.
    deadline = time.monotonic() + 10
    while blas_threads() != three_blas_threads and time.monotonic() < deadline:
        time.sleep(0.001)
    assert blas_threads() == three_blas_threads
    assert list(results) == [one_blas_thread] * 39
    assert blas_threads() == three_blas_threads


@pytest.mark.parametrize("threads", [1, 3])
def test_work_without_products_is_not_throttled(
    threads: int, monkeypatch: pytest.MonkeyPatch, three_blas_threads: list[int]
) -> None:
    monkeypatch.setenv("COLLAGE_THREADS", str(threads))
    assert list(ordered(observe, range(9), throttle=False)) == [three_blas_threads] * 9


@pytest.mark.parametrize("way", ["closed", "collected"])
def test_abandoned_work_leaves_no_limit(
    way: str, monkeypatch: pytest.MonkeyPatch, three_blas_threads: list[int]
) -> None:
    monkeypatch.setenv("COLLAGE_THREADS", "3")
    before = threading.active_count()
    results = ordered(lambda number: np.ones((64, 64)) @ np.ones((64, 64)) * number, range(100))
    next(results)
    if way == "closed":
        results.close()
    else:
        del results
        gc.collect()
    assert blas_threads() == three_blas_threads
    assert threading.active_count() == before


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_order(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLAGE_THREADS", str(threads))

    def late(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return number

    assert list(ordered(late, range(30))) == list(range(30))


@pytest.mark.parametrize(("variable", "most", "used"), [("1", None, 1), ("3", None, 3), ("3", 2, 2), ("1", 4, 1)])
def test_as_many_threads_work_as_are_allowed(
    variable: str, most: int | None, used: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLAGE_THREADS", variable)
    meeting, names = threading.Barrier(used), set()

    def meet(_: int) -> None:
        # Passes only if `used` threads are here at the same time.
        meeting.wait(10)
        names.add(threading.current_thread().name)

    list(ordered(meet, range(4 * used), most=most))
    assert len(names) == used
    assert (threading.current_thread().name in names) == (used == 1)


def test_few_items_are_taken_in_advance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLAGE_THREADS", "2")
    taken = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = ordered(abs, items(), ahead=3)
    next(results)
    assert len(taken) == 7


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_a_bad_number_of_threads_is_an_error(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLAGE_THREADS", text)
    with pytest.raises(ValueError, match="COLLAGE_THREADS must be an integer of at least 1"):
        thread_count()


@pytest.mark.usefixtures("tiny_model")
@pytest.mark.parametrize("threads", [1, 2])
def test_pictures_that_are_decoded_in_turns_leave_no_limit(
    threads: int, monkeypatch: pytest.MonkeyPatch, three_blas_threads: list[int]
) -> None:
    data = collagecodec.encode(scene(300, 200), model="tiny", effort=0)
    monkeypatch.setenv("COLLAGE_THREADS", str(threads))
    first, second = (iter(collagecodec.decode_bands(data, scale=2)) for _ in range(2))
    next(first)
    for _ in second:
        if threads == 1:  # more threads work ahead while the loop body runs
            assert blas_threads() == three_blas_threads
    list(first)
    assert blas_threads() == three_blas_threads
