"""A decoded picture into a file of any format: rasters by rasterio, other pictures by Pillow and libvips."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from collagecodec.errors import FormatError, UnsupportedImageError
from collagecodec.geo.reference import GeoReference
from collagecodec.io.files import STANDARD, write_atomic
from collagecodec.io.png import png_chunks
from collagecodec.io.raster_sinks import GDAL_PREFIX, save_raster
from collagecodec.io.rasters import REMEDY, has_rasterio
from collagecodec.io.sinks import FORMATS, format_of, save_bands
from collagecodec.sampling.rendering import Samples

RASTERS = {"tif": "GTiff", "tiff": "GTiff", "gtiff": "GTiff", "cog": "COG", "jp2": "JP2OpenJPEG"}
"""Drivers of GDAL by name of format."""
_ONLY_RASTERS = ("gtiff", "cog")
ALL_FORMATS = (*FORMATS, *_ONLY_RASTERS)
"""Names of formats; `gdal:DRIVER` is one too."""


class Picture(Protocol):
    """What `save` needs to know of a decoded picture."""

    width: int
    height: int
    channels: int
    metadata: dict[str, bytes]
    dtype: np.dtype[np.generic]

    @property
    def alpha(self) -> bool:
        """Whether the last channel is alpha."""


def known_format(path: str | os.PathLike[str], name: str | None = None) -> str:
    """Return the name of the format to write, like `sinks.format_of`; rasters have more of them."""
    kind = (name or "").lower()
    if kind in _ONLY_RASTERS or kind.startswith(GDAL_PREFIX):
        return name if name and kind.startswith(GDAL_PREFIX) else kind
    return format_of(path, name)


def save(
    path: str | os.PathLike[str],
    picture: Picture,
    bands: Iterable[NDArray[Any]],
    *,
    format: str,
    force: bool = False,
) -> tuple[int, list[str]]:
    """Write `bands` of `picture` to `path`; return the number of bytes, and what could not be kept, in words.

    A picture with a geographic reference becomes a raster where `format` (`known_format`) is one. Raises what
    `save_bands` and `save_raster` raise.
    """
    plain = picture.dtype == np.uint8 and picture.channels - picture.alpha in (1, 3)
    driver = format[len(GDAL_PREFIX) :] if format.startswith(GDAL_PREFIX) else RASTERS.get(format)
    reference = _reference(picture.metadata)
    wanted = reference is not None or not plain or driver not in (None, "GTiff", "JP2OpenJPEG")
    notes: list[str] = []
    if driver is not None and wanted and os.fspath(path) != STANDARD:
        if has_rasterio() or not plain or format in _ONLY_RASTERS or format.startswith(GDAL_PREFIX):
            size = save_raster(
                path, bands, width=picture.width, height=picture.height, channels=picture.channels,
                alpha=picture.alpha, reference=reference or GeoReference(),
                xmp=picture.metadata.get("xmp", b""), driver=driver, force=force,
            )  # fmt: skip
            return size, notes
        notes.append(f"without its place on Earth, which rasterio would write: {REMEDY}")
    elif reference is not None and (reference.crs or reference.transform or reference.points):
        notes.append("without its place on Earth, which this format does not hold: write .tif to keep it")
    if format.startswith(GDAL_PREFIX) or format in _ONLY_RASTERS:
        raise UnsupportedImageError(f"{format} cannot be written to standard output; give the name of a file")
    if not plain:
        return _save_deep(path, picture, bands, format, force), notes
    size = save_bands(
        path, bands, width=picture.width, height=picture.height,
        channels=picture.channels, metadata=picture.metadata, format=format, force=force,
    )  # fmt: skip
    return size, notes


def _save_deep(
    path: str | os.PathLike[str], picture: Picture, bands: Iterable[NDArray[Any]], format: str, force: bool
) -> int:
    """Write a picture of 16 bits or of many bands as PNG or NumPy file; return the number of bytes."""
    shape = (picture.width, picture.height, picture.channels)
    png = format == "png" and picture.dtype == np.uint16 and picture.channels - picture.alpha in (1, 3)
    if not png and format != "npy":
        mode = Samples(picture.channels, picture.alpha).mode
        raise UnsupportedImageError(
            f"{format} does not hold {mode} of {picture.dtype}: name a file .tif or .npy with -o"
        )

    def fill(stream: BinaryIO) -> None:
        if png:
            rows = (band.astype(">u2").view(np.uint8).reshape(len(band), -1) for band in bands)
            for chunk in png_chunks(rows, shape, picture.metadata, depth=16):
                stream.write(chunk)
            return
        size = (picture.height, picture.width, picture.channels)[: 3 if picture.channels > 1 else 2]
        descr = np.lib.format.dtype_to_descr(picture.dtype)
        head: Any = {"descr": descr, "fortran_order": False, "shape": size}
        np.lib.format.write_array_header_1_0(stream, head)
        for band in bands:
            stream.write(np.ascontiguousarray(band).data)

    return write_atomic(path, fill, force=force)


def _reference(metadata: Mapping[str, bytes]) -> GeoReference | None:
    if "geo" not in metadata:
        return None
    try:
        return GeoReference.from_bytes(metadata["geo"])
    except FormatError:
        return None
