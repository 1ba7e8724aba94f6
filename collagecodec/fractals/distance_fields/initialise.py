"""The start of a fit: the picture is cut into N parts, and each part gets the map that covers it best.

The parts are the cells of Lloyd's algorithm, which is started several times; the cut whose parts are most like
the whole is used. The size of a map and, if it is affine, its elongation follow from the spread of the points
of the part and of the whole. Gradients cannot find the orientation, so it is searched: every part tries a
number of angles, mirrored or not, and takes the angle whose image of the picture is nearest to the part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_SAMPLE = 160
_ANGLES = 24
_CUTS = 6


@dataclass(frozen=True, eq=False)
class Start:
    """N maps: `matrices` (N, 2, 2) and `offsets` (N, 2)."""

    matrices: Floats
    offsets: Floats


def start(points: Floats, count: int, affine: bool, rng: np.random.Generator) -> Start:
    """Return maps for the pixel centres `points` (n, 2) of a shape: affine maps, or similarities."""
    points = points[rng.permutation(len(points))[: 20 * _SAMPLE]]
    cuts = [_cut(points, count, affine, rng) for _ in range(_CUTS)]
    return min(cuts, key=lambda cut: cut[0])[1]


def _cut(points: Floats, count: int, affine: bool, rng: np.random.Generator) -> tuple[float, Start]:
    """Return the maps of a random cut, after the distance of their images of the whole from the parts."""
    labels, centres = _cells(points, count, rng)
    whole, middle = points[:_SAMPLE], points.mean(0)
    narrow: Floats = np.linalg.inv(_spread(points, affine)).astype(np.float64)
    matrices, apart = [], 0.0
    for number in range(count):
        part = points[labels == number] if (labels == number).any() else centres[number][None]
        wide = _spread(part, affine)
        matrix, gap = _orientation(whole - middle, part[:_SAMPLE] - centres[number], wide, narrow)
        left, sizes, right = np.linalg.svd(matrix)
        matrices.append(left * sizes.clip(0.05, 0.9) @ right)
        apart += gap
    stacked = np.array(matrices)
    return apart, Start(stacked, centres - stacked @ middle)


def _spread(points: Floats, affine: bool) -> Floats:
    """Return the root (2, 2) of the covariance of points (n, 2), a multiple of 1 unless `affine`."""
    away = points - points.mean(0)
    values, vectors = np.linalg.eigh(away.T @ away / len(points))
    roots = np.sqrt(np.maximum(values if affine else np.full(2, values.mean()), 1e-6))
    return np.asarray(vectors * roots @ vectors.T)


def _gaps(first: Floats, second: Floats) -> Floats:
    """Return squared distances (n, m) of points (n, 2) and (m, 2), at least 0."""
    sums = (first**2).sum(1)[:, None] + (second**2).sum(1)
    return np.maximum(sums - 2 * (first @ second.T), 0)


def _turn(angle: float, mirror: float) -> Floats:
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array(((cosine, -sine * mirror), (sine, cosine * mirror)))


def _cells(points: Floats, count: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], Floats]:
    """Return labels (n,) and centres (count, 2): distant starting points, then Lloyd's iteration."""
    centres = points[rng.integers(len(points))][None]
    for _ in range(count - 1):
        nearest = _gaps(points, centres).min(1)
        weights = nearest / nearest.sum() if nearest.sum() > 0 else None
        centres = np.concatenate((centres, points[rng.choice(len(points), p=weights)][None]))
    labels = np.zeros(len(points), np.int64)
    for _ in range(15):
        labels = _gaps(points, centres).argmin(1)
        for number in range(count):
            if (labels == number).any():
                centres[number] = points[labels == number].mean(0)
    return labels, centres


def _orientation(whole: Floats, part: Floats, wide: Floats, narrow: Floats) -> tuple[Floats, float]:
    """Return the matrix `wide` R `narrow` that brings `whole` nearest to `part`, and their distance.

    R is a rotation, mirrored or not.
    """
    best, least = wide @ narrow, np.inf
    for mirror in (1.0, -1.0):
        for angle in np.arange(_ANGLES) * (2 * np.pi / _ANGLES):
            matrix = wide @ _turn(angle, mirror) @ narrow
            gaps = _gaps(whole @ matrix.T, part)
            apart = float(np.sqrt(gaps.min(1)).mean() + np.sqrt(gaps.min(0)).mean())
            # The first of equal matrices wins: no rotation, no mirror.
            if apart < least * 0.999:
                best, least = matrix, apart
    return best, least
