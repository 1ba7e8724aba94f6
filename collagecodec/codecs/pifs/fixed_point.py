"""The fixed point of a plane of `pifs`, in integers, at any natural scale.

Every application of the map computes all range cells from the previous plane; the file states the number of
applications. Samples are integers in 1/16 pixel level and every rounding is specified, so the result has the
same bits on every machine. The map is that of the operator (`collagecodec.operator`) whose b are the means minus
a times the means of the domain cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collagecodec.codecs.pifs.layout import Layout
from collagecodec.codecs.pifs.tree import Cells
from collagecodec.operator.geometry import isometry_order

SAMPLE_LIMIT = 2**13
"""Samples are clipped to this magnitude, in 1/16 pixel level, after every application."""
MAX_ITERATIONS = 64

Samples = NDArray[np.int32]


@dataclass(frozen=True)
class _Part:
    """Range cells of a size that have domain cells: indices (K, m * m) of their samples in target and source."""

    target: NDArray[np.int32]
    source: NDArray[np.int32]
    a: Samples
    mean: Samples


@dataclass(frozen=True)
class Map:
    """The map of a plane; `flat` (H, W) is its application to zeros, which sets range cells to their means."""

    flat: Samples
    parts: tuple[_Part, ...]

    @classmethod
    def of(cls, layout: Layout, cells: list[Cells], n: int) -> Map:
        """Return the map of range cells at the scale n / `unit` of the partition."""
        unit = layout.partition.unit
        height, width = (side * n // unit for side in layout.padded)
        flat = np.zeros(height * width, np.int32)
        parts = []
        for group in cells:
            side = group.size * n // unit
            inner = np.arange(side, dtype=np.int32)
            target = _starts(group.y, group.x, n, unit, width)[:, None] + (inner[:, None] * width + inner).ravel()
            mean = group.mean.astype(np.int32)[:, None]
            flat[target] = mean
            use = np.flatnonzero(group.a)
            if use.size:
                y, x = np.divmod(isometry_order(side).astype(np.int32), side)
                order = (y * (width // 2) + x)[group.isometry[use]]
                source = _starts(group.row[use], group.column[use], n, unit, width // 2)[:, None] + order
                a = group.a[use].astype(np.int32)[:, None]
                parts.append(_Part(target[use], source, a, mean[use]))
        return cls(flat.reshape(height, width), tuple(parts))

    def __call__(self, z: Samples) -> Samples:
        """Apply the map to samples (H, W); the shape does not change."""
        height, width = z.shape[0] // 2 * 2, z.shape[1] // 2 * 2
        pairs = z[:height:2, :width] + z[1:height:2, :width]
        small = (pairs[:, ::2] + pairs[:, 1::2]).ravel()
        following = self.flat.copy()
        out = following.reshape(-1)
        for part in self.parts:
            values = small[part.source]
            count = values.shape[1]
            total = values.sum(1, dtype=np.int64, keepdims=True)
            values -= ((total + count // 2) // count).astype(np.int32)
            values *= part.a
            values += 32
            values >>= 6
            values += part.mean
            out[part.target] = np.clip(values, -SAMPLE_LIMIT, SAMPLE_LIMIT, out=values)
        return following

    def iterate(self, times: int) -> Samples:
        """Apply the map `times` times to zeros, at least once: (H, W) in 1/16 pixel level."""
        z = self.flat
        for _ in range(times - 1 if self.parts else 0):
            z = self(z)
        return z

    def settle(self) -> tuple[Samples, int]:
        """Apply the map to zeros until no sample changes by more than 1/2 pixel level.

        Returns the samples (H, W) in 1/16 pixel level and the number of applications, at most `MAX_ITERATIONS`.
        """
        z = self.flat
        for done in range(1, MAX_ITERATIONS):
            following = self(z)
            change, z = int(np.abs(following - z).max(initial=0)), following
            if change <= 8:
                return z, done + 1
        return z, MAX_ITERATIONS


def _starts(y: NDArray[np.int64], x: NDArray[np.int64], n: int, unit: int, width: int) -> NDArray[np.int32]:
    """Return the flat indices of corners in rows of `width` samples, at the scale n / unit."""
    return np.asarray(y * n // unit * width + x * n // unit, np.int32)
