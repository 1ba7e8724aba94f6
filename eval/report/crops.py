"""Crops of pictures coded by each codec at the same rate, for visual comparison."""

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
from eval.harness.metrics import bits_per_pixel, compare
from eval.harness.ssimulacra2 import ssimulacra2
from eval.sweep import Sweep

_STEPS = 8
_CLOSE = 0.01
_NEAR = 0.1


@dataclass(frozen=True)
class Coded:
    """A picture coded by a sweep: rate in bits per pixel, PSNR in dB, SSIMULACRA2, and the crop as a data URI."""

    label: str
    bpp: float
    psnr: float
    ssimulacra2: float
    picture: str


@dataclass(frozen=True)
class Scene:
    """A crop at a rate: the original as a data URI, and the results of the sweeps within 10 % of the rate."""

    image: str
    rate: float
    x: int
    y: int
    size: int
    original: str
    coded: list[Coded]


def make(
    pictures: Sequence[Picture], chosen: Sequence[Sweep], curves: Curves, size: int, rates: Sequence[float]
) -> list[dict[str, Any]]:
    """Return the scenes of every picture at every rate (bits per pixel), as JSON-able values.

    `curves` are the measured curves, which bound the search over the parameter of each sweep. `size` is the side
    of a crop in pixels. Crops are taken where the picture has most detail.
    """
    scenes = []
    wanted = [(picture, rate) for picture in pictures for rate in rates]
    with click.progressbar(length=len(wanted) * len(chosen), label="crops", show_pos=True) as bar:
        for picture, rate in wanted:
            image = picture.load()
            x, y = busiest(image, size)
            coded = []
            for sweep in chosen:
                rows = curves.get(sweep.label, {}).get(picture.name, [])
                points = [(row.value, row.bpp) for row in rows]
                coded += _coded(sweep, image, rate, points, (x, y, size))
                bar.update(1)
            original = data_uri(image[y : y + size, x : x + size])
            scenes.append(asdict(Scene(picture.name, rate, x, y, size, original, coded)))
    return scenes


def at_rate(
    sweep: Sweep, image: Image8, rate: float, points: Sequence[tuple[float, float]]
) -> tuple[bytes, Image8]:
    """Return the file closest to `rate` bits per pixel and its decoded picture, by bisection of the parameter.

    `points` are measured pairs of parameter and bits per pixel, which bound the search. If all values of the
    sweep are integers, only integers are tried. Errors of the codec are passed on.
    """
    # Bounds are chosen by rate, because a smaller parameter may give a larger file, as quantiser steps do.
    low = max(((bpp, value) for value, bpp in points if bpp <= rate), default=(0, sweep.values[0]))[1]
    high = min(((bpp, value) for value, bpp in points if bpp >= rate), default=(0, sweep.values[-1]))[1]
    integers = all(isinstance(value, int) for value in sweep.values)
    files: dict[float, bytes] = {}
    for _ in range(_STEPS):
        middle = round((low + high) / 2) if integers else (low + high) / 2
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
    """Return x and y of the window with most detail, `size` pixels wide and on a grid of half that size."""
    detail = _detail(image, size)
    return max(detail, key=lambda corner: detail[corner])


def calmest(image: Image8, size: int) -> tuple[int, int]:
    """Return x and y of the window with least detail, otherwise as `busiest`."""
    detail = _detail(image, size)
    return min(detail, key=lambda corner: detail[corner])


def _detail(image: Image8, size: int) -> dict[tuple[int, int], float]:
    """Return the mean steepness of the windows by x and y."""
    grey = image.mean(axis=2)
    steep = np.abs(np.diff(grey, axis=0))[:, :-1] + np.abs(np.diff(grey, axis=1))[:-1]
    step = max(1, size // 2)
    corners = [
        (x, y)
        for y in range(0, max(1, image.shape[0] - size), step)
        for x in range(0, max(1, image.shape[1] - size), step)
    ]
    return {(x, y): float(steep[y:, x:][:size, :size].mean()) for x, y in corners}


def _coded(
    sweep: Sweep,
    image: Image8,
    rate: float,
    points: Sequence[tuple[float, float]],
    window: tuple[int, int, int],
) -> list[Coded]:
    """Return a list of one `Coded`, or an empty list if the codec fails or does not reach the rate."""
    x, y, size = window
    try:
        data, decoded = at_rate(sweep, image, rate, points)
    except Exception as error:
        click.echo(f"\nskipped crop of {sweep.label}: {type(error).__name__}: {error}", err=True)
        return []
    bpp = rate * (1 + _error(data, image, rate))
    if abs(bpp / rate - 1) > _NEAR:
        return []
    quality = compare(image, decoded, structural=False).psnr
    score = ssimulacra2(image, decoded)
    return [Coded(sweep.label, bpp, quality, score, data_uri(decoded[y : y + size, x : x + size]))]


def _error(data: bytes, image: Image8, rate: float) -> float:
    return bits_per_pixel(data, image) / rate - 1


def data_uri(crop: Image8) -> str:
    """Return the crop as lossless WebP, which adds no artefacts to those of the codec."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(crop)).save(stream, "WEBP", lossless=True, quality=100)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()
