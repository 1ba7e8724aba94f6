"""The parameters of a `pifs` file, their limits, and the plane layouts that follow from them."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from bitstream.container import Header
from bitstream.errors import FormatError
from collagecodec.codecs.pifs.fixed_point import MAX_ITERATIONS
from collagecodec.codecs.pifs.layout import Layout, PartitionParams
from collagecodec.codecs.pifs.tree import Means

MAX_CELL = 128
MAX_WINDOW = 2**10
MAX_PIXELS = 2**28
MAX_TILE_PIXELS = 2**22
_LAYOUT = struct.Struct("<7B2BH")
_AUGMENT, _HALF, _QUARTER = 1, 2, 4
REDUCTIONS = (1, 2, 4)


@dataclass(frozen=True)
class Params:
    """The parameters of the codes, as stored in the header.

    chroma      factor by which the resolution of colour differences is reduced: 1, 2, 4
    step_code   quantiser step in 1/16 level, 1 .. 65535
    mean_bits   bits per mean for the coding `fixed`, 1 .. 8; 0 for entropy coding
    iterations  number of applications of the maps, 1 .. 64
    """

    partition: PartitionParams
    chroma: int
    step_code: int
    mean_bits: int
    iterations: int

    def pack(self) -> bytes:
        """Return the parameter bytes of a header."""
        partition = self.partition
        flags = _AUGMENT * partition.augment | _HALF * (self.chroma == 2) | _QUARTER * (self.chroma == 4)
        return _LAYOUT.pack(
            flags, partition.largest, partition.smallest, partition.smallest_domain, partition.step,
            partition.window.bit_length(), self.mean_bits, self.iterations, 0, self.step_code,
        )  # fmt: skip

    @classmethod
    def read(cls, header: Header) -> Params:
        """Read the parameters of a header; FormatError if they are out of range."""
        if len(header.params) != _LAYOUT.size:
            raise FormatError(
                f"the parameters of 'pifs' have {len(header.params)} bytes, not {_LAYOUT.size}: "
                "the header is damaged"
            )
        flags, largest, smallest, domain, step, window, bits, iterations, reserved, step_code = _LAYOUT.unpack(
            header.params
        )
        ratio = largest // max(1, smallest)
        checks = (
            1 <= smallest <= largest <= MAX_CELL and smallest * ratio == largest and ratio & (ratio - 1) == 0,
            1 <= domain <= MAX_CELL and step >= 1 and window <= MAX_WINDOW.bit_length() and flags < 6,
            bits <= 8 and (not bits or ratio == 1),
            1 <= iterations <= MAX_ITERATIONS and reserved == 0 and step_code >= 1,
        )
        if not all(checks):
            raise FormatError(
                f"the parameters {header.params.hex()} of 'pifs' are out of range: the header is damaged"
            )
        partition = PartitionParams(largest, smallest, domain, step, 1 << window >> 1, bool(flags & _AUGMENT))
        chroma, side = REDUCTIONS[flags >> 1], header.tile_size
        if (
            side % (2 * partition.unit)
            or max(tile_sides(header)) ** 2 > 4 * MAX_TILE_PIXELS
            or (tile_sides(header)[0] * tile_sides(header)[1] > MAX_TILE_PIXELS)
        ):
            raise FormatError(f"tiles of {side} pixels do not fit the codec 'pifs': the header is damaged")
        return cls(partition, chroma, step_code, bits, iterations)


def tile_sides(header: Header) -> tuple[int, int]:
    """Return the height and width of the largest tile."""
    side = header.tile_size or max(header.height, header.width)
    return min(side, header.height), min(side, header.width)


def plane_layouts(header: Header, params: Params, tile: int) -> list[Layout]:
    """Return the layouts of the planes of a tile: Y, or Y, Cb, Cr."""
    _, _, width, height = header.tile_box(tile)
    layouts = [Layout(height, width, params.partition)]
    if header.channels == 3:
        by = params.chroma
        layouts += [Layout(-(-height // by), -(-width // by), params.partition)] * 2
    return layouts


def plane_means(params: Params, channels: int) -> list[Means]:
    """Return the quantisers of the means of Y, Cb, Cr.

    Each chroma sample covers `chroma`^2 pixels, so the chroma step is the luma step divided by `chroma`.
    """
    chroma = max(1, params.step_code // params.chroma)
    luma, colour = Means(params.step_code, params.mean_bits), Means(chroma, params.mean_bits, centred=True)
    return [luma, colour, colour][:channels]
