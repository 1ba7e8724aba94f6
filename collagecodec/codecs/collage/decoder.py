"""Decodes a file of the codec `collage` to planes, reading only the tiles, slices and blocks that are needed.

A picture of H rows has B = ceil(H / 16) block rows and B + 1 cell rows; cell rows j and j + 1 cover block row j.
A tile of T pixels contains T / 16 cell rows, and the last tile also the remaining cell row. Planes are computed
in bands of block rows, so memory depends on the width of the picture and the size of a tile, not on the height.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bitstream import varint
from bitstream.container import Header, Reader
from collagecodec.codecs.collage.model import DecoderModel
from collagecodec.codecs.collage.quantiser import multipliers, rate_index_of
from collagecodec.errors import DamagedTileError, FormatError, LimitError
from collagecodec.kernels.rans import Decoder

Planes = NDArray[np.int16 | np.float32]
"""Samples (P, h, w), integers in 1/16 level."""
Span = tuple[int, int]
MIN_BAND = 6
"""Minimum number of block rows in a band."""
BAND_CELLS = 1000
"""Approximate number of cells in a band, so that its codes and pixels fit the cache."""
MAX_TILE_CELLS = 2**17
"""Maximum number of cells in a tile, checked before memory is allocated for them."""
MAX_CODE_BYTES = 2**33
"""Maximum number of bytes for the codes of a row of tiles."""


@dataclass
class Layout:
    """The grids of cells and tiles of a picture; FormatError or LimitError for invalid tile sizes."""

    header: Header
    cell: int

    def __post_init__(self) -> None:
        size = self.header.tile_size
        if size % self.cell:
            raise FormatError(f"tiles of {size} pixels do not fit cells of {self.cell}: the file is damaged")
        self.block_rows = -(-self.header.height // self.cell)
        self.block_columns = -(-self.header.width // self.cell)
        self.tile_cells = size // self.cell if size else max(self.block_rows, self.block_columns) + 1
        sides = [min(self.tile_cells, blocks) + 1 for blocks in (self.block_rows, self.block_columns)]
        if sides[0] * sides[1] > MAX_TILE_CELLS:
            raise LimitError(
                f"a tile has {sides[0]}x{sides[1]} cells, more than {MAX_TILE_CELLS}: use smaller tiles"
            )

    def tile_span(self, index: int, across: bool) -> tuple[int, int]:
        """Return the first cell and the last cell + 1 of a row of tiles, or of a column with `across`."""
        count = self.header.tiles_across if across else self.header.tiles_down
        cells = (self.block_columns if across else self.block_rows) + 1
        return index * self.tile_cells, cells if index + 1 == count else (index + 1) * self.tile_cells

    def tiles_of(self, first: int, last: int, across: bool) -> range:
        """Return the rows of tiles that contain the cells first .. last - 1, or the columns with `across`."""
        count = self.header.tiles_across if across else self.header.tiles_down
        limit = count - 1
        return range(min(first // self.tile_cells, limit), min((last - 1) // self.tile_cells, limit) + 1)


@dataclass(frozen=True)
class CodeBand:
    """The codes of the cells of a band in units of 1/4 level, for blocks of n x n samples."""

    n: int
    codes: NDArray[np.int32]
    """(rows + 1, columns + 1, C)."""
    rows: Span
    """Number of block rows in the margin, above and below."""
    columns: Span
    """Number of block columns in the margin, left and right."""


@dataclass
class Picture:
    """An opened file with its model, which decodes it to planes.

    With `tolerate`, damaged tiles become mid-grey and are listed in `damaged`; otherwise DamagedTileError is
    raised.
    """

    reader: Reader
    model: DecoderModel
    tolerate: bool = False
    damaged: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        header = self.reader.header
        self.layout = Layout(header, self.model.dictionary.cell)
        if len(header.params) != 2:
            raise FormatError(
                f"the codec's parameters have {len(header.params)} bytes, not 2: the file is damaged"
            )
        self.step_code = int.from_bytes(header.params, "little")
        if self.step_code == 0:
            raise FormatError("the quantiser step is zero: the file is damaged")
        self.rate_index = rate_index_of(self.step_code)
        self.multipliers = multipliers(self.step_code, self.model.gains).astype(np.int32)
        self.grey = header.channels <= 2
        self.active = self.model.luma if self.grey else np.ones_like(self.model.luma)
        self.plane_count = 1 if self.grey else 3

    def slices_for(self, n: int) -> int:
        """Return how many slices to decode for cells n samples wide: about the lowest n x n frequencies."""
        count = len(self.model.prior.slices)
        return min(count, max(1, int(n - 1).bit_length())) if n < self.model.dictionary.cell else count

    def tile_codes(self, row: int, column: int, slices: int) -> NDArray[np.int32]:
        """Decode the codes of a tile: int32 (rows, columns, C) in 1/4 level; DamagedTileError."""
        (top, bottom), (left, right) = self.layout.tile_span(row, False), self.layout.tile_span(column, True)
        index = row * self.reader.header.tiles_across + column
        shape = (bottom - top, right - left)
        try:
            _, coded = split_tile(self.reader.tile(index), self.reader.header.channels)
            return self._decode_tile(coded, shape, slices)
        except DamagedTileError:
            if not self.tolerate:
                raise
        except FormatError as error:
            if not self.tolerate:
                raise DamagedTileError(index, str(error)) from error
        if index not in self.damaged:
            self.damaged.append(index)
        return np.zeros((*shape, self.model.dictionary.channel_count), np.int32)

    def _decode_tile(self, coded: memoryview, shape: tuple[int, int], slices: int) -> NDArray[np.int32]:
        decoder = Decoder(coded, self.model.prior.tables)

        def fetch(tables: NDArray[np.uint8]) -> NDArray[np.int32]:
            return decoder.decode(tables.ravel()).reshape(tables.shape)

        codes = self.model.prior.decode(fetch, *shape, self.rate_index, self.active, slices)
        if slices == len(self.model.prior.slices):
            decoder.finish()
        codes *= self.multipliers
        return codes

    def cell_rows(self, first: int, last: int, left: int, right: int, slices: int) -> Iterator[NDArray[np.int32]]:
        """Yield the codes of cell rows first .. last - 1, columns left .. right - 1, by row of tiles."""
        for row in self.layout.tiles_of(first, last, False):
            top, bottom = self.layout.tile_span(row, False)
            keep = slice(max(first - top, 0), min(last, bottom) - top)
            parts = []
            for column in self.layout.tiles_of(left, right, True):
                start, stop = self.layout.tile_span(column, True)
                tile = self.tile_codes(row, column, slices)
                parts.append(tile[keep, max(left - start, 0) : min(right, stop) - start])
            yield np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]

    def code_bands(
        self, n: int, rows: Span, columns: Span, margin: int, least: int = MIN_BAND
    ) -> Iterator[CodeBand]:
        """Yield the codes of a range of block rows and columns in bands of at least `least` block rows.

        Each band includes a margin of `margin` blocks on every side, as far as the picture reaches. Raises
        LimitError if a row of tiles needs too much memory.
        """
        tall, wide = (
            _extend(rows, margin, self.layout.block_rows),
            _extend(columns, margin, self.layout.block_columns),
        )
        height = max(least, BAND_CELLS // (wide[1] - wide[0] + 1))
        tall_cells = min(self.layout.tile_cells, self.layout.block_rows) + 1
        size = 4 * tall_cells * (wide[1] - wide[0] + 1) * self.model.dictionary.channel_count
        if size > MAX_CODE_BYTES:
            raise LimitError(f"a row of tiles takes {size / 2**30:.0f} GiB to decode: decode narrower regions")
        held: NDArray[np.int32] | None = None
        top, first = tall[0], rows[0]
        for codes in self.cell_rows(tall[0], tall[1] + 1, wide[0], wide[1] + 1, self.slices_for(n)):
            held = codes if held is None else np.concatenate([held, codes])
            reached = top + len(held) - 1
            while first < rows[1]:
                last = min(first + height, rows[1])
                above, below = max(first - margin, tall[0]), min(last + margin, tall[1])
                if below > reached:
                    break
                band = held[above - top : below + 1 - top]
                yield CodeBand(
                    n, band, (first - above, below - last), (columns[0] - wide[0], wide[1] - columns[1])
                )
                first = last
            keep = max(first - margin, tall[0]) - top
            held, top = held[keep:].copy(), top + keep

    def planes(self, band: CodeBand, margin: int = 0) -> Planes:
        """Synthesise the planes of a band: int16 (P, h, w) in 1/16 level.

        They include `margin` pixels around the band; beyond the picture its outermost pixels are repeated.
        """
        rows, columns, n = band.codes.shape[0] - 1, band.codes.shape[1] - 1, band.n
        planes = np.empty((self.plane_count, rows * n, columns * n), np.int16)
        for plane in range(self.plane_count):
            self.model.dictionary.samples(plane, band.codes, n, planes[plane])
        if not margin:
            return planes
        (above, below), (left, right) = band.rows, band.columns
        spare = [(above * n, below * n), (left * n, right * n)]
        cut = tuple(
            slice(max(a - margin, 0), size - max(b - margin, 0))
            for (a, b), size in zip(spare, planes.shape[1:], strict=True)
        )
        pads = [(0, 0), *((max(margin - a, 0), max(margin - b, 0)) for a, b in spare)]
        return np.pad(planes[:, *cut], pads, mode="edge")

    @property
    def restoration_margin(self) -> int:
        """The margin in pixels that the restoration of this picture needs; 0 without restoration."""
        if self.model.restoration is None or (self.grey and not self.model.restores_grey):
            return 0
        return self.model.restoration.margin

    def finishing_margin(self, doublings: int) -> int:
        """Return the margin in pixels that `restored` needs for a number of doublings."""
        enlargement = self.model.enlargement
        reach = enlargement.margin if enlargement else 0
        # Each doubling halves the pixels that its margin is counted in; margins are rounded up to even sizes.
        return self.restoration_margin + sum(-(-reach // 2**d) + 1 & ~1 for d in range(doublings))

    def restored(self, band: CodeBand, doublings: int = 0) -> Planes:
        """Return the restored planes of a band, doubled in size `doublings` times: (P, 2^d h, 2^d w).

        The margin of the band must cover `finishing_margin`.
        """
        left = self.finishing_margin(doublings)
        window = self.planes(band, left)
        if self.grey and left:
            window = np.concatenate([window, np.zeros_like(window), np.zeros_like(window)])
        if self.restoration_margin and self.model.restoration:
            kept = 3 if doublings else self.plane_count
            window = self.model.restoration.correct(window, self.rate_index, kept)
        left -= self.restoration_margin
        for _ in range(doublings):
            assert self.model.enlargement is not None
            window = self.model.enlargement.enlarge(window, self.rate_index)
            left = 2 * (left - self.model.enlargement.margin)
        inner = slice(left, -left or None)
        return window[: self.plane_count, inner, inner]


def _extend(span: Span, margin: int, limit: int) -> Span:
    return max(span[0] - margin, 0), min(span[1] + margin, limit)


def split_tile(payload: memoryview, channels: int) -> tuple[memoryview, memoryview]:
    """Split a tile into its packed alpha plane (empty where there is none) and its coded symbols.

    Raises FormatError if the length of the alpha plane does not fit.
    """
    if channels in (1, 3):
        return payload[:0], payload
    length, start = varint.unpack(payload, 0)
    if start + length > len(payload):
        raise FormatError("the alpha plane of a tile is longer than the tile: the file is damaged")
    return payload[start : start + length], payload[start + length :]
