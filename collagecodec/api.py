"""The Python interface: `encode`, `decode`, `decode_bands`, `info`, `code`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bitstream.container import CODEC_IDS, VERSION, Reader
from bitstream.container import write as write_file
from collagecodec.errors import FormatError, LimitError, UnsupportedImageError
from collagecodec.io.files import atomic, load

if TYPE_CHECKING:
    from collagecodec.codecs.collage.rendering import Rendering
    from collagecodec.operator.collage import Collage

Scale = int | float | Fraction
Region = tuple[int, int, int, int]
MODES = ("L", "LA", "RGB", "RGBA")
CODEC_NAMES = {number: name for name, number in CODEC_IDS.items()}


def encode(
    image: Any,
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
    progress: Callable[[float, str], None] | None = None,
) -> bytes:
    """Encode a picture; return the complete `.clg` file.

    `image` is a numpy array, (H, W) or (H, W, C) uint8 with C of 1..4 (grey, grey and alpha, RGB, RGBA), a
    Pillow image, or a `raster.Source`. Alpha is kept without loss.

    At most one target: `quality` 0..100 (60 by default), `bpp` bits per pixel of the file, `psnr` in dB over
    the colour samples, `max_bytes`. The size is never passed, the PSNR always reached. `effort` 0 leaves the
    hypernetwork out, 1 is the default, 2 to 9 refine the codes of this picture, ever longer (needs PyTorch).
    `codec` names another codec and `options` its settings, which `collage codecs` lists: the fields of its
    class. `metadata` maps 'icc', 'exif', 'xmp', 'geo' to bytes and replaces what the image carries, kind by
    kind. `progress` is called with the share of the work done, 0..1,
    which starts again with every trial of a search, and a text such as the PSNR so far, which may be empty.

    Raises UnsupportedImageError for pictures that cannot be stored, LimitError for targets that cannot be
    reached, ModelMismatchError for an unknown model, ValueError for senseless options.
    """
    from collagecodec.codecs import registry
    from collagecodec.io.sources import as_source

    given: dict[str, Any] = {
        "quality": quality, "bpp": bpp, "psnr": psnr, "max_bytes": max_bytes, "effort": effort, "model": model,
    }  # fmt: skip
    settings = {name: value for name, value in given.items() if value is not None}
    if twice := sorted(settings.keys() & (options or {}).keys()):
        raise ValueError(f"{', '.join(twice)}: given both as an argument and in options; leave one out")
    settings |= options or {}
    source = as_source(image, metadata)
    kept = {**source.metadata, **(metadata or {})}
    try:
        made = registry.get(codec, **settings)
    except TypeError as error:
        raise ValueError(str(error)) from error
    if source.channels in (2, 4) and not made.keeps_alpha:
        raise UnsupportedImageError(
            f"{codec} stores no alpha, and the picture is {MODES[source.channels - 1]}: convert it to "
            f"{MODES[source.channels - 2]}, or use the codec 'collage'"
        )
    if codec == "collage":
        from collagecodec.codecs.collage.codec import CollageCodec

        assert isinstance(made, CollageCodec)
        share = None if progress is None else (lambda done: progress(done, ""))
        return made.encode_source(source, kept, share)
    pixels = source.rows(0, source.height)
    data = made.encode_with(pixels[..., 0] if source.channels == 1 else pixels, progress)
    reader = Reader(data)
    return (
        write_file(reader.header, map(bytes, map(reader.tile, range(reader.header.tile_count))), kept)
        if kept
        else data
    )


class Decoded:
    """A picture on its way out: iterate over it for bands of rows from top to bottom.

    `width`, `height`, `channels` describe the output, `metadata` maps 'icc', 'exif', 'xmp', 'geo' to bytes.
    Each band is uint8 of shape (h, width) for one channel and (h, width, channels) otherwise. `damaged` lists
    the tiles that were replaced by mid-grey, once the iteration has passed them.
    """

    def __init__(self, reader: Reader, bands: Iterator[NDArray[np.uint8]], shape: tuple[int, int, int]) -> None:
        self.metadata: dict[str, bytes] = reader.metadata
        self.height, self.width, self.channels = shape
        self.damaged: list[int] = []
        self._bands = bands

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return self._bands


def decode_bands(
    data: bytes | bytearray | memoryview,
    *,
    scale: Scale = 1,
    size: tuple[int, int] | None = None,
    region: Region | None = None,
    fast: bool = False,
    tolerate_damage: bool = False,
) -> Decoded:
    """Decode a `.clg` file band by band: memory follows the width of the picture and the size of a tile.

    See `decode` for the options and errors; errors in tiles are raised while iterating.
    """
    reader = Reader(data, strict=not tolerate_damage)
    name = codec_name(reader)
    if size is not None and scale != 1:
        raise ValueError("give scale or size, not both")
    if name == "collage":
        from collagecodec.codecs.collage.codec import open_rendering
        from collagecodec.sampling.request import Request

        exact = Fraction(scale).limit_denominator(1 << 16)
        rendering = open_rendering(
            reader, Request(exact, size, region), fast=fast, tolerate_damage=tolerate_damage
        )
        return _from_rendering(reader, rendering)
    from collagecodec.codecs import registry

    pixels = registry.get(name).decode(bytes(data), scale=float(scale), size=size, region=region)
    shape = (*pixels.shape[:2], pixels.shape[2] if pixels.ndim == 3 else 1)
    return Decoded(reader, iter([pixels]), shape)


def _from_rendering(reader: Reader, rendering: Rendering) -> Decoded:
    decoded = Decoded(reader, iter(rendering), (rendering.height, rendering.width, rendering.channels))
    decoded.damaged = rendering.picture.damaged
    return decoded


def decode(
    data: bytes | bytearray | memoryview,
    *,
    scale: Scale = 1,
    size: tuple[int, int] | None = None,
    region: Region | None = None,
    fast: bool = False,
    tolerate_damage: bool = False,
) -> NDArray[np.uint8]:
    """Decode a `.clg` file to uint8 pixels, (H, W) for grey and (H, W, C) otherwise.

    `region` (x, y, width, height) in stored pixels is cut first; then `scale` multiplies both sides, rounded
    up, or `size` (width, height) sets them. Reductions cost what their output costs, regions what their tiles
    cost. `fast` leaves the restoration out. With `tolerate_damage` unreadable tiles come out mid-grey.

    Raises FormatError (damaged or foreign files), DamagedTileError, LimitError, ModelMismatchError,
    UnsupportedImageError, and ValueError for a region or scale that makes no sense.
    """
    decoded = decode_bands(
        data, scale=scale, size=size, region=region, fast=fast, tolerate_damage=tolerate_damage
    )
    shape = (decoded.height, decoded.width)
    try:
        pixels = np.empty(shape if decoded.channels == 1 else (*shape, decoded.channels), np.uint8)
    except (MemoryError, ValueError) as error:
        raise LimitError(
            f"{decoded.width}x{decoded.height} pixels do not fit into memory: use decode_bands, region or scale"
        ) from error
    done = 0
    for band in decoded:
        pixels[done : done + len(band)] = band
        done += len(band)
    return pixels


def collages(data: bytes | bytearray | memoryview) -> tuple[Collage, ...]:
    """The contractive maps behind a file: for every plane the operator and its code, with `a`, `b` and `gamma`.

    Raises what `decode` raises, and ValueError for a codec that is not a collage.
    """
    from collagecodec.codecs import registry

    return registry.codec_class(codec_name(Reader(data))).collages(bytes(data))


def codec_name(reader: Reader) -> str:
    """The name of the codec of a file; FormatError if this version does not know it."""
    number = reader.header.codec
    if number not in CODEC_NAMES:
        raise FormatError(
            f"the file was written by codec {number}, which this version does not know: upgrade collagecodec"
        )
    return CODEC_NAMES[number]


@dataclass(frozen=True)
class Info:
    """What a `.clg` file says of itself."""

    width: int
    """Pixels."""
    height: int
    """Pixels."""
    mode: str
    """L, LA, RGB or RGBA."""
    bit_depth: int
    """Bits a sample."""
    codec: str
    model: str | None
    """Name of the model; None if it is not installed or none is needed."""
    fingerprint: str
    """16 hexadecimal digits that name the model's decoder; zeros if none is needed."""
    step: float | None
    """Quantiser step in pixel levels; None where the codec has none."""
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
        """The same as values that JSON knows."""
        return dataclasses.asdict(self)


