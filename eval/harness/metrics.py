"""Metrics of a decoded picture against its original, both of 8 bits.

With `x` the original and `y` the decoded picture, both 0 to 255:

- `mse` = mean over pixels and R, G, B of (x - y)^2; `psnr` = 10 log10(255^2 / mse) dB.
- `psnr_y`: PSNR of the luma 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601, full range, not rounded).
- `ssim`: Wang et al. 2004 with the 11-tap Gaussian of 1.5 pixels, mean over R, G, B (scikit-image).
- `ms_ssim`: Wang, Simoncelli & Bovik 2003, five scales, mean over R, G, B (torchmetrics); undefined for
  pictures with a side below 176 pixels. In dB: -10 log10(1 - ms_ssim).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from collagecodec.sampling.request import Image8

if TYPE_CHECKING:
    import torch

PEAK = 255.0
LUMA = np.array((0.299, 0.587, 0.114))
_SMALLEST_MS_SSIM = 176
_SMALLEST_SSIM = 11


@dataclass(frozen=True)
class Quality:
    """The metrics of one decoded picture; `nan` for a metric that is undefined or was not requested."""

    mse: float
    psnr: float
    psnr_y: float
    ssim: float = math.nan
    ms_ssim: float = math.nan


def compare(original: Image8, decoded: Image8, *, structural: bool = True) -> Quality:
    """Return the metrics of `decoded` against `original`, both uint8 of shape (H, W, 3).

    `structural=False` skips SSIM and MS-SSIM, which take most of the time.
    Raises `ValueError` when shapes or types differ.
    """
    if decoded.shape != original.shape or decoded.dtype != original.dtype:
        raise ValueError(
            f"the decoded picture is {_described(decoded)}, the original {_described(original)}: a codec must "
            "preserve the size"
        )
    difference = original.astype(np.float64) - decoded
    mse = float(np.mean(difference**2))
    luma_mse = float(np.mean((difference @ LUMA) ** 2))
    if not structural:
        return Quality(mse, psnr(mse), psnr(luma_mse))
    return Quality(mse, psnr(mse), psnr(luma_mse), ssim(original, decoded), ms_ssim(original, decoded))


def bits_per_pixel(data: bytes, image: Image8) -> float:
    """Return the rate of the file `data` that encodes `image`."""
    return 8 * len(data) / (image.shape[0] * image.shape[1])


def psnr(mse: float) -> float:
    """Return the peak signal-to-noise ratio in dB of a mean squared error at a peak of 255; inf for 0."""
    return 10 * math.log10(PEAK**2 / mse) if mse > 0 else math.inf


def ssim(original: Image8, decoded: Image8) -> float:
    """Return SSIM, at most 1, of two uint8 pictures (H, W, 3); `nan` if a side is below 11 pixels."""
    from skimage.metrics import structural_similarity

    if min(original.shape[:2]) < _SMALLEST_SSIM:
        return math.nan
    value = structural_similarity(  # type: ignore[no-untyped-call]
        original.astype(np.float32),
        decoded.astype(np.float32),
        data_range=PEAK,
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return float(value)


def ms_ssim(original: Image8, decoded: Image8) -> float:
    """Return MS-SSIM, at most 1, of two uint8 pictures (H, W, 3); `nan` if a side is below 176 pixels."""
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    if min(original.shape[:2]) < _SMALLEST_MS_SSIM:
        return math.nan
    value = multiscale_structural_similarity_index_measure(_tensor(decoded), _tensor(original), data_range=PEAK)
    return float(value)


def decibels(similarity: float) -> float:
    """Return -10 log10(1 - similarity), which spreads out values close to 1; inf at 1."""
    return -10 * math.log10(1 - similarity) if similarity < 1 else math.inf


def _tensor(image: Image8) -> torch.Tensor:
    import torch

    planes: NDArray[np.float32] = image.transpose(2, 0, 1).astype(np.float32)[None]
    return torch.from_numpy(planes)


def _described(image: Image8) -> str:
    return f"{'x'.join(str(side) for side in image.shape[1::-1])} of {image.ndim} axes, {image.dtype}"
