"""The quantisation of the weights of a fitted network: a step for every layer, and fine-tuned weights.

The steps trade bytes for PSNR. The step of a layer follows from the effect of noise in its weights on the
picture, so that a bit removed from any layer adds the same error. A search finds the overall coarseness.
Fine-tuning rounds the weights in the forward pass and updates the unrounded weights (the straight-through
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
"""Gain in PSNR, in dB, for which twice the bytes are spent. COIN's curve on Kodak gains 1.3 to 2.0 dB."""
NOISE = 0.1
"""Noise that measures the sensitivity of a layer, in standard deviations of its weights."""
_PAIRS = 4
_GENTLE = 0.02
"""Initial learning rate of fine-tuning, in quantiser steps."""


class Coder(Protocol):
    """The allowed steps and the sizes of coded weights."""

    def nearest_step(self, step: float) -> int:
        """Return the code of the allowed step nearest to `step`."""

    def step(self, code: int) -> float:
        """Return the step of a step code."""

    def size(self, symbols: Sequence[Symbols], codes: Sequence[int]) -> int:
        """Return the number of bytes of matrices that are quantised with the steps `codes`."""


@dataclass(frozen=True)
class Quantised:
    """Integer matrices, their step codes, the mean squared error of samples in 0 .. 1, and the bytes."""

    symbols: list[Symbols]
    codes: list[int]
    error: float
    size: int

    @property
    def cost(self) -> float:
        """Trade-off of error and bytes in dB; lower is better."""
        return 10 * math.log10(max(self.error, 1e-10)) + PRICE * math.log2(self.size)


class Quantiser:
    """Quantises `weights` and fine-tunes them for `steps` steps; `report` is called with the share done."""

    def __init__(
        self, gradients: Gradients, weights: Floats, coder: Coder, steps: int, report: Callable[[float], None]
    ) -> None:
        self._gradients, self._weights, self._coder = gradients, weights, coder
        self._shape, self._pixels = gradients.shape, gradients.pixels
        self._steps, self._report = steps, report
        self._batches = max(1, self._pixels.count // BATCH)

    def run(self) -> Quantised:
        """Choose the steps, then fine-tune; the result is deterministic."""
        base = self._base_steps()
        trial = max(10, self._steps // 8)
        best: Quantised | None = None
        latent = self._weights
        # From fine to coarse steps, until the saved bytes are no longer worth the loss of PSNR.
        for half in range(12):
            codes = [self._coder.nearest_step(step * 2 ** (half / 2 - 2)) for step in base]
            quantised, tuned = self._tuned(codes, self._weights, trial)
            if best is not None and quantised.cost >= best.cost:
                break
            best, latent = quantised, tuned
            self._report(min(0.5, 0.08 * (half + 1)))
        assert best is not None
        final, _ = self._tuned(best.codes, latent, self._steps)
        self._report(1.0)
        return min(final, best, key=lambda quantised: quantised.cost)

    def _base_steps(self) -> list[float]:
        """Return a step for every layer, such that each weight adds the same error.

        The sum of these errors equals the error of the fit.
        """
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
            # The error grows with the square of the step; a flat picture may show no error at all.
            growth = max(growth / (2 * _PAIRS), 1e-4 * error)
            share = matrix.size / self._shape.count
            steps.append(width * math.sqrt(error * share / growth))
        return steps

    def _tuned(self, codes: list[int], latent: Floats, steps: int) -> tuple[Quantised, Floats]:
        """Return the best quantised weights during fine-tuning, and the last unrounded weights."""
        scale = np.empty_like(latent)
        for of_layer, code in zip(self._shape.split(scale), codes, strict=True):
            of_layer[:] = self._coder.step(code)
        mean = spread = np.zeros_like(latent)
        best = self._measured(latent, scale, codes)
        rate = _GENTLE * float(np.median(scale))
        for step in range(steps):
            epoch, number = divmod(step, self._batches)
            batch = int(np.random.default_rng([3, epoch]).permutation(self._batches)[number])
            edges = [self._pixels.count * (batch + side) // self._batches for side in (0, 1)]
            rounded = np.rint(latent / scale) * scale
            _, gradient = self._gradients.loss(rounded, *edges)
            change, mean, spread = adam(mean, spread, gradient, step + 1)
            latent = latent - np.float32(rate * (1 + math.cos(math.pi * step / steps)) / 2) * change
            if (step + 1) % max(1, steps // 4) == 0:
                candidate = self._measured(latent, scale, codes)
                best = min(best, candidate, key=lambda quantised: quantised.cost)
        return best, latent

    def _measured(self, latent: Floats, scale: Floats, codes: list[int]) -> Quantised:
        integers = np.rint(latent / scale)
        symbols = [matrix.astype(np.int32) for matrix in self._shape.split(integers)]
        error = self._gradients.squared_error(np.asarray(integers * scale, np.float32)) / 255**2
        return Quantised(symbols, codes, error, self._coder.size(symbols, codes))
