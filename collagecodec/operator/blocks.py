"""Pictures as grids of independent square blocks: splitting, joining, and the blocks of a region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Sample = TypeVar("Sample", bound=np.generic)


@dataclass(frozen=True)
class BlockGrid:
    """A picture of height x width samples in blocks of size x size samples; the last blocks may overhang."""

    height: int
    width: int
    size: int

    def __post_init__(self) -> None:
        if min(self.height, self.width, self.size) < 1:
            raise ValueError(f"{self.height}x{self.width} samples cannot have blocks of {self.size}")

    @property
    def rows(self) -> int:
        """Rows of blocks."""
        return -(-self.height // self.size)

    @property
    def columns(self) -> int:
        """Columns of blocks."""
        return -(-self.width // self.size)

    @property
    def count(self) -> int:
        """Number of blocks, counted row by row."""
        return self.rows * self.columns

    def split(self, picture: NDArray[Sample]) -> NDArray[Sample]:
        """Return the blocks (count, C, size, size) of a picture (H, W, C); overhanging parts repeat the edge."""
        if picture.ndim != 3 or picture.shape[:2] != (self.height, self.width):
            raise ValueError(f"a picture of {self.height}x{self.width} was expected, not {picture.shape}")
        below, right = self.rows * self.size - self.height, self.columns * self.size - self.width
        padded = np.pad(picture, ((0, below), (0, right), (0, 0)), mode="edge")
        shape = (self.rows, self.size, self.columns, self.size, picture.shape[2])
        blocks = padded.reshape(shape).transpose(0, 2, 4, 1, 3)
        return np.ascontiguousarray(blocks.reshape(self.count, picture.shape[2], self.size, self.size))

    def join(self, blocks: NDArray[Sample]) -> NDArray[Sample]:
        """Undo `split`: turn blocks (count, C, size, size) into a picture (H, W, C) without the overhang."""
        if blocks.shape[0] != self.count or blocks.shape[2:] != (self.size, self.size):
            raise ValueError(f"{self.count} blocks of {self.size} were expected, not {blocks.shape}")
        channels = blocks.shape[1]
        grid = blocks.reshape(self.rows, self.columns, channels, self.size, self.size)
        picture = grid.transpose(0, 3, 1, 4, 2).reshape(self.rows * self.size, -1, channels)
        return np.ascontiguousarray(picture[: self.height, : self.width])

    def cover(self, region: tuple[int, int, int, int]) -> tuple[slice, slice]:
        """Return the rows and columns of the blocks that a region (x, y, width, height) touches.

        Raises ValueError if the region leaves the picture.
        """
        x, y, width, height = region
        if min(x, y) < 0 or min(width, height) < 1 or x + width > self.width or y + height > self.height:
            raise ValueError(f"the region {region} does not lie in a picture of {self.width}x{self.height}")
        return (
            slice(y // self.size, -(-(y + height) // self.size)),
            slice(x // self.size, -(-(x + width) // self.size)),
        )

    def take(self, values: NDArray[Any], region: tuple[int, int, int, int]) -> NDArray[Any]:
        """Return the entries of `values` (count, ...) for the blocks of `cover(region)`, row by row."""
        down, across = self.cover(region)
        grid = values.reshape(self.rows, self.columns, *values.shape[1:])[down, across]
        return grid.reshape(-1, *values.shape[1:])
