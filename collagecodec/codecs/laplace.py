"""The probability tables that `dct`, `pifs` and `ifs` share: discretised Laplace distributions."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bitstream.entropy import Tables

TABLES = 64
"""Number of tables."""
_SCALE = 2**20
_QUARTERS = (1048576, 1246974, 1482910, 1763488)
"""2^(i/4) in 2^-20."""


@lru_cache(maxsize=1)
def tables() -> Tables:
    """Return the tables: table 0 codes zeros only, table t a two-sided geometric distribution.

    The mean magnitude of table t is m = 2^((t - 29) / 4), and the ratio of neighbouring probabilities is
    (sqrt(1 + m^2) - 1) / m. Counts are computed in integers and therefore the same on every machine.
    """
    return Tables([np.ones(2, np.int64), *(_counts(table) for table in range(1, TABLES))])


def _counts(table: int) -> NDArray[np.int64]:
    octave, quarter = divmod(table - 29, 4)
    mean = _QUARTERS[quarter] << octave if octave >= 0 else _QUARTERS[quarter] >> -octave
    ratio = ((math.isqrt(_SCALE**2 + mean**2) - _SCALE) << 24) // mean
    magnitude = [(2**32 * (2**24 - ratio)) // (2**24 + ratio)]
    while len(magnitude) < 4096 and (following := magnitude[-1] * ratio >> 24):
        magnitude.append(following)
    escape = max(1, 2**32 - magnitude[0] - 2 * sum(magnitude[1:]))
    return np.array([*magnitude[:0:-1], *magnitude, escape], np.int64)
