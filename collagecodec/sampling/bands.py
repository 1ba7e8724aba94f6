"""Resampling tall pictures a band of rows at a time.

A band is an array (P, h, w); a stream of bands lies one below the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from collagecodec.sampling.resample import Axis

Band = NDArray[np.float32]


def resampled(
    bands: Iterable[Band], vertical: Axis, horizontal: Axis, height: int = 256, *, down_first: bool = False
) -> Iterator[Band]:
    """Bands of the resampled picture, at most `height` rows each. Input rows count from those of the first band.

    Each axis is rounded by itself, so the order matters: across first, or with `down_first` down first.
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


def _across(band: Band, horizontal: Axis) -> Band:
    """A band (P, h, w) resampled along its rows."""
    return horizontal.apply(band.transpose(0, 2, 1), 0, horizontal.count).transpose(0, 2, 1)
