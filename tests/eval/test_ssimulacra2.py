"""SSIMULACRA2 against scores of the reference program (libjxl), published for pictures that a formula makes."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from eval.harness.colour import colour_errors
from eval.harness.ssimulacra2 import ssimulacra2

Image8 = NDArray[np.uint8]
SIDE = 64


def _uniform(value: int, side: int = SIDE) -> Image8:
    return np.full((side, side, 3), value, np.uint8)


def _gradient() -> Image8:
    row = (np.arange(SIDE) * 255 // (SIDE - 1)).astype(np.uint8)
    return np.broadcast_to(row[None, :, None], (SIDE, SIDE, 3)).copy()


def _noise(seed: int) -> Image8:
    """Return the bits 33 to 40 of a linear congruential generator (Knuth's constants)."""
    values = []
    for _ in range(SIDE * SIDE * 3):
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        values.append(seed >> 33 & 255)
    return np.array(values, np.uint8).reshape(SIDE, SIDE, 3)


def _sharpened(image: Image8) -> Image8:
    padded = np.pad(image.astype(int), ((1, 1), (1, 1), (0, 0)), mode="edge")
    inner = padded[1:-1, 1:-1]
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    return (5 * inner - around).clip(0, 255).astype(np.uint8)


def _edge() -> Image8:
    image = _uniform(0)
    image[:, SIDE // 2 :] = 255
    return image


def _boxed(image: Image8) -> Image8:
    """Return the means of 8x8 pixels from 4 before to 3 after, rounded down."""
    means = uniform_filter(image.astype(float), (8, 8, 1), mode="nearest")
    return np.floor(means + 1e-9).astype(np.uint8)


# The program works in float32 with an approximate cube root, which shows in flat pictures.
@pytest.mark.parametrize(
    ("original", "decoded", "score", "tolerance"),
    [
        (_noise(42), _uniform(128), -47.33572558, 0.01),
        (_noise(999), _sharpened(_noise(999)), -5.81017556, 0.01),
        (_gradient(), _uniform(128), -64.56872148, 0.01),
        (_edge(), _boxed(_edge()), 24.27333552, 0.1),
        (_uniform(128), _uniform(178), -8.75942256, 0.1),
        (_uniform(128, 256), _uniform(178, 256), -0.39085784, 0.1),
        (_uniform(128, 128), _uniform(148, 128), 54.27883917, 0.1),
    ],
)
def test_published_scores(original: Image8, decoded: Image8, score: float, tolerance: float) -> None:
    assert ssimulacra2(original, decoded) == pytest.approx(score, abs=tolerance)


def test_odd_sides_repeat_their_last_row_and_column() -> None:
    original, decoded = _noise(1)[:, :63], _boxed(_noise(1))[:, :63]
    assert ssimulacra2(original, decoded) == pytest.approx(ssimulacra2(original[::-1], decoded[::-1]), abs=1)
    assert ssimulacra2(original, original) == 100


def test_colour_errors_by_hand() -> None:
    original, decoded = _uniform(100, 80), _uniform(100, 80)
    decoded[:16, :16] = 110  # one of 25 cells, which is the worst 5 %
    decoded[16:32, :8] += 3  # texture with the mean of the original
    decoded[16:32, 8:16] -= 3
    # Greys differ only in CIE lightness, which CIEDE2000 divides by S_L.
    low, high = (116 * ((level / 255 + 0.055) / 1.055) ** 0.8 - 16 for level in (100, 110))
    from_middle = ((low + high) / 2 - 50) ** 2
    mean, worst = colour_errors(original, decoded)
    assert worst == pytest.approx(25 * mean)
    assert worst == pytest.approx((high - low) / (1 + 0.015 * from_middle / (20 + from_middle) ** 0.5), rel=1e-4)
    assert colour_errors(original[:70, :75], original[:70, :75]) == (0, 0)
