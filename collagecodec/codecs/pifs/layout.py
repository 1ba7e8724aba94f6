"""The possible places of range cells and domain cells of `pifs` in a plane of a tile.

Range cells are the leaves of a quadtree of square nodes. Domain cells have twice the side of range cells, lie
inside the plane and begin at multiples of a step. A node may be restricted to a window of positions around it,
which saves bits; all nodes of a group of 64x64 samples share a window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

GROUP = 64
"""Side of the groups of nodes that share a window, in samples."""

Grid = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class PartitionParams:
    """The settings that shape the cells of a plane; sides are in samples.

    largest, smallest   sides of the largest and smallest range cells; largest = smallest * 2^k
    smallest_domain     side of the smallest range cells that may have a domain cell
    step                distance between domain cells in samples of the pooled plane, which is half as large
    window              positions of a domain cell on each axis, a power of two; 0: no limit
    augment             whether domain cells come in eight isometries and also negative (a < 0)
    """

    largest: int
    smallest: int
    smallest_domain: int
    step: int
    window: int
    augment: bool

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sides of the range cells, from the largest down."""
        return tuple(self.smallest << k for k in range((self.largest // self.smallest).bit_length()))[::-1]

    @property
    def unit(self) -> int:
        """Natural scales are the multiples of 1 / unit, at which all cells begin and end between samples."""
        return math.gcd(self.smallest, self.step)


@dataclass(frozen=True)
class Layout:
    """The nodes and positions of a plane of height x width samples."""

    height: int
    width: int
    partition: PartitionParams

    @cached_property
    def padded(self) -> tuple[int, int]:
        """Height and width in whole nodes of the largest size, in samples."""
        top = self.partition.largest
        return -(-self.height // top) * top, -(-self.width // top) * top

    def shape(self, size: int) -> tuple[int, int]:
        """Rows and columns of the nodes of a size."""
        return self.padded[0] // size, self.padded[1] // size

    def inside(self, size: int) -> Mask:
        """Return which nodes of a size begin inside the plane, bool `shape(size)`; others are never stored."""
        rows, columns = self.shape(size)
        down = np.arange(rows) * size < self.height
        return np.asarray(down[:, None] & (np.arange(columns) * size < self.width))

    def positions(self, size: int) -> tuple[int, int]:
        """Return the numbers of positions (down, across) of domain cells for range cells of `size`, or 0, 0."""
        room = self.height // 2 - size, self.width // 2 - size
        if min(room) < 0 or size < self.partition.smallest_domain:
            return 0, 0
        return room[0] // self.partition.step + 1, room[1] // self.partition.step + 1

    def windows(self, size: int) -> tuple[int, int]:
        """Return the numbers of positions (down, across) among which a node can choose."""
        down, across = self.positions(size)
        limit = self.partition.window or max(down, across)
        return min(down, limit), min(across, limit)

    def groups(self, size: int) -> tuple[Grid, Grid]:
        """Return the group of every row and of every column of nodes; all are 0 without a window."""
        rows, columns = self.shape(size)
        if not self.partition.window:
            return np.zeros(rows, np.int64), np.zeros(columns, np.int64)
        return np.arange(rows) * size // GROUP, np.arange(columns) * size // GROUP

    def anchor(self, size: int, group: NDArray[np.int64] | int, axis: int) -> NDArray[np.int64]:
        """Return the first position of each group's window on an axis (0 down, 1 across): int64."""
        count, length = self.positions(size)[axis], self.windows(size)[axis]
        middle = (np.asarray(group) * (GROUP // 2) + GROUP // 4 - size // 2) // self.partition.step
        return np.asarray(np.clip(middle - length // 2, 0, count - length), np.int64)

    def place_bits(self, size: int) -> tuple[int, int, int]:
        """Return the bits of a position down and across within the window, and of an isometry."""
        down, across = self.windows(size)
        return max(0, down - 1).bit_length(), max(0, across - 1).bit_length(), 3 if self.partition.augment else 0
