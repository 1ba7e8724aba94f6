"""Decoding layers: every layer is opened by its own codec, and their rows are put together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitstream import varint
from bitstream.container import Header, Reader
from collagecodec.codecs.alpha import unpack_alpha
from collagecodec.codecs.layers import residual
from collagecodec.codecs.layers.format import Description, unpack
from collagecodec.codecs.layers.samples import samples_of
from collagecodec.errors import DamagedTileError, FormatError
from collagecodec.sampling.rendering import Rendering
from collagecodec.sampling.request import Region, Request, Size


class LayerReader:
    """The tiles of one layer, as its codec reads them from a file of its own."""

    metadata: Mapping[str, bytes] = MappingProxyType({})

    def __init__(self, reader: Reader, header: Header, index: int) -> None:
        self._reader, self.header, self._index = reader, header, index

    def tile(self, tile: int) -> memoryview:
        """Return the payload of a tile of this layer; DamagedTileError, IndexError."""
        payload = self._reader.tile(tile)
        try:
            return part_of(payload, self._index)
        except FormatError as error:
            raise DamagedTileError(tile, str(error)) from error

    def check(self) -> None:
        """Verify every tile of the file."""
        self._reader.check()


def part_of(payload: memoryview, index: int) -> memoryview:
    """Return part `index` of a tile; FormatError if the tile has not so many."""
    at = 0
    for number in range(index + 1):
        length, at = varint.unpack(payload, at)
        if at + length > len(payload):
            raise FormatError("a layer is longer than its tile")
        if number == index:
            return payload[at : at + length]
        at += length
    raise AssertionError


def memory_needed(description: Description, header: Header, request: Request, fast: bool) -> int:
    """Return an upper bound of the bytes that rendering takes beside file and output."""
    from collagecodec.codecs import registry

    region, size = request.resolve(header.width, header.height)
    groups = [registry.class_of(group).working_bytes(group, request, fast=fast) for group in description.groups]
    needed = sum(groups)
    if description.alpha:
        needed += 2 * region[2] * region[3] * description.dtype.itemsize
    if description.max_error is not None and size == region[2:] and not fast:
        side = header.tile_size or max(header.width, header.height)
        columns = header.tile_columns(region[0], region[2])
        rows = min(side, header.height)
        across = min(columns.stop * side, header.width) - columns.start * side
        # Planes, levels and samples of a row of tiles, and the views of the passes of a tile.
        needed += rows * across * len(description.bands) * 32 + rows * min(side, header.width) * 64
    return needed


@dataclass
class Picture:
    """An opened file of layers."""

    reader: Reader
    tolerate: bool = False
    fast: bool = False
    damaged: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.header = self.reader.header
        self.description: Description = unpack(self.reader.layers, self.header)

    def render(self, request: Request) -> Rendering:
        """Return the rendering of a request, which applies residuals at the stored size only."""
        region, size = request.resolve(self.header.width, self.header.height)
        exact = size == region[2:] and not self.fast and self.description.max_error is not None
        bands = self._corrected(region) if exact else self._lossy(region, size)
        return Rendering(*size, self.description.channels, bands, self.damaged, np.dtype(self.description.dtype))

    def _lossy(self, region: Region, size: Size) -> Iterator[NDArray[Any]]:
        row = 0
        alpha = self._alpha(region, size) if self.description.alpha else None
        for planes in self._planes(region, size):
            samples = samples_of(planes, self.description)
            yield self._assembled(samples, alpha, row)
            row += planes.shape[1]

    def _planes(self, region: Region, size: Size) -> Iterator[NDArray[np.uint8]]:
        """Yield the planes of all layers, uint8 (planes, rows, width), in bands of rows."""
        from collagecodec.codecs import registry

        request, renderings = Request.of(size=size, region=region), []
        for index, header in enumerate(self.description.groups):
            codec = registry.class_of(header)
            layer: Any = LayerReader(self.reader, header, index)
            options = {"tolerate_damage": self.tolerate} if "tolerate_damage" not in codec.refused_options else {}
            if self.fast and "fast" not in codec.refused_options:
                options["fast"] = True
            codec.check_header(header)
            renderings.append(codec.open(layer, request, **options))
        yield from _in_step([iter(rendering) for rendering in renderings], size)
        for rendering in renderings:
            self._note(rendering.damaged)

    def _note(self, tiles: Sequence[int]) -> None:
        self.damaged[:] = sorted({*self.damaged, *tiles})

    def _assembled(self, samples: NDArray[np.int32], alpha: NDArray[Any] | None, row: int) -> NDArray[Any]:
        pixels = samples.transpose(1, 2, 0).astype(self.description.dtype)
        if alpha is not None:
            pixels = np.concatenate([pixels, alpha[row : row + len(pixels), :, None]], axis=2)
        return pixels[..., 0] if pixels.shape[2] == 1 else pixels

    def _corrected(self, region: Region) -> Iterator[NDArray[Any]]:
        """Yield rows of a region at the stored size with residuals, a row of tiles at a time."""
        x, y, width, height = region
        side = self.header.tile_size or max(self.header.width, self.header.height)
        left = x // side * side
        right = min(-(-(x + width) // side) * side, self.header.width)
        alpha = self._alpha(region, (width, height)) if self.description.alpha else None
        for top in range(y // side * side, y + height, side):
            bottom = min(top + side, self.header.height)
            box = left, top, right - left, bottom - top
            planes = np.concatenate(list(self._planes(box, box[2:])), axis=1)
            samples = self._with_residuals(planes, box, side)
            first, last = max(y, top), min(y + height, bottom)
            part = samples[:, first - top : last - top, x - left : x - left + width]
            yield self._assembled(part, alpha, first - y)

    def _with_residuals(self, planes: NDArray[np.uint8], box: Region, side: int) -> NDArray[np.int32]:
        left, top, width, _ = box
        samples = samples_of(planes, self.description)
        order = np.argsort(self.description.order)
        index = len(self.description.groups) + self.description.alpha
        step = 2 * (self.description.max_error or 0) + 1
        for start in range(left, left + width, side):
            tile = (top // side) * self.header.tiles_across + start // side
            part = (slice(None), slice(None), slice(start - left, min(start - left + side, width)))
            try:
                decoded = self._residuals(tile, index, [planes[plane][part[1:]] for plane in order])
            except DamagedTileError:
                if not self.tolerate:
                    raise
                self._note([tile])
                continue
            samples[part] += np.stack(decoded) * step
        lows = np.array([band.low for band in self.description.bands])[:, None, None]
        highs = np.array([band.high for band in self.description.bands])[:, None, None]
        return np.clip(samples, lows, highs).astype(np.int32)

    def _residuals(self, tile: int, index: int, lossy: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.int32]]:
        payload = self.reader.tile(tile)
        try:
            return residual.decode(part_of(payload, index), lossy)
        except FormatError as error:
            raise DamagedTileError(tile, str(error)) from error

    def _alpha(self, region: Region, size: Size) -> NDArray[Any]:
        """Return alpha of a region at a size: exact at the stored size, else that of the nearest pixel."""
        x, y, width, height = region
        dtype = self.description.dtype
        plane = np.zeros((height, width), dtype)
        for tile in range(self.header.tile_count):
            left, top, wide, high = self.header.tile_box(tile)
            columns, rows = (
                (max(left, x), min(left + wide, x + width)),
                (max(top, y), min(top + high, y + height)),
            )
            if columns[0] < columns[1] and rows[0] < rows[1]:
                alpha = self._tile_alpha(tile, high, wide)
                plane[rows[0] - y : rows[1] - y, columns[0] - x : columns[1] - x] = alpha[
                    rows[0] - top : rows[1] - top, columns[0] - left : columns[1] - left
                ]
        if size == (width, height):
            return plane
        across = (2 * np.arange(size[0]) + 1) * width // (2 * size[0])
        down = (2 * np.arange(size[1]) + 1) * height // (2 * size[1])
        return plane[np.ix_(down, across)]

    def _tile_alpha(self, tile: int, height: int, width: int) -> NDArray[Any]:
        dtype = np.dtype(self.description.dtype)
        try:
            payload = self.reader.tile(tile)
            try:
                part = part_of(payload, len(self.description.groups))
                planes = [unpack_alpha(part_of(part, index), height, width) for index in range(dtype.itemsize)]
            except FormatError as error:
                raise DamagedTileError(tile, str(error)) from error
        except DamagedTileError:
            if not self.tolerate:
                raise
            self._note([tile])
            return np.full((height, width), np.iinfo(dtype).max, dtype)  # type: ignore[type-var, arg-type]
        stacked = np.ascontiguousarray(np.stack(planes, axis=2))
        return stacked.view(dtype.newbyteorder("<"))[..., 0].astype(dtype)


def _in_step(bands: Sequence[Iterator[NDArray[np.uint8]]], size: Size) -> Iterator[NDArray[np.uint8]]:
    """Join layers whose bands have different heights; each is (rows, width) or (rows, width, 3)."""
    waiting = [np.empty((0, 0, 0), np.uint8)] * len(bands)
    row = 0
    while row < size[1]:
        for index, iterator in enumerate(bands):
            while not len(waiting[index]):
                band = next(iterator)
                waiting[index] = band.reshape(*band.shape[:2], -1)
        count = min(len(rows) for rows in waiting)
        joined = np.concatenate([rows[:count] for rows in waiting], axis=2)
        waiting = [rows[count:] for rows in waiting]
        yield np.ascontiguousarray(joined.transpose(2, 0, 1))
        row += count
    for iterator in bands:
        for rest in iterator:
            assert not len(rest)
