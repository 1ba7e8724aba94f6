"""The quantiser: a step for the whole picture and an integer multiplier for every channel.

The step code s is the step in 1/64 pixel level, 1..65535. Codes of channel n are multiples of m_n / 4 pixel
levels, where m_n = max(1, floor(s * gain_n / 2^16 + 1/2)) and gain_n is in units of 1/4096.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STEP_UNIT = 64
MIN_STEP, MAX_STEP = 1, 65535
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
