"""MS-SSIM of luma (Wang, Simoncelli and Bovik 2003, "Multiscale structural similarity")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_WINDOW, _DEVIATION = 11, 1.5
_LUMA = (0.299, 0.587, 0.114)


def ms_ssim(first: NDArray[np.generic], second: NDArray[np.generic], peak: float) -> float:
    """Return the MS-SSIM of two pictures (H, W) or (H, W, bands): of luma for three bands, else of their mean.

    `peak` is the range of the samples. Pictures of less than 176 pixels a side use fewer scales, the weights of
    which are scaled to a sum of 1.
    """
    one, two = (_luma(picture.astype(np.float64)) for picture in (first, second))
    scales = max(1, min(len(WEIGHTS), int(np.log2(max(min(one.shape) / _WINDOW, 1))) + 1))
    weights = np.array(WEIGHTS[:scales]) / sum(WEIGHTS[:scales])
    result = 1.0
    for scale in range(scales):
        similarity, contrast = _similarity(one, two, peak)
        value = similarity if scale == scales - 1 else contrast
        result *= max(value, 0.0) ** weights[scale]
        one, two = _halved(one), _halved(two)
    return float(result)


def _luma(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    if picture.ndim == 2:
        return picture
    return picture @ np.array(_LUMA) if picture.shape[2] == 3 else picture.mean(axis=2)


def _similarity(first: NDArray[np.float64], second: NDArray[np.float64], peak: float) -> tuple[float, float]:
    """Return the means of SSIM and of its contrast and structure."""
    low, high = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    mean_a, mean_b = _blurred(first), _blurred(second)
    variance_a = _blurred(first * first) - mean_a**2
    variance_b = _blurred(second * second) - mean_b**2
    covariance = _blurred(first * second) - mean_a * mean_b
    contrast = (2 * covariance + high) / (variance_a + variance_b + high)
    luminance = (2 * mean_a * mean_b + low) / (mean_a**2 + mean_b**2 + low)
    return float((luminance * contrast).mean()), float(contrast.mean())


def _blurred(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    window = min(_WINDOW, *plane.shape)
    places = np.arange(window) - (window - 1) / 2
    taps = np.exp(-(places**2) / (2 * _DEVIATION**2))
    taps /= taps.sum()
    for axis in (0, 1):
        plane = np.lib.stride_tricks.sliding_window_view(plane, window, axis=axis) @ taps
    return plane


def _halved(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    height, width = (side // 2 * 2 for side in plane.shape)
    return plane[:height, :width].reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
