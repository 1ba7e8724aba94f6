"""Files of `pifs` that no encoder writes, under checksums that hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pifs_scenes import scene

import collagecodec
from bitstream.container import Header, Reader, write
from collagecodec.codecs.pifs.codec import PifsCodec
from collagecodec.errors import CollageError, DamagedTileError, FormatError, LimitError

PICTURE = scene(60, 50)
CODECS = {
    "tree": PifsCodec(step=20.0),
    "window": PifsCodec(step=20.0, window=2, augment=False),
    "fixed": PifsCodec(coding="fixed", largest=8, smallest=8, domain_step=8, window=0),
}
names = pytest.mark.parametrize("name", CODECS)


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return {name: codec.encode(PICTURE) for name, codec in CODECS.items()}


def rewritten(data: bytes, payload: bytes) -> bytes:
    """The file with another payload in its only tile, and checksums to match."""
    return write(Reader(data).header, [payload])


@names
@settings(max_examples=80, deadline=None)
@given(draw=st.data())
def test_changed_payloads_are_refused_or_decode(name: str, files: dict[str, bytes], draw: st.DataObject) -> None:
    payload = bytearray(Reader(files[name]).tile(0))
    for _ in range(draw.draw(st.integers(1, 4))):
        payload[draw.draw(st.integers(0, len(payload) - 1))] = draw.draw(st.integers(0, 255))
    data = rewritten(files[name], bytes(payload))
    for options in ({}, {"scale": 2}, {"region": (30, 20, 9, 9)}):
        try:
            found = CODECS[name].decode(data, **options)  # type: ignore[arg-type]
        except FormatError:
            continue
        assert found.dtype == np.uint8
        assert options or found.shape == PICTURE.shape


@names
@settings(max_examples=40, deadline=None)
@given(draw=st.data())
def test_payloads_of_another_length_are_refused(name: str, files: dict[str, bytes], draw: st.DataObject) -> None:
    payload = bytes(Reader(files[name]).tile(0))
    cut = draw.draw(st.integers(0, len(payload) - 1))
    more = draw.draw(st.binary(min_size=1, max_size=9))
    for other in (payload[:cut], payload + more):
        with pytest.raises(DamagedTileError):
            CODECS[name].decode(rewritten(files[name], other))
        with pytest.raises(DamagedTileError):
            collagecodec.collages(rewritten(files[name], other))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(sorted(CODECS)))
def test_noise_is_refused(files: dict[str, bytes], noise: bytes, name: str) -> None:
    with pytest.raises(FormatError):
        CODECS[name].decode(rewritten(files[name], noise))


@settings(max_examples=150, deadline=None)
@given(st.binary(min_size=11, max_size=11))
def test_parameters_that_make_no_sense_are_refused(files: dict[str, bytes], params: bytes) -> None:
    reader = Reader(files["tree"])
    data = write(replace(reader.header, params=params), [bytes(reader.tile(0))])
    try:
        found = PifsCodec().decode(data)
    except FormatError:
        return
    assert found.shape == PICTURE.shape


@names
@settings(max_examples=80, deadline=None)
@given(draw=st.data())
def test_one_wrong_parameter_is_refused_or_decodes(
    name: str, files: dict[str, bytes], draw: st.DataObject
) -> None:
    reader = Reader(files[name])
    params = bytearray(reader.header.params)
    params[draw.draw(st.integers(0, 10))] = draw.draw(st.integers(0, 255))
    try:
        PifsCodec().decode(write(replace(reader.header, params=bytes(params)), [bytes(reader.tile(0))]))
    except FormatError:
        return


def test_headers_that_ask_for_too_much_are_refused(files: dict[str, bytes]) -> None:
    header = Reader(files["tree"]).header
    for change, error in (
        ({"width": 2**15, "height": 2**14, "tile_size": 0}, LimitError),
        ({"width": 2**12, "height": 2**11}, FormatError),
        ({"width": 2**12, "height": 2**11, "tile_size": 2**12}, FormatError),
        ({"channels": 4}, FormatError),
        ({"params": b""}, FormatError),
        ({"codec": 3}, FormatError),
    ):
        asked = Header(**{**header.__dict__, **change})
        with pytest.raises(error):
            PifsCodec().decode(write(asked, [b""] * asked.tile_count))


def test_a_large_header_over_nothing_is_refused_at_once() -> None:
    header = Reader(PifsCodec().encode(PICTURE)).header
    asked = Header(**{**header.__dict__, "width": 2**13, "height": 2**13, "tile_size": 512})
    with pytest.raises(DamagedTileError):
        PifsCodec().decode(write(asked, [b""] * asked.tile_count))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 255))
def test_any_damaged_byte_is_noticed(files: dict[str, bytes], place: int, value: int) -> None:
    data = bytearray(files["tree"])
    place %= len(data)
    if data[place] != value:
        data[place] = value
        with pytest.raises(CollageError):
            PifsCodec().decode(bytes(data))


def test_extreme_codes_decode_without_warnings() -> None:
    codec = PifsCodec(coding="fixed", largest=8, smallest=8, domain_step=8, window=0, mean_bits=8)
    data = codec.encode(scene(40, 40, 1, grey=True))
    length = len(Reader(data).tile(0))
    for pattern in (b"\xff\x0f", b"\xff\x00", b"\xaa", b"\x7f"):
        payload = (pattern * length)[:length]
        try:
            found = codec.decode(rewritten(data, payload), scale=2)
        except FormatError:
            continue
        assert found.shape == (80, 80)
