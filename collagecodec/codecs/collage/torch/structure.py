"""Structural distortion for training: multi-scale structural similarity of luma.

Wang, Simoncelli & Bovik 2003, "Multiscale structural similarity for image quality assessment", with the five
published weights of the scales and a Gaussian window of 11 samples, standard deviation 1.5.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

TYPICAL_RATIO = 2000.0
"""Squared luma error divided by 1 - MS-SSIM, as is typical of coded aerial pictures."""
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW, DEVIATION = 11, 1.5
LUMINANCE, CONTRAST = (0.01 * 255) ** 2, (0.03 * 255) ** 2
"""The constants that keep the quotients finite, in squared pixel levels."""


@lru_cache(maxsize=16)
def _band(size: int) -> Tensor:
    """The window as a matrix (size - 10, size): a dense product is faster on a CPU than a thin convolution."""
    taps = torch.exp(-0.5 * ((torch.arange(WINDOW) - WINDOW // 2) / DEVIATION) ** 2)
    taps /= taps.sum()
    count = size - WINDOW + 1
    band = torch.zeros(count, size)
    for tap in range(WINDOW):
        band[range(count), range(tap, tap + count)] = taps[tap]
    return band


def _filtered(planes: Tensor) -> Tensor:
    """Apply the window to planes (..., H, W), where it fits."""
    rows, columns = (_band(size).to(planes) for size in planes.shape[-2:])
    return rows @ planes @ columns.mT


def ms_ssim(first: Tensor, second: Tensor) -> Tensor:
    """Return the similarity (B,), at most 1, of planes (B, H, W) in pixel levels.

    Planes smaller than 176 samples have fewer scales, whose weights then are divided by their sum. Raises
    ValueError below 11 samples.
    """
    side = min(first.shape[-2:])
    scales = sum(side >> scale >= WINDOW for scale in range(len(WEIGHTS)))
    if not scales:
        raise ValueError(f"planes of {side} samples are smaller than the window of {WINDOW}")
    weights = [weight / sum(WEIGHTS[:scales]) for weight in WEIGHTS[:scales]]
    product = torch.ones(len(first), device=first.device)
    for scale, weight in enumerate(weights):
        luminance, contrast = _ssim(first, second)
        # Negative similarities have no real power; they are as bad as none.
        product = product * contrast.mean((1, 2)).clamp(min=1e-3) ** weight
        if scale + 1 == scales:
            return product * luminance.mean((1, 2)).clamp(min=1e-3) ** weight
        first, second = (F.avg_pool2d(plane[:, None], 2)[:, 0] for plane in (first, second))
    raise AssertionError("unreachable")


def _ssim(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return the maps of luminance and of contrast with structure."""
    maps = _filtered(torch.stack([first, second, first * first, second * second, first * second]))
    mean_first, mean_second = maps[0], maps[1]
    variances = maps[2] - mean_first**2 + maps[3] - mean_second**2
    covariance = maps[4] - mean_first * mean_second
    luminance = (2 * mean_first * mean_second + LUMINANCE) / (mean_first**2 + mean_second**2 + LUMINANCE)
    return luminance, (2 * covariance + CONTRAST) / (variances + CONTRAST)


def mixed_error(squared: Tensor, dissimilarity: Tensor) -> Tensor:
    """Return `dissimilarity` (B,), 1 - MS-SSIM, scaled to the squared errors (B,): only its gradient is new."""
    return squared.detach() / dissimilarity.detach().clamp(min=1e-5) * dissimilarity
