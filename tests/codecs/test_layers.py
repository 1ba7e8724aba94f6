"""Pictures of many and of deep bands, bounded error, and what a damaged file of layers does."""

from __future__ import annotations

import hashlib
import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from tiny_model import scene

import collagecodec
from bitstream.container import Reader
from bitstream.errors import DamagedTileError, FormatError
from collagecodec.cli.main import run
from collagecodec.codecs.layers import residual
from collagecodec.codecs.layers.codec import LayeredCodec
from collagecodec.codecs.layers.errors import errors
from collagecodec.codecs.layers.format import KNOTS, BandMap, unpack
from collagecodec.codecs.layers.samples import band_map, levels_of
from collagecodec.io.opening import as_source, open_source
from collagecodec.io.sources import BandSource

DOCUMENT = Path(__file__).parents[2] / "bitstream" / "FORMAT.md"


def bands(count: int, height: int = 61, width: int = 83) -> NDArray[np.uint8]:
    """Bands that resemble each other as those of a scene do."""
    picture = scene(height, width).astype(np.float64)
    rng = np.random.default_rng(2)
    mixed = picture @ rng.uniform(0.1, 0.6, (3, count)) + rng.normal(0, 1, (height, width, count))
    return np.clip(mixed, 0, 255).astype(np.uint8)


def deep(height: int = 61, width: int = 83, channels: int = 3) -> NDArray[np.uint16]:
    """Samples of 12 bits with a few that are far brighter."""
    samples = scene(height, width, 3)[..., :channels].astype(np.uint16) * 13 + 200
    samples[5:8, 9:12] = 40_000
    return samples


def encode(picture: NDArray[Any], **options: Any) -> bytes:
    return collagecodec.encode(picture, codec="dct", **options)


@pytest.mark.parametrize("count", [2, 4, 5, 7])
def test_bands_of_any_number(count: int) -> None:
    picture = bands(count)
    data = encode(picture, quality=80, alpha=None)
    facts = collagecodec.info(data)
    assert (facts.codec, facts.mode, facts.dtype) == ("layers", f"{count} bands", "uint8")
    decoded = collagecodec.decode(data)
    assert decoded.shape == picture.shape
    assert errors(BandSource(picture), data).rmse == pytest.approx(
        np.sqrt(np.square(decoded.astype(float) - picture).mean())
    )
    assert errors(BandSource(picture), data).psnr > 34


@pytest.mark.parametrize("limit", [0, 1, 5])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16", "grey", "bands", "alpha"])
def test_no_sample_is_further_off_than_promised(kind: str, limit: int) -> None:
    picture: NDArray[Any] = {
        "uint8": scene(61, 83), "uint16": deep(), "int16": (deep().astype(np.int32) - 20_000).astype(np.int16),
        "grey": deep(channels=1)[..., 0], "bands": bands(5), "alpha": scene(61, 83, 4),
    }[kind]  # fmt: skip
    data = encode(picture, max_error=limit)
    decoded = collagecodec.decode(data)
    assert (decoded.dtype, decoded.shape) == (picture.dtype, picture.shape)
    found = np.abs(picture.astype(int) - decoded)
    if kind == "alpha":
        assert not found[..., 3].any()
        found = found[picture[..., 3] > 0]
    assert found.max() <= limit
    assert collagecodec.info(data).max_error == limit
    if limit:
        assert len(data) < len(encode(picture, max_error=0))


def test_regions_and_scales() -> None:
    picture = bands(5, 150, 170)
    for options in ({}, {"max_error": 1}):
        data = encode(picture, **options)
        whole = collagecodec.decode(data)
        part = collagecodec.decode(data, region=(20, 30, 50, 60))
        np.testing.assert_array_equal(part, whole[30:90, 20:70])
        assert collagecodec.decode(data, scale=0.5).shape == (75, 85, 5)


def test_tiles_and_alpha_of_a_large_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.concatenate([bands(2, 60, 2100), np.zeros((60, 2100, 1), np.uint8)], axis=2)
    picture[10:50, 200:2050, 2] = 255
    codec = LayeredCodec(base="collage", base_settings='{"effort": 0}', max_error=3)
    data = codec.encode_target(BandSource(picture, alpha=True), {})
    reader = Reader(data)
    assert reader.header.tile_count == 3
    whole = collagecodec.decode(data)
    np.testing.assert_array_equal(whole[..., 2], picture[..., 2])
    found = np.abs(whole[..., :2].astype(int) - picture[..., :2])
    assert found[picture[..., 2] > 0].max() <= 3
    asked: list[int] = []
    original = Reader.tile
    monkeypatch.setattr(Reader, "tile", lambda self, tile: asked.append(tile) or original(self, tile))
    part = collagecodec.decode(data, region=(990, 20, 20, 30))
    # The lossy picture of tile 0 needs the codes beside it.
    assert set(asked) == {0, 1}
    np.testing.assert_array_equal(part, whole[20:50, 990:1010])
    damaged = bytearray(data)
    damaged[-9] ^= 0x55
    with pytest.raises(DamagedTileError):
        collagecodec.decode(bytes(damaged))
    decoded = collagecodec.decode_bands(bytes(damaged), tolerate_damage=True)
    pixels = decoded.gather()
    assert decoded.damaged == [2]
    np.testing.assert_array_equal(pixels[:, :1000], whole[:, :1000])


