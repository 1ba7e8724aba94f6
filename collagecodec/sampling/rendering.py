"""A decoded picture as an iterator of bands of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from collagecodec.errors import LimitError
from collagecodec.sampling.request import Image8, Region


@dataclass(frozen=True)
class Samples:
    """What the channels of a picture are: number, whether the last is alpha, type, and the promised error."""

    channels: int
    alpha: bool
    dtype: np.dtype[np.generic] = np.dtype(np.uint8)  # noqa: RUF009 (a dtype is immutable)
    max_error: int | None = None

    @property
    def mode(self) -> str:
        """L, LA, RGB or RGBA where it is one of them, else the number of bands in words."""
        bands = self.channels - self.alpha
        if bands in (1, 3):
            return ("L" if bands == 1 else "RGB") + "A" * self.alpha
        return f"{bands} bands" + " + alpha" * self.alpha


@dataclass
class Rendering:
    """A picture of `width` x `height` pixels with 1 to 4 `channels`, computed during iteration over its bands.

    The bands run from top to bottom and can be iterated over only once. Each band is uint8, (h, width) for grey
    and (h, width, channels) otherwise; pictures of layers may have another `dtype` and more channels. `damaged`
    lists the unreadable tiles that were replaced by grey; it is complete when the iteration ends.
    """

    width: int
    height: int
    channels: int
    bands: Iterator[Image8]
    damaged: list[int] = field(default_factory=list)
    dtype: np.dtype[np.generic] = np.dtype(np.uint8)  # noqa: RUF009 (a dtype is immutable)
    area_of: Callable[[int], Region] | None = None
    """Returns the part of the stored picture that a damaged tile changes."""

    @property
    def damaged_areas(self) -> list[Region]:
        """The parts of the stored picture (x, y, width, height) that the `damaged` tiles change.

        They are larger than the tiles where the picture is synthesised or restored across the borders of tiles.
        """
        return [self.area_of(tile) for tile in self.damaged] if self.area_of else []

    def __iter__(self) -> Iterator[Image8]:
        return self.bands

    def gather(self) -> Image8:
        """Return all bands as a single array; LimitError if it does not fit into memory."""
        shape = (self.height, self.width)
        try:
            pixels = np.empty(shape if self.channels == 1 else (*shape, self.channels), self.dtype)
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
