"""Pictures of a system at any depth and size, tile by tile, in memory that follows the tile.

The images of the shape under a composition of maps and all its continuations lie in a disk (`System.disk`). A
tile has a list of disks that may reach it, replaces each by the disks of the next map, and splits in four if
the list is long. Disks that are dropped cannot change a pixel. Pixels are smoothed by the distance to the edge:
coverage rises linearly over the width of a pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collagecodec.errors import LimitError
from collagecodec.fractals.distance_fields.shapes import RADII, image_distances, smooth_union, spans
from collagecodec.fractals.distance_fields.system import MAX_DEPTH, System

Floats = NDArray[np.float64]
MAX_SIDE = 2**16
TILE = 256
"""Rows of a band, and side of the largest tile, in pixels."""
_SMALLEST_TILE = 16
_CROWD = 24
"""A tile with more images than this splits, down to the smallest tile."""
_CHUNK = 128
"""Images processed at once; the others wait on a stack."""
_SHOWN = 1.5
_DEEPEST = 1 / 800
"""Without a depth, images are divided until they are smaller than `_SHOWN` pixels or than this part of the plane:
disks that cover no whole pixel would fill nothing."""


@dataclass(frozen=True)
class View:
    """The picture to render: `width` x `height` pixels at a `depth`; 0 is as deep as pixels can show.

    Depth 0 takes long for shapes with an inside. With a `sharpness` (per unit of the plane) the union is
    smooth; by default it is the minimum.
    """

    width: int
    height: int
    depth: int = 0
    sharpness: float = math.inf

    def __post_init__(self) -> None:
        if not (1 <= self.width <= MAX_SIDE and 1 <= self.height <= MAX_SIDE):
            raise LimitError(f"pictures have 1 .. {MAX_SIDE} pixels a side, not {self.width}x{self.height}")
        if not 0 <= self.depth <= MAX_DEPTH:
            raise LimitError(f"depths are 0 .. {MAX_DEPTH}, not {self.depth}")

    @property
    def unit(self) -> float:
        """Side of a pixel in units of the plane."""
        return 2 / max(self.width, self.height)


def pixels(system: System, view: View, progress: Callable[[float], None] | None = None) -> NDArray[np.uint8]:
    """Return the whole picture, uint8 (H, W): 255 inside, 0 outside, smoothed in between."""
    picture = np.empty((view.height, view.width), np.uint8)
    done = 0
    for band in bands(system, view):
        picture[done : done + len(band)] = band
        done += len(band)
        if progress is not None:
            progress(done / view.height)
    return picture


def bands(system: System, view: View) -> Iterator[NDArray[np.uint8]]:
    """Yield the picture in bands of up to `TILE` rows from top to bottom."""
    for top in range(0, view.height, TILE):
        rows = min(TILE, view.height - top)
        inside = np.clip(0.5 - field(system, view, (0, top, view.width, rows)) / view.unit, 0, 1)
        yield np.floor(inside * 255 + 0.5).astype(np.uint8)


def field(system: System, view: View, region: tuple[int, int, int, int] | None = None) -> Floats:
    """Return distances (h, w) at pixel centres of `region` (x, y, width, height), clipped to half a pixel."""
    left, top, width, height = region or (0, 0, view.width, view.height)
    distances = np.empty((height, width))
    renderer = _Renderer(system, view)
    for y in range(0, height, TILE):
        for x in range(0, width, TILE):
            box = (left + x, top + y, min(TILE, width - x), min(TILE, height - y))
            distances[y : y + box[3], x : x + box[2]] = renderer.tile(box)
    return distances


@dataclass(frozen=True, eq=False)
class _Images:
    """Compositions of maps, ready for the shape: matrices (n, 2, 2), offsets (n, 2), depths (n,)."""

    matrices: Floats
    offsets: Floats
    depths: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.depths)

    def __getitem__(self, which: NDArray[np.bool_] | slice) -> _Images:
        return _Images(self.matrices[which], self.offsets[which], self.depths[which])


class _Renderer:
    def __init__(self, system: System, view: View) -> None:
        self.system, self.view = system, view
        self.centre, self.radius = system.disk()
        self.reach = float(spans(system.base, np)[0]) * RADII[system.shape]
        self.band = view.unit / 2
        self.depth = view.depth or MAX_DEPTH
        self.finest = 0.0 if view.depth else max(_SHOWN * view.unit, _DEEPEST)
        # With a smooth union, all the images that are dropped must not matter in double precision.
        most = self.depth * math.log(len(system.matrices))
        self.margin = 0.0 if math.isinf(view.sharpness) else (most + 40) / view.sharpness

    def tile(self, box: tuple[int, int, int, int]) -> Floats:
        """Return the clipped field of a tile."""
        root = _Images(np.eye(2)[None], np.zeros((1, 2)), np.zeros(1, np.int64))
        return self._tile(box, root)

    def _tile(self, box: tuple[int, int, int, int], images: _Images) -> Floats:
        """Return the clipped field of a tile that only `images` and their continuations may reach."""
        images, waiting = self._near(box, images), True
        while waiting and len(images) <= _CROWD:
            done = self._finished(images)
            waiting = bool(len(images)) and not bool(done.all())
            if waiting:
                images = self._near(box, _joined(images[done], self._next(images[~done])))
        if not len(images):
            return np.full((box[3], box[2]), self.band)
        if max(box[2:]) > _SMALLEST_TILE and len(images) > _CROWD:
            distances = np.empty((box[3], box[2]))
            for part in _quarters(box):
                y, x = part[1] - box[1], part[0] - box[0]
                distances[y : y + part[3], x : x + part[2]] = self._tile(part, images)
            return distances
        return self._pixels(box, images)

    def _finished(self, images: _Images) -> NDArray[np.bool_]:
        """Return which images are drawn without going deeper."""
        small = spans(images.matrices, np)[0] * self.reach < self.finest
        return np.asarray((images.depths >= self.depth) | small)

    def _next(self, images: _Images) -> _Images:
        """Return every image continued by every map."""
        system = self.system
        matrices = np.einsum("lij,njk->lnik", images.matrices, system.matrices)
        offsets = np.einsum("lij,nj->lni", images.matrices, system.offsets) + images.offsets[:, None]
        depths = np.repeat(images.depths + 1, len(system.matrices))
        return _Images(matrices.reshape(-1, 2, 2), offsets.reshape(-1, 2), depths)

    def _near(self, box: tuple[int, int, int, int], images: _Images) -> _Images:
        """Return the images whose disks are near enough to the tile to matter."""
        (low_x, low_y), (high_x, high_y) = self._corners(box)
        x, y = (images.matrices @ self.centre + images.offsets).T
        away_x = np.maximum(np.maximum(low_x - x, x - high_x), 0)
        away_y = np.maximum(np.maximum(low_y - y, y - high_y), 0)
        radius = spans(images.matrices, np)[0] * self.radius
        far = np.hypot(away_x, away_y) - radius - self.system.stroke > (self.band + self.margin) * (1 + 1e-9)
        return images[~far]

    def _corners(self, box: tuple[int, int, int, int]) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return the centres of the first and the last pixel."""
        unit, half_x, half_y = self.view.unit, self.view.width / 2, self.view.height / 2
        x, y, width, height = box
        low = (x + 0.5 - half_x) * unit, (y + 0.5 - half_y) * unit
        return low, (low[0] + (width - 1) * unit, low[1] + (height - 1) * unit)

    def _points(self, box: tuple[int, int, int, int]) -> Floats:
        x, y, width, height = box
        rows, columns = np.mgrid[y : y + height, x : x + width]
        unit = self.view.unit
        points = np.stack((columns + 0.5 - self.view.width / 2, rows + 0.5 - self.view.height / 2), -1) * unit
        return np.asarray(points.reshape(-1, 2))

    def _pixels(self, box: tuple[int, int, int, int], images: _Images) -> Floats:
        """Return the clipped field of the images that are near, with a stack that keeps memory small."""
        points, stack = self._points(box), [images]
        distances = np.full(len(points), np.inf)
        while stack:
            some = self._open(box, distances, stack.pop())
            if len(some) > _CHUNK:
                stack.append(some[slice(_CHUNK, None)])
                some = some[slice(_CHUNK)]
            done = self._finished(some)
            if not done.all():
                stack.append(self._near(box, self._next(some[~done])))
            if done.any():
                distances = self._united(distances, points, some[done])
        return np.clip(distances, -self.band, self.band).reshape(box[3], box[2])

    def _open(self, box: tuple[int, int, int, int], distances: Floats, images: _Images) -> _Images:
        """Return the images that can still change a pixel: those near a pixel that is not fully covered."""
        if not math.isinf(self.view.sharpness) or np.isinf(distances[0]):
            return images
        bare = (distances > -self.band).reshape(box[3], box[2])
        sums = np.zeros((box[3] + 1, box[2] + 1), np.int64)
        sums[1:, 1:] = bare.cumsum(0).cumsum(1)
        low = self._corners(box)[0]
        reach = spans(images.matrices, np)[0] * self.radius + self.system.stroke + self.band
        centres = images.matrices @ self.centre + images.offsets
        (left, right), (top, bottom) = (
            (
                np.clip(np.ceil((centres[:, axis] - reach - low[axis]) / self.view.unit - 1e-6), 0, side),
                np.clip(np.floor((centres[:, axis] + reach - low[axis]) / self.view.unit + 1e-6) + 1, 0, side),
            )
            for axis, side in ((0, box[2]), (1, box[3]))
        )
        a, b, c, d = (edge.astype(np.int64) for edge in (left, right, top, bottom))
        return images[sums[d, b] - sums[c, b] - sums[d, a] + sums[c, a] > 0]

    def _united(self, distances: Floats, points: Floats, images: _Images) -> Floats:
        """Return the field with more images."""
        system, sharpness = self.system, self.view.sharpness
        matrices = images.matrices @ system.base
        offsets = images.matrices @ system.origin + images.offsets
        more = image_distances(system.shape, matrices, offsets, points, np)
        united = smooth_union(more, sharpness, np) - system.stroke
        if np.isinf(distances[0]):
            return united
        return np.asarray(smooth_union(np.stack((distances, united), -1), sharpness, np))


def _joined(first: _Images, second: _Images) -> _Images:
    return _Images(
        np.concatenate((first.matrices, second.matrices)),
        np.concatenate((first.offsets, second.offsets)),
        np.concatenate((first.depths, second.depths)),
    )


def _quarters(box: tuple[int, int, int, int]) -> Iterator[tuple[int, int, int, int]]:
    x, y, width, height = box
    for top, rows in ((y, height // 2), (y + height // 2, height - height // 2)):
        for left, columns in ((x, width // 2), (x + width // 2, width - width // 2)):
            if rows and columns:
                yield left, top, columns, rows
