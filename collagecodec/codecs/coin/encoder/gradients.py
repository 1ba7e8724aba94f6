"""Loss and gradient of a SIREN over the pixels of a picture, on a CPU.

The gradient is written by hand in numpy: frameworks are slow for networks of twenty to fifty neurons. Pixels
are processed in chunks whose activations fit the cache and whose products suit the small-matrix kernels of BLAS.
Chunks are summed in a fixed order, so the result does not depend on the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from collagecodec.codecs.coin.sine import SINE_BITS
from collagecodec.codecs.coin.siren import W0, Shape, coordinates
from collagecodec.sampling.threads import single_threaded_libraries, thread_count

Floats = NDArray[np.float32]

_SMALL_PRODUCT = 10**6
"""Number of multiplications up to which OpenBLAS computes a product without packing the matrices."""
_CELL = 4


def initial(shape: Shape, seed: int) -> Floats:
    """Return the initial weights and biases, all matrices concatenated: float32 (count,).

    They are uniform within 1/2 in the first layer and within sqrt(6 / inputs) / 30 in the others (Sitzmann et
    al. 2020, section 3.2).
    """
    generator = np.random.default_rng(seed)
    parts = []
    for number, (rows, columns) in enumerate(shape.sizes):
        bound = math.sqrt(6 / (columns - 1)) / W0 if number else 1 / 2
        parts.append(generator.uniform(-bound, bound, rows * columns))
    return np.concatenate(parts).astype(np.float32)


@dataclass(frozen=True)
class Pixels:
    """The pixels of a picture, ordered so that any consecutive pixels are spread over the whole picture."""

    inputs: Floats
    """Row and column coordinates, and ones for the bias: (3, N)."""
    targets: Floats
    """Samples in 0 .. 1: (1 or 3, N)."""

    @classmethod
    def of(cls, image: NDArray[np.uint8], seed: int) -> Pixels:
        """Return the pixels of a picture (H, W) or (H, W, 3) in a random order that depends on `seed`.

        The order takes a pixel from every 4x4 cell, then another pixel from every cell, and so on. The gradient
        of a sixteenth of the picture is then close to the gradient of the whole.
        """
        height, width = image.shape[:2]
        longest = max(height, width)
        rows = coordinates(0, height, height, height, longest)
        columns = coordinates(0, width, width, width, longest)
        order = _spread(height, width, np.random.default_rng([seed, 1]))
        unit = 1 << SINE_BITS
        inputs = np.stack([rows[order // width] / unit, columns[order % width] / unit, np.ones(order.size)])
        targets = image.reshape(height * width, -1)[order].T / 255
        return cls(
            np.ascontiguousarray(inputs, dtype=np.float32), np.ascontiguousarray(targets, dtype=np.float32)
        )

    @property
    def count(self) -> int:
        """Number of pixels."""
        return self.inputs.shape[1]


def _spread(height: int, width: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return the indices of all pixels, ordered by their random rank within their cell."""
    index = np.arange(height * width)
    cells = (index // width // _CELL) * (width // _CELL + 1) + index % width // _CELL
    shuffled = np.lexsort((generator.random(index.size), cells))
    begins = np.flatnonzero(np.diff(cells[shuffled], prepend=-1))
    sizes = np.diff(begins, append=index.size)
    rank = np.empty(index.size)
    rank[shuffled] = np.arange(index.size) - np.repeat(begins, sizes)
    order: NDArray[np.int64] = np.lexsort((generator.random(index.size), rank))
    return order


class Gradients:
    """Loss and gradient of networks of a shape over the pixels of a picture; a context that holds threads."""

    def __init__(self, shape: Shape, pixels: Pixels) -> None:
        self.shape, self.pixels = shape, pixels
        fitting = _SMALL_PRODUCT // (shape.width * (shape.width + 1))
        self.chunk = min(2048, max(256, fitting // 64 * 64))
        """Number of pixels in a chunk."""
        self._scale = np.full(shape.count, W0, np.float32)
        rows, columns = shape.sizes[-1]
        self._scale[shape.count - rows * columns :] = 1
        self._pool: ThreadPoolExecutor | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Gradients:
        self._stack.enter_context(single_threaded_libraries())
        if thread_count() > 1:
            self._pool = self._stack.enter_context(ThreadPoolExecutor(thread_count()))
        return self

    def __exit__(self, *_: object) -> None:
        self._pool = None
        self._stack.close()

    def loss(self, weights: Floats, start: int, stop: int) -> tuple[float, Floats]:
        """Return the mean squared error of the pixels start .. stop - 1, samples in 0 .. 1, and its gradient."""
        layers = self._scaled(weights)
        total, gradient = 0.0, np.zeros(self.shape.count, np.float32)
        for squares, chunk_gradient in self._map(partial(self._backward, layers), start, stop):
            total += squares
            gradient += chunk_gradient
        count = len(self.pixels.targets) * (stop - start)
        gradient *= self._scale
        gradient *= np.float32(2 / count)
        return total / count, gradient

    def squared_error(self, weights: Floats) -> float:
        """Return the mean squared error of the whole picture, with samples rounded and clipped to 0 .. 255."""
        layers = self._scaled(weights)

        def work(part: slice) -> tuple[float, Floats]:
            output = self._forward(layers, part)[-1]
            difference = np.rint(255 * self.pixels.targets[:, part]) - np.clip(np.rint(255 * output), 0, 255)
            return float(np.square(difference).sum(dtype=np.float64)), output

        total = sum(squares for squares, _ in self._map(work, 0, self.pixels.count))
        return total / self.pixels.targets.size

    def _scaled(self, weights: Floats) -> list[Floats]:
        """Return the matrices multiplied by the factor 30 of the sines."""
        return self.shape.split(weights * self._scale)

    def _map(
        self, work: Callable[[slice], tuple[float, Floats]], start: int, stop: int
    ) -> Iterable[tuple[float, Floats]]:
        chunks = (slice(a, min(a + self.chunk, stop)) for a in range(start, stop, self.chunk))
        return self._pool.map(work, chunks) if self._pool else map(work, chunks)

    def _forward(self, layers: Sequence[Floats], part: slice) -> list[Floats]:
        """Return the inputs x and phases z of all layers, and the output: x0, z1, x1, z2 ... output."""
        values: list[Floats] = [self.pixels.inputs[:, part]]
        for matrix in layers[:-1]:
            phase = matrix @ values[-1]
            after = np.empty((len(matrix) + 1, phase.shape[1]), np.float32)
            np.sin(phase, out=after[:-1])
            after[-1] = 1
            values += [phase, after]
        values.append(layers[-1] @ values[-1])
        return values

    def _backward(self, layers: Sequence[Floats], part: slice) -> tuple[float, Floats]:
        """Return the sum of squared errors of a chunk, and half its gradient by the scaled weights."""
        passed = self._forward(layers, part)
        error = passed.pop()
        error -= self.pixels.targets[:, part]
        total = float(np.einsum("ij,ij->", error, error, dtype=np.float64))
        gradients: list[Floats] = []
        for matrix in _reverse(layers):
            gradients.append((error @ passed.pop().T).reshape(-1))
            if passed:
                error = matrix[:, :-1].T @ error
                slope = passed.pop()
                error *= np.cos(slope, out=slope)
        return total, np.concatenate(gradients[::-1])


def _reverse(layers: Sequence[Floats]) -> Iterator[Floats]:
    return reversed(layers)
