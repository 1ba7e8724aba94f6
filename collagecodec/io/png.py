"""PNG files written band by band: memory follows the band, and zlib runs on several threads.

Every row is filtered as the difference from the row above and, by default, deflated at zlib's level 1. On
decoded aerial pictures that is within 3 % of the size of Pillow's files at the same level, in half the time on
one core. Blocks of rows are deflated independently of each other, each with the 32 KiB before it as its
dictionary, so that the number of threads does not change the file.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from collagecodec.sampling.threads import ordered

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COMPRESSION = 1
"""The default level of zlib."""

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_FILTER_UP = 2
_BLOCK_BYTES = 2**18
_WINDOW = 2**15
_MAX_THREADS = 4

Block = tuple[bytes, bytes, bool]
"""Filtered rows, the bytes before them, whether they are the last."""


def png_chunks(
    bands: Iterable[NDArray[np.uint8]],
    shape: tuple[int, int, int],
    metadata: Mapping[str, bytes],
    compression: int = COMPRESSION,
    depth: int = 8,
) -> Iterator[bytes]:
    """Yield the file piece by piece.

    `bands` are uint8 of shape (rows, width, channels) for a `shape` of (width, height, channels), with 1
    (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA) channels; `metadata` may hold 'icc', 'exif' and 'xmp'.
    `compression` is a level of zlib, 0 (stored) to 9. With a `depth` of 16 the bands hold two bytes for each
    sample, the higher one first: uint8 (rows, width, 2 channels).
    """
    width, height, channels = shape
    yield SIGNATURE
    yield _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, _COLOUR_TYPES[channels], 0, 0, 0))
    yield from _metadata_chunks(metadata)
    blocks = _blocks(bands, width * channels * depth // 8, height)
    adler, lead = 1, b"\x78\x01"
    # Starting threads would take longer than deflating a small picture.
    most = 1 if width * height * channels < 4 * _BLOCK_BYTES else _MAX_THREADS

    def deflate(block: Block) -> tuple[bytes, bytes]:
        return block[0], _deflate(block, compression)

    for raw, packed in ordered(deflate, blocks, most=most, throttle=False):
        adler = zlib.adler32(raw, adler)
        yield _chunk(b"IDAT", lead + packed)
        lead = b""
    yield _chunk(b"IDAT", adler.to_bytes(4, "big"))
    yield _chunk(b"IEND", b"")


def _chunk(kind: bytes, payload: bytes) -> bytes:
    crc = zlib.crc32(payload, zlib.crc32(kind))
    return b"".join((len(payload).to_bytes(4, "big"), kind, payload, crc.to_bytes(4, "big")))


def _metadata_chunks(metadata: Mapping[str, bytes]) -> Iterator[bytes]:
    if icc := metadata.get("icc"):
        yield _chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc))
    if exif := metadata.get("exif"):
        yield _chunk(b"eXIf", exif)
    if xmp := metadata.get("xmp"):
        yield _chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)


def _blocks(bands: Iterable[NDArray[np.uint8]], row_bytes: int, height: int) -> Iterator[Block]:
    """Filter the rows and cut them into blocks of about 256 KiB."""
    above = np.zeros((1, row_bytes), np.uint8)
    rows = max(1, _BLOCK_BYTES // row_bytes)
    window, done = b"", 0
    for band in bands:
        flat = band.reshape(len(band), row_bytes)
        for first in range(0, len(flat), rows):
            part = flat[first : first + rows]
            filtered = np.empty((len(part), 1 + row_bytes), np.uint8)
            filtered[:, 0] = _FILTER_UP
            np.subtract(part[:1], above, out=filtered[:1, 1:])
            np.subtract(part[1:], part[:-1], out=filtered[1:, 1:])
            above = part[-1:].copy()
            done += len(part)
            block = filtered.tobytes()
            yield block, window, done == height
            window = block[-_WINDOW:]


def _deflate(block: Block, compression: int) -> bytes:
    raw, window, last = block
    packer = zlib.compressobj(compression, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, window)
    return packer.compress(raw) + packer.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)
