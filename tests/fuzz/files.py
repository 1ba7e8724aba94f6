"""Mutated `.clg` files: fields, payloads, symbols and chunks change, and the checksums are mended.

Every file follows from a `random.Random`, so that a seed names it, and Hypothesis can shrink it.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from random import Random

from bitstream import varint
from bitstream.chunks import (
    MAGIC,
    METADATA_TYPES,
    checksum,
    chunk_head,
    pack_chunk,
    pack_metadata,
    unpack_chunk,
    unpack_metadata,
)
from bitstream.container import Reader

from . import symbols

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
SEEDS = tuple(sorted(path.name for path in GOLDEN.glob("*.clg") if path.stat().st_size < 20_000))
SIDES = (0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 40, 48, 64, 90, 127, 128, 255, 256, 300, 1023, 1024, 2**12,
         2**14, 2**16 - 1, 2**20, 2**24 - 1, 2**24, 2**24 + 1, 2**32 - 1)  # fmt: skip
BYTES = (0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 63, 64, 127, 128, 240, 254, 255)


@dataclass
class File:
    """The parts of a file, each of which may hold anything."""

    codec: int
    mode: int
    width: int
    height: int
    tile: int
    fingerprint: bytes
    params: bytes
    metadata: list[tuple[bytes, bytes]] = field(default_factory=list)
    tiles: list[bytes] = field(default_factory=list)
    lengths: list[int] | None = None

    def pack(self) -> bytes:
        """Return the bytes, with good checksums."""
        sides = [self.width, self.height, *([self.tile] if self.mode & 0x80 else [])]
        header = bytes((self.codec, self.mode)) + varint.pack_all(sides) + self.fingerprint + self.params
        parts = [MAGIC, b"\1", pack_chunk(b"H", header)]
        parts += [pack_chunk(kind, payload) for kind, payload in self.metadata]
        lengths = self.lengths
        if lengths is None and len(self.tiles) > 1:
            lengths = [len(tile) for tile in self.tiles]
        if lengths is not None:
            parts.append(pack_chunk(b"I", varint.pack_all(lengths)))
        for tile in self.tiles:
            head = chunk_head(b"T", len(tile))
            parts += [head, tile, checksum(head, tile)]
        return b"".join(parts)


@cache
def _parsed(name: str) -> File:
    data = (GOLDEN / name).read_bytes()
    reader = Reader(data)
    header = reader.header
    metadata = [(METADATA_TYPES[kind], pack_metadata(value)) for kind, value in reader.metadata.items()]
    if reader.layers:
        metadata.append((b"L", pack_metadata(reader.layers)))
    mode = unpack_chunk(memoryview(data), len(MAGIC) + 1, "the header")[1][1]
    return File(
        codec=header.codec,
        mode=mode,
        width=header.width,
        height=header.height,
        tile=header.tile_size,
        fingerprint=header.fingerprint,
        params=header.params,
        metadata=metadata,
        tiles=[bytes(reader.tile(tile)) for tile in range(header.tile_count)],
    )


def seed(random: Random) -> File:
    """Return a golden file, or one like it of a few pixels, in tiles or not."""
    source = _parsed(random.choice(SEEDS))
    file = replace(source, metadata=list(source.metadata), tiles=list(source.tiles))
    if random.random() < 0.7:
        resize(file, random, random.randint(1, 70), random.randint(1, 70))
    return file


def resize(file: File, random: Random, width: int, height: int, tile: int = 0) -> None:
    """Give a file another size and as many tiles as it then needs, which are copies."""
    file.width, file.height = width, height
    tile = tile or random.choice((0, 0, 0, 16, 32, 40, 48, 80))
    file.tile, file.mode = tile, file.mode & 0x7F | (0x80 if tile else 0)
    count = -(-width // tile) * -(-height // tile) if tile else 1
    tiles = file.tiles or [b""]
    file.tiles = [random.choice(tiles) for _ in range(min(count, 64))]


def mutated(random: Random) -> bytes:
    """Return a mutated file."""
    file = seed(random)
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 5))):
        random.choices([change for change, _ in _CHANGES], [weight for _, weight in _CHANGES])[0](file, random)
    data = file.pack()
    if random.random() < 0.03:
        return damaged(data, random)
    return data


def damaged(data: bytes, random: Random) -> bytes:
    """Damage bytes at random places, as a disk or a line does."""
    changed = bytearray(data)
    for _ in range(random.randint(1, 4)):
        kind, place = random.randrange(4), random.randrange(len(changed) + 1)
        if kind == 0 and place < len(changed):
            changed[place] ^= 1 << random.randrange(8)
        elif kind == 1:
            changed[place:place] = random.randbytes(random.randint(1, 9))
        elif kind == 2:
            del changed[place : place + random.randint(1, 9)]
        else:
            changed[place:] = random.randbytes(random.randint(0, 3))
    return bytes(changed)


def _sides(file: File, random: Random) -> None:
    name = random.choice(("width", "height", "tile"))
    setattr(file, name, random.choice(SIDES))
    if name == "tile":
        file.mode = file.mode & 0x7F | (0x80 if file.tile else 0)


def _size(file: File, random: Random) -> None:
    resize(file, random, random.randint(1, 200), random.randint(1, 200), random.choice((0, 8, 16, 24, 64)))


def _parameters(file: File, random: Random) -> None:
    params = bytearray(file.params)
    if params and random.random() < 0.8:
        params[random.randrange(len(params))] = random.choice((*BYTES, random.randrange(256)))
    else:
        params = bytearray(random.randbytes(random.choice((0, 1, 2, 3, 4, 8, 11, 255))))
    file.params = bytes(params)


def _mode(file: File, random: Random) -> None:
    channels = random.choice((1, 2, 3, 4, 0, 5, 15))
    file.mode = file.mode & 0xF0 | channels
    if random.random() < 0.1:
        file.mode = random.randrange(256)


def _codec(file: File, random: Random) -> None:
    other = _parsed(random.choice(SEEDS))
    file.codec, file.params = other.codec, random.choice((file.params, other.params))
    file.fingerprint = random.choice((other.fingerprint, file.fingerprint))
    if random.random() < 0.1:
        file.codec = random.choice(BYTES)


def _fingerprint(file: File, random: Random) -> None:
    file.fingerprint = random.choice((_parsed(random.choice(SEEDS)).fingerprint, bytes(8), random.randbytes(8)))


def _tile(file: File, random: Random) -> None:
    """Change the payload of a tile."""
    if not file.tiles:
        return
    index = random.randrange(len(file.tiles))
    payload = bytearray(file.tiles[index])
    kind = random.randrange(6)
    if kind == 0 and payload:
        for _ in range(random.randint(1, 8)):
            payload[random.randrange(len(payload))] = random.choice((*BYTES, random.randrange(256)))
    elif kind == 1:
        payload = payload[: random.randrange(len(payload) + 1) & ~3]
    elif kind == 2:
        payload = bytearray(random.randbytes(random.choice((0, 1, 3, 4, 8, 40, 400))))
    elif kind == 3:
        other = random.choice(_parsed(random.choice(SEEDS)).tiles)
        payload = payload[: random.randrange(len(payload) + 1)] + other[random.randrange(len(other) + 1) :]
    elif kind == 4:
        payload += random.randbytes(random.choice((1, 4, 8)))
    else:
        payload = bytearray()
    file.tiles[index] = bytes(payload)


def _deflated(file: File, random: Random) -> None:
    """Put zlib streams where codecs have them: as alpha planes or as choices of tables."""
    if not file.tiles:
        return
    picture = min(file.width * file.height, 10**5)
    size = random.choice((0, 1, 64, 192, 256, 768, 3072, picture, picture, 10**5))
    content = bytes([random.choice(BYTES)]) * size if random.random() < 0.5 else random.randbytes(size)
    stream = zlib.compress(content, 1) + random.choice((b"", b"", b"\0"))
    index = random.randrange(len(file.tiles))
    if file.codec == 1:
        alpha = bytes([random.choice((0, 1, 1, 2))]) + stream
        file.tiles[index] = varint.pack(len(alpha)) + alpha + file.tiles[index]
    else:
        file.tiles[index] = len(stream).to_bytes(4, "little")[:2] + stream + file.tiles[index]


def _count(file: File, random: Random) -> None:
    if random.random() < 0.5 and file.tiles:
        file.tiles = file.tiles[: random.randrange(len(file.tiles) + 1)]
    else:
        file.tiles += [b""] * random.randint(1, 3)


def _index(file: File, random: Random) -> None:
    lengths = [len(tile) for tile in file.tiles] or [0]
    lengths[random.randrange(len(lengths))] = random.choice((0, 1, 5, 2**31, 2**32 - 1))
    file.lengths = lengths[: random.randint(0, len(lengths))]


def _chunks(file: File, random: Random) -> None:
    kind = random.choice((b"i", b"e", b"x", b"g", b"z", b"Z", b"H", b"I"))
    bomb = b"\1" + zlib.compress(bytes(2**20), 9)
    payload = random.choice((b"", b"\0", b"\1", b"\2abc", bomb, b"\0" + random.randbytes(30)))
    file.metadata += [(kind, payload)] * random.choice((1, 1, 2, 300))


def _layers(file: File, random: Random) -> None:
    """Change the description of layers."""
    for number, (kind, payload) in enumerate(file.metadata):
        if kind == b"L":
            value = bytearray(unpack_metadata(memoryview(payload), 2**20, "layers"))
            for _ in range(random.randint(1, 3)):
                place = random.randrange(len(value) + 1)
                if place < len(value) and random.random() < 0.7:
                    value[place] = random.choice((*BYTES, random.randrange(256)))
                else:
                    value[place:] = random.randbytes(random.randint(0, 4)) + value[place + random.randint(0, 3) :]
            file.metadata[number] = kind, pack_metadata(bytes(value))


def _hostile(file: File, random: Random) -> None:
    """Encode symbols that no picture has with the codec's own entropy coder."""
    if file.tiles and file.width * file.height <= 2**15:
        payload = symbols.hostile(file.pack(), random)
        if payload is not None:
            file.tiles = [payload] + [random.choice((payload, tile)) for tile in file.tiles[1:]]


_CHANGES = (
    (_sides, 1), (_size, 2), (_parameters, 3), (_mode, 1), (_codec, 1), (_fingerprint, 1), (_tile, 5),
    (_deflated, 1), (_count, 1), (_index, 1), (_chunks, 1), (_layers, 3), (_hostile, 4),
)  # fmt: skip
