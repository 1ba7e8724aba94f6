"""`dct`: block-DCT, the collage without domains. Range cells of 8x8 or 16x16, auxiliary domains the cosines.

The code is found by projection, since the cosines are orthonormal, and quantised with one `step`. Two codings
tell the gain of the transform from that of the entropy coder: `fixed`, the accounting of Poli et al. 2022, in
which every coefficient has a fixed number of bits, and `entropy`.

Colours are JFIF's Y, Cb, Cr at full resolution. Everything that decoding adds up is a multiple of 2^-20 below
2^33: float64 is exact, and the pixels are the same on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from bitstream.container import CODEC_IDS, Header, Reader, write
from collagecodec.codecs import dct_entropy, dct_fixed
from collagecodec.codecs.base import Codec, Image8, Region
from collagecodec.collage.atoms import AtomTable
from collagecodec.collage.blocks import BlockGrid
from collagecodec.collage.code import Code
from collagecodec.collage.colour import PLANE_UNIT, grey_pixels, rgb_pixels
from collagecodec.collage.fixed_point import iterate
from collagecodec.collage.geometry import Geometry
from collagecodec.collage.operator import Operator
from collagecodec.errors import FormatError, LimitError, UnsupportedImageError

STEP_UNIT = 16
"""Steps are multiples of 1/16 level, up to 4095."""
ATOM_UNIT = 2**16
MAX_PIXELS = 2**28
_CODINGS = {"entropy": dct_entropy, "fixed": dct_fixed}
_CELLS = (8, 16)
_TO_YCBCR = np.array(
    ((0.299, 0.587, 0.114), (-0.168735892, -0.331264108, 0.5), (0.5, -0.418687589, -0.081312411))
)


@lru_cache(maxsize=2)
def cosines(cell: int) -> NDArray[np.float64]:
    """Return the DCT-II atoms of `cell` samples a side, low frequencies first: (cell^2, 1, cell, cell).

    Ahmed, Natarajan & Rao 1974, orthonormal up to the rounding to 2^-16.
    """
    places = np.arange(cell)
    rows = np.sqrt(2 / cell) * np.cos(np.pi * places[:, None] * (2 * places + 1) / (2 * cell))
    rows[0] /= np.sqrt(2)
    atoms = np.einsum("uy,vx->uvyx", rows, rows).reshape(cell * cell, 1, cell, cell)
    rounded: NDArray[np.float64] = np.round(atoms * ATOM_UNIT)[frequencies(cell)[0]] / ATOM_UNIT
    return rounded


@lru_cache(maxsize=2)
def frequencies(cell: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the order of flat coefficients from low to high, and u + v of each so ordered: int64 (V,)."""
    total = np.add.outer(np.arange(cell), np.arange(cell)).ravel()
    order = np.argsort(total, kind="stable")
    return order, total[order]


@dataclass(frozen=True)
class DctCodec(Codec):
    """`step` in pixel levels, 1/16 to 4095: coarser is smaller; `cell` 8 or 16; `coding` as above."""

    step: float = 32.0
    cell: int = 8
    coding: Literal["entropy", "fixed"] = "entropy"

    name: ClassVar[str] = "dct"

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
        """See `Codec.decode`; whole pictures at their own size only, ValueError otherwise."""
        if scale != 1 or size is not None or region is not None:
            raise ValueError("dct decodes whole pictures at their own size only")
        reader = Reader(data)
        header = reader.header
        cell, coding, units = _params(header)
        grid = BlockGrid(header.height, header.width, cell)
        shape = (grid.count, header.channels, cell**2)
        levels = coding.unpack(bytes(reader.tile(0)), shape, units, grid.columns)
        code = Code.without_domains(levels[:, :, None] / STEP_UNIT)
        operator = Operator(Geometry(cell, cell, cell), AtomTable(cosines(cell)), header.channels)
        return _pixels(grid.join(iterate(operator, code, 1)))


def _params(header: Header) -> tuple[int, dct_entropy.Coding, int]:
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
    if grey:
        return image[..., None].astype(np.float64) - 128
    return np.asarray(image @ _TO_YCBCR.T - np.array((128, 0, 0)))


def _pixels(planes: NDArray[np.floating]) -> Image8:
    """Undo `_planes`, rounding to 1/16 level and then to whole levels."""
    sixteenths = np.floor(planes * PLANE_UNIT + 0.5).clip(-(2**13), 2**13).astype(np.float32)
    if sixteenths.shape[2] == 1:
        return grey_pixels(sixteenths[..., 0])
    return np.stack(rgb_pixels(*(sixteenths[..., channel] for channel in range(3))), axis=2)
