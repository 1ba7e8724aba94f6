"""Decoding at a larger size than stored, compared with interpolation of the decoded picture.

A picture is reduced by averaging k x k pixels, stored, decoded at k times its size, and compared with the
original. Interpolations of the picture decoded at its stored size are compared too. Another method adds detail
by self-similarity: a search near each range cell finds similar domain cells, and their detail is copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from collagecodec.codecs.base import Codec
from collagecodec.sampling.request import Image8
from eval.harness.metrics import LUMA, bits_per_pixel, compare, decibels
from eval.harness.structure import similarities

Floats = NDArray[np.float32]
RANGE, WINDOW = 8, 6
"""Side of a range cell, and radius of the search for domain cells, in pixels."""
SHARE = 0.5
"""Share of the detail of a domain cell that is added, below 1 because the cells are only similar."""
BAND = (0.05, 0.45)
"""Range of frequencies in cycles per pixel over which the slope of the spectrum is fitted."""
METHODS = ("collage", "lanczos", "bicubic", "bicubic+domains")


@dataclass(frozen=True)
class ZoomRow:
    """The result of enlarging one picture with one method.

    `bpp` counts bits per pixel of the reduced picture. `slope` is the slope of the luma's power spectrum in
    log-log coordinates, and `slope_original` that of the original picture.
    """

    image: str
    factor: int
    setting: str
    method: str
    bpp: float
    psnr: float
    ms_ssim: float
    slope: float
    slope_original: float


def measure(name: str, image: Image8, factor: int, setting: str, codec: Codec) -> Iterator[dict[str, object]]:
    """Yield the rows of all methods for one picture (H, W, 3), cropped to a multiple of `factor`."""
    height, width = (side - side % factor for side in image.shape[:2])
    image = np.ascontiguousarray(image[:height, :width])
    reduced = np.asarray(Image.fromarray(image).reduce(factor))
    data = codec.encode(reduced)
    decoded = codec.decode(data)
    pictures = (
        codec.decode(data, scale=factor),
        _resized(decoded, factor, Image.Resampling.LANCZOS),
        _resized(decoded, factor, Image.Resampling.BICUBIC),
        with_domains(decoded, factor),
    )
    expected = spectral_slope(image)
    for method, picture in zip(METHODS, pictures, strict=True):
        yield asdict(
            ZoomRow(
                image=name,
                factor=factor,
                setting=setting,
                method=method,
                bpp=round(bits_per_pixel(data, reduced), 5),
                psnr=round(compare(image, picture, structural=False).psnr, 4),
                ms_ssim=round(decibels(similarities(image, picture)[1]), 4),
                slope=round(spectral_slope(picture), 4),
                slope_original=round(expected, 4),
            )
        )


def spectral_slope(image: Image8) -> float:
    """Return the slope of the luma's log power over log frequency, with a Hann window and radial averaging."""
    luma = image @ LUMA
    luma = (luma - luma.mean()) * np.outer(np.hanning(luma.shape[0]), np.hanning(luma.shape[1]))
    power = np.abs(np.fft.rfft2(luma)) ** 2
    frequency = np.hypot(np.fft.fftfreq(luma.shape[0])[:, None], np.fft.rfftfreq(luma.shape[1])[None])
    edges = np.geomspace(*BAND, 25)
    ring = np.digitize(frequency.ravel(), edges)
    total = np.bincount(ring, power.ravel(), minlength=26)[1:25]
    count = np.bincount(ring, minlength=26)[1:25]
    middle = np.sqrt(edges[1:] * edges[:-1])
    used = count > 0
    return float(np.polyfit(np.log(middle[used]), np.log(total[used] / count[used] + 1e-12), 1)[0])


def _resized(image: Image8, factor: int, kernel: Image.Resampling) -> Image8:
    size = image.shape[1] * factor, image.shape[0] * factor
    return np.asarray(Image.fromarray(image).resize(size, kernel))


def with_domains(image: Image8, factor: int) -> Image8:
    """Return the picture enlarged by a power of 2, with detail of the most similar domain cells.

    The picture is doubled by bicubic interpolation until `factor` is reached. Each time a range cell of the
    doubled picture is compared with nearby cells of the smoothed picture. The detail that smoothing removed from
    the most similar cell is added to the range cell.
    """
    while factor > 1:
        height, width = image.shape[:2]
        doubled = _resized(image, 2, Image.Resampling.BICUBIC).astype(np.float32)
        half = Image.fromarray(image).resize((max(width // 2, 1), max(height // 2, 1)), Image.Resampling.BOX)
        smooth = np.asarray(half.resize((width, height), Image.Resampling.BICUBIC)).astype(np.float32)
        detail = SHARE * (image - smooth)
        rows, columns = _best_domains(doubled @ LUMA.astype(np.float32), smooth @ LUMA.astype(np.float32))
        picture = doubled
        for top in range(rows.shape[0]):
            for left in range(rows.shape[1]):
                y, x = rows[top, left], columns[top, left]
                part = detail[y : y + RANGE, x : x + RANGE]
                target = picture[top * RANGE : (top + 1) * RANGE, left * RANGE : (left + 1) * RANGE]
                target += part[: target.shape[0], : target.shape[1]]
        image = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
        factor //= 2
    return image


def _best_domains(doubled: Floats, smooth: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the place in `smooth` of the domain cell most similar to each complete range cell of `doubled`.

    The means of cells are ignored. Rows and columns have the shape (H // 8, W // 8) and give upper left corners.
    """
    height, width = doubled.shape[0] // RANGE, doubled.shape[1] // RANGE
    cells = doubled[: height * RANGE, : width * RANGE].reshape(height, RANGE, width, RANGE).swapaxes(1, 2)
    cells = cells - cells.mean((2, 3), keepdims=True)
    limits = np.array(smooth.shape) - RANGE
    base_y = np.arange(height) * RANGE // 2
    base_x = np.arange(width) * RANGE // 2
    windows = np.lib.stride_tricks.sliding_window_view(smooth, (RANGE, RANGE))
    best = np.full((height, width), np.inf, np.float32)
    rows, columns = np.zeros(best.shape, np.intp), np.zeros(best.shape, np.intp)
    for dy in range(-WINDOW, WINDOW + 1):
        for dx in range(-WINDOW, WINDOW + 1):
            y = np.clip(base_y + dy, 0, limits[0])
            x = np.clip(base_x + dx, 0, limits[1])
            domains = windows[y[:, None], x[None]]
            distance = np.square(cells - domains + domains.mean((2, 3), keepdims=True)).sum((2, 3))
            better = distance < best
            best = np.where(better, distance, best)
            rows = np.where(better, y[:, None], rows)
            columns = np.where(better, x[None], columns)
    return rows, columns
