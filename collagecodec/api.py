"""The Python interface: `encode`, `decode`, `decode_bands`, `info`, `collages`; `read` and `write` for files.

What is decoded or described may be the content of a file, its path, or a file that is open for reading.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from bitstream.container import VERSION, Header, Reader
from collagecodec.errors import FormatError
from collagecodec.geo.reference import adjusted
from collagecodec.io.files import atomic, load
from collagecodec.io.limits import DEFAULT_LIMITS, Limits
from collagecodec.options import Bytes, DecodeOptions, EncodeOptions, File, Mode, Picture
from collagecodec.sampling.rendering import Rendering, Samples
from collagecodec.sampling.request import Image8, Region, Request, Scale, Size

if TYPE_CHECKING:
    from collagecodec.codecs.base import Codec
    from collagecodec.codecs.rate_control import Target
    from collagecodec.operator.collage import Collage

COLLAGE_BYTES = 200
"""Memory of the maps that `collages` returns, for each pixel of the picture."""


def _content(file: File) -> Bytes:
    """Return the bytes of a file; FormatError or OSError if a path cannot be read."""
    if isinstance(file, bytes | bytearray | memoryview):
        return file
    if isinstance(file, str | os.PathLike):
        return load(file)
    if not hasattr(file, "read"):
        raise TypeError(f"a {type(file).__name__} is not a file; give its bytes, its path or an open file")
    return file.read()


def encode(
    image: Picture,
    *,
    quality: float | None = None,
    bpp: float | None = None,
    psnr: float | None = None,
    max_bytes: int | None = None,
    effort: int | None = None,
    model: str | None = None,
    codec: str = "collage",
    options: Mapping[str, Any] | None = None,
    metadata: Mapping[str, bytes] | None = None,
    max_error: int | None = None,
    alpha: bool | None = None,
    convert: Mode | None = None,
    page: int | None = None,
    to_8bit: bool = False,
    value_range: tuple[float, float] | None = None,
    geo: bool = True,
    roi: Any = None,
    roi_quality: float | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> bytes:
    """Encode a picture; return the complete `.clg` file.

    `image` is a numpy array, (H, W) or (H, W, C), uint8, uint16 or int16, with C of 1..4 (grey, grey and alpha,
    RGB, RGBA) or any other number of bands, a Pillow image, an `io.Source`, or a picture file by path, content or
    open file. Alpha is stored losslessly; `alpha=True` declares that the last of two or four channels of an array
    is alpha even if it does not look like it.

    A picture that cannot be stored as it is can be converted: `convert` to a mode (CMYK and LAB through colour
    management), `page` (from 1 on) of a file of several, `to_8bit` from deeper samples, whose `value_range`, by
    default their smallest and largest value, becomes 0 .. 255. A GeoTIFF by path keeps its place on Earth, unless
    `geo` is False, and pixels without data become alpha.

    `max_error` promises that no sample is further off than that, in units of the samples; 0 stores them
    losslessly. Then and for other than 8-bit grey and RGB pictures, `codec` stores layers of the picture.

    Give at most one target: `quality` 0..100 (60 by default), `bpp` bits per pixel of the file, `psnr` in dB
    over the colour samples, or `max_bytes`. The file never exceeds the size and always reaches the PSNR. `effort`
    0 skips the hypernetwork, 1 is the default, and 2 to 9 refine the codes of this picture for increasingly long
    (needs PyTorch). `codec` selects another codec, and `options` sets its fields, which `collage codecs` lists.
    `metadata` maps 'icc', 'exif', 'xmp', 'geo' to bytes and replaces the metadata of the image, kind by kind.
    `roi` gives a region of interest another quality: an array (H, W), bool, uint8 or 0..1, a list of boxes (x, y,
    width, height) in pixels with perhaps a weight 0..1, or an `io.roi.Roi`. `roi_quality`, 0..100, is the quality
    of weight 1; without it, its quantiser step is a quarter of the picture's.
    `progress` is called with the share of the work done, 0..1, which restarts with every trial of a search, and a
    short, possibly empty text such as the current PSNR.

    Raises UnsupportedImageError for pictures that cannot be stored, LimitError for targets that cannot be
    reached, ModelMismatchError for an unknown model, and ValueError for invalid options.
    """
    from collagecodec.codecs import registry
    from collagecodec.codecs.layers.codec import LayeredCodec
    from collagecodec.io.conversion import Conversion
    from collagecodec.io.opening import as_source
    from collagecodec.io.roi import Roi, RoiSource
    from collagecodec.io.sources import needs_layers

    targets = {"quality": quality, "bpp": bpp, "psnr": psnr, "max_bytes": max_bytes}
    settings = {name: value for name, value in (("effort", effort), ("model", model)) if value is not None}
    if twice := sorted(settings.keys() & (options or {}).keys()):
        raise ValueError(f"{', '.join(twice)}: given both as an argument and in options: give it once")
    settings |= options or {}
    try:
        chosen = registry.get(codec, **settings)
    except TypeError as error:
        raise ValueError(str(error)) from error
    target = _target({name: value for name, value in targets.items() if value is not None}, chosen, settings)
    conversion = Conversion(page, convert, to_8bit, value_range)
    source = as_source(image, metadata, alpha=alpha, conversion=conversion, geo=geo)
    if codec != "layers" and (max_error is not None or needs_layers(source)):
        chosen = LayeredCodec.around(chosen, max_error)
    if roi is not None:
        source = RoiSource(source, Roi.of(roi), roi_quality)
    elif roi_quality is not None:
        raise ValueError("roi_quality needs a region of interest: give roi as well")
    return chosen.encode_target(source, {**source.metadata, **(metadata or {})}, target, progress)


def _target(given: Mapping[str, Any], codec: Codec, settings: Mapping[str, Any]) -> Target | None:
    """Return the target of a call; ValueError if it contradicts a setting."""
    from collagecodec.codecs.rate_control import Target

    if not given:
        return None
    steering = {"quality"} | ({codec.rate_parameter.name} if codec.rate_parameter else set())
    if twice := sorted(steering & settings.keys()):
        raise ValueError(f"{', '.join([*given, *twice])}: each of them decides the rate; give only one")
    return Target(**given)


@dataclass
class Decoded(Rendering):
    """A picture that is decoded while the caller iterates over its bands of rows, from top to bottom.

    `width`, `height` and `channels` describe the output; `metadata` maps 'icc', 'exif', 'xmp', 'geo' to bytes,
    and its geographic reference is that of the output.
    Each band is uint8, (h, width) for grey and (h, width, channels) otherwise. `damaged` lists the tiles that
    were replaced by mid-grey; it is complete when the iteration ends.
    """

    metadata: dict[str, bytes] = field(default_factory=dict)
    alpha: bool = False
    """Whether the last channel is alpha."""


def decode_bands(
    data: File,
    *,
    scale: Scale = 1,
    size: Size | None = None,
    region: Region | None = None,
    fast: bool = False,
    tolerate_damage: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> Decoded:
    """Decode a `.clg` file band by band, with memory for the width of the picture and the size of a tile.

    See `decode` for options and errors. Errors in tiles are raised during the iteration.
    """
    from collagecodec.codecs import registry

    request = Request.of(scale, size, region)
    reader = limits.reader(_content(data), strict=not tolerate_damage)
    codec = registry.class_of(reader.header)
    options = {"fast": fast, "tolerate_damage": tolerate_damage}
    rendering = codec.rendering(reader, request, **options, limits=limits)
    metadata = adjusted(reader.metadata, *request.resolve(reader.header.width, reader.header.height))
    return Decoded(**vars(rendering), metadata=metadata, alpha=codec.samples(reader).alpha)


def decode(
    data: File,
    *,
    scale: Scale = 1,
    size: Size | None = None,
    region: Region | None = None,
    fast: bool = False,
    tolerate_damage: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> Image8:
    """Decode a `.clg` file to pixels, (H, W) for grey and (H, W, C) otherwise: uint8, or what was encoded.

    The decoder first cuts `region` (x, y, width, height) in stored pixels; then `scale` multiplies both sides,
    rounded up, or `size` (width, height) sets them. The time depends on the size of the output and on the tiles
    of the region. `fast` skips the restoration. With `tolerate_damage`, unreadable tiles become mid-grey. A
    codec that does not support one of these two options refuses it. `limits` bound the pixels and the memory
    of the call, and are compared with the header before memory is allocated.

    Raises FormatError (damaged or foreign files), DamagedTileError, LimitError, ModelMismatchError,
    UnsupportedImageError, and ValueError for an invalid region, scale or option.
    """
    return decode_bands(
        data, scale=scale, size=size, region=region, fast=fast, tolerate_damage=tolerate_damage, limits=limits
    ).gather()


def collages(data: File, *, limits: Limits = DEFAULT_LIMITS) -> tuple[Collage, ...]:
    """Return the contractive maps of a file: for every plane the operator and its code (`a`, `b`, `gamma`).

    Raises the errors of `decode`, and ValueError for a codec that is not a collage.
    """
    from collagecodec.codecs import registry
    from collagecodec.codecs.boundary import project_errors

    reader = limits.reader(_content(data))
    header = reader.header
    codec = registry.class_of(header)
    codec.check_header(header)
    limits.check_memory(COLLAGE_BYTES * header.width * header.height)
    with project_errors():
        return codec.collages(reader)


@dataclass(frozen=True)
class Info:
    """The description of a `.clg` file."""

    width: int
    """Pixels."""
    height: int
    """Pixels."""
    mode: str
    """L, LA, RGB or RGBA; for other pictures of layers the number of bands, such as '4 bands + alpha'."""
    dtype: str
    """Type of the samples: uint8, uint16 or int16."""
    max_error: int | None
    """The promised largest error of a sample; None if none is promised."""
    bit_depth: int
    """Bits per sample."""
    codec: str
    model: str | None
    """Name of the model; None if the model is not installed or the codec needs no model."""
    fingerprint: str
    """16 hexadecimal digits that identify the model's decoder; zeros if no model is needed."""
    step: float | None
    """Quantiser step in pixel levels; None if the codec has no step."""
    tile_size: int
    """Side of a tile in pixels; 0 for a single tile."""
    tiles: int
    bytes: int
    """Size of the file."""
    bpp: float
    """Bits of the whole file per pixel."""
    metadata: dict[str, int]
    """Kinds of metadata and their sizes in bytes."""
    format_version: int

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return dataclasses.asdict(self)


