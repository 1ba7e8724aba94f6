"""The order in which the range cells of a tile are decoded: quincunx passes and their neighbourhoods."""

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
    """Position of each cell in the raster of the tile, shape (M,)."""
    around: Indices
    """Positions of its 3 x 3 neighbourhood in the tile with a frame of one cell around it, shape (M, 9)."""


@lru_cache(maxsize=64)
def passes(rows: int, columns: int, first_slice: bool) -> tuple[PassCells, ...]:
    """Passes over a grid of rows x columns cells, in decoding order.

    Even-even cells, odd-odd cells, the rest; slices after the first join the first two.
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
    """Raster positions of the four cells that predict each cell of a pass of the first slice, shape (M, 4).

    Pass 1 (odd-odd) looks at its diagonal neighbours, pass 2 at its direct ones. Outside the grid it is
    mirrored at the border cell, which keeps the parity; where there is nothing to mirror the position is
    rows * columns, which stands for a code of zero.
    """
    cells = passes(rows, columns, True)[pass_index].flat
    i, j = np.divmod(cells, columns)
    found = []
    for y, x in DIAGONAL if pass_index == 1 else DIRECT:
        row, column = _mirror(i + y, rows), _mirror(j + x, columns)
        found.append(np.where((row < 0) | (column < 0), rows * columns, row * columns + column))
    return np.stack(found, 1)


def _mirror(index: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Mirror -1 to 1 and size to size - 2; -1 where that is not in the grid."""
    index = np.where(index < 0, -index, index)
    index = np.where(index >= size, 2 * size - 2 - index, index)
    return np.where((index < 0) | (index >= size), -1, index)
