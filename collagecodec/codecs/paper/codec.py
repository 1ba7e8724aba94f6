"""`collage-paper`: the Neural Collage of Poli et al. 2022 on 40x40 blocks, so that their table can be re-run.

Codes have fixed width and are not entropy coded; the production codec is `collage`. A block takes 26 or 62
bytes, so that any block of a tile can be read by itself. Blocks do not overlap, and their edges can be seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from bitstream.container import CODEC_IDS, Header, Reader, write
from collagecodec.codecs.base import Codec
from collagecodec.codecs.models import current
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
from collagecodec.errors import DamagedTileError, FormatError, MissingLibraryError, UnsupportedImageError
from collagecodec.operator.blocks import BlockGrid
from collagecodec.sampling.request import Image8, Region, Request
from collagecodec.sampling.resample import Axis
from collagecodec.sampling.scales import natural_cell, shown

if TYPE_CHECKING:
    from collagecodec.operator.collage import Collage

TILE = 32 * BLOCK
"""Side of a tile in pixels."""
FINEST = 8 * CELL
"""Samples a side of the finest cells that are rendered; beyond that, pictures are enlarged by resampling."""
BATCH = 256
SAMPLE_LIMIT = 2**14
"""Samples are clipped to this many 1/16 levels either way before they are resampled."""

Samples = NDArray[np.int16]


@dataclass(frozen=True)
class PaperCollageCodec(Codec):
    """`bpp` is 0.13 or 0.31, the rates of the paper's table, reached from one model; `model` by name."""

    bpp: float = 0.31
    model: str = "paper"

    name: ClassVar[str] = "collage-paper"
    rescales: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """ValueError for another rate."""
        if self.bpp not in RATES:
            raise ValueError(f"the rates are {' and '.join(map(str, RATES))} bits a pixel, not {self.bpp}")

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the model's newest decoder."""
        return current(self.model)[1]

    def encode(self, image: Image8) -> bytes:
        """See `Codec.encode`; grey pictures are coded as three equal channels."""
        try:
            from collagecodec.codecs.paper.encoder import load_paper_encoder
        except ModuleNotFoundError as error:
            raise MissingLibraryError(
                f"encoding with collage-paper needs PyTorch ({error}): pip install 'collagecodec[train]'"
            ) from error

        channels = _channels(image)
        encoder = load_paper_encoder(self.model)
        rate = RATES.index(self.bpp)
        header = Header(
            codec=CODEC_IDS[self.name],
            width=image.shape[1],
            height=image.shape[0],
            channels=channels,
            tile_size=TILE if max(image.shape[:2]) > TILE else 0,
            fingerprint=bytes.fromhex(encoder.decoder.fingerprint),
            params=bytes([rate]),
        )
        payloads = []
        for tile in range(header.tile_count):
            x, y, w, h = header.tile_box(tile)
            pixels = image[y : y + h, x : x + w].reshape(h, w, channels)
            blocks = BlockGrid(h, w, BLOCK).split(np.broadcast_to(pixels, (h, w, CHANNELS)))
            payloads.append(encoder.decoder.pack(encoder.symbols(blocks, rate), rate))
        return write(header, payloads)

    def decode(
        self,
        data: bytes,
        *,
        scale: float = 1,
        size: tuple[int, int] | None = None,
        region: Region | None = None,
    ) -> Image8:
        """See `Codec.decode`; only the blocks of the region are decoded, at the size that is asked for.

        Multiples of 1/20 up to 8 are natural scales; others are resampled from the next larger one.
        """
        request = Request(Fraction(scale).limit_denominator(4096), size, region)
        return render(Reader(data), request)

    @classmethod
    def collages(cls, data: bytes) -> tuple[Collage, ...]:
        """See `Codec.collages`; one map of RGB levels around 0, blocks row by row, before any rounding.

        The fixed point is the picture up to the decoder's roundings to 1/16 level, each shrunk by the map.
        """
        from collagecodec.operator.collage import Collage

        reader = Reader(data)
        model, rate = _model(reader), reader.header.params[0]
        grid = BlockGrid(reader.header.height, reader.header.width, BLOCK)
        stored = np.empty((grid.rows, grid.columns, BLOCK_BITS[rate] // 8), np.uint8)
        everything = slice(0, grid.rows), slice(0, grid.columns)
        for packed, down, across in _stored_blocks(reader, stored.shape[2], *everything):
            stored[down, across] = packed.reshape(down.stop - down.start, -1, stored.shape[2])
        symbols = model.unpack(stored.reshape(grid.count, -1), rate)
        return (Collage("RGB", model.operator, model.code(symbols, rate)),)


def _channels(image: Image8) -> int:
    """1 or 3; UnsupportedImageError for another kind of picture."""
    grey, colour = image.ndim == 2, image.ndim == 3 and image.shape[2] == CHANNELS
    if image.dtype != np.uint8 or image.size == 0 or not (grey or colour):
        raise UnsupportedImageError(
            f"collage-paper stores grey (H, W) and RGB (H, W, 3) pictures of uint8, not {image.dtype} of "
            f"{image.shape}; convert, or use the codec 'collage'"
        )
    return CHANNELS if colour else 1


def _model(reader: Reader) -> PaperDecoder:
    """The model of a file whose header has been checked; FormatError, ModelMismatchError."""
    header = reader.header
    if header.codec != CODEC_IDS["collage-paper"]:
        raise FormatError(f"the file belongs to codec {header.codec}, not to collage-paper: decode it with that")
    if len(header.params) != 1 or header.params[0] >= len(RATES) or header.channels not in (1, CHANNELS):
        raise FormatError("the header does not belong to a collage-paper file: the file is damaged")
    if header.tile_size % BLOCK:
        raise FormatError(f"tiles of {header.tile_size} pixels do not fit blocks of {BLOCK}: the file is damaged")
    return load_paper(header.fingerprint.hex())


def render(reader: Reader, request: Request) -> Image8:
    """The pixels of a request; FormatError, DamagedTileError, ModelMismatchError, ValueError, LimitError."""
    header, model = reader.header, _model(reader)
    (x, y, w, h), (width, height) = request.resolve(header.width, header.height)
    n = natural_cell(CELL, FINEST, (w, h), (width, height))
    # The kernel that enlarges looks a little beyond the region.
    rim = 1 if n == FINEST else 0
    grid = BlockGrid(header.height, header.width, BLOCK)
    left, top = max(x - rim, 0), max(y - rim, 0)
    right, bottom = min(x + w + rim, header.width), min(y + h + rim, header.height)
    rows, columns = grid.cover((left, top, right - left, bottom - top))
    samples = _samples(reader, model, rows, columns, n)
    side = n * BLOCK // CELL
    vertical = shown(y, h, height, n, CELL, rows.start * side, samples.shape[1])
    horizontal = shown(x, w, width, n, CELL, columns.start * side, samples.shape[2])
    return _pixels(_resampled(samples, vertical, horizontal), header.channels)


def _samples(reader: Reader, model: PaperDecoder, rows: slice, columns: slice, n: int) -> Samples:
    """Blocks in 1/16 level around 0, put together: int16 (1 or 3, block rows * 2 n, block columns * 2 n)."""
    header = reader.header
    rate = header.params[0]
    channels = header.channels
    side = BLOCK * n // CELL
    out = np.zeros((channels, rows.stop - rows.start, side, columns.stop - columns.start, side), np.int16)
    for packed, down, across in _stored_blocks(reader, BLOCK_BITS[rate] // 8, rows, columns):
        count = len(packed)
        blocks = np.empty((count, channels, side, side), np.int16)
        for first in range(0, count, BATCH):
            symbols = model.unpack(packed[first : first + BATCH], rate)
            z = model.render(model.code(symbols, rate), n) * SAMPLE_UNIT
            if channels == 1:
                z = np.floor((z[:, :1] + 2 * z[:, 1:2] + z[:, 2:] + 2) / 4)
            blocks[first : first + BATCH] = np.clip(z, -SAMPLE_LIMIT, SAMPLE_LIMIT)
        shape = (down.stop - down.start, across.stop - across.start, channels, side, side)
        out[:, down, :, across] = blocks.reshape(shape).transpose(2, 0, 3, 1, 4)
    return out.reshape(channels, (rows.stop - rows.start) * side, -1)


def _stored_blocks(
    reader: Reader, block_bytes: int, rows: slice, columns: slice
) -> Iterator[tuple[NDArray[np.uint8], slice, slice]]:
    """For every tile: the bytes of its wanted blocks (count, block_bytes), and their places in the output."""
    header = reader.header
    for tile in range(header.tile_count):
        x, y, w, h = header.tile_box(tile)
        first_row, first_column = y // BLOCK, x // BLOCK
        down = slice(max(rows.start, first_row), min(rows.stop, first_row + -(-h // BLOCK)))
        across = slice(max(columns.start, first_column), min(columns.stop, first_column + -(-w // BLOCK)))
        if down.start >= down.stop or across.start >= across.stop:
            continue
        payload, count = reader.tile(tile), BlockGrid(h, w, BLOCK).count
        if len(payload) != count * block_bytes:
            raise DamagedTileError(tile, f"{len(payload)} bytes for {count} blocks of {block_bytes}")
        stored = np.frombuffer(payload, np.uint8).reshape(-1, -(-w // BLOCK), block_bytes)
        wanted = stored[
            down.start - first_row : down.stop - first_row,
            across.start - first_column : across.stop - first_column,
        ]
        yield (
            np.ascontiguousarray(wanted.reshape(-1, block_bytes)),
            slice(down.start - rows.start, down.stop - rows.start),
            slice(across.start - columns.start, across.stop - columns.start),
        )


def _resampled(samples: Samples, vertical: Axis, horizontal: Axis) -> Samples:
    """Samples (C, H, W) at the pixels of the output."""
    if vertical.plain and horizontal.plain:
        top, left = int(vertical.first[0]), int(horizontal.first[0])
        return samples[:, top : top + vertical.count, left : left + horizontal.count]
    down = vertical.apply(samples.astype(np.float32), 0, vertical.count)
    turned = np.ascontiguousarray(down.transpose(0, 2, 1))
    return horizontal.apply(turned, 0, horizontal.count).transpose(0, 2, 1).astype(np.int16)


def _pixels(samples: Samples, channels: int) -> Image8:
    """1/16 levels around 0 to 8-bit pixels, halves up: (H, W) or (H, W, 3)."""
    levels = (samples.astype(np.int32) + (MIDDLE * SAMPLE_UNIT + SAMPLE_UNIT // 2)) // SAMPLE_UNIT
    pixels = np.clip(levels, 0, 255).astype(np.uint8)
    return pixels[0] if channels == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))
