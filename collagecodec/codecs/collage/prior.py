"""What the priors share: the types of codes and table numbers, and the prediction along a chain of cells."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from collagecodec.codecs.collage.quantiser import rescaled
from collagecodec.errors import FormatError

Codes = NDArray[np.int32]
TableNumbers = NDArray[np.uint8]
MAX_CODE = 2**15 - 1
"""Largest magnitude of a code."""

Fetch = Callable[[TableNumbers], Codes]
"""Decodes symbols of the shape of their table numbers."""


def in_range(codes: Codes) -> Codes:
    """Return the codes that predict others; FormatError for one beyond +-`MAX_CODE`.

    Within the range the sums of the next prediction stay within 32 bits.
    """
    if np.abs(codes).max(initial=0) > MAX_CODE:
        raise FormatError("a code is beyond the range of the format: the file is damaged")
    return codes


def chained(
    weights: NDArray[np.int64],
    given: Codes,
    free: NDArray[np.bool_] | None = None,
    offsets: NDArray[np.integer] | None = None,
) -> tuple[Codes, Codes]:
    """Return symbols and codes of the cells of a first pass, which form a grid (H, W, S).

    Each cell is predicted from its left neighbour in the grid, in the first column from the cell above, with
    `weights` (S,) in units of 1/256. `given` (H, W, S) holds the symbols, or, with `free`, the wanted codes of an
    encoder; symbols that are not `free` (H, W, S) are zero then. With `offsets`
    (H, W) of a quantiser map, codes are brought to the step of the cell that they predict. Raises FormatError
    for a code beyond +-`MAX_CODE`.
    """
    symbols, codes = np.zeros_like(given), np.zeros_like(given)
    weights = weights.astype(np.int32)

    def fill(where: tuple[slice, slice], before: tuple[slice, slice]) -> None:
        known = codes[before]
        if offsets is not None and known.size:
            known = rescaled(known, (offsets[before] - offsets[where])[..., None])
        means = (weights * known + 128) >> 8 if known.size else np.zeros_like(given[where])
        symbols[where] = given[where] if free is None else np.where(free[where], given[where] - means, 0)
        codes[where] = in_range(symbols[where] + means)

    height, width = given.shape[:2]
    first = slice(0, 1)
    for row in range(height):
        fill((slice(row, row + 1), first), (slice(max(row - 1, 0), row), first))
    for column in range(1, width):
        fill((slice(None), slice(column, column + 1)), (slice(None), slice(column - 1, column)))
    return symbols, codes
