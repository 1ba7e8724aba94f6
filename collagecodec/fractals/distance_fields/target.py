"""The target of a fit: a binary picture, as the signed distance to its boundary."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collagecodec.errors import MissingLibraryError, UnsupportedImageError

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def grid_points(height: int, width: int) -> Floats:
    """Return the centres of the pixels as x, y, (H, W, 2).

    The longer side of the picture runs from -1 to 1, its middle is 0.
    """
    unit = 2 / max(height, width)
    rows, columns = np.mgrid[:height, :width]
    return np.stack(((columns + 0.5 - width / 2) * unit, (rows + 0.5 - height / 2) * unit), -1)


@dataclass(frozen=True, eq=False)
class Target:
    """A binary picture `mask` (H, W), True inside the shape. UnsupportedImageError if the shape is empty."""

    mask: Mask

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != np.bool_:
            raise UnsupportedImageError("a target is a binary picture: bool (H, W)")
        if not self.mask.any():
            raise UnsupportedImageError(
                "the picture is empty: nothing in it is light after binarisation; give a light shape on dark "
                "ground or the reverse, or binarise at another threshold"
            )

    @property
    def unit(self) -> float:
        """Side of a pixel in units of the plane."""
        return 2 / max(self.mask.shape)

    def distances(self) -> NDArray[np.float32]:
        """Return the signed distances of pixel centres to the boundary, (H, W), negative inside."""
        try:
            from scipy.ndimage import distance_transform_edt
        except ImportError as error:
            raise MissingLibraryError(
                f"distance transforms need SciPy ({error}): pip install 'collagecodec[train]'"
            ) from error
        # The margin gives a boundary to shapes that reach the edge of the picture.
        padded = np.pad(self.mask, 1)
        outside = distance_transform_edt(~padded)
        inside = distance_transform_edt(padded)
        # Transforms measure to the centre of the next pixel; the boundary runs half-way to it.
        signed = np.where(padded, 0.5 - inside, outside - 0.5)
        return np.asarray(signed[1:-1, 1:-1] * self.unit, np.float32)

    def points(self) -> Floats:
        """Return the centres of the pixels inside, (n, 2)."""
        return grid_points(*self.mask.shape)[self.mask]
