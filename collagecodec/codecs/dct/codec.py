"""`dct`: block-DCT, the collage without domains. Range cells of 8x8 or 16x16, auxiliary domains the cosines.

The code is found by projection, since the cosines are orthonormal, and quantised with one `step`. Two codings
tell the gain of the transform from that of the entropy coder: `fixed`, the accounting of Poli et al. 2022, in
which every coefficient has a fixed number of bits, and `entropy`.

Colours are JFIF's Y, Cb, Cr at full resolution. Everything that decoding adds up is a multiple of 2^-20 below
2^25: float64 is exact, and the pixels are the same on every machine, at every size.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from bitstream.container import CODEC_IDS, Header, Reader, write
from collagecodec.codecs.base import Codec
from collagecodec.codecs.dct import entropy, fixed
from collagecodec.codecs.dct.atoms import cosines
from collagecodec.codecs.dct.rendering import LEVEL_UNIT, Levels, View, code_of, operator_of
from collagecodec.errors import FormatError, LimitError, UnsupportedImageError
from collagecodec.operator.blocks import BlockGrid
from collagecodec.sampling.colour import ycbcr
from collagecodec.sampling.request import Image8, Region, Request

if TYPE_CHECKING:
    from collagecodec.operator.collage import Collage

STEP_UNIT = LEVEL_UNIT
"""Steps are multiples of 1/16 level, up to 4095."""
MAX_PIXELS = 2**28
_CODINGS = {"entropy": entropy, "fixed": fixed}
_CELLS = (8, 16)


@dataclass(frozen=True)
class DctCodec(Codec):
    """`step` in pixel levels, 1/16 to 4095: coarser is smaller; `cell` 8 or 16; `coding` as above."""

    step: float = 32.0
    cell: int = 8
    coding: Literal["entropy", "fixed"] = "entropy"

    name: ClassVar[str] = "dct"
    rescales: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """ValueError for a setting out of range."""
        if self.cell not in _CELLS:
            raise ValueError(f"cells are 8 or 16 pixels a side, not {self.cell}")
        if self.coding not in _CODINGS:
            raise ValueError(f"codings are {' and '.join(_CODINGS)}, not {self.coding!r}")
        if not 1 <= round(self.step * STEP_UNIT) < 2**16:
            raise ValueError(f"a step is 1/16 to 4095 levels, not {self.step}")

    def encode(self, image: Image8) -> bytes:
        """See `Codec.encode`; grey (H, W) and RGB (H, W, 3)."""
        planes = _planes(image)
        grid = BlockGrid(planes.shape[0], planes.shape[1], self.cell)
        blocks = grid.split(planes)
        atoms = cosines(self.cell).reshape(self.cell**2, -1)
        coefficients = blocks.reshape(*blocks.shape[:2], -1) @ atoms.T
        units = round(self.step * STEP_UNIT)
        payload = _CODINGS[self.coding].pack(coefficients * STEP_UNIT, units, grid.columns)
        header = Header(
            codec=CODEC_IDS[self.name],
            width=image.shape[1],
            height=image.shape[0],
            channels=planes.shape[2],
            params=bytes((self.cell, list(_CODINGS).index(self.coding))) + units.to_bytes(2, "little"),
        )
        return write(header, [payload])

    def decode(
        self,
        data: bytes,
        *,
        scale: float = 1,
        size: tuple[int, int] | None = None,
        region: Region | None = None,
    ) -> Image8:
        """See `Codec.decode`; only the blocks of the region are rendered, at the size that is asked for.

        Multiples of 1/cell up to 1 are natural scales; others are resampled from the next larger one, or from 1.
        """
        reader = Reader(data)
        view = View.of(_grid(reader.header), Request(Fraction(scale).limit_denominator(4096), size, region))
        return view.pixels(_levels(reader))

    @classmethod
    def collages(cls, data: bytes) -> tuple[Collage, ...]:
        """See `Codec.collages`; one map for the picture with its overhanging blocks, in levels around 0."""
        from collagecodec.operator.collage import Collage

        reader = Reader(data)
        grid, channels = _grid(reader.header), reader.header.channels
        operator = operator_of(grid.size, grid.rows, grid.columns, channels)
        return (Collage("Y" if channels == 1 else "YCbCr", operator, code_of(_levels(reader))),)


def _grid(header: Header) -> BlockGrid:
    """The blocks of a file; FormatError and LimitError as `_params`."""
    return BlockGrid(header.height, header.width, _params(header)[0])


def _levels(reader: Reader) -> Levels:
    """The coefficients of a file, (blocks, channels, V) whole numbers of 1/16 level; FormatError if damaged."""
    cell, coding, units = _params(reader.header)
    grid = _grid(reader.header)
    shape = (grid.count, reader.header.channels, cell**2)
    return coding.unpack(bytes(reader.tile(0)), shape, units, grid.columns)


def _params(header: Header) -> tuple[int, entropy.Coding, int]:
    if header.width * header.height > MAX_PIXELS:
        raise LimitError(f"dct holds whole pictures, up to {MAX_PIXELS} pixels: cut the picture")
    fits = len(header.params) == 4 and header.channels in (1, 3) and header.tile_count == 1
    if header.codec != CODEC_IDS["dct"] or not fits:
        raise FormatError("this is not a picture of the codec 'dct', or its header is damaged")
    cell, number, units = header.params[0], header.params[1], int.from_bytes(header.params[2:], "little")
    if cell not in _CELLS or number >= len(_CODINGS) or units < 1:
        raise FormatError(f"cells of {cell}, coding {number}, step {units}: the header is damaged")
    return cell, list(_CODINGS.values())[number], units


def _planes(image: Image8) -> NDArray[np.float64]:
    """Grey or Y, Cb, Cr levels centred on 0: (H, W, 1 or 3)."""
    grey, colour = image.ndim == 2, image.ndim == 3 and image.shape[2] == 3
    if image.shape[0] * image.shape[1] > MAX_PIXELS:
        raise LimitError(f"dct holds whole pictures, up to {MAX_PIXELS} pixels: cut the picture")
    if image.dtype != np.uint8 or image.size == 0 or not (grey or colour):
        raise UnsupportedImageError(
            f"dct stores grey (H, W) and RGB (H, W, 3) pictures of uint8, not {image.dtype} of {image.shape}"
        )
    return ycbcr(image)
