"""The coding order of the hierarchical prior: passes from a coarse lattice of cells to all of them.

The first slice begins with every fourth cell in both directions; each further pass lies halfway between the
cells of the passes before, first diagonally, then directly. Later slices have two passes, as on a chessboard.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]

DIAGONAL = ((-1, -1), (-1, 1), (1, -1), (1, 1))
DIRECT = ((-1, 0), (0, -1), (0, 1), (1, 0))
FAR_DIAGONAL = ((-3, -1), (-3, 1), (-1, -3), (-1, 3), (1, -3), (1, 3), (3, -1), (3, 1))
FAR_DIRECT = ((-2, -1), (-2, 1), (-1, -2), (-1, 2), (1, -2), (1, 2), (2, -1), (2, 1))
SQUARE = tuple((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1))


@dataclass(frozen=True)
class Pass:
    """The kind of a pass: which cells it codes, and where their coded neighbours lie."""

    stride: int
    """Cells repeat after `stride` rows and columns."""
    places: tuple[tuple[int, int], ...]
    """Rows and columns of its cells, modulo the stride."""
    near: tuple[tuple[int, int], ...]
    """Offsets of the four nearest coded cells, from which the first slice is predicted; none in a blind pass."""
    far: tuple[tuple[int, int], ...]
    """Offsets of eight further coded cells."""

    @property
    def taps(self) -> tuple[tuple[int, int], ...]:
        """Offsets of all cells whose codes of the same slice the pass sees."""
        return self.near + self.far


def _scaled(offsets: tuple[tuple[int, int], ...], unit: int) -> tuple[tuple[int, int], ...]:
    return tuple((unit * y, unit * x) for y, x in offsets)


FIRST_STRIDE = 4
"""Distance in cells of the blind pass of the first slice."""
FIRST_PASSES = (
    Pass(4, ((0, 0),), (), ()),
    Pass(4, ((2, 2),), _scaled(DIAGONAL, 2), _scaled(FAR_DIAGONAL, 2)),
    Pass(4, ((0, 2), (2, 0)), _scaled(DIRECT, 2), _scaled(FAR_DIRECT, 2)),
    Pass(2, ((1, 1),), DIAGONAL, FAR_DIAGONAL),
    Pass(2, ((0, 1), (1, 0)), DIRECT, FAR_DIRECT),
)
LATER_PASSES = (
    Pass(2, ((0, 0), (1, 1)), (), ()),
    Pass(2, ((0, 1), (1, 0)), DIRECT, FAR_DIRECT),
)


def passes_of(slice_index: int) -> tuple[Pass, ...]:
    """Return the passes of a slice in coding order."""
    return LATER_PASSES if slice_index else FIRST_PASSES


@dataclass(frozen=True)
class PassCells:
    """The cells of a pass over a tile, in raster order. Indices of cells outside are rows * columns."""

    flat: Indices
    """Raster index of each cell, (M,)."""
    square: Indices
    """The cell and the eight around it, (M, 9)."""
    taps: Indices
    """The coded neighbours in the order of `Pass.taps`, (M, T)."""
    mirrored: Indices
    """The four nearest coded neighbours, (M, 4) or (M, 0). One outside the tile gives way to that on the opposite
    side of the cell."""


@lru_cache(maxsize=64)
def cells_of(rows: int, columns: int, slice_index: int) -> tuple[PassCells, ...]:
    """Return the cells of every pass over a tile of rows x columns cells."""
    return tuple(_cells(rows, columns, each) for each in passes_of(slice_index))


def _cells(rows: int, columns: int, each: Pass) -> PassCells:
    i, j = np.divmod(np.arange(rows * columns), columns)
    own = np.zeros(rows * columns, bool)
    for y, x in each.places:
        own |= (i % each.stride == y) & (j % each.stride == x)
    flat = np.flatnonzero(own)

    def at(offsets: tuple[tuple[int, int], ...], mirror: bool = False) -> Indices:
        found = np.empty((flat.size, len(offsets)), np.intp)
        for number, (y, x) in enumerate(offsets):
            row, column = i[flat] + y, j[flat] + x
            if mirror:
                row = np.where((row < 0) | (row >= rows), i[flat] - y, row)
                column = np.where((column < 0) | (column >= columns), j[flat] - x, column)
            outside = (row < 0) | (row >= rows) | (column < 0) | (column >= columns)
            found[:, number] = np.where(outside, rows * columns, row * columns + column)
        return found

    return PassCells(flat, at(SQUARE), at(each.taps), at(each.near, mirror=True))
