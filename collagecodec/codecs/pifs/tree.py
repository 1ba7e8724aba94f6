"""The stored code of a plane of `pifs`: a quadtree of means with domain cells at its leaves.

The mean of a range cell is stored instead of b: in a contraction a D z + b, b is the mean minus a times the mean
of the domain cell (Oien & Lepsoy 1995). Means of neighbours are similar, whatever their a.

The means of the nodes form a pyramid. Where a node is split, three Haar coefficients give the means of its
quarters, as differences to a prediction from the means of the nodes around it. All means are integers in
1/16 pixel level around 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collagecodec.codecs.pifs.layout import Grid, Layout, Mask

A_UNIT = 16
"""Factors a are multiples of 1/16."""
MAX_A = 15
MEAN_UNIT = 16
MEAN_LIMIT = 2**13
"""Means are clipped to this magnitude in 1/16 pixel level."""
CONTEXTS = 4
"""Number of contexts of splits and Haar coefficients."""


@dataclass(frozen=True)
class QuadtreeLevel:
    """The nodes of a size, in arrays of (rows, columns).

    Places and factors are int16, for there may be as many nodes as samples.

    split     whether a node is divided; False where there is no node
    haar      the coefficients of the nodes that are split, (3, rows, columns), in quantiser steps
    a         factor of the leaves in 1/16, -15 .. 15; 0: no domain cell
    place     position down and across within the window and isometry of the leaves that have a domain cell,
              (3, rows, columns)
    """

    size: int
    split: Mask
    haar: Grid
    a: Grid
    place: Grid

    @classmethod
    def blank(cls, layout: Layout, size: int) -> QuadtreeLevel:
        """Return a level without splits and domain cells."""
        shape = layout.shape(size)
        three = (3, *shape)
        return cls(
            size, np.zeros(shape, bool), np.zeros(three, np.int64), np.zeros(shape, np.int16),
            np.zeros(three, np.int16),
        )  # fmt: skip


@dataclass(frozen=True)
class Tree:
    """The code of a plane; `roots` (rows, columns) holds the means of the largest nodes in quantiser steps."""

    layout: Layout
    roots: Grid
    levels: list[QuadtreeLevel] = field(default_factory=list)


@dataclass(frozen=True)
class Cells:
    """The range cells of a size, in arrays (K,) int64.

    Corners `y`, `x` are in samples, `mean` in 1/16 pixel level, `a` in 1/16. `row` and `column` are the corner of
    the domain cell in the pooled plane; they and `isometry` are 0 where a is 0.
    """

    size: int
    y: Grid
    x: Grid
    mean: Grid
    a: Grid
    row: Grid
    column: Grid
    isometry: Grid


def quartered(grid: NDArray[Any]) -> NDArray[Any]:
    """Repeat every entry for its four quarters: (rows, columns) to (2 rows, 2 columns)."""
    return grid.repeat(2, -2).repeat(2, -1)


def predicted(means: Grid) -> tuple[Grid, Grid]:
    """Predict the horizontal and vertical Haar coefficients, in 1/16 pixel level, from the neighbours' means."""
    wide = np.pad(means, 1, mode="edge")
    horizontal = (wide[1:-1, :-2] - wide[1:-1, 2:] + 4) >> 3
    vertical = (wide[:-2, 1:-1] - wide[2:, 1:-1] + 4) >> 3
    return horizontal, vertical


def dequantised(steps: Grid, step_code: int, size: int) -> Grid:
    """Return means or Haar coefficients, with steps of `step_code` / `size`, in 1/16 pixel level."""
    return (2 * steps * step_code + size) // (2 * size)


def divided(means: Grid, level: QuadtreeLevel, step_code: int) -> Grid:
    """Return the means of the next smaller nodes in 1/16 pixel level; the quarters of a leaf have its mean."""
    across, down = predicted(means)
    horizontal, vertical, diagonal = dequantised(level.haar, step_code, level.size)
    h = np.where(level.split, across + horizontal, 0)
    v = np.where(level.split, down + vertical, 0)
    d = np.where(level.split, diagonal, 0)
    finer = quartered(means)
    finer[::2, ::2] += h + v + d
    finer[::2, 1::2] += v - h - d
    finer[1::2, ::2] += h - v - d
    finer[1::2, 1::2] += d - h - v
    return np.clip(finer, -MEAN_LIMIT, MEAN_LIMIT)


