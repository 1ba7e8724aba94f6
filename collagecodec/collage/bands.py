"""Working on tall pictures a band of rows at a time: neighbourhoods, resampling, cutting.

A band is an array (P, h, w); a stream of bands lies one below the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from collagecodec.collage.resample import Axis

Band = NDArray[np.float32]


def with_margins(bands: Iterable[Band], margin: int, edges: tuple[bool, bool], spare: int) -> Iterator[Band]:
    """Windows that overlap by `margin` rows on both sides.

    `edges` says whether the stream begins and ends where the picture does: there the outer row is repeated.
    Elsewhere the stream carries `spare` >= margin rows too many at that end.
    """
    held: Band | None = None
    for band in bands:
        if held is None:
            held = _repeat(band, margin, 0) if edges[0] else band[:, spare - margin :]
        else:
            held = np.concatenate([held, band], axis=1)
        # Keep back what the end may still take away, and what the next window needs.
        ready = held.shape[1] - (0 if edges[1] else spare)
        if ready > 2 * margin + 1:
            yield held[:, :ready]
            held = held[:, ready - 2 * margin :]
    if held is None:
        return
    last = _repeat(held, 0, margin) if edges[1] else held[:, : held.shape[1] - (spare - margin)]
    if last.shape[1] > 2 * margin:
        yield last


def _repeat(band: Band, above: int, below: int) -> Band:
    return np.pad(band, ((0, 0), (above, below), (0, 0)), mode="edge")


def widen(band: Band, left: int, right: int) -> Band:
    """Cut (negative) or repeat (positive) columns at both sides."""
    band = band[:, :, max(-left, 0) : band.shape[2] - max(-right, 0)]
    if left <= 0 and right <= 0:
        return band
    return np.pad(band, ((0, 0), (0, 0), (max(left, 0), max(right, 0))), mode="edge")


def resampled(bands: Iterable[Band], vertical: Axis, horizontal: Axis, height: int = 256) -> Iterator[Band]:
    """Bands of the resampled picture, at most `height` rows each. Input rows count from the first band's."""
    ends = vertical.taps[:, -1] + 1
    held: Band | None = None
    origin = done = 0
    for band in bands:
        across = horizontal.apply(band.transpose(0, 2, 1), 0, horizontal.count).transpose(0, 2, 1)
        held = across if held is None else np.concatenate([held, across], axis=1)
        ready = int(np.searchsorted(ends, origin + held.shape[1], side="right"))
        for first in range(done, ready, height):
            yield vertical.apply(held, first, min(first + height, ready), origin)
        done = max(done, ready)
        if done < vertical.count:
            needed = max(int(vertical.taps[done, 0]), origin)
            held, origin = held[:, needed - origin :], needed
