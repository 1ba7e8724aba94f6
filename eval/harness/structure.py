"""SSIM and MS-SSIM, mean over R, G and B, from one pass over the scales.

SSIM is that of Wang et al. 2004 with the 11-tap Gaussian of 1.5 pixels, where no tap lies outside of the picture.
MS-SSIM is that of Wang, Simoncelli & Bovik 2003 with their five weights; each scale halves the one before by the
means of 2x2 pixels, without an odd last row or column.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from collagecodec.sampling.request import Image8
from eval.harness.filters import Planes, channel_means, separable_inside

SMALLEST_SSIM = 11
SMALLEST_MS_SSIM = 176
"""The smallest sides in pixels for which the two are defined."""
_WEIGHTS = np.array((0.0448, 0.2856, 0.3001, 0.2363, 0.1333))
_C1, _C2 = np.float32((0.01 * 255) ** 2), np.float32((0.03 * 255) ** 2)
_TAPS = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
_TAPS = (_TAPS / _TAPS.sum()).astype(np.float32)


def similarities(original: Image8, decoded: Image8) -> tuple[float, float]:
    """Return SSIM and MS-SSIM, at most 1, of two uint8 pictures (H, W, 3); `nan` where one is undefined."""
    smallest = min(original.shape[:2])
    if smallest < SMALLEST_SSIM:
        return math.nan, math.nan
    planes = original.astype(np.float32), decoded.astype(np.float32)
    contrast, similarity = _terms(*planes)
    ssim = float(similarity.mean())
    if smallest < SMALLEST_MS_SSIM:
        return ssim, math.nan
    product = np.ones(3)
    for scale, weight in enumerate(_WEIGHTS):
        last = scale == len(_WEIGHTS) - 1
        # A negative term, which only opposite pictures have, would have no real power.
        product *= np.maximum(similarity if last else contrast, 0) ** weight
        if not last:
            planes = _halved(planes[0]), _halved(planes[1])
            contrast, similarity = _terms(*planes)
    return ssim, float(product.mean())


def _terms(x: Planes, y: Planes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the means of the contrast-structure term and of SSIM, of each channel."""
    mean_x, mean_y = separable_inside(x, _TAPS), separable_inside(y, _TAPS)
    squares = separable_inside(x * x + y * y, _TAPS)
    products = separable_inside(x * y, _TAPS)
    shared, squared = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
    contrast = (2 * (products - shared) + _C2) / (squares - squared + _C2)
    similarity = contrast * ((2 * shared + _C1) / (squared + _C1))
    return channel_means(contrast), channel_means(similarity)


def _halved(image: Planes) -> Planes:
    even = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) * np.float32(0.25)
