"""Decoder of `collage-paper`, the Neural Collage of Poli et al. 2022 on 40x40 blocks, in exact arithmetic.

Each block is a collage of its own: 2 x 2 range cells of 20 x 20 samples, one domain cell (the block), V
learned auxiliary domains that all pictures share, coefficients shared by the three channels, b for each
channel. A block is stored as symbols of fixed width:

    4 symbols        the domain coefficient c of each range cell, by table
    Q symbols        components y, by one table each
    theta = y M + m  the 4 (V + 3) other numbers of the code: auxiliary c, then b, cell by cell

All tables are whole numbers. What is computed from them are multiples of powers of two with far fewer than
53 bits, so that float64 holds every product and every sum exactly, whatever library, thread count or order of
summation: `c` in 2^-16, atoms in 1/32 level, pictures in 1/16 level, rounded after each application of the
map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitstream.fixed_width import unpack_fixed
from collagecodec.collage.atoms import resample_matrix
from collagecodec.collage.code import Code
from collagecodec.collage.fixed_point import iterate
from collagecodec.collage.geometry import Floats, Geometry, Indices
from collagecodec.collage.model import find_decoder, read_tensors
from collagecodec.collage.operator import Operator
from collagecodec.errors import ModelMismatchError

BLOCK, CELL, CELLS, CHANNELS = 40, 20, 4, 3
MIDDLE = 128
"""Samples are pixel levels less this."""
RATES = (0.13, 0.31)
"""Bits a pixel, by the number of the rate in the file."""
BLOCK_BITS = (208, 496)

AMPLITUDE = 2**13
"""Level of theta for auxiliary coefficients of 1, so that theta has the scale of an orthonormal transform."""
OFFSET_GAIN = 20
"""Level of theta for b = 1: the square root of the samples in a cell."""
ATOM_UNIT, SAMPLE_UNIT, MIX_UNIT, DOMAIN_UNIT, THETA_UNIT = 32, 16, 2**14, 2**12, 8
"""Atoms are stored in 1/32 level, pictures, levels and means in 1/16, M in 2^-14, domain coefficients in
2^-12; theta is rounded to 1/8 before it becomes c."""
RESAMPLE_UNIT = 2**12
MAX_DOMAIN = 0.75
"""Largest domain coefficient."""

Tensors = Mapping[str, NDArray[np.generic]]
Symbols = NDArray[np.integer[Any]]


def block_geometry() -> Geometry:
    """Range cells and domain cell of a block."""
    return Geometry(BLOCK, BLOCK, CELL, corners=np.zeros((1, 2), np.int64), pool=BLOCK // CELL)


def round_to(values: Floats, unit: int) -> Floats:
    """Nearest multiples of 1 / unit, a power of two; halves go up."""
    return np.asarray(np.floor(values * unit + 0.5) / unit)


@dataclass(frozen=True, eq=False)
class ExactAtoms:
    """Atoms (V, 3, n, n) in whole 1/32 levels, on the grid of any size; results are 1/32 levels again."""

    atoms: NDArray[np.float64]

    def __call__(self, size: int) -> Floats:
        """Atoms on size x size samples: float64 (V, 3, size, size), multiples of 1/32."""
        if size == CELL:
            return self.atoms
        matrix = round_to(resample_matrix(CELL, size), RESAMPLE_UNIT)
        return round_to(matrix @ self.atoms @ matrix.T, ATOM_UNIT)


@dataclass(frozen=True, eq=False)
class Tables:
    """Symbols to numbers at one rate: widths int64 (Q,) in bits, levels float64 (Q, longest table)."""

    domain_bits: int
    widths: Indices
    levels: NDArray[np.float64]

    @property
    def symbol_bits(self) -> Indices:
        """Width of every symbol of a block, in order: int64 (4 + Q,)."""
        return np.concatenate([np.full(CELLS, self.domain_bits, np.int64), self.widths])

    @property
    def block_bytes(self) -> int:
        """Bytes of a block."""
        return int(self.symbol_bits.sum()) // 8


@dataclass(frozen=True, eq=False)
class PaperDecoder:
    """A model as the decoder uses it; `from_tensors` reads and checks one."""

    fingerprint: str
    auxiliary: ExactAtoms
    domain_levels: NDArray[np.float64]
    mixing: NDArray[np.float64]
    mean: NDArray[np.float64]
    rates: tuple[Tables, ...]
    iterations: int

    @classmethod
    def from_tensors(cls, tensors: Tensors, fingerprint: str) -> PaperDecoder:
        """Assemble a decoder; ModelMismatchError if an array is missing or does not fit the others.

        atoms          int16 (V, 3, 20, 20), 1/32 level
        domain_levels  int32 (2^d,), 2^-12
        mixing         int16 (Q, 4 (V + 3)), 2^-14
        mean           int32 (4 (V + 3),), 1/16
        widths         int32 (2, Q), bits at each rate, unused components last and of width 0
        levels         int32 (sum of 2^width over rates and used components,), 1/16
        iterations     int32 (1,)
        """
        try:
            atoms = tensors["atoms"].astype(np.float64) / ATOM_UNIT
            domain = tensors["domain_levels"].astype(np.float64) / DOMAIN_UNIT
            made = cls(
                fingerprint,
                ExactAtoms(atoms),
                domain,
                tensors["mixing"].astype(np.float64) / MIX_UNIT,
                tensors["mean"].astype(np.float64) / SAMPLE_UNIT,
                _tables(tensors, domain.size),
                int(tensors["iterations"][0]),
            )
        except (KeyError, ValueError, IndexError) as error:
            raise ModelMismatchError(
                f"the model {fingerprint} is incomplete ({error}): install it again"
            ) from error
        made._check()
        return made

    def _check(self) -> None:
        atoms = self.auxiliary.atoms
        width = CELLS * (len(atoms) + CHANNELS)
        fits = (
            atoms.shape[1:] == (CHANNELS, CELL, CELL)
            and self.mixing.shape[1:] == self.mean.shape == (width,)
            and tuple(8 * rate.block_bytes for rate in self.rates) == BLOCK_BITS
            and float(np.abs(self.domain_levels).max()) <= MAX_DOMAIN
            and self.iterations > 0
        )
        if not fits:
            raise ModelMismatchError(
                f"the arrays of the model {self.fingerprint} do not fit: install it again"
            )

    def symbols(self, data: bytes, rate: int, blocks: int) -> Symbols:
        """Symbols (blocks, 4 + Q) of so many blocks at a rate; FormatError if `data` are not just these."""
        bits = self.rates[rate].symbol_bits
        found = unpack_fixed(data, np.tile(bits, blocks), blocks * bits.size)
        return found.reshape(blocks, bits.size)

    def code(self, symbols: Symbols, rate: int) -> Code:
        """The code (a, b, gamma) that symbols (B, 4 + Q) stand for."""
        table = self.rates[rate]
        components = table.levels[np.arange(table.widths.size), symbols[:, CELLS:]]
        theta = components @ self.mixing[: table.widths.size] + self.mean
        by_cell = theta.reshape(len(symbols), CELLS, -1)
        atoms = len(self.auxiliary.atoms)
        auxiliary = round_to(by_cell[..., :atoms], THETA_UNIT) / AMPLITUDE
        offset = round_to(by_cell[..., atoms:] / OFFSET_GAIN, SAMPLE_UNIT)
        return Code(
            domain=self.domain_levels[symbols[:, None, :CELLS, None]],
            auxiliary=auxiliary[:, None],
            offset=np.ascontiguousarray(offset.transpose(0, 2, 1)),
        )

    @cached_property
    def operator(self) -> Operator:
        """The map of a block at scale 1."""
        return Operator(block_geometry(), self.auxiliary, CHANNELS)

    def render(self, code: Code, samples: int) -> Floats:
        """Blocks with range cells of n = `samples` a side: (B, 3, 2 n, 2 n), multiples of 1/16 around 0."""
        operator = self.operator.at(Fraction(samples, CELL))
        return iterate(operator, code, self.iterations, rounding=lambda z: round_to(z, SAMPLE_UNIT))


def _tables(tensors: Tensors, domain_levels: int) -> tuple[Tables, ...]:
    """The symbol tables of all rates; ValueError if the stored levels are not those that widths ask for."""
    stored = tensors["levels"].astype(np.float64) / SAMPLE_UNIT
    domain_bits = domain_levels.bit_length() - 1
    if domain_levels != 2**domain_bits or domain_bits < 1:
        raise ValueError(f"{domain_levels} domain levels are no power of two")
    made, done = [], 0
    for row in tensors["widths"].astype(np.int64):
        widths = row[: int(np.count_nonzero(row))]
        levels = np.zeros((widths.size, 2 ** int(widths.max())))
        for component, width in enumerate(widths):
            levels[component, : 2**width] = stored[done : done + 2**width]
            done += 2**width
        made.append(Tables(domain_bits, widths, levels))
    if done != stored.size:
        raise ValueError(f"{stored.size} levels are stored instead of {done}")
    return tuple(made)


@lru_cache(maxsize=2)
def load_paper(fingerprint: str) -> PaperDecoder:
    """Read a decoder by fingerprint; ModelMismatchError if it is not installed."""
    return PaperDecoder.from_tensors(read_tensors(find_decoder(fingerprint)), fingerprint)
