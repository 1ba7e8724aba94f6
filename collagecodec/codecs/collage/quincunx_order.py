"""The order in which the range cells of a tile are coded: quincunx passes and the neighbourhood of each cell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]

DIAGONAL = ((-1, -1), (-1, 1), (1, -1), (1, 1))
DIRECT = ((-1, 0), (0, -1), (0, 1), (1, 0))


@dataclass(frozen=True)
class PassCells:
    """The cells of one pass, in raster order."""

    flat: Indices
    """Raster index of each cell in the tile, shape (M,)."""
    around: Indices
    """Raster indices of the 3 x 3 cells around it, in the tile extended by a cell on every side: (M, 9)."""


@lru_cache(maxsize=64)
def passes(rows: int, columns: int, first_slice: bool) -> tuple[PassCells, ...]:
    """Return the passes over a tile of rows x columns cells, in coding order.

    The first slice has three passes: cells with even row and column, cells with odd row and column, all
    others. Later slices join the first two.
    """
    i, j = np.divmod(np.arange(rows * columns), columns)
    kind = i % 2 + j % 2
    masks = [kind == 0, kind == 2, kind == 1] if first_slice else [kind != 1, kind == 1]
    frame = columns + 2
    offsets = np.array([y * frame + x for y in range(3) for x in range(3)])
    corner = i * frame + j
    return tuple(PassCells(np.flatnonzero(mask), corner[mask][:, None] + offsets) for mask in masks)


@lru_cache(maxsize=64)
def neighbours(rows: int, columns: int, pass_index: int) -> Indices:
    """Return raster indices of the four cells that predict each cell of pass 1 or 2 of the first slice: (M, 4).

    Cells of pass 1 are predicted from their diagonal neighbours, cells of pass 2 from their direct neighbours.
    An index outside the tile is mirrored at the border cell, which keeps its parity. A tile of a single row
    or column has nothing to mirror; the index is then rows * columns, which stands for a code of zero.
    """
    cells = passes(rows, columns, True)[pass_index].flat
    i, j = np.divmod(cells, columns)
    positions = []
    for y, x in DIAGONAL if pass_index == 1 else DIRECT:
        row, column = _mirror(i + y, rows), _mirror(j + x, columns)
        positions.append(np.where((row < 0) | (column < 0), rows * columns, row * columns + column))
    return np.stack(positions, 1)


def _mirror(index: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Mirror -1 to 1 and size to size - 2; indices that still lie outside become -1."""
    index = np.where(index < 0, -index, index)
    index = np.where(index >= size, 2 * size - 2 - index, index)
    return np.where((index < 0) | (index >= size), -1, index)
