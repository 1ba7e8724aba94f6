"""The request of a caller to a decoder: a region of the stored picture, at a scale or a size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collagecodec.errors import LimitError

MAX_OUTPUT_SIDE = 2**24
"""Maximum side of a decoded picture in pixels."""
SCALE_DENOMINATOR = 2**16
"""For every codec, scales are rounded to the nearest fraction with at most this denominator."""

Image8 = NDArray[np.uint8]
"""8-bit pixels: (H, W) for grey, (H, W, C) for 2 to 4 channels."""
Region = tuple[int, int, int, int]
"""x, y, width, height in pixels of the stored picture."""
Size = tuple[int, int]
"""Width and height in pixels."""
Scale = int | float | Fraction


def _integral(value: Any) -> bool:
    # Infinity and NaN have no integer.
    return math.isfinite(value) and int(value) == value


@dataclass(frozen=True)
class Request:
    """A request to render: `region` is cut from the stored picture, then scaled by `scale` or to `size`."""

    scale: Fraction = Fraction(1)
    size: Size | None = None
    region: Region | None = None

    @classmethod
    def of(cls, scale: Scale = 1, size: Size | None = None, region: Region | None = None) -> Request:
        """Create a request from a caller's arguments; ValueError for invalid or contradictory arguments."""
        if size is not None and scale != 1:
            raise ValueError("give scale or size, not both")
        if not 0 < scale < math.inf:
            raise ValueError(f"the scale must be a number above 0, not {scale}")
        for name, values, count in (("size", size, 2), ("region", region, 4)):
            if values is not None and (len(values) != count or not all(map(_integral, values))):
                raise ValueError(f"a {name} has {count} integers, not {values}")
        return cls(
            Fraction(scale).limit_denominator(SCALE_DENOMINATOR),
            None if size is None else (int(size[0]), int(size[1])),
            None if region is None else (int(region[0]), int(region[1]), int(region[2]), int(region[3])),
        )

    def resolve(self, width: int, height: int) -> tuple[Region, Size]:
        """Return the region and the output size for a stored picture of `width` x `height` pixels.

        Raises ValueError for a region outside the picture or an empty output, LimitError for an output with a
        side of more than 2^24 pixels.
        """
        x, y, w, h = self.region or (0, 0, width, height)
        if w < 1 or h < 1 or x < 0 or y < 0 or x + w > width or y + h > height:
            raise ValueError(f"the region {x},{y},{w},{h} does not lie in the picture of {width}x{height} pixels")
        size = self.size or (-(-w * self.scale // 1), -(-h * self.scale // 1))
        if min(size) < 1:
            raise ValueError(f"the size must be at least 1x1 pixels, not {size[0]}x{size[1]}")
        if max(size) > MAX_OUTPUT_SIDE:
            raise LimitError(
                f"{size[0]}x{size[1]} pixels: no side of a decoded picture may exceed {MAX_OUTPUT_SIDE}"
            )
        return (x, y, w, h), (int(size[0]), int(size[1]))
