"""Stacks of 3x3 integer convolutions on planes whose blocks of 2x2 pixels are input channels."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from collagecodec.codecs.collage.integers import ACTIVATION_MAX, Floats, IntegerLayer
from collagecodec.kernels.layers import Stack
from collagecodec.sampling.colour import PLANE_UNIT

Samples = NDArray[np.float32 | np.int16]
"""Planes in 1/16 pixel level: float32 from numpy, int16 from the C core; the values are the same integers."""

OVERHANG = 2
"""Number of positions that the last neighbourhood of a flattened map reaches beyond its end."""
CHUNK = 1024
"""Number of map columns computed at a time; it bounds the memory for wide pictures."""
STRIP = 2048
"""Number of positions computed at a time; the gathered neighbourhoods stay in the cache."""


def convolve_planes(layers: tuple[IntegerLayer, ...], planes: Samples, rate_index: int) -> Floats:
    """Return the outputs of the last of L layers, (H / 2 - 2 L, W / 2 - 2 L, C), not activated.

    `planes` (3, H, W) are in 1/16 pixel level, H and W even. The 12 inputs of the first layer are the planes
    rounded to pixel levels, ordered by plane, row parity and column parity.
    """
    if compiled := stack(layers):
        # Levels are clipped to 8 bits in any case.
        samples = planes if planes.dtype == np.int16 else np.clip(planes, -(2**15), 2**15 - 1).astype(np.int16)
        return compiled.convolve(rows_in_order(samples), rate_index).astype(np.float32)
    frame = 2 * len(layers)
    rows, columns = planes.shape[1] // 2 - frame, planes.shape[2] // 2 - frame
    result = np.empty((rows, columns, layers[-1].weight.shape[1]), np.float32)
    for start in range(0, columns, CHUNK):
        stop = min(start + CHUNK, columns)
        result[:, start:stop] = _chunk(layers, planes[:, :, 2 * start : 2 * (stop + frame)], rate_index)
    return result


def stack(layers: tuple[IntegerLayer, ...]) -> Stack | None:
    """Return the layers for the C core, None where it is missing or does not take them."""
    packed = [layer.packed(3, levels=not number) for number, layer in enumerate(layers)]
    fitting = [layer for layer in packed if layer is not None and layer.inputs % 4 == 0]
    return Stack(fitting) if len(fitting) == len(layers) else None


def rows_in_order(planes: NDArray[Any]) -> NDArray[np.int16]:
    """Return the planes (P, H, W) with the samples of a row side by side, as the core takes them."""
    return planes if planes.strides[2] == planes.itemsize else np.ascontiguousarray(planes)


def _chunk(layers: tuple[IntegerLayer, ...], planes: Samples, rate_index: int) -> Floats:
    """Convolve some columns of the planes; the next call in this thread overwrites the result."""
    samples = planes + np.float32(PLANE_UNIT // 2)
    samples *= np.float32(1 / PLANE_UNIT)
    np.floor(samples, out=samples)
    np.clip(samples, -128, 127, out=samples)
    rows, columns = planes.shape[1] // 2, planes.shape[2] // 2
    halves = samples.reshape(3, rows, 2, columns, 2).transpose(1, 3, 0, 2, 4)
    maps = _buffer(0, rows * columns, 12)
    maps[:-OVERHANG].reshape(rows, columns, 3, 2, 2)[...] = halves
    for number, layer in enumerate(layers):
        # Rows keep their length here. Their right ends mix in the next row and are cut off below.
        rows -= 2
        following = _buffer(1 - number % 2, rows * columns, layer.weight.shape[1])
        _convolve(maps, columns, layer, rate_index, following, rectify=number + 1 < len(layers))
        maps = following
    return maps[:-OVERHANG].reshape(rows, columns, -1)[:, : columns - 2 * len(layers)]


class _Workspace(threading.local):
    """Two buffers for each thread: allocating memory for every layer would cost as much as the arithmetic."""

    def __init__(self) -> None:
        self.buffers = [np.empty(0, np.float32), np.empty(0, np.float32)]


_workspace = _Workspace()


def _buffer(number: int, length: int, channels: int) -> Floats:
    """Return a map (length + OVERHANG, C) in buffer 0 or 1 whose last `OVERHANG` positions are zero."""
    size = (length + OVERHANG) * channels
    if _workspace.buffers[number].size < size:
        _workspace.buffers[number] = np.empty(size, np.float32)
    maps = _workspace.buffers[number][:size].reshape(-1, channels)
    maps[length:] = 0
    return maps


def _convolve(
    maps: Floats, width: int, layer: IntegerLayer, rate_index: int, result: Floats, rectify: bool
) -> None:
    """Convolve a flattened map with rows of `width` by 3x3 taps into `result`, which is two rows shorter."""
    channels, length = maps.shape[1], len(result) - OVERHANG
    # Row p holds the positions p, p + 1, p + 2 side by side: a row of a 3x3 neighbourhood without a copy.
    triples = as_strided(maps, (len(maps) - OVERHANG, 3 * channels), (4 * channels, 4), writeable=False)
    offset = layer.offset(rate_index)
    taps = np.empty((STRIP, 3, 3 * channels), np.float32)
    for start in range(0, length, STRIP):
        size = min(STRIP, length - start)
        for row in range(3):
            taps[:size, row] = triples[start + row * width : start + row * width + size]
        strip = result[start : start + size]
        np.matmul(taps[:size].reshape(size, -1), layer.scaled, out=strip)
        strip += offset
        np.floor(strip, out=strip)
        if rectify:
            np.maximum(strip, 0, out=strip)
            np.minimum(strip, ACTIVATION_MAX, out=strip)
