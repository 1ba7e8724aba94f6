"""The hierarchical prior: integer networks that choose the probability table of every symbol of a tile.

Codes are decoded slice by slice (channels from low to high frequency) and pass by pass (`hierarchical_order`).
Each pass has a small network. Its inputs are the rate index, the magnitudes of earlier slices in the 3x3 cells
around, and those of the same slice in the twelve nearest cells of earlier passes; its outputs are table numbers.
Codes of the first slice are predicted from their neighbours, and their symbols are the prediction errors.

A tile shifts the table numbers of every pass (`tile_head`), which adapts the tables to the picture.

Encoder and decoder run the same walk; they differ only in where the symbols come from. Integer networks for
entropy models: Balle, Johnston & Minnen 2019. All arithmetic of the prior is in this file and `integers`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitstream.entropy import Tables
from collagecodec.codecs.collage.hierarchical_order import FIRST_STRIDE, PassCells, cells_of
from collagecodec.codecs.collage.integers import ACTIVATION_MAX, Bytes, IntegerLayer
from collagecodec.codecs.collage.prior import MAX_CODE, Codes, Fetch, TableNumbers, chained, in_range
from collagecodec.codecs.collage.quantiser import rescaled

RateIndex = int | NDArray[np.integer]
"""The rate index of a tile, or of each of its cells in raster order, (M,)."""
Offsets = NDArray[np.integer] | None
"""The quantiser map of a tile, (rows, columns); None if it is flat."""
Exchange = Callable[[int, TableNumbers, Codes | None], Codes]
"""Codes a pass: from its number, its table numbers and, when encoding, its symbols to its symbols."""


@dataclass(frozen=True)
class CodedPass:
    """What is coded in a pass: symbols and table numbers, (M, N) each. `number` counts the passes of a tile."""

    number: int
    symbols: Codes
    tables: TableNumbers


def shifted(tables: TableNumbers, shift: int, count: int) -> TableNumbers:
    """Return the numbers of `count` tables moved by `shift`. Table 0, which codes zeros only, stays apart."""
    moved = np.clip(tables.astype(np.int32) + shift, 1, count - 1)
    return np.where(tables > 0, moved, 0).astype(np.uint8)


@dataclass(frozen=True)
class PassNetwork:
    """The network that chooses the table numbers of a slice's channels in a pass."""

    near: IntegerLayer
    mix: IntegerLayer
    out: IntegerLayer

    def __call__(self, features: Bytes, rate_index: RateIndex, tables: int) -> TableNumbers:
        """Return table numbers (M, N), 0 .. tables - 1, for neighbourhoods (M, F') and rate index 1 or (M,).

        F' is a multiple of 4; what exceeds the inputs of the first layer is zero.
        """
        if isinstance(rate_index, int):
            return self._of_rate(features, rate_index, tables)
        numbers = np.empty((len(features), self.out.weight.shape[1]), np.uint8)
        for index in np.unique(rate_index):
            here = rate_index == index
            numbers[here] = self._of_rate(features[here], int(index), tables)
        return numbers

    def _of_rate(self, features: Bytes, rate_index: int, tables: int) -> TableNumbers:
        near, mix, out = self.near.packed(1), self.mix.packed(1), self.out.packed(1)
        if near and mix and out:
            return out.apply(mix.apply(near.apply(features, rate_index), 0), rate_index, tables - 1)
        known = features[:, : len(self.near.weight)].astype(np.float32)
        hidden = self.mix.activate(self.near.activate(known, rate_index))
        return np.clip(self.out(hidden, rate_index), 0, tables - 1).astype(np.uint8)


@dataclass(frozen=True)
class Predictor:
    """Linear predictors of the first slice's codes, with weights in units of 1/256."""

    left: NDArray[np.int64]
    """Weight of the same channel in the preceding cell of the blind pass, shape (S,)."""
    around: tuple[NDArray[np.float64], ...]
    """For each later pass the weights of all channels of its four nearest cells, cell by cell: (4 S, S)."""

    def of_pass(self, codes: Codes, cells: PassCells, number: int, offsets: Offsets) -> Codes:
        """Predict the codes (M, S) of pass 1 and later from the codes (cells + 1, S), the last of them zero."""
        around = codes[cells.mirrored]
        if offsets is not None:
            differences = np.append(offsets, 0)[cells.mirrored] - offsets.ravel()[cells.flat][:, None]
            around = rescaled(around, differences[..., None])
        near = around.reshape(len(cells.flat), -1).astype(np.float64)
        # All sums are integers far below 2^53, so the float64 product is exact.
        return np.floor((near @ self.around[number - 1] + 128) / 256).astype(np.int32)


