"""The tile index of a file: where every tile begins, in memory that does not follow the number of tiles."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from bitstream import varint
from bitstream.chunks import CRC_BYTES
from bitstream.errors import FormatError

_PART = 2**16
"""Bytes of the index that are read at a time."""


class TileIndex:
    """The offsets of `count` tiles whose payload lengths are the varints of `payload`; the first is at `start`.

    The whole index is checked at once, and a part of it is read again when one of its tiles is asked for.
    Raises FormatError for an index that is damaged or of another length.
    """

    def __init__(self, payload: memoryview, count: int, start: int) -> None:
        if len(payload) < count:
            raise FormatError(f"the tile index has {len(payload)} bytes for {count} tiles: the file is damaged")
        self._payload = payload
        self._tiles, self._places, self._offsets = [0], [0], [start]
        while self._places[-1] < len(payload):
            sizes, end = self._part(self._places[-1])
            self._tiles.append(self._tiles[-1] + sizes.size)
            self._places.append(end)
            self._offsets.append(self._offsets[-1] + int(sizes.sum()))
        if self._tiles[-1] != count:
            raise FormatError(f"the tile index lists {self._tiles[-1]} tiles, not {count}: the file is damaged")
        self._last: tuple[int, NDArray[np.int64]] | None = None

    @property
    def end(self) -> int:
        """The offset after the last tile."""
        return self._offsets[-1]

    def span(self, tile: int) -> tuple[int, int]:
        """Return the offsets of the first byte of the chunk of a tile and of the byte after it."""
        part = bisect_right(self._tiles, tile) - 1
        ends, number = self._ends_of(part), tile - self._tiles[part]
        return int(ends[number - 1]) if number else self._offsets[part], int(ends[number])

    def _part(self, place: int) -> tuple[NDArray[np.int64], int]:
        """Return the chunk sizes of the tiles whose varints begin at a byte of the index, and where they end."""
        raw = np.frombuffer(self._payload[place : place + _PART], np.uint8)
        ends = np.flatnonzero(raw < 0x80)
        if not ends.size:
            raise FormatError("the tile index ends inside a number: the file is damaged")
        end = place + int(ends[-1]) + 1
        lengths = varint.unpack_all(self._payload[place:end], ends.size)
        length_bytes = 1 + sum((lengths >= 1 << shift).astype(np.int64) for shift in (7, 14, 21, 28))
        return 1 + length_bytes + lengths + CRC_BYTES, end

    def _ends_of(self, part: int) -> NDArray[np.int64]:
        """Return the offsets after the tiles of a part; those of the part used last are kept."""
        kept = self._last
        if kept is None or kept[0] != part:
            kept = part, self._offsets[part] + np.cumsum(self._part(self._places[part])[0])
            self._last = kept
        return kept[1]
