"""The trees of a tile of `pifs` in fixed widths, without lossless coding, as Poli et al. 2022 count: one size of
range cells, every one with a mean, a factor, the position of a domain cell and, with augmentation, a sign and an
isometry."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bitstream.errors import FormatError
from bitstream.fixed_width import pack_fixed, unpack_fixed
from collagecodec.codecs.pifs.entropy import check_places
from collagecodec.codecs.pifs.layout import Grid, Layout
from collagecodec.codecs.pifs.tree import QuadtreeLevel, Tree

FACTOR_BITS = 4
"""For magnitudes 0 .. 15."""


def widths(layout: Layout, mean_bits: int) -> NDArray[np.int64]:
    """Bits of the parts of a range cell: mean, magnitude of a, sign of a, position down, across, isometry.

    0 where there is nothing to tell: no domain cells, one position, no augmentation.
    """
    size = layout.partition.largest
    some = layout.positions(size)[0] > 0
    sign = int(some and layout.partition.augment)
    places = layout.place_bits(size) if some else (0, 0, 0)
    return np.array((mean_bits, FACTOR_BITS * some, sign, *places), np.int64)


def pack(trees: list[Tree], mean_bits: int) -> bytes:
    """Return the payload of a tile."""
    symbols, bits = [], []
    for tree in trees:
        (level,) = tree.levels
        own = widths(tree.layout, mean_bits)
        parts = np.stack([tree.roots, np.abs(level.a), level.a < 0, *level.place]).reshape(6, -1)[own > 0]
        symbols.append(parts.T.ravel())
        bits.append(np.tile(own[own > 0], parts.shape[1]))
    return pack_fixed(np.concatenate(symbols), np.concatenate(bits))


def unpack(data: bytes, layouts: list[Layout], mean_bits: int) -> list[Tree]:
    """The trees of a payload, one a plane; FormatError."""
    own = [widths(layout, mean_bits) for layout in layouts]
    shapes = [layout.shape(layout.partition.largest) for layout in layouts]
    if len(data) != (sum(int(w.sum()) * r * c for w, (r, c) in zip(own, shapes, strict=True)) + 7) // 8:
        raise FormatError("the codes do not fill the tile: the file is damaged")
    bits = np.concatenate([np.tile(w[w > 0], r * c) for w, (r, c) in zip(own, shapes, strict=True)])
    symbols = unpack_fixed(data, bits, bits.size).astype(np.int64)
    trees = []
    for layout, width, shape in zip(layouts, own, shapes, strict=True):
        used = width > 0
        count = int(used.sum()) * shape[0] * shape[1]
        parts = np.zeros((6, *shape), np.int64)
        parts[used] = symbols[:count].reshape(*shape, -1).transpose(2, 0, 1)
        symbols = symbols[count:]
        trees.append(_tree(layout, parts))
    return trees


def _tree(layout: Layout, parts: Grid) -> Tree:
    blank = QuadtreeLevel.blank(layout, layout.partition.largest)
    a = np.where(parts[2] == 1, -parts[1], parts[1])
    place = parts[3:] * (a != 0)
    if layout.positions(blank.size)[0]:
        check_places(place, blank.size, layout)
    return Tree(layout, parts[0], [QuadtreeLevel(blank.size, blank.split, blank.haar, a, place)])
