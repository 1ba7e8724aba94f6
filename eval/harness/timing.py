"""Time and memory of one codec. Every number is taken in a fresh process.

- **Seconds**: the median wall-clock time of several runs after a warm-up run, from arrays in memory to bytes in
  memory and back.
- **Load**: the first encoding and decoding of a 64x64 picture, including imports and the model. No other number
  includes it.
- **Memory**: the peak resident set while coding minus the resident set before, with the picture loaded. Linux
  provides it as VmHWM, which is reset before coding. Other systems provide `ru_maxrss`, which cannot be reset,
  so that loading the picture may hide the peak of a small codec. tracemalloc would miss allocations of C
  libraries.
- **Threads**: the process is bound to the given number of cores, and OpenMP and BLAS get the same limit. Binding
  limits every codec, whatever options it has.
"""

from __future__ import annotations

import gc
import math
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from collagecodec.cli import workers
from eval.harness.measure import Task
from eval.harness.metrics import bits_per_pixel

R = TypeVar("R")


@dataclass(frozen=True)
class Timing:
    """Costs of a sweep at one parameter value on one picture: seconds, and peak memory in MiB."""

    image: str
    label: str
    value: float
    megapixels: float
    bpp: float
    load_s: float
    encode_s: float
    decode_s: float
    encode_mib: float = math.nan
    decode_mib: float = math.nan
    error: str = ""


@dataclass(frozen=True)
class TimingTask:
    """Time `task` as the median of `repeats` runs on `threads` cores; `memory` asks for peak memory too."""

    task: Task
    repeats: int = 5
    threads: int = 1
    memory: bool = True


def run(timed: TimingTask) -> Timing:
    """Return the costs. If the codec fails, the `error` of the returned `Timing` gives the reason."""
    try:
        timing = _alone(_time, timed)
        if not timed.memory:
            return timing
        peaks = {"encode_mib": _alone(_encode_peak, timed), "decode_mib": _alone(_decode_peak, timed)}
        return Timing(**{**vars(timing), **peaks})
    except Exception as error:
        task = timed.task
        unknown = (math.nan,) * 5
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return Timing(task.picture.name, task.label, task.value, *unknown, error=reason)


def _alone(function: Callable[[TimingTask], R], timed: TimingTask) -> R:
    """Return `function(timed)` computed in a process of its own."""

    def died(_: TimingTask, reason: str) -> R:
        raise RuntimeError(reason)

    return next(workers.run(function, [timed], 1, died, timed.threads))


def _bind(threads: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def _time(timed: TimingTask) -> Timing:
    _bind(timed.threads)
    task = timed.task
    image = task.picture.load()
    started = time.perf_counter()
    codec = task.codec
    codec.decode(codec.encode(np.zeros((64, 64, 3), np.uint8)))
    load = time.perf_counter() - started
    data = codec.encode(image)
    codec.decode(data)
    return Timing(
        image=task.picture.name,
        label=task.label,
        value=task.value,
        megapixels=image.shape[0] * image.shape[1] / 1e6,
        bpp=bits_per_pixel(data, image),
        load_s=load,
        encode_s=median_seconds(lambda: codec.encode(image), timed.repeats),
        decode_s=median_seconds(lambda: codec.decode(data), timed.repeats),
    )


def median_seconds(work: Callable[[], object], repeats: int) -> float:
    """Return the median wall-clock time of `repeats` runs."""
    seconds = []
    for _ in range(repeats):
        gc.collect()
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _encode_peak(timed: TimingTask) -> float:
    _bind(timed.threads)
    image, codec = timed.task.picture.load(), timed.task.codec
    before = _reset_peak_mib()
    codec.encode(image)
    return _peak_mib() - before


def _decode_peak(timed: TimingTask) -> float:
    _bind(timed.threads)
    data = _alone(_encoded, timed)
    # Decoding does not need the picture. It is loaded so that both peaks have the same baseline.
    image, codec = timed.task.picture.load(), timed.task.codec
    before = _reset_peak_mib()
    codec.decode(data)
    peak = _peak_mib() - before
    del image
    return peak


def _encoded(timed: TimingTask) -> bytes:
    return timed.task.codec.encode(timed.task.picture.load())


def _reset_peak_mib() -> float:
    """Return the memory in use, after resetting the recorded peak to it where the system allows that."""
    gc.collect()
    try:
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets VmHWM to VmRSS
    except OSError:
        return _peak_mib()
    return _status_mib("VmRSS")


def _peak_mib() -> float:
    if Path("/proc/self/status").exists():
        return _status_mib("VmHWM")
    # macOS reports bytes, other systems KiB.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _status_mib(field: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024
