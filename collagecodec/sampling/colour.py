"""Conversion of planes to pixels and back, in integers: full-range ITU-R BT.601 (JFIF), coefficients in 1/256."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collagecodec.kernels import planes

PLANE_UNIT = 16
"""Planes are in units of 1/16 pixel level, centred on 0."""
RED_CR, GREEN_CB, GREEN_CR, BLUE_CB = 359, -88, -183, 454
_TO_YCBCR = np.array(
    ((0.299, 0.587, 0.114), (-0.168735892, -0.331264108, 0.5), (0.5, -0.418687589, -0.081312411))
)


def ycbcr(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return grey or Y, Cb, Cr in pixel levels centred on 0, (H, W, 1 or 3), of pixels (H, W) or (H, W, 3)."""
    if image.ndim == 2:
        return image[..., None].astype(np.float64) - 128
    return np.asarray(image @ _TO_YCBCR.T - np.array((128, 0, 0)))


def to_levels(total: NDArray[np.floating]) -> NDArray[np.floating]:
    """Turn integers in 1/16384 pixel level into integers in 1/16 pixel level, rounded half up, in place."""
    total *= total.dtype.type(1 / 1024)
    total += total.dtype.type(0.5)
    return np.floor(total, out=total)


def grey_pixels(luma: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return 8-bit pixels of luma in 1/16 pixel level, of the same shape."""
    return np.clip(np.floor((luma + (128 * PLANE_UNIT + PLANE_UNIT // 2)) * (1 / PLANE_UNIT)), 0, 255).astype(
        np.uint8
    )


def rgb_pixels(
    luma: NDArray[np.float32], cb: NDArray[np.float32], cr: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Return 8-bit red, green and blue of planes in 1/16 pixel level, of the same shape.

    Planes are clipped to +-2^13. All intermediate results are then integers below 2^24, so float32 is exact.
    """
    half = 128 * PLANE_UNIT * 256 + PLANE_UNIT * 128
    scale = np.float32(1 / (PLANE_UNIT * 256))
    luma = np.clip(luma, -(2**13), 2**13) * np.float32(256) + np.float32(half)
    cb, cr = np.clip(cb, -(2**13), 2**13), np.clip(cr, -(2**13), 2**13)
    red = luma + RED_CR * cr
    green = luma + GREEN_CB * cb + GREEN_CR * cr
    blue = luma + BLUE_CB * cb
    for channel in (red, green, blue):
        channel *= scale
        np.floor(channel, out=channel)
        np.clip(channel, 0, 255, out=channel)
    return red.astype(np.uint8), green.astype(np.uint8), blue.astype(np.uint8)


def pixels_of(band: NDArray[np.float32 | np.int16]) -> NDArray[np.uint8]:
    """Return pixels (h, w) or (h, w, 3) uint8 of planes (1, h, w) or (3, h, w) in 1/16 pixel level, integers."""
    if (compiled := planes.pixels(band)) is not None:
        return compiled
    band = band.astype(np.float32, copy=False)
    if len(band) == 1:
        return grey_pixels(band[0])
    pixels = np.empty((*band.shape[1:], 3), np.uint8)
    for channel, values in enumerate(rgb_pixels(*band)):
        pixels[..., channel] = values
    return pixels
