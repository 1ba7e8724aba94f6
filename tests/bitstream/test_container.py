"""Files written and read back, their metadata, their random access and what they refuse to hold."""

import io
import mmap
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitstream import chunks, varint
from bitstream.container import MAGIC, Header, Reader, probe, write, write_to
from bitstream.errors import DamagedTileError, FormatError, LimitError, UnsupportedImageError
from bitstream.header import pack_header

from .strategies import files, headers

PREFIX = MAGIC + b"\1"
GREY = Header(codec=1, width=4, height=4, channels=1)
TILED = Header(codec=2, width=40, height=70, tile_size=32, params=b"p")


def chunk(kind: bytes, payload: bytes) -> bytes:
    return chunks.pack_chunk(kind, payload)


def head(header: Header = GREY) -> bytes:
    return PREFIX + chunk(b"H", pack_header(header))


@given(files())
def test_round_trip(case: tuple[Header, list[bytes], dict[str, bytes]]) -> None:
    header, tiles, metadata = case
    data = write(header, tiles, metadata)
    reader = Reader(data)
    assert reader.header == header
    assert reader.metadata == metadata
    assert [bytes(reader.tile(tile)) for tile in range(header.tile_count)] == tiles
    reader.check()


@given(headers())
def test_tiles_partition_the_picture(header: Header) -> None:
    boxes = [header.tile_box(tile) for tile in range(header.tile_count)]
    assert sum(width * height for _, _, width, height in boxes) == header.width * header.height
    assert boxes[0][:2] == (0, 0)
    assert boxes[-1][0] + boxes[-1][2] == header.width
    assert boxes[-1][1] + boxes[-1][3] == header.height
    for bad in (-1, header.tile_count):
        with pytest.raises(IndexError):
            header.tile_box(bad)


@given(st.integers(0, 2**32 - 1))
def test_varint(value: int) -> None:
    packed = varint.pack(value)
    assert len(packed) == varint.size(value)
    assert varint.unpack(memoryview(b"x" + packed + b"y"), 1) == (value, 1 + len(packed))
    assert varint.unpack_all(memoryview(packed * 3), 3).tolist() == [value] * 3


@pytest.mark.parametrize("packed", ["80", "8000", "ff8000", "8080808010", "808080808001", "ffffffffff"])
def test_varint_that_nobody_writes(packed: str) -> None:
    for read in (lambda data: varint.unpack(data, 0), lambda data: varint.unpack_all(data, 1)):
        with pytest.raises(FormatError):
            read(memoryview(bytes.fromhex(packed)))


def test_varint_out_of_range() -> None:
    for value in (-1, 2**32):
        with pytest.raises(ValueError, match="varint"):
            varint.pack(value)


def test_streams_and_buffers(tmp_path: Path) -> None:
    tiles = [bytes([tile]) * 200 for tile in range(6)]
    data = write(TILED, tiles, {"icc": b"profile"})
    stream = io.BytesIO()
    assert write_to(stream, TILED, iter(tiles), {"icc": b"profile"}) == len(data)
    assert stream.getvalue() == data
    for buffer in (bytearray(data), memoryview(data)):
        assert bytes(Reader(buffer).tile(5)) == tiles[5]
    path = tmp_path / "a.clg"
    path.write_bytes(data)
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        reader = Reader(mapped)
        view = reader.tile(3)
        assert view.readonly
        assert bytes(view) == tiles[3]


def test_metadata_takes_the_smaller_form() -> None:
    repetitive, short = b"<rdf>" * 200, b"xy"
    data = write(GREY, [b""], {"xmp": repetitive, "exif": short})
    assert repetitive not in data
    assert b"\0" + short in data
    assert Reader(data).metadata == {"exif": short, "xmp": repetitive}


