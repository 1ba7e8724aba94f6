"""The enlargement: planes at twice their size, the atoms on the finer grid as a network finds them.

The planes are interpolated by the cubic kernel of `resample`, and a small integer network like the restoration
adds what the kernel cannot know: 1/16 level for each of the four finer pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from collagecodec.codecs.collage.convolution import convolve_planes
from collagecodec.codecs.collage.integers import Floats, IntegerLayer
from collagecodec.sampling.resample import Axis

PLANE_LIMIT = 2**13
"""Enlarged planes are clipped to +- this many 1/16 levels, which no picture reaches."""
REACH = 3
"""Pixels that the cubic kernel looks beyond its place."""


@dataclass(frozen=True)
class Enlargement:
    """Convolutions of half-size maps; the last one has 48 outputs: plane, pixel of a pair, finer pixel."""

    layers: tuple[IntegerLayer, ...]

    @property
    def margin(self) -> int:
        """Pixels by which an enlargement looks beyond its place, on every side; even."""
        return max(2 * len(self.layers), REACH + 1)

    def enlarge(self, planes: Floats, rate_index: int) -> Floats:
        """Planes (3, H, W) in 1/16 level, `margin` pixels of neighbourhood included on every side, to planes
        (3, 2 (H - 2 margin), 2 (W - 2 margin)). H and W are even."""
        margin, spare = self.margin, self.margin - 2 * len(self.layers)
        inner = planes[:, spare : planes.shape[1] - spare, spare : planes.shape[2] - spare]
        maps = convolve_planes(self.layers, inner, rate_index)
        rows, columns = maps.shape[:2]
        # (row, column, plane, pixel row and column of the pair, finer row and column)
        detail = maps.reshape(rows, columns, 3, 2, 2, 2, 2).transpose(2, 0, 3, 5, 1, 4, 6)
        enlarged = _doubled(_doubled(planes, margin), margin)
        enlarged += detail.reshape(enlarged.shape)
        return np.clip(enlarged, -PLANE_LIMIT, PLANE_LIMIT, out=enlarged)


def _doubled(planes: Floats, margin: int) -> Floats:
    """Rows twice as many, less the margins, by the cubic kernel; transposed, so that columns come next."""
    rows = planes.shape[1]
    axis = Axis(margin, rows - 2 * margin, 1, 2 * (rows - 2 * margin), rows)
    return np.ascontiguousarray(axis.apply(planes, 0, axis.count).transpose(0, 2, 1))