@dataclass(frozen=True)
class PriorSlice:
    """The networks of a slice, which holds the channels first .. last - 1."""

    first: int
    last: int
    before: IntegerLayer | None
    """Embeds the magnitudes of earlier slices; None where the networks take them as they are."""
    own: IntegerLayer | None
    """Embeds the magnitudes of this slice; None where the networks take them as they are."""
    networks: tuple[PassNetwork, ...]


@dataclass(frozen=True)
class HierarchicalPrior:
    """All networks and tables. `magnitudes` (256,) maps |symbol|, clipped to 255, to a feature 0..127."""

    slices: tuple[PriorSlice, ...]
    predictor: Predictor
    magnitudes: Bytes
    tables: Tables

    @property
    def pass_count(self) -> int:
        """Number of passes over a tile, all slices together."""
        return sum(len(each.networks) for each in self.slices)

    def decode(
        self,
        fetch: Fetch,
        rows: int,
        columns: int,
        rate_index: RateIndex,
        active: NDArray[np.bool_],
        slices: int,
        shifts: NDArray[np.int32],
        offsets: Offsets = None,
    ) -> Codes:
        """Decode the first `slices` slices of a tile: codes (rows, columns, C') int32 of their channels.

        `active` (C,) says which channels are coded, and `fetch` decodes the symbols of these channels. Codes
        of inactive channels are zero. `shifts` has an entry for each pass, `offsets` (rows, columns) are those
        of a quantiser map. Raises FormatError for a code beyond +-`MAX_CODE` that others depend on.
        """

        def exchange(number: int, tables: TableNumbers, _: Codes | None) -> Codes:
            return fetch(shifted(tables, int(shifts[number]), len(self.tables)))

        return _Walk(self, rows, columns, rate_index, active, None, slices, offsets).run(exchange)

    def encode(
        self, wanted: Codes, rate_index: RateIndex, active: NDArray[np.bool_], offsets: Offsets = None
    ) -> tuple[Codes, list[CodedPass]]:
        """Return the codes that the decoder will have, and all passes that have cells, with tables not shifted.

        `wanted` (rows, columns, C) int32 holds the codes to be stored, clipped to +-`MAX_CODE`. A decoded code
        differs from it only where table 0 is chosen, which codes zeros only: there the code is its prediction.
        """
        coded: list[CodedPass] = []

        def exchange(number: int, tables: TableNumbers, symbols: Codes | None) -> Codes:
            assert symbols is not None
            coded.append(CodedPass(number, symbols, tables))
            return symbols

        rows, columns, channels = wanted.shape
        flat = np.clip(wanted, -MAX_CODE, MAX_CODE).reshape(-1, channels)
        walk = _Walk(self, rows, columns, rate_index, active, flat, len(self.slices), offsets)
        return walk.run(exchange), coded


