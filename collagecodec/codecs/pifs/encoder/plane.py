"""The search for the tree of a plane: which nodes to split, and the domain cell and factor of every leaf.

From the smallest nodes up, each node becomes a leaf or is split, whichever has the lower squared error +
LAMBDA step^2 bits; bits are estimated from the decisions of the previous round. The error of a leaf is that of
the collage. Domain cells are cut from the picture in the first pass, later from the decoded picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collagecodec.codecs.pifs.encoder import search
from collagecodec.codecs.pifs.encoder.search import Matches
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
"""Squared error that a bit is worth, in units of the squared step."""
_ROUNDING = 0.42
"""Added to a magnitude before the floor; below 1/2 because smaller magnitudes take fewer bits."""
_ROUNDS = 3

Floats = NDArray[np.float64]
Tick = Callable[[], None]


@dataclass(frozen=True)
class Effort:
    """The effort of a search: `search` is exact or nearest; all but the first of `passes` use decoded planes."""

    search: str
    passes: int


@dataclass
class _Prices:
    """The estimated bits of the decisions in a level of the quadtree."""

    split: Floats
    """Bits of a leaf and of a split, (contexts, 2)."""
    a: Floats
    """Bits of the factors -15 .. 15, (31,)."""
    haar: Floats
    """Mean magnitudes of the Haar coefficients, (contexts, 3)."""

    @classmethod
    def first(cls) -> _Prices:
        a = np.full(2 * MAX_A + 1, 5.0)
        a[MAX_A] = 1.0
        return cls(np.ones((CONTEXTS, 2)), a, np.full((CONTEXTS, 3), 0.7))


def encode_plane(plane: Floats, layout: Layout, means: Means, effort: Effort, tick: Tick) -> Tree:
    """Return the tree of a plane (H, W) in pixel levels around 0; `tick` is called after every search."""
    return PlaneEncoder(plane, layout, means).run(effort, tick)


def searches(layout: Layout, effort: Effort) -> int:
    """Return the number of searches in `encode_plane`, that is of calls of `tick`."""
    return effort.passes * sum(layout.positions(size)[0] > 0 for size in layout.partition.sizes)


class PlaneEncoder:
    """The search for the tree of a plane."""

    def __init__(self, plane: Floats, layout: Layout, means: Means) -> None:
        self.plane, self.layout, self.stored, self.step_code = plane, layout, means, means.step_code
        below, right = (whole - side for whole, side in zip(layout.padded, plane.shape, strict=True))
        self.padded = np.pad(plane, ((0, below), (0, right)), mode="edge")
        # In fixed widths no decision saves bits.
        self.price = 0.0 if means.bits else LAMBDA * (means.step_code / MEAN_UNIT) ** 2
        self.sizes = layout.partition.sizes
        self.means = [_means(self.padded, size) for size in self.sizes]
        self.prices = [_Prices.first() for _ in self.sizes]
        self.activities = [np.zeros(layout.shape(size), np.int64) for size in self.sizes]
        self.roots = means.codes(self.means[0], self.sizes[0])

    def run(self, effort: Effort, tick: Tick) -> Tree:
        """See `encode_plane`."""
        source: Floats = self.plane
        matches: list[Matches] = []
        for _ in range(effort.passes):
            matches = []
            for size in self.sizes:
                if not self.layout.positions(size)[0]:
                    matches.append(self._without_domains(size))
                    continue
                matcher = search.MATCHERS[effort.search]
                matches.append(search.search(self.padded, source, self.layout, size, matcher))
                tick()
            tree = self._decide(matches)
            source = self._decoded(tree)
        # The factors once more, for the domain cells of the decoder.
        pairs = zip(matches, self.sizes, strict=True)
        return self._decide([self._refitted(of_size, size, source) for of_size, size in pairs])

    def _without_domains(self, size: int) -> Matches:
        own = (search.blocks(self.padded, size) ** 2).sum(2)
        return Matches(np.zeros((3, *own.shape), np.int64), np.zeros_like(own), np.zeros_like(own), own)

    def _refitted(self, matches: Matches, size: int, source: Floats) -> Matches:
        if not self.layout.positions(size)[0]:
            return matches
        covariance, energy = search.fit(self.padded, source, self.layout, size, matches.place)
        return Matches(matches.place, covariance, energy, matches.own)

    def _decoded(self, tree: Tree) -> Floats:
        z = Map.of(self.layout, cells(tree, self.stored), self.layout.partition.unit).settle()[0]
        return z[: self.layout.height, : self.layout.width] / MEAN_UNIT

    def _decide(self, matches: list[Matches]) -> Tree:
        for _ in range(_ROUNDS):
            tree = self._grow(*self._prune(matches), matches)
            self._learn(tree)
        return tree

    def _prune(self, matches: list[Matches]) -> tuple[list[NDArray[np.bool_]], list[Grid]]:
        """Return for every size, from the largest, which nodes to split and the factor of each node as a leaf."""
        splits, factors = [], []
        below: Floats = np.zeros((0, 0))
        for number in range(len(self.sizes) - 1, -1, -1):
            size, prices = self.sizes[number], self.prices[number]
            leaf, a = self._leaf(matches[number], number)
            # Nodes outside the plane are not stored and cost nothing.
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

    def _leaf(self, matches: Matches, number: int) -> tuple[Floats, Grid]:
        """Return the cost and the factor of every node as a leaf: (rows, columns) each."""
        size = self.sizes[number]
        if not self.layout.positions(size)[0]:
            return matches.own, np.zeros(matches.own.shape, np.int64)
        bits = sum(self.layout.place_bits(size))
        cost = matches.own + self.price * self.prices[number].a[MAX_A]
        chosen = np.zeros(matches.own.shape, np.int64)
        for a in range(-MAX_A if self.layout.partition.augment else 1, MAX_A + 1):
            factor = a / A_UNIT
            other = matches.own - 2 * factor * matches.covariance + factor**2 * matches.energy
            other = other + self.price * (self.prices[number].a[a + MAX_A] + bits)
            better = (other < cost) & (a != 0)
            cost, chosen = np.where(better, other, cost), np.where(better, a, chosen)
        return cost, chosen

    def _parted(self, number: int) -> Floats:
        """Return the cost of the Haar coefficients of every node, without the costs of its quarters."""
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

    def _grow(self, splits: list[NDArray[np.bool_]], factors: list[Grid], matches: list[Matches]) -> Tree:
        """Return the tree of the decisions, with means quantised from the largest nodes down."""
        tree = Tree(self.layout, self.roots)
        means = self.stored.values(self.roots, self.sizes[0])
        for number, present in enumerate(nodes(self.layout, tree.levels)):
            size = self.sizes[number]
            split = splits[number] & present
            a = np.where(present & ~split, factors[number], 0)
            haar = np.zeros((3, *present.shape), np.int64)
            if number < len(self.sizes) - 1:
                guess = *predicted(means), np.zeros_like(means)
                for band, value in enumerate(_haar(self.means[number + 1])):
                    haar[band] = rounded(value * MEAN_UNIT - guess[band], self.step_code, size, _ROUNDING) * split
            level = QuadtreeLevel(size, split, haar, a, matches[number].place * (a != 0))
            tree.levels.append(level)
            if number < len(self.sizes) - 1:
                means = divided(means, level, self.step_code)
        return tree

    def _learn(self, tree: Tree) -> None:
        """Update the prices from the statistics of a tree."""
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
    """Return horizontal, vertical and diagonal coefficients of nodes whose quarters have the means `finer`."""
    a, b, c, d = finer[::2, ::2], finer[::2, 1::2], finer[1::2, ::2], finer[1::2, 1::2]
    return (a - b + c - d) / 4, (a + b - c - d) / 4, (a - b - c + d) / 4
