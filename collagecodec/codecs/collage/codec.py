"""The production codec, `collage`: lapped learned dictionary, hypernetwork encoder, integer prior."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from bitstream.container import Reader
from collagecodec.codecs.base import Codec
from collagecodec.codecs.collage.decoder import Picture
from collagecodec.codecs.collage.model import load_decoder
from collagecodec.codecs.collage.rendering import Rendering
from collagecodec.codecs.models import current
from collagecodec.sampling.request import Image8, Region, Request

if TYPE_CHECKING:
    from collagecodec.codecs.collage.encoder.encoding import PictureEncoder, Source
    from collagecodec.operator.collage import Collage

DEFAULT_QUALITY = 60.0
DEFAULT_EFFORT, MAX_EFFORT = 1, 9


@dataclass(frozen=True)
class CollageCodec(Codec):
    """`quality` 0..100, or one of `bpp` (bits per pixel of the whole file), `psnr` (dB over all colour samples),
    `max_bytes`; `effort` 0 (linear analysis), 1 (hypernetwork) or 2..9 (refinement with PyTorch); `model` by
    name."""

    quality: float | None = None
    bpp: float | None = None
    psnr: float | None = None
    max_bytes: int | None = None
    effort: int = DEFAULT_EFFORT
    model: str = "aerial"

    name: ClassVar[str] = "collage"
    rescales: ClassVar[bool] = True
    keeps_alpha: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """ValueError for more than one target or a setting out of range."""
        if sum(t is not None for t in (self.quality, self.bpp, self.psnr, self.max_bytes)) > 1:
            raise ValueError("give one of quality, bpp, psnr and max_bytes, not several")
        if not 0 <= self.effort <= MAX_EFFORT:
            raise ValueError(f"effort goes from 0 to {MAX_EFFORT}, not {self.effort}")
        for target in (self.bpp, self.psnr, self.max_bytes):
            if target is not None and not 0 < target < math.inf:
                raise ValueError(f"a target must be above 0, not {target}")
        if self.quality is not None and not 0 <= self.quality <= 100:
            raise ValueError(f"quality goes from 0 to 100, not {self.quality}")

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the model's newest decoder."""
        return current(self.model)[1]

    def encode(self, image: Image8) -> bytes:
        """See `Codec.encode`; grey and RGB, with alpha as a last channel."""
        from collagecodec.io.sources import ArraySource

        return self.encode_source(ArraySource(image), {})

    def encode_source(
        self, source: Source, metadata: Mapping[str, bytes], progress: Callable[[float], None] | None = None
    ) -> bytes:
        """Encode a source of rows; `progress` is told the share of tiles done of every trial."""
        from collagecodec.codecs.collage.encoder.analysis import load_encoder
        from collagecodec.codecs.collage.encoder.encoding import PictureEncoder
        from collagecodec.codecs.rate_control import psnr_search, size_search, step_of_quality

        model = load_encoder(self.model)
        encoder = PictureEncoder(source, model, self.effort, progress)
        if self.psnr is not None:
            search, figure = psnr_search(self.psnr), _with_psnr
        elif self.bpp is not None or self.max_bytes is not None:
            limit = self.max_bytes or int((self.bpp or 0) * source.width * source.height / 8)
            search, figure = size_search(limit), _with_size
        else:
            quality = DEFAULT_QUALITY if self.quality is None else self.quality
            return encoder.encode(step_of_quality(quality), metadata)
        if self.effort <= DEFAULT_EFFORT:
            return search.run(lambda units: figure(encoder, units, metadata))[1]
        # A refinement moves size and PSNR by little: the search begins where one without it ends.
        draft = PictureEncoder(source, model, DEFAULT_EFFORT)
        start, _ = search.run(lambda units: figure(draft, units, metadata))
        return search.run(lambda units: figure(encoder, units, metadata), start)[1]

    def decode(
        self,
        data: bytes,
        *,
        scale: float = 1,
        size: tuple[int, int] | None = None,
        region: Region | None = None,
    ) -> Image8:
        """See `Codec.decode`."""
        return gather(
            open_rendering(Reader(data), Request(Fraction(scale).limit_denominator(4096), size, region))
        )

    @classmethod
    def collages(cls, data: bytes) -> tuple[Collage, ...]:
        """See `Codec.collages`."""
        from collagecodec.codecs.collage.view import collages

        return collages(open_rendering(Reader(data), Request()).picture)


def open_rendering(
    reader: Reader, request: Request, *, fast: bool = False, tolerate_damage: bool = False
) -> Rendering:
    """A rendering of a parsed file; ModelMismatchError if its model is not installed."""
    model = load_decoder(reader.header.fingerprint.hex())
    return Rendering(Picture(reader, model, tolerate_damage), request, fast)


def gather(rendering: Rendering) -> Image8:
    """All bands of a rendering as one array: (H, W) for grey, (H, W, C) otherwise."""
    shape = (rendering.height, rendering.width)
    pixels = np.empty(shape if rendering.channels == 1 else (*shape, rendering.channels), np.uint8)
    done = 0
    for band in rendering:
        pixels[done : done + len(band)] = band
        done += len(band)
    assert done == rendering.height
    return pixels


def _with_size(encoder: PictureEncoder, units: int, metadata: Mapping[str, bytes]) -> tuple[bytes, float]:
    data = encoder.encode(units, metadata)
    return data, math.log(len(data))


def _with_psnr(encoder: PictureEncoder, units: int, metadata: Mapping[str, bytes]) -> tuple[bytes, float]:
    """The file and its PSNR over the colour samples, measured on the decoded picture."""
    data = encoder.encode(units, metadata)
    source, total, row = encoder.source, 0, 0
    for band in open_rendering(Reader(data), Request()):
        original = source.rows(row, row + len(band))
        decoded = band if band.ndim == 3 else band[..., None]
        colours = 1 if source.channels <= 2 else 3
        difference = original[..., :colours].astype(np.int32) - decoded[..., :colours]
        total += int((difference * difference).sum())
        row += len(band)
    mean = total / (source.width * source.height * (1 if source.channels <= 2 else 3))
    return data, 10 * math.log10(255**2 / mean) if mean else math.inf
