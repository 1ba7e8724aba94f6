"""`dct`: a block DCT, written as a collage without domain cells.

Range cells are 8x8 or 16x16 pixels and the auxiliary domains are cosines. Since the cosines are orthonormal, the
code is the projection onto them, quantised with a uniform `step`. The two codings separate the gain of the
transform from that of the entropy coder: `fixed` gives every coefficient a fixed number of bits, as Poli et al.
2022 count them, and `entropy` entropy codes them.

Colours are JFIF's Y, Cb, Cr at full resolution. All terms that the decoder sums are multiples of 2^-20 below
2^25, so float64 is exact and the pixels are the same on every machine, at every size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from bitstream.container import Header, Reader, write
from collagecodec.codecs.base import Codec, Progress, whole_picture
from collagecodec.codecs.dct import entropy, fixed
from collagecodec.codecs.dct.atoms import cosines
from collagecodec.codecs.dct.rendering import LEVEL_UNIT, Levels, View, code_of, operator_of, working_bytes
from collagecodec.codecs.rate_control import StepParameter
from collagecodec.errors import FormatError
from collagecodec.operator.blocks import BlockGrid
from collagecodec.sampling.colour import ycbcr
from collagecodec.sampling.rendering import Rendering
from collagecodec.sampling.request import Request

if TYPE_CHECKING:
    from collagecodec.io.sources import Source
    from collagecodec.operator.collage import Collage

STEP_UNIT = LEVEL_UNIT
"""Steps are multiples of 1/16 level, up to 4095."""
STEP = StepParameter(STEP_UNIT, low=1, high=2**16 - 1)
_CODINGS = {"entropy": entropy, "fixed": fixed}
_CELLS = (8, 16)


@dataclass(frozen=True)
class DctCodec(Codec):
    """`step` is in pixel levels, 1/16 to 4095; coarser steps give smaller files. `cell` is 8 or 16 pixels.
    `coding` is entropy, or fixed for a fixed number of bits per coefficient."""

    step: float = 32.0
    cell: int = 8
    coding: Literal["entropy", "fixed"] = "entropy"

    name: ClassVar[str] = "dct"
    number: ClassVar[int] = 3
    max_pixels: ClassVar[int] = 2**28

    def __post_init__(self) -> None:
        """Raise ValueError for a setting out of range."""
        if self.cell not in _CELLS:
            raise ValueError(f"cells are 8 or 16 pixels a side, not {self.cell}")
        if self.coding not in _CODINGS:
            raise ValueError(f"codings are {' and '.join(_CODINGS)}, not {self.coding!r}")
        if not 1 <= round(self.step * STEP_UNIT) < 2**16:
            raise ValueError(f"a step is 1/16 to 4095 levels, not {self.step}")

    @property
    def rate_parameter(self) -> StepParameter:
        """The quantiser step, in both codings."""
        return STEP

    def encode_source(
        self, source: Source, metadata: Mapping[str, bytes], progress: Progress | None = None
    ) -> bytes:
        """See `Codec.encode_source`."""
        planes = ycbcr(whole_picture(source))
        grid = BlockGrid(source.height, source.width, self.cell)
        blocks = grid.split(planes)
        atoms = cosines(self.cell).reshape(self.cell**2, -1)
        coefficients = blocks.reshape(*blocks.shape[:2], -1) @ atoms.T
        step_code = round(self.step * STEP_UNIT)
        payload = _CODINGS[self.coding].pack(coefficients * STEP_UNIT, step_code, grid.columns)
        params = bytes((self.cell, list(_CODINGS).index(self.coding))) + step_code.to_bytes(2, "little")
        return write(self.header_for(source, params), [payload], metadata)

    @classmethod
    def open(
        cls, reader: Reader, request: Request, *, fast: bool = False, tolerate_damage: bool = False
    ) -> Rendering:
        """See `Codec.open`. Only the blocks of the region are rendered, at the requested size.

        Multiples of 1/cell up to 1 are natural scales; other scales are resampled from the next larger natural
        scale, or from 1.
        """
        view = View.of(_grid(reader.header), request)
        return view.rendering(reader.header.channels, lambda: _levels(reader))

    @classmethod
    def working_bytes(cls, header: Header, request: Request, *, fast: bool = False) -> int:
        """See `Codec.working_bytes`. All coefficients are decoded, whatever the region."""
        return working_bytes(_grid(header), header.channels, request)

    @classmethod
    def collages(cls, reader: Reader) -> tuple[Collage, ...]:
        """See `Codec.collages`. The only map holds levels around 0 of the picture padded to full blocks."""
        from collagecodec.operator.collage import Collage

        grid, channels = _grid(reader.header), reader.header.channels
        operator = operator_of(grid.size, grid.rows, grid.columns, channels)
        return (Collage("Y" if channels == 1 else "YCbCr", operator, code_of(_levels(reader))),)

    @classmethod
    def step_of(cls, header: Header) -> float:
        """See `Codec.step_of`."""
        return _params(header)[2] / STEP_UNIT


def _grid(header: Header) -> BlockGrid:
    """Return the block grid of a file; FormatError as `_params`."""
    return BlockGrid(header.height, header.width, _params(header)[0])


def _levels(reader: Reader) -> Levels:
    """Read the coefficients of a file, integers (blocks, channels, V) in 1/16 level; FormatError if damaged."""
    cell, coding, units = _params(reader.header)
    grid = _grid(reader.header)
    shape = (grid.count, reader.header.channels, cell**2)
    return coding.unpack(bytes(reader.tile(0)), shape, units, grid.columns)


def _params(header: Header) -> tuple[int, entropy.Coding, int]:
    """Return the cell in pixels, the coding and the step code of a file; FormatError if they are invalid."""
    if len(header.params) != 4 or header.tile_count != 1:
        raise FormatError("the header does not belong to a picture of the codec 'dct': it is damaged")
    cell, number, step_code = header.params[0], header.params[1], int.from_bytes(header.params[2:], "little")
    if cell not in _CELLS or number >= len(_CODINGS) or step_code < 1:
        raise FormatError(f"cells of {cell}, coding {number}, step {step_code}: the header is damaged")
    return cell, list(_CODINGS.values())[number], step_code
