"""The codec `layers`: any number of bands, up to 16 bits, and a bounded error, on top of another codec."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bitstream.container import Header, Reader
from collagecodec.codecs.base import Codec, Progress, Trial, damaged_area
from collagecodec.codecs.layers.decoder import Picture, memory_needed
from collagecodec.codecs.layers.encoder import NUMBER, Encoder, Middle
from collagecodec.codecs.layers.errors import errors
from collagecodec.codecs.layers.format import MAX_BANDS, TYPES, unpack
from collagecodec.codecs.rate_control import RateParameter
from collagecodec.errors import LimitError, UnsupportedImageError
from collagecodec.io.limits import DEFAULT_LIMITS, Limits
from collagecodec.io.opening import as_source
from collagecodec.io.sources import Source, alpha_of, type_of
from collagecodec.sampling.rendering import Rendering, Samples
from collagecodec.sampling.request import Request

QUALITIES = (10.0, 30.0, 50.0, 65.0, 80.0)
"""Qualities of the lossy layers below a residual layer; the best one for a part of the picture is taken."""
TRIAL_SIDE = 320
"""Side of that part, in the middle of the picture."""
MAX_ERROR = 2**16 - 1


@dataclass(frozen=True)
class LayeredCodec(Codec):
    """Divides a picture into grey and colour layers, which the codec `base` stores. `max_error` adds a layer of
    residuals, so that no sample is further off than that, 0 meaning not at all. `transform` lets bands beside
    red, green and blue be decorrelated. `base_settings` are the settings of `base` as JSON."""

    base: str = "collage"
    base_settings: str = "{}"
    max_error: int | None = None
    transform: bool = True

    name: ClassVar[str] = "layers"
    number: ClassVar[int] = NUMBER
    refused_options: ClassVar[Mapping[str, str]] = {}

    def __post_init__(self) -> None:
        """Raise ValueError for an error out of range or settings that are no JSON object."""
        if self.max_error is not None and not 0 <= self.max_error <= MAX_ERROR:
            raise ValueError(f"a largest error is 0 to {MAX_ERROR}, not {self.max_error}")
        if self.base == self.name or not isinstance(json.loads(self.base_settings), dict):
            raise ValueError("base is the name of another codec, and base_settings a JSON object")

    @classmethod
    def around(cls, codec: Codec, max_error: int | None = None) -> LayeredCodec:
        """Return the codec whose layers `codec` stores."""
        settings = {key: value for key, value in codec.config.items() if key != "name"}
        return cls(codec.name, json.dumps(settings, sort_keys=True), max_error)

    @property
    def inner(self) -> Codec:
        """The codec of the layers."""
        from collagecodec.codecs import registry

        return registry.get(self.base, **json.loads(self.base_settings))

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the codec of the layers."""
        return self.inner.fingerprint

    @property
    def rate_parameter(self) -> RateParameter | None:
        """That of the codec of the layers."""
        return self.inner.rate_parameter

    def at(self, code: int) -> LayeredCodec:
        """See `Codec.at`."""
        return replace(self.around(self.inner.at(code), self.max_error), transform=self.transform)

    @property
    def draft(self) -> LayeredCodec:
        """This codec around the draft of the codec of the layers."""
        return replace(self.around(self.inner.draft, self.max_error), transform=self.transform)

    def encode(self, image: NDArray[Any], progress: Progress | None = None) -> bytes:
        """Return the complete file of an array (H, W) or (H, W, bands), uint8, uint16 or int16."""
        return self.encode_target(as_source(image), {}, None, progress)

    def check_source(self, source: Source) -> None:
        """See `Codec.check_source`."""
        if type_of(source) not in TYPES:
            raise UnsupportedImageError(
                f"samples of type {type_of(source)} cannot be stored: scale them to 8 bits with to_8bit=True "
                "(--to-8bit)"
            )
        if source.channels - alpha_of(source) > MAX_BANDS:
            raise LimitError(f"a file holds up to {MAX_BANDS} bands, and the picture has {source.channels}")

    def encode_source(
        self, source: Source, metadata: Mapping[str, bytes], progress: Progress | None = None
    ) -> bytes:
        """See `Codec.encode_source`. Below residuals, a quality that nobody set is chosen by trials."""
        inner = self.inner
        if self.max_error is not None and inner.rate_parameter is not None and not self._has_quality:
            return self._at_best_quality(source).encode_source(source, metadata, progress)
        encoder = Encoder(self.max_error, self.transform, source, metadata, progress)
        if inner.rate_parameter is None or len({*encoder.gains, 1.0}) == 1:
            return encoder.file(
                [inner.encode_source(layer, {}, encoder.report(i)) for i, layer in encoder.layers]
            )
        return self.trials(source, metadata, progress)(_rate_code(inner))

    @property
    def _has_quality(self) -> bool:
        settings = json.loads(self.base_settings)
        return any(settings.get(name) is not None for name in ("quality", "step", "rate"))

    def _at_best_quality(self, source: Source) -> LayeredCodec:
        """Return this codec at the quality that makes the middle of the picture smallest."""
        trial = self.draft.trials(Middle(source, TRIAL_SIDE), {})
        assert self.rate_parameter is not None
        codes = [self.rate_parameter.code_of_quality(quality) for quality in QUALITIES]
        return self.at(min(codes, key=lambda code: len(trial(code))))

    def trials(self, source: Source, metadata: Mapping[str, bytes], progress: Progress | None = None) -> Trial:
        """See `Codec.trials`."""
        encoder, inner = Encoder(self.max_error, self.transform, source, metadata, progress), self.inner
        trials = [inner.trials(layer, {}, encoder.report(index)) for index, layer in encoder.layers]
        parameter = inner.rate_parameter
        assert parameter is not None

        def run(code: int) -> bytes:
            codes = [min(max(round(code * gain), parameter.low), parameter.high) for gain in encoder.gains]
            return encoder.file([trial(own) for trial, own in zip(trials, codes, strict=True)])

        return run

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
        """See `Codec.rendering`. Four bands count as one pixel."""
        from collagecodec.codecs import registry

        cls.check_header(reader.header)
        description = unpack(reader.layers, reader.header)
        width, height = request.resolve(reader.header.width, reader.header.height)[1]
        limits.check_pixels(0, (width, height * -(-description.channels // 4)))
        limits.check_memory(memory_needed(description, reader.header, request, fast))
        rendering = super().rendering(reader, request, fast=fast, tolerate_damage=tolerate_damage, limits=limits)
        reach = max((registry.class_of(group).reach(group) for group in description.groups), default=0)
        rendering.area_of = partial(damaged_area, reader.header, reach)
        return rendering

    @classmethod
    def open(
        cls, reader: Reader, request: Request, *, fast: bool = False, tolerate_damage: bool = False
    ) -> Rendering:
        """See `Codec.open`."""
        return Picture(reader, tolerate_damage, fast).render(request)

    @classmethod
    def samples(cls, reader: Reader) -> Samples:
        """See `Codec.samples`."""
        description = unpack(reader.layers, reader.header)
        return Samples(
            description.channels, description.alpha, np.dtype(description.dtype), description.max_error
        )

    @classmethod
    def check_header(cls, header: Header) -> None:
        """See `Codec.check_header`; the layers say how many channels there are."""
        super().check_header(replace(header, channels=1, bit_depth=8))

    @classmethod
    def psnr(cls, source: Source, data: bytes) -> float:
        """Return the PSNR over samples with data; the peak is 255 for 8 bits, else the range of the samples."""
        return errors(source, data).psnr


def _rate_code(codec: Codec) -> int:
    """Return the rate code at which a codec stands: the one whose value its setting has."""
    parameter = codec.rate_parameter
    assert parameter is not None
    value = getattr(codec, parameter.name, None)
    if value is None:
        quality = getattr(codec, "quality", None)
        return parameter.code_of_quality(60.0 if quality is None else quality)
    return min(
        range(parameter.low, parameter.high + 1), key=lambda code: abs(float(parameter.value(code)) - value)
    )
