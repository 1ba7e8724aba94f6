"""Random IFS in the manner of FractalDB (Kataoka et al. 2020, Pre-training without Natural Images, section 3).

The number of maps is uniform from 2 to 8, and so are all six numbers of each map in [-1, 1]. An IFS is accepted
if its attractor, scaled to the picture, covers more than a share of the pixels, the filling rate (0.2 in the
paper). Unlike in the paper the maps must also contract, which guarantees an attractor: this loses only systems
that escape or that contract merely on average.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from collagecodec.fractals.ifs import IFS

FILLING_RATE = 0.2
SIDE = 256
"""Side in pixels of the picture that the filling rate refers to."""
POINTS = 100_000
MARGIN = 1 / 32
"""Share of the picture that stays empty on every side."""

_CHAINS, _SETTLE = 1000, 30
_SMALLEST = 1e-6
_MAPS = (2, 8)


def systems(seed: int, rate: float = FILLING_RATE, side: int = SIDE, points: int = POINTS) -> Iterator[IFS]:
    """Yield random IFS whose attractors fill the picture but for `MARGIN`, without end.

    `rate`: the filling rate that a system must exceed, from 0 to 1; hardly any exceeds a rate near 1. It refers
    to pictures of `side` pixels and `points` points.
    """
    random = np.random.default_rng(seed)
    while True:
        ifs = _drawn(random)
        places = _game(ifs, random, points)
        low, size = places.min(0), np.ptp(places, 0)
        if size.min() < _SMALLEST:  # flat, or a point
            continue
        scale = (1 - 2 * MARGIN) / size
        shift = MARGIN - low * scale
        if _hit(places * scale + shift, side).mean() > rate:
            yield ifs.moved(scale, shift)


def pixels(ifs: IFS, random: np.random.Generator, side: int = SIDE, points: int = POINTS) -> NDArray[np.bool_]:
    """Return which pixels (side, side) a chaos game of `points` points hits; points outside are left out."""
    return _hit(_game(ifs, random, points), side)


def _hit(points: NDArray[np.float64], side: int) -> NDArray[np.bool_]:
    places = np.floor(points * side).astype(np.int64)
    places = places[((places >= 0) & (places < side)).all(1)]
    canvas = np.zeros((side, side), np.bool_)
    canvas[places[:, 1], places[:, 0]] = True
    return canvas


def _drawn(random: np.random.Generator) -> IFS:
    while True:
        numbers = random.uniform(-1, 1, (random.integers(_MAPS[0], _MAPS[1] + 1), 6))
        ifs = IFS(numbers[:, :4].reshape(-1, 2, 2), numbers[:, 4:])
        if ifs.contraction < 1:
            return ifs


def _game(ifs: IFS, random: np.random.Generator, points: int) -> NDArray[np.float64]:
    """Return `points` points (points, 2) of the attractor: many short sequences, their beginnings left out."""
    steps = -(-points // _CHAINS)
    indices = random.choice(len(ifs), (_CHAINS, _SETTLE + steps), p=ifs.probabilities)
    return ifs.points(indices)[:, _SETTLE:].reshape(-1, 2)[:points]
