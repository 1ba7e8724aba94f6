"""The prior: which probability table every symbol of a tile is coded with, in whole numbers.

Codes are decoded slice by slice (channels from low to high frequency) and pass by pass (`grid.passes`). A
small network per pass sees the magnitudes of everything decoded before it in the 3x3 cells around, and the
level (the logarithm of the step), and returns table numbers. Codes of the first slice are predicted from
their neighbours, and the symbols are what is left.

Encoder and decoder run the same walk; they differ only in where the symbols come from. Integer networks for
entropy models: Balle, Johnston & Minnen 2019. All of the prior's arithmetic is in this file and `integers`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitstream.entropy import Tables
from collagecodec.codecs.collage.coding_order import PassCells, neighbours, passes
from collagecodec.codecs.collage.integers import ACTIVATION_MAX, Floats, IntegerLayer

Codes = NDArray[np.int32]
TableNumbers = NDArray[np.uint8]
MAX_CODE = 2**15
"""Largest magnitude of a code."""

Fetch = Callable[[TableNumbers], Codes]
"""Table numbers (M, N) of a pass to its decoded symbols (M, N)."""


@dataclass(frozen=True)
class PassNetwork:
    """Table numbers for the channels of one slice in one pass."""

    near: IntegerLayer
    mix: IntegerLayer
    out: IntegerLayer

    def __call__(self, features: Floats, rate_index: int, tables: int) -> TableNumbers:
        """Neighbourhoods (M, 9 F) to table numbers (M, N)."""
        hidden = self.mix.activate(self.near.activate(features))
        return np.clip(self.out(hidden, rate_index), 0, tables - 1).astype(np.uint8)


@dataclass(frozen=True)
class Predictor:
    """Linear predictions of the first slice's codes, weights in 1/256."""

    left: NDArray[np.int64]
    """Weight of the same channel in the cell before, shape (S,)."""
    diagonal: NDArray[np.float64]
    """Weights of all channels of the four diagonal neighbours, shape (4 S, S); neighbour by neighbour."""
    direct: NDArray[np.float64]
    """The same for the four direct neighbours."""

    def around(self, codes: Codes, rows: int, columns: int, pass_index: int) -> Codes:
        """Predictions (M, S) in pass 1 or 2 from the codes (rows * columns, S) known so far."""
        known = np.vstack([codes, np.zeros_like(codes[:1])]).astype(np.float64)
        near = known[neighbours(rows, columns, pass_index)].reshape(-1, 4 * codes.shape[1])
        weights = self.diagonal if pass_index == 1 else self.direct
        # Whole numbers far below 2^53: the float64 product is exact.
        return np.floor((near @ weights + 128) / 256).astype(np.int32)

    def chain(self, given: Codes, free: NDArray[np.bool_], decoding: bool) -> tuple[Codes, Codes]:
        """Symbols and codes of the even-even cells, each predicted from the one to its left, or above it in
        the first column.

        `given` (H, W, S) holds the symbols when decoding and the wanted codes when encoding; a symbol that is
        not `free` is zero.
        """
        symbols, codes = np.zeros_like(given), np.zeros_like(given)
        weights = self.left.astype(np.int32)

        def settle(where: tuple[slice, slice], before: Codes) -> None:
            means = (weights * before + 128) >> 8
            symbols[where] = given[where] if decoding else np.where(free[where], given[where] - means, 0)
            codes[where] = symbols[where] + means

        height, width = given.shape[:2]
        for row in range(height):
            above = codes[row - 1 : row, :1] if row else np.zeros_like(codes[:1, :1])
            settle((slice(row, row + 1), slice(0, 1)), above)
        for column in range(1, width):
            settle((slice(None), slice(column, column + 1)), codes[:, column - 1 : column])
        return symbols, codes


@dataclass(frozen=True)
class PriorSlice:
    """The networks of one slice: channels first .. last - 1."""

    first: int
    last: int
    before: IntegerLayer | None
    """Embeds the magnitudes of all earlier slices; None in the first slice."""
    own: IntegerLayer
    """Embeds the magnitudes of the slice's own earlier passes."""
    networks: tuple[PassNetwork, ...]


@dataclass(frozen=True)
class Prior:
    """The whole prior. `magnitudes` (256,) maps |symbol| to its feature 0..127, the last entry all above."""

    slices: tuple[PriorSlice, ...]
    predictor: Predictor
    magnitudes: Floats
    tables: Tables

    def decode(
        self, fetch: Fetch, rows: int, columns: int, rate_index: int, active: NDArray[np.bool_], slices: int
    ) -> Codes:
        """Codes (rows, columns, C) of a tile, int32; slices that are not wanted and inactive channels are zero.

        `fetch` decodes one pass: table numbers of the active channels in, symbols out. `active` (C,) says
        which channels are coded.
        """

        def exchange(tables: TableNumbers, _: Codes | None) -> Codes:
            return fetch(tables)

        return _Walk(self, rows, columns, rate_index, active, None).run(exchange, slices)

    def encode(
        self, wanted: Codes, rate_index: int, active: NDArray[np.bool_]
    ) -> tuple[Codes, list[tuple[Codes, TableNumbers]]]:
        """Codes as they will be decoded, and the passes (symbols, table numbers), each (M, N), to be coded.

        `wanted` (rows, columns, C) int32 within +-2^15. A code differs from the wanted one only where the
        prior holds anything but its prediction for impossible.
        """
        coded: list[tuple[Codes, TableNumbers]] = []

        def exchange(tables: TableNumbers, symbols: Codes | None) -> Codes:
            assert symbols is not None
            coded.append((symbols, tables))
            return symbols

        rows, columns, channels = wanted.shape
        flat = np.clip(wanted, -MAX_CODE, MAX_CODE).reshape(-1, channels)
        walk = _Walk(self, rows, columns, rate_index, active, flat)
        return walk.run(exchange, len(self.slices)), coded


