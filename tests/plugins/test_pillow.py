"""The Pillow plugin: opening, saving, metadata, drafts, threads, damaged files."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError
from tiny_model import scene

import collagecodec
from collagecodec.io.picture import to_pillow
from collagecodec.plugins.pillow import CollageImageFile, register

pytestmark = pytest.mark.usefixtures("tiny_model")
OPTIONS = {"model": "tiny", "effort": 0}
XMP = b"<x:xmpmeta/>"


@pytest.fixture(autouse=True)
def plugin() -> None:
    register()


def encoded(image: Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "CLG", **OPTIONS, **options)
    return stream.getvalue()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_save_and_open(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "p.clg"
    image = to_pillow(scene(29, 100, channels))
    image.save(path, quality=60, **OPTIONS)
    with Image.open(path) as opened:
        assert isinstance(opened, CollageImageFile)
        assert (opened.format, opened.mode, opened.size) == ("CLG", image.mode, (100, 29))
        assert opened.get_format_mimetype() == "image/vnd.collage"
        np.testing.assert_array_equal(np.asarray(opened), collagecodec.read(path))


def test_options_reach_the_encoder() -> None:
    image = to_pillow(scene(64, 64))
    sizes = [len(encoded(image, quality=quality)) for quality in (10, 90)]
    assert sizes[0] < sizes[1]
    assert len(encoded(image, max_bytes=sizes[1] - 60)) <= sizes[1] - 60


def test_settings_of_the_codec_reach_it() -> None:
    image = to_pillow(scene(64, 64))

    def saved(**keywords: object) -> bytes:
        stream = io.BytesIO()
        image.save(stream, "CLG", **keywords)
        return stream.getvalue()

    expected = collagecodec.encode(image, codec="dct", options={"step": 30, "cell": 16})
    assert expected != collagecodec.encode(image, codec="dct")
    assert saved(codec="dct", options={"step": 30, "cell": 16}) == expected
    assert saved(codec="dct", step=30, cell=16) == expected
    assert saved(codec="dct", options={"step": 30}, cell=16) == expected
    with pytest.raises(ValueError, match="step: given both as a keyword and in options"):
        saved(codec="dct", options={"step": 30}, step=30)
    with pytest.warns(UserWarning, match="ignores unheard_of, .* cell, .* step"):
        assert saved(codec="dct", step=30, cell=16, unheard_of=1) == expected
    with pytest.raises(ValueError, match="unheard_of"):
        encoded(image, options={"unheard_of": 1})


def test_keywords_for_other_formats_are_ignored() -> None:
    image = to_pillow(scene(20, 20))
    assert encoded(image, optimize=True, progressive=True, dpi=(72, 72)) == encoded(image)


def test_opening_does_not_decode(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(to_pillow(scene(50, 40)))
    calls = []
    decode = collagecodec.api.decode
    monkeypatch.setattr("collagecodec.api.decode", lambda *a, **k: calls.append(1) or decode(*a, **k))
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (40, 50)
        assert calls == []
        image.load()
        image.load()
        assert calls == [1]


def test_metadata_survive_and_can_be_replaced() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = to_pillow(scene(20, 20), {"exif": exif.tobytes()[6:], "xmp": XMP})
    with Image.open(io.BytesIO(encoded(image))) as opened:
        assert opened.getexif()[0x0112] == 6
        assert opened.info["xmp"] == XMP
        assert opened.size == (20, 20)
    other = Image.Exif()
    other[0x0112] = 3
    with Image.open(io.BytesIO(encoded(image, exif=other, xmp=None))) as opened:
        assert opened.getexif()[0x0112] == 3
        assert "xmp" not in opened.info


def test_thumbnails_are_decoded_small(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(to_pillow(scene(900, 1300)))
    shapes = []
    decode = collagecodec.api.decode

    def watched(*arguments: object, **options: object) -> np.ndarray:
        pixels = decode(*arguments, **options)  # type: ignore[arg-type]
        shapes.append(pixels.shape)
        return pixels

    monkeypatch.setattr("collagecodec.api.decode", watched)
    with Image.open(io.BytesIO(data)) as image:
        image.thumbnail((128, 128))
        assert image.size == (128, 89)
    assert shapes == [(450, 650, 3)]
    with Image.open(io.BytesIO(data)) as full, Image.open(io.BytesIO(data)) as small:
        expected = full.resize((128, 89), Image.Resampling.BICUBIC)
        small.thumbnail((128, 128))
        difference = np.asarray(expected, float) - np.asarray(small, float)
    assert np.abs(difference).mean() < 6


@pytest.mark.parametrize(
    ("least", "size"), [((650, 450), (650, 450)), ((651, 450), (1300, 900)), ((1, 1), (82, 57))]
)
def test_a_draft_is_not_smaller_than_asked(least: tuple[int, int], size: tuple[int, int]) -> None:
    with Image.open(io.BytesIO(encoded(to_pillow(scene(900, 1300))))) as image:
        image.draft("RGB", least)
        assert image.size == size
        image.load()
        assert image.im.size == size
        assert image.draft("RGB", (1, 1)) is None


def test_damaged_files_say_why() -> None:
    data = encoded(to_pillow(scene(40, 40)))
    with pytest.raises(UnidentifiedImageError, match=r"truncated|damaged"):
        Image.open(io.BytesIO(data[:14]))
    damaged = bytearray(data)
    damaged[-9] ^= 0x55
    with Image.open(io.BytesIO(damaged)) as image, pytest.raises(OSError, match="tile 0 is damaged"):
        image.load()


def test_pictures_that_cannot_be_stored_say_why() -> None:
    with pytest.raises(collagecodec.UnsupportedImageError, match="convert"):
        encoded(Image.new("CMYK", (4, 4)))


def test_many_threads_get_the_same_pixels() -> None:
    data = encoded(to_pillow(scene(100, 90)))

    def load(_: int) -> bytes:
        with Image.open(io.BytesIO(data)) as image:
            return image.tobytes()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(load, range(12)))) == 1


def test_several_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="holds a single picture"):
        encoded(to_pillow(scene(20, 20)), save_all=True, append_images=[to_pillow(scene(20, 20))])
