"""The examples and tables of FORMAT.md are what the code does."""

import re
from pathlib import Path

import numpy as np
import pytest

import bitstream
from bitstream import chunks, container, header, varint
from bitstream.container import Header, Reader, write
from bitstream.entropy import Decoder, Tables, encode, quantised_weights
from bitstream.fixed_width import pack_fixed
from collagecodec.codecs.registry import ENTRIES

DOCUMENT = (Path(bitstream.__file__).parent / "FORMAT.md").read_text(encoding="utf-8")


def example(name: str) -> bytes:
    """Return the bytes of an example; what stands after three spaces is a remark."""
    match = re.search(rf"```hex {name}\n(.*?)```", DOCUMENT, re.DOTALL)
    assert match, name
    return bytes.fromhex(" ".join(line.split("   ")[0] for line in match[1].splitlines()))


def test_one_tile() -> None:
    head = Header(1, 1200, 5, fingerprint=bytes.fromhex("1122334455667788"), params=b"\1\2\3")
    assert write(head, [b"tile"]) == example("one-tile")
    assert Reader(example("one-tile")).header == head


def test_two_tiles() -> None:
    head = Header(3, 40, 20, channels=1, tile_size=32)
    assert write(head, [b"left", b""], {"xmp": b"<x/>"}) == example("two-tiles")
    reader = Reader(example("two-tiles"))
    assert [head.tile_box(tile) for tile in range(2)] == [(0, 0, 32, 20), (32, 0, 8, 20)]
    assert reader.metadata == {"xmp": b"<x/>"}


def test_entropy() -> None:
    tables = Tables([np.zeros(0, int), np.array([1, 2, 1, 1]), np.array([1, 4, 8, 4, 1, 1])])
    symbols = [np.array([0, 1, -9, 0, 2, 0], np.int32), np.array([-1, 0, 3], np.int32)]
    indices = [np.array([0, 1, 1, 2, 2, 1], np.uint8), np.array([1, 0, 2], np.uint8)]
    assert encode(list(zip(symbols, indices, strict=True)), tables) == example("entropy")
    decoder = Decoder(example("entropy"), tables)
    assert [decoder.decode(tables).tolist() for tables in indices] == [array.tolist() for array in symbols]
    decoder.finish()
    lefts = np.cumsum(quantised_weights(np.array([1, 2, 1, 1])))[:-1].tolist()
    assert f"left = 0, {', '.join(map(str, lefts))}`" in DOCUMENT


def test_fixed_width() -> None:
    assert pack_fixed(np.array([5, 0, 300]), np.array([3, 1, 9])) == example("fixed-width")


def test_codec_numbers() -> None:
    section = DOCUMENT[DOCUMENT.index("### 2.3") : DOCUMENT.index("### 2.4")]
    listed = {
        name: int(number) for name, number in re.findall(r"^\| ([a-z-]+) \| (\d+) \|$", section, re.MULTILINE)
    }
    assert listed == {name: entry.number for name, entry in ENTRIES.items()}
    private = header.PRIVATE_NUMBERS
    assert f"{private.start} .. {private.stop - 1}" in section


def test_limits() -> None:
    assert (header.MAX_SIDE, header.MAX_PIXELS, header.MAX_TILES) == (2**24, 2**36, 2**24)
    assert (container.MAX_CHUNKS, varint.MAX_VALUE, chunks.MAX_METADATA) == (256, 2**32 - 1, 2**26)


@pytest.mark.parametrize(("payload", "overhead"), [(16383, 39), (16384, 40), (2**21 - 1, 40)])
def test_overhead(payload: int, overhead: int) -> None:
    head = Header(1, 1200, 1200, fingerprint=b"12345678", params=b"\1\2\3")
    assert len(write(head, [bytes(payload)])) - payload == overhead
