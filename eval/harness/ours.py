"""The sweeps of our own codecs. A run leaves out those whose codec is not in the registry."""

from __future__ import annotations

from functools import partial
from typing import Any

from collagecodec.codecs import registry
from collagecodec.codecs.base import ArrayCodec
from eval.sweep import Sweep

_QUALITIES = tuple(map(float, (2, 6, 10, 16, 22, 28, 35, 42, 50, 58, 66, 74, 82, 90, 96)))
_REFINED = (24.0, 38.0, 50.0, 62.0)
"""Few values, since each takes minutes. They span 0.1 to 1 bit per pixel."""
_NETS = (520, 530, 1028, 1040, 1349)
"""The networks of the COIN paper as 100 * layers + width."""
_STEPS = tuple(map(float, (400, 260, 180, 130, 100, 76, 58, 44, 34, 26, 20, 15, 11, 8, 6, 4)))

_PIFS_CELLS = (20, 16, 12, 10, 8)
_PIFS_STEPS = tuple(map(float, (96, 64, 31, 15)))


def pifs_tiles(cell: int, **settings: Any) -> ArrayCodec:
    """Return PIFS with range cells of one size, fixed-width codes and all domain cells as candidates."""
    tiling = {"largest": cell, "smallest": cell, "smallest_domain": cell, "domain_step": cell, "window": 0}
    return registry.get("pifs", coding="fixed", chroma=4, tile_size=2048, **tiling, **settings)


def coin(net: int, **settings: Any) -> ArrayCodec:
    """Return COIN with a network of `net` // 100 layers of width `net` % 100."""
    return registry.get("coin", net=f"{net // 100}x{net % 100}", **settings)


SWEEPS = (
    Sweep("collage", partial(registry.get, "collage"), "quality", _QUALITIES),
    Sweep("collage-e0", partial(registry.get, "collage"), "quality", _QUALITIES, {"effort": 0}),
    Sweep("collage-e5", partial(registry.get, "collage"), "quality", _REFINED, {"effort": 5}, slow=True),
    Sweep("collage-paper", partial(registry.get, "collage-paper"), "rate", (0.13, 0.31)),
    *(
        Sweep(label, partial(registry.get, "dct"), "step", _STEPS, {"cell": cell, "coding": coding})
        for label, cell, coding in (
            ("dct", 8, "entropy"),
            ("dct-16", 16, "entropy"),
            ("dct-fixed", 8, "fixed"),
            ("dct-fixed-16", 16, "fixed"),
        )
    ),
    Sweep("pifs", pifs_tiles, "cell", _PIFS_CELLS, {"augment": False}),
    Sweep("pifs-augmented", pifs_tiles, "cell", _PIFS_CELLS, {"augment": True}),
    *(
        Sweep(label, partial(registry.get, "pifs"), "step", _PIFS_STEPS, fixed)
        for label, fixed in (
            ("pifs-quadtree", {}),
            ("pifs-quadtree-4", {"smallest": 4, "smallest_domain": 4}),
            ("pifs-quadtree-nearest", {"search": "nearest"}),
        )
    ),
    Sweep("ifs", partial(registry.get, "ifs"), "maps", (4, 8, 16, 32), slow=True),
    Sweep("coin", coin, "net", _NETS, {"coding": "half"}, slow=True),
    Sweep("coin-entropy", coin, "net", _NETS, {"coding": "entropy"}, slow=True),
)
