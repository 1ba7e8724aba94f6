"""The lapped dictionary: integer atoms (the auxiliary domains U_v) of every plane, for any cell size.

An atom covers 2 x 2 blocks of n x n samples and is stored quadrant by quadrant in units of 1/4096. Four cells
cover a block of the picture. A single matrix product sums their contributions: the codes of the four cells
side by side, times the four quadrants on top of each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from collagecodec.codecs.collage.integers import EXACT_FLOAT32
from collagecodec.kernels.planes import Atoms as CompiledAtoms
from collagecodec.operator.atoms import reduction
from collagecodec.sampling.colour import to_levels

Atoms = NDArray[np.int16]
QUADRANTS = ((1, 1), (1, 0), (0, 1), (0, 0))
"""Quadrant (qy, qx) of the cells (i, j), (i, j + 1), (i + 1, j), (i + 1, j + 1) that falls on block (i, j)."""
ATOM_UNIT = 4096
PLANE_LIMIT = 2**13
"""Synthesised samples are clipped to +- this value in 1/16 level, which no picture reaches."""


@dataclass(frozen=True)
class Plane:
    """The atoms of a plane and the channels of the code that they belong to."""

    atoms: Atoms
    """(V, 4 n n) int16 in units of 1/4096, quadrant by quadrant."""
    channels: NDArray[np.intp]
    """Channel of the code of each atom, (V,)."""

    def stacked(self, n: int) -> NDArray[np.int16]:
        """Return the atoms for cells of n samples, (4 V, n n) int16, quadrants in the order of `QUADRANTS`."""
        cell = round((self.atoms.shape[1] / 4) ** 0.5)
        quads = self.atoms.reshape(-1, 2, 2, cell, cell)
        if n != cell:
            weights = reduction(n, cell)
            total = np.einsum("ay,vqpyx,bx->vqpab", weights, quads.astype(np.int64), weights, optimize=True)
            quads = ((total + cell * cell // 2) // (cell * cell)).astype(np.int16)
        return np.concatenate([quads[:, y, x].reshape(len(quads), n * n) for y, x in QUADRANTS])


@dataclass(frozen=True)
class Dictionary:
    """The atoms of all planes. `cell` is the stride n of the range cells at scale 1, in pixels."""

    cell: int
    planes: tuple[Plane, ...]
    _cache: dict[tuple[int, int], tuple[NDArray[np.float32], NDArray[np.float32]]] = field(
        default_factory=dict, repr=False, compare=False
    )
    _atoms: dict[tuple[int, int], CompiledAtoms] = field(default_factory=dict, repr=False, compare=False)

    def _at(self, plane: int, n: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return stacked atoms (4 V, n n) float32 and the largest magnitude of each row (4 V,)."""
        if (plane, n) not in self._cache:
            atoms = self.planes[plane].stacked(n).astype(np.float32)
            self._cache[plane, n] = atoms, np.abs(atoms).max(1)
        return self._cache[plane, n]

    def samples(self, plane: int, codes: NDArray[np.int32], n: int, result: NDArray[np.int16]) -> None:
        """Write the samples of a plane in 1/16 level, clipped to +-`PLANE_LIMIT`, to `result`.

        `result` ((R - 1) n, (S - 1) n) is in the order of C; `codes` and n as in `synthesise`.
        """
        if (plane, n) not in self._atoms:
            own = self.planes[plane]
            self._atoms[plane, n] = CompiledAtoms(own.stacked(n), own.channels, n)
        if self._atoms[plane, n].synthesise(codes, result):
            return
        rows, columns = codes.shape[0] - 1, codes.shape[1] - 1
        blocks = to_levels(self.synthesise(plane, codes, n))
        np.clip(blocks, -PLANE_LIMIT, PLANE_LIMIT, out=blocks)
        tiled = blocks.reshape(rows, columns, n, n).transpose(0, 2, 1, 3)
        result.reshape(rows, n, columns, n)[...] = tiled

    @cached_property
    def channel_count(self) -> int:
        """Number of channels of the code."""
        return sum(len(p.channels) for p in self.planes)

    def synthesise(self, plane: int, codes: NDArray[np.int32], n: int) -> NDArray[np.floating]:
        """Return the blocks of a plane, (R - 1, S - 1, n n) integers in 1/16384 pixel level.

        `codes` (R, S, C) of adjacent cells are in 1/4 pixel level, at most 2^18 in magnitude; n is the number of
        samples across a cell, 1..cell. The result is exact on every machine.
        """
        rows, columns = codes.shape[0] - 1, codes.shape[1] - 1
        channels = self.planes[plane].channels
        coded = np.flatnonzero(codes.reshape(-1, codes.shape[-1]).any(0))
        used = np.flatnonzero(np.isin(channels, coded))
        nonzero = codes[..., channels[used]].astype(np.float32)
        shifts = [nonzero[y : rows + y, x : columns + x] for y in (0, 1) for x in (0, 1)]
        four = np.concatenate(shifts, axis=2).reshape(rows * columns, 4 * used.size)
        atoms, peaks = self._at(plane, n)
        chosen = (np.arange(4)[:, None] * len(channels) + used).ravel()
        atoms, peaks = atoms[chosen], peaks[chosen]
        if four.size and float((np.abs(four) @ peaks).max()) * 1.001 < EXACT_FLOAT32:
            return (four @ atoms).reshape(rows, columns, n * n)
        # Sums may exceed 2^24, where float32 is not exact; float64 gives the same integers.
        return (four.astype(np.float64) @ atoms.astype(np.float64)).reshape(rows, columns, n * n)
