"""Encoding and decoding through the Python interface, with a small untrained model."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_model import scene

import collagecodec
from bitstream.container import Reader
from collagecodec import (
    CollageError,
    DamagedTileError,
    FormatError,
    LimitError,
    ModelMismatchError,
    UnsupportedImageError,
)
from collagecodec.codecs.collage import decoder
from collagecodec.codecs.collage.encoder import encoding

pytestmark = pytest.mark.usefixtures("tiny_model")
SHAPES = [(1, 1), (1, 40), (37, 2), (16, 16), (29, 100), (130, 65)]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(((a.astype(float) - b) ** 2).mean(), 1e-9)))


@pytest.fixture(scope="module")
def picture():
    return scene(200, 312)


@pytest.fixture(scope="module")
def data(picture):
    return collagecodec.encode(picture, quality=60, model="tiny")


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(encoding, "TILE", 64)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("effort", [0, 1])
def test_round_trip(shape, channels, effort):
    original = scene(*shape, channels=channels)
    decoded = collagecodec.decode(collagecodec.encode(original, quality=85, model="tiny", effort=effort))
    assert decoded.shape == original.shape
    assert decoded.dtype == np.uint8
    if channels in (2, 4):
        assert np.array_equal(decoded[..., -1], original[..., -1])
        decoded, original = decoded[..., :-1], original[..., :-1]
    assert psnr(decoded, original) > 22


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.integers(1, 4),
    st.integers(20, 90),
    st.sampled_from([1, 2, "1/2", "1/3", "5/4"]),
)
def test_round_trip_of_any_size_and_scale(height, width, channels, quality, scale):
    factor = Fraction(scale)
    original = scene(height, width, channels=channels, seed=height)
    decoded = collagecodec.decode(
        collagecodec.encode(original, quality=quality, model="tiny", effort=0), scale=factor
    )
    assert decoded.shape[:2] == (-(-height * factor // 1), -(-width * factor // 1))
    assert decoded.ndim == (2 if channels == 1 else 3)


def test_quality_and_size_rise_together(picture):
    files = [collagecodec.encode(picture, quality=q, model="tiny") for q in (0, 20, 40, 60, 80, 100)]
    assert [len(f) for f in files] == sorted({len(f) for f in files})
    fidelity = [psnr(collagecodec.decode(f), picture) for f in files]
    assert fidelity == sorted(fidelity)
    assert fidelity[-1] > 33


@pytest.mark.parametrize("bpp", [0.3, 1.0])
def test_bits_per_pixel_are_met(picture, bpp):
    found = 8 * len(collagecodec.encode(picture, bpp=bpp, model="tiny")) / (200 * 312)
    assert 0.97 * bpp <= found <= bpp


def test_size_is_met_and_never_passed(picture):
    assert 0.98 * 5000 <= len(collagecodec.encode(picture, max_bytes=5000, model="tiny")) <= 5000


def test_psnr_is_met(picture):
    decoded = collagecodec.decode(collagecodec.encode(picture, psnr=30, model="tiny"))
    assert 30 <= psnr(decoded, picture) <= 30.05


def test_targets_beyond_reach_are_named(picture):
    with pytest.raises(LimitError, match="so few bytes"):
        collagecodec.encode(picture, max_bytes=50, model="tiny")
    with pytest.raises(LimitError, match="so high a PSNR"):
        collagecodec.encode(picture, psnr=90, model="tiny")


@pytest.mark.parametrize(
    "options", [{"quality": 101}, {"quality": 5, "bpp": 1}, {"effort": 10}, {"bpp": -1}, {"max_bytes": 0}]
)
def test_senseless_options(picture, options):
    with pytest.raises(ValueError, match=r"quality|effort|target"):
        collagecodec.encode(picture, model="tiny", **options)


def test_unknown_model_and_picture(picture):
    with pytest.raises(ModelMismatchError, match="collage models"):
        collagecodec.encode(picture, model="nothing")
    with pytest.raises(UnsupportedImageError, match="uint32"):
        collagecodec.encode(picture.astype(np.uint32), model="tiny")


def test_a_region_is_a_piece_of_the_whole(picture, small_tiles):
    data = collagecodec.encode(picture, quality=60, model="tiny")
    whole = collagecodec.decode(data)
    for x, y, w, h in [(0, 0, 1, 1), (50, 60, 100, 90), (311, 199, 1, 1), (63, 63, 66, 2), (0, 0, 312, 200)]:
        assert np.array_equal(collagecodec.decode(data, region=(x, y, w, h)), whole[y : y + h, x : x + w])


def test_a_region_reads_only_its_tiles(picture, small_tiles, monkeypatch):
    data = collagecodec.encode(picture, quality=60, model="tiny")
    asked = []
    original = Reader.tile
    monkeypatch.setattr(Reader, "tile", lambda self, i: asked.append(i) or original(self, i))
    collagecodec.decode(data, region=(10, 10, 20, 20))
    assert asked == [0]


def test_an_enlarged_region_is_a_piece_of_the_enlarged_whole(data):
    whole = collagecodec.decode(data, scale=3)
    part = collagecodec.decode(data, scale=3, region=(40, 50, 60, 30))
    assert np.array_equal(part, whole[150:240, 120:300])


@pytest.mark.parametrize("n", [1, 2, 4, 8])
def test_thumbnails_are_averages(picture, n):
    data = collagecodec.encode(picture[:192, :304], quality=85, model="tiny")
    small = collagecodec.decode(data, scale=Fraction(n, 16))
    size = 16 // n
    average = picture[:192, :304].reshape(192 // size, size, 304 // size, size, 3).mean((1, 3))
    assert small.shape == average.shape
    assert psnr(small, average) > 27


def test_sizes_that_are_no_natural_scale(data, picture):
    decoded = collagecodec.decode(data, size=(100, 77))
    assert decoded.shape == (77, 100, 3)
    assert abs(decoded.mean() - picture.mean()) < 3


def test_enlarging_keeps_the_picture_in_place(data):
    native = collagecodec.decode(data).astype(float)
    doubled = collagecodec.decode(data, scale=2).astype(float)
    assert psnr(doubled.reshape(200, 2, 312, 2, 3).mean((1, 3)), native) > 32


@pytest.mark.parametrize(
    "options",
    [
        {"region": (0, 0, 400, 10)},
        {"region": (0, 0, 0, 1)},
        {"scale": 0},
        {"size": (0, 5)},
        {"scale": 2, "size": (5, 5)},
    ],
)
def test_senseless_requests(data, options):
    with pytest.raises(ValueError, match=r"region|scale|size"):
        collagecodec.decode(data, **options)


def test_absurd_output_is_refused_before_anything_is_made(data):
    with pytest.raises(LimitError, match="no side"):
        collagecodec.decode(data, scale=10**6)


def test_tiles_leave_no_seam(picture, monkeypatch):
    single = collagecodec.decode(collagecodec.encode(picture, quality=60, model="tiny", effort=0))
    monkeypatch.setattr(encoding, "TILE", 64)
    tiled = collagecodec.decode(collagecodec.encode(picture, quality=60, model="tiny", effort=0))
    assert psnr(single, tiled) > 50


def test_band_height_does_not_change_a_pixel(data, monkeypatch):
    expected = collagecodec.decode(data)
    for cells in (1, 10_000):
        monkeypatch.setattr(decoder, "BAND_CELLS", cells)
        monkeypatch.setattr(decoder, "MIN_BAND", 1)
        assert np.array_equal(collagecodec.decode(data), expected)


def test_one_damaged_tile_leaves_the_others(picture, small_tiles):
    data = bytearray(collagecodec.encode(picture, quality=60, model="tiny"))
    whole = collagecodec.decode(bytes(data))
    reader = Reader(bytes(data))
    start = bytes(data).index(bytes(reader.tile(7)))
    data[start + 5] ^= 0x40
    with pytest.raises(DamagedTileError, match="tolerate_damage") as caught:
        collagecodec.decode(bytes(data))
    assert caught.value.tile == 7
    decoded = collagecodec.decode_bands(bytes(data), tolerate_damage=True)
    pixels = np.concatenate(list(decoded))
    assert decoded.damaged == [7]
    x, y, w, h = reader.header.tile_box(7)
    far = np.ones(whole.shape[:2], bool)
    far[max(y - 40, 0) : y + h + 40, max(x - 40, 0) : x + w + 40] = False
    assert far.sum() > 10_000
    assert np.array_equal(pixels[far], whole[far])
    inside = pixels[y + 20 : y + h - 20, x + 20 : x + w - 20].astype(int)
    assert np.abs(inside - 128).max() < 30


@settings(max_examples=80, deadline=None)
@given(position=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255), cut=st.booleans())
def test_mutated_files(mutable, position, flip, cut):
    file, pixels = mutable
    index = int(position * len(file))
    mutated = file[:index] if cut else file[:index] + bytes([file[index] ^ flip]) + file[index + 1 :]
    try:
        decoded = collagecodec.decode(mutated)
    except CollageError:
        return
    assert np.array_equal(decoded, pixels)


@pytest.fixture(scope="module")
def mutable():
    file = collagecodec.encode(scene(40, 50, channels=4), quality=50, model="tiny", effort=0)
    return file, collagecodec.decode(file)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n" + bytes(40), b"\x8fCLG\r\n\x1a\n", bytes(100)])
def test_foreign_files(content):
    with pytest.raises(FormatError):
        collagecodec.decode(content)


def test_a_file_of_a_model_that_is_not_here(data):
    broken = bytearray(data)
    reader = Reader(data)
    at = data.index(reader.header.fingerprint)
    broken[at] ^= 1
    import zlib

    from bitstream.chunks import MAGIC

    start = len(MAGIC) + 1
    length = broken[start + 1]
    end = start + 2 + length
    broken[end : end + 4] = zlib.crc32(broken[start:end]).to_bytes(4, "little")
    with pytest.raises(ModelMismatchError, match="not installed"):
        collagecodec.decode(bytes(broken))


@pytest.mark.parametrize(("width", "height", "tile"), [(2**18, 2**18, 0), (2**24, 4096, 1024)])
def test_absurd_sizes_are_refused_before_anything_is_allocated(data, width, height, tile):
    from bitstream.container import Header, write

    fingerprint = Reader(data).header.fingerprint
    header = Header(1, width, height, 3, tile_size=tile, fingerprint=fingerprint, params=b"\0\5")
    file = write(header, [b""] * header.tile_count)
    with pytest.raises(LimitError, match="over the limit"):
        next(iter(collagecodec.decode_bands(file)))


def test_info(data):
    found = collagecodec.info(data).to_dict()
    assert (found["width"], found["height"]) == (312, 200)
    assert (found["mode"], found["codec"], found["model"]) == ("RGB", "collage", "tiny")
    assert found["bytes"] == len(data)
    assert 18 < found["step"] < 22


def test_metadata_travel(picture):
    metadata = {"icc": b"profile" * 50, "exif": b"MM\0*rest", "xmp": b"<x/>", "geo": b"\1\2"}
    file = collagecodec.encode(picture, model="tiny", effort=0, metadata=metadata)
    assert collagecodec.decode_bands(file).metadata == metadata


def test_overhead_without_metadata_is_at_most_40_bytes():
    file = collagecodec.encode(scene(300, 400), model="tiny", effort=0)
    assert len(file) - len(Reader(file).tile(0)) <= 40


DECODE = """
import hashlib, sys, numpy, collagecodec
pixels = collagecodec.decode(open(sys.argv[1], "rb").read())
banned = {"torch", "scipy", "skimage", "pyvips", "lightning_fabric"} & set(sys.modules)
assert not banned, banned
print(hashlib.sha256(pixels.tobytes()).hexdigest())
"""


@pytest.mark.parametrize(
    "environment",
    [
        {"COLLAGE_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        {"COLLAGE_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
        {"OPENBLAS_CORETYPE": "Nehalem"},
        {"OPENBLAS_CORETYPE": "Haswell"},
    ],
    ids=lambda e: "-".join(e.values()),
)
def test_same_pixels_whatever_the_threads_and_kernels_and_without_torch(data, tmp_path, environment):
    import os

    (tmp_path / "x.clg").write_bytes(data)
    run = subprocess.run(
        [sys.executable, "-c", DECODE, str(tmp_path / "x.clg")],
        env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == hashlib.sha256(collagecodec.decode(data).tobytes()).hexdigest()