def activity(level: QuadtreeLevel) -> Grid:
    """Return the activity around every quarter of a node: a weighted sum of magnitudes of Haar coefficients."""
    total = np.abs(level.haar).sum(0)
    wide = np.pad(total, 1)
    around = wide[1:-1, :-2] + wide[1:-1, 2:] + wide[:-2, 1:-1] + wide[2:, 1:-1]
    return np.asarray(quartered(2 * total + around), np.int64)


def contexts(grid: Grid) -> Grid:
    """Return the context of every node, 0 .. 3, from the `activity` of the larger nodes."""
    return np.searchsorted((1, 4, 10), grid, side="right")


def nodes(layout: Layout, levels: list[QuadtreeLevel]) -> Iterator[Mask]:
    """Yield for every level which nodes exist; a decoder must append a level before it advances to the next."""
    for number, size in enumerate(layout.partition.sizes):
        present = layout.inside(size)
        yield present if number == 0 else present & np.asarray(quartered(levels[number - 1].split), bool)


@dataclass(frozen=True)
class Means:
    """The quantiser of means.

    With `bits` 0, means form a pyramid and have steps of `step_code` / size in 1/16 pixel level. Otherwise cells
    have a single size and means `bits` bits. Then 0 is the middle of an interval for `centred` means (colour
    differences), and the border of two intervals for others.
    """

    step_code: int
    bits: int = 0
    centred: bool = False

    def codes(self, means: NDArray[np.floating], size: int) -> Grid:
        """Return the codes of means of roots of `size`, which are in pixel levels around 0."""
        if self.bits:
            steps = np.floor((means + 128) * (2**self.bits / 256) + self.centred / 2)
            return np.asarray(np.clip(steps, 0, 2**self.bits - 1), np.int64)
        return rounded(means * MEAN_UNIT, self.step_code, size)

    def values(self, codes: Grid, size: int) -> Grid:
        """Return the means of roots of `size` in 1/16 pixel level around 0: the middles of their intervals."""
        if self.bits:
            return ((2 * codes + (not self.centred)) * 2048 >> self.bits) - 2048
        return np.clip(dequantised(codes, self.step_code, size), -MEAN_LIMIT, MEAN_LIMIT)


def rounded(values: NDArray[np.floating], step_code: int, size: int, rounding: float = 0.5) -> Grid:
    """Quantise means or coefficients in 1/16 pixel level; `rounding` is added to magnitudes before the floor."""
    magnitude = np.floor(np.abs(values) * size / step_code + rounding)
    return np.asarray(np.where(values < 0, -magnitude, magnitude), np.int64)


def cells(tree: Tree, stored: Means) -> list[Cells]:
    """Return the range cells of a tree, size by size from the largest."""
    by_size, means = [], stored.values(tree.roots, tree.layout.partition.largest)
    for level, present in zip(tree.levels, nodes(tree.layout, tree.levels), strict=True):
        rows, columns = np.nonzero(present & ~level.split)
        a = level.a[rows, columns].astype(np.int64)
        place = level.place[:, rows, columns] * (a != 0)
        corner = [np.zeros_like(a), np.zeros_like(a)]
        if tree.layout.positions(level.size)[0]:
            for axis, lines in enumerate((rows, columns)):
                group = tree.layout.groups(level.size)[axis][lines]
                first = tree.layout.anchor(level.size, group, axis)
                corner[axis] = (first + place[axis]) * tree.layout.partition.step * (a != 0)
        y, x = (np.asarray(lines * level.size, np.int64) for lines in (rows, columns))
        by_size.append(Cells(level.size, y, x, means[rows, columns], a, corner[0], corner[1], place[2]))
        means = divided(means, level, stored.step_code)
    return by_size
