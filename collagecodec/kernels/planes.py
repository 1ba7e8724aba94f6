"""Synthesis, colour and resampling of planes in the C core. All samples are int16 in 1/16 pixel level."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from collagecodec.kernels.library import address, contiguous, core

Samples = NDArray[np.int16]
BLOCK = 64
"""The samples of a block are padded to a multiple of this number."""


class Atoms:
    """Atoms (4 V, n n) int16, quadrants on top of each other, and the channels (V,) of their codes."""

    def __init__(self, stacked: NDArray[np.int16], channels: NDArray[np.integer[Any]], n: int) -> None:
        padded = -(-n * n // BLOCK) * BLOCK
        self.atoms = np.zeros((len(stacked), padded), np.int16)
        self.atoms[:, : n * n] = stacked
        self.channels, self.n = contiguous(channels, np.int32), n
        self.peak = int(np.abs(stacked.astype(np.int32)).max(initial=0))

    def synthesise(self, codes: NDArray[np.int32], result: Samples) -> bool:
        """Write the samples of a plane to `result` ((R - 1) n, (S - 1) n), clipped to +-2^13.

        `codes` (R, S, C) of adjacent cells are in 1/4 pixel level. Returns False, with nothing written, if there
        is no core.
        """
        library = core()
        if library is None:
            return False
        codes = contiguous(codes, np.int32)
        done = library.synthesise(
            address(codes), codes.shape[0] - 1, codes.shape[1] - 1, codes.shape[2], address(self.channels),
            self.channels.size, address(self.atoms), self.n, self.atoms.shape[1], self.peak, address(result),
            result.strides[0] // result.itemsize,
        )  # fmt: skip
        if not done:
            raise MemoryError("there is no memory for the synthesis")
        return True


def pixels(band: NDArray[Any]) -> NDArray[np.uint8] | None:
    """Return the pixels (h, w) or (h, w, 3) of planes (1, h, w) or (3, h, w); None if there is no core."""
    library = core()
    if library is None or band.dtype != np.int16:
        return None
    band = contiguous(band, np.int16)
    size = band[0].size
    if len(band) == 1:
        grey = np.empty(band.shape[1:], np.uint8)
        library.grey(address(band), size, address(grey))
        return grey
    result = np.empty((*band.shape[1:], 3), np.uint8)
    library.rgb(*(address(plane) for plane in band), size, address(result), 3)
    return result


def resample(values: NDArray[Any], taps: NDArray[np.int64], weights: NDArray[np.int64]) -> Samples | None:
    """Return the weighted sums along axis 1, (P, N, M), of `values` (P, L, M), rounded half up.

    `taps` and `weights` (N, T) give the inputs of every output; weights sum to 2^14. None if there is no core or
    a result could leave 16 bits.
    """
    library = core()
    if library is None or values.dtype != np.int16 or not values.size or not taps.size:
        return None
    if int(taps.min()) < 0 or int(taps.max()) >= values.shape[1]:
        raise IndexError("a tap lies outside of the values")
    limit = (2**15 - 1) * 2**14 // int(np.abs(weights).sum(1).max())
    if int(values.max()) > limit or int(values.min()) < -limit:
        return None
    values = contiguous(values, np.int16)
    planes, length, across = values.shape
    taps, weights = contiguous(taps, np.int32), contiguous(weights, np.int32)
    result = np.empty((planes, len(taps), across), np.int16)
    sums = np.empty(across, np.int32)
    library.resample(
        address(values), planes, length, across, address(taps), address(weights), *taps.shape, address(sums),
        address(result),
    )  # fmt: skip
    return result
