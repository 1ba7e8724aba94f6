"""The contract of a codec: pictures in, real bytes out, pictures back.

    ArrayCodec   arrays to bytes and back; the evaluation harness needs no more, so baselines are ArrayCodecs
    └── Codec    codecs of `.clg` files: read sources of rows, write a container, render any size of any region

A codec is a value: codecs with equal configurations are equal, and the repr of a codec is the expression that
creates it. The configuration consists of the dataclass fields and round-trips through `config` and JSON. (Codecs
as values are an idea of numcodecs.)
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from bitstream.container import Reader
from bitstream.header import MAX_PIXELS, NO_FINGERPRINT, PRIVATE_NUMBERS, Header
from bitstream.rounding import check_rounding
from collagecodec.codecs.boundary import guarded, project_errors
from collagecodec.codecs.rate_control import RateParameter, Target, psnr_search, size_search
from collagecodec.errors import CollageError, FormatError, LimitError, UnsupportedImageError
from collagecodec.io.limits import DEFAULT_LIMITS, UNLIMITED, Limits
from collagecodec.io.picture import MODES, squeeze
from collagecodec.io.roi import RoiSource
from collagecodec.io.sources import ArraySource, Source
from collagecodec.sampling.rendering import Rendering, Samples
from collagecodec.sampling.request import Image8, Region, Request, Scale, Size

if TYPE_CHECKING:
    from collagecodec.operator.collage import Collage

Progress = Callable[[float, str], None]
"""Callback with the share of the work done, 0..1, and a short, possibly empty text such as the current PSNR."""
Trial = Callable[[int], bytes]
"""Encodes a fixed source at a rate code and returns the complete file."""


class NoCollageError(CollageError, ValueError):
    """The codec of the file stores no contractive map."""


@dataclass(frozen=True)
class ArrayCodec(ABC):
    """Abstract base of every codec that the harness measures.

    A subclass is a frozen dataclass that sets `name`; its fields are its settings. Pictures are `uint8` arrays of
    shape (H, W) for grey or (H, W, 3) for sRGB.

    The law: `decode(encode(x))` has the shape of `x`, and the bytes that `encode` returns contain everything that
    `decode` needs to know about this picture. Tables shared by all pictures (a model) are named by `fingerprint`.
    """

    name: ClassVar[str]

    @abstractmethod
    def encode(self, image: Image8) -> bytes:
        """Return the complete file for `image`."""

    @abstractmethod
    def decode(self, data: bytes) -> Image8:
        """Return the picture."""

    @property
    def fingerprint(self) -> str:
        """The hexadecimal digest of the learned tables that `decode` needs beside the file; '' without tables."""
        return ""

    @property
    def config(self) -> dict[str, Any]:
        """The name and the settings as JSON values, from which `registry.from_config` creates an equal codec."""
        return {"name": self.name, **dataclasses.asdict(self)}


@dataclass(frozen=True)
class Codec(ArrayCodec):
    """Abstract base of the codecs of `.clg` files.

    A subclass sets `name` and `number` and implements `encode_source` and `open`. This class checks pictures,
    requests and options, searches for a size or a PSNR, and converts from and to arrays.
    """

    number: ClassVar[int]
    """The codec number in the header; 240 .. 255 for codecs of other packages (FORMAT.md, 2.3)."""
    channels: ClassVar[tuple[int, ...]] = (1, 3)
    """The channel counts that can be stored: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA."""
    max_pixels: ClassVar[int] = MAX_PIXELS
    """The largest width * height that can be stored."""
    takes_regions: ClassVar[bool] = False
    """Whether a region of interest may have a quality of its own (`io.roi.RoiSource`)."""
    refused_options: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "fast": "it has no restoration that could be left out",
            "tolerate_damage": "its files have a single tile, beside which nothing is left",
        }
    )
    """The decoding options that this codec does not support, and why."""

    @abstractmethod
    def encode_source(
        self, source: Source, metadata: Mapping[str, bytes], progress: Progress | None = None
    ) -> bytes:
        """Return the complete file of a source that `check_source` accepts, at the settings of this codec.

        `metadata` maps 'icc', 'exif', 'xmp', 'geo' to bytes and is written to the file; `source.metadata` is
        ignored. A codec that takes more than a second calls `progress` from time to time.
        """

    @classmethod
    @abstractmethod
    def open(
        cls, reader: Reader, request: Request, *, fast: bool = False, tolerate_damage: bool = False
    ) -> Rendering:
        """Return the rendering of a file of this codec, decoding only what the request needs.

        `fast` and `tolerate_damage` are set only if the codec does not refuse them. Raises FormatError,
        LimitError and ModelMismatchError; a damaged tile may raise DamagedTileError later, during iteration.
        """

    @property
    def rate_parameter(self) -> RateParameter | None:
        """The setting that a search for a size or a PSNR changes; None if the codec has no rate setting."""
        return None

    def at(self, code: int) -> Self:
        """Return this codec with its rate parameter at a rate code."""
        assert self.rate_parameter is not None
        return replace(self, **{self.rate_parameter.name: self.rate_parameter.value(code)})

    @property
    def draft(self) -> Self:
        """A faster codec of similar size and PSNR, with which a search starts; by default the codec itself."""
        return self

    def trials(self, source: Source, metadata: Mapping[str, bytes], progress: Progress | None = None) -> Trial:
        """Return a function that encodes a source at any rate code.

        A codec that can share work between rate codes overrides this method.
        """
        return lambda code: self.at(code).encode_source(source, metadata, progress)

    @classmethod
    def collages(cls, reader: Reader) -> tuple[Collage, ...]:
        """Return the contractive maps of a file of this codec; NoCollageError if the codec is not a collage."""
        raise NoCollageError(f"the codec {cls.name!r} stores no contractive map")

    @classmethod
    def samples(cls, reader: Reader) -> Samples:
        """Return what the channels of a file of this codec are."""
        return Samples(reader.header.channels, reader.header.channels in (2, 4))

    @classmethod
    def step_of(cls, header: Header) -> float | None:
        """Return the quantiser step of a file in pixel levels; None if the codec has no step."""
        return None

    def encode(self, image: Image8, progress: Progress | None = None) -> bytes:
        """Return the complete file for uint8 pixels, (H, W) or (H, W, C); UnsupportedImageError, LimitError."""
        return self.encode_target(ArraySource(image), {}, None, progress)

    def decode(
        self, data: bytes, *, scale: Scale = 1, size: Size | None = None, region: Region | None = None,
        fast: bool = False, tolerate_damage: bool = False, limits: Limits = DEFAULT_LIMITS,
    ) -> Image8:  # fmt: skip
        """Return the picture; see `collagecodec.decode`."""
        reader = limits.reader(data, strict=not tolerate_damage)
        request = Request.of(scale, size, region)
        options = {"fast": fast, "tolerate_damage": tolerate_damage}
        return self.rendering(reader, request, **options, limits=limits).gather()

    @classmethod
    def rendering(
        cls,
        reader: Reader,
        request: Request,
        *,
        fast: bool = False,
        tolerate_damage: bool = False,
        limits: Limits = DEFAULT_LIMITS,
    ) -> Rendering:
        """Check the header, the options and the limits, then `open` the file.

        Raises what `open` raises, and ValueError for a refused option or an invalid request. Whatever else a file
        provokes, here or while the bands are computed, becomes a FormatError or a LimitError.
        """
        header = reader.header
        check_rounding()
        cls.check_header(header)
        for option, requested in (("fast", fast), ("tolerate_damage", tolerate_damage)):
            if requested and option in cls.refused_options:
                reason = cls.refused_options[option]
                raise ValueError(f"{option} is not for files of the codec {cls.name!r}: {reason}; leave it out")
        size = request.resolve(header.width, header.height)[1]
        with project_errors():
            limits.check_pixels(cls.decoded_pixels(header, request), size)
            limits.check_memory(cls.working_bytes(header, request, fast=fast))
            rendering = cls.open(reader, request, fast=fast, tolerate_damage=tolerate_damage)
        rendering.bands = guarded(rendering.bands)
        rendering.area_of = partial(damaged_area, header, cls.reach(header))
        return rendering

    @classmethod
    def reach(cls, header: Header) -> int:
        """Return how many pixels beyond a tile its codes change, at scale 1."""
        return 0

    @classmethod
    def decoded_pixels(cls, header: Header, request: Request) -> int:
        """Return the pixels of the stored picture that have to be decoded: those of the tiles of the region."""
        (x, y, w, h), _ = request.resolve(header.width, header.height)
        side = header.tile_size or max(header.width, header.height)
        rows, columns = header.tile_rows(y, h), header.tile_columns(x, w)
        down = min(rows.stop * side, header.height) - rows.start * side
        across = min(columns.stop * side, header.width) - columns.start * side
        return down * across

    @classmethod
    def working_bytes(cls, header: Header, request: Request, *, fast: bool = False) -> int:
        """Return an upper bound of the memory that rendering a valid request takes, beside file and output.

        It is compared with `Limits.working_bytes` before the file is opened. A codec that overrides it must not
        allocate in proportion to the header. The default, 0, is for codecs whose memory follows the output.
        """
        return 0

    def encode_target(
        self,
        source: Source,
        metadata: Mapping[str, bytes],
        target: Target | None = None,
        progress: Progress | None = None,
    ) -> bytes:
        """Return the file that meets `target`, or the file at the codec's settings if `target` is None.

        Raises UnsupportedImageError and LimitError for a source that cannot be stored, LimitError for a target
        out of reach, and ValueError for a codec without a rate parameter.
        """
        check_rounding()
        self.check_source(source)
        if target is None:
            return self.encode_source(source, metadata, progress)
        parameter = self.rate_parameter
        if parameter is None:
            raise ValueError(
                f"{self.name} with these settings has no parameter that a quality, a size or a PSNR could steer: "
                f"'collage codecs {self.name}' lists the settings that decide its rate"
            )
        if target.quality is not None:
            return self.at(parameter.code_of_quality(target.quality)).encode_source(source, metadata, progress)
        return self._search(parameter, source, metadata, target, progress)

    def _search(
        self,
        parameter: RateParameter,
        source: Source,
        metadata: Mapping[str, bytes],
        target: Target,
        progress: Progress | None,
    ) -> bytes:
        if target.psnr is not None:
            search = psnr_search(parameter, target.psnr)
        else:
            pixels = source.width * source.height
            search = size_search(parameter, target.max_bytes or int((target.bpp or 0) * pixels / 8))

        def run(codec: Codec, start: int | None, report: Progress | None) -> tuple[int, bytes]:
            trial = codec.trials(source, metadata, report)

            def measure(code: int) -> tuple[bytes, float]:
                data = trial(code)
                return data, math.log(len(data)) if target.psnr is None else codec.psnr(source, data)

            return search.run(measure, start)

        start = None if self.draft == self else run(self.draft, None, None)[0]
        return run(self, start, progress)[1]

    @classmethod
    def psnr(cls, source: Source, data: bytes) -> float:
        """Return the PSNR in dB of a file against its source, over the colour samples; infinite if lossless."""
        colours = 3 if source.channels > 2 else 1
        total, row = 0, 0
        for band in cls.rendering(Reader(data), Request(), limits=UNLIMITED):
            decoded = band.reshape(len(band), source.width, -1)[..., :colours]
            original = source.rows(row, row + len(band))[..., :colours]
            total += int(np.square(original.astype(np.int32) - decoded).sum(dtype=np.int64))
            row += len(band)
        samples = source.width * source.height * colours
        return 10 * math.log10(255**2 * samples / total) if total else math.inf

    def check_source(self, source: Source) -> None:
        """Raise UnsupportedImageError for unsupported channels and LimitError for a picture that is too large.

        Raises ValueError for a region of interest if the codec takes none.
        """
        if isinstance(source, RoiSource) and not self.takes_regions:
            raise ValueError(
                f"{self.name} has one quality for the whole picture: leave the region of interest out"
            )
        if source.channels not in self.channels:
            mode = MODES[source.channels - 1]
            fits = [MODES[count - 1] for count in self.channels]
            raise UnsupportedImageError(
                f"{self.name} stores {' and '.join(fits)}, and the picture is {mode}: convert it to "
                f"{mode.rstrip('A') if mode.rstrip('A') in fits else fits[-1]}, or use the codec 'collage'"
            )
        if source.width * source.height > self.max_pixels:
            raise LimitError(
                f"{self.name} holds up to {self.max_pixels} pixels, and the picture has "
                f"{source.width}x{source.height}: cut it, or use the codec 'collage'"
            )

    def header_for(
        self, source: Source, params: bytes = b"", *, tile_size: int = 0, fingerprint: bytes = NO_FINGERPRINT
    ) -> Header:
        """Return the header of a file of this codec; `params` are the codec-specific parameter bytes."""
        return Header(
            codec=self.number,
            width=source.width,
            height=source.height,
            channels=source.channels,
            tile_size=tile_size,
            fingerprint=fingerprint,
            params=_signature(type(self)) + params,
        )

    @classmethod
    def params_of(cls, header: Header) -> bytes:
        """Return the codec-specific parameter bytes of a header: the `params` passed to `header_for`."""
        return header.params[len(_signature(cls)) :]

    @classmethod
    def check_header(cls, header: Header) -> None:
        """Raise FormatError if a file belongs to another codec, LimitError if its picture is too large."""
        if header.codec != cls.number or not header.params.startswith(_signature(cls)):
            raise FormatError(f"the file was written by codec {header.codec}, not by {cls.name!r}")
        if header.channels not in cls.channels:
            raise FormatError(f"{cls.name} stores no {MODES[header.channels - 1]}: the header is damaged")
        if header.width * header.height > cls.max_pixels:
            raise LimitError(
                f"{cls.name} holds up to {cls.max_pixels} pixels, and the header gives "
                f"{header.width}x{header.height}"
            )


def _signature(codec: type[Codec]) -> bytes:
    """Return the prefix of a private codec's parameters: a length byte and the name; empty for other codecs."""
    if codec.number not in PRIVATE_NUMBERS:
        return b""
    name = codec.name.encode()
    return bytes([len(name)]) + name


def damaged_area(header: Header, reach: int, tile: int) -> Region:
    """Return a tile (x, y, width, height) in pixels and `reach` pixels around it, within the picture."""
    x, y, width, height = header.tile_box(tile)
    left, top = max(x - reach, 0), max(y - reach, 0)
    right, bottom = min(x + width + reach, header.width), min(y + height + reach, header.height)
    return left, top, right - left, bottom - top


def whole_picture(source: Source) -> Image8:
    """Read all rows of a source: (H, W) for grey, (H, W, C) otherwise."""
    return squeeze(source.rows(0, source.height))
