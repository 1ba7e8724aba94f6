"""What stands under a mask: colours that continue those around it smoothly, so that its edge costs nothing.

Samples outside the mask are averaged over ever larger cells and spread back into those inside (the pull-push of
Gortler et al. 1996, "The Lumigraph"). Cells of up to 16 pixels are averaged strip by strip; larger ones come from
a grid of the whole picture, so that memory follows the width.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from collagecodec.sampling.threads import single_threaded_libraries

CELL = 32
"""Side of the cells of the grid in pixels; bands of rows are filled in multiples of it."""
_LEVELS = 5

Read = Callable[[int, int], tuple[NDArray[np.generic], NDArray[np.bool_]]]
"""Returns rows start .. stop - 1: samples (rows, width, bands), and whether each pixel is valid (rows, width)."""


class Filler:
    """Fills masked pixels of a picture that is read by `read`.

    The grid is averaged when the object is created, by one pass over the picture from top to bottom.
    `fully_valid` says that no pixel is masked.
    """

    def __init__(self, read: Read, width: int, height: int, bands: int) -> None:
        self._width, self._height = width, height
        across, down = -(-width // CELL), -(-height // CELL)
        sums, counts = np.zeros((down, across, bands)), np.zeros((down, across, 1))
        step = CELL * max(1, 512 // CELL)
        for start in range(0, height, step):
            samples, valid = read(start, min(height, start + step))
            rows = slice(start // CELL, start // CELL + -(-len(samples) // CELL))
            sums[rows], counts[rows] = _cell_sums(samples, valid)
        self.fully_valid = int(counts.sum()) == width * height
        self._grid = _push(*_means(sums, counts))

    def fill(self, samples: NDArray[np.generic], valid: NDArray[np.bool_], start: int) -> NDArray[np.generic]:
        """Return rows that begin at row `start`, a multiple of `CELL`, with masked pixels filled."""
        if valid.all():
            return samples
        rows, width = valid.shape
        down = -(-rows // CELL)
        padded_samples, padded_valid = _padded(samples, valid)
        levels = [_means(padded_samples * padded_valid, padded_valid.astype(np.float64))]
        for _ in range(_LEVELS - 1):
            means, weights = levels[-1]
            levels.append(_means(*_pull(means, weights)))
        across = self._grid.shape[1]
        first = start // CELL
        # A cell of the grid on every side makes the surface continuous across bands.
        index = np.clip(np.arange(first - 1, first + down + 1), 0, len(self._grid) - 1)
        around = self._grid[index][:, np.clip(np.arange(-1, across + 1), 0, across - 1)]
        surface = _doubled(around)[2:-2, 2:-2]
        for means, weights in reversed(levels[1:]):
            surface = means + (surface - means) * (weights == 0)
            surface = _doubled(surface)
        surface = surface[:rows, :width]
        filled = np.where(valid[..., None], samples, _rounded(surface, samples.dtype))
        return filled.astype(samples.dtype, copy=False)


def _rounded(surface: NDArray[np.float64], dtype: np.dtype[np.generic]) -> NDArray[np.float64]:
    if not np.issubdtype(dtype, np.integer):
        return surface
    limits = np.iinfo(dtype)  # type: ignore[type-var]
    return np.clip(np.rint(surface), limits.min, limits.max)


def _padded(
    samples: NDArray[np.generic], valid: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return samples and validity (with a last axis of 1) padded to multiples of `CELL`; padding is not valid."""
    rows, width = valid.shape
    pad = ((0, -rows % CELL), (0, -width % CELL), (0, 0))
    return np.pad(samples.astype(np.float64), pad), np.pad(valid[..., None], pad)


def _cell_sums(
    samples: NDArray[np.generic], valid: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    padded, mask = _padded(samples, valid)
    rows, width, bands = padded.shape
    cells = rows // CELL, CELL, width // CELL, CELL
    sums = np.where(mask, padded, 0).reshape(*cells, bands).sum(axis=(1, 3))
    return sums, mask.reshape(*cells, 1).sum(axis=(1, 3), dtype=np.float64)


def _means(
    sums: NDArray[np.float64], counts: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return means, 0 where there is nothing, and weights of 0 or 1."""
    return sums / np.maximum(counts, 1), (counts > 0).astype(np.float64)


def _pull(
    means: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return sums and counts of cells of 2x2."""
    rows, width, bands = means.shape
    cells = rows // 2, 2, width // 2, 2
    sums = (means * weights).reshape(*cells, bands).sum(axis=(1, 3))
    return sums, weights.reshape(*cells, 1).sum(axis=(1, 3))


def _push(means: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the grid with empty cells filled from ever coarser grids."""
    if weights.all() or not weights.any():
        return means
    rows, width, _ = means.shape
    pad = ((0, rows % 2), (0, width % 2), (0, 0))
    coarse = _push(*_means(*_pull(np.pad(means, pad), np.pad(weights, pad))))
    fine = _doubled(coarse)[:rows, :width]
    return means + (fine - means) * (weights == 0)


def _doubled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values at twice the size, bilinear with pixel centres aligned; the border repeats its samples."""
    with single_threaded_libraries():
        return _along(_along(values, 0), 1)


def _along(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    values = np.moveaxis(values, axis, 0)
    before = np.concatenate([values[:1], values[:-1]])
    after = np.concatenate([values[1:], values[-1:]])
    result = np.empty((2 * len(values), *values.shape[1:]))
    result[0::2] = 0.75 * values + 0.25 * before
    result[1::2] = 0.75 * values + 0.25 * after
    return np.moveaxis(result, 0, axis)
