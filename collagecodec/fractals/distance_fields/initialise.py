"""Where a fit begins: the picture cut into N parts, and for each the similarity that lays the whole on the part
best.

The parts are the cells of Lloyd's algorithm, begun several times; the cut whose parts look most like the whole
is kept. Orientation is what gradients cannot find, so it is searched: every part tries a number of angles,
mirrored or not, and takes the one whose image of the picture is nearest to the part.
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
    """N similarities: `scales`, `angles`, `mirrors` (-1 or 1) of shape (N,), `offsets` (N, 2)."""

    scales: Floats
    angles: Floats
    mirrors: Floats
    offsets: Floats


def start(points: Floats, count: int, rng: np.random.Generator) -> Start:
    """Similarities for a picture whose shape has the pixel centres `points` (n, 2)."""
    points = points[rng.permutation(len(points))[: 20 * _SAMPLE]]
    found = [_cut(points, count, rng) for _ in range(_CUTS)]
    return min(found, key=lambda one: one[0])[1]


def _cut(points: Floats, count: int, rng: np.random.Generator) -> tuple[float, Start]:
    """One cut and its similarities, and how far they lay the whole from the parts, on average."""
    labels, centres = _cells(points, count, rng)
    whole, middle = points[:_SAMPLE], points.mean(0)
    spread = np.sqrt(((points - middle) ** 2).sum(1).mean())
    found, apart = [], 0.0
    for number in range(count):
        part = points[labels == number][:_SAMPLE] if (labels == number).any() else centres[number][None]
        size = np.sqrt(((part - centres[number]) ** 2).sum(1).mean())
        scale = float(np.clip(size / max(spread, 1e-9), 0.05, 0.9))
        angle, mirror, gap = _orientation(whole - middle, part - centres[number], scale)
        turned = _similarity(scale, angle, mirror)
        found.append((scale, angle, mirror, centres[number] - turned @ middle))
        apart += gap
    scales, angles, mirrors, offsets = zip(*found, strict=True)
    return apart, Start(np.array(scales), np.array(angles), np.array(mirrors), np.array(offsets))


def _similarity(scale: float, angle: float, mirror: float) -> Floats:
    cosine, sine = np.cos(angle), np.sin(angle)
    return scale * np.array(((cosine, -sine * mirror), (sine, cosine * mirror)))


def _cells(points: Floats, count: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], Floats]:
    """Labels (n,) and centres (count, 2): seeds far from each other, then Lloyd's iteration."""
    centres = points[rng.integers(len(points))][None]
    for _ in range(count - 1):
        nearest = ((points[:, None] - centres) ** 2).sum(2).min(1)
        weights = nearest / nearest.sum() if nearest.sum() > 0 else None
        centres = np.concatenate((centres, points[rng.choice(len(points), p=weights)][None]))
    labels = np.zeros(len(points), np.int64)
    for _ in range(15):
        labels = ((points[:, None] - centres) ** 2).sum(2).argmin(1)
        for number in range(count):
            if (labels == number).any():
                centres[number] = points[labels == number].mean(0)
    return labels, centres


def _orientation(whole: Floats, part: Floats, scale: float) -> tuple[float, float, float]:
    """Angle and mirror (-1, 1) that bring `whole`, scaled, nearest to `part`, both around 0, and how near."""
    best, least = (0.0, 1.0), np.inf
    for mirror in (1.0, -1.0):
        for angle in np.arange(_ANGLES) * (2 * np.pi / _ANGLES):
            moved = whole @ _similarity(scale, angle, mirror).T
            gaps = ((moved[:, None] - part) ** 2).sum(2)
            apart = float(np.sqrt(gaps.min(1)).mean() + np.sqrt(gaps.min(0)).mean())
            # Equal ones go to the first: no turn, no mirror.
            if apart < least * 0.999:
                best, least = (float(angle), mirror), apart
    return (*best, least)
