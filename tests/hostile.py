"""Hostile files: small, with good checksums, and with headers that ask for a lot."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path

from bitstream.chunks import MAGIC, pack_chunk
from bitstream.container import Header, Reader, write
from bitstream.header import pack_header

GOLDEN = Path(__file__).parent / "golden"


def golden(name: str) -> bytes:
    """The bytes of a golden file."""
    return (GOLDEN / name).read_bytes()


def resized(name: str, width: int, height: int, tile_size: int = 0) -> bytes:
    """A golden file of one tile whose header claims another size; all tiles are copies of its tile."""
    reader = Reader(golden(name))
    header = replace(reader.header, width=width, height=height, tile_size=tile_size)
    return write(header, [bytes(reader.tile(0))] * header.tile_count)


def collage(width: int, height: int, tile_size: int = 0, channels: int = 3, payload: bytes = b"") -> bytes:
    """A file of the default codec whose tiles are all the same; an empty stream is a valid one."""
    header = Reader(golden("v1-collage-3.clg")).header
    header = replace(header, width=width, height=height, tile_size=tile_size, channels=channels)
    return write(header, [payload] * header.tile_count)


def dct(width: int, height: int, channels: int = 1, cell: int = 8) -> bytes:
    """A file of the codec `dct` whose stream is empty, with one table for all coefficients."""
    side = zlib.compress(bytes([9]) * (4 * channels * cell**2))
    params = bytes((cell, 0)) + (160).to_bytes(2, "little")
    return write(Header(3, width, height, channels, params=params), [len(side).to_bytes(2, "little") + side])


def many_tiles(side: int) -> bytes:
    """A file that has side x side empty tiles in its index, and ends there."""
    header = Header(1, side, side, tile_size=1, params=b"\1\0")
    chunks = pack_chunk(b"H", pack_header(header)) + pack_chunk(b"I", bytes(side * side))
    return MAGIC + b"\1" + chunks


BOMBS: dict[str, tuple[bytes, dict[str, object]]] = {
    "dct, very wide": (dct(2**24, 1, 3), {}),
    "dct, large, a small region": (dct(2**14, 2**14), {"region": (0, 0, 16, 16)}),
    "ifs, enlarged on one axis": (resized("v1-ifs.clg", 2, 90), {"size": (40, 2)}),
    "collage, very wide": (collage(2**24, 160, 2**17), {"size": (76, 2)}),
    "collage, very large, a thumbnail": (collage(65535, 65535, 5776), {"size": (64, 64)}),
    "collage, very wide, a whole one": (collage(2**24, 16, 2**17), {}),
    "pifs, very wide": (resized("v1-pifs-fixed.clg", 2**21, 2**7, 1024), {}),
    "coin, more pixels than the limit": (resized("v1-coin.clg", 2**24, 2**8), {}),
}
"""Files that took gigabytes or minutes, and how they are decoded."""
