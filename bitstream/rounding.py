"""The rounding mode of the processor: results are exact only where floating point rounds to nearest."""

from __future__ import annotations

import numpy as np

from bitstream.errors import RoundingModeError

_ONE, _TINY = np.ones(1), np.array([2.0**-53, 3 * 2.0**-53])


def check_rounding() -> None:
    """Raise RoundingModeError unless this thread rounds to nearest, ties to even, as IEEE 754 sets by default.

    1 + 2^-53 and 1 + 3 * 2^-53 lie halfway between two numbers: rounding up changes the first sum, rounding down
    or towards zero the second one.
    """
    first, second = (_ONE + _TINY).tolist()
    if first != 1.0 or second != 1.0 + 2.0**-51:
        raise RoundingModeError(
            "this thread does not round floating-point numbers to the nearest one, which decoding needs: another "
            "library has changed the mode; restore it with fesetround(FE_TONEAREST)"
        )
