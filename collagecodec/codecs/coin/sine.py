"""The sine of a turn in whole numbers: a table made without floating point, and linear interpolation in it.

Libraries differ in the last bit of a sine; a decoder that shall give the same pixels everywhere cannot ask them.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

TURN_BITS = 23
"""Phases are in 2^-23 turn."""
TABLE_BITS = 12
"""The table divides a turn into 2^12 steps."""
ENTRY_BITS = 29
"""Entries are in 2^-29."""
SINE_BITS = 20
"""Sines are in 2^-20."""
_WORK_BITS = 96
_FINE_BITS = TURN_BITS - TABLE_BITS


@lru_cache(maxsize=1)
def pi_fixed() -> int:
    """Pi in 2^-96, to within a few units: Machin's 16 arctan(1/5) - 4 arctan(1/239) in integers."""
    return 16 * _arctan_inverse(5) - 4 * _arctan_inverse(239)


def _arctan_inverse(x: int) -> int:
    """arctan(1/x) in 2^-96, from its series."""
    power = (1 << _WORK_BITS) // x
    total, number, sign = 0, 1, 1
    while power:
        total += sign * (power // number)
        power //= x * x
        number, sign = number + 2, -sign
    return total


def _sine_fixed(angle: int) -> int:
    """The sine of an angle of 0 .. pi/2, both in 2^-96, from its series."""
    square = angle * angle >> _WORK_BITS
    term, total, number = angle, 0, 1
    while term:
        total += term
        term = -(term * square >> _WORK_BITS) // ((number + 1) * (number + 2))
        # A floor never reaches 0 from below; one unit more or less is nothing here.
        term = 0 if term == -1 else term
        number += 2
    return total


@lru_cache(maxsize=1)
def sine_table() -> NDArray[np.int32]:
    """2^29 sin(2 pi i / 4096), rounded to nearest, i = 0 .. 4095: int32 (4096,)."""
    quarter = 1 << TABLE_BITS - 2
    shift = _WORK_BITS - ENTRY_BITS
    half = 1 << shift - 1
    rising = [_sine_fixed(pi_fixed() * i // (2 * quarter)) + half >> shift for i in range(quarter + 1)]
    up = [*rising[:-1], *rising[:0:-1]]
    return np.array([*up, *(-value for value in up)], np.int32)


@lru_cache(maxsize=1)
def _differences() -> NDArray[np.int32]:
    table = sine_table()
    return np.roll(table, -1) - table


def sine(phase: NDArray[np.int32]) -> NDArray[np.int32]:
    """Sines in 2^-20 of phases 0 .. 2^23 - 1: int32 of the same shape, -2^20 .. 2^20."""
    step = phase >> _FINE_BITS
    found: NDArray[np.int32] = phase & ((1 << _FINE_BITS) - 1)
    found *= _differences().take(step)
    found += 1 << _FINE_BITS - 1
    found >>= _FINE_BITS
    found += sine_table().take(step)
    found += 1 << ENTRY_BITS - SINE_BITS - 1
    found >>= ENTRY_BITS - SINE_BITS
    return found