class _Walk:
    """One pass over a tile in decoding order, shared by encoder (`wanted` given) and decoder."""

    def __init__(
        self,
        prior: Prior,
        rows: int,
        columns: int,
        rate_index: int,
        active: NDArray[np.bool_],
        wanted: Codes | None,
    ) -> None:
        self.prior, self.rows, self.columns, self.rate_index = prior, rows, columns, rate_index
        self.active, self.wanted = active, wanted
        channels = prior.slices[-1].last
        self.codes = np.zeros((rows * columns, channels), np.int32)
        self.seen = np.zeros((rows * columns, channels), np.float32)

    def run(self, exchange: Callable[[TableNumbers, Codes | None], Codes], slices: int) -> Codes:
        self.exchange = exchange
        for index in range(slices):
            self._slice(index)
        return self.codes.reshape(self.rows, self.columns, -1)

    def _slice(self, index: int) -> None:
        part = self.prior.slices[index]
        channels = slice(part.first, part.last)
        earlier = part.before.activate(self.seen[:, : part.first]) if part.before else None
        offset = 0 if earlier is None else earlier.shape[1]
        own = part.own.weight.shape[1]
        framed = np.zeros((self.rows + 2, self.columns + 2, offset + own + 2), np.float32)
        inner = framed[1:-1, 1:-1]
        inner[..., -2:] = self.rate_index, ACTIVATION_MAX
        if earlier is not None:
            inner[..., :offset] = earlier.reshape(self.rows, self.columns, offset)
        for number, cells in enumerate(passes(self.rows, self.columns, index == 0)):
            if not cells.flat.size:
                continue
            near = np.take(framed.reshape(-1, framed.shape[2]), cells.around, axis=0)
            tables = part.networks[number](near.reshape(len(near), -1), self.rate_index, len(self.prior.tables))
            symbols, codes = self._settle(index, number, channels, cells, tables)
            self.codes[cells.flat, channels] = codes
            magnitude = np.minimum(np.abs(symbols), len(self.prior.magnitudes) - 1)
            self.seen[cells.flat, channels] = self.prior.magnitudes[magnitude]
            if number + 1 < len(part.networks):
                known = part.own.activate(self.seen[cells.flat, channels])
                row, column = np.divmod(cells.flat, self.columns)
                inner[row, column, offset : offset + own] = known

    def _settle(
        self, index: int, number: int, channels: slice, cells: PassCells, tables: TableNumbers
    ) -> tuple[Codes, Codes]:
        """Symbols and codes of one pass, (M, N) each; inactive channels are zero in both."""
        active = self.active[channels]
        wanted = None if self.wanted is None else self.wanted[cells.flat, channels]
        if index == 0 and number == 0:
            return self._settle_chain(wanted, tables, active)
        means = np.zeros(tables.shape, np.int32)
        if index == 0:
            means = self.prior.predictor.around(self.codes[:, channels], self.rows, self.columns, number)
            means *= active
        symbols = None if wanted is None else np.where(tables > 0, wanted - means, 0)
        symbols = self._exchange(tables, symbols, active)
        return symbols, symbols + means

    def _settle_chain(
        self, wanted: Codes | None, tables: TableNumbers, active: NDArray[np.bool_]
    ) -> tuple[Codes, Codes]:
        shape = (-(-self.rows // 2), -(-self.columns // 2), tables.shape[1])
        chain = self.prior.predictor.chain
        if wanted is None:
            symbols = self._exchange(tables, None, active)
            _, codes = chain(symbols.reshape(shape), np.ones(shape, bool), True)
        else:
            found, codes = chain(wanted.reshape(shape), ((tables > 0) & active).reshape(shape), False)
            symbols = self._exchange(tables, found.reshape(tables.shape), active)
        return symbols, codes.reshape(tables.shape)

    def _exchange(self, tables: TableNumbers, symbols: Codes | None, active: NDArray[np.bool_]) -> Codes:
        """Hand the active channels to the coder; the others have symbols of zero."""
        if active.all():
            return self.exchange(tables, symbols)
        complete = np.zeros(tables.shape, np.int32)
        part = None if symbols is None else symbols[:, active]
        complete[:, active] = self.exchange(tables[:, active], part)
        return complete
