"""The head of a tile of the hierarchical prior: its quantiser map, and a shift of the tables of every pass.

The head is coded like the symbols of a pass, with fixed tables of the model. Its first symbol is the number of
the table that codes the quantiser map, 0 for a flat map; the shifts follow. The map is stored as its differences
between rows and columns, which are zero within areas of one offset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitstream.entropy import Tables
from bitstream.errors import FormatError
from collagecodec.codecs.collage.hierarchical_prior import CodedPass, shifted
from collagecodec.codecs.collage.prior import Codes, Fetch, TableNumbers
from collagecodec.codecs.collage.quantiser import MAX_OFFSET

HEAD_TABLE = 20
"""Number of the table that codes the first symbol and the shifts."""
MAX_SHIFT = 15
"""Largest magnitude of a shift."""
MAP_TABLES = (1, 10, 20, 26, 32, 38)
"""Tables that an encoder tries for a quantiser map."""


@dataclass(frozen=True)
class TileHead:
    """What precedes the codes of a tile."""

    offsets: NDArray[np.int64] | None
    """Offset of every cell, (rows, columns), -48..48; None for a flat map of zeros."""
    shifts: NDArray[np.int32]
    """Shift of the table numbers of every pass, (passes,), -15..15."""


def read_head(fetch: Fetch, rows: int, columns: int, passes: int, tables: int) -> TileHead:
    """Decode the head of a tile of rows x columns cells; FormatError if a value is out of range."""
    head = fetch(np.full(1 + passes, HEAD_TABLE, np.uint8))
    table, shifts = int(head[0]), head[1:]
    if not 0 <= table < tables or np.abs(shifts).max(initial=0) > MAX_SHIFT:
        raise FormatError("the head of a tile is out of range: the file is damaged")
    if table == 0:
        return TileHead(None, shifts)
    differences = fetch(np.full((rows, columns), table, np.uint8)).astype(np.int64)
    # At most 2^17 cells of at most 2^24 each: the sums stay below 2^63.
    offsets = differences.cumsum(0).cumsum(1)
    if np.abs(offsets).max() > MAX_OFFSET:
        raise FormatError("an offset of the quantiser map is out of range: the file is damaged")
    return TileHead(offsets, shifts)


def coded_tile(
    coded: Sequence[CodedPass], passes: int, offsets: NDArray[np.integer] | None, tables: Tables
) -> list[tuple[Codes, TableNumbers]]:
    """Return everything to code for a tile, symbols and table numbers (N,): its head and its coded passes.

    Shifts and the table of the map are chosen for the fewest bits.
    """
    shifts = np.zeros(passes, np.int32)
    for each in coded:
        shifts[each.number] = _best_shift(each, tables)
    chosen, mapped = 0, []
    if offsets is not None and offsets.any():
        differences = _differences(offsets)
        choices = [np.full(differences.size, table, np.uint8) for table in MAP_TABLES]
        numbers = min(choices, key=lambda numbers: tables.estimate_bits(differences, numbers))
        chosen, mapped = int(numbers[0]), [(differences, numbers)]
    head = np.concatenate([np.array([chosen], np.int32), shifts])
    symbols = [
        (each.symbols.ravel(), shifted(each.tables, int(shifts[each.number]), len(tables)).ravel())
        for each in coded
    ]
    return [(head, np.full(head.size, HEAD_TABLE, np.uint8)), *mapped, *symbols]


def _differences(offsets: NDArray[np.integer]) -> NDArray[np.int32]:
    """Return the differences of (rows, columns) offsets between columns and then rows, raster order."""
    across = np.diff(offsets.astype(np.int32), axis=1, prepend=0)
    return np.diff(across, axis=0, prepend=0).astype(np.int32).ravel()


def _best_shift(coded: CodedPass, tables: Tables) -> int:
    """Return the shift that codes a pass in the fewest bits, found by steps of 1 from 0."""
    symbols = coded.symbols.ravel()

    def bits(shift: int) -> float:
        return tables.estimate_bits(symbols, shifted(coded.tables, shift, len(tables)).ravel())

    best, least = 0, bits(0)
    for direction in (1, -1):
        while abs(best + direction) <= MAX_SHIFT and (fewer := bits(best + direction)) < least:
            best, least = best + direction, fewer
        if best:
            break
    return best
