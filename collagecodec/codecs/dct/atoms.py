"""The auxiliary domains of `dct`: cosines in multiples of 2^-16, for cells of any size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from collagecodec.operator.atoms import AtomTable, reduction

ATOM_UNIT = 2**16


@lru_cache(maxsize=2)
def cosines(cell: int) -> NDArray[np.float64]:
    """Return the DCT-II atoms (Ahmed, Natarajan & Rao 1974) of cells of `cell` x `cell` samples.

    The shape is (cell^2, 1, cell, cell), low frequencies first. Atoms are orthonormal up to rounding to 2^-16.
    """
    places = np.arange(cell)
    rows = np.sqrt(2 / cell) * np.cos(np.pi * places[:, None] * (2 * places + 1) / (2 * cell))
    rows[0] /= np.sqrt(2)
    atoms = np.einsum("uy,vx->uvyx", rows, rows).reshape(cell * cell, 1, cell, cell)
    rounded: NDArray[np.float64] = np.round(atoms * ATOM_UNIT)[frequencies(cell)[0]] / ATOM_UNIT
    return rounded


@lru_cache(maxsize=2)
def frequencies(cell: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the order of flat coefficients by rising frequency, and their u + v in this order: int64 (V,)."""
    total = np.add.outer(np.arange(cell), np.arange(cell)).ravel()
    order = np.argsort(total, kind="stable")
    return order, total[order]


@lru_cache(maxsize=8)
def coarse_cosines(cell: int, samples: int) -> NDArray[np.float64]:
    """Return the area means of the atoms on `samples` <= `cell` samples: (cell^2, 1, samples, samples).

    The values are multiples of 2^-16, rounded half up from the exact means.
    """
    weights = reduction(samples, cell)
    integers = (cosines(cell) * ATOM_UNIT).astype(np.int64)
    total = weights @ integers @ weights.T
    return np.asarray((total + cell * cell // 2) // (cell * cell) / ATOM_UNIT)


@dataclass(frozen=True)
class Cosines:
    """The atoms of cells of `cell` samples as a function of the size (`operator.atoms.Auxiliary`)."""

    cell: int

    def __call__(self, size: int) -> NDArray[np.floating]:
        """Return the atoms on size x size samples, (cell^2, 1, size, size).

        Sizes up to `cell` use exact means, larger sizes cubic interpolation.
        """
        return coarse_cosines(self.cell, size) if size <= self.cell else AtomTable(cosines(self.cell))(size)
