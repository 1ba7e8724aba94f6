"""From the blocks of a `collage-paper` file to pixels at the size that was asked for, tile row by tile row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bitstream.container import Reader
from collagecodec.codecs.paper.decoder import (
    BLOCK,
    BLOCK_BITS,
    CELL,
    MIDDLE,
    RATES,
    SAMPLE_UNIT,
    PaperDecoder,
    load_paper,
)
from collagecodec.errors import DamagedTileError, FormatError
from collagecodec.operator.blocks import BlockGrid
from collagecodec.sampling.bands import Band, resampled
from collagecodec.sampling.rendering import Rendering
from collagecodec.sampling.request import Image8, Request
from collagecodec.sampling.scales import natural_cell, shown

FINEST = 8 * CELL
"""Samples a side of the finest cells that are rendered; beyond that, pictures are enlarged by resampling."""
BATCH = 256
"""Blocks that are rendered at a time."""
SAMPLE_LIMIT = 2**14
"""Samples are clipped to this many 1/16 levels either way before they are resampled."""

Codes = NDArray[np.uint8]
"""Packed codes of blocks, (..., bytes of a block)."""


@dataclass
class Picture:
    """A file of the codec; FormatError for a header out of range, ModelMismatchError.

    With `tolerate_damage` an unreadable tile comes out mid-grey and is listed in `damaged`.
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
        """The rendering of a request; ValueError, LimitError, and while it is iterated over DamagedTileError."""
        header = self.header
        (x, y, w, h), (width, height) = request.resolve(header.width, header.height)
        n = natural_cell(CELL, FINEST, (w, h), (width, height))
        # The kernel that enlarges looks a little beyond the region.
        rim = 1 if n == FINEST else 0
        left, top = max(x - rim, 0), max(y - rim, 0)
        right, bottom = min(x + w + rim, header.width), min(y + h + rim, header.height)
        rows, columns = self.grid.cover((left, top, right - left, bottom - top))
        side = n * BLOCK // CELL
        vertical = shown(y, h, height, n, CELL, rows.start * side, (rows.stop - rows.start) * side)
        horizontal = shown(x, w, width, n, CELL, columns.start * side, (columns.stop - columns.start) * side)
        bands = resampled(self._bands(rows, columns, n), vertical, horizontal, down_first=True)
        return Rendering(width, height, header.channels, map(_pixels, bands), self.damaged)

    def codes(self) -> Codes:
        """The packed codes of all blocks, row by row: (blocks, bytes of a block)."""
        everything = slice(0, self.grid.columns)
        rows = [codes for codes, _ in self._rows_of_tiles(slice(0, self.grid.rows), everything)]
        return np.concatenate(rows).reshape(self.grid.count, -1)

    def _bands(self, rows: slice, columns: slice, n: int) -> Iterator[Band]:
        """Samples of some blocks in 1/16 level around 0: float32 (1 or 3, h, w), some block rows at a time."""
        step = max(1, BATCH // (columns.stop - columns.start))
        for codes, readable in self._rows_of_tiles(rows, columns):
            for first in range(0, len(codes), step):
                part = slice(first, first + step)
                yield self._band(codes[part], readable[part], n)

    def _band(self, codes: Codes, readable: NDArray[np.bool_], n: int) -> Band:
        """Samples of blocks (R, S, bytes): float32 (1 or 3, R * side, S * side)."""
        channels, side = self.header.channels, BLOCK * n // CELL
        flat = codes.reshape(-1, self.block_bytes)
        blocks = np.empty((len(flat), channels, side, side), np.float32)
        for first in range(0, len(flat), BATCH):
            symbols = self.model.unpack(flat[first : first + BATCH], self.rate)
            z = self.model.render(self.model.code(symbols, self.rate), n) * SAMPLE_UNIT
            if channels == 1:
                z = np.floor((z[:, :1] + 2 * z[:, 1:2] + z[:, 2:] + 2) / 4)
            blocks[first : first + BATCH] = np.trunc(np.clip(z, -SAMPLE_LIMIT, SAMPLE_LIMIT))
        blocks[~readable.ravel()] = 0
        grid = blocks.reshape(*codes.shape[:2], channels, side, side)
        return grid.transpose(2, 0, 3, 1, 4).reshape(channels, codes.shape[0] * side, -1)

    def _rows_of_tiles(self, rows: slice, columns: slice) -> Iterator[tuple[Codes, NDArray[np.bool_]]]:
        """For every row of tiles the codes of its wanted blocks, (R, S, bytes), and which are readable."""
        header = self.header
        tall = header.tile_size // BLOCK if header.tile_size else self.grid.rows
        wide = header.tile_size // BLOCK if header.tile_size else self.grid.columns
        for i in range(header.tiles_down):
            down = slice(max(rows.start, i * tall), min(rows.stop, (i + 1) * tall))
            if down.start >= down.stop:
                continue
            shape = (down.stop - down.start, columns.stop - columns.start)
            codes, readable = np.zeros((*shape, self.block_bytes), np.uint8), np.ones(shape, bool)
            for j in range(header.tiles_across):
                across = slice(max(columns.start, j * wide), min(columns.stop, (j + 1) * wide))
                if across.start >= across.stop:
                    continue
                place = slice(across.start - columns.start, across.stop - columns.start)
                tile = self._tile(i * header.tiles_across + j)
                if tile is None:
                    readable[:, place] = False
                else:
                    inside = slice(across.start - j * wide, across.stop - j * wide)
                    codes[:, place] = tile[down.start - i * tall : down.stop - i * tall, inside]
            yield codes, readable

    def _tile(self, tile: int) -> Codes | None:
        """The codes of the blocks of a tile; None for an unreadable tile, if that is tolerated."""
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


def _pixels(samples: Band) -> Image8:
    """RGB or grey samples in 1/16 level around 0 to 8-bit pixels, halves up: (H, W) or (H, W, 3)."""
    levels = (samples.astype(np.int32) + (MIDDLE * SAMPLE_UNIT + SAMPLE_UNIT // 2)) // SAMPLE_UNIT
    pixels = np.clip(levels, 0, 255).astype(np.uint8)
    return pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))
