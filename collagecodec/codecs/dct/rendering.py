"""Renders the coefficients of a `dct` file as pixels at the requested size.

Blocks are rendered with n x n samples, where n = 1 .. cell is the smallest that is not below the requested size.
Sizes in between, and enlargements, are resampled in integer arithmetic (`sampling.resample`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from collagecodec.codecs.dct.atoms import Cosines
from collagecodec.operator.blocks import BlockGrid
from collagecodec.operator.code import Code
from collagecodec.operator.fixed_point import iterate
from collagecodec.operator.geometry import Geometry
from collagecodec.operator.operator import Operator
from collagecodec.sampling.bands import Band, resampled, resampling_bytes
from collagecodec.sampling.colour import PLANE_UNIT, pixels_of
from collagecodec.sampling.rendering import Rendering
from collagecodec.sampling.request import Image8, Request
from collagecodec.sampling.resample import Axis
from collagecodec.sampling.scales import cover, natural_cell

LEVEL_UNIT = 16
"""Coefficients are integers in 1/16 level."""
PLANE_LIMIT = 2**13
"""Planes are clipped to +- this value in 1/16 level."""
BAND_CELLS = 4096
"""Approximate number of blocks that are rendered at a time."""

Levels = NDArray[np.int32]


def operator_of(cell: int, rows: int, columns: int, channels: int) -> Operator:
    """Return the map of rows x columns blocks, each of them a range cell of the picture."""
    return Operator(Geometry(rows * cell, columns * cell, cell), Cosines(cell), channels)


def code_of(levels: Levels) -> Code:
    """Return the code of coefficients (blocks, channels, V) in 1/16 level: auxiliary (1, channels, blocks, V)."""
    return Code.without_domains(np.ascontiguousarray(levels.transpose(1, 0, 2) / LEVEL_UNIT)[None])


def working_bytes(grid: BlockGrid, channels: int, request: Request) -> int:
    """Return an upper bound of the memory of a rendering, beside its pixels; all coefficients are decoded."""
    (_, _, w, h), size = request.resolve(grid.width, grid.height)
    n = natural_cell(grid.size, grid.size, (w, h), size)
    # The kernel that enlarges reads a little beyond the region.
    across, down = min(w // grid.size + 3, grid.columns), min(h // grid.size + 3, grid.rows)
    rows = min(max(1, BAND_CELLS // across), down)
    coefficients = channels * grid.size**2
    resampling = resampling_bytes(channels, rows * n, (across * n, down * n), size)
    return coefficients * (17 * grid.count + 40 * rows * across) + resampling


@dataclass(frozen=True, eq=False)
class View:
    """The computation of a request: the blocks to render at n samples per side, and their resampling to
    pixels."""

    grid: BlockGrid
    n: int
    vertical: Axis
    horizontal: Axis
    rows: slice
    columns: slice

    @classmethod
    def of(cls, grid: BlockGrid, request: Request) -> View:
        """Return the view of a request; ValueError and LimitError as `Request.resolve`."""
        (x, y, w, h), (width, height) = request.resolve(grid.width, grid.height)
        n = natural_cell(grid.size, grid.size, (w, h), (width, height))
        vertical, rows = cover(y, h, height, n, grid.size, grid.rows)
        horizontal, columns = cover(x, w, width, n, grid.size, grid.columns)
        return cls(grid, n, vertical, horizontal, rows, columns)

    def rendering(self, channels: int, levels: Callable[[], Levels]) -> Rendering:
        """Return the rendering of coefficients (blocks, 1 or 3, V) in 1/16 level.

        `levels` returns them and is called when the iteration begins.
        """

        def bands() -> Iterator[Image8]:
            for band in resampled(self._bands(levels()), self.vertical, self.horizontal):
                yield pixels_of(band)

        return Rendering(self.horizontal.count, self.vertical.count, channels, bands())

    def _bands(self, levels: Levels) -> Iterator[Band]:
        """Yield the planes of the view, float32 (channels, h, w), integers in 1/16 level around 0, top to
        bottom."""
        grid, channels = self.grid, levels.shape[1]
        by_row = levels.reshape(grid.rows, grid.columns, *levels.shape[1:])
        across = self.columns.stop - self.columns.start
        step = max(1, BAND_CELLS // across)
        for row in range(self.rows.start, self.rows.stop, step):
            part = by_row[row : min(row + step, self.rows.stop), self.columns]
            operator = operator_of(grid.size, len(part), across, channels).at(Fraction(self.n, grid.size))
            z = iterate(operator, code_of(part.reshape(-1, *levels.shape[1:])), 1)[0]
            yield np.floor(z * PLANE_UNIT + 0.5).clip(-PLANE_LIMIT, PLANE_LIMIT).astype(np.float32)
