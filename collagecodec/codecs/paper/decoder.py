"""Decoder of `collage-paper`, the Neural Collage of Poli et al. 2022 on 40x40 blocks, in exact arithmetic.

Each block is an independent collage with 2x2 range cells of 20x20 samples, a single domain cell (the block), and
V learned auxiliary domains that all pictures share. The three channels share the coefficients c and have their
own b. A block is stored as symbols of fixed width:

    1 symbol         the mode, which sets the number of components, their widths and tables
    4 symbols        the domain coefficient c of each range cell, by table
    up to Q symbols  components y, each with its own table; the others are 0
    theta = y M + m  the other 4 (V + 3) parameters of the code: auxiliary c, then b, cell by cell

All tables hold integers. All values computed from them are multiples of powers of two with far fewer than 53
bits, so float64 holds every product and sum exactly, whatever the library, thread count or order of summation:
`c` in 2^-18, atoms in 1/4 level, pictures in 1/16 level, rounded after each application of the map.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitstream.fixed_width import MAX_BITS, pack_fixed, unpack_fixed
from collagecodec.codecs.models import find_decoder, read_tensors
from collagecodec.errors import ModelMismatchError
from collagecodec.operator.code import Code
from collagecodec.operator.fixed_point import iterate
from collagecodec.operator.geometry import Floats, Geometry, Indices
from collagecodec.operator.operator import Operator

BLOCK, CELL, CELLS, CHANNELS = 40, 20, 4, 3
MIDDLE = 128
"""Samples are pixel levels minus this value."""
RATES = (0.13, 0.31)
"""Bits per pixel, by the rate number in the file."""
BLOCK_BITS = (208, 496)

AMPLITUDE = 2**15
"""Theta for an auxiliary coefficient c = 1. Theta has the scale of an orthonormal transform; with this divisor
the sum of |c| over the terms of a cell stays below 1 for any block."""
OFFSET_GAIN = 20
"""Theta for b = 1 level: the square root of the samples in a cell."""
ATOM_UNIT, SAMPLE_UNIT, MIX_UNIT, DOMAIN_UNIT, THETA_UNIT = 4, 16, 2**14, 2**12, 8
"""Atoms are stored in 1/4 level, pictures, levels and means in 1/16, M in 2^-14, domain coefficients in
2^-12; theta is rounded to 1/8 before it becomes c."""
RESAMPLE_UNIT = 2**12
MAX_ITERATIONS = 64
MAX_DOMAIN = 0.75
"""Largest domain coefficient."""

Tensors = Mapping[str, NDArray[np.generic]]
Symbols = NDArray[np.integer[Any]]


def block_geometry() -> Geometry:
    """Range cells and domain cell of a block."""
    return Geometry(BLOCK, BLOCK, CELL, corners=np.zeros((1, 2), np.int64), pool=BLOCK // CELL)


def round_to(values: Floats, unit: int) -> Floats:
    """Round to the nearest multiples of 1 / unit, a power of two; halves round up."""
    return np.asarray(np.floor(values * unit + 0.5) / unit)


@lru_cache(maxsize=32)
def exact_weights(size: int) -> Floats:
    """Return `atoms.resample_matrix` from CELL to `size` samples, rounded to 2^-12, halves up: (size, CELL).

    The weights are computed in fractions, so that every machine rounds alike.
    """
    weights = np.zeros((size, CELL))
    ratio = Fraction(CELL, size)
    for row in range(size):
        if size <= CELL:
            low, high = row * ratio, (row + 1) * ratio
            cells = [(Fraction(i), Fraction(i + 1)) for i in range(CELL)]
            exact = [max(min(high, b) - max(low, a), Fraction(0)) / ratio for a, b in cells]
        else:
            exact = [Fraction(0)] * CELL
            place = (row + Fraction(1, 2)) * ratio - Fraction(1, 2)
            for tap in range(math.floor(place) - 1, math.floor(place) + 3):
                exact[min(max(tap, 0), CELL - 1)] += _keys(abs(place - tap))
        weights[row] = [math.floor(w * RESAMPLE_UNIT + Fraction(1, 2)) / RESAMPLE_UNIT for w in exact]
    return weights


def _keys(t: Fraction) -> Fraction:
    """Evaluate the cubic convolution kernel of Keys 1981 with a = -1/2 at distance t >= 0."""
    if t <= 1:
        return (Fraction(3, 2) * t - Fraction(5, 2)) * t * t + 1
    return ((-t / 2 + Fraction(5, 2)) * t - 4) * t + 2 if t < 2 else Fraction(0)


@dataclass(frozen=True, eq=False)
class ExactAtoms:
    """Atoms (V, 3, 20, 20), multiples of 1/4 level, which can be sampled on a grid of any size."""

    atoms: NDArray[np.float64]

    def __call__(self, size: int) -> Floats:
        """Return the atoms on size x size samples: float64 (V, 3, size, size), multiples of 1/4 level."""
        if size == CELL:
            return self.atoms
        matrix = exact_weights(size)
        return round_to(matrix @ self.atoms @ matrix.T, ATOM_UNIT)


@dataclass(frozen=True, eq=False)
class Mode:
    """The tables of a mode: widths int64 (stored,) in bits, levels float64 (stored, longest table)."""

    widths: Indices
    levels: NDArray[np.float64]

    def components(self, symbols: Symbols) -> NDArray[np.float64]:
        """Return the components of symbols (B, stored), in the same shape."""
        return self.levels[np.arange(self.widths.size), symbols]


@dataclass(frozen=True, eq=False)
class PaperDecoder:
    """The decoder of a model; `from_tensors` reads and checks it."""

    fingerprint: str
    auxiliary: ExactAtoms
    domain_levels: NDArray[np.float64]
    mixing: NDArray[np.float64]
    mean: NDArray[np.float64]
    rates: tuple[tuple[Mode, ...], ...]
    """The modes of every rate."""
    iterations: int

    @classmethod
    def from_tensors(cls, tensors: Tensors, fingerprint: str) -> PaperDecoder:
        """Assemble a decoder; ModelMismatchError if an array is missing or does not fit the others.

        atoms          int16 (V, 3, 20, 20), 1/4 level
        domain_levels  int32 (2^d,), 2^-12
        mixing         int16 (Q, 4 (V + 3)), 2^-14
        mean           int32 (4 (V + 3),), 1/16
        widths         int32 (2, 2^m, Q), bits in each mode of a rate; unused components last, of width 0
        levels         int32 (sum of 2^width over rates, modes and used components,), 1/16
        iterations     int32 (1,)
        """
        try:
            atoms = tensors["atoms"].astype(np.float64) / ATOM_UNIT
            domain = tensors["domain_levels"].astype(np.float64) / DOMAIN_UNIT
            decoder = cls(
                fingerprint,
                ExactAtoms(atoms),
                domain,
                tensors["mixing"].astype(np.float64) / MIX_UNIT,
                tensors["mean"].astype(np.float64) / SAMPLE_UNIT,
                _modes(tensors),
                int(tensors["iterations"][0]),
            )
        except (KeyError, ValueError, IndexError, TypeError, OverflowError) as error:
            raise ModelMismatchError(
                f"the model {fingerprint} is incomplete ({error}): install it again"
            ) from error
        decoder._check()
        return decoder

    def _check(self) -> None:
        atoms = self.auxiliary.atoms
        width = CELLS * (len(atoms) + CHANNELS)
        fits = (
            atoms.shape[1:] == (CHANNELS, CELL, CELL)
            and self.mixing.shape[1:] == self.mean.shape == (width,)
            and self._bits_fit()
            and float(np.abs(self.domain_levels).max()) <= MAX_DOMAIN
            and 0 < self.iterations <= MAX_ITERATIONS
            and self.largest_sum() < 2.0**53
        )
        if not fits:
            raise ModelMismatchError(f"the arrays of the model {self.fingerprint} do not fit: install it again")

    def largest_sum(self) -> float:
        """Return the largest integer that any sum can reach, in 2^-18 of 1/4 level; exact below 2^53."""
        levels = np.zeros(len(self.mixing))
        for mode in (mode for modes in self.rates for mode in modes):
            np.maximum(levels[: mode.widths.size], np.abs(mode.levels).max(1), out=levels[: mode.widths.size])
        theta = (levels @ np.abs(self.mixing) + np.abs(self.mean)).reshape(CELLS, -1)
        atoms = np.abs(self.auxiliary.atoms).max((1, 2, 3))
        # The weights of an enlarged atom sum to less than 2 in magnitude, on each axis.
        auxiliary = (theta[:, : len(atoms)] + 1) / AMPLITUDE @ atoms * 4
        constant = auxiliary + theta[:, len(atoms) :].max(1) / OFFSET_GAIN + 1
        sample = constant.max() / (1 - MAX_DOMAIN)
        return max(float(theta.max()) * 2**18, float(sample) * 2**20)

    def _bits_fit(self) -> bool:
        """Return whether the symbols of a block fill its bytes exactly in every mode."""
        powers = {len(self.domain_levels): self.domain_bits, **{len(m): self.mode_bits for m in self.rates}}
        return (
            all(count == 2**bits for count, bits in powers.items())
            and 1 <= self.mode_bits <= 8
            and len(self.rates) == len(BLOCK_BITS)
            and all(
                int(self.symbol_bits(rate, mode).sum()) == bits
                for rate, bits in enumerate(BLOCK_BITS)
                for mode in range(len(self.rates[rate]))
            )
        )

    @property
    def domain_bits(self) -> int:
        """Width of a domain symbol in bits."""
        return len(self.domain_levels).bit_length() - 1

    @property
    def mode_bits(self) -> int:
        """Width of the mode of a block in bits."""
        return len(self.rates[0]).bit_length() - 1

    def symbol_bits(self, rate: int, mode: int) -> Indices:
        """Return the widths in bits of the symbols of a block, in order: int64 (1 + 4 + stored,)."""
        lead = [self.mode_bits, *[self.domain_bits] * CELLS]
        return np.concatenate([np.array(lead, np.int64), self.rates[rate][mode].widths])

    def pack(self, symbols: Symbols, rate: int) -> bytes:
        """Pack the symbols of blocks (B, 1 + 4 + Q); symbols that a mode does not store are left out."""
        bits = [self.symbol_bits(rate, int(row[0])) for row in symbols]
        stored = [row[: width.size] for row, width in zip(symbols, bits, strict=True)]
        return pack_fixed(np.concatenate(stored), np.concatenate(bits))

    def unpack(self, data: NDArray[np.uint8], rate: int) -> Symbols:
        """Unpack blocks, uint8 (B, bytes per block), to symbols (B, 1 + 4 + Q); symbols not stored are 0."""
        symbols = np.zeros((len(data), 1 + CELLS + len(self.mixing)), np.int64)
        modes = data[:, 0] & (2**self.mode_bits - 1)
        for mode in np.unique(modes):
            rows, bits = modes == mode, self.symbol_bits(rate, int(mode))
            count = int(rows.sum())
            stored = unpack_fixed(data[rows].tobytes(), np.tile(bits, count), count * bits.size)
            symbols[rows, : bits.size] = stored.reshape(count, bits.size)
        return symbols

    def code(self, symbols: Symbols, rate: int) -> Code:
        """Return the code (a, b, gamma) of symbols (B, 1 + 4 + Q)."""
        components = np.zeros((len(symbols), len(self.mixing)))
        for number, mode in enumerate(self.rates[rate]):
            rows = np.flatnonzero(symbols[:, 0] == number)
            stored = symbols[rows, 1 + CELLS : 1 + CELLS + mode.widths.size]
            components[rows, : mode.widths.size] = mode.components(stored)
        theta = components @ self.mixing + self.mean
        by_cell = theta.reshape(len(symbols), CELLS, -1)
        atoms = len(self.auxiliary.atoms)
        auxiliary = round_to(by_cell[..., :atoms], THETA_UNIT) / AMPLITUDE
        offset = round_to(by_cell[..., atoms:] / OFFSET_GAIN, SAMPLE_UNIT)
        return Code(
            domain=self.domain_levels[symbols[:, None, 1 : 1 + CELLS, None]],
            auxiliary=auxiliary[:, None],
            offset=np.ascontiguousarray(offset.transpose(0, 2, 1)),
        )

    @cached_property
    def operator(self) -> Operator:
        """The map of a block at scale 1."""
        return Operator(block_geometry(), self.auxiliary, CHANNELS)

    def render(self, code: Code, samples: int) -> Floats:
        """Render blocks with range cells of n = `samples` per side: (B, 3, 2 n, 2 n), multiples of 1/16 around
        0."""
        operator = self.operator.at(Fraction(samples, CELL))
        return iterate(operator, code, self.iterations, rounding=lambda z: round_to(z, SAMPLE_UNIT))


def _modes(tensors: Tensors) -> tuple[tuple[Mode, ...], ...]:
    """Return the modes of every rate; ValueError if the number of levels does not match the widths."""
    stored = tensors["levels"].astype(np.float64) / SAMPLE_UNIT
    done, rates = 0, []
    for rate in tensors["widths"].astype(np.int64):
        modes = []
        for row in rate:
            widths = row[: int(np.count_nonzero(row))]
            if not widths.size or widths.min() < 1 or widths.max() > MAX_BITS:
                raise ValueError(f"components have 1 .. {MAX_BITS} bits")
            levels = np.zeros((widths.size, 2 ** int(widths.max())))
            for component, width in enumerate(widths):
                levels[component, : 2**width] = stored[done : done + 2**width]
                done += 2**width
            modes.append(Mode(widths, levels))
        rates.append(tuple(modes))
    if done != stored.size:
        raise ValueError(f"{stored.size} levels are stored, and the widths need {done}")
    return tuple(rates)


@lru_cache(maxsize=2)
def load_paper(fingerprint: str) -> PaperDecoder:
    """Read a decoder by fingerprint; ModelMismatchError if it is not installed."""
    return PaperDecoder.from_tensors(read_tensors(find_decoder(fingerprint)), fingerprint)
