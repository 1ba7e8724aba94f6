"""Renders the planes of a picture as pixels at the requested size: scale, region, colour and alpha.

Codes are rendered with the smallest cells that are not below the requested size: n = 1..16 samples, and 32 or 64
where the model has an enlargement network. Other sizes are resampled in integer arithmetic. A fixed kernel is
linear and acts on every atom alike, so an enlarged picture is the collage with its auxiliary domains on a finer
grid; the enlargement network finds better auxiliary domains there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from collagecodec.codecs.alpha import unpack_alpha
from collagecodec.codecs.collage.decoder import MIN_BAND, STRIP_CELLS, CodeBand, Picture, split_tile
from collagecodec.codecs.collage.enlargement import REACH
from collagecodec.errors import FormatError
from collagecodec.sampling.bands import Band, resampled
from collagecodec.sampling.colour import PLANE_UNIT, pixels_of
from collagecodec.sampling.rendering import Rendering
from collagecodec.sampling.request import Image8, Request
from collagecodec.sampling.resample import Axis
from collagecodec.sampling.scales import natural_cell, shown
from collagecodec.sampling.threads import ordered, throttled

MAX_THREADS = 4
"""Maximum number of threads beside the one that decodes symbols, which cannot keep more of them busy."""
MAX_DOUBLINGS = 2
"""Maximum number of doublings by the enlargement network; further ones gain little and cost much."""


def render(picture: Picture, request: Request, fast: bool = False) -> Rendering:
    """Return the rendering of a request; ValueError and LimitError as `Request.resolve`."""
    view = _View(picture, request, fast)
    return Rendering(view.width, view.height, view.channels, throttled(view.bands()), picture.damaged)


def doublings_for(n: int, cell: int) -> int:
    """Return how often cells of `cell` samples must be doubled to have at least n."""
    return max(0, (-(-n // cell) - 1).bit_length())


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
        self.doublings = doublings_for(n, cell)
        self.n = cell << self.doublings if self.doublings else n
        """Samples per cell side before resampling."""

    def bands(self) -> Iterator[Image8]:
        """Return the bands of the output, uint8 (h, width) or (h, width, channels), from top to bottom."""
        colour = self._colour()
        return colour if self.channels in (1, 3) else _joined(colour, self._alpha())

    def _span(self, start: int, length: int, scaled: bool) -> tuple[int, int]:
        """Return the blocks that an axis of the region needs: the first, and the last + 1."""
        cell = self.picture.layout.cell
        # The kernel that enlarges reads up to three pixels beyond the region.
        rim = REACH if self.n >= cell and scaled else 0
        return max(start - rim, 0) // cell, -(-(start + length + rim) // cell)

    def _colour(self) -> Iterator[Image8]:
        picture, cell = self.picture, self.picture.layout.cell
        x, y, w, h = self.region
        scaled = (self.width, self.height) != (w, h)
        rows, columns = self._span(y, h, scaled), self._span(x, w, scaled)
        rows = rows[0], min(rows[1], picture.layout.block_rows)
        columns = columns[0], min(columns[1], picture.layout.block_columns)
        restored = self.n >= cell and not self.fast
        margin = -(-picture.finishing_margin(self.doublings) // cell) if restored else 0
        least, strip = MIN_BAND >> self.doublings, STRIP_CELLS >> self.doublings
        bands = picture.code_bands(min(self.n, cell), rows, columns, margin, least, strip)

        def finish(band: CodeBand) -> Band:
            return picture.restored(band, self.doublings) if restored else picture.planes(band)

        n = self.n
        vertical = shown(y, h, self.height, n, cell, rows[0] * n, (rows[1] - rows[0]) * n)
        horizontal = shown(x, w, self.width, n, cell, columns[0] * n, (columns[1] - columns[0]) * n)
        # This thread does the entropy decoding while others synthesise, restore and convert colours.
        if vertical.plain and horizontal.plain:
            pixels = ordered(lambda band: (pixels_of(finish(band)), band.last), bands, most=MAX_THREADS)
            return _cut(_assembled(pixels, 1), vertical, horizontal)
        planes = ordered(lambda band: (finish(band), band.last), bands, most=MAX_THREADS)
        return map(pixels_of, resampled(_assembled(planes, 2), vertical, horizontal))

    def _alpha(self) -> Iterator[Image8]:
        """Yield the alpha plane of the output in bands: exact at scale 1, resampled at other scales."""
        header, (x, y, w, h) = self.picture.reader.header, self.region
        if (w, h) == (self.width, self.height):
            yield from self._stored_alpha(x, y, w, h)
            return
        left, top = max(x - REACH, 0), max(y - REACH, 0)
        right, bottom = min(x + w + REACH, header.width), min(y + h + REACH, header.height)
        vertical = Axis(y - top, h, 1, self.height, bottom - top)
        horizontal = Axis(x - left, w, 1, self.width, right - left)
        stored = self._stored_alpha(left, top, right - left, bottom - top)
        planes = (band[None].astype(np.float32) * PLANE_UNIT for band in stored)
        for (band,) in resampled(planes, vertical, horizontal):
            yield np.clip(np.floor((band + PLANE_UNIT // 2) / PLANE_UNIT), 0, 255).astype(np.uint8)

    def _stored_alpha(self, x: int, y: int, w: int, h: int) -> Iterator[Image8]:
        """Yield the alpha samples of a region of the stored picture, a row of tiles at a time."""
        header = self.picture.reader.header
        for row in header.tile_rows(y, h):
            band = np.zeros((0, w), np.uint8)
            for column in header.tile_columns(x, w):
                tile = row * header.tiles_across + column
                left, top, width, height = header.tile_box(tile)
                a, b = max(left, x), min(left + width, x + w)
                c, d = max(top, y), min(top + height, y + h)
                if not len(band):
                    band = np.zeros((d - c, w), np.uint8)
                alpha = self._tile_alpha(tile, height, width)
                band[:, a - x : b - x] = alpha[c - top : d - top, a - left : b - left]
            yield band

    def _tile_alpha(self, tile: int, height: int, width: int) -> Image8:
        """Return the alpha of a tile; that of an unreadable one, which is listed, is opaque."""
        try:
            packed, _ = split_tile(self.picture.reader.tile(tile), self.channels)
            return unpack_alpha(packed, height, width)
        except FormatError as error:
            self.picture.note_damage(tile, error)
            return np.full((height, width), 255, np.uint8)


def _assembled(strips: Iterator[tuple[Any, bool]], axis: int) -> Iterator[Any]:
    """Yield bands of strips, which come from left to right; True marks the last strip of a band."""
    parts = []
    for strip, last in strips:
        parts.append(strip)
        if last:
            yield np.concatenate(parts, axis) if len(parts) > 1 else parts[0]
            parts = []


def _joined(colour: Iterator[Image8], alpha: Iterator[Image8]) -> Iterator[Image8]:
    """Yield the bands of `colour` with the alpha samples of the same rows."""
    rest = next(alpha)
    for band in colour:
        while len(rest) < len(band):
            rest = np.concatenate([rest, next(alpha)])
        part, rest = rest[: len(band), :, None], rest[len(band) :]
        yield np.concatenate([band if band.ndim == 3 else band[..., None], part], axis=2)


def _cut(bands: Iterator[Image8], vertical: Axis, horizontal: Axis) -> Iterator[Image8]:
    start, left = int(vertical.first[0]), int(horizontal.first[0])
    stop, right = start + vertical.count, left + horizontal.count
    done = 0
    for band in bands:
        top, bottom = max(start - done, 0), min(stop - done, len(band))
        if top < bottom:
            yield band[top:bottom, left:right]
        done += len(band)
