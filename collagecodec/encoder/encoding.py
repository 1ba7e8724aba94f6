"""Encoding a picture at one quantiser step: codes to symbols to tiles to bytes."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bitstream import varint
from bitstream.container import CODEC_IDS, Header, write_to
from bitstream.entropy import encode as encode_symbols
from collagecodec.collage.alpha import pack_alpha
from collagecodec.collage.decoding import Layout
from collagecodec.collage.model import DecoderModel
from collagecodec.collage.parallel import single_threaded_libraries
from collagecodec.collage.quantiser import CODE_UNIT, level_of, multipliers
from collagecodec.encoder.analysis import EncoderModel, Patch, patches

TILE = 1024
"""Side of a tile in pixels."""
CACHED_PIXELS = 2**24
"""Pictures of up to this many pixels keep their planes and linear codes between two steps."""
Progress = Callable[[float], None]


class Source(Protocol):
    """The part of `collagecodec.raster.Source` that encoding uses."""

    @property
    def width(self) -> int: ...  # noqa: D102
    @property
    def height(self) -> int: ...  # noqa: D102
    @property
    def channels(self) -> int: ...  # noqa: D102
    @property
    def metadata(self) -> Mapping[str, bytes]: ...  # noqa: D102

    def rows(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Rows start .. stop - 1, (h, width, channels)."""


Refine = Callable[[Patch, NDArray[np.float32], int], NDArray[np.float32]]


class PictureEncoder:
    """One picture, one model: encodes at any step. `plain` leaves the hypernetwork out (effort 0)."""

    def __init__(
        self, source: Source, model: EncoderModel, plain: bool, progress: Progress | None = None
    ) -> None:
        self.source, self.model, self.plain = source, model, plain
        self.progress = progress or (lambda _: None)
        tiled = max(source.width, source.height) > TILE
        self.header = Header(
            codec=CODEC_IDS["collage"],
            width=source.width,
            height=source.height,
            channels=source.channels,
            tile_size=TILE if tiled else 0,
            fingerprint=bytes.fromhex(model.decoder.fingerprint),
            params=b"\0\0",
        )
        self.layout = Layout(self.header, model.decoder.dictionary.cell)
        self.keep = source.width * source.height <= CACHED_PIXELS
        self._kept: list[Patch] = []
        self._alpha: list[bytes] = []

    def _patches(self) -> Iterable[Patch]:
        if self._kept:
            return self._kept
        found = patches(self.model, self.layout, self.source)
        if self.keep:
            self._kept = list(found)
            return self._kept
        return found

    def _alpha_of(self, tile: int) -> bytes:
        """The packed alpha plane of a tile; packed once, since it does not depend on the step."""
        if not self._alpha:
            for index in range(self.header.tile_count):
                x, y, w, h = self.header.tile_box(index)
                self._alpha.append(pack_alpha(self.source.rows(y, y + h)[:, x : x + w, -1].copy()))
        return self._alpha[tile]

    def tiles(self, units: int) -> Iterator[bytes]:
        """Payloads of all tiles at a stored step."""
        decoder: DecoderModel = self.model.decoder
        steps = (multipliers(units, decoder.gains) / CODE_UNIT).astype(np.float32)
        level = level_of(units)
        active = decoder.luma if self.header.channels <= 2 else np.ones_like(decoder.luma)
        with_alpha = self.header.channels in (2, 4)
        for patch in self._patches():
            codes = self.model.codes(patch, steps, math.log2(units) / 2, self.plain)
            for part in patch.parts:
                wanted = np.rint(codes[part.rows, part.columns]).astype(np.int32)
                _, passes = decoder.prior.encode(wanted, level, active)
                coded = encode_symbols([(s.ravel(), t.ravel()) for s, t in passes], decoder.prior.tables)
                alpha = self._alpha_of(part.tile) if with_alpha else b""
                yield (varint.pack(len(alpha)) + alpha + coded) if with_alpha else coded
                self.progress((part.tile + 1) / self.header.tile_count)

    def encode(self, units: int, metadata: Mapping[str, bytes]) -> bytes:
        """The whole file at a stored step."""
        header = Header(**{**self.header.__dict__, "params": units.to_bytes(2, "little")})
        stream = io.BytesIO()
        with single_threaded_libraries():
            write_to(stream, header, self.tiles(units), metadata)
        return stream.getvalue()
