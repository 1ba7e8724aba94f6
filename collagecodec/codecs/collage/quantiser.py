"""The quantiser: one step for a whole picture, a whole-number multiplier for every channel.

The step is stored in 1/64ths of a pixel level, 1..65535; channel n then has codes in units of
m_n / 4 pixel levels, with m_n = max(1, floor(step * gain_n / 2^16 + 1/2)) and gain_n in 1/4096ths.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STEP_UNIT = 64
MIN_STEP, MAX_STEP = 1, 65535
CODE_UNIT = 4
"""Codes times multipliers are in units of 1/4 of a pixel level."""


def step_code_of(step: float) -> int:
    """A step in pixel levels as it is stored: the nearest 1/64th in the allowed range."""
    return min(max(round(step * STEP_UNIT), MIN_STEP), MAX_STEP)


def rate_index_of(step_code: int) -> int:
    """The level, what networks know of the step: floor(8 log2(units)), 0..127, in whole numbers.

    >>> rate_index_of(4096)
    96
    """
    return (step_code**8).bit_length() - 1


def multipliers(step_code: int, gains: NDArray[np.integer]) -> NDArray[np.int64]:
    """Whole-number multiplier m of every channel for a stored step; `gains` (C,) in 1/4096ths."""
    return np.maximum(1, (step_code * gains.astype(np.int64) + 2**15) >> 16)