def info(data: bytes | bytearray | memoryview) -> Info:
    """Describe a `.clg` file without decoding it. Raises FormatError, LimitError, UnsupportedImageError."""
    from collagecodec.codecs.models import find_decoder
    from collagecodec.errors import ModelMismatchError

    reader = Reader(data, strict=False)
    header, name = reader.header, codec_name(reader)
    model: str | None = None
    if any(header.fingerprint):
        try:
            model = find_decoder(header.fingerprint.hex()).parent.name
        except ModelMismatchError:
            model = None
    return Info(
        width=header.width,
        height=header.height,
        mode=MODES[header.channels - 1],
        bit_depth=header.bit_depth,
        codec=name,
        model=model,
        fingerprint=header.fingerprint.hex(),
        step=int.from_bytes(header.params, "little") / 64 if name == "collage" else None,
        tile_size=header.tile_size,
        tiles=header.tile_count,
        bytes=len(data),
        bpp=8 * len(data) / (header.width * header.height),
        metadata={kind: len(value) for kind, value in reader.metadata.items()},
        format_version=VERSION,
    )


def read(path: str | os.PathLike[str], **options: Any) -> NDArray[np.uint8]:
    """Decode the file at `path`: shape (H, W) for grey, (H, W, C) otherwise, uint8.

    `options` are those of `collagecodec.decode`. Raises what it raises, and OSError if there is no such file.
    """
    picture: NDArray[np.uint8] = decode(load(path), **options)
    return picture


def write(path: str | os.PathLike[str], image: Any, *, force: bool = False, **options: Any) -> int:
    """Encode `image` into the file at `path`; return its size in bytes.

    `image` and `options` are those of `collagecodec.encode`. Nothing is encoded if `path` exists and `force`
    is not set: OutputExistsError.
    """
    with atomic(path, force=force) as partial:
        data = encode(image, **options)
        partial.write_bytes(data)
    return len(data)
