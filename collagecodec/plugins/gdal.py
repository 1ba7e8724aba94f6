"""A window into a `.clg` file for everything that uses GDAL: a VRT whose bands are computed by a Python function.

GDAL loads such functions from modules that the user trusts: set `GDAL_VRT_ENABLE_PYTHON=TRUSTED_MODULES` and
`GDAL_VRT_PYTHON_TRUSTED_MODULES=collagecodec.plugins.gdal`.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from numpy.typing import NDArray

from collagecodec import api
from collagecodec.errors import FormatError
from collagecodec.geo.reference import GeoReference
from collagecodec.io.files import load, write_bytes_atomic

CONFIGURATION = {
    "GDAL_VRT_ENABLE_PYTHON": "TRUSTED_MODULES",
    "GDAL_VRT_PYTHON_TRUSTED_MODULES": "collagecodec.plugins.gdal",
}
"""What GDAL has to be told, as environment variables or as options of `rasterio.Env`."""
_TYPES = {"uint8": "Byte", "uint16": "UInt16", "int16": "Int16"}


def write_vrt(path: str | os.PathLike[str], vrt: str | os.PathLike[str], *, force: bool = False) -> None:
    """Write a VRT beside or away from a `.clg` file, to which it refers by its absolute path.

    Alpha becomes a band of the VRT. Raises OutputExistsError unless `force`, and what `collagecodec.info` raises.
    """
    decoded = api.decode_bands(load(path))
    reference = _reference(decoded.metadata)
    kind = _TYPES[str(decoded.dtype)]
    parts = [f'<VRTDataset rasterXSize="{decoded.width}" rasterYSize="{decoded.height}">']
    if reference.crs:
        parts.append(f"<SRS>{escape(reference.crs)}</SRS>")
    if reference.transform is not None:
        a, b, c, d, e, f = reference.transform
        parts.append(f"<GeoTransform>{c!r}, {a!r}, {b!r}, {f!r}, {d!r}, {e!r}</GeoTransform>")
    for band in range(decoded.channels):
        parts.append(_band(Path(path).resolve(), band, decoded.channels, decoded.alpha, kind, reference))
    parts.append("</VRTDataset>\n")
    write_bytes_atomic(vrt, "\n".join(parts).encode(), force=force)


def _band(path: Path, band: int, channels: int, alpha: bool, kind: str, reference: GeoReference) -> str:
    known = reference.bands[band] if band < len(reference.bands) else None
    colour = "Alpha" if alpha and band == channels - 1 else (known.colour.capitalize() if known else "Undefined")
    description = f"<Description>{escape(known.description)}</Description>" if known and known.description else ""
    return (
        f'<VRTRasterBand dataType="{kind}" band="{band + 1}" subClass="VRTDerivedRasterBand">'
        f"{description}<ColorInterp>{colour}</ColorInterp>"
        "<PixelFunctionLanguage>Python</PixelFunctionLanguage>"
        f"<PixelFunctionType>{__name__}.window</PixelFunctionType>"
        f'<PixelFunctionArguments path={quoteattr(str(path))} band="{band}"/></VRTRasterBand>'
    )


def window(
    in_ar: Any, out_ar: NDArray[Any], xoff: int, yoff: int, xsize: int, ysize: int, raster_xsize: int,
    raster_ysize: int, buf_radius: int, gt: Any, path: bytes | str, band: bytes | str, **_: Any,
) -> None:  # fmt: skip
    """Fill `out_ar` with a window of a band, reduced to its size; GDAL calls this."""
    name = path.decode() if isinstance(path, bytes) else path
    pixels = _pixels(name, (xoff, yoff, xsize, ysize), out_ar.shape[::-1])
    out_ar[:] = pixels[..., int(band)]


@lru_cache(maxsize=4)
def _pixels(path: str, region: tuple[int, int, int, int], size: tuple[int, int]) -> NDArray[Any]:
    # All bands of a window are decoded together, and GDAL asks for them one after the other.
    pixels = api.decode(load(path), region=region, size=size)
    return np.atleast_3d(pixels)


def _reference(metadata: dict[str, bytes]) -> GeoReference:
    try:
        return GeoReference.from_bytes(metadata["geo"]) if "geo" in metadata else GeoReference()
    except FormatError:
        return GeoReference()
