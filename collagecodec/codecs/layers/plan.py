"""How a picture is divided into layers: which bands share a colour model, which are decorrelated first.

Red, green and blue go to the codec as a colour picture. Other bands go one by one, as grey pictures, after a
transform across them if that saves bits: the eigenvectors of the covariance of their differences between
neighbours, since it is the differences that cost bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collagecodec.codecs.layers.format import MATRIX_UNIT, MAX_TRANSFORM, BandMap, Transform
from collagecodec.codecs.layers.samples import LEVEL, band_map, forward
from collagecodec.geo.reference import GeoReference
from collagecodec.io.sources import Source

COLOURS = ("red", "green", "blue")
LEAST_GAIN = 0.03
"""Bits per sample that a transform must save in theory to be used."""
_BAND = 256
_BINS = 1024
_SAMPLED = 2**21
"""Samples, at most about, from which statistics are made."""


@dataclass(frozen=True, eq=False)
class Layers:
    """A plan: maps of the bands, groups of 1 or 3 planes, and for each plane its band and its gain.

    forward   (planes, bands) float: levels of planes from levels of bands, about 128
    means     levels of the bands that the transform subtracts
    """

    bands: tuple[BandMap, ...]
    groups: tuple[tuple[int, ...], ...]
    order: tuple[int, ...]
    gains: tuple[float, ...]
    matrix: NDArray[np.float64] | None
    means: NDArray[np.float64]
    transforms: tuple[Transform, ...]

    def planes(self, samples: NDArray[np.generic]) -> NDArray[np.uint8]:
        """Return the planes (planes, rows, width) of samples (rows, width, bands)."""
        levels = forward([samples[..., band] for band in self.order], [self.bands[band] for band in self.order])
        if self.matrix is not None:
            flat = levels.reshape(len(levels), -1) - self.means[:, None]
            levels = (self.matrix @ flat + 128).reshape(levels.shape)
        return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def plan(source: Source, bands: int, alpha: bool, *, transform: bool = True) -> Layers:
    """Return the plan for a source whose first `bands` channels are no alpha; the source is read once."""
    lows, highs, sample = _statistics(source, bands, alpha)
    maps = []
    for band in range(bands):
        low, high = int(lows[band]), int(highs[band])
        edges = np.linspace(low, high + 1, _BINS + 1)
        histogram = np.histogram(sample[..., band], edges)[0].astype(np.float64) + 1e-9
        maps.append(band_map(low, high, histogram))
    colours = _colour_bands(source, bands)
    others = [band for band in range(bands) if band not in colours]
    order = (*colours, *others)
    first = len(colours)
    groups: list[tuple[int, ...]] = [(0, 1, 2)] if colours else []
    groups += [(plane,) for plane in range(first, bands)]
    levels = forward([sample[..., band] for band in order], [maps[band] for band in order])
    matrix, gains, transforms = np.eye(bands), np.ones(bands), []
    means = np.zeros(bands)
    for start in range(first, bands, MAX_TRANSFORM):
        part = slice(start, min(start + MAX_TRANSFORM, bands))
        if not transform or part.stop - start < 2:
            continue
        found = _decorrelated(levels[part], start)
        if found is not None:
            matrix[part, part], gains[part], means[part], inverse = found
            transforms.append(inverse)
    means[: len(means)] = np.where(np.diag(matrix) == 1, 128, means) if transforms else means
    return Layers(
        tuple(maps), tuple(groups), order, tuple(gains), matrix if transforms else None, means, tuple(transforms)
    )


def _colour_bands(source: Source, bands: int) -> tuple[int, ...]:
    """Return the bands that are red, green and blue; of 3 or 4 bands without names the first three."""
    data = source.metadata.get("geo")
    names = [band.colour for band in GeoReference.from_bytes(data).bands] if data else []
    if all(names.count(colour) == 1 for colour in COLOURS) and len(names) == bands:
        return tuple(names.index(colour) for colour in COLOURS)
    return (0, 1, 2) if bands in (3, 4) and not any(name in COLOURS for name in names) else ()


def _statistics(
    source: Source, bands: int, alpha: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.generic]]:
    """Return the smallest and the largest sample of each band, and a sample of rows (rows, width, bands)."""
    lows, highs = np.full(bands, 2**31), np.full(bands, -(2**31))
    kept = []
    every = max(1, source.height * source.width * bands // _SAMPLED)
    for start in range(0, source.height, _BAND):
        rows = source.rows(start, min(source.height, start + _BAND))
        colours = rows[..., :bands]
        valid = colours[rows[..., -1] > 0] if alpha else colours.reshape(-1, bands)
        if len(valid):
            lows = np.minimum(lows, valid.min(axis=0))
            highs = np.maximum(highs, valid.max(axis=0))
        pairs = np.arange(0, len(rows) - 1, 2 * every)
        index = np.sort(np.concatenate([pairs, pairs + 1])) if len(rows) > 1 else np.array([0])
        kept.append(colours[index])
    empty = lows > highs
    return np.where(empty, 0, lows), np.where(empty, 0, highs), np.concatenate(kept)


def _decorrelated(
    levels: NDArray[np.float64], first: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], Transform] | None:
    """Return matrix, gains and means of a transform of bands, and its inverse; None if it saves too little."""
    count = len(levels)
    across = np.diff(levels, axis=2).reshape(count, -1)
    covariance = across @ across.T / max(1, across.shape[1]) + np.eye(count) / 12
    values, vectors = np.linalg.eigh(covariance)
    gain = 0.5 * (np.log2(np.diag(covariance)).mean() - np.log2(np.maximum(values, 1 / 12)).mean())
    if gain < LEAST_GAIN:
        return None
    rotation = vectors.T[::-1]
    means = levels.reshape(count, -1).mean(axis=1)
    planes = rotation @ (levels.reshape(count, -1) - means[:, None])
    gains = 127 / np.maximum(np.abs(planes).max(axis=1), 1)
    gains = np.minimum(gains, 1.0)
    matrix = rotation * gains[:, None]
    inverse = np.rint((rotation.T / gains) * MATRIX_UNIT).astype(np.int32)
    offsets = np.rint(means * LEVEL).astype(np.int32)
    return matrix, gains, means, Transform(first, inverse, offsets)


class PlaneSource:
    """The planes of a group as a source of 8-bit rows: grey for one plane, RGB for three."""

    def __init__(self, source: Source, layers: Layers, group: Sequence[int]) -> None:
        self.width, self.height, self.channels = source.width, source.height, len(group)
        self.metadata: dict[str, bytes] = {}
        self.alpha = False
        self._source, self._layers, self._group = source, layers, list(group)

    def rows(self, start: int, stop: int) -> NDArray[np.uint8]:
        """See `collagecodec.io.sources.Source.rows`."""
        samples = self._source.rows(start, stop)[..., : len(self._layers.bands)]
        planes = self._layers.planes(samples)[self._group]
        rows = np.ascontiguousarray(planes.transpose(1, 2, 0))
        rows.flags.writeable = False
        return rows
