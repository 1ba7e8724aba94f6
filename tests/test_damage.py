"""Damaged tiles: what they cost is reported, whichever part of them is unreadable; `verify` finds them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageFile
from tiny_model import scene

import collagecodec
from bitstream import varint
from bitstream.container import Reader, write
from collagecodec.cli.main import group
from collagecodec.codecs.collage.encoder import encoding

pytestmark = pytest.mark.usefixtures("tiny_model")
TILE = 48


@pytest.fixture(params=[3, 4])
def data(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.setattr(encoding, "TILE", TILE)
    return collagecodec.encode(scene(140, 150, channels=request.param), quality=50, model="tiny", effort=0)


def with_tile(data: bytes, tile: int, payload: bytes) -> bytes:
    reader = Reader(data)
    tiles = [bytes(reader.tile(number)) for number in range(reader.header.tile_count)]
    tiles[tile] = payload
    return write(reader.header, tiles)


def flipped(data: bytes, tile: int) -> bytes:
    payload = bytes(Reader(data).tile(tile))
    place = data.index(payload)
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize("tile", [0, 5, 11])
def test_pixels_outside_of_the_damaged_area_are_untouched(data: bytes, tile: int) -> None:
    whole = collagecodec.decode(data)
    decoded = collagecodec.decode_bands(flipped(data, tile), tolerate_damage=True)
    damaged = decoded.gather()
    assert decoded.damaged == [tile]
    ((x, y, w, h),) = decoded.damaged_areas
    left, top = TILE * (tile % 4), TILE * (tile // 4)
    # Half an atom, and five layers of the restoration of the model 'tiny'.
    reach = 16 + 2 * 5
    assert (x, y) == (max(left - reach, 0), max(top - reach, 0))
    assert (x + w, y + h) == (min(left + TILE + reach, 150), min(top + TILE + reach, 140))
    changed = (whole != damaged).any(axis=2)
    assert changed[y : y + h, x : x + w].any()
    changed[y : y + h, x : x + w] = False
    assert not changed.any()


def test_an_unreadable_alpha_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "TILE", TILE)
    data = collagecodec.encode(scene(90, 90, channels=4), quality=50, model="tiny", effort=0)
    whole = collagecodec.decode(data)
    payload = bytes(Reader(data).tile(1))
    length, start = varint.unpack(memoryview(payload), 0)
    garbled = with_tile(data, 1, varint.pack(length) + b"\7" + payload[start + 1 :])
    with pytest.raises(collagecodec.DamagedTileError, match="tile 1"):
        collagecodec.decode(garbled)
    decoded = collagecodec.decode_bands(garbled, tolerate_damage=True)
    pixels = decoded.gather()
    assert decoded.damaged == [1]
    assert (pixels[:48, 48:, 3] == 255).all()
    np.testing.assert_array_equal(pixels[..., :3], whole[..., :3])
    trailing = varint.pack(length + 1) + payload[start : start + length] + b"!" + payload[start + length :]
    with pytest.raises(collagecodec.DamagedTileError, match="wrong size"):
        collagecodec.decode(with_tile(data, 1, trailing))


@pytest.mark.parametrize("channels", [2, 4])
def test_the_alpha_of_a_region_is_that_of_the_whole(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "TILE", TILE)
    data = collagecodec.encode(scene(90, 101, channels=channels), quality=50, model="tiny", effort=0)
    whole = collagecodec.decode(data, scale=2)
    rng = np.random.default_rng(0)
    for _ in range(12):
        x, y = int(rng.integers(0, 60)), int(rng.integers(0, 60))
        w, h = int(rng.integers(1, 40)), int(rng.integers(1, 30))
        part = collagecodec.decode(data, scale=2, region=(x, y, w, h))
        np.testing.assert_array_equal(part[..., -1], whole[2 * y : 2 * y + 2 * h, 2 * x : 2 * x + 2 * w, -1])


def test_pillow_verifies_and_tolerates(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with Image.open(io.BytesIO(data)) as image:
        image.verify()
    for damaged in (flipped(data, 5), data[: len(data) * 2 // 3]):
        with Image.open(io.BytesIO(damaged)) as image, pytest.raises(OSError, match="is damaged"):
            image.verify()
        with Image.open(io.BytesIO(damaged)) as image, pytest.raises(OSError, match="is damaged"):
            image.load()
        with monkeypatch.context() as patched:
            patched.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
            with Image.open(io.BytesIO(damaged)) as image:
                expected = collagecodec.decode(damaged, tolerate_damage=True)
                np.testing.assert_array_equal(np.asarray(image), expected)
    stored = collagecodec.encode(scene(20, 20), codec="dct")
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with Image.open(io.BytesIO(stored)) as image:
        image.load()


def test_verify_on_the_command_line(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "good.clg").write_bytes(data)
    result = CliRunner().invoke(group, ["verify", str(tmp_path)], standalone_mode=False)
    assert (result.return_value, "good.clg: whole, 12 tiles" in result.output) == (0, True)
    (tmp_path / "bad.clg").write_bytes(flipped(flipped(data, 3), 7))
    (tmp_path / "short.clg").write_bytes(data[:-40])
    result = CliRunner().invoke(group, ["verify", str(tmp_path)], standalone_mode=False)
    assert result.return_value == 1
    assert "bad.clg: 2 of 12 tiles are damaged: 3, 7" in result.output
    assert "short.clg: 1 of 12 tiles are damaged: 11" in result.output
    assert "2 of 3 files failed" in result.output


def test_a_batch_resumes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        Image.fromarray(scene(20, 20)).save(tmp_path / f"{name}.png")
    arguments = ["encode", "--codec", "dct", "--resume", str(tmp_path)]
    run = CliRunner().invoke
    assert run(group, arguments, standalone_mode=False).return_value == 0
    (tmp_path / "b.clg").unlink()
    before = (tmp_path / "a.clg").stat().st_mtime_ns
    result = run(group, arguments, standalone_mode=False)
    assert (result.return_value, "1 of 2 files are finished" in result.output) == (0, True)
    assert (tmp_path / "a.clg").stat().st_mtime_ns == before
    assert (tmp_path / "b.clg").exists()
    assert "2 of 2 files are finished" in run(group, arguments, standalone_mode=False).output
