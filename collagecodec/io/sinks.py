"""Files of any common picture format, written atomically from bands of rows.

PNG, PPM and NumPy files are written by this package. The other formats are written by Pillow if the picture is
small, and by libvips, in little memory, if it is large.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from collagecodec.errors import LimitError, UnsupportedImageError
from collagecodec.io.files import STANDARD, atomic, write_atomic
from collagecodec.io.png import COMPRESSION, png_chunks

LARGE = 50_000_000
"""Pictures of more pixels are written by libvips, except as PNG, PPM and NumPy files."""

Shape = tuple[int, int, int]

_PILLOW_NAMES = {
    "jpg": "JPEG", "jpeg": "JPEG", "tif": "TIFF", "tiff": "TIFF", "webp": "WEBP", "bmp": "BMP",
    "jp2": "JPEG2000", "avif": "AVIF", "tga": "TGA",
}  # fmt: skip
_PILLOW_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True, "quality": 20, "method": 1, "exact": True},
    "AVIF": {"quality": 95},
}
_VIPS_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"Q": 95, "subsample_mode": "off"},
    "TIFF": {"compression": "deflate", "predictor": "horizontal", "tile": True, "bigtiff": True},
    "WEBP": {"lossless": True, "effort": 1, "exact": True},
}
_LONGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383}

FORMATS = ("png", "ppm", "pgm", "pnm", "pam", "npy", *_PILLOW_NAMES)
"""Names of formats, which are also suffixes of file names."""


def format_of(path: str | os.PathLike[str], name: str | None = None) -> str:
    """Return the member of `FORMATS` to write: `name` if it is given, else the suffix of `path`; PNG for '-'.

    Raises UnsupportedImageError for anything else.
    """
    kind = (name or ("png" if os.fspath(path) == STANDARD else Path(path).suffix)).lower().lstrip(".")
    if kind not in FORMATS:
        raise UnsupportedImageError(
            f"{kind!r} is not a format that can be written; choose one of {', '.join(FORMATS)}"
        )
    return kind


def save_bands(
    path: str | os.PathLike[str],
    bands: Iterable[NDArray[np.uint8]],
    *,
    width: int,
    height: int,
    channels: int,
    metadata: Mapping[str, bytes] | None = None,
    format: str | None = None,
    force: bool = False,
    compression: int = COMPRESSION,
    large: int = LARGE,
) -> int:
    """Write a picture to `path`, or to standard output for '-', and return the number of bytes.

    `bands` are uint8 of shape (rows, width, channels), top to bottom, `height` rows in all; `metadata` may
    hold 'icc', 'exif' and 'xmp', which PNG, TIFF, JPEG and WebP keep. `format` is one of `FORMATS`, by
    default the suffix of `path`. `compression` is the level of zlib for PNG, 0 .. 9. JPEG is written at
    quality 95, WebP without loss, TIFF plain while it is small and deflated when it is large.

    The file is complete or absent. Raises OutputExistsError unless `force`, UnsupportedImageError for a
    format that cannot hold the picture, LimitError for a picture too large for the format, OSError, and
    ValueError for bands that do not add up to the picture.
    """
    shape = (width, height, channels)
    kind = format_of(path, format)
    _check(kind, shape)
    rows = _checked(bands, shape)
    name = _PILLOW_NAMES.get(kind, "")
    if name and width * height > large:
        return _save_large(path, rows, shape, metadata or {}, name, force)

    def fill(stream: BinaryIO) -> None:
        if kind == "png":
            for chunk in png_chunks(rows, shape, metadata or {}, compression):
                stream.write(chunk)
        elif name:
            _fill_with_pillow(stream, rows, shape, metadata or {}, name)
        else:
            _fill_plain(stream, rows, shape, kind)

    return write_atomic(path, fill, force=force)


def _check(kind: str, shape: Shape) -> None:
    width, height, channels = shape
    name = _PILLOW_NAMES.get(kind, kind)
    limit = _LONGEST_SIDE.get(name, 2**31 - 1)
    if max(width, height) > limit:
        raise LimitError(f"{name} holds at most {limit} pixels a side, not {width}x{height}; write .png or .tif")
    if channels in (2, 4) and name in ("JPEG", "BMP", "ppm", "pgm"):
        raise UnsupportedImageError(f"{name} has no transparency; write .png, .tif or .webp instead")
    if (kind, channels) in (("pgm", 3), ("ppm", 1)):
        raise UnsupportedImageError(f".{kind} does not hold {channels} channels; write .pnm instead")


def _checked(bands: Iterable[NDArray[np.uint8]], shape: Shape) -> Iterator[NDArray[np.uint8]]:
    """Yield the bands that are not empty; ValueError if they do not make a picture of `shape`."""
    width, height, channels = shape
    done = 0
    for band in bands:
        if band.ndim == 2:
            band = band[:, :, np.newaxis]
        if band.shape[1:] != (width, channels) or band.dtype != np.uint8 or done + len(band) > height:
            raise ValueError(
                f"a band of {band.dtype} {band.shape} at row {done} does not belong to a picture of "
                f"{width}x{height} with {channels} channels"
            )
        done += len(band)
        if len(band):
            yield band
    if done != height:
        raise ValueError(f"the bands end after {done} of {height} rows")


def _fill_plain(stream: BinaryIO, bands: Iterator[NDArray[np.uint8]], shape: Shape, kind: str) -> None:
    stream.write(_plain_header(kind, shape))
    for band in bands:
        stream.write(np.ascontiguousarray(band).data)


def _plain_header(kind: str, shape: Shape) -> bytes:
    width, height, channels = shape
    if kind == "npy":
        stream = io.BytesIO()
        size = (height, width, channels) if channels > 1 else (height, width)
        np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": size})
        return stream.getvalue()
    if kind == "pam" or channels in (2, 4):
        types = ("GRAYSCALE", "GRAYSCALE_ALPHA", "RGB", "RGB_ALPHA")
        return (
            f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {channels}\nMAXVAL 255\n"
            f"TUPLTYPE {types[channels - 1]}\nENDHDR\n"
        ).encode()
    return f"P{5 if channels == 1 else 6}\n{width} {height}\n255\n".encode()


def _fill_with_pillow(
    stream: BinaryIO,
    bands: Iterator[NDArray[np.uint8]],
    shape: Shape,
    metadata: Mapping[str, bytes],
    name: str,
) -> None:
    from collagecodec.io.picture import to_pillow

    width, height, channels = shape
    picture = np.empty((height, width, channels), np.uint8)
    done = 0
    for band in bands:
        picture[done : done + len(band)] = band
        done += len(band)
    image = to_pillow(picture, metadata)
    try:
        _save_with_pillow(stream, image, name)
    except (ValueError, KeyError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # a failure of the disk
        raise UnsupportedImageError(
            f"{name} cannot hold this picture ({error}); write .png or .tif instead"
        ) from error


def _save_with_pillow(stream: BinaryIO, image: Any, name: str) -> None:
    # Some writers seek, which standard output does not support; none of these pictures is large.
    buffer = io.BytesIO()
    image.save(buffer, name, **_PILLOW_OPTIONS.get(name, {}))
    stream.write(buffer.getbuffer())


def _save_large(
    path: str | os.PathLike[str],
    bands: Iterator[NDArray[np.uint8]],
    shape: Shape,
    metadata: Mapping[str, bytes],
    name: str,
    force: bool,
) -> int:
    if name not in _VIPS_OPTIONS or os.fspath(path) == STANDARD:
        where = "to standard output" if name in _VIPS_OPTIONS else f"as {name}"
        raise LimitError(
            f"a picture of {shape[0]}x{shape[1]} cannot be written {where}; write a file .png, .tif or .npy"
        )
    from collagecodec.io.vips import save_with_vips

    options = dict(_VIPS_OPTIONS[name])
    suffix = {"JPEG": ".jpg", "TIFF": ".tif", "WEBP": ".webp"}[name]
    with atomic(path, force=force) as partial:
        save_with_vips(partial, bands, shape=shape, metadata=metadata, suffix=suffix, options=options)
        return partial.stat().st_size
