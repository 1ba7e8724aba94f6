"""The quantiser: a step for the picture or for every cell, and an integer multiplier for every channel.

The step code s is the step in 1/64 pixel level, 1..65535. Codes of channel n are multiples of m_n / 4 pixel
levels, where m_n = max(1, floor(s * gain_n / 2^16 + 1/2)) and gain_n is in units of 1/4096.

A quantiser map gives every cell an offset k, -48..48: its step code is s * 2^(k / 4), rounded and clipped.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collagecodec.codecs.rate_control import StepParameter

STEP_UNIT = 64
MIN_STEP, MAX_STEP = 1, 65535
STEP = StepParameter(STEP_UNIT, low=STEP_UNIT, high=MAX_STEP)
"""The rate parameter. A search does not go below a step of one pixel level, where the file grows without visible
gain."""
CODE_UNIT = 4
"""Products of codes and multipliers are in units of 1/4 pixel level."""


def step_code_of(step: float) -> int:
    """Return the stored form of a step in pixel levels: the nearest multiple of 1/64, clipped to 1..65535."""
    return min(max(round(step * STEP_UNIT), MIN_STEP), MAX_STEP)


def rate_index_of(step_code: int) -> int:
    """Return floor(8 log2(step_code)), 0..127: the input by which the networks know the step.

    The computation uses integers only, so every machine gets the same result.

    >>> rate_index_of(4096)
    96
    """
    return (step_code**8).bit_length() - 1


def multipliers(step_code: int, gains: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the multiplier m of every channel (C,); `gains` (C,) are in units of 1/4096."""
    return np.maximum(1, (step_code * gains.astype(np.int64) + 2**15) >> 16)


MAX_OFFSET = 48
"""Largest magnitude of an offset: twelve octaves."""
OFFSETS_PER_OCTAVE = 4
_FAR = 60
"""Difference of offsets, fifteen octaves, beyond which every code but 0 leaves the range."""
_ROOTS = (1048576, 1246974, 1482910, 1763488)
"""2^(i/4) in 2^-20."""


def offset_step_codes(step_code: int) -> NDArray[np.int64]:
    """Return the step codes of the offsets -48..48, (97,): floor(s * 2^(k / 4) + 1/2), clipped to 1..65535.

    >>> offset_step_codes(1000)[[44, 48, 52]].tolist()
    [500, 1000, 2000]
    """
    codes = []
    for offset in range(-MAX_OFFSET, MAX_OFFSET + 1):
        octave, quarter = divmod(offset, OFFSETS_PER_OCTAVE)
        # With 2^-12 as the smallest octave, all terms are integers.
        total = (step_code * _ROOTS[quarter] << (octave + 12)) + (1 << 31)
        codes.append(min(max(total >> 32, MIN_STEP), MAX_STEP))
    return np.array(codes, np.int64)


def rescaled(codes: NDArray[np.int32], differences: NDArray[np.integer]) -> NDArray[np.int32]:
    """Return codes as they would be at another step: floor(q 2^(d / 4) + 1/2), clipped to +-32767.

    The differences d = offset of the code - offset of the other step broadcast against the codes.

    >>> rescaled(np.array([3, -3, 100]), np.array([4, -8, 96])).tolist()
    [6, -1, 32767]
    """
    limited = np.minimum(differences, _FAR).astype(np.int64)
    shift = 20 - limited // OFFSETS_PER_OCTAVE
    products = codes.astype(np.int64) * np.array(_ROOTS, np.int64)[limited % OFFSETS_PER_OCTAVE]
    return np.clip((products + (1 << (shift - 1))) >> shift, -(2**15) + 1, 2**15 - 1).astype(np.int32)


class Quantisers:
    """The quantisers of a picture for every offset of a quantiser map."""

    def __init__(self, step_code: int, gains: NDArray[np.integer]) -> None:
        self.step_codes, self.gains = offset_step_codes(step_code), gains
        self._multipliers: dict[int, NDArray[np.int32]] = {}

    def multipliers(self, offset: int) -> NDArray[np.int32]:
        """Return the multipliers (C,) of an offset, -48..48."""
        if offset not in self._multipliers:
            code = int(self.step_codes[offset + MAX_OFFSET])
            self._multipliers[offset] = multipliers(code, self.gains).astype(np.int32)
        return self._multipliers[offset]

    def at(self, offsets: NDArray[np.integer]) -> NDArray[np.int32]:
        """Return the multipliers (R, S, C) of cells with offsets (R, S)."""
        present, place = np.unique(offsets, return_inverse=True)
        scales = np.stack([self.multipliers(int(offset)) for offset in present])
        return scales[place].reshape(*offsets.shape, -1)

    def indices(self, offsets: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the rate index of every cell in raster order, (R * S,), for offsets (R, S)."""
        present, place = np.unique(offsets, return_inverse=True)
        indices = [rate_index_of(int(self.step_codes[offset + MAX_OFFSET])) for offset in present]
        return np.array(indices, np.int64)[place].ravel()
