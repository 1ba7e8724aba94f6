"""Damaged, truncated, foreign and hostile files: one error of the project's own tree, never wrong bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitstream.chunks import pack_chunk
from bitstream.container import MAGIC, Header, Reader, write
from bitstream.errors import DamagedTileError, FormatError, LimitError, UnsupportedImageError

from .strategies import files

ERRORS = (FormatError, LimitError, UnsupportedImageError)
PREFIX = MAGIC + b"\1"

Content = tuple[Header, dict[str, bytes], list[bytes]]

ONE = write(Header(1, 1200, 5, params=b"\1\2"), [b"a single tile"], {"exif": b"Exif", "xmp": b"<x/>" * 40})
MANY = write(Header(3, 40, 70, tile_size=32), [b"%d" % tile * tile for tile in range(6)], {"icc": b"profile"})


def content(data: bytes) -> Content:
    reader = Reader(data)
    return (
        reader.header,
        reader.metadata,
        [bytes(reader.tile(tile)) for tile in range(reader.header.tile_count)],
    )


@pytest.mark.parametrize("data", [ONE, MANY], ids=["one", "many"])
def test_every_flip_of_a_byte_is_noticed(data: bytes) -> None:
    for position in range(len(data)):
        for flip in (*(1 << bit for bit in range(8)), 0x20 ^ 0xFF, 0xFF):
            damaged = bytearray(data)
            damaged[position] ^= flip
            with pytest.raises(ERRORS):
                content(bytes(damaged))


def test_a_flip_in_a_tile_costs_that_tile() -> None:
    whole = content(MANY)[2]
    first = MANY.index(b"T\0")
    for position in range(first, len(MANY)):
        damaged = bytearray(MANY)
        damaged[position] ^= 0x55
        reader = Reader(damaged)
        lost = []
        for tile in range(6):
            try:
                assert bytes(reader.tile(tile)) == whole[tile]
            except DamagedTileError as error:
                lost.append(error.tile)
        assert len(lost) == 1
        with pytest.raises(DamagedTileError, match=f"tile {lost[0]} is damaged"):
            reader.check()


@pytest.mark.parametrize("data", [ONE, MANY], ids=["one", "many"])
def test_truncation_at_every_length(data: bytes) -> None:
    whole = content(data)
    kept, messages = set(), set()
    for length in range(len(data)):
        try:
            reader = Reader(data[:length])
        except FormatError as error:
            messages.add(str(error))
            continue
        assert (reader.header, reader.metadata) == whole[:2]
        lost = []
        for tile, payload in enumerate(whole[2]):
            try:
                assert bytes(reader.tile(tile)) == payload
            except DamagedTileError as error:
                messages.add(str(error))
                lost.append(tile)
        assert lost == list(range(len(whole[2]) - len(lost), len(whole[2])))
        assert lost
        kept.add(len(whole[2]) - len(lost))
    assert kept == set(range(len(whole[2])))
    assert all("truncated" in message or "empty" in message for message in messages)


@given(files(), st.data())
def test_random_damage(case: tuple[Header, list[bytes], dict[str, bytes]], draw: st.DataObject) -> None:
    header, tiles, metadata = case
    data = write(header, tiles, metadata)
    start = draw.draw(st.integers(0, len(data)))
    stop = draw.draw(st.integers(start, min(len(data), start + 12)))
    damaged = data[:start] + draw.draw(st.binary(max_size=12)) + data[stop:]
    try:
        assert content(damaged) == (header, metadata, tiles)
    except ERRORS:
        assert damaged != data


@given(st.binary(max_size=120))
def test_any_bytes_after_the_magic(rest: bytes) -> None:
    with pytest.raises(ERRORS):
        content(PREFIX + rest)


@given(
    st.lists(
        st.tuples(st.sampled_from([b"H", b"I", b"T", b"i", b"g", b"z", b"Z"]), st.binary(max_size=40)),
        max_size=6,
    )
)
def test_any_chunks_with_good_checksums(chunks: list[tuple[bytes, bytes]]) -> None:
    data = PREFIX + b"".join(pack_chunk(kind, payload) for kind, payload in chunks)
    try:
        header, metadata, tiles = content(data)
    except ERRORS:
        return
    assert content(write(header, tiles, metadata)) == (header, metadata, tiles)


@given(st.binary(max_size=60))
def test_any_header_with_a_good_checksum(payload: bytes) -> None:
    data = PREFIX + pack_chunk(b"H", payload) + pack_chunk(b"T", b"")
    try:
        header, _, _ = content(data)
    except ERRORS:
        return
    # Every header has one spelling: what was read is written as the same bytes.
    assert write(header, [b""]) == data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (MAGIC[:3], "3 bytes, inside its magic number"),
        (MAGIC, "after its magic number: it is truncated"),
        (PREFIX, "where the header belongs: it is truncated"),
        (MAGIC + b"\2" + ONE[9:], "needs format version 2, this is 1: upgrade collagecodec"),
        (MAGIC + b"\0" + ONE[9:], "no format version 0"),
        (b"\x89PNG\r\n\x1a\n", "looks like a PNG file"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "looks like a JPEG file"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "looks like a WebP file"),
        (b"\0\0\0\x20ftypavif", "looks like an AVIF, HEIF or MP4 file"),
        (b"II*\0\x08\0\0\0", "looks like a TIFF file"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "looks like a JPEG 2000 file"),
        (b"hello world", "begins with 68 65 6c 6c 6f 20 77 6f instead of 8f 43 4c 47"),
        (ONE.replace(b"\r\n", b"\n"), "CR LF to LF.*binary mode"),
        (ONE.replace(b"\n", b"\r\n"), "LF to CR LF.*binary mode"),
        (ONE.decode("latin-1").encode(), "re-encoded as text"),
        (ONE.decode("utf-8", "replace").encode(), "re-encoded as text"),
        (bytes(byte & 0x7F for byte in ONE), "cut to 7 bits"),
    ],
)
def test_what_the_first_bytes_say(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        Reader(data)


def header_chunk(payload: str) -> bytes:
    return PREFIX + pack_chunk(b"H", bytes.fromhex(payload)) + pack_chunk(b"T", b"")


@pytest.mark.parametrize(
    ("payload", "error", "message"),
    [
        ("", FormatError, "too short"),
        ("01", FormatError, "too short"),
        ("01 03 05", FormatError, "truncated"),
        ("01 03 05 05 00000000000000", FormatError, "no header has"),
        ("01 03 00 05 0000000000000000", FormatError, "asks for 0x5 pixels"),
        ("01 83 05 05 00 0000000000000000", FormatError, "tiles of 0"),
        ("01 83 05 05 81808008 0000000000000000", FormatError, "tiles of 16777217"),
        ("01 13 05 05 0000000000000000", UnsupportedImageError, "mode byte 0x13.*upgrade"),
        ("01 05 05 05 0000000000000000", UnsupportedImageError, "mode byte 0x05.*upgrade"),
        ("01 03 81808008 05 0000000000000000", LimitError, "no side"),
        ("01 03 80808008 80808008 0000000000000000", LimitError, "more than the 68719476736"),
    ],
)
def test_headers_that_nobody_writes(payload: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Reader(header_chunk(payload))


def test_pixel_limit_of_the_reader() -> None:
    assert Reader(ONE, max_pixels=6000).header.width == 1200
    with pytest.raises(LimitError, match="1200x5 pixels, more than the limit of 5999; raise max_pixels"):
        Reader(ONE, max_pixels=5999)
