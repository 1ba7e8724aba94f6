"""Shapes to fit, and measures of the difference between shapes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Mask = NDArray[np.bool_]
Point = tuple[float, float]
_FINER = 4
"""Shapes are drawn at this multiple of their size and then reduced."""


def koch(side: int = 256) -> Mask:
    """Return the curve of Koch (1904) after five steps, about 2.5 pixels wide at a side of 256."""
    points: list[Point] = [(0.04, 0.64), (0.96, 0.64)]
    for _ in range(5):
        points = [point for first, second in pairwise(points) for point in _bent(first, second)]
        points.append((0.96, 0.64))
    return _drawn(side, lambda draw, size: draw.line(_scaled(points, size), fill=255, width=round(size / 100)))


def _bent(first: Point, second: Point) -> list[Point]:
    """Return the first four corners of the bent line that replaces a segment."""
    x, y = (second[0] - first[0]) / 3, (second[1] - first[1]) / 3
    half, up = 0.5, -math.sqrt(3) / 2
    third = (first[0] + x, first[1] + y)
    peak = (third[0] + half * x - up * y, third[1] + up * x + half * y)
    return [first, third, peak, (first[0] + 2 * x, first[1] + 2 * y)]


def sierpinski(side: int = 256) -> Mask:
    """Return the gasket of Sierpinski (1915) after five steps."""
    triangles: list[tuple[Point, Point, Point]] = [((0.5, 0.06), (0.04, 0.86), (0.96, 0.86))]
    for _ in range(5):
        triangles = [part for triangle in triangles for part in _thirds(*triangle)]

    def drawing(draw: ImageDraw.ImageDraw, size: int) -> None:
        for triangle in triangles:
            draw.polygon(_scaled(triangle, size), fill=255)

    return _drawn(side, drawing)


def _thirds(a: Point, b: Point, c: Point) -> list[tuple[Point, Point, Point]]:
    def middle(p: Point, q: Point) -> Point:
        return (p[0] + q[0]) / 2, (p[1] + q[1]) / 2

    return [(a, middle(a, b), middle(a, c)), (middle(a, b), b, middle(b, c)), (middle(a, c), middle(b, c), c)]


def apple(side: int = 256) -> Mask:
    """Return an apple with a dent at the top, a stalk and a leaf."""
    turns = np.linspace(0, 2 * math.pi, 400, endpoint=False)
    # The outline resembles a heart: two lobes at the top, narrower below.
    radius = 0.34 * (1 - 0.16 * np.exp(-((turns - math.pi / 2) ** 2) / 0.12) + 0.07 * np.cos(2 * turns))
    radius *= 1 - 0.06 * np.exp(-((turns - 3 * math.pi / 2) ** 2) / 0.05)
    outline = [(0.5 + 1.1 * r * math.cos(t), 0.58 - r * math.sin(t)) for r, t in zip(radius, turns, strict=True)]
    leaf = [
        (0.53 + 0.2 * s, 0.22 - 0.1 * s + sign * 0.055 * math.sin(math.pi * s))
        for sign, way in ((1, np.linspace(0, 1, 30)), (-1, np.linspace(1, 0, 30)))
        for s in way
    ]

    def drawing(draw: ImageDraw.ImageDraw, size: int) -> None:
        draw.polygon(_scaled(outline, size), fill=255)
        draw.line(
            _scaled([(0.5, 0.34), (0.51, 0.24), (0.545, 0.14)], size), fill=255, width=size // 40, joint="curve"
        )
        draw.polygon(_scaled(leaf, size), fill=255)

    return _drawn(side, drawing)


def flower(side: int = 256) -> Mask:
    """Return a flower with seven petals, a stalk and a leaf."""
    petals = []
    for number in range(7):
        turn = 2 * math.pi * number / 7 - math.pi / 2
        along, across = (math.cos(turn), math.sin(turn)), (-math.sin(turn), math.cos(turn))
        petals.append([
            (
                0.5 + along[0] * (0.2 + 0.12 * math.cos(t)) + across[0] * 0.075 * math.sin(t),
                0.36 + along[1] * (0.2 + 0.12 * math.cos(t)) + across[1] * 0.075 * math.sin(t),
            )
            for t in np.linspace(0, 2 * math.pi, 60, endpoint=False)
        ])  # fmt: skip

    def drawing(draw: ImageDraw.ImageDraw, size: int) -> None:
        for petal in petals:
            draw.polygon(_scaled(petal, size), fill=255)
        draw.ellipse(_scaled([(0.42, 0.28), (0.58, 0.44)], size), fill=255)
        draw.line(
            _scaled([(0.5, 0.4), (0.49, 0.7), (0.52, 0.97)], size), fill=255, width=size // 32, joint="curve"
        )
        draw.polygon(_scaled([(0.5, 0.86), (0.58, 0.76), (0.72, 0.73), (0.64, 0.84)], size), fill=255)

    return _drawn(side, drawing)


def horse() -> Mask:
    """Return the horse of scikit-image, 328 x 400, for which no setting was tuned."""
    import skimage.data

    return ~np.asarray(skimage.data.horse(), np.bool_)  # type: ignore[no-untyped-call]


SHAPES: MappingProxyType[str, Callable[[], Mask]] = MappingProxyType(
    {"koch": koch, "sierpinski": sierpinski, "apple": apple, "flower": flower, "horse": horse}
)


def _scaled(points: Sequence[Point], size: int) -> list[Point]:
    return [(x * size, y * size) for x, y in points]


def _drawn(side: int, drawing: Callable[[ImageDraw.ImageDraw, int], None]) -> Mask:
    picture = Image.new("L", (side * _FINER, side * _FINER))
    drawing(ImageDraw.Draw(picture), side * _FINER)
    return np.asarray(picture.resize((side, side), Image.Resampling.BOX)) >= 128


def overlap(first: Mask, second: Mask) -> float:
    """Return the intersection over union of two masks; 1 if both are empty."""
    union = int((first | second).sum())
    return int((first & second).sum()) / union if union else 1.0


def hausdorff(first: Mask, second: Mask) -> float:
    """Return the Hausdorff distance of two masks in pixels: the largest distance of a pixel in one to the other.

    The distance is 0 if both masks are empty and inf if only one is.
    """
    from scipy.ndimage import distance_transform_edt

    if not (first.any() and second.any()):
        return 0.0 if first.any() == second.any() else math.inf
    to_first, to_second = distance_transform_edt(~first), distance_transform_edt(~second)
    return float(max(to_second[first].max(), to_first[second].max()))
