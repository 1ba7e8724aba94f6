"""What a caller asks of a decoder: a region of the stored picture, at a scale or a size."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from collagecodec.errors import LimitError

MAX_OUTPUT_SIDE = 2**24

Image8 = NDArray[np.uint8]
Region = tuple[int, int, int, int]


@dataclass(frozen=True)
class Request:
    """What to render: `region` (x, y, width, height) in stored pixels, then either `scale` or `size`
    (width, height) in pixels of the output."""

    scale: Fraction = Fraction(1)
    size: tuple[int, int] | None = None
    region: tuple[int, int, int, int] | None = None

    def resolve(self, width: int, height: int) -> tuple[tuple[int, int, int, int], tuple[int, int]]:
        """Region and output size for a stored picture; ValueError if they make no sense, LimitError if the
        output is too large."""
        x, y, w, h = self.region or (0, 0, width, height)
        if w < 1 or h < 1 or x < 0 or y < 0 or x + w > width or y + h > height:
            raise ValueError(f"the region {x},{y},{w},{h} does not lie in the picture of {width}x{height} pixels")
        if self.scale <= 0:
            raise ValueError(f"the scale must be above 0, not {self.scale}")
        size = self.size or (-(-w * self.scale // 1), -(-h * self.scale // 1))
        if min(size) < 1:
            raise ValueError(f"the size must be at least 1x1 pixels, not {size[0]}x{size[1]}")
        if max(size) > MAX_OUTPUT_SIDE:
            raise LimitError(
                f"{size[0]}x{size[1]} pixels: no side of a decoded picture may pass {MAX_OUTPUT_SIDE}"
            )
        return (x, y, w, h), (int(size[0]), int(size[1]))
