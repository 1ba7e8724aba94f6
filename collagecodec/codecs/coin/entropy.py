"""Entropy coding of the weights of `coin`, which are multiples of a step for each layer.

The weights of a fitted layer have nearly a normal distribution. Tables are discrete normal distributions,
computed in integers; each layer has a table for its weights and a table for its biases.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bitstream.entropy import MAX_VALUE, Decoder, Tables, encode
from bitstream.errors import FormatError
from collagecodec.codecs.coin.siren import Matrix, Shape

STEPS = 96
"""Number of steps to choose from, four in an octave."""
_TABLES = 72
_LARGEST = 2**29
_QUARTERS = (4294967296, 3611622603, 3037000500, 2553802834)
"""2^(-i/4) in 2^-32."""
_MAX_RADIUS = 4095

Symbols = NDArray[np.int32]


def step_units(code: int) -> int:
    """Return the step of a step code 0 .. 95 in units of 2^-24: 4, 5, 6, 7, 8, 10, 12, 14, 16 ..."""
    return (4 + code % 4) << code // 4


class Coder:
    """Answers the encoder's questions about steps and sizes for networks of a shape."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape

    def nearest_step(self, step: float) -> int:
        """Return the code of the step with the ratio to `step` nearest to 1."""
        ratios = [abs(math.log(step * 2**24 / step_units(code))) for code in range(STEPS)]
        return min(range(STEPS), key=ratios.__getitem__)

    def step(self, code: int) -> float:
        """Return the step of a step code."""
        return step_units(code) / 2**24

    def size(self, symbols: Sequence[Symbols], codes: Sequence[int]) -> int:
        """Return the number of bytes of `pack`."""
        return len(pack(symbols, codes, self._shape))


def pack(symbols: Sequence[Symbols], steps: Sequence[int], shape: Shape) -> bytes:
    """Return the bytes of quantised matrices (outputs, inputs + 1) and their step codes."""
    clipped = [matrix.clip(-MAX_VALUE, MAX_VALUE).astype(np.int32) for matrix in symbols]
    chosen = [[best_table(matrix[:, :-1]), best_table(matrix[:, -1])] for matrix in clipped]
    head = bytes(np.column_stack((np.array(steps), np.array(chosen))).astype(np.uint8))
    flat = np.concatenate([matrix.reshape(-1) for matrix in clipped])
    return head + encode([(flat, _indices(np.array(chosen), shape))], tables())


def unpack(data: bytes, shape: Shape) -> list[Matrix]:
    """Return the matrices (outputs, inputs + 1) in 2^-24; FormatError if the data are damaged."""
    layers = len(shape.sizes)
    if len(data) < 3 * layers:
        raise FormatError(f"{len(data)} bytes for the steps of {layers} layers: the file is damaged")
    head = np.frombuffer(data, np.uint8, 3 * layers).reshape(layers, 3)
    if head[:, 0].max() >= STEPS or head[:, 1:].max() >= _TABLES:
        raise FormatError("a step or table of the weights is out of range: the file is damaged")
    decoder = Decoder(data[3 * layers :], tables())
    symbols = decoder.decode(_indices(head[:, 1:], shape))
    decoder.finish()
    matrices = shape.split(symbols.astype(np.int64))
    return [matrix * step_units(int(code)) for matrix, code in zip(matrices, head[:, 0], strict=True)]


def _indices(chosen: NDArray[np.integer], shape: Shape) -> NDArray[np.uint8]:
    """Return the table of every weight, matrices concatenated: uint8 (count,)."""
    indices = np.empty(shape.count, np.uint8)
    for matrix, (weights, biases) in zip(shape.split(indices), chosen.tolist(), strict=True):
        matrix[:, :-1] = weights
        matrix[:, -1] = biases
    return indices


def best_table(symbols: Symbols) -> int:
    """Return the table with the fewest bits for `symbols`."""
    flat = np.ascontiguousarray(symbols, np.int32).reshape(-1)
    if not flat.any():
        return 0
    # 2 sigma^2 is about 2^(t/4); with outliers a wider table can be better than the variance suggests.
    guess = round(4 * np.log2(max(2 * float(np.square(flat, dtype=np.float64).mean()), 1)))
    near = range(max(1, guess - 4), min(_TABLES, guess + 9))
    costs = {table: bits(flat, table) for table in near or (_TABLES - 1,)}
    return min(costs, key=costs.__getitem__)


def bits(symbols: Symbols, table: int) -> float:
    """Return the bits of `symbols` (n,) under `table`."""
    return tables().estimate_bits(symbols, np.full(symbols.size, table, np.uint8))


@lru_cache(maxsize=1)
def tables() -> Tables:
    """Return the tables: table 0 codes zeros only, tables t = 1 .. 71 are discrete normal distributions.

    Their deviation sigma follows from 1 - exp(-1 / (2 sigma^2)) = 2^(-t/4).
    """
    return Tables([np.ones(2, np.int64), *(_counts(table) for table in range(1, _TABLES))])


def _counts(table: int) -> NDArray[np.int64]:
    octave, quarter = divmod(table, 4)
    base = 2**32 - (_QUARTERS[quarter] >> octave)
    # Count k is base^(k^2): the factor from k to k + 1 is base^(2 k + 1), which grows by base^2.
    magnitude, factor, square = [_LARGEST], base, base * base >> 32
    while len(magnitude) <= _MAX_RADIUS and (following := magnitude[-1] * factor >> 32):
        magnitude.append(following)
        factor = factor * square >> 32
    # Values beyond the radius are escapes; they are rare, but outliers do occur in fitted networks.
    escape = max(1, sum(magnitude) >> 14)
    return np.array([*magnitude[:0:-1], *magnitude, escape], np.int64)
