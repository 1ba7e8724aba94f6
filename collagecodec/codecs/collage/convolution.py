"""Stacks of 3x3 integer convolutions on planes, two by two pixels at a time."""

from __future__ import annotations

import threading

import numpy as np
from numpy.lib.stride_tricks import as_strided

from collagecodec.codecs.collage.integers import ACTIVATION_MAX, Floats, IntegerLayer
from collagecodec.sampling.colour import PLANE_UNIT

OVERHANG = 2
"""Positions that the last neighbourhood of a flattened map reaches beyond its end."""
CHUNK = 1024
"""Columns of a map computed at a time, which bounds the memory of wide pictures."""
STRIP = 2048
"""Positions computed at a time, so that the gathered neighbourhoods stay in the cache."""


def convolve_planes(layers: tuple[IntegerLayer, ...], planes: Floats, rate_index: int) -> Floats:
    """Planes (3, H, W) in 1/16 level, H and W even, to the outputs of the last layer at half their size:
    (H / 2 - 2 L, W / 2 - 2 L, C) for L layers, all but the last activated.

    The first layer sees whole pixel levels, 12 of them: plane, row parity, column parity.
    """
    frame = 2 * len(layers)
    rows, columns = planes.shape[1] // 2 - frame, planes.shape[2] // 2 - frame
    result = np.empty((rows, columns, layers[-1].weight.shape[1]), np.float32)
    for start in range(0, columns, CHUNK):
        stop = min(start + CHUNK, columns)
        result[:, start:stop] = _chunk(layers, planes[:, :, 2 * start : 2 * (stop + frame)], rate_index)
    return result


def _chunk(layers: tuple[IntegerLayer, ...], planes: Floats, rate_index: int) -> Floats:
    """The same for a few columns, in a buffer that the next call in this thread overwrites."""
    levels = planes + np.float32(PLANE_UNIT // 2)
    levels *= np.float32(1 / PLANE_UNIT)
    np.floor(levels, out=levels)
    np.clip(levels, -128, 127, out=levels)
    rows, columns = planes.shape[1] // 2, planes.shape[2] // 2
    halves = levels.reshape(3, rows, 2, columns, 2).transpose(1, 3, 0, 2, 4)
    maps = _buffer(0, rows * columns, 12)
    maps[:-OVERHANG].reshape(rows, columns, 3, 2, 2)[...] = halves
    for number, layer in enumerate(layers):
        # The rows keep their length; what the right end of a row gets from the next one is cut off at last.
        rows -= 2
        following = _buffer(1 - number % 2, rows * columns, layer.weight.shape[1])
        _convolve(maps, columns, layer, rate_index, following, rectify=number + 1 < len(layers))
        maps = following
    return maps[:-OVERHANG].reshape(rows, columns, -1)[:, : columns - 2 * len(layers)]


class _Workspace(threading.local):
    """Two buffers a thread: fresh memory for every layer would cost as much as the arithmetic."""

    def __init__(self) -> None:
        self.buffers = [np.empty(0, np.float32), np.empty(0, np.float32)]


_workspace = _Workspace()


def _buffer(number: int, length: int, channels: int) -> Floats:
    """A map of `length` positions in buffer 0 or 1, with `OVERHANG` zeros behind it: (length + OVERHANG, C)."""
    size = (length + OVERHANG) * channels
    if _workspace.buffers[number].size < size:
        _workspace.buffers[number] = np.empty(size, np.float32)
    maps = _workspace.buffers[number][:size].reshape(-1, channels)
    maps[length:] = 0
    return maps


def _convolve(
    maps: Floats, width: int, layer: IntegerLayer, rate_index: int, result: Floats, rectify: bool
) -> None:
    """3x3 convolution of a flattened map with rows of `width` into `result`, two rows shorter, strip by strip."""
    channels, length = maps.shape[1], len(result) - OVERHANG
    # Row p holds the pixels p, p + 1, p + 2 side by side: one row of a 3x3 neighbourhood without a copy.
    triples = as_strided(maps, (len(maps) - OVERHANG, 3 * channels), (4 * channels, 4), writeable=False)
    offset = layer.offset(rate_index)
    taps = np.empty((STRIP, 3, 3 * channels), np.float32)
    for start in range(0, length, STRIP):
        size = min(STRIP, length - start)
        for row in range(3):
            taps[:size, row] = triples[start + row * width : start + row * width + size]
        part = result[start : start + size]
        np.matmul(taps[:size].reshape(size, -1), layer.scaled, out=part)
        part += offset
        np.floor(part, out=part)
        if rectify:
            np.maximum(part, 0, out=part)
            np.minimum(part, ACTIVATION_MAX, out=part)
