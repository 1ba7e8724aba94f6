"""`collage-paper`: the Neural Collage of Poli et al. 2022 on 40x40 blocks, for reproducing their table.

Codes have a fixed width and are not entropy coded; the default codec is `collage`. A block takes 26 or 62 bytes,
so any block of a tile can be read on its own. Blocks do not overlap, so block edges are visible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from bitstream.container import Header, Reader, write
from collagecodec.codecs.base import Codec, Progress
from collagecodec.codecs.models import current
from collagecodec.codecs.paper.decoder import BLOCK, CHANNELS, RATES
from collagecodec.codecs.paper.rendering import Picture, working_bytes
from collagecodec.codecs.rate_control import ChoiceParameter
from collagecodec.errors import MissingLibraryError
from collagecodec.operator.blocks import BlockGrid
from collagecodec.sampling.rendering import Rendering
from collagecodec.sampling.request import Request

if TYPE_CHECKING:
    from collagecodec.io.sources import Source
    from collagecodec.operator.collage import Collage

TILE = 32 * BLOCK
"""The side of a tile in pixels."""
RATE = ChoiceParameter("rate", tuple(sorted(RATES, reverse=True)))


@dataclass(frozen=True)
class PaperCollageCodec(Codec):
    """`rate` is 0.13 or 0.31 bits per pixel, the rates of the paper's table; both use the same model. `model` is
    the name of an installed model."""

    rate: float = 0.31
    model: str = "paper"

    name: ClassVar[str] = "collage-paper"
    number: ClassVar[int] = 2
    refused_options: ClassVar[Mapping[str, str]] = MappingProxyType({"fast": Codec.refused_options["fast"]})

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown rate."""
        if self.rate not in RATES:
            raise ValueError(f"the rates are {' and '.join(map(str, RATES))} bits per pixel, not {self.rate}")

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the model's newest decoder."""
        return current(self.model)[1]

    @property
    def rate_parameter(self) -> ChoiceParameter:
        """The rate."""
        return RATE

    def encode_source(
        self, source: Source, metadata: Mapping[str, bytes], progress: Progress | None = None
    ) -> bytes:
        """See `Codec.encode_source`. Grey pictures are coded as three equal channels."""
        try:
            from collagecodec.codecs.paper.encoder import load_paper_encoder
        except ModuleNotFoundError as error:
            raise MissingLibraryError(
                f"encoding with collage-paper needs PyTorch ({error}): pip install 'collagecodec[train]'"
            ) from error

        encoder = load_paper_encoder(self.model)
        rate = RATES.index(self.rate)
        header = self.header_for(
            source,
            bytes([rate]),
            tile_size=TILE if max(source.width, source.height) > TILE else 0,
            fingerprint=bytes.fromhex(encoder.decoder.fingerprint),
        )
        payloads = []
        for tile in range(header.tile_count):
            x, y, w, h = header.tile_box(tile)
            if tile % header.tiles_across == 0:
                rows = source.rows(y, y + h)
            pixels = np.broadcast_to(rows[:, x : x + w], (h, w, CHANNELS))
            blocks = BlockGrid(h, w, BLOCK).split(pixels)
            payloads.append(encoder.decoder.pack(encoder.symbols(blocks, rate), rate))
            if progress is not None:
                progress((tile + 1) / header.tile_count, "")
        return write(header, payloads, metadata)

    @classmethod
    def open(
        cls, reader: Reader, request: Request, *, fast: bool = False, tolerate_damage: bool = False
    ) -> Rendering:
        """See `Codec.open`. Only the blocks of the region are decoded, at the requested size.

        Multiples of 1/20 up to 8 are natural scales; others are resampled from the next larger one.
        """
        return Picture(reader, tolerate_damage).rendering(request)

    @classmethod
    def working_bytes(cls, header: Header, request: Request, *, fast: bool = False) -> int:
        """See `Codec.working_bytes`."""
        return working_bytes(header, request)

    @classmethod
    def collages(cls, reader: Reader) -> tuple[Collage, ...]:
        """See `Codec.collages`. There is a single map, in RGB levels around 0, with its blocks row by row.

        It leaves out the decoder's rounding to 1/16 level after each iteration, so its fixed point differs from
        the decoded picture by that rounding.
        """
        from collagecodec.operator.collage import Collage

        picture = Picture(reader)
        symbols = picture.model.unpack(picture.codes(), picture.rate)
        return (Collage("RGB", picture.model.operator, picture.model.code(symbols, picture.rate)),)