class _Walk:
    """The walk over a tile in coding order; the encoder gives the `wanted` codes, the decoder None."""

    def __init__(
        self,
        prior: HierarchicalPrior,
        rows: int,
        columns: int,
        rate_index: RateIndex,
        active: NDArray[np.bool_],
        wanted: Codes | None,
        slices: int,
        offsets: Offsets,
    ) -> None:
        self.prior, self.rows, self.columns, self.rate_index = prior, rows, columns, rate_index
        self.active, self.wanted, self.slices, self.offsets = active, wanted, slices, offsets
        channels, cells = prior.slices[slices - 1].last, rows * columns
        # The last row of every array stands for all cells outside the tile.
        self.codes = np.zeros((cells + 1, channels), np.int32)
        self.seen = np.zeros((cells + 1, channels), np.uint8)

    def run(self, exchange: Exchange) -> Codes:
        self.exchange, self.passes = exchange, 0
        for index in range(self.slices):
            self._slice(index)
        return self.codes[:-1].reshape(self.rows, self.columns, -1)

    def _slice(self, index: int) -> None:
        current = self.prior.slices[index]
        channels = slice(current.first, current.last)
        before = self._before(current)
        own = np.zeros((len(self.seen), current.own.weight.shape[1]), np.uint8) if current.own else None
        every = cells_of(self.rows, self.columns, index)
        for number, (cells, network) in enumerate(zip(every, current.networks, strict=True)):
            self.passes += 1
            if not cells.flat.size:
                continue
            features = _side_by_side(before, self.seen[:, channels] if own is None else own, cells)
            index_of = self.rate_index if isinstance(self.rate_index, int) else self.rate_index[cells.flat]
            tables = network(features, index_of, len(self.prior.tables))
            if index == 0:
                # A wrong brightness would be seen: no code of the first slice is taken for surely predicted.
                tables = np.maximum(tables, 1)
            symbols, codes = self._pass(index, number, channels, cells, tables)
            self.codes[cells.flat, channels] = codes
            magnitude = np.minimum(np.abs(symbols), len(self.prior.magnitudes) - 1)
            self.seen[cells.flat, channels] = self.prior.magnitudes[magnitude]
            if own is not None and current.own and number + 1 < len(every):
                own[cells.flat] = current.own.activations(self.seen[cells.flat, channels])

    def _before(self, current: PriorSlice) -> Bytes:
        """Return what is known of earlier slices, and 127 in every cell of the tile: (cells + 1, F + 1)."""
        seen = self.seen[:, : current.first]
        known = current.before.activations(seen) if current.before else seen
        before = np.zeros((len(seen), known.shape[1] + 1), np.uint8)
        before[:-1, :-1] = known[:-1]
        before[:-1, -1] = ACTIVATION_MAX
        return before

    def _pass(
        self, index: int, number: int, channels: slice, cells: PassCells, tables: TableNumbers
    ) -> tuple[Codes, Codes]:
        """Return symbols and codes of a pass, (M, N) each; inactive channels are zero in both."""
        active = self.active[channels]
        wanted = None if self.wanted is None else self.wanted[cells.flat, channels]
        if index == 0 and number == 0:
            return self._blind_pass(wanted, tables, active)
        means = np.zeros(tables.shape, np.int32)
        if index == 0:
            means = self.prior.predictor.of_pass(self.codes[:, channels], cells, number, self.offsets) * active
        symbols = None if wanted is None else np.where(tables > 0, wanted - means, 0)
        symbols = self._exchange(tables, symbols, active)
        return symbols, symbols if index else in_range(symbols + means)

    def _blind_pass(
        self, wanted: Codes | None, tables: TableNumbers, active: NDArray[np.bool_]
    ) -> tuple[Codes, Codes]:
        shape = (-(-self.rows // FIRST_STRIDE), -(-self.columns // FIRST_STRIDE), tables.shape[1])
        weights = self.prior.predictor.left
        offsets = None if self.offsets is None else self.offsets[::FIRST_STRIDE, ::FIRST_STRIDE]
        if wanted is None:
            symbols = self._exchange(tables, None, active)
            _, codes = chained(weights, symbols.reshape(shape), offsets=offsets)
        else:
            grid, codes = chained(weights, wanted.reshape(shape), ((tables > 0) & active).reshape(shape), offsets)
            symbols = self._exchange(tables, grid.reshape(tables.shape), active)
        return symbols, codes.reshape(tables.shape)

    def _exchange(self, tables: TableNumbers, symbols: Codes | None, active: NDArray[np.bool_]) -> Codes:
        """Code the active channels; the symbols of all others are zero."""
        if active.all():
            return self.exchange(self.passes - 1, tables, symbols)
        complete = np.zeros(tables.shape, np.int32)
        coded = None if symbols is None else symbols[:, active]
        complete[:, active] = self.exchange(self.passes - 1, tables[:, active], coded)
        return complete


def _side_by_side(before: Bytes, own: Bytes, cells: PassCells) -> Bytes:
    """Return the features of the cells around each cell of a pass, tap by tap: (M, F'), filled up with zeros."""
    count = cells.flat.size
    parts = [np.take(before, cells.square, axis=0), np.take(own, cells.taps, axis=0)]
    width = sum(part.shape[1] * part.shape[2] for part in parts)
    features = np.zeros((count, -(-width // 4) * 4), np.uint8)
    np.concatenate([part.reshape(count, -1) for part in parts], axis=1, out=features[:, :width])
    return features
