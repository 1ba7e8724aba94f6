import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scenes import scene

from eval.baselines.pillow_codec import PillowCodec
from eval.harness import catalogue
from eval.harness.datasets import DataError, Picture, open_set
from eval.harness.measure import Task, measure

BASELINES = [
    label for label, sweep in catalogue.known().items() if isinstance(sweep.codec(sweep.values[0]), PillowCodec)
]
DIRECT = [
    ("jpeg", 25, "JPEG", {"quality": 25, "optimize": True}),
    ("jpeg", 75, "JPEG", {"quality": 75, "optimize": True}),
    ("jpeg-444", 75, "JPEG", {"quality": 75, "optimize": True, "subsampling": 0}),
    ("webp", 10, "WEBP", {"quality": 10, "method": 6}),
    ("webp", 75, "WEBP", {"quality": 75, "method": 6}),
    ("jpeg2000-rate", 0.5, "JPEG2000", {"quality_layers": [48], "irreversible": True, "mct": 1}),
    (
        "jpeg2000-psnr",
        32.0,
        "JPEG2000",
        {"quality_mode": "dB", "quality_layers": [32], "irreversible": True, "mct": 1},
    ),
]


def _kodak() -> list[Picture]:
    try:
        return list(open_set("kodak", limit=2).pictures)
    except DataError:
        return []


def _against_pillow(picture: Picture, label: str, value: float, format: str, options: dict[str, Any]) -> None:
    row = measure(Task(label, label, value, picture, structural=False))
    original = picture.load()
    stream = io.BytesIO()
    Image.fromarray(original).save(stream, format, **options)
    decoded = np.asarray(Image.open(stream).convert("RGB"), np.float64)
    psnr = 20 * np.log10(255) - 10 * np.log10(np.square(decoded - original).mean())
    assert row.error == ""
    assert row.bytes == len(stream.getvalue())
    assert row.psnr == pytest.approx(psnr, abs=1e-9)


@pytest.mark.parametrize(("label", "value", "format", "options"), DIRECT)
def test_points_are_those_of_pillow(
    photograph: Picture, label: str, value: float, format: str, options: dict[str, Any]
) -> None:
    _against_pillow(photograph, label, value, format, options)


@pytest.mark.skipif(not _kodak(), reason="the Kodak images are not here")
@pytest.mark.parametrize(("label", "value", "format", "options"), DIRECT)
def test_points_on_kodak_are_those_of_pillow(
    label: str, value: float, format: str, options: dict[str, Any]
) -> None:
    for picture in _kodak():
        _against_pillow(picture, label, value, format, options)


@pytest.mark.parametrize("label", BASELINES)
def test_a_picture_comes_back_in_its_size_and_the_file_is_reproducible(label: str) -> None:
    sweep = catalogue.known()[label]
    image = scene(3, width=101, height=29)
    codec = sweep.codec(sweep.values[-1])
    data = codec.encode(image)
    decoded = codec.decode(data)
    assert decoded.shape == image.shape
    assert decoded.dtype == np.uint8
    assert np.abs(decoded.astype(float) - image).mean() < 6  # the finest setting; JPEG 2000 at 1.6 bpp has 5.3
    assert codec.encode(image) == data


@pytest.mark.parametrize("label", BASELINES)
def test_a_codec_is_its_configuration(label: str) -> None:
    sweep = catalogue.known()[label]
    codec = sweep.codec(sweep.values[0])
    settings = json.loads(json.dumps(codec.config))
    assert settings.pop("name") == codec.name
    assert type(codec)(**settings) == codec
    assert sweep.codec(sweep.values[0]) == codec
    assert isinstance(codec, PillowCodec)
    assert codec.backend


@pytest.mark.parametrize("label", BASELINES)
def test_more_bits_at_the_upper_end_of_the_ladder(label: str) -> None:
    sweep = catalogue.known()[label]
    image = scene(4)
    sizes = [len(sweep.codec(value).encode(image)) for value in (sweep.values[0], sweep.values[-1])]
    assert sizes == sorted(sizes)
    assert list(sweep.values) == sorted(sweep.values)


def test_grey_is_kept_or_refused() -> None:
    grey = scene(5)[:, :, 0]
    for label in BASELINES:
        codec = catalogue.known()[label].codec(catalogue.known()[label].values[0])
        assert isinstance(codec, PillowCodec)
        if codec.keeps_grey:
            assert codec.decode(codec.encode(grey)).shape == grey.shape
        else:
            with pytest.raises(ValueError, match="convert to RGB"):
                codec.encode(grey)


def test_the_rate_of_jpeg_2000_is_in_bits_a_pixel(photograph: Picture) -> None:
    row = measure(Task("jpeg2000-rate", "jpeg2000-rate", 0.5, photograph, structural=False))
    assert row.bpp == pytest.approx(0.5, rel=0.02)


def test_png_is_lossless(photograph: Picture) -> None:
    row = measure(Task("png", "png", 9, photograph, structural=False))
    assert (row.mse, row.psnr) == (0, np.inf)


def test_vvc_keeps_odd_sides_and_has_no_bias() -> None:
    pytest.importorskip("imageio_ffmpeg")
    (sweep,) = catalogue.resolve("vvc@preset=faster")
    image = scene(3, 63, 97)
    codec = sweep.codec(20)
    data = codec.encode(image)
    decoded = codec.decode(data)
    assert decoded.shape == image.shape
    difference = decoded.astype(float) - image
    assert abs(difference.mean()) < 1
    assert np.square(difference).mean() < 60
    assert len(sweep.codec(47).encode(image)) < len(data) / 3
    with pytest.raises(ValueError, match="grey"):
        codec.encode(image[:, :, 0])
