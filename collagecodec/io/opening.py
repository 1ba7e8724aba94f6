"""Pictures of every kind as sources: arrays, images, files by path, content or open stream."""

from __future__ import annotations

import io
import os
import struct
import sys
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from collagecodec.errors import MissingLibraryError, UnsupportedImageError
from collagecodec.io.conversion import AS_IT_IS, Conversion, ScaledSource, scaled, select_page
from collagecodec.io.picture import is_deep, metadata_of, storable_mode, to_pillow
from collagecodec.io.rasters import REMEDY, RasterSource, has_geo_tags, has_rasterio, may_be_raster, open_raster
from collagecodec.io.raw import open_raw
from collagecodec.io.sources import ArraySource, BandSource, PillowSource, Samples, Source, loaded

if TYPE_CHECKING:
    from PIL import Image

LARGE = 50_000_000
"""Files of more pixels are streamed by libvips instead of being loaded by Pillow."""

_STREAMED = ("TIFF", "PNG", "JPEG", "WEBP")
"""Pillow's names of the formats that libvips reads too."""

_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def as_source(
    image: Any,
    metadata: Mapping[str, bytes] | None = None,
    *,
    alpha: bool | None = None,
    conversion: Conversion = AS_IT_IS,
    geo: bool = True,
) -> Source:
    """Return a source over an array, a Pillow image, or a picture file by path, content or open file.

    A source is returned as it is. `metadata` replaces that of an array or Pillow image kind by kind. `alpha` is
    for arrays and files, see `ArraySource`; Pillow images say what their bands mean. `conversion` is for anything
    but sources, `geo` for paths, see `open_source`. Raises UnsupportedImageError, LimitError, OSError.
    """
    if isinstance(image, np.ndarray):
        return _of_array(image, metadata, alpha, conversion)
    if hasattr(image, "getbands"):
        return PillowSource(image, metadata, conversion)
    if isinstance(image, Source):
        return image
    if isinstance(image, str | Path | os.PathLike):
        return open_source(Path(image), alpha=alpha, conversion=conversion, geo=geo)
    if isinstance(image, bytes | bytearray | memoryview) or hasattr(image, "read"):
        data = bytes(image.read() if hasattr(image, "read") else image)
        return _open(io.BytesIO(data), data, "the data", LARGE, conversion)
    raise UnsupportedImageError(
        f"a {type(image).__name__} is not a picture; give a numpy array, a Pillow image, a path, the bytes of a "
        "picture file or a source of rows"
    )


def _of_array(
    array: NDArray[Any], metadata: Mapping[str, bytes] | None, alpha: bool | None, conversion: Conversion
) -> Source:
    if conversion.deep and array.dtype not in (np.uint8, np.bool_) and array.ndim in (2, 3):
        array = scaled(array, ScaledSource(Samples(array), conversion.value_range).value_range)
    if conversion.mode is not None:
        image = to_pillow(array, metadata)
        return PillowSource(image, metadata, replace(conversion, page=None))
    deep = array.dtype in (np.uint16, np.int16)
    if deep or (array.ndim == 3 and array.shape[2] > 4 and array.dtype == np.uint8):
        return BandSource(array, metadata, alpha=bool(alpha))
    try:
        return ArraySource(array, metadata, alpha=alpha)
    except UnsupportedImageError:
        # The last of two or four bands is not alpha.
        if alpha or array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] not in (2, 4):
            raise
        return BandSource(array, metadata)


def open_source(
    path: str | Path,
    *,
    large: int = LARGE,
    alpha: bool | None = None,
    conversion: Conversion = AS_IT_IS,
    geo: bool = True,
) -> Source:
    """Open a picture file, or standard input for '-'.

    Files of up to `large` pixels are read by Pillow, larger ones are streamed by libvips; rows of
    PGM, PPM, PAM and `.npy` files are read when they are needed. Pillow's own guard against huge pictures
    does not apply: the limits are those of the format. `alpha` is for `.npy` and PAM files, which need not say
    what their channels mean; see `ArraySource`. A picture that is converted to another mode is loaded as a whole.

    Rasters with a place on Earth are read by rasterio with their reference, nodata and masks; `geo` False reads
    them as plain pictures.

    Raises UnsupportedImageError for files that are not pictures or cannot be stored, MissingLibraryError for a
    GeoTIFF without rasterio, LimitError, OSError.
    """
    if str(path) == "-":
        data = sys.stdin.buffer.read()
        if not data:
            raise UnsupportedImageError("standard input is empty: pipe a picture into it")
        return _open(io.BytesIO(data), data, "standard input", large, conversion)
    file = Path(path)
    raw = None if conversion else open_raw(file, alpha)
    if raw is not None:
        return raw
    if conversion and file.suffix.lower() == ".npy":
        return _of_array(_npy(file), None, alpha, conversion)
    if geo and may_be_raster(file):
        raster = _raster(file, conversion)
        if raster is not None:
            return raster
    with file.open("rb") as stream:
        return _open(stream, file, str(path), large, conversion)


