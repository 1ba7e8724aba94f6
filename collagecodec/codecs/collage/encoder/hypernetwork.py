"""The hypernetwork in numpy, for encoding; `collagecodec.codecs.collage.torch.hypernetwork` is its twin.

Maps are (H, W, C) float32. A convolution gathers neighbourhoods and multiplies them by a matrix.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from collagecodec.sampling.threads import ordered

Floats = NDArray[np.float32]
LogStep = float | Floats
ROWS = 8
"""Output rows that a convolution computes at a time; the gathered neighbourhoods stay in the cache."""


@dataclass(frozen=True)
class Convolution:
    """A k x k convolution with `weight` (k k C, D), tap by tap, and `bias` (D,)."""

    weight: Floats
    bias: Floats
    kernel: int
    stride: int = 1
    padding: int = 0

    def __call__(self, x: Floats) -> Floats:
        """Convolve (H, W, C) to (H', W', D)."""
        if self.padding:
            x = np.pad(x, ((self.padding,) * 2, (self.padding,) * 2, (0, 0)))
        if self.kernel == 1:
            return x @ self.weight + self.bias
        k, s = self.kernel, self.stride
        windows = sliding_window_view(x, (k, k), axis=(0, 1))[::s, ::s].transpose(0, 1, 3, 4, 2)
        rows, columns = windows.shape[:2]
        out = np.empty((rows, columns, self.weight.shape[1]), np.float32)

        def strip(start: int) -> None:
            taps = windows[start : start + ROWS]
            size = len(taps) * columns
            target = out[start : start + ROWS].reshape(size, -1)
            np.matmul(taps.reshape(size, -1), self.weight, out=target)
            target += self.bias

        deque(ordered(strip, range(0, rows, ROWS)), maxlen=0)
        return out


class HyperNetwork:
    """The network from framed planes and linear codes to improved codes."""

    def __init__(self, arrays: dict[str, NDArray[np.generic]]) -> None:
        """`arrays` holds the network's parameters under their names in the torch module."""
        self.arrays = {name: np.asarray(value, np.float32) for name, value in arrays.items()}
        self.stem = self._convolution("stem", padding=1)
        self.down = self._convolution("down", stride=2, padding=1)
        self.local = self._residual("local")
        self.cells = self._convolution("cells", stride=2)
        self.codes = self._convolution("codes")
        count = sum(name.startswith("wide.") and name.endswith("first.bias") for name in arrays)
        self.wide = [self._residual(f"wide.{i}") for i in range(count)]
        self.out = self._convolution("out")

    def _convolution(self, name: str, stride: int = 1, padding: int = 0) -> Convolution:
        weight = self.arrays[f"{name}.weight"]
        flat = np.ascontiguousarray(weight.transpose(2, 3, 1, 0).reshape(-1, weight.shape[0]))
        return Convolution(flat, self.arrays[f"{name}.bias"], weight.shape[2], stride, padding)

    def _residual(self, name: str) -> tuple[Convolution, Convolution, str]:
        first, second = (self._convolution(f"{name}.{part}", padding=1) for part in ("first", "second"))
        return first, second, f"{name}.modulation"

    def _modulate(self, x: Floats, name: str, log_step: LogStep) -> Floats:
        if isinstance(log_step, float):
            scale, shift = self._modulation(name, log_step)
            x *= 1 + scale
            x += shift
            return x
        # One of the two maps that are modulated has several positions in a cell.
        finer = x.shape[0] // log_step.shape[0]
        steps = log_step.repeat(finer, 0).repeat(finer, 1)
        steps = np.pad(steps, [(0, size - n) for size, n in zip(x.shape, steps.shape, strict=False)], mode="edge")
        for value in np.unique(steps):
            scale, shift = self._modulation(name, float(value))
            x[steps == value] = x[steps == value] * (1 + scale) + shift
        return x

    def _modulation(self, name: str, log_step: float) -> tuple[Floats, Floats]:
        """Return scale and shift of every channel, (C,) each."""
        centred = np.float32(log_step - 6)
        pair = np.array([centred, centred**2], np.float32)
        inner = np.maximum(self.arrays[f"{name}.inner.weight"] @ pair + self.arrays[f"{name}.inner.bias"], 0)
        both = self.arrays[f"{name}.outer.weight"] @ inner + self.arrays[f"{name}.outer.bias"]
        scale, shift = np.split(both, 2)
        return scale, shift

    def _apply(self, block: tuple[Convolution, Convolution, str], x: Floats, log_step: LogStep) -> Floats:
        first, second, name = block
        hidden = self._modulate(first(np.maximum(x, 0)), name, log_step)
        x += second(np.maximum(hidden, 0, out=hidden))
        return x

    def __call__(self, framed: Floats, linear: Floats, log_step: LogStep) -> Floats:
        """Return improved codes (R, S, C) in quantiser steps, before rounding.

        `framed` (n (R + 1), n (S + 1), 3) is centred on 0, `linear` (R, S, C) is in quantiser steps, and
        `log_step` is half the binary logarithm of the step code, 0..8, or that of every cell, (R, S).
        """
        height, width, _ = framed.shape
        quads = framed.reshape(height // 4, 4, width // 4, 4, 3).transpose(0, 2, 4, 1, 3)
        x = quads.reshape(height // 4, width // 4, 48) * np.float32(1 / 64)
        x = self.stem(x)
        x = self.down(np.maximum(x, 0, out=x))
        x = self._apply(self.local, x, log_step)
        x = self.cells(np.maximum(x, 0, out=x))
        features = np.concatenate([np.clip(linear, -3, 3), np.log2(1 + np.abs(linear))], axis=2)
        x += self.codes(features)
        for block in self.wide:
            x = self._apply(block, x, log_step)
        correction, threshold = np.split(self.out(np.maximum(x, 0, out=x)), 2, axis=2)
        codes = linear + correction
        gate = np.tanh(threshold / 2) + 1
        return codes - np.tanh(2 * codes) * gate / 4
