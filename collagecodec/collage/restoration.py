"""The restoration: a small integer network that corrects the synthesised planes.

It sees two by two pixels of the three planes at a time (12 channels at half size), applies 3x3 convolutions
and returns a correction in 1/16 of a level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided

from collagecodec.collage.colour import PLANE_UNIT
from collagecodec.collage.integers import ACTIVATION_MAX, Floats, IntegerLayer

STRIP = 1024
"""Positions computed at a time, so that the gathered neighbourhoods stay in the cache."""


@dataclass(frozen=True)
class Restoration:
    """Convolutions of half-size maps; the last one gives the correction."""

    layers: tuple[IntegerLayer, ...]

    @property
    def margin(self) -> int:
        """Pixels by which a correction looks beyond its place, on every side."""
        return 2 * len(self.layers)

    def correct(self, planes: Floats, level: int) -> Floats:
        """Planes (3, H, W) in 1/16 level, `margin` pixels of neighbourhood included on every side, to the
        corrected planes (3, H - 2 margin, W - 2 margin). H and W are even; at the border of a picture the
        neighbourhood repeats its outermost pixels."""
        levels = planes + np.float32(PLANE_UNIT // 2)
        levels *= np.float32(1 / PLANE_UNIT)
        np.floor(levels, out=levels)
        np.clip(levels, -128, 127, out=levels)
        rows, columns = planes.shape[1] // 2, planes.shape[2] // 2
        maps = np.ascontiguousarray(levels.reshape(3, rows, 2, columns, 2).transpose(1, 3, 0, 2, 4))
        maps = maps.reshape(rows, columns, 12)
        for layer in self.layers[:-1]:
            maps = _convolve(maps, layer, level, rectify=True)
        maps = _convolve(maps, self.layers[-1], level, rectify=False)
        margin, (height, width, _) = self.margin, maps.shape
        correction = maps.reshape(height, width, 3, 2, 2).transpose(2, 0, 3, 1, 4)
        inner = planes[:, margin : margin + 2 * height, margin : margin + 2 * width]
        return inner + correction.reshape(inner.shape)


def _convolve(maps: Floats, layer: IntegerLayer, level: int, rectify: bool) -> Floats:
    """Valid 3x3 convolution of (H, W, C) to (H - 2, W - 2, D), strip by strip along the flattened picture."""
    height, width, channels = maps.shape
    length = (height - 2) * width
    flat = np.concatenate([maps.reshape(-1, channels), np.zeros((2, channels), np.float32)])
    # Row p holds the pixels p, p + 1, p + 2 side by side: one row of a 3x3 neighbourhood without a copy.
    triples = as_strided(flat, (height * width, 3 * channels), (4 * channels, 4), writeable=False)
    found = np.empty((length, layer.weight.shape[1]), np.float32)
    bias = layer.bias + np.float32(level) * layer.slope + np.float32(2 ** (layer.shift - 1))
    scale = np.float32(2.0**-layer.shift)
    taps = np.empty((STRIP, 3, 3 * channels), np.float32)
    for start in range(0, length, STRIP):
        size = min(STRIP, length - start)
        for row in range(3):
            taps[:size, row] = triples[start + row * width : start + row * width + size]
        part = found[start : start + size]
        np.matmul(taps[:size].reshape(size, -1), layer.weight, out=part)
        part += bias
        part *= scale
        np.floor(part, out=part)
        if rectify:
            np.maximum(part, 0, out=part)
            np.minimum(part, ACTIVATION_MAX, out=part)
    return found.reshape(height - 2, width, -1)[:, : width - 2]
