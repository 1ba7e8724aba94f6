"""Writing and reading `.clg` files: header, metadata, tile index, tiles. Specified in `FORMAT.md`."""

from __future__ import annotations

import io
import mmap
from collections.abc import Iterable, Mapping
from typing import BinaryIO

from bitstream import varint
from bitstream.chunks import (
    CRC_BYTES,
    MAGIC,
    MAX_METADATA,
    METADATA_TYPES,
    VERSION,
    check_signature,
    checksum,
    chunk_head,
    pack_chunk,
    pack_metadata,
    probe,
    unpack_chunk,
    unpack_metadata,
)
from bitstream.errors import DamagedTileError, FormatError, LimitError
from bitstream.header import MAX_PIXELS, Header, pack_header, unpack_header
from bitstream.index import TileIndex

__all__ = [
    "MAGIC",
    "MAX_PIXELS",
    "METADATA_TYPES",
    "VERSION",
    "Header",
    "Reader",
    "probe",
    "write",
    "write_to",
]

MAX_LAYERS = 2**22
"""Bytes of the description of layers after inflating."""
MAX_CHUNKS = 256
"""Chunks that may stand before the first tile."""

_MIN_CHUNK = 2 + CRC_BYTES
_HEADER, _LAYERS, _INDEX, _TILE = b"H", b"L", b"I", b"T"
_METADATA_NAMES = {kind: name for name, kind in METADATA_TYPES.items()}


def write(
    header: Header,
    tiles: Iterable[bytes],
    metadata: Mapping[str, bytes] | None = None,
    layers: bytes | None = None,
) -> bytes:
    """Return a whole file: see `write_to`."""
    stream = io.BytesIO()
    write_to(stream, header, tiles, metadata, layers)
    return stream.getvalue()


def write_to(
    stream: BinaryIO,
    header: Header,
    tiles: Iterable[bytes],
    metadata: Mapping[str, bytes] | None = None,
    layers: bytes | None = None,
) -> int:
    """Write a file to a binary stream, which is never sought; return the number of bytes written.

    `tiles` are the payloads in raster order, `header.tile_count` of them. They are collected before anything
    is written, because the index stands in front of them: memory follows the size of the file, not of the
    picture. `metadata` maps 'icc', 'exif', 'xmp', 'geo' to bytes. `layers` describes layers, for codecs that have
    them.

    Raises ValueError on a wrong number of tiles, an unknown kind of metadata or a payload of 4 GiB and more.
    Nothing has been written then.
    """
    payloads = list(tiles)
    if len(payloads) != header.tile_count:
        raise ValueError(f"the header announces {header.tile_count} tiles, {len(payloads)} were given")
    metadata = metadata or {}
    unknown = sorted(set(metadata) - set(METADATA_TYPES))
    if unknown:
        raise ValueError(
            f"metadata of the kind {unknown[0]!r} cannot be stored; there are {', '.join(METADATA_TYPES)}"
        )
    too_long = [index for index, payload in enumerate(payloads) if len(payload) > varint.MAX_VALUE]
    if too_long:
        raise ValueError(f"tile {too_long[0]} has 4 GiB or more; use smaller tiles")
    size = _put(stream, MAGIC + bytes((VERSION,)))
    size += _put(stream, pack_chunk(_HEADER, pack_header(header)))
    if layers is not None:
        size += _put(stream, pack_chunk(_LAYERS, pack_metadata(layers)))
    for name, kind in METADATA_TYPES.items():
        if name in metadata:
            size += _put(stream, pack_chunk(kind, pack_metadata(metadata[name])))
    if len(payloads) > 1:
        size += _put(stream, pack_chunk(_INDEX, varint.pack_all([len(payload) for payload in payloads])))
    for payload in payloads:
        head = chunk_head(_TILE, len(payload))
        size += _put(stream, head) + _put(stream, payload) + _put(stream, checksum(head, payload))
    return size


def _put(stream: BinaryIO, data: bytes) -> int:
    stream.write(data)
    return len(data)


