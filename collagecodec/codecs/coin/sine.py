"""The sine in integers: linear interpolation in a table that is computed without floating point.

Libraries differ in the last bit of a sine, so a decoder with the same pixels on every machine cannot use them.
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
    """Return pi in 2^-96, to within a few units, by Machin's 16 arctan(1/5) - 4 arctan(1/239)."""
    return 16 * _arctan_inverse(5) - 4 * _arctan_inverse(239)


def _arctan_inverse(x: int) -> int:
    """Return arctan(1/x) in 2^-96, from its series."""
    power = (1 << _WORK_BITS) // x
    total, number, sign = 0, 1, 1
    while power:
        total += sign * (power // number)
        power //= x * x
        number, sign = number + 2, -sign
    return total


def _sine_fixed(angle: int) -> int:
    """Return the sine of an angle 0 .. pi/2, both in 2^-96, from its series."""
    square = angle * angle >> _WORK_BITS
    term, total, number = angle, 0, 1
    while term:
        total += term
        term = -(term * square >> _WORK_BITS) // ((number + 1) * (number + 2))
        # Rounding down leaves negative terms at -1 forever; an error of a unit does not matter.
        term = 0 if term == -1 else term
        number += 2
    return total


@lru_cache(maxsize=1)
def sine_table() -> NDArray[np.int32]:
    """Return 2^29 sin(2 pi i / 4096), rounded to nearest, for i = 0 .. 4095: int32 (4096,)."""
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
    """Return the sines, -2^20 .. 2^20 in 2^-20, of phases 0 .. 2^23 - 1: int32 of the same shape."""
    step = phase >> _FINE_BITS
    sines: NDArray[np.int32] = phase & ((1 << _FINE_BITS) - 1)
    sines *= _differences().take(step)
    sines += 1 << _FINE_BITS - 1
    sines >>= _FINE_BITS
    sines += sine_table().take(step)
    sines += 1 << ENTRY_BITS - SINE_BITS - 1
    sines >>= ENTRY_BITS - SINE_BITS
    return sines
