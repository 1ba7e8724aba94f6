"""A reader for rio-tiler, and so for TiTiler: `TilerFactory(reader=ClgReader)`."""

from __future__ import annotations

import rioxarray  # noqa: F401 (registers the accessor that XarrayReader uses)
import xarray as xr
from rio_tiler.io.xarray import XarrayReader

from collagecodec.errors import UnsupportedImageError
from collagecodec.plugins.xarray import VARIABLE, ClgBackend


class ClgReader(XarrayReader):
    """Reads parts, tiles and points of a `.clg` file by path; only the windows that are asked for are decoded.

    `input` is the path. Alpha becomes the mask. Raises UnsupportedImageError for a file without a place on Earth,
    and the errors of `collagecodec.decode`.
    """

    def __attrs_post_init__(self) -> None:
        """Open the file and read its place."""
        dataset = ClgBackend().open_dataset(self.input)
        image: xr.DataArray = dataset[VARIABLE]
        if image.rio.crs is None:
            raise UnsupportedImageError(
                f"{self.input} has no place on Earth: encode a GeoTIFF with the extra geo installed"
            )
        self.source, self.input = self.input, image
        super().__attrs_post_init__()  # type: ignore[no-untyped-call]
