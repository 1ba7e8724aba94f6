"""Pictures and codes for the tests of `pifs`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bitstream.container import Header, write
from collagecodec.codecs.pifs import fixed
from collagecodec.codecs.pifs.codec import PifsCodec
from collagecodec.codecs.pifs.format import Params
from collagecodec.codecs.pifs.layout import Layout, PartitionParams
from collagecodec.codecs.pifs.tree import QuadtreeLevel, Tree


def scene(height: int, width: int, seed: int = 0, grey: bool = False) -> NDArray[np.uint8]:
    """Coloured shapes on gradients with a little noise: uint8 (H, W, 3), or (H, W)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    picture = np.zeros((height, width, 3)) + rng.uniform(60, 180, 3)
    for _ in range(12):
        a, b = rng.normal(0, 1, 2)
        inside = a * (x - rng.uniform(0, width)) + b * (y - rng.uniform(0, height)) > 0
        picture += inside[..., None] * rng.normal(0, 18, 3)
        picture += 10 * np.sin((a * x + b * y) / rng.uniform(3, 12))[..., None]
    pixels = np.clip(picture + rng.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)
    return pixels[..., 0].copy() if grey else pixels


def known(cell: int = 8, side: int = 96, seed: int = 0, augment: bool = True) -> tuple[bytes, Tree]:
    """A file in fixed widths of a code that was made up, and the code: grey, side x side pixels."""
    rng = np.random.default_rng(seed)
    partition = PartitionParams(cell, cell, cell, cell // 2, 0, augment)
    layout = Layout(side, side, partition)
    blank = QuadtreeLevel.blank(layout, cell)
    shape = blank.a.shape
    down, across = layout.positions(cell)
    sign = rng.choice((-1, 1), shape) if augment else 1
    isometry = rng.integers(0, 8, shape) if augment else np.zeros(shape, np.int64)
    place = np.stack([rng.integers(0, down, shape), rng.integers(0, across, shape), isometry])
    level = QuadtreeLevel(cell, blank.split, blank.haar, rng.integers(8, 15, shape) * sign, place)
    tree = Tree(layout, rng.integers(96, 160, shape), [level])
    params = Params(partition, 1, 16, 8, 40)
    header = Header(codec=PifsCodec.number, width=side, height=side, channels=1, params=params.pack())
    return write(header, [fixed.pack([tree], 8)]), tree
