"""Quantising the weights of a fitted network: a step for every layer, and weights that make the best of them.

The steps trade bytes for PSNR. Layers share the error so that a bit taken away anywhere costs the same: the
step of a layer follows from how much the picture suffers from noise in its weights. How coarse all of them are is
tried out. Fine-tuning rounds the weights in the forward pass and moves what is behind them (the straight-through
estimator).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from collagecodec.codecs.coin.encoder.fitting import BATCH, adam
from collagecodec.codecs.coin.encoder.gradients import Floats, Gradients

Symbols = NDArray[np.int32]

PRICE = 1.5
"""PSNR in dB that twice the bytes must bring. COIN's own curve on Kodak gains 1.3 to 2.0 dB an octave."""
NOISE = 0.1
"""Noise put on the weights of a layer to measure what it costs, in standard deviations of them."""
_PAIRS = 4
_GENTLE = 0.02
"""Rate at which fine-tuning begins, in steps of the quantiser."""


class Coder(Protocol):
    """What the quantiser must know of the file."""

    def nearest_step(self, step: float) -> int:
        """The number of the allowed step that is nearest to `step`."""

    def step(self, code: int) -> float:
        """The step with this number."""

    def size(self, symbols: Sequence[Symbols], codes: Sequence[int]) -> int:
        """Bytes of the matrices, quantised with the steps of these numbers."""


@dataclass(frozen=True)
class Quantised:
    """Matrices of whole numbers, the numbers of their steps, the mean squared error in 0 .. 1, the bytes."""

    symbols: list[Symbols]
    codes: list[int]
    error: float
    size: int

    @property
    def cost(self) -> float:
        """In dB: less is better."""
        return 10 * math.log10(max(self.error, 1e-10)) + PRICE * math.log2(self.size)


class Quantiser:
    """Quantises `weights`; `steps` of fine-tuning follow the choice. `told` hears the share done."""

    def __init__(
        self, gradients: Gradients, weights: Floats, coder: Coder, steps: int, told: Callable[[float], None]
    ) -> None:
        self._gradients, self._weights, self._coder = gradients, weights, coder
        self._shape, self._pixels = gradients.shape, gradients.pixels
        self._steps, self._told = steps, told
        self._batches = max(1, self._pixels.count // BATCH)

    def run(self) -> Quantised:
        """Choose the steps, then fine-tune: the same result for the same weights."""
        base = self._base_steps()
        trial = max(10, self._steps // 8)
        best: Quantised | None = None
        latent = self._weights
        # From fine to coarse, until the bytes saved no longer pay for the PSNR lost.
        for half in range(12):
            codes = [self._coder.nearest_step(step * 2 ** (half / 2 - 2)) for step in base]
            found, tuned = self._tuned(codes, self._weights, trial)
            if best is not None and found.cost >= best.cost:
                break
            best, latent = found, tuned
            self._told(min(0.5, 0.08 * (half + 1)))
        assert best is not None
        final, _ = self._tuned(best.codes, latent, self._steps)
        self._told(1.0)
        return min(final, best, key=lambda one: one.cost)

    def _base_steps(self) -> list[float]:
        """Steps by which every layer adds the same error for each of its weights, all together as much as the
        fit itself has."""
        generator = np.random.default_rng(0)
        start, stop = 0, min(self._pixels.count, 4 * BATCH)
        error = max(self._gradients.loss(self._weights, start, stop)[0], 1e-7)
        steps = []
        for number, matrix in enumerate(self._shape.split(self._weights)):
            width = max(float(matrix.std()) * NOISE, 1e-6)
            growth = 0.0
            for _ in range(_PAIRS):
                noise = np.zeros_like(self._weights)
                part = self._shape.split(noise)[number]
                part[:] = generator.uniform(-width / 2, width / 2, part.shape)
                for sign in (1, -1):
                    noisy = self._weights + np.float32(sign) * noise
                    growth += self._gradients.loss(noisy, start, stop)[0] - error
            # Errors of steps grow with their squares; a flat picture may not suffer at all.
            growth = max(growth / (2 * _PAIRS), 1e-4 * error)
            share = matrix.size / self._shape.count
            steps.append(width * math.sqrt(error * share / growth))
        return steps

    def _tuned(self, codes: list[int], latent: Floats, steps: int) -> tuple[Quantised, Floats]:
        """The best of the quantised weights on the way of fine-tuning, and what was behind the last ones."""
        units = np.empty_like(latent)
        for part, code in zip(self._shape.split(units), codes, strict=True):
            part[:] = self._coder.step(code)
        mean = spread = np.zeros_like(latent)
        best = self._measured(latent, units, codes)
        rate = _GENTLE * float(np.median(units))
        for step in range(steps):
            epoch, number = divmod(step, self._batches)
            batch = int(np.random.default_rng([3, epoch]).permutation(self._batches)[number])
            edges = [self._pixels.count * (batch + side) // self._batches for side in (0, 1)]
            rounded = np.rint(latent / units) * units
            _, gradient = self._gradients.loss(rounded, *edges)
            change, mean, spread = adam(mean, spread, gradient, step + 1)
            latent = latent - np.float32(rate * (1 + math.cos(math.pi * step / steps)) / 2) * change
            if (step + 1) % max(1, steps // 4) == 0:
                best = min(best, self._measured(latent, units, codes), key=lambda one: one.cost)
        return best, latent

    def _measured(self, latent: Floats, units: Floats, codes: list[int]) -> Quantised:
        whole = np.rint(latent / units)
        symbols = [part.astype(np.int32) for part in self._shape.split(whole)]
        error = self._gradients.squared_error(np.asarray(whole * units, np.float32)) / 255**2
        return Quantised(symbols, codes, error, self._coder.size(symbols, codes))
