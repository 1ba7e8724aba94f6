"""The coding of weights of the COIN paper: floating-point numbers of 16 bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bitstream.errors import FormatError
from collagecodec.codecs.coin.siren import WEIGHT_BITS, Matrix, Shape


def pack(weights: NDArray[np.float32]) -> bytes:
    """Return the weights as IEEE 754 binary16, little endian."""
    largest = float(np.finfo(np.float16).max)
    return weights.clip(-largest, largest).astype("<f2").tobytes()


def unpack(data: bytes, shape: Shape) -> list[Matrix]:
    """Return the matrices in 2^-24, which represents every binary16 exactly; FormatError if damaged."""
    if len(data) != 2 * shape.count:
        raise FormatError(f"{len(data)} bytes for {shape.count} weights of 16 bits: the file is damaged")
    values = np.frombuffer(data, "<f2").astype(np.float64)
    if not np.isfinite(values).all():
        raise FormatError("a weight is not a number: the file is damaged")
    return shape.split((values * 2.0**WEIGHT_BITS).astype(np.int64))
