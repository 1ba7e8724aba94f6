"""The codec `layers`: any number of bands, up to 16 bits, and a bounded error, on top of another codec."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bitstream import varint
from bitstream.container import Header, Reader, write
from collagecodec.codecs.alpha import pack_alpha
from collagecodec.codecs.base import Codec, Progress, Trial
from collagecodec.codecs.layers import residual
from collagecodec.codecs.layers.decoder import Picture
from collagecodec.codecs.layers.format import MAX_BANDS, TYPES, Description, pack, unpack
from collagecodec.codecs.layers.plan import Layers, PlaneSource, plan
from collagecodec.codecs.layers.samples import samples_of
from collagecodec.codecs.rate_control import RateParameter
from collagecodec.errors import LimitError, UnsupportedImageError
from collagecodec.io.opening import as_source
from collagecodec.io.sources import Source, alpha_of, type_of
from collagecodec.sampling.rendering import Rendering, Samples
from collagecodec.sampling.request import Request

NEAR_LOSSLESS_QUALITY = 20.0
"""Quality of the lossy layers below a residual layer, unless the caller wants another."""
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
    number: ClassVar[int] = 7
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

        codec = registry.get(self.base, **json.loads(self.base_settings))
        settings = json.loads(self.base_settings)
        chosen = [name for name in ("quality", "step", "rate") if settings.get(name) is not None]
        if self.max_error is None or chosen or codec.rate_parameter is None:
            return codec
        return codec.at(codec.rate_parameter.code_of_quality(NEAR_LOSSLESS_QUALITY))

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
        """See `Codec.encode_source`."""
        inner = self.inner
        encoder = _Encoder(self, source, metadata, progress)
        if inner.rate_parameter is None or len({*encoder.gains, 1.0}) == 1:
            return encoder.file(
                [inner.encode_source(layer, {}, encoder.report(i)) for i, layer in encoder.layers]
            )
        return self.trials(source, metadata, progress)(_rate_code(inner))

    def trials(self, source: Source, metadata: Mapping[str, bytes], progress: Progress | None = None) -> Trial:
        """See `Codec.trials`."""
        encoder, inner = _Encoder(self, source, metadata, progress), self.inner
        trials = [inner.trials(layer, {}, encoder.report(index)) for index, layer in encoder.layers]
        parameter = inner.rate_parameter
        assert parameter is not None

        def run(code: int) -> bytes:
            codes = [min(max(round(code * gain), parameter.low), parameter.high) for gain in encoder.gains]
            return encoder.file([trial(own) for trial, own in zip(trials, codes, strict=True)])

        return run

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


@dataclass(frozen=True)
class Errors:
    """The errors of the samples with data: their root mean square and the largest, in units of the samples."""

    rmse: float
    largest: int
    peak: int

    @property
    def psnr(self) -> float:
        """PSNR in dB; infinite without loss."""
        return 20 * math.log10(self.peak / self.rmse) if self.rmse else math.inf


def errors(source: Source, data: bytes) -> Errors:
    """Return the errors of a file of layers against its source."""
    reader = Reader(data)
    description = unpack(reader.layers, reader.header)
    bands, total, count, row, largest = len(description.bands), 0.0, 0, 0, 0
    for band in LayeredCodec.rendering(reader, Request()):
        decoded = band.reshape(len(band), source.width, -1)
        original = source.rows(row, row + len(band))
        row += len(band)
        found = original[..., :bands].astype(np.int32) - decoded[..., :bands]
        if description.alpha:
            found = found[original[..., -1] > 0]
        if found.size:
            total += float(np.square(found.astype(np.float64)).sum())
            count, largest = count + found.size, max(largest, int(np.abs(found).max()))
    low, high = min(b.low for b in description.bands), max(b.high for b in description.bands)
    peak = 255 if description.dtype == np.uint8 else max(high - low, 1)
    return Errors(math.sqrt(total / max(count, 1)), largest, peak)


class _Encoder:
    """Makes files of one source from the files of its layers."""

    def __init__(
        self, codec: LayeredCodec, source: Source, metadata: Mapping[str, bytes], progress: Progress | None
    ) -> None:
        self._codec, self._source, self._metadata, self._progress = codec, source, metadata, progress
        self._alpha = alpha_of(source)
        bands = source.channels - self._alpha
        self._plan: Layers = plan(source, bands, self._alpha, transform=codec.transform)
        self.layers = [
            (index, PlaneSource(source, self._plan, group)) for index, group in enumerate(self._plan.groups)
        ]
        self.gains = [min(self._plan.gains[plane] for plane in group) for group in self._plan.groups]

    def report(self, index: int) -> Progress | None:
        """Return the callback of a layer, which reports its share of the whole."""
        progress, count = self._progress, len(self.layers)
        if progress is None:
            return None
        return lambda share, text: progress((index + share) / count, text)

    def file(self, files: list[bytes]) -> bytes:
        """Return the file with the layers of `files`."""
        readers = [Reader(data) for data in files]
        first = readers[0].header
        description = Description(
            type_of(self._source), self._plan.bands, self._alpha, self._codec.max_error,
            tuple(reader.header for reader in readers), self._plan.order, self._plan.transforms,
        )  # fmt: skip
        deep = description.dtype != np.uint8
        header = Header(
            self._codec.number,
            first.width,
            first.height,
            0,
            16 if deep else 8,
            first.tile_size,
            first.fingerprint,
        )
        parts = [[bytes(reader.tile(tile)) for reader in readers] for tile in range(header.tile_count)]
        if self._alpha:
            for tile, part in enumerate(parts):
                part.append(self._alpha_tile(header, tile))
        if self._codec.max_error is not None:
            self._add_residuals(header, description, parts)
        return write(header, [_joined(part) for part in parts], self._metadata, pack(description))

    def _alpha_tile(self, header: Header, tile: int) -> bytes:
        x, y, width, height = header.tile_box(tile)
        alpha = self._source.rows(y, y + height)[:, x : x + width, -1]
        raw = np.ascontiguousarray(alpha).astype(alpha.dtype.newbyteorder("<"))
        planes = raw.view(np.uint8).reshape(height, width, alpha.dtype.itemsize)
        return _joined([pack_alpha(np.ascontiguousarray(plane)) for plane in planes.transpose(2, 0, 1)])

    def _add_residuals(self, header: Header, description: Description, parts: list[list[bytes]]) -> None:
        """Decode the lossy layers row of tiles by row of tiles, and append the residuals to `parts`."""
        lossy = write(header, [_joined(part) for part in parts], {}, pack(replace(description, max_error=None)))
        picture = Picture(Reader(lossy))
        order = np.argsort(description.order)
        side, step = header.tile_size or header.height, 2 * (description.max_error or 0) + 1
        for row, top in enumerate(range(0, header.height, side)):
            height = min(side, header.height - top)
            box = 0, top, header.width, height
            planes = np.concatenate(list(picture._planes(box, box[2:])), axis=1)
            original = self._source.rows(top, top + height)[..., : len(description.bands)]
            errors = original.transpose(2, 0, 1).astype(np.int32) - samples_of(planes, description)
            if self._alpha:
                errors *= self._source.rows(top, top + height)[..., -1] > 0
            quantised = np.sign(errors) * ((np.abs(errors) + step // 2) // step)
            for column, box_tile in self._tiles(header, row):
                part = (slice(None), slice(box_tile[0], box_tile[0] + box_tile[2]))
                tile = row * header.tiles_across + column
                parts[tile].append(
                    residual.encode(
                        [plane[part] for plane in quantised], [planes[plane][part] for plane in order]
                    )
                )

    def _tiles(self, header: Header, row: int) -> Iterator[tuple[int, tuple[int, int, int, int]]]:
        for column in range(header.tiles_across):
            yield column, header.tile_box(row * header.tiles_across + column)


def _joined(parts: list[bytes]) -> bytes:
    return b"".join(varint.pack(len(part)) + part for part in parts)


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
