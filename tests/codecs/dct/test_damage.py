"""Payloads of `dct` and `collage-paper` that no encoder writes, under checksums that hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paper_model import install, scene

import collagecodec
from bitstream.container import Reader, write
from collagecodec.codecs.base import Codec
from collagecodec.codecs.dct.codec import DctCodec
from collagecodec.codecs.paper.codec import PaperCollageCodec
from collagecodec.codecs.paper.decoder import load_paper
from collagecodec.errors import DamagedTileError, FormatError

PICTURE = scene(44, 50)
CODECS: dict[str, Codec] = {
    "dct": DctCodec(25.0, 8),
    "dct-16": DctCodec(25.0, 16),
    "dct-fixed": DctCodec(25.0, 8, "fixed"),
    "collage-paper": PaperCollageCodec(0.13),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, bytes]]:
    from collagecodec.codecs.paper.encoder import load_paper_encoder

    root: Path = tmp_path_factory.mktemp("models")
    install(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLLAGE_MODELS", str(root))
        load_paper.cache_clear()
        load_paper_encoder.cache_clear()
        yield {name: codec.encode(PICTURE) for name, codec in CODECS.items()}


def rewritten(data: bytes, payload: bytes) -> bytes:
    """The file with another payload in its only tile, and checksums to match."""
    return write(Reader(data).header, [payload])


@pytest.mark.parametrize("name", CODECS)
@settings(max_examples=60, deadline=None)
@given(draw=st.data())
def test_changed_payloads_are_refused_or_decode(name: str, files: dict[str, bytes], draw: st.DataObject) -> None:
    payload = bytearray(Reader(files[name]).tile(0))
    for _ in range(draw.draw(st.integers(1, 4))):
        payload[draw.draw(st.integers(0, len(payload) - 1))] = draw.draw(st.integers(0, 255))
    data = rewritten(files[name], bytes(payload))
    for options in ({}, {"scale": 0.3}, {"region": (30, 20, 9, 9)}):
        try:
            found = CODECS[name].decode(data, **options)  # type: ignore[arg-type]
        except FormatError:
            continue
        assert found.dtype == np.uint8
        assert options or found.shape == PICTURE.shape


@pytest.mark.parametrize(("name", "error"), [("dct-fixed", FormatError), ("collage-paper", DamagedTileError)])
@settings(max_examples=40, deadline=None)
@given(draw=st.data())
def test_payloads_of_another_length_are_refused(
    name: str, error: type[FormatError], files: dict[str, bytes], draw: st.DataObject
) -> None:
    payload = bytes(Reader(files[name]).tile(0))
    cut = draw.draw(st.integers(0, len(payload) - 1))
    more = draw.draw(st.binary(min_size=1, max_size=9))
    for other in (payload[:cut], payload + more):
        with pytest.raises(error):
            CODECS[name].decode(rewritten(files[name], other))
        with pytest.raises(error):
            collagecodec.collages(rewritten(files[name], other))


def test_bytes_between_tables_and_codes_are_refused(files: dict[str, bytes]) -> None:
    payload = bytes(Reader(files["dct"]).tile(0))
    end = 2 + int.from_bytes(payload[:2], "little")
    for stuffed in (
        (end - 1).to_bytes(2, "little") + payload[2:end] + b"\0" + payload[end:],
        payload[:end] + b"\0" + payload[end:],
        payload[: end - 1] + payload[end:],
    ):
        with pytest.raises(FormatError):
            CODECS["dct"].decode(rewritten(files["dct"], stuffed))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["dct", "dct-16", "dct-fixed"]))
def test_noise_is_refused(files: dict[str, bytes], noise: bytes, name: str) -> None:
    with pytest.raises(FormatError):
        CODECS[name].decode(rewritten(files[name], noise))


def test_extreme_coefficients_decode_without_warnings(files: dict[str, bytes]) -> None:
    payload = bytearray(Reader(files["dct-fixed"]).tile(0))
    means = 3 * 64
    payload[means : means + 12] = b"\xff\xff\xff\x7f" + b"\0\0\0\x80" + b"\xff\xff\xff\x7f"
    data = rewritten(files["dct-fixed"], bytes(payload))
    for options in ({}, {"scale": 0.4}, {"scale": 1.3}):
        found = CODECS["dct-fixed"].decode(data, **options)  # type: ignore[arg-type]
        assert set(np.unique(found)) <= {0, 255}
    (collage,) = collagecodec.collages(data)
    assert np.abs(collage.code.auxiliary).max() <= 2**20
