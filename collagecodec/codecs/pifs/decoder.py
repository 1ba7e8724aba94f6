"""Renders `pifs` files as pixels at the requested size."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bitstream.container import Header, Reader
from bitstream.errors import DamagedTileError, FormatError
from collagecodec.codecs.pifs import entropy, fixed
from collagecodec.codecs.pifs.fixed_point import Map, Samples
from collagecodec.codecs.pifs.format import Params, plane_layouts, plane_means, tile_sides
from collagecodec.codecs.pifs.tree import Means, Tree, cells
from collagecodec.sampling.bands import Band, resampled, resampling_bytes
from collagecodec.sampling.colour import pixels_of
from collagecodec.sampling.rendering import Rendering
from collagecodec.sampling.request import Request
from collagecodec.sampling.resample import Axis
from collagecodec.sampling.scales import cover, natural_cell

FINEST_SAMPLES = 2**24
"""Maximum number of samples of a rendered tile; larger pictures are resampled from there."""


def working_bytes(header: Header, request: Request) -> int:
    """Return an upper bound of the memory of a rendering, beside its pixels; FormatError."""
    params = Params.read(header)
    unit, (height, width) = params.partition.unit, tile_sides(header)
    (_, _, w, h), size = request.resolve(header.width, header.height)
    n = natural_cell(unit, finest(header) * unit, (w, h), size)
    planes = 1 + 2 / params.chroma**2 if header.channels == 3 else 1
    # The partition rounds the sides of tiles up to whole range cells.
    tile = (height + params.partition.largest) * (width + params.partition.largest)
    trees = planes * tile * (160 / params.partition.smallest**2 + 100)
    rendered = tile * (n / unit) ** 2 * (40 + 12 * header.channels)
    samples = -(-w * n // unit) + 4 * n, -(-h * n // unit) + 4 * n
    rows = min(height * n // unit + n, samples[1])
    return int(trees + rendered) + resampling_bytes(header.channels, rows, samples, size)


def finest(header: Header) -> int:
    """Return the largest natural scale of a picture: 4, 2 or 1."""
    height, width = tile_sides(header)
    return next(n for n in (4, 2, 1) if height * width * n * n <= FINEST_SAMPLES)


class Picture:
    """An opened file; FormatError for parameters out of range.

    With `tolerate_damage`, unreadable tiles become mid-grey and are listed in `damaged`.
    """

    def __init__(self, reader: Reader, tolerate_damage: bool = False) -> None:
        self.reader, self.header, self.tolerate_damage = reader, reader.header, tolerate_damage
        self.damaged: list[int] = []
        self.params = Params.read(self.header)
        self.finest = finest(self.header)

    def trees(self, tile: int) -> list[Tree]:
        """Decode the trees of the planes of a tile; DamagedTileError if it cannot be read."""
        layouts = plane_layouts(self.header, self.params, tile)
        payload = bytes(self.reader.tile(tile))
        try:
            if self.params.mean_bits:
                return fixed.unpack(payload, layouts, self.params.mean_bits)
            return entropy.unpack(payload, layouts)
        except FormatError as error:
            raise DamagedTileError(tile, str(error)) from error

    def rendering(self, request: Request) -> Rendering:
        """Return the rendering of a request; ValueError and LimitError, and DamagedTileError while iterating."""
        header, unit = self.header, self.params.partition.unit
        (x, y, w, h), (width, height) = request.resolve(header.width, header.height)
        n = natural_cell(unit, self.finest * unit, (w, h), (width, height))
        vertical, rows = cover(y, h, height, n, unit, -(-header.height // unit))
        horizontal, columns = cover(x, w, width, n, unit, -(-header.width // unit))
        bands = resampled(self._bands(n, rows, columns), vertical, horizontal)
        return Rendering(width, height, header.channels, map(pixels_of, bands), self.damaged)

    def _bands(self, n: int, rows: slice, columns: slice) -> Iterator[Band]:
        """Yield planes of units of n samples, in 1/16 level, float32 (C, h, w), a row of tiles at a time."""
        header, unit = self.header, self.params.partition.unit
        for row in header.tile_rows(rows.start * unit, (rows.stop - rows.start) * unit):
            if row >= header.tiles_down:
                continue
            top, bottom = self._within(row, rows, header.height)
            band = np.empty((header.channels, (bottom - top) * n, (columns.stop - columns.start) * n), np.float32)
            for column in header.tile_columns(columns.start * unit, (columns.stop - columns.start) * unit):
                if column >= header.tiles_across:
                    continue
                left, right = self._within(column, columns, header.width)
                first = row * header.tile_size // unit, column * header.tile_size // unit
                down = slice((top - first[0]) * n, (bottom - first[0]) * n)
                across = slice((left - first[1]) * n, (right - first[1]) * n)
                planes = self._tile_or_grey(row * header.tiles_across + column, n)
                place = slice((left - columns.start) * n, (right - columns.start) * n)
                band[:, :, place] = planes[:, down, across]
            yield band

    def _within(self, number: int, requested: slice, length: int) -> tuple[int, int]:
        """Return the first unit and the last + 1 of a row or column of tiles that the request needs."""
        unit, side = self.params.partition.unit, self.header.tile_size or length
        first, last = number * side // unit, -(-min((number + 1) * side, length) // unit)
        return max(first, requested.start), min(last, requested.stop)

    def _tile_or_grey(self, tile: int, n: int) -> Band:
        """Return the planes of a tile as `_tile` does; zeros if damage is tolerated and it is unreadable."""
        try:
            return self._tile(tile, n)
        except DamagedTileError:
            if not self.tolerate_damage:
                raise
        self.damaged.append(tile)
        unit = self.params.partition.unit
        _, _, width, height = self.header.tile_box(tile)
        return np.zeros((self.header.channels, -(-height // unit) * n, -(-width // unit) * n), np.float32)

    def _tile(self, tile: int, n: int) -> Band:
        """Decode the planes of a tile in 1/16 level, padded to full units of n samples: float32 (C, h, w)."""
        unit = self.params.partition.unit
        planes: list[NDArray[np.float32]] = []
        for tree, means in zip(self.trees(tile), plane_means(self.params, self.header.channels), strict=True):
            z = _fixed_point(tree, means, n, self.params.iterations)
            height, width = (-(-side // unit) * n for side in (tree.layout.height, tree.layout.width))
            plane = z[:height, :width].astype(np.float32)
            if planes and self.params.chroma > 1:
                plane = _enlarged(plane, self.params.chroma, *planes[0].shape)
            planes.append(plane)
        return np.stack(planes)


def _fixed_point(tree: Tree, means: Means, n: int, iterations: int) -> Samples:
    return Map.of(tree.layout, cells(tree, means), n).iterate(iterations)


def _enlarged(plane: NDArray[np.float32], factor: int, height: int, width: int) -> NDArray[np.float32]:
    """Resample a plane on a grid `factor` times as fine, first across and then down: (height, width)."""
    for side in (width, height):
        axis = Axis(0, side, factor, side, plane.shape[1])
        # Each pass resamples the last axis of the transposed plane.
        plane = axis.apply(np.ascontiguousarray(plane.T)[None], 0, side)[0]
    return plane
