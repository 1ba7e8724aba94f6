"""The quincunx prior of the first models: integer networks that choose the table of every symbol of a tile.

Codes are decoded slice by slice (channels from low to high frequency) and pass by pass
(`quincunx_order.passes`). Each pass has a small network. Its inputs are the rate index and the magnitudes of all
earlier symbols in the 3x3 cells around; its outputs are table numbers. Codes of the first slice are predicted
from their neighbours, and their symbols are the prediction errors.

Encoder and decoder run the same walk; they differ only in where the symbols come from. Integer networks for
entropy models: Balle, Johnston & Minnen 2019. The prior of later models is `hierarchical_prior`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitstream.entropy import Tables
from collagecodec.codecs.collage.integers import ACTIVATION_MAX, Bytes, IntegerLayer
from collagecodec.codecs.collage.prior import MAX_CODE, Codes, Fetch, TableNumbers, chained, in_range
from collagecodec.codecs.collage.quincunx_order import Indices, PassCells, neighbours, passes


@dataclass(frozen=True)
class PassNetwork:
    """The network that chooses the table numbers of a slice's channels in a pass."""

    near: IntegerLayer
    mix: IntegerLayer
    out: IntegerLayer

    def __call__(self, framed: Bytes, around: Indices, rate_index: int, tables: int) -> TableNumbers:
        """Return table numbers (M, N), 0 .. tables - 1, of the cells with the neighbourhoods `around` (M, 9).

        These are raster indices of 3x3 cells in `framed` (H, W, F'): the F features of every cell, then zeros.
        """
        near, mix, out = self.near.packed(3), self.mix.packed(1), self.out.packed(1)
        if near and mix and out:
            hidden = mix.apply(near.around(framed, around[:, 0], 0), 0)
            return out.apply(hidden, rate_index, tables - 1)
        places = np.take(framed.reshape(-1, framed.shape[2]), around, axis=0)
        features = places[..., : len(self.near.weight) // 9].reshape(len(around), -1).astype(np.float32)
        inner = self.mix.activate(self.near.activate(features))
        return np.clip(self.out(inner, rate_index), 0, tables - 1).astype(np.uint8)


@dataclass(frozen=True)
class Predictor:
    """Linear predictors of the first slice's codes, with weights in units of 1/256."""

    left: NDArray[np.int64]
    """Weight of the same channel in the preceding cell, shape (S,)."""
    diagonal: NDArray[np.float64]
    """Weights of all channels of the four diagonal neighbours, neighbour by neighbour: shape (4 S, S)."""
    direct: NDArray[np.float64]
    """Weights of the four direct neighbours in the same layout, shape (4 S, S)."""

    def around(self, codes: Codes, rows: int, columns: int, pass_index: int) -> Codes:
        """Predict the codes (M, S) of pass 1 or 2 from the codes (rows * columns, S) of earlier passes."""
        known = np.vstack([codes, np.zeros_like(codes[:1])]).astype(np.float64)
        near = known[neighbours(rows, columns, pass_index)].reshape(-1, 4 * codes.shape[1])
        weights = self.diagonal if pass_index == 1 else self.direct
        # All sums are integers far below 2^53, so the float64 product is exact.
        return np.floor((near @ weights + 128) / 256).astype(np.int32)


@dataclass(frozen=True)
class PriorSlice:
    """The networks of a slice, which holds the channels first .. last - 1."""

    first: int
    last: int
    before: IntegerLayer | None
    """Embeds the magnitudes of all earlier slices; None in the first slice."""
    own: IntegerLayer
    """Embeds the magnitudes of earlier passes of this slice."""
    networks: tuple[PassNetwork, ...]


@dataclass(frozen=True)
class QuincunxPrior:
    """All networks and tables. `magnitudes` (256,) maps |symbol|, clipped to 255, to a feature 0..127."""

    slices: tuple[PriorSlice, ...]
    predictor: Predictor
    magnitudes: Bytes
    tables: Tables

    def decode(
        self, fetch: Fetch, rows: int, columns: int, rate_index: int, active: NDArray[np.bool_], slices: int
    ) -> Codes:
        """Decode the first `slices` slices of a tile: codes (rows, columns, C') int32 of their channels.

        `active` (C,) says which channels are coded, and `fetch` decodes the symbols of these channels. Codes
        of inactive channels are zero. Raises FormatError for a code beyond +-`MAX_CODE` that others depend on.
        """

        def exchange(tables: TableNumbers, _: Codes | None) -> Codes:
            return fetch(tables)

        return _Walk(self, rows, columns, rate_index, active, None, slices).run(exchange)

    def encode(
        self, wanted: Codes, rate_index: int, active: NDArray[np.bool_]
    ) -> tuple[Codes, list[tuple[Codes, TableNumbers]]]:
        """Return the codes that the decoder will have, and for every pass its symbols and table numbers (M, N).

        `wanted` (rows, columns, C) int32 holds the codes to be stored, clipped to +-`MAX_CODE`. A decoded code
        differs from it only where table 0 is chosen, which codes zeros only: there the code is its prediction.
        """
        coded: list[tuple[Codes, TableNumbers]] = []

        def exchange(tables: TableNumbers, symbols: Codes | None) -> Codes:
            assert symbols is not None
            coded.append((symbols, tables))
            return symbols

        rows, columns, channels = wanted.shape
        flat = np.clip(wanted, -MAX_CODE, MAX_CODE).reshape(-1, channels)
        walk = _Walk(self, rows, columns, rate_index, active, flat, len(self.slices))
        return walk.run(exchange), coded


class _Walk:
    """The walk over a tile in coding order; the encoder gives the `wanted` codes, the decoder None."""

    def __init__(
        self,
        prior: QuincunxPrior,
        rows: int,
        columns: int,
        rate_index: int,
        active: NDArray[np.bool_],
        wanted: Codes | None,
        slices: int,
    ) -> None:
        self.prior, self.rows, self.columns, self.rate_index = prior, rows, columns, rate_index
        self.active, self.wanted, self.slices = active, wanted, slices
        channels = prior.slices[slices - 1].last
        self.codes = np.zeros((rows * columns, channels), np.int32)
        self.seen = np.zeros((rows * columns, channels), np.uint8)

    def run(self, exchange: Callable[[TableNumbers, Codes | None], Codes]) -> Codes:
        self.exchange = exchange
        for index in range(self.slices):
            self._slice(index)
        return self.codes.reshape(self.rows, self.columns, -1)

    def _slice(self, index: int) -> None:
        current = self.prior.slices[index]
        channels = slice(current.first, current.last)
        earlier = current.before.activations(self.seen[:, : current.first]) if current.before else None
        offset = 0 if earlier is None else earlier.shape[1]
        width = current.own.weight.shape[1]
        features = offset + width + 2
        framed = np.zeros((self.rows + 2, self.columns + 2, -(-features // 4) * 4), np.uint8)
        inner = framed[1:-1, 1:-1, :features]
        inner[..., -2:] = self.rate_index, ACTIVATION_MAX
        if earlier is not None:
            inner[..., :offset] = earlier.reshape(self.rows, self.columns, offset)
        for number, cells in enumerate(passes(self.rows, self.columns, index == 0)):
            if not cells.flat.size:
                continue
            tables = current.networks[number](framed, cells.around, self.rate_index, len(self.prior.tables))
            symbols, codes = self._pass(index, number, channels, cells, tables)
            self.codes[cells.flat, channels] = codes
            magnitude = np.minimum(np.abs(symbols), len(self.prior.magnitudes) - 1)
            self.seen[cells.flat, channels] = self.prior.magnitudes[magnitude]
            if number + 1 < len(current.networks):
                embedded = current.own.activations(self.seen[cells.flat, channels])
                row, column = np.divmod(cells.flat, self.columns)
                inner[row, column, offset : offset + width] = embedded

    def _pass(
        self, index: int, number: int, channels: slice, cells: PassCells, tables: TableNumbers
    ) -> tuple[Codes, Codes]:
        """Return symbols and codes of a pass, (M, N) each; inactive channels are zero in both."""
        active = self.active[channels]
        wanted = None if self.wanted is None else self.wanted[cells.flat, channels]
        if index == 0 and number == 0:
            return self._chain_pass(wanted, tables, active)
        means = np.zeros(tables.shape, np.int32)
        if index == 0:
            means = self.prior.predictor.around(self.codes[:, channels], self.rows, self.columns, number)
            means *= active
        symbols = None if wanted is None else np.where(tables > 0, wanted - means, 0)
        symbols = self._exchange(tables, symbols, active)
        return symbols, symbols if index else in_range(symbols + means)

    def _chain_pass(
        self, wanted: Codes | None, tables: TableNumbers, active: NDArray[np.bool_]
    ) -> tuple[Codes, Codes]:
        shape = (-(-self.rows // 2), -(-self.columns // 2), tables.shape[1])
        weights = self.prior.predictor.left
        if wanted is None:
            symbols = self._exchange(tables, None, active)
            _, codes = chained(weights, symbols.reshape(shape))
        else:
            grid, codes = chained(weights, wanted.reshape(shape), ((tables > 0) & active).reshape(shape))
            symbols = self._exchange(tables, grid.reshape(tables.shape), active)
        return symbols, codes.reshape(tables.shape)

    def _exchange(self, tables: TableNumbers, symbols: Codes | None, active: NDArray[np.bool_]) -> Codes:
        """Code the active channels; the symbols of all others are zero."""
        if active.all():
            return self.exchange(tables, symbols)
        complete = np.zeros(tables.shape, np.int32)
        coded = None if symbols is None else symbols[:, active]
        complete[:, active] = self.exchange(tables[:, active], coded)
        return complete
