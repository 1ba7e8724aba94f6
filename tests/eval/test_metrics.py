import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scenes import scene
from scipy.signal import convolve2d
from skimage.metrics import peak_signal_noise_ratio

from eval.harness import metrics
from eval.harness.structure import similarities

ORIGINAL = scene(1, 256, 240)
NOISY = (ORIGINAL + np.random.default_rng(0).normal(0, 12, ORIGINAL.shape)).clip(0, 255).astype(np.uint8)
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def _contrast_and_similarity(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Means of the contrast-structure term and of SSIM of one plane, written out from Wang et al. 2004."""
    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(taps, taps) / taps.sum() ** 2

    def smooth(plane: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(convolve2d(plane, window, mode="valid"))

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mx, my = smooth(x), smooth(y)
    vx, vy, cov = smooth(x * x) - mx**2, smooth(y * y) - my**2, smooth(x * y) - mx * my
    contrast = (2 * cov + c2) / (vx + vy + c2)
    luminance = (2 * mx * my + c1) / (mx**2 + my**2 + c1)
    return float(contrast.mean()), float((luminance * contrast).mean())


def _halved(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    even = plane[: plane.shape[0] // 2 * 2, : plane.shape[1] // 2 * 2]
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4


def _ms_ssim(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    product = 1.0
    for scale, weight in enumerate(WEIGHTS):
        contrast, similarity = _contrast_and_similarity(x, y)
        product *= (similarity if scale == len(WEIGHTS) - 1 else contrast) ** weight
        x, y = _halved(x), _halved(y)
    return product


def test_psnr_is_that_of_scikit_image() -> None:
    expected = peak_signal_noise_ratio(ORIGINAL, NOISY)
    assert metrics.compare(ORIGINAL, NOISY, structural=False).psnr == pytest.approx(expected, abs=1e-9)


def test_luma_psnr_by_hand() -> None:
    one = np.zeros((2, 2, 3), np.uint8)
    other = one.copy()
    other[0, 0] = (10, 20, 30)
    luma = 2.99 + 11.74 + 3.42
    assert metrics.compare(one, other, structural=False).psnr_y == pytest.approx(
        10 * math.log10(255**2 * 4 / luma**2)
    )


@pytest.mark.parametrize("size", [(256, 240), (217, 199)])
def test_similarities_against_the_written_out_formulas(size: tuple[int, int]) -> None:
    pair = ORIGINAL[: size[0], : size[1]], NOISY[: size[0], : size[1]]
    planes = [[image[:, :, c].astype(float) for image in pair] for c in range(3)]
    ssim, ms_ssim = similarities(*pair)
    assert ssim == pytest.approx(np.mean([_contrast_and_similarity(*each)[1] for each in planes]), abs=1e-5)
    assert ms_ssim == pytest.approx(np.mean([_ms_ssim(*each) for each in planes]), abs=1e-5)


def test_equal_pictures() -> None:
    same = metrics.compare(ORIGINAL, ORIGINAL)
    assert (same.mse, same.psnr, same.psnr_y) == (0, math.inf, math.inf)
    assert (same.ssimulacra2, same.colour, same.worst_colour) == (100, 0, 0)
    assert same.ssim == pytest.approx(1)
    assert same.ms_ssim == pytest.approx(1)


def test_small_pictures_have_no_ms_ssim() -> None:
    small = ORIGINAL[:40, :40]
    measured = metrics.compare(small, NOISY[:40, :40])
    assert math.isnan(measured.ms_ssim)
    assert 0 < measured.ssim < 1
    assert math.isnan(metrics.compare(small[:8], NOISY[:8, :40]).ssim)


@pytest.mark.parametrize(
    ("metric", "side"), [("ssim", 11), ("ms_ssim", 176), ("ssimulacra2", 8), ("worst_colour", 16), ("colour", 16)]
)
def test_the_smallest_picture_with_a_metric(metric: str, side: int) -> None:
    def value(rows: int, columns: int) -> float:
        return float(getattr(metrics.compare(ORIGINAL[:rows, :columns], NOISY[:rows, :columns]), metric))

    assert math.isfinite(value(side, side))
    assert math.isnan(value(side - 1, side))
    assert math.isnan(value(side, side - 1))


@pytest.mark.parametrize("decoded", [NOISY[:-1], NOISY[:, :, 0], NOISY.astype(np.uint16)])
def test_another_size_or_type_is_refused(decoded: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="must preserve the size"):
        metrics.compare(ORIGINAL, decoded)


def test_decibels() -> None:
    assert metrics.decibels(0.99) == pytest.approx(20)
    assert metrics.decibels(0.0) == 0
    assert metrics.decibels(1.0) == math.inf
    assert metrics.decibels(1.0000001) == math.inf


def test_psnr_of_known_errors() -> None:
    assert metrics.psnr(1.0) == pytest.approx(48.130803609, abs=1e-9)
    assert metrics.psnr(255.0**2) == 0
    assert metrics.psnr(0.0) == math.inf
    assert metrics.psnr(1e-300) == pytest.approx(3048.130803609)


def test_bits_per_pixel() -> None:
    assert metrics.bits_per_pixel(bytes(100), np.zeros((20, 10, 3), np.uint8)) == 4


def test_the_whole_range_of_differences_is_counted() -> None:
    black, white = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 255, np.uint8)
    for pair in ((black, white), (white, black)):
        quality = metrics.compare(*pair, structural=False)
        assert (quality.mse, quality.psnr) == (255**2, 0)
        assert quality.psnr_y == pytest.approx(0, abs=1e-12)
        assert math.isnan(quality.ssim)
        assert math.isnan(quality.ms_ssim)