def info(data: File, *, limits: Limits = DEFAULT_LIMITS) -> Info:
    """Describe a `.clg` file without decoding it; of the limits, that of the metadata applies.

    Raises FormatError, LimitError, UnsupportedImageError.
    """
    from collagecodec.codecs import models, registry

    data = _content(data)
    reader = limits.reader(data, strict=False)
    header = reader.header
    samples = _samples_of(reader)
    return Info(
        width=header.width,
        height=header.height,
        mode=samples.mode,
        dtype=str(samples.dtype),
        max_error=samples.max_error,
        bit_depth=header.bit_depth,
        codec=registry.name_of(header),
        model=models.name_of(header.fingerprint) if any(header.fingerprint) else None,
        fingerprint=header.fingerprint.hex(),
        step=_step_of(header),
        tile_size=header.tile_size,
        tiles=header.tile_count,
        bytes=len(data),
        bpp=8 * len(data) / (header.width * header.height),
        metadata={kind: len(value) for kind, value in reader.metadata.items()},
        format_version=VERSION,
    )


def _samples_of(reader: Reader) -> Samples:
    from collagecodec.codecs import registry

    try:
        return registry.class_of(reader.header).samples(reader)
    except (FormatError, registry.CodecUnavailableError):
        return Samples(reader.header.channels, reader.header.channels in (2, 4))


def _step_of(header: Header) -> float | None:
    from collagecodec.codecs import registry

    try:
        return registry.class_of(header).step_of(header)
    except (FormatError, registry.CodecUnavailableError):
        return None  # the codec belongs to another package that is not installed


def read(path: str | os.PathLike[str], **options: Unpack[DecodeOptions]) -> NDArray[np.uint8]:
    """Decode the file at `path`: shape (H, W) for grey, (H, W, C) otherwise, uint8.

    `options` are those of `decode`. Raises the errors of `decode`, and OSError if the file cannot be read.
    """
    return decode(load(path), **options)


def write(
    path: str | os.PathLike[str], image: Picture, *, force: bool = False, **options: Unpack[EncodeOptions]
) -> int:
    """Encode `image` into the file at `path`; return its size in bytes.

    `image` and `options` are those of `encode`. Raises OutputExistsError, before encoding, if `path` exists and
    `force` is not set.
    """
    with atomic(path, force=force) as partial:
        data = encode(image, **options)
        partial.write_bytes(data)
    return len(data)
