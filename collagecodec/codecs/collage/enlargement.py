"""The enlargement: planes at twice their size.

The cubic kernel of `sampling.resample` interpolates the planes, and a small integer network adds the detail
that the kernel cannot know: a correction in units of 1/16 pixel level for each of the four finer pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collagecodec.codecs.collage.convolution import Samples, convolve_planes
from collagecodec.codecs.collage.integers import IntegerLayer
from collagecodec.sampling.resample import Axis

PLANE_LIMIT = 2**13
"""Enlarged planes are clipped to this magnitude in 1/16 pixel level, which no picture reaches."""
REACH = 3
"""Pixels of neighbourhood that the cubic kernel needs on every side."""


@dataclass(frozen=True)
class Enlargement:
    """A stack of convolutions of half-size maps.

    The last layer has 48 outputs, ordered by plane, row and column in the block of 2x2 pixels, row and column
    of the finer pixel.
    """

    layers: tuple[IntegerLayer, ...]

    @property
    def margin(self) -> int:
        """Pixels of neighbourhood that an enlargement needs on every side; an even number."""
        return max(2 * len(self.layers), REACH + 1)

    def enlarge(self, planes: Samples, rate_index: int) -> NDArray[np.int16]:
        """Return planes (3, 2 (H - 2 margin), 2 (W - 2 margin)) in 1/16 pixel level.

        `planes` (3, H, W) are in 1/16 pixel level, H and W even, and include `margin` pixels of neighbourhood
        on every side.
        """
        margin, spare = self.margin, self.margin - 2 * len(self.layers)
        inner = planes[:, spare : planes.shape[1] - spare, spare : planes.shape[2] - spare]
        maps = convolve_planes(self.layers, inner, rate_index)
        rows, columns = maps.shape[:2]
        # Axes: row, column, plane, row and column in the block of 2x2 pixels, row and column of the finer pixel.
        detail = maps.reshape(rows, columns, 3, 2, 2, 2, 2).transpose(2, 0, 3, 5, 1, 4, 6)
        enlarged = detail.reshape(3, 4 * rows, 4 * columns) + _doubled(_doubled(planes, margin), margin)
        return np.clip(enlarged, -PLANE_LIMIT, PLANE_LIMIT, out=enlarged).astype(np.int16)


def _doubled(planes: Samples, margin: int) -> Samples:
    """Double the rows within the margins by the cubic kernel and transpose: the next call doubles the columns."""
    rows = planes.shape[1]
    axis = Axis(margin, rows - 2 * margin, 1, 2 * (rows - 2 * margin), rows)
    return np.ascontiguousarray(axis.apply(planes, 0, axis.count).transpose(0, 2, 1))
