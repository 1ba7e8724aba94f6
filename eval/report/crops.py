"""Crops of pictures, each codec at the same rate, for looking at them side by side."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import click
import numpy as np
from PIL import Image

from collagecodec.sampling.request import Image8
from eval.harness.aggregate import Curves
from eval.harness.datasets import Picture
from eval.harness.metrics import psnr
from eval.harness.sweep import Sweep

_STEPS = 8
_CLOSE = 0.01
_NEAR = 0.1


@dataclass(frozen=True)
class Coded:
    """What a sweep made of a whole picture: rate in bits a pixel, PSNR in dB, and the crop as a data URI."""

    label: str
    bpp: float
    psnr: float
    picture: str


@dataclass(frozen=True)
class Scene:
    """One crop at one rate: the original as a data URI, and each sweep that comes within 10 % of it."""

    image: str
    rate: float
    x: int
    y: int
    size: int
    original: str
    coded: list[Coded]


def make(
    pictures: Sequence[Picture], chosen: Sequence[Sweep], found: Curves, size: int, rates: Sequence[float]
) -> list[dict[str, Any]]:
    """Return the scenes of every picture at every rate (bits a pixel), as JSON-able values.

    `found` are the measured curves, which tell where on its knob each sweep is to be searched; `size` is the
    side of a crop in pixels, which is taken where the picture has most detail.
    """
    scenes = []
    wanted = [(picture, rate) for picture in pictures for rate in rates]
    with click.progressbar(length=len(wanted) * len(chosen), label="crops", show_pos=True) as bar:
        for picture, rate in wanted:
            image = picture.load()
            x, y = busiest(image, size)
            coded = []
            for sweep in chosen:
                rows = found.get(sweep.label, {}).get(picture.name, [])
                points = [(row.value, row.bpp) for row in rows]
                coded += _coded(sweep, image, rate, points, (x, y, size))
                bar.update(1)
            original = _data_uri(image[y : y + size, x : x + size])
            scenes.append(asdict(Scene(picture.name, rate, x, y, size, original, coded)))
    return scenes


def at_rate(
    sweep: Sweep, image: Image8, rate: float, points: Sequence[tuple[float, float]]
) -> tuple[bytes, Image8]:
    """Return the file nearest to `rate` bits a pixel and its decoded picture, by halving the knob's range.

    `points`: measured pairs of knob and bits a pixel, which bound the search. A knob whose listed
    values are whole numbers is turned in whole numbers. Raises what the codec raises.
    """
    # By rate, not by knob: a finer step is a smaller number but a larger file.
    low = max(((bpp, value) for value, bpp in points if bpp <= rate), default=(0, sweep.values[0]))[1]
    high = min(((bpp, value) for value, bpp in points if bpp >= rate), default=(0, sweep.values[-1]))[1]
    whole = all(isinstance(value, int) for value in sweep.values)
    files: dict[float, bytes] = {}
    for _ in range(_STEPS):
        middle = round((low + high) / 2) if whole else (low + high) / 2
        untried = [value for value in (middle, low, high) if value not in files]
        if not untried:
            break
        files[untried[0]] = sweep.codec(untried[0]).encode(image)
        error = _error(files[untried[0]], image, rate)
        if abs(error) < _CLOSE:
            break
        if untried[0] == middle:
            low, high = (middle, high) if error < 0 else (low, middle)
    best = min(files, key=lambda value: abs(_error(files[value], image, rate)))
    return files[best], sweep.codec(best).decode(files[best])


def busiest(image: Image8, size: int) -> tuple[int, int]:
    """Return x and y of the window of `size` pixels a side, on a grid of its half, with most detail."""
    grey = image.mean(axis=2)
    steep = np.abs(np.diff(grey, axis=0))[:, :-1] + np.abs(np.diff(grey, axis=1))[:-1]
    step = max(1, size // 2)
    corners = [
        (x, y)
        for y in range(0, max(1, image.shape[0] - size), step)
        for x in range(0, max(1, image.shape[1] - size), step)
    ]
    return max(corners, key=lambda corner: float(steep[corner[1] :, corner[0] :][:size, :size].mean()))


def _coded(
    sweep: Sweep,
    image: Image8,
    rate: float,
    points: Sequence[tuple[float, float]],
    window: tuple[int, int, int],
) -> list[Coded]:
    """Return one `Coded`, or none if the sweep fails here or does not reach the rate."""
    x, y, size = window
    try:
        data, decoded = at_rate(sweep, image, rate, points)
    except Exception as error:
        click.echo(f"\nno crop of {sweep.label}: {type(error).__name__}: {error}", err=True)
        return []
    bpp = rate * (1 + _error(data, image, rate))
    if abs(bpp / rate - 1) > _NEAR:
        return []
    mse = np.mean((image.astype(np.float32) - decoded) ** 2)
    return [Coded(sweep.label, bpp, psnr(float(mse)), _data_uri(decoded[y : y + size, x : x + size]))]


def _error(data: bytes, image: Image8, rate: float) -> float:
    return float(8 * len(data) / (image.shape[0] * image.shape[1]) / rate - 1)


def _data_uri(crop: Image8) -> str:
    """Lossless, or one codec's artefacts would be seen through another's."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(crop)).save(stream, "WEBP", lossless=True, quality=100)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()
