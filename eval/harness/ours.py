"""The curves of the project's own codecs. One that the registry cannot give is left out of a run."""

from __future__ import annotations

from functools import partial
from typing import Any

from collagecodec.codecs import registry
from collagecodec.codecs.base import Codec
from eval.harness.sweep import Series

_QUALITIES = tuple(map(float, (2, 6, 10, 16, 22, 28, 35, 42, 50, 58, 66, 74, 82, 90, 96)))
_REFINED = (24.0, 38.0, 50.0, 62.0)
"""Few, since each takes minutes; they span 0.1 to 1 bit a pixel."""
_NETS = (520, 530, 1028, 1040, 1349)
"""The paper's networks of COIN, 100 layers + width."""
_STEPS = tuple(map(float, (400, 260, 180, 130, 100, 76, 58, 44, 34, 26, 20, 15, 11, 8, 6, 4)))

_PIFS_CELLS = (20, 16, 12, 10, 8)
_PIFS_STEPS = tuple(map(float, (96, 64, 31, 15)))


def pifs_tiles(cell: int, **settings: Any) -> Codec:
    """PIFS on one size of range cells, in fixed widths, every domain cell of the picture a candidate."""
    tiling = {"largest": cell, "smallest": cell, "smallest_domain": cell, "domain_step": cell, "window": 0}
    return registry.get("pifs", coding="fixed", chroma=4, tile_size=2048, **tiling, **settings)


def coin(net: int, **settings: Any) -> Codec:
    """COIN with the network of `net` // 100 layers that are `net` % 100 wide."""
    return registry.get("coin", net=f"{net // 100}x{net % 100}", **settings)


SERIES = (
    Series("collage", partial(registry.get, "collage"), "quality", _QUALITIES),
    Series("collage-e0", partial(registry.get, "collage"), "quality", _QUALITIES, {"effort": 0}),
    Series("collage-e5", partial(registry.get, "collage"), "quality", _REFINED, {"effort": 5}, slow=True),
    Series("collage-paper", partial(registry.get, "collage-paper"), "bpp", (0.13, 0.31)),
    *(
        Series(label, partial(registry.get, "dct"), "step", _STEPS, {"cell": cell, "coding": coding})
        for label, cell, coding in (
            ("dct", 8, "entropy"),
            ("dct-16", 16, "entropy"),
            ("dct-fixed", 8, "fixed"),
            ("dct-fixed-16", 16, "fixed"),
        )
    ),
    Series("pifs", pifs_tiles, "cell", _PIFS_CELLS, {"augment": False}),
    Series("pifs-augmented", pifs_tiles, "cell", _PIFS_CELLS, {"augment": True}),
    *(
        Series(label, partial(registry.get, "pifs"), "step", _PIFS_STEPS, fixed)
        for label, fixed in (
            ("pifs-quadtree", {}),
            ("pifs-quadtree-4", {"smallest": 4, "smallest_domain": 4}),
            ("pifs-quadtree-nearest", {"search": "nearest"}),
        )
    ),
    Series("ifs", partial(registry.get, "ifs"), "maps", (4, 8, 16, 32), slow=True),
    Series("coin", coin, "net", _NETS, {"coding": "half"}, slow=True),
    Series("coin-entropy", coin, "net", _NETS, {"coding": "entropy"}, slow=True),
)
