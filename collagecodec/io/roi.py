"""Regions of interest: where in a picture the quality should be another one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collagecodec.errors import UnsupportedImageError
from collagecodec.io.sources import Source

Box = tuple[float, float, float, float, float]
"""x, y, width, height in pixels, and a weight, 0..1."""


@dataclass(frozen=True, eq=False)
class Roi:
    """Weights of a picture's pixels, 0 (the quality of the picture) to 1 (the quality of the region).

    They come from a `mask` (H, W), float32, or from `boxes`, of which the largest weight counts.
    """

    mask: NDArray[np.float32] | None = None
    boxes: tuple[Box, ...] = ()

    @classmethod
    def of(cls, given: Any) -> Roi:
        """Return a region from an array (H, W) of bool, uint8 (255 is weight 1) or float in 0..1, or from boxes.

        Boxes are sequences (x, y, width, height) in pixels, with a weight in 0..1 as an optional fifth number.
        Raises ValueError for anything else.
        """
        if isinstance(given, Roi):
            return given
        if isinstance(given, np.ndarray):
            return cls(mask=_mask(given))
        try:
            boxes = tuple(_box(tuple(map(float, box))) for box in given)
        except TypeError as error:
            raise ValueError("a region of interest is an array (H, W) or a list of boxes (x, y, w, h)") from error
        if not boxes:
            raise ValueError("the list of boxes is empty: leave the region out if there is none")
        return cls(boxes=boxes)

    @classmethod
    def read(cls, path: Path) -> Roi:
        """Read a mask from a picture (white is weight 1), or boxes from GeoJSON or COCO (`.json`, `.geojson`).

        Coordinates are pixels from the upper left corner. Polygons count with their bounding boxes. A GeoJSON
        feature may have the property `weight`. Raises ValueError or UnsupportedImageError for other files.
        """
        if path.suffix.lower() in (".json", ".geojson"):
            try:
                return cls.of(_boxes_of(json.loads(path.read_text())))
            except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"{path} is neither GeoJSON nor COCO: {error}") from error
        from PIL import Image

        try:
            with Image.open(path) as image:
                return cls.of(np.asarray(image.convert("L")))
        except OSError as error:
            raise UnsupportedImageError(f"{path} cannot be read as a mask: give a picture or boxes") from error

    def check(self, height: int, width: int) -> None:
        """Raise ValueError unless the region fits a picture of height x width pixels."""
        if self.mask is not None and self.mask.shape != (height, width):
            tall, wide = self.mask.shape
            raise ValueError(
                f"the mask has {wide}x{tall} pixels and the picture {width}x{height}: they must agree"
            )
        for x, y, w, h, _ in self.boxes:
            if x < 0 or y < 0 or x + w > width or y + h > height:
                raise ValueError(
                    f"the box {x:g},{y:g},{w:g},{h:g} reaches beyond the picture of {width}x{height}"
                )

    def cell_weights(self, height: int, width: int, cell: int) -> NDArray[np.float32]:
        """Return the largest weight below every lapped cell, (ceil(H / n) + 1, ceil(W / n) + 1) float32.

        Cell (i, j) covers the blocks i - 1 and i, j - 1 and j of n x n pixels.
        """
        blocks = np.zeros((-(-height // cell), -(-width // cell)), np.float32)
        if self.mask is not None:
            for row in range(blocks.shape[0]):
                strip = self.mask[row * cell : (row + 1) * cell].max(0)
                blocks[row] = np.maximum.reduceat(strip, np.arange(0, width, cell))
        for x, y, w, h, weight in self.boxes:
            at = (
                slice(int(y // cell), math.ceil((y + h) / cell)),
                slice(int(x // cell), math.ceil((x + w) / cell)),
            )
            blocks[at] = np.maximum(blocks[at], weight)
        padded = np.pad(blocks, 1)
        return np.maximum.reduce([padded[:-1, :-1], padded[1:, :-1], padded[:-1, 1:], padded[1:, 1:]])


class RoiSource:
    """A source whose codec is asked for another quality in a region of interest.

    `quality`, 0..100, is that of weight 1; None stands for a quarter of the picture's quantiser step. Weights
    between 0 and 1 lie between both on a logarithmic scale of steps. Raises ValueError if the region does not
    fit the picture or the quality is out of range.
    """

    def __init__(self, source: Source, roi: Roi, quality: float | None = None) -> None:
        roi.check(source.height, source.width)
        if quality is not None and not 0 <= quality <= 100:
            raise ValueError(f"the quality of a region is 0..100, not {quality:g}")
        self.source, self.roi, self.quality = source, roi, quality
        self.width, self.height, self.channels = source.width, source.height, source.channels
        self.metadata: Mapping[str, bytes] = source.metadata

    def rows(self, start: int, stop: int) -> NDArray[np.uint8]:
        """See `Source.rows`."""
        return self.source.rows(start, stop)


def _mask(given: NDArray[Any]) -> NDArray[np.float32]:
    if given.ndim != 2 or not given.size:
        raise ValueError(f"a mask has the shape (H, W), not {given.shape}")
    weights = given.astype(np.float32) / np.float32(255 if given.dtype == np.uint8 else 1)
    if not (np.isfinite(weights).all() and weights.min() >= 0 and weights.max() <= 1):
        raise ValueError("the weights of a mask are 0..1, or 0..255 in uint8")
    return weights


def _box(box: Sequence[float]) -> Box:
    if len(box) not in (4, 5) or not all(map(math.isfinite, box)):
        raise ValueError(f"a box is x, y, width, height and perhaps a weight, not {box}")
    x, y, w, h, weight = (*box, 1.0)[:5]
    if w <= 0 or h <= 0:
        raise ValueError(f"the box {x:g},{y:g},{w:g},{h:g} is empty")
    if not 0 <= weight <= 1:
        raise ValueError(f"the weight of a box is 0..1, not {weight:g}")
    return x, y, w, h, weight


def _boxes_of(document: dict[str, Any]) -> list[Sequence[float]]:
    """Return the boxes of a GeoJSON or COCO document."""
    if "annotations" in document:
        return [[*each["bbox"], each.get("weight", 1.0)] for each in document["annotations"]]
    features = document.get("features", [document])
    boxes: list[Sequence[float]] = []
    for feature in features:
        points = np.array(list(_points(feature.get("geometry", feature)["coordinates"])), float)
        low, high = points.min(0), points.max(0)
        weight = (feature.get("properties") or {}).get("weight", 1.0)
        boxes.append([*low, *(high - low), weight])
    return boxes


def _points(coordinates: Any) -> Iterable[tuple[float, float]]:
    if isinstance(coordinates[0], int | float):
        yield coordinates[0], coordinates[1]
        return
    for part in coordinates:
        yield from _points(part)
