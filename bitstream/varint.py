"""LEB128 varints: seven bits a byte, least significant group first, the top bit set on all but the last.

Values are 0 .. 2^32 - 1, so a varint has at most 5 bytes. Only the shortest spelling of a value is accepted:
every number has exactly one encoding, which keeps files canonical.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bitstream.errors import FormatError

MAX_VALUE = 2**32 - 1
MAX_BYTES = 5


def size(value: int) -> int:
    """Return the number of bytes of `value`, 1 .. 5."""
    return max(1, (value.bit_length() + 6) // 7)


def pack(value: int) -> bytes:
    """Return the varint of `value`; ValueError outside 0 .. 2^32 - 1.

    >>> pack(300).hex()
    'ac02'
    """
    if not 0 <= value <= MAX_VALUE:
        raise ValueError(f"a varint holds 0 .. {MAX_VALUE}, not {value}")
    out = bytearray()
    while value > 0x7F:
        out.append(0x80 | (value & 0x7F))
        value >>= 7
    out.append(value)
    return bytes(out)


def unpack(data: memoryview, offset: int) -> tuple[int, int]:
    """Read a varint of `data` (bytes) at `offset`; return its value and the offset of the byte after it.

    Raises FormatError if the data end inside it, or if it is too long or not the shortest spelling.
    """
    value = 0
    for index, byte in enumerate(data[offset : offset + MAX_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if value > MAX_VALUE or (index > 0 and byte == 0):
                break
            return value, offset + index + 1
    else:
        if len(data) - offset < MAX_BYTES:
            raise FormatError("the data end inside a number: the file is truncated")
    raise FormatError(f"the number at byte {offset} is not a valid varint: the file is damaged")


def pack_all(values: Sequence[int]) -> bytes:
    """Return the varints of `values`, one after the other."""
    return b"".join(map(pack, values))


def unpack_all(data: memoryview, count: int) -> NDArray[np.int64]:
    """Read exactly `count` varints that fill `data`: int64, shape (count,), 0 .. 2^32 - 1.

    Memory is proportional to `len(data)`, whatever `count` claims. Raises FormatError.
    """
    raw = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(raw < 0x80)
    if ends.size != count or (raw.size and raw[-1] >= 0x80):
        raise FormatError(f"{ends.size} numbers are stored where {count} belong: the file is damaged")
    if count == 0:
        return np.zeros(0, np.int64)
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    position = np.arange(raw.size) - np.repeat(starts, lengths)
    overlong = (lengths > 1) & (raw[ends] == 0)
    if lengths.max() > MAX_BYTES or overlong.any():
        raise FormatError("a number is not a valid varint: the file is damaged")
    values = np.add.reduceat((raw & 0x7F).astype(np.int64) << (7 * position), starts)
    if values.max() > MAX_VALUE:
        raise FormatError("a number is larger than the format allows: the file is damaged")
    return np.asarray(values, np.int64)
