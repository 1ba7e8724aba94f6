"""The maps of an iterated function system as whole numbers, and those as bytes."""

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
    """Maps a, b, c, d, s, t of an IFS around the picture's middle, int64 (N, 6): see `chaos_game.Game`.

    What is beyond the range of the format is clipped to it: coefficients to 1, offsets to one picture.
    """
    middle = np.full(2, 0.5)
    offsets = ifs.b + ifs.A @ middle - middle
    values = np.concatenate((ifs.A.reshape(-1, 4) * 2**bits, offsets * 2 ** (bits + 1)), 1)
    limits = np.array([2**bits] * 4 + [2 ** (bits + 1)] * 2)
    return np.clip(np.rint(values), -limits, limits).astype(np.int64)


def pack(maps: Integers) -> bytes:
    """The numbers of two tables, one byte each, and the coded maps: coefficients first, then offsets."""
    # In order of the first offset nothing is lost, since the order of maps means nothing.
    ordered = maps[np.lexsort(maps.T[::-1])]
    passes, chosen = [], []
    for part in (ordered[:, :4].reshape(-1), ordered[:, 4:].reshape(-1)):
        table = _best_table(part)
        chosen.append(table)
        passes.append((part.astype(np.int32), np.full(part.size, table, np.uint8)))
    return bytes(chosen) + encode(passes, tables())


def _best_table(values: Integers) -> int:
    symbols = values.astype(np.int32)
    known = tables()
    costs = [
        known.estimate_bits(symbols, np.full(symbols.size, number, np.uint8)) for number in range(1, len(known))
    ]
    return int(np.argmin(costs)) + 1


def unpack(data: bytes, count: int, bits: int) -> Integers:
    """The maps, int64 (count, 6). FormatError if the bytes are damaged or a number is out of range."""
    known = tables()
    if len(data) < 2 or not (1 <= data[0] < len(known) and 1 <= data[1] < len(known)):
        raise FormatError("the maps name tables that there are not: the file is damaged")
    decoder = Decoder(data[2:], known)
    matrices = decoder.decode(np.full(4 * count, data[0], np.uint8)).reshape(count, 4)
    offsets = decoder.decode(np.full(2 * count, data[1], np.uint8)).reshape(count, 2)
    decoder.finish()
    maps = np.concatenate((matrices, offsets), 1).astype(np.int64)
    if np.abs(maps[:, :4]).max() > 2**bits or np.abs(maps[:, 4:]).max() > 2 ** (bits + 1):
        raise FormatError("a map is out of range: the file is damaged")
    return maps
