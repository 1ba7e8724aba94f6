"""Decodes a file of the codec `collage` to planes, reading only the tiles, slices and blocks that are needed.

Planes are computed in bands of block rows (`layout`), so memory depends on the width of the picture and the size
of a tile, not on the height.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bitstream import varint
from bitstream.container import Reader
from collagecodec.codecs.collage.hierarchical_prior import HierarchicalPrior, RateIndex
from collagecodec.codecs.collage.layout import Layout
from collagecodec.codecs.collage.model import DecoderModel
from collagecodec.codecs.collage.prior import MAX_CODE
from collagecodec.codecs.collage.quantiser import Quantisers, multipliers, rate_index_of
from collagecodec.codecs.collage.tile_head import read_head
from collagecodec.errors import DamagedTileError, FormatError
from collagecodec.kernels.rans import Decoder

Planes = NDArray[np.int16 | np.float32]
"""Samples (P, h, w), integers in 1/16 level."""
Span = tuple[int, int]
MIN_BAND = 6
"""Minimum number of block rows in a band."""
BAND_CELLS = 1000
"""Approximate number of cells in a band, so that its codes and pixels fit the cache."""
STRIP_CELLS = 1500
"""Maximum number of cells in a band; wider bands are divided into strips, to save memory."""
MAX_PRODUCT = 2**18
"""Largest magnitude of a code times its multiplier, in 1/4 level: no picture reaches it, and sums stay exact."""


@dataclass(frozen=True)
class CodeBand:
    """The codes of the cells of a band, or of a strip of it, for blocks of n x n samples."""

    n: int
    codes: NDArray[np.int16]
    """(rows + 1, columns + 1, C'): the channels that are decoded, without the multipliers."""
    rows: Span
    """Number of block rows in the margin, above and below."""
    columns: Span
    """Number of block columns in the margin, left and right."""
    last: bool = True
    """Whether the band ends here; otherwise its next strip follows on the right."""


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
        return self.model.slices_for(n)

    def channels_of(self, slices: int) -> int:
        """Return the number of channels in the first `slices` slices."""
        return self.model.prior.slices[slices - 1].last

    def tile_codes(self, row: int, column: int, slices: int) -> NDArray[np.int16]:
        """Decode a tile: int16 (rows, columns, C' + 1), codes and then the offset; DamagedTileError."""
        (top, bottom), (left, right) = self.layout.tile_span(row, False), self.layout.tile_span(column, True)
        index = row * self.reader.header.tiles_across + column
        shape = (bottom - top, right - left)
        try:
            _, coded = split_tile(self.reader.tile(index), self.reader.header.channels)
            return self._decode_tile(coded, shape, slices)
        except FormatError as error:
            self.note_damage(index, error)
        return np.zeros((*shape, self.channels_of(slices) + 1), np.int16)

    def note_damage(self, tile: int, error: FormatError) -> None:
        """List a damaged tile; raise DamagedTileError if damage is not tolerated."""
        if not self.tolerate:
            raise error if isinstance(error, DamagedTileError) else DamagedTileError(tile, str(error)) from error
        if tile not in self.damaged:
            self.damaged.append(tile)

    def _decode_tile(self, coded: memoryview, shape: tuple[int, int], slices: int) -> NDArray[np.int16]:
        decoder = Decoder(coded, self.model.prior.tables)

        def fetch(tables: NDArray[np.uint8]) -> NDArray[np.int32]:
            return decoder.decode(tables.ravel()).reshape(tables.shape)

        prior, offsets = self.model.prior, np.zeros(shape, np.int64)
        if isinstance(prior, HierarchicalPrior):
            head = read_head(fetch, *shape, prior.pass_count, len(prior.tables))
            rate_index: RateIndex = self.rate_index
            if head.offsets is not None:
                offsets, rate_index = head.offsets, self.quantisers.indices(head.offsets)
            codes = prior.decode(fetch, *shape, rate_index, self.active, slices, head.shifts, head.offsets)
        else:
            codes = prior.decode(fetch, *shape, self.rate_index, self.active, slices)
        if slices == len(prior.slices):
            decoder.finish()
        for offset in np.unique(offsets):
            here = codes[offsets == offset]
            largest = np.maximum(here.max(0), -here.min(0)).astype(np.int64)
            scales = self.quantisers.multipliers(int(offset)) if offset else self.multipliers
            if (largest > MAX_CODE).any() or (largest * scales[: len(largest)] > MAX_PRODUCT).any():
                raise FormatError("a code is beyond the range of the format: the file is damaged")
        return np.concatenate([codes, offsets[..., None]], axis=2, dtype=np.int16, casting="unsafe")

    @cached_property
    def quantisers(self) -> Quantisers:
        """The quantisers of all offsets of a quantiser map."""
        return Quantisers(self.step_code, self.model.gains)

    def products(self, codes: NDArray[np.int16]) -> NDArray[np.int32]:
        """Return codes times their multipliers in 1/4 level, (R, S, C), for (R, S, C' + 1) of `tile_codes`.

        The channels of slices that were not decoded are zero.
        """
        count = codes.shape[2] - 1
        products = np.zeros((*codes.shape[:2], self.model.dictionary.channel_count), np.int32)
        offsets = codes[..., -1]
        scales = self.quantisers.at(offsets) if offsets.any() else self.multipliers
        np.multiply(codes[..., :count], scales[..., :count], out=products[..., :count])
        return products

    def tile_rows(
        self, first: int, last: int, left: int, right: int, slices: int, margin: int = 0
    ) -> Iterator[tuple[int, NDArray[np.int16]]]:
        """Yield codes and offsets of cell rows, columns left .. right - 1, up to the end of each row of tiles.

        The first of them are cell rows `first` and following. The others begin `margin` rows before their row of
        tiles, so that bands can reach back. Each comes with the number of its first cell row.
        """
        held = np.zeros((0, right - left, self.channels_of(slices) + 1), np.int16)
        for row in self.layout.tiles_of(first, last, False):
            top, bottom = self.layout.tile_span(row, False)
            begin, end = max(first, top), min(last, bottom)
            back = min(margin, len(held))
            codes = np.empty((back + end - begin, *held.shape[1:]), np.int16)
            codes[:back] = held[len(held) - back :]
            for column in self.layout.tiles_of(left, right, True):
                start, stop = self.layout.tile_span(column, True)
                tile = self.tile_codes(row, column, slices)
                place = slice(max(start, left) - left, min(stop, right) - left)
                part = slice(max(left - start, 0), min(right, stop) - start)
                codes[back:, place] = tile[begin - top : end - top, part]
            yield begin - back, codes
            held = codes

    def code_bands(
        self, n: int, rows: Span, columns: Span, margin: int, least: int = MIN_BAND, strip: int = STRIP_CELLS
    ) -> Iterator[CodeBand]:
        """Yield the codes of a range of block rows and columns in bands of at least `least` block rows.

        Wide bands come in strips of about `strip` cells, from left to right. Each includes a margin of `margin`
        blocks on every side, as far as the picture reaches.
        """
        tall, wide = (
            _extend(rows, margin, self.layout.block_rows),
            _extend(columns, margin, self.layout.block_columns),
        )
        height = max(least, min(BAND_CELLS, strip) // (wide[1] - wide[0] + 1))
        width = max(MIN_BAND, strip // height)
        # A band begins at most `height` rows before the end of what is decoded; its margin reaches further back.
        back = height + 2 * margin + 2
        first = rows[0]
        for top, codes in self.tile_rows(tall[0], tall[1] + 1, wide[0], wide[1] + 1, self.slices_for(n), back):
            reached = top + len(codes) - 1
            while first < rows[1]:
                last = min(first + height, rows[1])
                above, below = max(first - margin, tall[0]), min(last + margin, tall[1])
                if below > reached:
                    break
                band = codes[above - top : below + 1 - top]
                for start in range(columns[0], columns[1], width):
                    stop = min(start + width, columns[1])
                    west, east = max(start - margin, wide[0]), min(stop + margin, wide[1])
                    part = band[:, west - wide[0] : east + 1 - wide[0]]
                    around = (first - above, below - last), (start - west, east - stop)
                    yield CodeBand(n, part, *around, last=stop == columns[1])
                first = last

    def planes(self, band: CodeBand, margin: int = 0) -> Planes:
        """Synthesise the planes of a band: int16 (P, h, w) in 1/16 level.

        They include `margin` pixels around the band; beyond the picture its outermost pixels are repeated.
        """
        rows, columns, n = band.codes.shape[0] - 1, band.codes.shape[1] - 1, band.n
        codes = self.products(band.codes)
        planes = np.empty((self.plane_count, rows * n, columns * n), np.int16)
        for plane in range(self.plane_count):
            self.model.dictionary.samples(plane, codes, n, planes[plane])
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
        return self.restoration_margin + _doubling_margin(self.model, doublings)

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


def finishing_margin(model: DecoderModel, doublings: int) -> int:
    """Return the margin in pixels that restoration and doublings need, if the picture is restored."""
    return (model.restoration.margin if model.restoration else 0) + _doubling_margin(model, doublings)


def _doubling_margin(model: DecoderModel, doublings: int) -> int:
    reach = model.enlargement.margin if model.enlargement else 0
    # Each doubling halves the pixels that its margin is counted in; margins are rounded up to even sizes.
    return sum(-(-reach // 2**d) + 1 & ~1 for d in range(doublings))


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
