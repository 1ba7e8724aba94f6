"""From levels of layers to samples of bands, and back: transforms across bands, and maps to deeper samples.

The way back to samples is integer arithmetic, the same on every machine; levels in between have 8 fractional
bits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from collagecodec.codecs.layers.format import KNOTS, BandMap, Description, Transform

LEVEL = 256
"""Units of a level in between."""
_KNOT_STEP = 16 * LEVEL


def samples_of(planes: NDArray[np.uint8], description: Description) -> NDArray[np.int32]:
    """Return the samples int32 (bands, H, W) of the planes (bands, H, W) of all layers, in their order."""
    levels = planes.astype(np.int32) * LEVEL
    for transform in description.transforms:
        part = slice(transform.first, transform.first + len(transform.offsets))
        levels[part] = _inverse(planes[part], transform)
    samples = np.empty(planes.shape, np.int32)
    for plane, band in enumerate(description.order):
        samples[band] = _mapped(levels[plane], description.bands[band])
    return samples


def _inverse(planes: NDArray[np.uint8], transform: Transform) -> NDArray[np.int32]:
    centred = planes.astype(np.int64) - 128
    flat = centred.reshape(len(planes), -1)
    # Products of 32 and 8 bits, summed over at most 64: exact in 64 bits.
    sums = (transform.matrix.astype(np.int64) @ flat + 128) >> 8
    levels = sums + transform.offsets.astype(np.int64)[:, None]
    return np.clip(levels, 0, 255 * LEVEL).astype(np.int32).reshape(planes.shape)


def _mapped(levels: NDArray[np.int32], band: BandMap) -> NDArray[np.int32]:
    if band.knots is None:
        values = band.low + ((levels + LEVEL // 2) >> 8)
    else:
        index, rest = levels // _KNOT_STEP, (levels % _KNOT_STEP).astype(np.int64)
        steps = np.diff(band.knots).astype(np.int64)
        values = band.knots[index] + ((steps[index] * rest + _KNOT_STEP // 2) >> 12).astype(np.int32)
    return np.clip(values, band.low, band.high)


def levels_of(samples: NDArray[np.generic], band: BandMap) -> NDArray[np.float64]:
    """Return the levels (fractional) that stand for samples of a band."""
    values = samples.astype(np.float64)
    if band.knots is None:
        return values - band.low
    return np.interp(values, band.knots, 16.0 * np.arange(KNOTS))


def band_map(low: int, high: int, histogram: NDArray[np.float64]) -> BandMap:
    """Return the map of a band with samples `low` .. `high` and their histogram over that range.

    Ranges of at most 256 values are kept as they are. In wider ones a level stands for more samples where samples
    are rare: the density of levels follows the cube root of the density of samples, which minimises the mean
    squared error of a fine quantiser (Panter and Dite 1951).
    """
    if high - low <= 255:
        return BandMap(low, high)
    density = np.cbrt(np.convolve(histogram / histogram.sum(), np.ones(5) / 5, "same") + 1e-3 / len(histogram))
    cumulated = np.concatenate([[0], np.cumsum(density)])
    cumulated *= 255 / cumulated[-1]
    edges = np.linspace(low, high, len(cumulated))
    knots = np.interp(16.0 * np.arange(KNOTS), cumulated, edges)
    knots[-1] = knots[-2] + (high - knots[-2]) * 16 / 15
    rounded = np.rint(knots).astype(np.int64)
    rounded[0] = low
    rounded = np.maximum.accumulate(rounded - np.arange(KNOTS)) + np.arange(KNOTS)
    return BandMap(low, high, rounded.astype(np.int32))


def forward(samples: Sequence[NDArray[np.generic]], bands: Sequence[BandMap]) -> NDArray[np.float64]:
    """Return the levels (bands, H, W) of samples (H, W) of each band."""
    return np.stack([levels_of(values, band) for values, band in zip(samples, bands, strict=True)])
