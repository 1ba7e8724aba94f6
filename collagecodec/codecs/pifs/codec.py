"""`pifs`: fractal coding, the collage whose gamma is one-hot (Jacquin 1992; Fisher 1995; Welstead 1999).

A range cell copies a domain cell of twice its size, reduced, turned, multiplied by a and added to b; a flat
range cell is b alone. Range cells are the leaves of a quadtree; the encoder chooses splits, factors and domain
cells for rate and distortion together and entropy codes them. The coding `fixed` is the non-adaptive tiling of
Poli et al. 2022, with cells of equal size and codes of fixed width.

Colours are JFIF's Y, Cb, Cr, by default with Cb and Cr at half resolution. Tiles are independent: the domain
cells of a tile lie inside it. The decoder uses integer arithmetic throughout.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from bitstream.container import Header, Reader, write
from collagecodec.codecs.base import Codec, Progress, whole_picture
from collagecodec.codecs.pifs import entropy, fixed
from collagecodec.codecs.pifs.decoder import Picture, working_bytes
from collagecodec.codecs.pifs.encoder.plane import Effort, encode_plane, searches
from collagecodec.codecs.pifs.encoder.search import MATCHERS
from collagecodec.codecs.pifs.fixed_point import Map
from collagecodec.codecs.pifs.format import (
    MAX_CELL,
    MAX_PIXELS,
    MAX_TILE_PIXELS,
    MAX_WINDOW,
    REDUCTIONS,
    Params,
    plane_layouts,
    plane_means,
)
from collagecodec.codecs.pifs.layout import PartitionParams
from collagecodec.codecs.pifs.tree import MEAN_UNIT, Means, Tree, cells
from collagecodec.codecs.rate_control import StepParameter
from collagecodec.sampling.colour import ycbcr
from collagecodec.sampling.rendering import Rendering
from collagecodec.sampling.request import Request

if TYPE_CHECKING:
    from collagecodec.io.sources import Source
    from collagecodec.operator.collage import Collage

STEP = StepParameter(MEAN_UNIT, low=1, high=2**16 - 1)


@dataclass(frozen=True)
class PifsCodec(Codec):
    """`step` is in pixel levels, 1/16 to 4095; coarser steps give smaller files. The coding `fixed` ignores it.
    Range cells are `largest` to `smallest` pixels wide, by halves; those below `smallest_domain` are flat,
    because their mean takes fewer bytes than a domain cell. Domain cells lie `domain_step` pixels apart, an even
    number. A range cell chooses among `window` of them on each axis, a power of two, or among all for 0;
    `augment` adds their isometries and negatives. `chroma` 1, 2 or 4 divides the resolution of the colour
    differences. `coding` is entropy, or fixed with `mean_bits` bits per mean and cells of equal size. `search`
    is exact, or nearest (needs scipy). Each of the `passes` after the first searches the picture that the
    previous pass decodes to. `tile_size` is in pixels, at most 2048.
    """

    step: float = 32.0
    largest: int = 32
    smallest: int = 1
    smallest_domain: int = 8
    domain_step: int = 4
    window: int = 32
    augment: bool = True
    chroma: Literal[1, 2, 4] = 2
    coding: Literal["entropy", "fixed"] = "entropy"
    mean_bits: int = 6
    search: Literal["exact", "nearest"] = "exact"
    passes: int = 1
    tile_size: int = 1024

    name: ClassVar[str] = "pifs"
    number: ClassVar[int] = 4
    max_pixels: ClassVar[int] = MAX_PIXELS
    refused_options: ClassVar[Mapping[str, str]] = MappingProxyType({"fast": Codec.refused_options["fast"]})

    def __post_init__(self) -> None:
        """Raise ValueError for a setting out of range."""
        ratio = self.largest // max(1, self.smallest)
        fits = 1 <= self.smallest <= self.largest <= MAX_CELL
        if not fits or self.smallest * ratio != self.largest or ratio & (ratio - 1):
            raise ValueError(
                f"cells are 1 to {MAX_CELL} pixels and the largest is the smallest times a power of two, not "
                f"{self.largest} and {self.smallest}"
            )
        if self.domain_step % 2 or not 2 <= self.domain_step <= 510:
            raise ValueError(f"a domain step is an even number of 2 to 510 pixels, not {self.domain_step}")
        if self.window < 0 or self.window & (self.window - 1) or self.window > MAX_WINDOW:
            raise ValueError(f"a window is 0 or a power of two up to {MAX_WINDOW}, not {self.window}")
        for name, known in (
            ("coding", ("entropy", "fixed")),
            ("search", tuple(MATCHERS)),
            ("chroma", REDUCTIONS),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {' or '.join(map(str, known))}, not {getattr(self, name)!r}")
        if self.coding == "fixed" and self.largest != self.smallest:
            raise ValueError(
                "the coding 'fixed' has cells of equal size: give largest and smallest the same value"
            )
        if not 1 <= round(self.step * MEAN_UNIT) < 2**16:
            raise ValueError(f"a step is 1/16 to 4095 levels, not {self.step}")
        numbers = ("smallest_domain", 1, MAX_CELL), ("mean_bits", 1, 8), ("passes", 1, 9)
        for name, low, high in (*numbers, ("tile_size", 2 * MAX_CELL, math.isqrt(MAX_TILE_PIXELS))):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} is {low} to {high}, not {getattr(self, name)}")

    @property
    def rate_parameter(self) -> StepParameter | None:
        """The quantiser step; None for the coding `fixed`, where the size of the cells decides the rate."""
        return STEP if self.coding == "entropy" else None

    def encode_source(
        self, source: Source, metadata: Mapping[str, bytes], progress: Progress | None = None
    ) -> bytes:
        """See `Codec.encode_source`. `progress` is called after every search."""
        planes = ycbcr(whole_picture(source))
        header = self._header(source)
        params = Params.read(header)
        layouts = [plane_layouts(header, params, tile) for tile in range(header.tile_count)]
        effort = Effort(self.search, self.passes)
        steps = sum(searches(layout, effort) for tile in layouts for layout in tile)
        stored = plane_means(params, header.channels)
        done = 0

        def tick() -> None:
            nonlocal done
            done += 1
            if progress is not None:
                progress(done / steps, "searching")

        payloads, iterations = [], 1
        for tile, tile_layouts in enumerate(layouts):
            x, y, w, h = header.tile_box(tile)
            parts = _parts(planes[y : y + h, x : x + w], self.chroma)
            trees = [
                encode_plane(plane, layout, means, effort, tick)
                for plane, layout, means in zip(parts, tile_layouts, stored, strict=True)
            ]
            payloads.append(self._pack(trees))
            iterations = max(iterations, *_applications(trees, stored))
        final = replace(params, iterations=iterations)
        return write(replace(header, params=final.pack()), payloads, metadata)

    def _pack(self, trees: list[Tree]) -> bytes:
        return fixed.pack(trees, self.mean_bits) if self.coding == "fixed" else entropy.pack(trees)

    def _header(self, source: Source) -> Header:
        # The tile size is rounded down so that tile borders cut no luma or chroma cell.
        cell = self.largest * self.chroma
        tile = self.tile_size // cell * cell
        partition = PartitionParams(
            self.largest, self.smallest, self.smallest_domain, self.domain_step // 2, self.window, self.augment
        )
        fixed = self.mean_bits if self.coding == "fixed" else 0
        params = Params(partition, self.chroma, round(self.step * MEAN_UNIT), fixed, 1)
        tiled = max(source.height, source.width) > tile
        return self.header_for(source, params.pack(), tile_size=tile if tiled else 0)

    @classmethod
    def open(
        cls, reader: Reader, request: Request, *, fast: bool = False, tolerate_damage: bool = False
    ) -> Rendering:
        """See `Codec.open`. Only the tiles of the region are decoded.

        Multiples of 1 / gcd(smallest, domain_step / 2) up to 4 (up to 2 or 1 for large tiles) are natural scales,
        at which range cells and domain cells grow by that factor. Other scales are resampled from the next
        larger natural scale.
        """
        return Picture(reader, tolerate_damage).rendering(request)

    @classmethod
    def working_bytes(cls, header: Header, request: Request, *, fast: bool = False) -> int:
        """See `Codec.working_bytes`: the trees of a tile, and a row of tiles at the requested size."""
        return working_bytes(header, request)

    @classmethod
    def collages(cls, reader: Reader) -> tuple[Collage, ...]:
        """See `Codec.collages`. Each plane of each tile is a map of levels around 0, padded to full cells.

        The range cells of these maps are single samples, and their domain cells are the 2x2 samples of a domain
        cell of the file. The samples of a stored range cell share a, b and the isometry; b is computed from the
        stored mean and the fixed point.
        """
        from collagecodec.codecs.pifs.view import collage_of

        picture = Picture(reader)
        return tuple(
            collage_of(("Y", "Cb", "Cr")[number], tree, plane_means(picture.params, 3)[number])
            for tile in range(picture.header.tile_count)
            for number, tree in enumerate(picture.trees(tile))
        )

    @classmethod
    def step_of(cls, header: Header) -> float | None:
        """See `Codec.step_of`. None for the coding `fixed`."""
        params = Params.read(header)
        return None if params.mean_bits else params.step_code / MEAN_UNIT


def _applications(trees: list[Tree], stored: list[Means]) -> list[int]:
    """Return how often each map of a tile must be applied to settle."""
    pairs = zip(trees, stored, strict=True)
    return [
        Map.of(tree.layout, cells(tree, means), tree.layout.partition.unit).settle()[1] for tree, means in pairs
    ]


def _parts(planes: NDArray[np.float64], chroma: int) -> list[NDArray[np.float64]]:
    """Split the planes (H, W, C) of a tile and reduce the colour differences by `chroma`."""
    parts = [planes[..., 0]]
    for channel in range(1, planes.shape[2]):
        plane = planes[..., channel]
        if chroma > 1:
            padded = np.pad(plane, [(0, -side % chroma) for side in plane.shape], mode="edge")
            plane = padded.reshape(padded.shape[0] // chroma, chroma, -1, chroma).mean((1, 3))
        parts.append(plane)
    return parts