def test_metadata_bombs_are_not_inflated() -> None:
    bomb = b"\1" + zlib.compress(bytes(2**24), 9)
    data = head() + chunk(b"e", bomb) + chunk(b"T", b"")
    tracemalloc.start()
    with pytest.raises(LimitError, match=r"exif metadata .* max_metadata"):
        Reader(data, max_metadata=1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20
    assert Reader(data).metadata["exif"] == bytes(2**24)


def test_metadata_limit_is_for_all_together() -> None:
    data = write(GREY, [b""], {"icc": b"a" * 60, "exif": bytes(range(60))})
    assert len(Reader(data, max_metadata=120).metadata) == 2
    for limit in (119, 60, 0):
        with pytest.raises(LimitError):
            Reader(data, max_metadata=limit)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "no method byte"),
        (b"\2abc", "method 2"),
        (b"\1abc", "cannot be inflated"),
        (b"\1" + zlib.compress(b"abc")[:-1], "do not end"),
        (b"\1" + zlib.compress(b"abc") + b"x", "do not end"),
    ],
)
def test_metadata_that_nobody_writes(payload: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        Reader(head() + chunk(b"x", payload) + chunk(b"T", b""))


def test_unknown_chunks() -> None:
    tile = chunk(b"T", b"tile")
    assert bytes(Reader(head() + chunk(b"q", b"?") + chunk(b"q", b"") + tile).tile(0)) == b"tile"
    with pytest.raises(FormatError, match=r"chunks of type 'Q'.*upgrade collagecodec"):
        Reader(head() + chunk(b"Q", b"?") + tile)
    with pytest.raises(FormatError, match="not a letter"):
        Reader(head() + chunk(b"7", b"?") + tile)
    with pytest.raises(LimitError, match="more than 256 chunks"):
        Reader(head() + chunk(b"q", b"") * 300 + tile)


def test_chunks_out_of_order() -> None:
    tile, index = chunk(b"T", b"tile"), chunk(b"I", b"\4")
    with pytest.raises(FormatError, match="first chunk is not a header"):
        Reader(PREFIX + tile)
    with pytest.raises(FormatError, match="index for a single tile"):
        Reader(head() + index + tile)
    with pytest.raises(FormatError, match="no tile index"):
        Reader(head(TILED) + tile * 6)
    with pytest.raises(FormatError, match="twice"):
        Reader(head() + chunk(b"i", b"\0a") * 2 + tile)
    with pytest.raises(FormatError):
        Reader(head() + head()[len(PREFIX) :] + tile)


@pytest.mark.parametrize(
    "index", [b"\4" * 5, b"\4" * 7, b"\4" * 5 + b"\x84", b"\4" * 5 + b"\x84\0", b"\4" * 5 + b"\xff" * 6]
)
def test_wrong_index(index: bytes) -> None:
    with pytest.raises(FormatError):
        Reader(head(TILED) + chunk(b"I", index) + chunk(b"T", b"tile") * 6)


def test_index_and_tile_disagree() -> None:
    whole = [chunk(b"T", b"tile")] * 6
    shorter = chunk(b"T", b"til")
    reader = Reader(head(TILED) + chunk(b"I", b"\4" * 6) + b"".join([*whole[:2], shorter + b"x", *whole[3:]]))
    assert bytes(reader.tile(3)) == b"tile"
    with pytest.raises(DamagedTileError, match=r"tile 2 is damaged \(its length"):
        reader.tile(2)
    with pytest.raises(DamagedTileError) as caught:
        reader.check()
    assert caught.value.tile == 2


def test_many_tiles_are_not_believed_without_bytes() -> None:
    header = Header(1, 2**18, 2**18, tile_size=64)
    tracemalloc.start()
    with pytest.raises(FormatError, match="the tile index has 3 bytes for 16777216 tiles"):
        Reader(head(header) + chunk(b"I", b"\1\1\1") + chunk(b"T", b"x"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**16


def test_trailing_data() -> None:
    for header, count in ((GREY, 1), (TILED, 6)):
        data = write(header, [b"tile"] * count) + b"more"
        with pytest.raises(FormatError, match="4 bytes stand after the last tile"):
            Reader(data)
        Reader(data, strict=False).check()


def test_wrong_number_of_tiles_and_kinds() -> None:
    stream = io.BytesIO()
    with pytest.raises(ValueError, match="6 tiles, 5 were given"):
        write_to(stream, TILED, [b""] * 5)
    with pytest.raises(ValueError, match=r"'iptc'.*icc, exif, xmp, geo"):
        write_to(stream, GREY, [b""], {"iptc": b""})
    assert stream.getvalue() == b""
    reader = Reader(write(TILED, [b""] * 6))
    for tile in (-1, 6):
        with pytest.raises(IndexError):
            reader.tile(tile)


def test_probe() -> None:
    assert probe(write(GREY, [b""])[:16])
    assert probe(MAGIC + b"\x07")
    assert not probe(MAGIC[:7])
    assert not probe(b"")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"width": 0}, UnsupportedImageError, "empty"),
        ({"height": -1}, UnsupportedImageError, "empty"),
        ({"width": 2**24 + 1}, LimitError, "no side"),
        ({"width": 2**24, "height": 2**13}, LimitError, "more than the"),
        ({"width": 2**18, "height": 2**18, "tile_size": 1}, LimitError, "larger tiles"),
        ({"channels": 5}, UnsupportedImageError, "convert to L, LA, RGB or RGBA"),
        ({"channels": -1}, UnsupportedImageError, "convert to L"),
        ({"channels": 3, "bit_depth": 16}, UnsupportedImageError, "convert to 8 bits"),
        ({"bit_depth": 16}, UnsupportedImageError, "convert to 8 bits"),
        ({"codec": 256}, ValueError, "codec number"),
        ({"tile_size": -1}, ValueError, "tile size"),
        ({"fingerprint": b"short"}, ValueError, "8 bytes, not 5"),
        ({"params": bytes(256)}, ValueError, "255 parameter bytes, not 256"),
    ],
)
def test_headers_that_cannot_be(changes: dict[str, int], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Header(**{"codec": 1, "width": 5, "height": 5, **changes})  # type: ignore[arg-type]
