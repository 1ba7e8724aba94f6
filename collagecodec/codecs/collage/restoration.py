"""The restoration: a small integer network that corrects the synthesised planes.

Its inputs are 12 maps of half size, one for every plane and position in blocks of 2x2 pixels. It applies 3x3
convolutions and returns a correction in units of 1/16 pixel level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from collagecodec.codecs.collage.convolution import Samples, convolve_planes, rows_in_order, stack
from collagecodec.codecs.collage.integers import IntegerLayer
from collagecodec.kernels.layers import Stack

CORRECTION_LIMIT = 2**14
"""Corrections below this magnitude and samples up to 2^13 sum to less than 2^15."""


@dataclass(frozen=True)
class Restoration:
    """A stack of convolutions of half-size maps; the last layer gives the correction."""

    layers: tuple[IntegerLayer, ...]

    @property
    def margin(self) -> int:
        """Pixels of neighbourhood that a correction needs on every side."""
        return 2 * len(self.layers)

    def correct(self, planes: Samples, rate_index: int, kept: int = 3) -> Samples:
        """Return the first `kept` planes corrected, (kept, H - 2 margin, W - 2 margin) in 1/16 pixel level.

        `planes` (3, H, W) are in 1/16 pixel level, H and W even, and include `margin` pixels of neighbourhood
        on every side. Outside the picture the neighbourhood repeats the edge pixels.
        """
        if planes.dtype == np.int16 and (compiled := self._compiled()):
            return compiled.correct(rows_in_order(planes), rate_index, kept)
        maps = convolve_planes(self.layers, planes, rate_index)
        rows, columns = maps.shape[:2]
        correction = maps.reshape(rows, columns, 3, 2, 2).transpose(2, 0, 3, 1, 4)
        margin = self.margin
        inner = planes[:, margin : margin + 2 * rows, margin : margin + 2 * columns]
        return (inner + correction.reshape(inner.shape))[:kept]

    def _compiled(self) -> Stack | None:
        """Return the layers for the C core if corrected samples surely fit 16 bits."""
        return stack(self.layers) if self.layers[-1].largest() < CORRECTION_LIMIT else None
