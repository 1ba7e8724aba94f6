"""The restoration: a small integer network that corrects the synthesised planes.

It sees two by two pixels of the three planes at a time (12 channels at half size), applies 3x3 convolutions
and returns a correction in 1/16 of a level.
"""

from __future__ import annotations

from dataclasses import dataclass

from collagecodec.codecs.collage.convolution import convolve_planes
from collagecodec.codecs.collage.integers import Floats, IntegerLayer


@dataclass(frozen=True)
class Restoration:
    """Convolutions of half-size maps; the last one gives the correction."""

    layers: tuple[IntegerLayer, ...]

    @property
    def margin(self) -> int:
        """Pixels by which a correction looks beyond its place, on every side."""
        return 2 * len(self.layers)

    def correct(self, planes: Floats, rate_index: int) -> Floats:
        """Planes (3, H, W) in 1/16 level, `margin` pixels of neighbourhood included on every side, to the
        corrected planes (3, H - 2 margin, W - 2 margin). H and W are even; at the border of a picture the
        neighbourhood repeats its outermost pixels."""
        maps = convolve_planes(self.layers, planes, rate_index)
        rows, columns = maps.shape[:2]
        correction = maps.reshape(rows, columns, 3, 2, 2).transpose(2, 0, 3, 1, 4)
        margin = self.margin
        proper = planes[:, margin : margin + 2 * rows, margin : margin + 2 * columns]
        return proper + correction.reshape(proper.shape)
