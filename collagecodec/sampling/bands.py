"""Resampling of tall pictures in bands of rows.

A band is an array (P, h, w); each band of a stream continues below the previous band.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from collagecodec.sampling.request import Size
from collagecodec.sampling.resample import Axis, Samples

_PARTS = 2**25
"""Memory of the sums of a part of an axis, and of small tables."""
Band = Samples


def resampled(
    bands: Iterable[Band], vertical: Axis, horizontal: Axis, height: int = 256, *, down_first: bool = False
) -> Iterator[Band]:
    """Yield bands of the resampled picture with at most `height` rows each.

    Row 0 of the axis `vertical` is the first row of the first band. Each axis rounds its results, so the order
    matters: by default the horizontal axis comes first, with `down_first` the vertical axis.
    """
    ends = vertical.taps[:, -1] + 1
    held: Band | None = None
    origin = done = 0
    for band in bands:
        part = band if down_first else _across(band, horizontal)
        held = part if held is None else np.concatenate([held, part], axis=1)
        ready = int(np.searchsorted(ends, origin + held.shape[1], side="right"))
        for first in range(done, ready, height):
            rows = vertical.apply(held, first, min(first + height, ready), origin)
            yield _across(rows, horizontal) if down_first else rows
        done = max(done, ready)
        if done < vertical.count:
            needed = max(int(vertical.taps[done, 0]), origin)
            held, origin = held[:, needed - origin :], needed


def resampling_bytes(channels: int, rows: int, samples: Size, size: Size) -> int:
    """Return an upper bound of the memory of `resampled` and of the pixels of a band.

    `samples` (width, height) is what the axes begin with, `size` what they lead to; a band has `rows` rows.
    """
    axes = sum(64 * length + 256 * count for length, count in zip(samples, size, strict=True))
    out = min(256, -(-rows * size[1] // samples[1])) + 8
    return _PARTS + axes + channels * (8 * rows * samples[0] + (16 * rows + 32 * out) * size[0])


def _across(band: Band, horizontal: Axis) -> Band:
    """Resample a band (P, h, w) along its rows."""
    return horizontal.apply(band.transpose(0, 2, 1), 0, horizontal.count).transpose(0, 2, 1)
