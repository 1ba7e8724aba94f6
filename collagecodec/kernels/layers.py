"""Integer layers and stacks of convolutions in the C core."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collagecodec.kernels.library import address, contiguous, core

Bytes = NDArray[np.uint8]
Samples = NDArray[np.int16]


class Layer:
    """A layer floor((x W + bias + rate_index * slope) / 2^shift + 1/2) for inputs 0..127, packed for the core.

    With `taps` = 3 its inputs are 3x3 neighbourhoods. With `levels` they are pixel levels -128..127, of which the
    core takes 0..255. Use `Layer.of`.
    """

    def __init__(self, library: Any, handle: int, inputs: int, outputs: int) -> None:
        self.handle, self.inputs, self.outputs = handle, inputs, outputs
        weakref.finalize(self, library.layer_free, handle)

    @classmethod
    def of(
        cls,
        weight: NDArray[Any],
        bias: NDArray[Any],
        slope: NDArray[Any],
        shift: int,
        *,
        taps: int = 1,
        levels: bool = False,
    ) -> Layer | None:
        """Return a layer of `weight` (taps taps C, N), `bias` (N,), `slope` (N,), all integers.

        None if there is no core or the core does not take such a layer.
        """
        library = core()
        channels, spare = divmod(weight.shape[0], taps * taps)
        if library is None or spare or np.abs(weight).max(initial=0) > 127:
            return None
        offset = bias.astype(np.int64) - (128 * weight.astype(np.int64).sum(0) if levels else 0)
        if np.abs(offset).max(initial=0) >= 2**31:
            return None
        weights = contiguous(weight, np.int8)
        offsets, slopes = contiguous(offset, np.int32), contiguous(slope, np.int32)
        handle = library.layer_new(
            address(weights),
            taps,
            taps,
            channels,
            weight.shape[1],
            address(offsets),
            address(slopes),
            shift,
            levels,
        )
        return cls(library, handle, channels, weight.shape[1]) if handle else None

    def apply(self, x: Bytes, rate_index: int, top: int = 127) -> Bytes:
        """Map (M, K) bytes to (M, N) bytes, clipped to 0 .. top. K is a multiple of 4 and at least the inputs.

        The columns beyond the layer's inputs are not used.
        """
        result = np.empty((len(x), self.outputs), np.uint8)
        self._call(contiguous(x, np.uint8), 0, x.shape[1], None, len(x), rate_index, top, result)
        return result

    def around(self, framed: Bytes, corners: NDArray[np.integer[Any]], rate_index: int, top: int = 127) -> Bytes:
        """Map 3x3 neighbourhoods to (M, N) bytes, clipped to 0 .. top.

        `corners` (M,) are the raster indices of their upper left places in `framed` (H, W, K), K as in `apply`.
        """
        step = framed.shape[2]
        result = np.empty((len(corners), self.outputs), np.uint8)
        where = contiguous(corners, np.int32)
        self._call(framed, framed.shape[1] * step, step, where, len(where), rate_index, top, result)
        return result

    def _call(
        self,
        x: Bytes,
        row: int,
        step: int,
        where: NDArray[np.int32] | None,
        count: int,
        rate_index: int,
        top: int,
        result: Bytes,
    ) -> None:
        library = core()
        assert library is not None
        places = None if where is None else address(where)
        library.layer_apply(
            self.handle, address(x), row, step, places, count, rate_index, top, address(result), self.outputs
        )


class Stack:
    """A stack of 3x3 convolutions on planes whose blocks of 2x2 samples are input channels."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = tuple(layers)
        self._handles = (ctypes.c_void_p * len(layers))(*(layer.handle for layer in layers))

    def convolve(self, planes: Samples, rate_index: int) -> NDArray[np.int32]:
        """Return the outputs of the last of L layers, (H / 2 - 2 L, W / 2 - 2 L, N), of `planes` (P, H, W)."""
        rows, columns, depth = planes.shape[1] // 2, planes.shape[2] // 2, len(self.layers)
        shape = (rows - 2 * depth, columns - 2 * depth, self.layers[-1].outputs)
        result = np.empty(shape, np.int32)
        self._check(self._library().convolve(*self._arguments(planes, rate_index), address(result)))
        return result

    def correct(self, planes: Samples, rate_index: int, kept: int) -> Samples:
        """Return the first `kept` planes plus the outputs of the last layer, (kept, H - 4 L, W - 4 L)."""
        margin = 4 * len(self.layers)
        result = np.empty((kept, planes.shape[1] - margin, planes.shape[2] - margin), np.int16)
        self._check(self._library().correct(*self._arguments(planes, rate_index), address(result), kept))
        return result

    def _library(self) -> Any:
        library = core()
        assert library is not None
        return library

    def _arguments(self, planes: Samples, rate_index: int) -> tuple[Any, ...]:
        strides = [stride // planes.itemsize for stride in planes.strides[:2]]
        sizes = (planes.shape[1] // 2, planes.shape[2] // 2)
        return (
            self._handles, len(self.layers), address(planes), len(planes), *strides, *sizes, rate_index,
        )  # fmt: skip

    @staticmethod
    def _check(done: int) -> None:
        if not done:
            raise MemoryError("there is no memory for the rows of a convolution")