def _raster(path: Path, conversion: Conversion) -> Source | None:
    """Return a raster with a place on Earth; None if the file has none that can be read."""
    path.open("rb").close()  # GDAL's message would not name the reason
    if not has_rasterio():
        _refuse_geotiff(path)
        return None
    raster = open_raster(path, conversion.page, any_type=conversion.deep)
    if raster is None:
        return None
    if conversion.mode is not None:
        raise UnsupportedImageError(
            "a raster with a place on Earth keeps its bands: leave convert (--convert) out, choose bands with "
            "gdal_translate -b, or read it as a plain picture with geo=False (--no-geo)"
        )
    source = _with_plain_metadata(raster, path)
    return ScaledSource(source, conversion.value_range) if conversion.deep else source


def _with_plain_metadata(raster: RasterSource, path: Path) -> RasterSource:
    """Add the ICC profile and EXIF that Pillow finds in a file; rasterio does not report them."""
    try:
        with path.open("rb") as stream:
            image = _open_with_pillow(stream, str(path))
            raster.metadata = {**(metadata_of(image) if image is not None else {}), **raster.metadata}
    except UnsupportedImageError:
        pass  # Pillow does not know this kind
    return raster


def _refuse_geotiff(path: Path) -> None:
    """Raise MissingLibraryError for a GeoTIFF, whose place on Earth would be lost."""
    try:
        with path.open("rb") as stream:
            image = _open_with_pillow(stream, str(path))
            tags = getattr(image, "tag_v2", {})
    except UnsupportedImageError:
        return
    if has_geo_tags(tags):
        raise MissingLibraryError(
            f"{path} is a GeoTIFF, and rasterio, which reads its place on Earth, is not installed: {REMEDY}, or "
            "leave the place out with geo=False (--no-geo)"
        )


def _npy(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise UnsupportedImageError(f"the NumPy file is damaged ({error}); write it again") from error
    return array


def _open(
    stream: BinaryIO, data: Path | bytes, name: str, large: int, conversion: Conversion = AS_IT_IS
) -> Source:
    """Open the picture in `stream`, which may be closed afterwards; `data` is the same picture for libvips."""
    try:
        image = _open_with_pillow(stream, name)
    except UnsupportedImageError:
        stream.seek(0)
        if stream.read(4) in _TIFF_SIGNATURES:
            # Pillow does not know TIFF files of 16-bit colours, nor of grey with several extra bands.
            return _deep(data, {}, conversion) or _streamed(data, {})
        raise
    if image is None or is_deep(image):
        if image is not None:
            select_page(image, conversion.page)
        deep = _deep(data, {} if image is None else metadata_of(image), conversion)
        if deep is not None:
            return deep
    if image is not None and (conversion or image.width * image.height <= large or image.format not in _STREAMED):
        source = PillowSource(image, conversion=conversion)
        loaded(image.load)
        return source
    metadata = {}
    if image is not None:
        # Pillow knows frames, meanings of bands and metadata that libvips does not report.
        storable_mode(image)
        metadata = metadata_of(image)
    return _streamed(data, metadata)


def _streamed(data: Path | bytes, metadata: Mapping[str, bytes]) -> Source:
    from collagecodec.io.vips import VipsSource

    return VipsSource(data, metadata)


def _deep(data: Path | bytes, metadata: Mapping[str, bytes], conversion: Conversion) -> Source | None:
    """Return a picture of 16 bits a sample, or of any depth if it is to be scaled; None for another depth."""
    from collagecodec.io.vips import VipsSource

    if conversion.deep:
        return _scaled(data, metadata, conversion)
    source = VipsSource(data, metadata, page=conversion.page, any_depth=True)
    return source if source.dtype in (np.uint16, np.int16) and conversion.mode is None else None


def _scaled(data: Path | bytes, metadata: Mapping[str, bytes], conversion: Conversion) -> Source:
    """Return a picture file of deep samples scaled to 8 bits. libvips reads kinds that Pillow would cut."""
    from collagecodec.io.vips import VipsSource

    deep = VipsSource(data, metadata, page=conversion.page, any_depth=True)
    source = ScaledSource(deep, conversion.value_range)
    if conversion.mode is None:
        return source
    image = to_pillow(source.rows(0, source.height), source.metadata)
    return PillowSource(image, conversion=Conversion(mode=conversion.mode))


def _open_with_pillow(stream: BinaryIO, name: str) -> Image.Image | None:
    """Open a picture without decoding it; None if Pillow refuses it as too large."""
    from PIL import Image, UnidentifiedImageError

    bomb = (Image.DecompressionBombWarning, Image.DecompressionBombError)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            try:
                return Image.open(stream)
            except bomb:
                return _open_huge(stream)
    except bomb:
        return None
    except UnidentifiedImageError as error:
        raise UnsupportedImageError(
            f"{name} is not a picture of a known format; convert it to PNG or TIFF first"
        ) from error
    except (SyntaxError, ValueError, EOFError, struct.error) as error:
        raise UnsupportedImageError(f"{name} is a damaged picture ({error}); copy it again") from error


def _open_huge(stream: BinaryIO) -> Image.Image | None:
    """Open a picture with the plugin for its format, without the size check of `Image.open`."""
    from PIL import Image

    Image.init()
    stream.seek(0)
    prefix = stream.read(16)
    for kind in _STREAMED:
        factory, accept = Image.OPEN[kind]
        if accept is not None and accept(prefix) is True:
            stream.seek(0)
            return factory(stream, "")
    return None
