"""The restoration: a small integer network that corrects the synthesised planes.

It sees two by two pixels of the three planes at a time (12 channels at half size), applies 3x3 convolutions
and returns a correction in 1/16 of a level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collagecodec.collage.colour import PLANE_UNIT
from collagecodec.collage.integers import Floats, IntegerLayer

STRIP = 2048
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
        maps = levels.reshape(3, rows, 2, columns, 2).transpose(0, 2, 4, 1, 3).reshape(12, rows, columns)
        for layer in self.layers[:-1]:
            maps = _convolve(maps, layer, level, rectify=True)
        maps = _convolve(maps, self.layers[-1], level, rectify=False)
        margin, (_, height, width) = self.margin, maps.shape
        correction = maps.reshape(3, 2, 2, height, width).transpose(0, 3, 1, 4, 2)
        inner = planes[:, margin : margin + 2 * height, margin : margin + 2 * width]
        return inner + correction.reshape(inner.shape)


def _convolve(maps: Floats, layer: IntegerLayer, level: int, rectify: bool) -> Floats:
    """Valid 3x3 convolution of (C, H, W) to (D, H - 2, W - 2), strip by strip along the flattened picture."""
    channels, height, width = maps.shape
    flat = maps.reshape(channels, -1)
    length = (height - 2) * width
    found = np.empty((layer.weight.shape[1], length), np.float32)
    weight = np.ascontiguousarray(layer.weight.T)
    bias = (layer.bias + np.float32(level) * layer.slope + np.float32(2 ** (layer.shift - 1)))[:, None]
    scale = np.float32(2.0**-layer.shift)
    padded = np.concatenate([flat, np.zeros((channels, 2), np.float32)], axis=1)
    taps = np.empty((9, channels, STRIP), np.float32)
    for start in range(0, length, STRIP):
        size = min(STRIP, length - start)
        for tap in range(9):
            offset = start + tap // 3 * width + tap % 3
            taps[tap, :, :size] = padded[:, offset : offset + size]
        part = found[:, start : start + size]
        np.matmul(weight, taps.reshape(9 * channels, STRIP)[:, :size], out=part)
        part += bias
        part *= scale
        np.floor(part, out=part)
        if rectify:
            np.clip(part, 0, 127, out=part)
    return np.ascontiguousarray(found.reshape(-1, height - 2, width)[:, :, : width - 2])
