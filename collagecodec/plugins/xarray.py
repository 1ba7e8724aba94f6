"""The engine `clg` of xarray: `xarray.open_dataset("scene.clg", engine="clg")`, found by its entry point.

The variable `image` has the dimensions (band, y, x). Samples are decoded when they are used, a window at a time.
With a geographic reference there are coordinates of pixel centres and a variable `spatial_ref` as rioxarray reads
it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.core import indexing

from collagecodec import api
from collagecodec.errors import FormatError
from collagecodec.geo.reference import GeoReference
from collagecodec.io.files import load

VARIABLE = "image"


class ClgBackend(BackendEntrypoint):
    """Opens `.clg` files, by path or as bytes."""

    description = "Collage Codec: lossy compressed pictures and rasters"
    open_dataset_parameters = ("filename_or_obj", "drop_variables")

    def open_dataset(
        self, filename_or_obj: Any, *, drop_variables: str | Iterable[str] | None = None
    ) -> xr.Dataset:
        """Return a data set whose variable `image` is decoded lazily; raises what `collagecodec.decode` does."""
        data = _content(filename_or_obj)
        decoded = api.decode_bands(data)
        array = _Lazy(data, (decoded.channels, decoded.height, decoded.width), decoded.dtype)
        variable = xr.Variable(("band", "y", "x"), indexing.LazilyIndexedArray(array))
        dataset = xr.Dataset({VARIABLE: variable})
        reference = _reference(decoded.metadata)
        if reference is not None:
            dataset = _placed(dataset, reference, decoded.alpha)
        dropped = [drop_variables] if isinstance(drop_variables, str) else list(drop_variables or ())
        return dataset.drop_vars(dropped, errors="ignore")

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Return whether a path ends in `.clg`."""
        return isinstance(filename_or_obj, str | os.PathLike) and os.fspath(filename_or_obj).lower().endswith(
            ".clg"
        )


class _Lazy(BackendArray):
    """The samples of a file, (band, y, x)."""

    def __init__(self, data: bytes, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> None:
        self._data, self.shape, self.dtype = data, shape, dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._window)

    def _window(self, key: tuple[int | slice, ...]) -> NDArray[Any]:
        rows, columns = (_bounds(part, side) for part, side in zip(key[1:], self.shape[1:], strict=True))
        height, width = rows[1] - rows[0], columns[1] - columns[0]
        if height and width:
            region = (columns[0], rows[0], width, height)
            pixels = api.decode(self._data, region=region).reshape(height, width, -1)
        else:
            pixels = np.empty((height, width, self.shape[0]), self.dtype)
        inner = tuple(0 if isinstance(part, int) else slice(None, None, part.step) for part in key[1:])
        return pixels.transpose(2, 0, 1)[(key[0], *inner)]


def _bounds(part: int | slice, side: int) -> tuple[int, int]:
    if isinstance(part, int):
        return part, part + 1
    start, stop, step = part.indices(side)
    if step < 0:
        raise NotImplementedError("windows are read forwards")
    return start, max(start, stop)


def _content(file: Any) -> bytes:
    if isinstance(file, str | os.PathLike):
        return load(file)
    return bytes(file.read() if hasattr(file, "read") else file)


def _reference(metadata: dict[str, bytes]) -> GeoReference | None:
    try:
        return GeoReference.from_bytes(metadata["geo"]) if "geo" in metadata else None
    except FormatError:
        return None


def _placed(dataset: xr.Dataset, reference: GeoReference, alpha: bool) -> xr.Dataset:
    """Add coordinates, the reference system, and the names of the bands."""
    bands, height, width = (dataset.sizes[name] for name in ("band", "y", "x"))
    attributes: dict[str, Any] = {}
    if reference.crs:
        attributes = {"crs_wkt": reference.crs, "spatial_ref": reference.crs}
    if reference.transform is not None:
        a, b, c, d, e, f = reference.transform
        attributes["GeoTransform"] = " ".join(map(repr, (c, a, b, f, d, e)))
        if b == d == 0:
            x, y = c + a * (np.arange(width) + 0.5), f + e * (np.arange(height) + 0.5)
            dataset = dataset.assign_coords(x=("x", x), y=("y", y))
    names = [band.description for band in reference.bands] + ["alpha"] * alpha
    image = dataset[VARIABLE]
    image.attrs["grid_mapping"] = "spatial_ref"
    if len(names) == bands and any(names):
        image.attrs["long_name"] = tuple(names)
    if reference.nodata is not None and not alpha:
        image.attrs["_FillValue"] = reference.nodata
    return dataset.assign_coords(band=("band", np.arange(1, bands + 1)), spatial_ref=((), 0, attributes))
