"""Conversion of the maps of an iterated function system to integers, and of the integers to bytes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bitstream.entropy import Decoder, encode
from collagecodec.codecs.laplace import tables
from collagecodec.errors import FormatError
from collagecodec.fractals.ifs import IFS

Integers = NDArray[np.int64]

MIN_BITS, MAX_BITS = 4, 12
MAX_MAPS = 255


def quantised(ifs: IFS, bits: int) -> Integers:
    """Quantise the maps a, b, c, d, s, t of an IFS about the picture's centre: int64 (N, 6), as
    `chaos_game.Game`.

    Values are clipped to the range of the format: coefficients to +-1, offsets to +- the size of the picture.
    """
    middle = np.full(2, 0.5)
    offsets = ifs.b + ifs.A @ middle - middle
    values = np.concatenate((ifs.A.reshape(-1, 4) * 2**bits, offsets * 2 ** (bits + 1)), 1)
    limits = np.array([2**bits] * 4 + [2 ** (bits + 1)] * 2)
    return np.clip(np.rint(values), -limits, limits).astype(np.int64)


def pack(maps: Integers) -> bytes:
    """Encode maps as two table indices, a byte each, and the entropy-coded coefficients and offsets."""
    # The order of the maps has no meaning; sorted, equal sets of maps give equal bytes.
    ordered = maps[np.lexsort(maps.T[::-1])]
    passes, indices = [], []
    for part in (ordered[:, :4].reshape(-1), ordered[:, 4:].reshape(-1)):
        table = _best_table(part)
        indices.append(table)
        passes.append((part.astype(np.int32), np.full(part.size, table, np.uint8)))
    return bytes(indices) + encode(passes, tables())


def _best_table(values: Integers) -> int:
    """Return the index of the table that codes the values in the fewest bits; index 0 is never used."""
    symbols = values.astype(np.int32)
    choices = tables()
    costs = [
        choices.estimate_bits(symbols, np.full(symbols.size, index, np.uint8)) for index in range(1, len(choices))
    ]
    return int(np.argmin(costs)) + 1


def unpack(data: bytes, count: int, bits: int) -> Integers:
    """Decode maps, int64 (count, 6); FormatError if the bytes are damaged or a value is out of range."""
    choices = tables()
    if len(data) < 2 or not (1 <= data[0] < len(choices) and 1 <= data[1] < len(choices)):
        raise FormatError("the maps refer to tables that do not exist: the file is damaged")
    decoder = Decoder(data[2:], choices)
    matrices = decoder.decode(np.full(4 * count, data[0], np.uint8)).reshape(count, 4)
    offsets = decoder.decode(np.full(2 * count, data[1], np.uint8)).reshape(count, 2)
    decoder.finish()
    maps = np.concatenate((matrices, offsets), 1).astype(np.int64)
    if np.abs(maps[:, :4]).max() > 2**bits or np.abs(maps[:, 4:]).max() > 2 ** (bits + 1):
        raise FormatError("a map is out of range: the file is damaged")
    return maps
