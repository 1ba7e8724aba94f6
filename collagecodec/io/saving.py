"""A decoded picture into a file of any format: rasters by rasterio, other pictures by Pillow and libvips."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from collagecodec.errors import FormatError, UnsupportedImageError
from collagecodec.geo.reference import GeoReference
from collagecodec.io.files import STANDARD
from collagecodec.io.raster_sinks import GDAL_PREFIX, save_raster
from collagecodec.io.rasters import REMEDY, has_rasterio
from collagecodec.io.sinks import FORMATS, format_of, save_bands

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
    driver = format[len(GDAL_PREFIX) :] if format.startswith(GDAL_PREFIX) else RASTERS.get(format)
    reference = _reference(picture.metadata)
    wanted = reference is not None or driver not in (None, "GTiff", "JP2OpenJPEG")
    notes: list[str] = []
    if driver is not None and wanted and os.fspath(path) != STANDARD:
        if has_rasterio() or format in _ONLY_RASTERS or format.startswith(GDAL_PREFIX):
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
    size = save_bands(
        path, bands, width=picture.width, height=picture.height,
        channels=picture.channels, metadata=picture.metadata, format=format, force=force,
    )  # fmt: skip
    return size, notes


def _reference(metadata: Mapping[str, bytes]) -> GeoReference | None:
    if "geo" not in metadata:
        return None
    try:
        return GeoReference.from_bytes(metadata["geo"])
    except FormatError:
        return None
