"""Renders the planes of a picture as pixels at the requested size: scale, region, colour and alpha.

Codes are rendered with the smallest cells that are not below the requested size: n = 1..16 samples, and 32 or 64
where the model has an enlargement network. Other sizes are resampled in integer arithmetic. A fixed kernel is
linear and acts on every atom alike, so an enlarged picture is the collage with its auxiliary domains on a finer
grid; the enlargement network finds better auxiliary domains there.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from collagecodec.codecs.alpha import unpack_alpha
from collagecodec.codecs.collage.decoder import MIN_BAND, CodeBand, Picture, split_tile
from collagecodec.errors import DamagedTileError, FormatError
from collagecodec.sampling.bands import Band, resampled
from collagecodec.sampling.colour import PLANE_UNIT, pixels_of
from collagecodec.sampling.rendering import Rendering
from collagecodec.sampling.request import Image8, Request
from collagecodec.sampling.resample import Axis
from collagecodec.sampling.scales import natural_cell, shown
from collagecodec.sampling.threads import ordered, throttled

MAX_DOUBLINGS = 2
"""Maximum number of doublings by the enlargement network; further ones gain little and cost much."""


def render(picture: Picture, request: Request, fast: bool = False) -> Rendering:
    """Return the rendering of a request; ValueError and LimitError as `Request.resolve`."""
    view = _View(picture, request, fast)
    return Rendering(view.width, view.height, view.channels, throttled(view.bands()), picture.damaged)


class _View:
    """The computation of a request: cells are rendered at n samples, then resampled to the output size."""

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
        """Samples per cell side before resampling."""

    def bands(self) -> Iterator[Image8]:
        """Return the bands of the output, uint8 (h, width) or (h, width, channels), from top to bottom."""
        colour = self._colour()
        return colour if self.channels in (1, 3) else self._with_alpha(colour)

    def _with_alpha(self, colour: Iterator[Image8]) -> Iterator[Image8]:
        alpha = self._alpha()
        done = 0
        for band in colour:
            part = alpha[done : done + len(band), :, None]
            yield np.concatenate([band if band.ndim == 3 else band[..., None], part], axis=2)
            done += len(band)

    def _colour(self) -> Iterator[Image8]:
        picture, cell = self.picture, self.picture.model.dictionary.cell
        x, y, w, h = self.region
        # The kernel that enlarges reads up to three pixels beyond the region.
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
        # This thread does the entropy decoding while others synthesise, restore and convert colours.
        if vertical.plain and horizontal.plain:
            return _cut(ordered(lambda band: pixels_of(finish(band)), bands), vertical, horizontal)
        return map(pixels_of, resampled(ordered(finish, bands), vertical, horizontal))

    def _alpha(self) -> Image8:
        """Return the alpha plane of the output: exact at scale 1, resampled at other scales."""
        header, (x, y, w, h) = self.picture.reader.header, self.region
        plane = np.zeros((h, w), np.uint8)
        for tile in range(header.tile_count):
            left, top, width, height = header.tile_box(tile)
            a, b = max(left, x), min(left + width, x + w)
            c, d = max(top, y), min(top + height, y + h)
            if a < b and c < d:
                alpha = self._tile_alpha(tile, height, width)
                plane[c - y : d - y, a - x : b - x] = alpha[c - top : d - top, a - left : b - left]
        if (w, h) == (self.width, self.height):
            return plane
        vertical, horizontal = Axis(0, h, 1, self.height, h), Axis(0, w, 1, self.width, w)
        values = plane[None].astype(np.float32) * PLANE_UNIT
        scaled = np.concatenate([band[0] for band in resampled([values], vertical, horizontal)])
        return np.clip(np.floor((scaled + PLANE_UNIT // 2) / PLANE_UNIT), 0, 255).astype(np.uint8)

    def _tile_alpha(self, tile: int, height: int, width: int) -> Image8:
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


def _cut(bands: Iterator[Image8], vertical: Axis, horizontal: Axis) -> Iterator[Image8]:
    start, left = int(vertical.first[0]), int(horizontal.first[0])
    stop, right = start + vertical.count, left + horizontal.count
    done = 0
    for band in bands:
        top, bottom = max(start - done, 0), min(stop - done, len(band))
        if top < bottom:
            yield band[top:bottom, left:right]
        done += len(band)
