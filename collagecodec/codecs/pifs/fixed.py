"""The trees of a tile of `pifs` in fixed widths, without lossless coding, as Poli et al. 2022 count bits.

All range cells have the same size. Each has a mean, a factor, the position of a domain cell and, with
augmentation, a sign and an isometry.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bitstream.errors import FormatError
from bitstream.fixed_width import pack_fixed, unpack_fixed
from collagecodec.codecs.pifs.entropy import check_places
from collagecodec.codecs.pifs.layout import Grid, Layout
from collagecodec.codecs.pifs.tree import QuadtreeLevel, Tree

FACTOR_BITS = 4
"""Bits of the magnitude of a factor, 0 .. 15."""


def widths(layout: Layout, mean_bits: int) -> NDArray[np.int64]:
    """Return the bits (6,) of mean, magnitude of a, sign of a, position down, across, and isometry.

    Fields without a choice have 0 bits: without domain cells, with a single position, without augmentation.
    """
    size = layout.partition.largest
    has_domains = layout.positions(size)[0] > 0
    sign = int(has_domains and layout.partition.augment)
    places = layout.place_bits(size) if has_domains else (0, 0, 0)
    return np.array((mean_bits, FACTOR_BITS * has_domains, sign, *places), np.int64)


def pack(trees: list[Tree], mean_bits: int) -> bytes:
    """Return the payload of a tile."""
    symbols, bits = [], []
    for tree in trees:
        (level,) = tree.levels
        field_bits = widths(tree.layout, mean_bits)
        fields = np.stack([tree.roots, np.abs(level.a), level.a < 0, *level.place]).reshape(6, -1)
        stored = fields[field_bits > 0]
        symbols.append(stored.T.ravel())
        bits.append(np.tile(field_bits[field_bits > 0], stored.shape[1]))
    return pack_fixed(np.concatenate(symbols), np.concatenate(bits))


def unpack(data: bytes, layouts: list[Layout], mean_bits: int) -> list[Tree]:
    """Return the trees of a payload, one for each plane; FormatError if it is damaged."""
    by_plane = [widths(layout, mean_bits) for layout in layouts]
    shapes = [layout.shape(layout.partition.largest) for layout in layouts]
    if len(data) != (sum(int(w.sum()) * r * c for w, (r, c) in zip(by_plane, shapes, strict=True)) + 7) // 8:
        raise FormatError("the codes do not fill the tile: the file is damaged")
    bits = np.concatenate([np.tile(w[w > 0], r * c) for w, (r, c) in zip(by_plane, shapes, strict=True)])
    symbols = unpack_fixed(data, bits, bits.size).astype(np.int64)
    trees = []
    for layout, field_bits, shape in zip(layouts, by_plane, shapes, strict=True):
        stored = field_bits > 0
        count = int(stored.sum()) * shape[0] * shape[1]
        fields = np.zeros((6, *shape), np.int64)
        fields[stored] = symbols[:count].reshape(*shape, -1).transpose(2, 0, 1)
        symbols = symbols[count:]
        trees.append(_tree(layout, fields))
    return trees


def _tree(layout: Layout, fields: Grid) -> Tree:
    blank = QuadtreeLevel.blank(layout, layout.partition.largest)
    a = np.where(fields[2] == 1, -fields[1], fields[1])
    place = fields[3:] * (a != 0)
    if layout.positions(blank.size)[0]:
        check_places(place, blank.size, layout)
    return Tree(layout, fields[0], [QuadtreeLevel(blank.size, blank.split, blank.haar, a, place)])