class Reader:
    """A parsed file: header, metadata and tile index are read at once, tiles when they are asked for.

    `data` is not copied: a memory-mapped file costs what is touched. With `strict`, bytes after the last
    tile are an error; without, they are ignored. `max_pixels` bounds width * height, `max_metadata` the bytes
    of all metadata together after inflating.

    Raises FormatError (damaged, truncated before the first tile, newer version), LimitError,
    UnsupportedImageError. Damage or truncation in a tile shows when that tile is read.
    """

    def __init__(
        self,
        data: bytes | bytearray | memoryview | mmap.mmap,
        *,
        strict: bool = True,
        max_pixels: int = MAX_PIXELS,
        max_metadata: int = MAX_METADATA,
    ) -> None:
        self._data = memoryview(data).toreadonly().cast("B")
        self._metadata_left = max_metadata
        self.metadata: dict[str, bytes] = {}
        self.layers = b""
        offset = check_signature(self._data)
        kind, payload, offset = unpack_chunk(self._data, offset, "the header")
        if kind != _HEADER:
            raise FormatError("the first chunk is not a header: the file is damaged")
        self.header: Header = unpack_header(payload)
        if self.header.width * self.header.height > max_pixels:
            raise LimitError(
                f"the picture has {self.header.width}x{self.header.height} pixels, more than the limit of "
                f"{max_pixels}; raise max_pixels if you trust the file"
            )
        index, offset = self._read_chunks(offset)
        self._index = self._index_of(index, offset)
        end = self._index.end if isinstance(self._index, TileIndex) else self._index[1]
        if strict and end < len(self._data):
            extra = len(self._data) - end
            raise FormatError(f"{extra} bytes stand after the last tile: cut them off, or read without strict")

    def _read_chunks(self, offset: int) -> tuple[memoryview | None, int]:
        """Read the chunks before the tiles; return the index payload and the offset of the first tile."""
        for _ in range(MAX_CHUNKS):
            if self._data[offset : offset + 1] == _TILE:
                return None, offset
            kind, payload, offset = unpack_chunk(self._data, offset, "a chunk before the tiles")
            if kind == _INDEX:
                return payload, offset
            if kind in _METADATA_NAMES:
                self._read_metadata(_METADATA_NAMES[kind], payload)
            elif kind == _LAYERS and not self.layers:
                self.layers = unpack_metadata(payload, MAX_LAYERS, "layers")
            elif kind.isupper():
                raise FormatError(
                    f"the file needs chunks of type {kind.decode()!r}, which only a newer version knows: "
                    "upgrade collagecodec"
                )
        raise LimitError(f"more than {MAX_CHUNKS} chunks stand before the tiles: the file is damaged or hostile")

    def _read_metadata(self, name: str, payload: memoryview) -> None:
        if name in self.metadata:
            raise FormatError(f"the {name} metadata stand in the file twice: the file is damaged")
        self.metadata[name] = unpack_metadata(payload, self._metadata_left, name)
        self._metadata_left -= len(self.metadata[name])

    def _index_of(self, payload: memoryview | None, start: int) -> TileIndex | tuple[int, int]:
        """Return the index of several tiles, or where the chunk of a single one begins and ends."""
        count = self.header.tile_count
        if (payload is None) != (count == 1):
            state = "has no tile index" if payload is None else "has a tile index for a single tile"
            raise FormatError(f"the file {state}: it is damaged")
        return (start, self._single_tile_end(start)) if payload is None else TileIndex(payload, count, start)

    def _single_tile_end(self, start: int) -> int:
        """Return where the only tile should end; the end of the data if its length cannot be read."""
        try:
            length, payload_start = varint.unpack(self._data, start + 1)
        except FormatError:
            return max(len(self._data), start + _MIN_CHUNK)
        return payload_start + length + CRC_BYTES

    def tile(self, tile: int) -> memoryview:
        """Return the payload of tile number `tile` in raster order, its checksum verified.

        Raises DamagedTileError if it is damaged or cut off, IndexError if there is no such tile.
        """
        if not 0 <= tile < self.header.tile_count:
            raise IndexError(f"there are {self.header.tile_count} tiles, counted from 0; asked for {tile}")
        start, end = self._index.span(tile) if isinstance(self._index, TileIndex) else self._index
        if end > len(self._data):
            left = max(0, len(self._data) - start)
            raise DamagedTileError(tile, f"{left} of its {end - start} bytes are there, the file is truncated")
        if self._data[start : start + 1] != _TILE:
            raise DamagedTileError(tile, "it does not begin like a tile")
        try:
            _, payload, stop = unpack_chunk(self._data[:end], start, "it")
        except FormatError as error:
            raise DamagedTileError(tile, "its checksum or length is wrong") from error
        if stop != end:
            raise DamagedTileError(tile, "its length is not the one in the index")
        return payload

    def check(self) -> None:
        """Verify every tile; raise DamagedTileError for the first that is not whole."""
        for tile in range(self.header.tile_count):
            self.tile(tile)
