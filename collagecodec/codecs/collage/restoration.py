"""The restoration: a small integer network that corrects the synthesised planes.

Its inputs are 12 maps of half size, one for every plane and position in blocks of 2x2 pixels. It applies 3x3
convolutions and returns a correction in units of 1/16 pixel level.
"""

from __future__ import annotations

from dataclasses import dataclass

from collagecodec.codecs.collage.convolution import convolve_planes
from collagecodec.codecs.collage.integers import Floats, IntegerLayer


@dataclass(frozen=True)
class Restoration:
    """A stack of convolutions of half-size maps; the last layer gives the correction."""

    layers: tuple[IntegerLayer, ...]

    @property
    def margin(self) -> int:
        """Pixels of neighbourhood that a correction needs on every side."""
        return 2 * len(self.layers)

    def correct(self, planes: Floats, rate_index: int) -> Floats:
        """Return corrected planes (3, H - 2 margin, W - 2 margin) in 1/16 pixel level.

        `planes` (3, H, W) are in 1/16 pixel level, H and W even, and include `margin` pixels of neighbourhood
        on every side. Outside the picture the neighbourhood repeats the edge pixels.
        """
        maps = convolve_planes(self.layers, planes, rate_index)
        rows, columns = maps.shape[:2]
        correction = maps.reshape(rows, columns, 3, 2, 2).transpose(2, 0, 3, 1, 4)
        margin = self.margin
        inner = planes[:, margin : margin + 2 * rows, margin : margin + 2 * columns]
        return inner + correction.reshape(inner.shape)
