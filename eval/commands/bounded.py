"""`python -m eval bounded`: a promised largest error and 16 bits, against LERC, JPEG 2000, JPEG XL, PNG."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image

import collagecodec
from eval.harness import facts
from eval.harness.datasets import centre, open_set

LIMITS = (0, 1, 2, 4, 8)
DEEP_LIMITS = (0, 16, 64, 256)
RATES = (0.5, 1.0, 2.0, 4.0)
"""Bits per pixel of the lossy files of 16-bit pictures."""

Pixels = NDArray[Any]
Files = Iterator[tuple[str, str, float, bytes, Callable[[bytes], Pixels]]]


@click.command()
@click.option("--data", default="dota-val", help="Name of a data set, or a folder of pictures.")
@click.option(
    "--side", type=click.IntRange(64), default=512, help="Side of the part in the middle of each picture."
)
@click.option("--limit", type=click.IntRange(1), help="Only the first pictures.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for rows.jsonl.")
def bounded(data: str, side: int, limit: int | None, out: Path) -> None:
    """Measure file sizes for a promised largest error, of 8-bit pictures and of 16-bit pictures made from them.

    A 16-bit picture is the mean of 2x2 pixels in linear light, times 10,000, with shot and read noise: what a
    sensor of surface reflectance gives, in units of 10^-4.
    """
    out.mkdir(parents=True, exist_ok=True)
    with (out / "rows.jsonl").open("w", encoding="utf-8") as rows:
        for picture in open_set(data, limit=limit or 0).pictures:
            pixels = centre(picture.load(), side)
            for kind, samples in (("uint8", pixels), ("uint16", reflectance(pixels))):
                for codec, setting, value, file, decode in files(samples):
                    row = _row(samples, file, decode)
                    named = {"picture": picture.name, "type": kind, "codec": codec, setting: value}
                    rows.write(json.dumps({**named, **row}) + "\n")
                    rows.flush()
                    click.echo(f"{picture.name} {kind} {codec} {setting} {value:g}: {row['bpp']:.3f} bpp")
    (out / "environment.json").write_text(json.dumps(facts.environment(), indent=1) + "\n", encoding="utf-8")


def reflectance(pixels: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return a picture of half the size: linear light of sRGB times 10,000 with noise, uint16."""
    height, width = (side // 2 * 2 for side in pixels.shape[:2])
    values = pixels[:height, :width].astype(np.float64) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    mean = linear.reshape(height // 2, 2, width // 2, 2, -1).mean(axis=(1, 3)) * 10_000
    noise = np.random.default_rng(1).normal(0, 1, mean.shape) * np.sqrt(0.5 * mean + 4)
    return np.clip(np.rint(mean + noise), 0, 65_535).astype(np.uint16)


def files(samples: Pixels) -> Files:
    """Yield codec, setting, its value, the file and its decoder for every way of storing samples."""
    deep = samples.dtype == np.uint16
    for error in DEEP_LIMITS if deep else LIMITS:
        yield "collage", "max_error", error, collagecodec.encode(samples, max_error=error), collagecodec.decode
        options = {"driver": "GTiff", "compress": "LERC_ZSTD", "MAX_Z_ERROR": error, "interleave": "pixel"}
        yield "lerc", "max_error", error, _gdal(samples, options), _gdal_decode
    lossless = {"driver": "JP2OpenJPEG", "QUALITY": 100, "REVERSIBLE": "YES"}
    yield "jpeg2000", "max_error", 0, _gdal(samples, lossless), _gdal_decode
    if deep:
        for rate in RATES:
            bits = 8 * samples.dtype.itemsize * samples.shape[2]
            lossy = {"driver": "JP2OpenJPEG", "QUALITY": 100 * rate / bits, "REVERSIBLE": "NO", "YCC": "YES"}
            yield "jpeg2000", "rate", rate, _gdal(samples, lossy), _gdal_decode
            yield "collage", "rate", rate, collagecodec.encode(samples, bpp=rate), collagecodec.decode
        for error in (32, 64, 128, 256, 512):
            options = {"driver": "GTiff", "compress": "LERC_ZSTD", "MAX_Z_ERROR": error, "interleave": "pixel"}
            yield "lerc", "lossy", error, _gdal(samples, options), _gdal_decode
        return
    yield "jxl", "max_error", 0, _pillow(samples, "JXL", lossless=True, effort=7), _pillow_decode
    yield "webp", "max_error", 0, _pillow(samples, "WEBP", lossless=True, quality=100), _pillow_decode
    yield "png", "max_error", 0, _pillow(samples, "PNG", optimize=True), _pillow_decode


def _row(samples: Pixels, file: bytes, decode: Callable[[bytes], Pixels]) -> dict[str, float]:
    errors = samples.astype(np.int64) - decode(file)
    return {
        "bytes": len(file),
        "bpp": 8 * len(file) / (samples.shape[0] * samples.shape[1]),
        "rmse": float(np.sqrt(np.square(errors.astype(np.float64)).mean())),
        "largest": int(np.abs(errors).max()),
    }


def _gdal(samples: Pixels, options: dict[str, Any]) -> bytes:
    import rasterio

    height, width, count = samples.shape
    with rasterio.MemoryFile() as memory:
        with memory.open(width=width, height=height, count=count, dtype=samples.dtype, **options) as file:
            file.write(samples.transpose(2, 0, 1))
        return bytes(memory.read())


def _gdal_decode(file: bytes) -> Pixels:
    import rasterio

    with rasterio.MemoryFile(file) as memory, memory.open() as opened:
        return opened.read().transpose(1, 2, 0)


def _pillow(samples: Pixels, kind: str, **options: Any) -> bytes:
    import pillow_jxl  # noqa: F401 (registers JPEG XL)

    stream = io.BytesIO()
    Image.fromarray(samples).save(stream, kind, **options)
    return stream.getvalue()


def _pillow_decode(file: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(file)))
