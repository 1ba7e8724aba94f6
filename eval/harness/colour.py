"""Errors of colour: CIEDE2000 between the means of cells, in which blotches and lost tints show.

The error of a single pixel is mostly one of brightness and texture, which the other metrics judge. The means of
cells of 16x16 pixels keep what one sees in water, sky and roofs.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from collagecodec.sampling.request import Image8

CELL = 16
WORST = 0.05


def colour_errors(original: Image8, decoded: Image8) -> tuple[float, float]:
    """Return the CIEDE2000 (Sharma, Wu & Dalal 2005) of the means of cells of 16x16 pixels.

    The first number is the mean over all cells, the second the mean over the worst 5 % of them. The pictures are
    uint8 of shape (H, W, 3); pixels of an incomplete cell at the right or bottom do not count. Both numbers are
    `nan` if there is no complete cell.
    """
    from skimage.color import deltaE_ciede2000, rgb2lab

    if min(original.shape[:2]) < CELL:
        return math.nan, math.nan
    cells = rgb2lab(_cells(original)), rgb2lab(_cells(decoded))
    errors = np.sort(deltaE_ciede2000(*cells).ravel())  # type: ignore[no-untyped-call]
    return float(errors.mean()), float(errors[-max(1, round(WORST * errors.size)) :].mean())


def _cells(image: Image8) -> NDArray[np.float64]:
    """Return the means of the complete cells, 0 to 1."""
    rows, columns = image.shape[0] // CELL, image.shape[1] // CELL
    blocks = image[: rows * CELL, : columns * CELL].reshape(rows, CELL, columns, CELL, 3)
    return blocks.mean(axis=(1, 3)) / 255
