"""Resampling in integers, with the same pixels on every machine.

Reductions average areas; enlargements use the six-point cubic convolution of Keys, "Cubic convolution
interpolation for digital image processing", IEEE Trans. ASSP 29(6), 1981 (fourth order). Weights are integers
that sum to 2^14; enlargements have 1024 phases between two pixels.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from collagecodec.kernels import planes

Samples = NDArray[np.float32 | np.int16]
"""Integers in 1/16 pixel level."""

UNIT = 2**14
PHASES = 1024
_PART = 2**19
"""Sums that are computed at a time."""


@lru_cache(maxsize=1)
def cubic_weights() -> NDArray[np.int64]:
    """Return the weights of the six nearest pixels at every phase, (1024, 6); rows sum to 2^14."""
    rows = []
    for phase in range(PHASES):
        distances = [abs(Fraction(phase, PHASES) - tap) for tap in range(-2, 4)]
        weights = [round(_keys(d) * UNIT) for d in distances]
        weights[2 if 2 * phase < PHASES else 3] += UNIT - sum(weights)
        rows.append(weights)
    return np.array(rows, np.int64)


def _keys(s: Fraction) -> Fraction:
    if s < 1:
        return Fraction(4, 3) * s**3 - Fraction(7, 3) * s**2 + 1
    if s < 2:
        return -Fraction(7, 12) * s**3 + 3 * s**2 - Fraction(59, 12) * s + Fraction(5, 2)
    if s < 3:
        return Fraction(1, 12) * s**3 - Fraction(2, 3) * s**2 + Fraction(21, 12) * s - Fraction(3, 2)
    return Fraction(0)


class Axis:
    """The resampling of an axis to `count` output pixels over the interval start .. start + length.

    `start` and `length` are in units of 1 / `unit` input pixel. The axis has `limit` input pixels; outside, the
    first and the last pixel are repeated.
    """

    def __init__(self, start: int, length: int, unit: int, count: int, limit: int) -> None:
        self.count = count
        self.plain = length == count * unit and start % unit == 0
        """Whether every output pixel equals an input pixel."""
        if self.plain:
            self.first = start // unit + np.arange(count)
            self.weights = np.full((count, 1), UNIT, np.int64)
        elif length <= count * unit:
            self._enlarge(start, length, unit)
        else:
            self._reduce(start, length, unit)
        taps = self.first[:, None] + np.arange(self.weights.shape[1])
        self.taps = np.clip(taps, 0, limit - 1)
        """Input pixels of every output pixel, (count, T)."""

    def _enlarge(self, start: int, length: int, unit: int) -> None:
        # Centre of output pixel i in input pixels, less 1/2: a fraction over 2 * unit * count.
        whole = 2 * unit * self.count
        centre = (
            2 * start * self.count + (2 * np.arange(self.count, dtype=np.int64) + 1) * length - unit * self.count
        )
        phase = (2 * centre * PHASES + whole) // (2 * whole)
        self.first = phase // PHASES - 2
        self.weights = cubic_weights()[phase % PHASES]

    def _reduce(self, start: int, length: int, unit: int) -> None:
        # Edges of the output pixels and of the input pixels, both times unit * count.
        edges = start * self.count + np.arange(self.count + 1, dtype=np.int64) * length
        pixel = unit * self.count
        self.first = edges[:-1] // pixel
        taps = int(((edges[1:] - 1) // pixel - self.first).max()) + 1
        left = (self.first[:, None] + np.arange(taps)) * pixel
        cover = np.minimum(edges[1:, None], left + pixel) - np.maximum(edges[:-1, None], left)
        weights = np.clip(cover, 0, None) * UNIT // length
        weights[np.arange(self.count), np.argmax(weights, 1)] += UNIT - weights.sum(1)
        self.weights = weights

    def apply(self, values: Samples, first: int, last: int, origin: int = 0) -> Samples:
        """Return the outputs first .. last - 1 along axis 1, (P, last - first, M), rounded half up.

        `values` (P, N, M) are integers of magnitude below 2^15, int16 for the C core; index 0 of axis 1 is input
        pixel `origin`.
        """
        if self.plain:
            start = int(self.first[first]) - origin
            if start >= 0 and start + last - first <= values.shape[1]:
                return values[:, start : start + last - first]
        compiled = planes.resample(values, self.taps[first:last] - origin, self.weights[first:last])
        if compiled is not None:
            return compiled
        result = np.empty((values.shape[0], last - first, values.shape[2]), np.float32)
        # A part at a time: the sums take 64 bits, and would outweigh a wide band otherwise.
        step = max(1, _PART // max(last - first, values.shape[1]))
        for plane in range(values.shape[0]):
            for start in range(0, values.shape[2], step):
                part = slice(start, start + step)
                source = values[plane, :, part].astype(np.int64)
                total = np.full((last - first, source.shape[1]), UNIT // 2, np.int64)
                for tap in range(self.weights.shape[1]):
                    total += self.weights[first:last, tap, None] * source[self.taps[first:last, tap] - origin]
                result[plane, :, part] = total >> 14
        return result
