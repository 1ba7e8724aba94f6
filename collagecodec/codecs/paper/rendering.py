"""Renders the blocks of a `collage-paper` file as pixels at the requested size, a row of tiles at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bitstream.container import Header, Reader
from collagecodec.codecs.paper.decoder import (
    BLOCK,
    BLOCK_BITS,
    CELL,
    CHANNELS,
    MIDDLE,
    RATES,
    SAMPLE_UNIT,
    PaperDecoder,
    load_paper,
)
from collagecodec.errors import DamagedTileError, FormatError
from collagecodec.operator.blocks import BlockGrid
from collagecodec.sampling.bands import Band, resampled, resampling_bytes
from collagecodec.sampling.rendering import Rendering
from collagecodec.sampling.request import Image8, Request
from collagecodec.sampling.scales import natural_cell, shown

FINEST = 8 * CELL
"""Samples per side of the largest rendered cells; larger pictures are resampled from them."""
BATCH = 256
"""Number of blocks that are rendered at a time."""
SAMPLE_LIMIT = 2**14
"""Samples are clipped to +- this value in 1/16 level before they are resampled."""

Codes = NDArray[np.uint8]
"""Packed codes of blocks, (..., bytes per block)."""


@dataclass
class Picture:
    """An opened file; FormatError for an invalid header, ModelMismatchError for a missing model.

    With `tolerate_damage`, unreadable tiles become mid-grey and are listed in `damaged`.
    """

    reader: Reader
    tolerate_damage: bool = False
    damaged: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.header = header = self.reader.header
        if len(header.params) != 1 or header.params[0] >= len(RATES):
            raise FormatError("the header does not belong to a collage-paper file: the file is damaged")
        if header.tile_size % BLOCK:
            raise FormatError(
                f"tiles of {header.tile_size} pixels do not fit blocks of {BLOCK}: the file is damaged"
            )
        self.rate = header.params[0]
        self.block_bytes = BLOCK_BITS[self.rate] // 8
        self.model: PaperDecoder = load_paper(header.fingerprint.hex())
        self.grid = BlockGrid(header.height, header.width, BLOCK)

    def rendering(self, request: Request) -> Rendering:
        """Return the rendering of a request; ValueError and LimitError, and DamagedTileError while iterating."""
        header = self.header
        (x, y, w, h), (width, height) = request.resolve(header.width, header.height)
        n, rows, columns = _blocks(self.grid, request)
        side = n * BLOCK // CELL
        vertical = shown(y, h, height, n, CELL, rows.start * side, (rows.stop - rows.start) * side)
        horizontal = shown(x, w, width, n, CELL, columns.start * side, (columns.stop - columns.start) * side)
        bands = resampled(self._bands(rows, columns, n), vertical, horizontal, down_first=True)
        return Rendering(width, height, header.channels, map(_pixels, bands), self.damaged)

    def codes(self) -> Codes:
        """Return the packed codes of all blocks, row by row: (blocks, bytes per block)."""
        rows, columns = slice(0, self.grid.rows), slice(0, self.grid.columns)
        parts = [codes for codes, _ in self._rows_of_tiles(rows, columns)]
        return np.concatenate(parts).reshape(self.grid.count, -1)

    def _bands(self, rows: slice, columns: slice, n: int) -> Iterator[Band]:
        """Yield samples in 1/16 level around 0, float32 (1 or 3, h, w), a few block rows at a time."""
        step = max(1, _batch(n) // (columns.stop - columns.start))
        for codes, readable in self._rows_of_tiles(rows, columns):
            for first in range(0, len(codes), step):
                part = slice(first, first + step)
                yield self._band(codes[part], readable[part], n)

    def _band(self, codes: Codes, readable: NDArray[np.bool_], n: int) -> Band:
        """Render blocks (R, S, bytes): float32 (1 or 3, R * side, S * side), unreadable blocks as 0."""
        channels, side = self.header.channels, BLOCK * n // CELL
        flat = codes.reshape(-1, self.block_bytes)
        blocks = np.empty((len(flat), channels, side, side), np.float32)
        batch = _batch(n)
        for first in range(0, len(flat), batch):
            symbols = self.model.unpack(flat[first : first + batch], self.rate)
            z = self.model.render(self.model.code(symbols, self.rate), n) * SAMPLE_UNIT
            if channels == 1:
                z = np.floor((z[:, :1] + 2 * z[:, 1:2] + z[:, 2:] + 2) / 4)
            blocks[first : first + batch] = np.trunc(np.clip(z, -SAMPLE_LIMIT, SAMPLE_LIMIT))
        blocks[~readable.ravel()] = 0
        grid = blocks.reshape(*codes.shape[:2], channels, side, side)
        return grid.transpose(2, 0, 3, 1, 4).reshape(channels, codes.shape[0] * side, -1)

    def _rows_of_tiles(self, rows: slice, columns: slice) -> Iterator[tuple[Codes, NDArray[np.bool_]]]:
        """Yield, for every row of tiles, the requested codes (R, S, bytes) and which of them are readable."""
        header = self.header
        tall = header.tile_size // BLOCK if header.tile_size else self.grid.rows
        wide = header.tile_size // BLOCK if header.tile_size else self.grid.columns
        for i in header.tile_rows(rows.start * BLOCK, (rows.stop - rows.start) * BLOCK):
            down = slice(max(rows.start, i * tall), min(rows.stop, (i + 1) * tall))
            shape = (down.stop - down.start, columns.stop - columns.start)
            codes, readable = np.zeros((*shape, self.block_bytes), np.uint8), np.ones(shape, bool)
            for j in header.tile_columns(columns.start * BLOCK, (columns.stop - columns.start) * BLOCK):
                across = slice(max(columns.start, j * wide), min(columns.stop, (j + 1) * wide))
                place = slice(across.start - columns.start, across.stop - columns.start)
                tile = self._tile(i * header.tiles_across + j)
                if tile is None:
                    readable[:, place] = False
                else:
                    inside = slice(across.start - j * wide, across.stop - j * wide)
                    codes[:, place] = tile[down.start - i * tall : down.stop - i * tall, inside]
            yield codes, readable

    def _tile(self, tile: int) -> Codes | None:
        """Return the codes of a tile, (rows, columns, bytes); None if damage is tolerated and it is
        unreadable."""
        _, _, width, height = self.header.tile_box(tile)
        grid = BlockGrid(height, width, BLOCK)
        try:
            payload = self.reader.tile(tile)
            if len(payload) != grid.count * self.block_bytes:
                raise DamagedTileError(
                    tile, f"{len(payload)} bytes for {grid.count} blocks of {self.block_bytes}"
                )
        except DamagedTileError:
            if not self.tolerate_damage:
                raise
            self.damaged.append(tile)
            return None
        return np.frombuffer(payload, np.uint8).reshape(grid.rows, grid.columns, self.block_bytes)


def _blocks(grid: BlockGrid, request: Request) -> tuple[int, slice, slice]:
    """Return the samples of a range cell at the size of a request, and the rows and columns of blocks."""
    (x, y, w, h), size = request.resolve(grid.width, grid.height)
    n = natural_cell(CELL, FINEST, (w, h), size)
    # The kernel that enlarges reads a little beyond the region.
    rim = 1 if n == FINEST else 0
    left, top = max(x - rim, 0), max(y - rim, 0)
    right, bottom = min(x + w + rim, grid.width), min(y + h + rim, grid.height)
    return n, *grid.cover((left, top, right - left, bottom - top))


def _batch(n: int) -> int:
    """Return how many blocks are rendered at a time: fewer where they are large."""
    return max(1, BATCH * CELL**2 // max(n, CELL) ** 2)


def working_bytes(header: Header, request: Request) -> int:
    """Return an upper bound of the memory of a rendering, beside its pixels."""
    grid = BlockGrid(header.height, header.width, BLOCK)
    n, rows, columns = _blocks(grid, request)
    down, across = rows.stop - rows.start, columns.stop - columns.start
    side = BLOCK * n // CELL
    tall = min(down, header.tile_size // BLOCK or down)
    band = max(1, _batch(n) // across)
    codes = 2 * max(BLOCK_BITS) // 8 * tall * across
    rendered = CHANNELS * side**2 * (100 * _batch(n) + 16 * band * across)
    samples = across * side, down * side
    return (
        codes
        + rendered
        + resampling_bytes(header.channels, band * side, samples, request.resolve(header.width, header.height)[1])
    )


def _pixels(samples: Band) -> Image8:
    """Convert grey or RGB samples in 1/16 level around 0 to 8-bit pixels, halves up: (H, W) or (H, W, 3)."""
    levels = (samples.astype(np.int32) + (MIDDLE * SAMPLE_UNIT + SAMPLE_UNIT // 2)) // SAMPLE_UNIT
    pixels = np.clip(levels, 0, 255).astype(np.uint8)
    return pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))
