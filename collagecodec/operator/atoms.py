"""Auxiliary domains: cells U_v that do not come from the picture, on the grid of any scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collagecodec.operator.geometry import Floats

Auxiliary = Callable[[int], Floats]
"""Returns the atoms for cells of n x n samples: (V, 1 or C, n, n), shared by all cells, or
(B or 1, 1 or C, K, V, n, n), a set for every range cell."""


def reduction(n: int, cell: int) -> NDArray[np.int64]:
    """Return area weights that reduce `cell` samples to n <= cell, shape (n, cell); every row sums to `cell`."""
    edges = np.arange(n + 1) * cell
    samples = np.arange(cell) * n
    upper = np.minimum(edges[1:, None], samples[None] + n)
    return np.clip(upper - np.maximum(edges[:-1, None], samples[None]), 0, None)


def area_matrix(samples: int, size: int) -> NDArray[np.float64]:
    """Return a matrix (size, samples), size <= samples, of means over equal intervals; rows sum to 1."""
    edges = np.arange(size + 1) * samples / size
    low, high = edges[:-1, None], edges[1:, None]
    grid = np.arange(samples)
    overlap = np.minimum(high, grid + 1) - np.maximum(low, grid)
    return np.asarray(np.maximum(overlap, 0) * size / samples)


def cubic_matrix(samples: int, size: int) -> NDArray[np.float64]:
    """Return a matrix (size, samples), size >= samples, of cubic convolution (Keys 1981, a = -1/2).

    Rows sum to 1. Samples lie at the middles of equal intervals; the first and the last are repeated outwards.
    """
    place = (np.arange(size) + 0.5) * samples / size - 0.5
    first = np.floor(place).astype(np.int64)
    matrix = np.zeros((size, samples))
    for tap in range(-1, 3):
        t = np.abs(place - (first + tap))
        near = (1.5 * t - 2.5) * t * t + 1
        far = ((-0.5 * t + 2.5) * t - 4) * t + 2
        weight = np.where(t <= 1, near, far)
        np.add.at(matrix, (np.arange(size), np.clip(first + tap, 0, samples - 1)), weight)
    return matrix


def resample_matrix(samples: int, size: int) -> NDArray[np.float64]:
    """Return a matrix (size, samples): means for a coarser grid, cubic convolution for a finer grid."""
    return area_matrix(samples, size) if size <= samples else cubic_matrix(samples, size)


@dataclass(frozen=True, eq=False)
class AtomTable:
    """A table of atoms (..., n, n) as a function of the size (`Auxiliary`), which resamples to other sizes."""

    atoms: Floats

    def __post_init__(self) -> None:
        if self.atoms.ndim not in (4, 6) or self.atoms.shape[-1] != self.atoms.shape[-2]:
            raise ValueError(
                f"atoms are (V, 1 or C, n, n) or (B or 1, 1 or C, K, V, n, n), not {self.atoms.shape}"
            )

    def __call__(self, size: int) -> Floats:
        """Return the atoms on size x size samples: (..., size, size)."""
        samples = self.atoms.shape[-1]
        if size == samples:
            return self.atoms
        matrix = resample_matrix(samples, size)
        return np.asarray(matrix @ self.atoms @ matrix.T)


def no_atoms(size: int) -> Floats:
    """Return an empty set of atoms, (0, 1, size, size)."""
    return np.zeros((0, 1, size, size))
