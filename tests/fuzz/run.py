"""Decoding mutated files, and counting what became of them."""

from __future__ import annotations

import resource
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import collagecodec
from bitstream.container import Reader
from collagecodec.codecs.boundary import UnforeseenError
from collagecodec.errors import CollageError
from collagecodec.io.limits import Limits
from collagecodec.sampling.request import Request

from .files import mutated

HANG = 10
"""Seconds of the processor after which a file counts as one that hangs."""
LIMITS = Limits(pixels=2**18, working_bytes=2**28, metadata_bytes=2**20)


class FailureError(AssertionError):
    """A file has provoked what no file may provoke."""


class _Hang(BaseException):
    pass


@contextmanager
def _watchdog() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise _Hang

    # The time of the processor, since a busy machine is no failure.
    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, HANG)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def request(random: Random) -> dict[str, Any]:
    """Return options of `decode` that may or may not suit a file."""
    options: dict[str, Any] = {}
    kind = random.randrange(8)
    if kind < 2:
        options["scale"] = random.choice((0.5, 2, 0.1, 0.7, 1 / 16, 0.013))
    elif random.random() < 0.02:
        options["scale"] = random.choice((3, 4, 8.5))
    elif kind == 2:
        options["size"] = random.choice(((1, 1), (40, 2), (7, 90), (64, 64), (1000, 1)))
    elif kind == 3:
        options["region"] = (random.choice((0, 1, 5, 16)), random.choice((0, 1, 5, 16)), random.randint(1, 9), 3)
    if random.random() < 0.1:
        options["fast"] = True
    if random.random() < 0.3:
        options["tolerate_damage"] = True
    return options


def attempt(data: bytes, options: dict[str, Any]) -> str:
    """Decode a file as everybody may; return the name of what came out. Raises FailureError."""
    try:
        with _watchdog():
            pixels = collagecodec.decode(data, limits=LIMITS, **options)
            collagecodec.info(data)
    except _Hang:
        raise FailureError(f"longer than {HANG} s: {options}") from None
    except UnforeseenError as error:
        raise FailureError(f"unforeseen: {error.__cause__!r}, {options}") from error
    except CollageError as error:
        if "not enough memory" in str(error):
            raise FailureError(f"more memory than was said: {error}, {options}") from error
        return type(error).__name__
    except ValueError as error:
        # A region outside of the picture, an empty size, an option that the codec refuses.
        try:
            header = Reader(data, strict=False).header
            Request.of(**{k: v for k, v in options.items() if k in ("scale", "size", "region")}).resolve(
                header.width, header.height
            )
        except (CollageError, ValueError):
            return "InvalidRequest"
        if "leave it out" in str(error):
            return "RefusedOption"
        raise FailureError(f"foreign: {error!r}, {options}") from error
    except Exception as error:
        raise FailureError(f"foreign: {error!r}, {options}") from error
    return "decoded" if pixels.size else "empty"


def peak() -> int:
    """Return the largest memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def fuzz(first: int, count: int, seconds: float, report: Any = None) -> tuple[Counter[str], dict[int, str]]:
    """Decode the files of the seeds from `first` on, until `count` or `seconds` are reached.

    Returns the counts of outcomes, and the failures by seed. `report` is called with them every minute.
    """
    counts: Counter[str] = Counter()
    failures: dict[int, str] = {}
    begun = told = time.monotonic()
    before = peak()
    for seed in range(first, first + count):
        random = Random(seed)
        data = mutated(random)
        try:
            counts[attempt(data, request(random))] += 1
            grown, before = peak() - before, peak()
            if grown > LIMITS.working_bytes + 2**27:
                raise FailureError(f"memory grew by {grown / 2**20:.0f} MiB")
        except FailureError as failure:
            counts["FAILED"] += 1
            failures[seed] = str(failure)
        now = time.monotonic()
        if report and now - told > 60:
            told = now
            report(counts, failures)
        if now - begun > seconds:
            break
    return counts, failures