def test_near_infrared_costs_what_a_band_costs() -> None:
    picture = scene(256, 256)
    infrared = 255 - picture[..., :1] // 2
    colours = len(collagecodec.encode(picture, effort=0))
    four = len(collagecodec.encode(np.concatenate([picture, infrared], axis=2), effort=0))
    assert four < 1.9 * colours


def test_a_rate_or_a_psnr_is_met() -> None:
    picture = deep(128, 128)
    file = encode(picture, bpp=2.0)
    assert 0.9 * 2 * 128 * 128 / 8 < len(file) <= 2 * 128 * 128 / 8
    assert 40 <= errors(BandSource(picture), encode(picture, psnr=40)).psnr < 41


def test_bright_outliers_do_not_cost_the_others_their_levels() -> None:
    picture = deep(128, 128)
    decoded = collagecodec.decode(encode(picture, quality=95))
    usual = picture < 10_000
    # 256 equal levels would be 156 apart.
    assert np.abs(decoded.astype(int) - picture)[usual].mean() < 30


def test_maps_cover_the_range() -> None:
    assert band_map(3, 258, np.ones(10)).knots is None
    wide = band_map(-5, 30_000, np.r_[np.full(50, 1e6), np.zeros(974)])
    assert wide.knots is not None
    assert len(wide.knots) == KNOTS
    assert (np.diff(wide.knots) > 0).all()
    levels = levels_of(np.array([-5, 30_000]), wide)
    assert levels == pytest.approx([0, 255], abs=0.51)


@settings(max_examples=30)
@given(
    planes=st.tuples(st.integers(1, 3), st.integers(1, 20), st.integers(1, 20)).flatmap(
        lambda shape: arrays.arrays(np.int32, shape, elements=st.integers(-70_000, 70_000))
    )
)
def test_residuals_come_back(planes: NDArray[np.int32]) -> None:
    lossy = [(plane % 256).astype(np.uint8) for plane in planes]
    data = residual.encode(list(planes), lossy)
    np.testing.assert_array_equal(np.stack(residual.decode(memoryview(data), lossy)), planes)


def test_the_tables_are_those_of_the_document() -> None:
    counts = b"".join(row.astype("<i8").tobytes() for row in residual.tables().counts[64:])
    assert f"begins with `{hashlib.sha256(counts).hexdigest()[:16]}`" in DOCUMENT.read_text(encoding="utf-8")


def test_every_cut_and_flip_of_the_description_is_noticed() -> None:
    reader = Reader(encode(deep(20, 20), max_error=1))
    for length in range(len(reader.layers)):
        with pytest.raises(FormatError):
            unpack(reader.layers[:length], reader.header)
    with pytest.raises(FormatError, match="too long"):
        unpack(reader.layers + b"\0", reader.header)
    for at in range(len(reader.layers)):
        changed = bytearray(reader.layers)
        changed[at] ^= 0xFF
        with suppress(collagecodec.CollageError):
            unpack(bytes(changed), reader.header)


def test_deep_files_in_and_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    samples = deep(channels=1)[..., 0]
    Image.fromarray(samples).save("deep.png")
    assert open_source("deep.png").channels == 1
    assert run(["encode", "--codec", "dct", "--max-error", "0", "-v", "deep.png"]) == 0
    assert "lossless" in capsys.readouterr().err
    for name in ("back.png", "back.tif", "back.npy"):
        assert run(["decode", "-o", name, "deep.clg"]) == 0
        back = np.load(name) if name.endswith("npy") else np.asarray(Image.open(name))
        np.testing.assert_array_equal(back, samples)
    assert run(["decode", "-o", "back.jpg", "deep.clg"]) == 1
    assert "name a file .tif or .npy" in capsys.readouterr().err
    with Image.open("deep.clg") as image:
        assert image.mode == "I;16"
        np.testing.assert_array_equal(np.asarray(image), samples)
    assert run(["encode", "--codec", "dct", "-v", "-f", "deep.png"]) == 0
    assert "in units of the samples: RMSE" in capsys.readouterr().err


def test_pillow_reads_what_it_has_a_mode_for() -> None:
    lossless = encode(scene(40, 50), max_error=0)
    with Image.open(io.BytesIO(lossless)) as image:
        np.testing.assert_array_equal(np.asarray(image), scene(40, 50))
    with pytest.raises(UnidentifiedImageError, match="no mode for 5 bands of uint8"):
        Image.open(io.BytesIO(encode(bands(5))))


def test_what_cannot_be_stored() -> None:
    with pytest.raises(collagecodec.UnsupportedImageError, match="float32"):
        encode(np.zeros((4, 4, 3), np.float32))
    with pytest.raises(ValueError, match="largest error is 0 to 65535"):
        encode(scene(4, 4), max_error=-1)
    assert as_source(np.zeros((4, 4), np.int16)).rows(0, 4).dtype == np.int16
    assert BandMap(0, 255).knots is None
