"""Finds the tree of a plane: which nodes are split, which leaves take which domain cell, which factor.

Bottom up, the cheaper of leaf and split is kept for every node, by squared error + LAMBDA step^2 bits, with
bits estimated from the decisions of the round before. The error of a leaf is that of the collage, with domain
cells cut first from the picture itself, then from what the decoder makes of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collagecodec.codecs.pifs.encoder import search
from collagecodec.codecs.pifs.encoder.search import Found
from collagecodec.codecs.pifs.fixed_point import Map
from collagecodec.codecs.pifs.layout import Grid, Layout
from collagecodec.codecs.pifs.tree import (
    A_UNIT,
    CONTEXTS,
    MAX_A,
    MEAN_UNIT,
    Means,
    QuadtreeLevel,
    Tree,
    activity,
    cells,
    contexts,
    divided,
    nodes,
    predicted,
    rounded,
)

LAMBDA = 0.17
"""Squared error that a bit is worth, in squares of the step."""
_ROUNDING = 0.42
"""Added before a magnitude is rounded down: below 1/2, since a smaller one saves bits."""
_ROUNDS = 3

Floats = NDArray[np.float64]
Tick = Callable[[], None]


@dataclass(frozen=True)
class Effort:
    """How hard to look: `search` exact or nearest, `passes` searches, all but the first in decoded planes."""

    search: str
    passes: int


@dataclass
class _Prices:
    """Estimated bits of the decisions of one level."""

    split: Floats
    """(contexts, 2): leaf, split."""
    a: Floats
    """(31,): factors -15 .. 15."""
    haar: Floats
    """Mean magnitudes of the Haar coefficients, (contexts, 3)."""

    @classmethod
    def first(cls) -> _Prices:
        a = np.full(2 * MAX_A + 1, 5.0)
        a[MAX_A] = 1.0
        return cls(np.ones((CONTEXTS, 2)), a, np.full((CONTEXTS, 3), 0.7))


def encode_plane(plane: Floats, layout: Layout, means: Means, effort: Effort, tick: Tick) -> Tree:
    """The tree of (H, W) levels around 0; `tick` is called after every search."""
    return PlaneEncoder(plane, layout, means).run(effort, tick)


def searches(layout: Layout, effort: Effort) -> int:
    """How many searches `encode_plane` makes."""
    return effort.passes * sum(layout.positions(size)[0] > 0 for size in layout.partition.sizes)


class PlaneEncoder:
    """The search for the tree of one plane."""

    def __init__(self, plane: Floats, layout: Layout, means: Means) -> None:
        self.plane, self.layout, self.stored, self.step_code = plane, layout, means, means.step_code
        below, right = (whole - side for whole, side in zip(layout.padded, plane.shape, strict=True))
        self.padded = np.pad(plane, ((0, below), (0, right)), mode="edge")
        # In fixed widths nothing that could be saved has a price.
        self.price = 0.0 if means.bits else LAMBDA * (means.step_code / MEAN_UNIT) ** 2
        self.sizes = layout.partition.sizes
        self.means = [_means(self.padded, size) for size in self.sizes]
        self.prices = [_Prices.first() for _ in self.sizes]
        self.activities = [np.zeros(layout.shape(size), np.int64) for size in self.sizes]
        self.roots = means.codes(self.means[0], self.sizes[0])

    def run(self, effort: Effort, tick: Tick) -> Tree:
        """See `encode_plane`."""
        source: Floats = self.plane
        found: list[Found] = []
        for _ in range(effort.passes):
            found = []
            for size in self.sizes:
                if not self.layout.positions(size)[0]:
                    found.append(self._none(size))
                    continue
                matcher = search.MATCHERS[effort.search]
                found.append(search.search(self.padded, source, self.layout, size, matcher))
                tick()
            tree = self._decide(found)
            source = self._decoded(tree)
        # The factors once more, for the domain cells as the decoder has them.
        return self._decide([self._again(one, size, source) for one, size in zip(found, self.sizes, strict=True)])

    def _none(self, size: int) -> Found:
        own = (search.blocks(self.padded, size) ** 2).sum(2)
        return Found(np.zeros((3, *own.shape), np.int64), np.zeros_like(own), np.zeros_like(own), own)

    def _again(self, found: Found, size: int, source: Floats) -> Found:
        if not self.layout.positions(size)[0]:
            return found
        covariance, energy = search.fit(self.padded, source, self.layout, size, found.place)
        return Found(found.place, covariance, energy, found.own)

    def _decoded(self, tree: Tree) -> Floats:
        z = Map.of(self.layout, cells(tree, self.stored), self.layout.partition.unit).settle()[0]
        return z[: self.layout.height, : self.layout.width] / MEAN_UNIT

    def _decide(self, found: list[Found]) -> Tree:
        for _ in range(_ROUNDS):
            tree = self._grow(*self._prune(found), found)
            self._learn(tree)
        return tree

    def _prune(self, found: list[Found]) -> tuple[list[NDArray[np.bool_]], list[Grid]]:
        """Which nodes to split and the factor of every node, if it were a leaf; smallest first."""
        splits, factors = [], []
        below: Floats = np.zeros((0, 0))
        for number in range(len(self.sizes) - 1, -1, -1):
            size, prices = self.sizes[number], self.prices[number]
            leaf, a = self._leaf(found[number], number)
            # What lies outside the plane is not stored and costs nothing.
            leaf = np.where(self.layout.inside(size), leaf, 0)
            split = np.zeros(leaf.shape, bool)
            if number < len(self.sizes) - 1:
                context = contexts(self.activities[number])
                parted = self._parted(number) + self.price * prices.split[context, 1]
                parted += below.reshape(below.shape[0] // 2, 2, -1, 2).sum((1, 3))
                leaf = leaf + self.price * prices.split[context, 0]
                split = (parted < leaf) & self.layout.inside(size)
                leaf = np.where(split, parted, leaf)
            below = leaf
            splits.append(split)
            factors.append(a)
        return splits[::-1], factors[::-1]

    def _leaf(self, found: Found, number: int) -> tuple[Floats, Grid]:
        """Cost and factor of every node as a leaf: (rows, columns) each."""
        size = self.sizes[number]
        if not self.layout.positions(size)[0]:
            return found.own, np.zeros(found.own.shape, np.int64)
        bits = sum(self.layout.place_bits(size))
        cost, chosen = found.own + self.price * self.prices[number].a[MAX_A], np.zeros(found.own.shape, np.int64)
        for a in range(-MAX_A if self.layout.partition.augment else 1, MAX_A + 1):
            factor = a / A_UNIT
            other = found.own - 2 * factor * found.covariance + factor**2 * found.energy
            other = other + self.price * (self.prices[number].a[a + MAX_A] + bits)
            better = (other < cost) & (a != 0)
            cost, chosen = np.where(better, other, cost), np.where(better, a, chosen)
        return cost, chosen

    def _parted(self, number: int) -> Floats:
        """Cost of the Haar coefficients of every node, without its quarters'."""
        size, prices = self.sizes[number], self.prices[number]
        context = contexts(self.activities[number])
        wide = np.pad(self.means[number], 1, mode="edge")
        cost = np.zeros(self.layout.shape(size))
        guess = (wide[1:-1, :-2] - wide[1:-1, 2:]) / 8, (wide[:-2, 1:-1] - wide[2:, 1:-1]) / 8, cost
        step = self.step_code / MEAN_UNIT / size
        for band, (value, near) in enumerate(zip(_haar(self.means[number + 1]), guess, strict=True)):
            off = np.abs(value - near)
            magnitude = np.floor(off / step + _ROUNDING)
            mean = prices.haar[context, band]
            ratio = (np.sqrt(1 + mean**2) - 1) / mean
            bits = -np.log2((1 - ratio) / (1 + ratio)) - magnitude * np.log2(ratio)
            cost = cost + size**2 * (off - magnitude * step) ** 2 + self.price * bits
        return cost

    def _grow(self, splits: list[NDArray[np.bool_]], factors: list[Grid], found: list[Found]) -> Tree:
        """The tree of the decisions, its means quantised from the top down."""
        tree = Tree(self.layout, self.roots)
        means = self.stored.levels(self.roots, self.sizes[0])
        for number, present in enumerate(nodes(self.layout, tree.levels)):
            size = self.sizes[number]
            split = splits[number] & present
            a = np.where(present & ~split, factors[number], 0)
            haar = np.zeros((3, *present.shape), np.int64)
            if number < len(self.sizes) - 1:
                guess = *predicted(means), np.zeros_like(means)
                for band, value in enumerate(_haar(self.means[number + 1])):
                    haar[band] = rounded(value * MEAN_UNIT - guess[band], self.step_code, size, _ROUNDING) * split
            level = QuadtreeLevel(size, split, haar, a, found[number].place * (a != 0))
            tree.levels.append(level)
            if number < len(self.sizes) - 1:
                means = divided(means, level, self.step_code)
        return tree

    def _learn(self, tree: Tree) -> None:
        """Prices from what a tree does."""
        seen = np.zeros(self.layout.shape(self.sizes[0]), np.int64)
        for number, (level, present) in enumerate(zip(tree.levels, nodes(self.layout, tree.levels), strict=True)):
            prices, context = self.prices[number], contexts(seen)
            self.activities[number] = seen
            for which in range(CONTEXTS):
                here = present & (context == which)
                counts = np.array([(here & ~level.split).sum(), (here & level.split).sum()]) + 0.5
                prices.split[which] = np.log2(counts.sum() / counts)
                magnitudes = np.abs(level.haar[:, here & level.split])
                prices.haar[which] = (magnitudes.sum(1) + 0.3) / (magnitudes.shape[1] + 1)
            factors = np.bincount(level.a[present & ~level.split] + MAX_A, minlength=2 * MAX_A + 1) + 0.3
            prices.a = np.log2(factors.sum() / factors)
            seen = activity(level)


def _means(plane: Floats, size: int) -> Floats:
    rows, columns = plane.shape[0] // size, plane.shape[1] // size
    return np.asarray(plane.reshape(rows, size, columns, size).mean((1, 3)))


def _haar(finer: Floats) -> tuple[Floats, Floats, Floats]:
    """Horizontal, vertical and diagonal coefficient of the nodes whose quarters have the means `finer`."""
    a, b, c, d = finer[::2, ::2], finer[::2, 1::2], finer[1::2, ::2], finer[1::2, 1::2]
    return (a - b + c - d) / 4, (a + b - c - d) / 4, (a - b - c + d) / 4
