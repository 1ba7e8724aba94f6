"""From planes to pixels at the size that was asked for: scale, region, colour, alpha.

Codes are rendered with cells of n = 1..16 samples, the smallest n that is not smaller than what was asked for,
and of 32 and 64 samples where the model has an enlargement; any other size is reached by a resampling in whole
numbers. Enlarging by a fixed kernel is linear and acts on every atom alike, so this is the collage with its
auxiliary domains evaluated on the finer grid; the enlargement finds better ones there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from collagecodec.collage.alpha import unpack_alpha
from collagecodec.collage.bands import Band, resampled
from collagecodec.collage.colour import PLANE_UNIT, grey_pixels, rgb_pixels
from collagecodec.collage.decoding import MIN_BAND, CodeBand, Picture, split_tile
from collagecodec.collage.parallel import ordered, single_threaded_libraries
from collagecodec.collage.resample import Axis
from collagecodec.collage.scales import natural_cell, shown
from collagecodec.errors import DamagedTileError, FormatError, LimitError

MAX_OUTPUT_SIDE = 2**24
MAX_DOUBLINGS = 2
"""Doublings by the enlargement; beyond them its gain is small and its cost large."""
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Request:
    """What to render: `region` (x, y, width, height) in stored pixels, then either `scale` or `size`
    (width, height) in pixels of the output."""

    scale: Fraction = Fraction(1)
    size: tuple[int, int] | None = None
    region: tuple[int, int, int, int] | None = None

    def resolve(self, width: int, height: int) -> tuple[tuple[int, int, int, int], tuple[int, int]]:
        """Region and output size for a stored picture; ValueError if they make no sense, LimitError if the
        output is too large."""
        x, y, w, h = self.region or (0, 0, width, height)
        if w < 1 or h < 1 or x < 0 or y < 0 or x + w > width or y + h > height:
            raise ValueError(f"the region {x},{y},{w},{h} does not lie in the picture of {width}x{height} pixels")
        if self.scale <= 0:
            raise ValueError(f"the scale must be above 0, not {self.scale}")
        size = self.size or (-(-w * self.scale // 1), -(-h * self.scale // 1))
        if min(size) < 1:
            raise ValueError(f"the size must be at least 1x1 pixels, not {size[0]}x{size[1]}")
        if max(size) > MAX_OUTPUT_SIDE:
            raise LimitError(
                f"{size[0]}x{size[1]} pixels: no side of a decoded picture may pass {MAX_OUTPUT_SIDE}"
            )
        return (x, y, w, h), (int(size[0]), int(size[1]))


class Rendering:
    """Bands of pixels of one request: iterate over it. `width`, `height`, `channels` describe the output."""

    def __init__(self, picture: Picture, request: Request, fast: bool = False) -> None:
        header = picture.reader.header
        self.picture, self.fast = picture, fast
        self.region, (self.width, self.height) = request.resolve(header.width, header.height)
        self.channels = header.channels
        cell = picture.model.dictionary.cell
        finest = cell if fast or picture.model.enlargement is None else cell << MAX_DOUBLINGS
        n = natural_cell(cell, finest, self.region[2:], (self.width, self.height))
        self.doublings = max(0, (-(-n // cell) - 1).bit_length())
        self.n = cell << self.doublings if self.doublings else n
        """Samples of a cell, from which the output is resampled."""

    def __iter__(self) -> Iterator[Pixels]:
        """Bands (h, width) or (h, width, channels) uint8 from top to bottom.

        While the iteration lasts, matrix libraries are held to one thread (`parallel`)."""
        with single_threaded_libraries():
            colour = self._colour()
            if self.channels in (1, 3):
                yield from colour
            else:
                yield from self._with_alpha(colour)

    def _with_alpha(self, colour: Iterator[Pixels]) -> Iterator[Pixels]:
        alpha = self._alpha()
        done = 0
        for band in colour:
            part = alpha[done : done + len(band), :, None]
            yield np.concatenate([band if band.ndim == 3 else band[..., None], part], axis=2)
            done += len(band)

    def _colour(self) -> Iterator[Pixels]:
        picture, cell = self.picture, self.picture.model.dictionary.cell
        x, y, w, h = self.region
        # Three pixels on each side for the kernel that enlarges.
        rim = 3 if self.n >= cell and (self.width, self.height) != (w, h) else 0
        rows = max(y - rim, 0) // cell, min(-(-(y + h + rim) // cell), picture.layout.block_rows)
        columns = max(x - rim, 0) // cell, min(-(-(x + w + rim) // cell), picture.layout.block_columns)
        restored = self.n >= cell and not self.fast
        margin = -(-picture.finishing_margin(self.doublings) // cell) if restored else 0
        least = MIN_BAND >> self.doublings
        bands = picture.code_bands(min(self.n, cell), rows, columns, margin, least)

        def finish(band: CodeBand) -> Band:
            return picture.restored(band, self.doublings) if restored else picture.planes(band)

        n = self.n
        vertical = shown(y, h, self.height, n, cell, rows[0] * n, (rows[1] - rows[0]) * n)
        horizontal = shown(x, w, self.width, n, cell, columns[0] * n, (columns[1] - columns[0]) * n)
        # Entropy decoding goes on in this thread while others synthesise, restore and colour.
        if vertical.plain and horizontal.plain:
            return _cut(ordered(lambda band: pixels_of(finish(band)), bands), vertical, horizontal)
        return map(pixels_of, resampled(ordered(finish, bands), vertical, horizontal))

    def _alpha(self) -> Pixels:
        """The alpha plane of the output: exact at scale 1, resampled like the planes elsewhere."""
        header, (x, y, w, h) = self.picture.reader.header, self.region
        plane = np.zeros((h, w), np.uint8)
        for tile in range(header.tile_count):
            left, top, width, height = header.tile_box(tile)
            a, b = max(left, x), min(left + width, x + w)
            c, d = max(top, y), min(top + height, y + h)
            if a < b and c < d:
                found = self._tile_alpha(tile, height, width)
                plane[c - y : d - y, a - x : b - x] = found[c - top : d - top, a - left : b - left]
        if (w, h) == (self.width, self.height):
            return plane
        vertical, horizontal = Axis(0, h, 1, self.height, h), Axis(0, w, 1, self.width, w)
        values = plane[None].astype(np.float32) * PLANE_UNIT
        found = np.concatenate([band[0] for band in resampled([values], vertical, horizontal)])
        return np.clip(np.floor((found + PLANE_UNIT // 2) / PLANE_UNIT), 0, 255).astype(np.uint8)

    def _tile_alpha(self, tile: int, height: int, width: int) -> Pixels:
        picture = self.picture
        try:
            packed, _ = split_tile(picture.reader.tile(tile), self.channels)
            return unpack_alpha(packed, height, width)
        except FormatError as error:
            if not picture.tolerate:
                raise (
                    error if isinstance(error, DamagedTileError) else DamagedTileError(tile, str(error))
                ) from error
            return np.full((height, width), 255, np.uint8)


def _cut(bands: Iterator[Pixels], vertical: Axis, horizontal: Axis) -> Iterator[Pixels]:
    start, left = int(vertical.first[0]), int(horizontal.first[0])
    stop, right = start + vertical.count, left + horizontal.count
    done = 0
    for band in bands:
        top, bottom = max(start - done, 0), min(stop - done, len(band))
        if top < bottom:
            yield band[top:bottom, left:right]
        done += len(band)


def pixels_of(band: Band) -> Pixels:
    """Planes (1, h, w) or (3, h, w) in 1/16 level to pixels (h, w) or (h, w, 3) uint8."""
    if len(band) == 1:
        return grey_pixels(band[0])
    pixels = np.empty((*band.shape[1:], 3), np.uint8)
    for channel, values in enumerate(rgb_pixels(*band)):
        pixels[..., channel] = values
    return pixels
