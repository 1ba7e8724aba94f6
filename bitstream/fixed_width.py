"""Codes of a fixed number of bits, without entropy coding.

Symbols are written one after the other, least significant bit first. Bytes are filled from their least
significant bit, and the last byte is padded with zeros.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitstream.errors import FormatError

MAX_BITS = 16


def pack_fixed(symbols: NDArray[np.integer[Any]], bits: int | NDArray[np.integer[Any]]) -> bytes:
    """Pack unsigned integers, shape (n,), each into `bits` bits: one width for all, or shape (n,); 1 .. 16.

    Returns ceil(sum of widths / 8) bytes. Raises ValueError on a width out of range or a symbol that does not
    fit its width.

    >>> pack_fixed(np.array([1, 2, 3]), 4).hex()
    '2103'
    """
    symbols = np.asarray(symbols)
    if symbols.ndim != 1 or not np.issubdtype(symbols.dtype, np.integer):
        raise ValueError(f"symbols are one-dimensional integers, not {symbols.dtype} of {symbols.shape}")
    widths = _widths(bits, symbols.size)
    # Unsigned integers beyond int64 become negative here and are refused.
    signed = symbols.astype(np.int64)
    bad = (signed < 0) | (signed >> widths != 0)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise ValueError(f"symbol {first} is {symbols[first]}, which does not fit {widths[first]} bits")
    octets = symbols.astype("<u2").view(np.uint8).reshape(-1, 2)
    table = np.unpackbits(octets, axis=1, bitorder="little")
    return np.packbits(table[_mask(widths)], bitorder="little").tobytes()


def unpack_fixed(
    data: bytes | memoryview, bits: int | NDArray[np.integer[Any]], count: int
) -> NDArray[np.uint16]:
    """Undo `pack_fixed`: return `count` symbols, uint16, shape (count,).

    `bits` is one width for all, or shape (count,). Memory follows `count`, which is checked against
    `len(data)` first where there is one width. Raises FormatError if the data are not exactly `count`
    symbols and zero padding, ValueError on a width out of range.
    """
    if isinstance(bits, int) and count * bits > 8 * len(data):
        raise FormatError(f"{count} codes of {bits} bits do not fit {len(data)} bytes: the file is damaged")
    widths = _widths(bits, count)
    total = int(widths.sum())
    if len(data) != (total + 7) // 8:
        raise FormatError(
            f"{count} codes of {total} bits together are stored in {len(data)} bytes instead of "
            f"{(total + 7) // 8}: the file is damaged"
        )
    stream = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    if stream[total:].any():
        raise FormatError("the padding after the last code is not zero: the file is damaged")
    table = np.zeros((count, MAX_BITS), np.uint8)
    table[_mask(widths)] = stream[:total]
    octets = np.packbits(table, axis=1, bitorder="little")
    return octets.view("<u2").reshape(count).astype(np.uint16)


def _widths(bits: ArrayLike, count: int) -> NDArray[np.int64]:
    """Return the checked width of every symbol, int64, shape (count,)."""
    widths = np.asarray(bits)
    if widths.ndim and widths.shape != (count,):
        raise ValueError(f"there are {count} symbols and widths of shape {widths.shape}")
    if widths.size and (widths.min() < 1 or widths.max() > MAX_BITS):
        raise ValueError(f"a code has 1 .. {MAX_BITS} bits, not {widths.min()} .. {widths.max()}")
    return np.broadcast_to(widths.astype(np.int64), (count,))


def _mask(widths: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which of the 16 bits of each symbol are stored: bool, shape (count, 16)."""
    return np.arange(MAX_BITS) < widths[:, None]
