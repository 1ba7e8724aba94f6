"""Entropy coding of the coefficients of `dct`.

Coefficients are coded in four passes from low to high frequency. Tables are two-sided geometric distributions;
the file names a table for every channel, frequency and context. The context of a block is the sum of its
magnitudes in earlier passes. The mean of a block is coded as the difference to the mean of its left neighbour,
at the left edge to the mean of the block above.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bitstream.entropy import MAX_VALUE, Decoder, encode
from bitstream.errors import FormatError
from collagecodec.codecs.laplace import TABLES, tables

MAX_LEVEL = 2**24
"""Coefficients are clipped to +- this value in 1/16 level, which no picture reaches, so that sums stay exact."""
_PART = 2**12
"""Blocks that are dequantised at a time."""

Shape = tuple[int, int, int]
"""Blocks, channels, coefficients."""

_CONTEXTS = np.array((1, 3, 7))
"""Sums of magnitudes at which the contexts 1, 2 and 3 begin."""
_PASSES = np.array((1, 3, 6))
"""Values of u + v of an 8x8 cell at which the passes 1, 2 and 3 begin."""
_ROUNDING = 1 / 3
"""Added to a magnitude before the floor; below 1/2 because the bits saved outweigh the error added."""


class Coding(Protocol):
    """A lossy coding of coefficients."""

    def pack(self, coefficients: NDArray[np.float64], step_code: int, columns: int) -> bytes:
        """Return the bytes of coefficients (B, C, V) in 1/16 pixel level, quantised with the step `step_code`.

        `step_code` is in 1/16 pixel level; `columns` is the number of blocks in a row of the picture.
        """

    def unpack(self, data: bytes, shape: Shape, step_code: int, columns: int) -> NDArray[np.int32]:
        """Return the quantised coefficients of `pack`, integers in 1/16 pixel level, clipped to +-`MAX_LEVEL`.

        Raises FormatError if the data are damaged.
        """


def pack(coefficients: NDArray[np.float64], step_code: int, columns: int) -> bytes:
    """See `Coding.pack`."""
    magnitudes = np.abs(coefficients) / step_code
    rounding = np.full(magnitudes.shape[2], _ROUNDING)
    rounding[0] = 0.5
    magnitudes = np.floor(magnitudes + rounding).clip(0, MAX_VALUE >> 4)
    symbols = np.where(coefficients < 0, -magnitudes, magnitudes).astype(np.int32)
    symbols[:, :, 0] = _differences(symbols[:, :, 0], columns)
    chosen = _choose(symbols)
    passes = []
    for part, contexts in _passes(symbols):
        indices = _indices(chosen, part, contexts)
        passes.append((symbols[:, :, part].reshape(-1), indices.reshape(-1)))
    side = zlib.compress(chosen.tobytes(), 9)
    return len(side).to_bytes(2, "little") + side + encode(passes, tables())


def unpack(data: bytes, shape: Shape, step_code: int, columns: int) -> NDArray[np.int32]:
    """See `Coding.unpack`."""
    end = 2 + int.from_bytes(data[:2], "little")
    chosen = _side(data[2:end], shape)
    decoder = Decoder(data[end:], tables())
    symbols = np.zeros(shape, np.int32)
    for part, contexts in _passes(symbols):
        indices = _indices(chosen, part, contexts)
        symbols[:, :, part] = decoder.decode(indices.reshape(-1)).reshape(indices.shape)
    decoder.finish()
    means = _sums(symbols[:, :, 0].astype(np.int64), columns)
    # Every step is at least 1, so that a magnitude beyond the limit stays beyond it.
    symbols[:, :, 0] = means.clip(-MAX_LEVEL, MAX_LEVEL)
    for first in range(0, len(symbols), _PART):
        blocks = symbols[first : first + _PART]
        blocks[...] = (blocks * np.int64(step_code)).clip(-MAX_LEVEL, MAX_LEVEL)
    return symbols


def _passes(symbols: NDArray[np.int32]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield for every pass the indices of its coefficients and the context of every block, int64 (B,).

    The context is computed from `symbols` when the pass is reached, so a decoder must store the symbols of a
    pass before it advances to the next.
    """
    cell = math.isqrt(symbols.shape[2])
    frequency = np.sort(np.add.outer(np.arange(cell), np.arange(cell)).ravel()) * 8 // cell
    number = np.searchsorted(_PASSES, frequency, side="right")
    number[1:] = np.maximum(number[1:], 1)
    before = np.zeros(symbols.shape[0], np.int64)
    for current in range(len(_PASSES) + 1):
        part = np.flatnonzero(number == current)
        yield part, np.searchsorted(_CONTEXTS, before, side="right")
        # Means count in the next pass only, since a change of brightness says little about texture.
        activity = np.abs(symbols[:, :, part]).sum((1, 2), dtype=np.int64)
        before = activity if current <= 1 else before + activity


def _indices(
    chosen: NDArray[np.uint8], part: NDArray[np.int64], contexts: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Return the table of every coefficient of a pass: uint8 (B, C, len(part))."""
    return np.ascontiguousarray(chosen[:, part][:, :, contexts].transpose(2, 0, 1))


def _choose(symbols: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Return the best table for every channel, coefficient and context: uint8 (C, V, 4)."""
    chosen = np.zeros((*symbols.shape[1:], len(_CONTEXTS) + 1), np.uint8)
    for part, contexts in _passes(symbols):
        for context in range(chosen.shape[2]):
            blocks = symbols[contexts == context]
            if len(blocks):
                mean = np.abs(blocks[:, :, part]).mean(0)
                table = np.round(4 * np.log2(np.maximum(mean, 1e-9))) + 29
                chosen[:, part, context] = np.where(mean > 0, table.clip(1, TABLES - 1), 0)
    return chosen


def _side(data: bytes, shape: Shape) -> NDArray[np.uint8]:
    size = shape[1] * shape[2] * (len(_CONTEXTS) + 1)
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(data, size + 1)
    except zlib.error as error:
        raise FormatError(f"the choice of tables cannot be read ({error}): the file is damaged") from error
    chosen = np.frombuffer(raw, np.uint8)
    if chosen.size != size or not inflater.eof or inflater.unused_data or chosen.max(initial=0) >= TABLES:
        raise FormatError("the choice of tables has another size than the picture needs: the file is damaged")
    return chosen.reshape(shape[1], shape[2], -1)


def _differences(means: NDArray[np.int32], columns: int) -> NDArray[np.int32]:
    """Return the differences of means (B, C) to the left block, in the first column to the block above."""
    rows = means.reshape(-1, columns, means.shape[1])
    differences = np.diff(rows, axis=1, prepend=0)
    differences[:, 0] = np.diff(rows[:, 0], axis=0, prepend=0)
    return differences.reshape(means.shape).astype(np.int32)


def _sums(differences: NDArray[np.int64], columns: int) -> NDArray[np.int64]:
    """Undo `_differences`."""
    rows = differences.reshape(-1, columns, differences.shape[1]).copy()
    rows[:, 0] = rows[:, 0].cumsum(0)
    return rows.cumsum(1).reshape(differences.shape)
