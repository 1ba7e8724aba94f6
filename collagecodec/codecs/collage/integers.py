"""Networks in whole numbers: matrix products that come out the same on every machine.

Activations are whole numbers 0..127, weights -127..127. Every product and every partial sum is a whole number;
below 2^24 in magnitude float32 holds all of them, so a float32 matrix product is exact whatever library,
thread count or order of summation computes it. `check_exact` proves the bound for given weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

ACTIVATION_MAX = 127
EXACT_FLOAT32 = 2**24


@dataclass(frozen=True)
class IntegerLayer:
    """y = floor((x W + bias + level * slope) / 2^shift + 1/2), all whole numbers held in float32.

    `weight` (K, N), `bias` (N,), `slope` (N,); for a convolution K runs over the taps row by row and the
    input channels within a tap.
    """

    weight: Floats
    bias: Floats
    slope: Floats
    shift: int

    def __call__(self, x: Floats, rate_index: int) -> Floats:
        """Whole numbers (M, K) to whole numbers (M, N), rounded half up, not clipped."""
        total: Floats = x @ self.scaled
        total += self.offset(rate_index)
        return np.floor(total, out=total)

    @cached_property
    def scaled(self) -> Floats:
        """The weights divided by 2^shift: sums with them are those of whole numbers but for the exponent."""
        return self.weight * np.float32(2.0**-self.shift)

    def offset(self, rate_index: int) -> Floats:
        """Bias, level and half a unit for rounding, divided by 2^shift, (N,)."""
        whole = self.bias + np.float32(rate_index) * self.slope + np.float32(2 ** (self.shift - 1))
        return whole * np.float32(2.0**-self.shift)

    def activate(self, x: Floats, rate_index: int = 0) -> Floats:
        """As the call, clipped to 0..127."""
        y = self(x, rate_index)
        return np.clip(y, 0, ACTIVATION_MAX, out=y)

    def check_exact(self, largest: int = ACTIVATION_MAX) -> None:
        """Raise ValueError unless every sum over inputs of at most `largest` stays below 2^24."""
        worst = np.abs(self.weight.astype(np.int64)).sum(0) * largest
        worst += np.abs(self.bias.astype(np.int64)) + 127 * np.abs(self.slope.astype(np.int64)) + 2**self.shift
        if worst.max(initial=0) >= EXACT_FLOAT32:
            raise ValueError("a sum of this layer may reach 2^24: float32 would not be exact")
