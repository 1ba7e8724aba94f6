"""Lossless coding of the alpha plane of a tile: rows are deflated, plain or as differences to the row above."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from collagecodec.errors import FormatError

PLAIN, ABOVE = 0, 1


def pack_alpha(alpha: NDArray[np.uint8]) -> bytes:
    """Return a method byte and a zlib stream for a plane (H, W) uint8, by the method that is shorter."""
    above = alpha.copy()
    above[1:] -= alpha[:-1]
    packed = [
        bytes([method]) + zlib.compress(rows.tobytes(), 9) for method, rows in ((PLAIN, alpha), (ABOVE, above))
    ]
    return min(packed, key=len)


def unpack_alpha(data: memoryview, height: int, width: int) -> NDArray[np.uint8]:
    """Return the plane (height, width) uint8 that `pack_alpha` packed; FormatError if the bytes are damaged."""
    if not len(data) or data[0] not in (PLAIN, ABOVE):
        raise FormatError("the alpha plane of a tile has an unknown packing method: the file is damaged")
    inflater = zlib.decompressobj()
    try:
        rows = inflater.decompress(data[1:], height * width + 1)
    except zlib.error as error:
        raise FormatError(
            f"the alpha plane of a tile cannot be inflated ({error}): the file is damaged"
        ) from error
    if len(rows) != height * width or not inflater.eof or inflater.unused_data:
        raise FormatError("the alpha plane of a tile has the wrong size: the file is damaged")
    plane = np.frombuffer(rows, np.uint8).reshape(height, width)
    return np.cumsum(plane, axis=0, dtype=np.uint8) if data[0] == ABOVE else plane
