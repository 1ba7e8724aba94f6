"""Metrics of a decoded picture against its original, both of 8 bits.

With `x` the original and `y` the decoded picture, both 0 to 255:

- `mse` = mean over pixels and R, G, B of (x - y)^2; `psnr` = 10 log10(255^2 / mse) dB.
- `psnr_y`: PSNR of the luma 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601, full range, not rounded).
- `ssim`, `ms_ssim`: `eval.harness.structure`. In dB: -10 log10(1 - ms_ssim).
- `ssimulacra2`: `eval.harness.ssimulacra2`.
- `colour`, `worst_colour`: `eval.harness.colour`. Lower is better.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from collagecodec.sampling.request import Image8
from eval.harness.colour import colour_errors
from eval.harness.ssimulacra2 import ssimulacra2
from eval.harness.structure import similarities

PEAK = 255.0
LUMA = np.array((0.299, 0.587, 0.114))


@dataclass(frozen=True)
class Quality:
    """The metrics of one decoded picture; `nan` for a metric that is undefined or was not requested."""

    mse: float
    psnr: float
    psnr_y: float
    ssim: float = math.nan
    ms_ssim: float = math.nan
    ssimulacra2: float = math.nan
    colour: float = math.nan
    worst_colour: float = math.nan


def compare(original: Image8, decoded: Image8, *, structural: bool = True) -> Quality:
    """Return the metrics of `decoded` against `original`, both uint8 of shape (H, W, 3).

    `structural=False` leaves out all but the mean squared error and PSNR, which take a tenth of the time.
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
    return Quality(
        mse,
        psnr(mse),
        psnr(luma_mse),
        *similarities(original, decoded),
        ssimulacra2(original, decoded),
        *colour_errors(original, decoded),
    )


def bits_per_pixel(data: bytes, image: Image8) -> float:
    """Return the rate of the file `data` that encodes `image`."""
    return 8 * len(data) / (image.shape[0] * image.shape[1])


def psnr(mse: float) -> float:
    """Return the peak signal-to-noise ratio in dB of a mean squared error at a peak of 255; inf for 0."""
    return 10 * math.log10(PEAK**2 / mse) if mse > 0 else math.inf


def decibels(similarity: float) -> float:
    """Return -10 log10(1 - similarity), which spreads out values close to 1; inf at 1."""
    return -10 * math.log10(1 - similarity) if similarity < 1 else math.inf


def _described(image: Image8) -> str:
    return f"{'x'.join(str(side) for side in image.shape[1::-1])} of {image.ndim} axes, {image.dtype}"
