"""The evaluation of a SIREN in integers: a network from coordinates to colours.

Sitzmann et al. 2020, "Implicit Neural Representations with Periodic Activation Functions", arXiv 2006.09661;
as the code of a picture: Dupont et al. 2021 (COIN), arXiv 2103.03123. A layer is h' = sin(30 (A h + b)), the
last layer A h + b.

Weights are in 2^-24, coordinates and activations in 2^-20. Matrix products use float64 with integer values.
`Siren` checks that all sums stay below 2^53, so results are exact in any order and on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from collagecodec.codecs.coin.sine import SINE_BITS, TURN_BITS, pi_fixed, sine
from collagecodec.errors import FormatError
from collagecodec.sampling.threads import ordered, single_threaded_libraries

MAX_LAYERS = 32
MAX_WIDTH = 128
W0 = 30
WEIGHT_BITS = 24
PHASE_BITS = WEIGHT_BITS + SINE_BITS
"""Sums are in 2^-44: turns in a hidden layer, the colour range in the last one."""
SUM_LIMIT = 2**53
BLOCK = 2048
"""Pixels evaluated at a time."""
FREQUENCY = ((W0 << 2 * 96) // pi_fixed() + (1 << 96 - WEIGHT_BITS)) >> 96 - WEIGHT_BITS + 1
"""30 / (2 pi) in 2^-24, rounded to nearest."""

Matrix = NDArray[np.int64]
Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True)
class Shape:
    """The shape of a network: `layers` sine layers of `width` neurons and a layer of `outputs` values, 1 or 3."""

    layers: int
    width: int
    outputs: int

    def __post_init__(self) -> None:
        """ValueError for a network that is too large or empty."""
        if not (1 <= self.layers <= MAX_LAYERS and 1 <= self.width <= MAX_WIDTH and self.outputs in (1, 3)):
            raise ValueError(
                f"a network has 1 to {MAX_LAYERS} layers 1 to {MAX_WIDTH} wide, not {self.layers} of {self.width}"
            )

    @cached_property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Shape (outputs, inputs + 1) of the matrix of every layer; the last column is the bias."""
        hidden = (self.width, self.width + 1)
        return ((self.width, 3), *(hidden,) * (self.layers - 1), (self.outputs, self.width + 1))

    @property
    def count(self) -> int:
        """Number of weights and biases."""
        return sum(rows * columns for rows, columns in self.sizes)

    def split(self, flat: NDArray[Number]) -> list[NDArray[Number]]:
        """Return views (outputs, inputs + 1) of the concatenated weights, one for each layer, in row order."""
        ends = np.cumsum([rows * columns for rows, columns in self.sizes])
        parts = zip(np.split(flat, ends[:-1]), self.sizes, strict=True)
        return [part.reshape(size) for part, size in parts]


class Siren:
    """A network that can be evaluated; FormatError if its weights are too large for exact sums.

    `weights` are integers in 2^-24, a matrix (outputs, inputs + 1) for each layer as in `Shape.sizes`.
    """

    def __init__(self, weights: Sequence[Matrix]) -> None:
        self._layers: list[NDArray[np.float64]] = []
        for number, matrix in enumerate(weights):
            _check(matrix)
            if number < len(weights) - 1:
                matrix = (matrix * FREQUENCY + (1 << WEIGHT_BITS - 1)) >> WEIGHT_BITS
                _check(matrix)
            self._layers.append(matrix.astype(np.float64))

    def samples(self, rows: NDArray[np.int32], columns: NDArray[np.int32]) -> NDArray[np.uint8]:
        """Return the samples 0 .. 255 at (rows[i], columns[i]), coordinates in 2^-20: uint8 (outputs, n)."""
        count = len(rows)
        inputs = np.full((3, count), float(1 << SINE_BITS))
        inputs[0], inputs[1] = rows, columns
        for matrix in self._layers[:-1]:
            phase = (matrix @ inputs).astype(np.int64)
            phase += 1 << PHASE_BITS - TURN_BITS - 1
            phase >>= PHASE_BITS - TURN_BITS
            phase &= (1 << TURN_BITS) - 1
            inputs = np.full((len(matrix) + 1, count), float(1 << SINE_BITS))
            inputs[:-1] = sine(phase.astype(np.int32))
        sums = (self._layers[-1] @ inputs).astype(np.int64) >> 14
        return np.clip((sums * 255 + (1 << 29)) >> 30, 0, 255).astype(np.uint8)

    def render(self, rows: NDArray[np.int32], columns: NDArray[np.int32]) -> NDArray[np.uint8]:
        """Return the picture at the coordinates `rows` (H,), `columns` (W,) in 2^-20: uint8 (H, W, outputs)."""
        height, width = len(rows), len(columns)
        pixels = np.empty((height * width, len(self._layers[-1])), np.uint8)

        def block(start: int) -> tuple[int, NDArray[np.uint8]]:
            index = np.arange(start, min(start + BLOCK, height * width))
            return start, self.samples(rows[index // width], columns[index % width])

        with single_threaded_libraries():
            for start, samples in ordered(block, range(0, height * width, BLOCK)):
                pixels[start : start + samples.shape[1]] = samples.T
        return pixels.reshape(height, width, -1)


def _check(matrix: Matrix) -> None:
    """Raise FormatError unless the sums of every row stay below 2^53 for all inputs."""
    # Single weights are checked first, so that the sum itself cannot overflow.
    limit = SUM_LIMIT >> SINE_BITS
    if np.abs(matrix).max(initial=0) >= limit or np.abs(matrix).sum(1).max(initial=0) >= limit:
        raise FormatError(f"a row of weights sums to {limit >> WEIGHT_BITS} or more: the file is damaged")


def coordinates(start: int, length: int, count: int, total: int, longest: int) -> NDArray[np.int32]:
    """Return the coordinates of `count` pixel centres spread over start .. start + length of an axis.

    The axis has `total` stored pixels, and the longer axis of the picture `longest`. The longer axis reaches from
    -1 to 1; the other has the same scale and 0 in the middle. The result is in 2^-20, rounded half up: int32
    (count,).
    """
    # The coordinates are fractions with the denominator longest * count, below 2^48. Their 20 bits after the
    # point come from two divisions, so that every number stays below 2^63.
    result = np.empty(count, np.int32)
    whole, digits = longest * count, SINE_BITS // 2
    for first in range(0, count, BLOCK):
        index = np.arange(first, min(first + BLOCK, count), dtype=np.int64)
        value, rest = np.divmod((2 * index + 1) * length + (2 * start - total) * count, whole)
        for _ in range(2):
            digit, rest = np.divmod(rest << digits, whole)
            value = (value << digits) + digit
        result[first : first + BLOCK] = value + (2 * rest >= whole)
    return result
