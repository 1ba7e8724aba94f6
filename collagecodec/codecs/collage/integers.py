"""Integer layers: matrix products with the same result on every machine.

Activations are integers 0..127 and weights are integers -127..127, so all products and partial sums are
integers. float32 represents integers below 2^24 exactly; within this bound a float32 matrix product is exact
for every library, thread count and order of summation. `check_exact` proves the bound for given weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from collagecodec.kernels.layers import Layer
from collagecodec.kernels.library import core

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

ACTIVATION_MAX = 127
EXACT_FLOAT32 = 2**24


@dataclass(frozen=True)
class IntegerLayer:
    """y = floor((x W + bias + rate_index * slope) / 2^shift + 1/2), with all integers held in float32.

    The shapes are `weight` (K, N), `bias` (N,), `slope` (N,). In a convolution K runs over the taps row by
    row, and over the input channels within a tap.
    """

    weight: Floats
    bias: Floats
    slope: Floats
    shift: int

    def __call__(self, x: Floats, rate_index: int) -> Floats:
        """Map integers (M, K) to integers (M, N), rounded half up and not clipped."""
        total: Floats = x @ self.scaled
        total += self.offset(rate_index)
        return np.floor(total, out=total)

    @cached_property
    def scaled(self) -> Floats:
        """The weights divided by 2^shift, (K, N): sums stay exact because only the exponent changes."""
        return self.weight * np.float32(2.0**-self.shift)

    def offset(self, rate_index: int) -> Floats:
        """Return the bias, the rate index times the slope and 1/2 for rounding, divided by 2^shift: (N,)."""
        whole = self.bias + np.float32(rate_index) * self.slope + np.float32(2 ** (self.shift - 1))
        return whole * np.float32(2.0**-self.shift)

    def activate(self, x: Floats, rate_index: int = 0) -> Floats:
        """Apply the layer and clip the result to 0..127."""
        y = self(x, rate_index)
        return np.clip(y, 0, ACTIVATION_MAX, out=y)

    def activations(self, x: Bytes, rate_index: int = 0) -> Bytes:
        """Do the same with bytes: (M, K) to (M, N)."""
        if (layer := self.packed(1)) and x.shape[1] % 4 == 0:
            return layer.apply(x, rate_index)
        return self.activate(x.astype(np.float32), rate_index).astype(np.uint8)

    def packed(self, taps: int, levels: bool = False) -> Layer | None:
        """Return the layer for the C core as one of taps x taps places, None without a core; see `Layer.of`."""
        if core() is None:
            return None
        key = (taps, levels)
        if key not in self._packed:
            self._packed[key] = Layer.of(self.weight, self.bias, self.slope, self.shift, taps=taps, levels=levels)
        return self._packed[key]

    @cached_property
    def _packed(self) -> dict[tuple[int, bool], Layer | None]:
        return {}

    def largest(self) -> int:
        """Return a bound for the magnitude of the results, before any clipping, for inputs 0..127."""
        total = ACTIVATION_MAX * np.abs(self.weight.astype(np.int64)).sum(0)
        total += np.abs(self.bias.astype(np.int64)) + 127 * np.abs(self.slope.astype(np.int64))
        return int(total.max(initial=0) >> self.shift) + 1

    def check_exact(self, largest: int = ACTIVATION_MAX) -> None:
        """Raise ValueError unless every sum over inputs of magnitude up to `largest` stays below 2^24."""
        worst = np.abs(self.weight.astype(np.int64)).sum(0) * largest
        worst += np.abs(self.bias.astype(np.int64)) + 127 * np.abs(self.slope.astype(np.int64)) + 2**self.shift
        if worst.max(initial=0) >= EXACT_FLOAT32:
            raise ValueError("a sum of this layer can reach 2^24, where float32 is no longer exact")
