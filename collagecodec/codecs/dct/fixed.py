"""Coding of the coefficients of `dct` in fixed widths, without lossless coding: zonal coding, Poli et al. 2022.

Every channel and frequency has a width in bits and a step, which all blocks of the picture share. The encoder
chooses the pair with the least squared error + step^2 / 8 for every bit; this is about the value of a bit for
a uniform quantiser with that step (2 ln 2 times its error, step^2 / 12). Frequencies of width 0 are zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bitstream.errors import FormatError
from bitstream.fixed_width import pack_fixed, unpack_fixed
from collagecodec.codecs.dct.entropy import MAX_LEVEL, Shape

_WIDTHS = range(1, 13)
_FACTORS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
"""Steps in quarters of the picture's step."""
_PART = 2**12
"""Blocks that are unpacked at a time."""
_WIDEST = 2**30
"""Coefficients without their mean are clipped here: no mean brings them back below `MAX_LEVEL`."""
_SAMPLE = 2048
"""About the number of blocks from which widths and steps are chosen."""


def pack(coefficients: NDArray[np.float64], step_code: int, columns: int) -> bytes:
    """See `entropy.Coding.pack`; `columns` is not used."""
    del columns
    blocks = coefficients.shape[0]
    flat = coefficients.reshape(blocks, -1)
    means = np.round(flat.mean(0))
    # Only the brightness has a mean that is worth 4 bytes.
    means = means.reshape(coefficients.shape[1:])
    means[:, 1:] = 0
    centred = flat - means.ravel()
    widths, factors = _choose(centred[:: max(1, blocks // _SAMPLE)], step_code)
    coded = np.flatnonzero(widths)
    symbols = _quantise(centred[:, coded], widths[coded], _steps(factors[coded], step_code))
    side: bytes = (widths | factors << 4).astype(np.uint8).tobytes() + means[:, 0].astype("<i4").tobytes()
    return side + pack_fixed(symbols.ravel(), np.tile(widths[coded], blocks))


def unpack(data: bytes, shape: Shape, step_code: int, columns: int) -> NDArray[np.int32]:
    """See `entropy.Coding.unpack`."""
    del columns
    count, channels = shape[1] * shape[2], shape[1]
    end = count + 4 * channels
    if len(data) < end:
        raise FormatError("the widths are cut off: the file is damaged")
    side = np.frombuffer(data, np.uint8, count).astype(np.int64)
    widths, factors = side & 15, side >> 4
    if (factors >= len(_FACTORS)).any() or (widths > _WIDTHS[-1]).any():
        raise FormatError("there are widths or steps that no encoder writes: the file is damaged")
    if len(data) - end != (int(widths.sum()) * shape[0] + 7) // 8:
        raise FormatError("the codes do not fill the file: it is damaged")
    coded = np.flatnonzero(widths)
    levels = np.zeros((shape[0], count), np.int32)
    steps, half = _steps(factors[coded], step_code), 2.0 ** (widths[coded] - 1)
    bits = int(widths.sum())
    for first in range(0, shape[0], _PART):
        # The codes of a part fill whole bytes, since it has a multiple of 8 blocks.
        blocks = min(_PART, shape[0] - first)
        packed = data[end + first * bits // 8 : end + ((first + blocks) * bits + 7) // 8]
        symbols = unpack_fixed(packed, np.tile(widths[coded], blocks), blocks * coded.size)
        values = np.floor((symbols.reshape(blocks, -1) - half + 0.5) * steps)
        levels[first : first + blocks, coded] = values.clip(-_WIDEST, _WIDEST)
    coefficients = levels.reshape(shape)
    means = np.frombuffer(data, "<i4", channels, count).clip(-MAX_LEVEL, MAX_LEVEL)
    coefficients[:, :, 0] += means
    return coefficients.clip(-MAX_LEVEL, MAX_LEVEL, out=coefficients)


def _steps(factors: NDArray[np.int64], step_code: int) -> NDArray[np.float64]:
    return np.array(_FACTORS)[factors] * step_code / 4


def _quantise(
    values: NDArray[np.float64], widths: NDArray[np.int64], steps: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the indices 0 .. 2^width - 1 of the intervals of `steps` around 0 that hold the values."""
    half = 2.0 ** (widths - 1)
    return np.asarray(np.floor(values / steps).clip(-half, half - 1) + half, np.int64)


def _choose(values: NDArray[np.float64], step_code: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the best width and step of every frequency: int64, (number of frequencies,) each."""
    count = values.shape[1]
    best = (values**2).mean(0)
    widths, factors = np.zeros(count, np.int64), np.zeros(count, np.int64)
    price = step_code**2 / 8
    for width in _WIDTHS:
        # A frequency whose best cost is below the price of the bits cannot gain from them.
        open_ = np.flatnonzero(best > width * price)
        for factor in range(len(_FACTORS)):
            steps = _steps(np.full(open_.size, factor), step_code)
            numbers = _quantise(values[:, open_], np.full(open_.size, width), steps)
            error = values[:, open_] - (numbers - 2.0 ** (width - 1) + 0.5) * steps
            cost = (error**2).mean(0) + width * price
            better = cost < best[open_]
            best[open_[better]] = cost[better]
            widths[open_[better]], factors[open_[better]] = width, factor
    return widths, factors
