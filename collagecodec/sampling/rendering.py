"""A decoded picture on its way out, as bands of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from collagecodec.errors import LimitError
from collagecodec.sampling.request import Image8


@dataclass
class Rendering:
    """A picture of `width` x `height` pixels with 1 to 4 `channels`, computed while it is iterated over.

    Each band is uint8, (h, width) for one channel and (h, width, channels) otherwise, top to bottom, and can be
    read once. `damaged` lists the tiles that came out grey because they could not be read; it is complete when
    the iteration has passed them.
    """

    width: int
    height: int
    channels: int
    bands: Iterator[Image8]
    damaged: list[int] = field(default_factory=list)

    def __iter__(self) -> Iterator[Image8]:
        return self.bands

    def gather(self) -> Image8:
        """All bands as one array; LimitError if it does not fit into memory."""
        shape = (self.height, self.width)
        try:
            pixels = np.empty(shape if self.channels == 1 else (*shape, self.channels), np.uint8)
        except (MemoryError, ValueError) as error:
            raise LimitError(
                f"{self.width}x{self.height} pixels do not fit into memory: use decode_bands, region or scale"
            ) from error
        row = 0
        for band in self:
            pixels[row : row + len(band)] = band
            row += len(band)
        assert row == self.height
        return pixels
