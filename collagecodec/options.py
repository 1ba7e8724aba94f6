"""The types of what the Python interface takes: pictures, files, and the options of `encode` and `decode`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeAlias, TypedDict

from numpy.typing import NDArray

from collagecodec.io.limits import Limits
from collagecodec.sampling.request import Region, Scale, Size

if TYPE_CHECKING:
    from PIL import Image

    from collagecodec.io.sources import Source

Bytes: TypeAlias = bytes | bytearray | memoryview
Path: TypeAlias = str | os.PathLike[str]
File: TypeAlias = Bytes | Path | BinaryIO
"""A file by its content, its path, or open for reading in binary mode."""
Picture: TypeAlias = "NDArray[Any] | Image.Image | Source | File"
"""A picture as an array, a Pillow image or a source of rows, or a picture file of any format."""
Mode: TypeAlias = Literal["L", "LA", "RGB", "RGBA"]


class DecodeOptions(TypedDict, total=False):
    """The keywords of `collagecodec.decode`."""

    scale: Scale
    size: Size | None
    region: Region | None
    fast: bool
    tolerate_damage: bool
    limits: Limits


class EncodeOptions(TypedDict, total=False):
    """The keywords of `collagecodec.encode`."""

    quality: float | None
    bpp: float | None
    psnr: float | None
    max_bytes: int | None
    effort: int | None
    model: str | None
    codec: str
    options: Mapping[str, Any] | None
    metadata: Mapping[str, bytes] | None
    max_error: int | None
    alpha: bool | None
    convert: Mode | None
    page: int | None
    to_8bit: bool
    value_range: tuple[float, float] | None
    geo: bool
    roi: Any
    roi_quality: float | None
    progress: Callable[[float, str], None] | None
