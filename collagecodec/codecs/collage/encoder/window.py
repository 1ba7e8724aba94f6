"""What the refinement of a tile sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Window:
    """A tile and the cells around it: what a refinement sees."""

    codes: NDArray[np.float32]
    """Before rounding, (R, S, C); only those in `own` are to be changed."""
    own: tuple[slice, slice]
    target: NDArray[np.float32]
    """The picture below the window as luma and chroma centred on 0, (h, w, 3), h <= n (R - 1), w <= n (S - 1)."""
    offsets: NDArray[np.integer] | None = None
    """The quantiser map of the window's cells, (R, S); None if it is flat."""
