"""The codes of a `pifs` file as collages."""

from __future__ import annotations

import numpy as np

from collagecodec.codecs.pifs.fixed_point import Map
from collagecodec.codecs.pifs.tree import A_UNIT, MEAN_UNIT, Means, Tree, cells
from collagecodec.operator.code import Code
from collagecodec.operator.collage import Collage
from collagecodec.operator.geometry import ALL_ISOMETRIES, Geometry, domain_grid
from collagecodec.operator.operator import Operator


def collage_of(name: str, tree: Tree, means: Means) -> Collage:
    """Return a plane as a collage with range cells of a single sample: float64 levels around 0."""
    layout = tree.layout
    height, width = (side + side % 2 for side in layout.padded)
    by_size = cells(tree, means)
    groups = Map.of(layout, by_size, layout.partition.unit)
    z = groups.settle()[0]
    geometry = Geometry(
        height, width, 1, corners=domain_grid(height, width, 2, 2), pool=2, isometries=ALL_ISOMETRIES
    )
    index, a = np.zeros((height, width), np.int64), np.zeros((height, width))
    b = np.zeros((height, width))
    b[: z.shape[0], : z.shape[1]] = groups.flat
    for part, group in zip(groups.parts, [sized for sized in by_size if sized.a.any()], strict=True):
        y, x = np.divmod(part.target, z.shape[1])
        row, column = np.divmod(part.source, z.shape[1] // 2)
        turn = group.isometry[group.a != 0][:, None]
        index[y, x] = turn * geometry.domains + row * (width // 2) + column
        a[y, x] = part.a / A_UNIT
        small = (z[2 * row, 2 * column] + z[2 * row + 1, 2 * column] + z[2 * row, 2 * column + 1]).astype(
            np.int64
        )
        small += z[2 * row + 1, 2 * column + 1]
        b[y, x] = part.mean - part.a / A_UNIT * small.mean(1, keepdims=True) / 4
    terms = (1, 1, height * width, 1)
    code = Code(
        a.reshape(terms),
        np.zeros((1, 1, height * width, 0)),
        (b / MEAN_UNIT).reshape(terms[:3]),
        index.reshape(terms),
    )
    return Collage(name, Operator(geometry), code)
