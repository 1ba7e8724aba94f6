"""Times and memory of one codec, each taken in a fresh process of its own.

- **Seconds**: the median of several runs after one that is not counted, by the wall clock, from and to
  arrays and bytes in memory.
- **Load**: the first encoding and decoding of a 64x64 picture, imports and model included; it is in no
  other number.
- **Memory**: the largest resident set that the process reached while coding, beyond what it held before, with
  the picture loaded. On Linux that is VmHWM, set back before coding; elsewhere `ru_maxrss`, which cannot be
  set back and may hide a small codec behind the loading of the picture. tracemalloc does not see what C
  libraries allocate.
- **Threads**: the process is bound to so many cores, and OpenMP and BLAS are told so, which is the one limit
  that holds for every codec, whatever options it has.
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

from eval.harness import workers
from eval.harness.measure import Task

R = TypeVar("R")


@dataclass(frozen=True)
class Timing:
    """Costs of a series at one setting on one picture: seconds, and peaks in MiB beyond the picture's."""

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
class Probe:
    """What to time: `task`, the median of `repeats` runs, on `threads` cores, memory too if `memory`."""

    task: Task
    repeats: int = 5
    threads: int = 1
    memory: bool = True


def run(probe: Probe) -> Timing:
    """Return the costs; a codec that fails gives a `Timing` whose `error` says so."""
    try:
        timing = _alone(_time, probe)
        if not probe.memory:
            return timing
        peaks = {"encode_mib": _alone(_encode_peak, probe), "decode_mib": _alone(_decode_peak, probe)}
        return Timing(**{**vars(timing), **peaks})
    except Exception as error:
        task = probe.task
        nothing = (math.nan,) * 5
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return Timing(task.picture.name, task.label, task.value, *nothing, error=reason)


def _alone(function: Callable[[Probe], R], probe: Probe) -> R:
    """Return `function(probe)` from a process that does nothing else."""

    def died(_: Probe, reason: str) -> R:
        raise RuntimeError(reason)

    return next(workers.run(function, [probe], 1, died, probe.threads))


def _bind(threads: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def _time(probe: Probe) -> Timing:
    _bind(probe.threads)
    task = probe.task
    image = task.picture.load()
    started = time.perf_counter()
    codec = task.codec
    codec.decode(codec.encode(np.zeros((64, 64, 3), np.uint8)))
    load = time.perf_counter() - started
    data = codec.encode(image)
    codec.decode(data)
    pixels = image.shape[0] * image.shape[1]
    return Timing(
        image=task.picture.name,
        label=task.label,
        value=task.value,
        megapixels=pixels / 1e6,
        bpp=8 * len(data) / pixels,
        load_s=load,
        encode_s=_median(lambda: codec.encode(image), probe.repeats),
        decode_s=_median(lambda: codec.decode(data), probe.repeats),
    )


def _median(work: Callable[[], object], repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        gc.collect()
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _encode_peak(probe: Probe) -> float:
    _bind(probe.threads)
    image, codec = probe.task.picture.load(), probe.task.codec
    before = _held_mib()
    codec.encode(image)
    return _peak_mib() - before


def _decode_peak(probe: Probe) -> float:
    _bind(probe.threads)
    data = _alone(_encoded, probe)
    # The picture is not needed here, but held all the same, so that both peaks start from the same ground.
    image, codec = probe.task.picture.load(), probe.task.codec
    before = _held_mib()
    codec.decode(data)
    peak = _peak_mib() - before
    del image
    return peak


def _encoded(probe: Probe) -> bytes:
    return probe.task.codec.encode(probe.task.picture.load())


def _held_mib() -> float:
    """Return what the process holds now, and let its peak begin from there where the system allows it."""
    gc.collect()
    try:
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets VmHWM to VmRSS
    except OSError:
        return _peak_mib()
    return _status_mib("VmRSS")


def _peak_mib() -> float:
    if Path("/proc/self/status").exists():
        return _status_mib("VmHWM")
    # macOS counts bytes where others count KiB.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _status_mib(field: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024
